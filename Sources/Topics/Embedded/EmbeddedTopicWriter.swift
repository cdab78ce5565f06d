package import Problems
import SQLite
import Time

/// Appends to the topics of one `topics.db`; offsets are given out inside the transaction, so writers need no other agreement.
final class EmbeddedTopicWriter: TopicWriter {
    private let connection: Connection
    private let now: @Sendable () -> EventTime
    private let findPartition: Statement
    private let insertPayload: Statement
    private let insertBatch: Statement
    private let moveEnd: Statement
    private let findProducer: Statement
    private let saveProducer: Statement
    private var appendsUntilRetention = 0

    /// How many appends lie between two looks for old records.
    private static let appendsPerRetention = 64

    init(on connection: Connection, now: @escaping @Sendable () -> EventTime) throws {
        (self.connection, self.now) = (connection, now)
        findPartition = try connection.prepare(
            """
            SELECT \(EmbeddedPartitions.ends) FROM partitions
            WHERE topic_id = (SELECT id FROM topics WHERE name = ?) AND partition = ?
            """)
        insertPayload = try connection.prepare("INSERT INTO payloads (bytes) VALUES (?)")
        insertBatch = try connection.prepare(
            "INSERT INTO batches (\(BatchRow.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        moveEnd = try connection.prepare(
            "UPDATE partitions SET end_offset = ?2, newest_time = max(coalesce(newest_time, ?3), ?3) WHERE slot = ?1")
        findProducer = try connection.prepare("SELECT fence_epoch, epoch, sequence, name FROM producers WHERE name = ?")
        saveProducer = try connection.prepare(
            """
            INSERT INTO producers (name, fence_epoch, epoch, sequence, position) VALUES (?1, ?2, ?2, ?3, ?4)
            ON CONFLICT (name) DO UPDATE SET fence_epoch = ?2, epoch = ?2, sequence = ?3, position = ?4
            """)
    }

    func lastMark(of producer: String) throws -> ProducerMark? {
        try explaining("looking for the position of producer \"\(producer)\"") {
            try connection.rows("SELECT \(ProducerMark.columns) FROM producers WHERE name = ?", .text(producer)) {
                row throws(SQLiteError) in try ProducerMark(row)
            }.first ?? nil
        }
    }

    func takeOver(producer: String) throws -> (epoch: Int64, last: ProducerMark?) {
        try explaining("taking over producer \"\(producer)\"") {
            try connection.transaction {
                let rows = try connection.rows(
                    """
                    INSERT INTO producers (name, fence_epoch) VALUES (?, 1)
                    ON CONFLICT (name) DO UPDATE SET fence_epoch = fence_epoch + 1
                    RETURNING \(ProducerMark.columns), fence_epoch
                    """, .text(producer)
                ) { row throws(SQLiteError) -> (epoch: Int64, last: ProducerMark?) in
                    let epoch = try row.integer(4, in: .counts)
                    // Each mark was stored under an epoch that had been given out before this one.
                    return (epoch, try ProducerMark(row, epochs: 0...max(0, epoch - 1)))
                }
                return rows[0]
            }
        }
    }

    @discardableResult
    func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool {
        let action = batches.first.map { "appending to topic \"\($0.topic)\"" } ?? "saving a producer's position"
        return try explaining(action) {
            // Before the append, so that its failure cannot be taken for the append's.
            try removeOldRecords()
            return try connection.transaction {
                if let mark, try !isNew(mark) { return false }
                let time = now()
                for batch in batches { try append(batch, at: time) }
                if let mark { try save(mark) }
                return true
            }
        }
    }

    private func append(_ batch: PendingBatch, at time: EventTime) throws {
        precondition(batch.count > 0, "an empty batch has no place in a partition")
        let (slot, offset) = try place(of: batch)
        precondition(batch.records == nil, "this store keeps columns")
        try batch.payload.withUnsafeBytes { bytes in
            insertPayload.bindBorrowed(0, blob: bytes)
            try insertPayload.run()
        }
        let values = [
            offset, slot, Int64(batch.count), batch.times.lowerBound, batch.times.upperBound, time,
            Int64(batch.encoding.rawValue), Int64(batch.payload.count), checksum(of: batch.payload),
            connection.lastInsertedRow,
        ]
        for (index, value) in values.enumerated() { insertBatch.bind(index, value) }
        insertBatch.bind(values.count, BatchRow.seal(of: values))
        try insertBatch.run()
        moveEnd.bind(0, slot)
        moveEnd.bind(1, offset + Int64(batch.count))
        moveEnd.bind(2, batch.times.upperBound)
        try moveEnd.run()
    }

    /// Slot and next offset of the batch's partition.
    private func place(of batch: PendingBatch) throws -> (slot: Int64, offset: Int64) {
        findPartition.bind(0, batch.topic)
        findPartition.bind(1, Int64(batch.partition))
        defer { findPartition.reset() }
        if try findPartition.step() {
            let end = try EmbeddedPartitions.kept(findPartition).upperBound
            guard end <= ClosedRange.counts.upperBound - Int64(batch.count) else {
                throw findPartition.damage(1, wanted: "an offset with room for \(batch.count) records behind it")
            }
            return (try findPartition.integer(2, in: .ids), end)
        }
        let id = try EmbeddedTopicStore.id(of: batch.topic, in: connection)
        let count =
            try connection.integer("SELECT count(*) FROM partitions WHERE topic_id = ?", .integer(id), in: .counts) ?? 0
        guard batch.partition >= count else {
            throw connection.damage("table partitions has no partition \(batch.partition) of topic \"\(batch.topic)\"")
        }
        throw Problem.noPartition(batch.partition, topic: batch.topic, partitionCount: Int(count))
    }

    /// Whether what the mark stands for was not appended yet.
    private func isNew(_ mark: ProducerMark) throws -> Bool {
        findProducer.bind(0, mark.producer)
        defer { findProducer.reset() }
        guard try findProducer.step() else { return true }
        guard mark.epoch >= (try findProducer.integer(0, in: .counts)) else {
            throw Problem(
                .unavailable, "a newer process has taken over as producer \"\(mark.producer)\"; this one stops",
                hint:
                    "Run one at a time. What this process had appended is stored, and the newer one goes on from there."
            )
        }
        guard let epoch = try findProducer.optionalInteger(1, in: .counts) else { return true }
        return (mark.epoch, mark.sequence) > (epoch, try findProducer.integer(2, in: .counts))
    }

    private func save(_ mark: ProducerMark) throws {
        saveProducer.bind(0, mark.producer)
        saveProducer.bind(1, mark.epoch)
        saveProducer.bind(2, mark.sequence)
        try mark.position.withUnsafeBytes { bytes in
            saveProducer.bindBorrowed(3, blob: bytes)
            try saveProducer.run()
        }
    }

    private func removeOldRecords() throws {
        appendsUntilRetention -= 1
        guard appendsUntilRetention < 0 else { return }
        appendsUntilRetention = Self.appendsPerRetention
        _ = try EmbeddedRetention.apply(to: connection, batchLimit: 512)
    }
}

extension Problem {
    package static func noPartition(_ partition: Int, topic: String, partitionCount: Int) -> Problem {
        Problem(
            .usage, "topic \"\(topic)\" has no partition \(partition)",
            hint: "Its partitions are 0 to \(partitionCount - 1).")
    }
}
