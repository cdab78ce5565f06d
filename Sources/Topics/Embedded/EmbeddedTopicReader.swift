import Glibc
import Problems
import SQLite
import SchemaRegistry
import Time

/// Reads one topic of a `topics.db` on a connection of its own.
final class EmbeddedTopicReader: TopicReader {
    let topic: String
    let schemas: SchemaCache?
    let identity: String?
    let partitionCount: Int

    private let connection: Connection
    private let topicID: Int64
    /// Key of each partition's batches.
    private let slots: [Int64]
    private let findBatch: Statement
    private let findKept: Statement
    private let findEnds: Statement
    private let findVersion: Statement
    private var lost: [Int: Range<Int64>] = [:]
    /// The database's version and the sum of the topic's end offsets, both from before the last read.
    private var seen: (version: Int64, total: Int64) = (-1, -1)
    /// Of the write-ahead log; nil while there is none to watch.
    private var watch: WriteWatch?
    /// When somebody was last seen to write to the database.
    var lastWriteMs = monotonicMs()

    init(topic: String, id: Int64, on connection: Connection, schemas: SchemaCache?) throws {
        self.schemas = schemas
        identity = try connection.text("SELECT identity FROM topics WHERE id = ?", .integer(id))
        (self.topic, topicID, self.connection) = (topic, id, connection)
        slots = try EmbeddedPartitions.slots(ofTopic: topic, id: id, in: connection)
        partitionCount = slots.count
        findBatch = try connection.prepare(
            "SELECT \(BatchRow.columns) FROM batches WHERE slot = ? AND base_offset <= ? ORDER BY base_offset DESC LIMIT 1"
        )
        findKept = try connection.prepare("SELECT \(EmbeddedPartitions.ends) FROM partitions WHERE slot = ?")
        findEnds = try connection.prepare(
            "SELECT \(EmbeddedPartitions.ends) FROM partitions WHERE topic_id = ? ORDER BY partition")
        findVersion = try connection.prepare("PRAGMA data_version")
    }

    func read(partition: Int, from offset: Int64) throws -> StoredBatch? {
        try explaining("reading topic \"\(topic)\"") {
            let slot = try slot(of: partition)
            try look()
            return try connection.snapshot {
                let kept = try kept(slot)
                if offset < kept.lowerBound { lost[partition] = offset..<kept.lowerBound }
                let offset = max(offset, kept.lowerBound)
                guard offset < kept.upperBound else { return nil }
                return try batch(at: offset, in: kept, slot: slot, partition)
            }
        }
    }

    func seal(partition: Int, endingAt end: Int64) -> SealFinding {
        // One that is damaged was read when it was whole.
        guard let last = try? read(partition: partition, from: end - 1), last.baseOffset < end else { return .unknown }
        guard last.baseOffset + Int64(last.count) == end else { return .other }
        return last.seal.map(SealFinding.seal) ?? .unknown
    }

    func appendTime(partition: Int, of offset: Int64) throws -> EventTime? {
        try explaining("looking how old the records of topic \"\(topic)\" are") {
            let slot = try slot(of: partition)
            return try connection.snapshot {
                let kept = try kept(slot)
                guard offset < kept.upperBound else { return nil }
                findBatch.bind(0, slot)
                findBatch.bind(1, max(offset, kept.lowerBound))
                defer { findBatch.reset() }
                return try findBatch.step() ? try BatchRow(findBatch).appended : nil
            }
        }
    }

    func takeLost(partition: Int) -> Range<Int64>? { lost.removeValue(forKey: partition) }

    func offsets() throws -> [Range<Int64>] {
        try explaining("reading the offsets of topic \"\(topic)\"") {
            try look()
            return try ends()
        }
    }

    func offsets(from time: EventTime) throws -> [Int64] {
        try explaining("looking for a time in topic \"\(topic)\"") {
            try connection.snapshot {
                try zip(slots.enumerated(), ends()).map { try offset(from: time, slot: $0.element, $0.offset, $1) }
            }
        }
    }

    func wait(timeoutMs: Int) throws {
        try explaining("waiting for topic \"\(topic)\"") {
            let deadline = monotonicMs() + timeoutMs
            while true {
                // Other topics lie in the same file: only a change of this topic's ends is news.
                let version = try version()
                if version != seen.version {
                    let total = try total()
                    if total != seen.total { return }
                    seen.version = version
                }
                let left = deadline - monotonicMs()
                if left <= 0 { return try connection.requireFile() }
                waitForWrites(atMost: left)
            }
        }
    }

    /// Shortly after a write another one, or the rest of a commit, is likely: then the database is asked often. Later the system tells.
    private func waitForWrites(atMost left: Int) {
        if watch == nil { watch = WriteWatch(path: "\(connection.path)-wal") }
        let isQuiet = monotonicMs() - lastWriteMs >= Self.attentiveMs
        guard let watch, isQuiet else {
            poll(nil, 0, Int32(min(left, Self.pollIntervalMs)))
            note(watch?.wait(ms: 0) ?? .nothing)
            return
        }
        // The last write of a commit may be seen long before the commit: the disk is flushed between them.
        note(watch.wait(ms: Int32(min(left, Self.longestSleepMs))))
    }

    private func note(_ finding: WriteWatch.Finding) {
        switch finding {
        case .nothing: break
        case .written: lastWriteMs = monotonicMs()
        case .gone: watch = nil
        }
    }

    private static let pollIntervalMs = 2
    private static let attentiveMs = 1000
    private static let longestSleepMs = 1000
}

extension EmbeddedTopicReader {
    /// Notes what is there before it is read, so that `wait` misses nothing that comes in the meantime.
    private func look() throws {
        let version = try version()
        if version != seen.version { seen = (version, try total()) }
    }

    private func version() throws -> Int64 {
        defer { findVersion.reset() }
        return try findVersion.step() ? findVersion.integer(0) : 0
    }

    private func total() throws -> Int64 { try ends().reduce(0) { $0 &+ $1.upperBound } }

    private func ends() throws -> [Range<Int64>] {
        findEnds.bind(0, topicID)
        defer { findEnds.reset() }
        var ends: [Range<Int64>] = []
        while try findEnds.step() { ends.append(try EmbeddedPartitions.kept(findEnds)) }
        guard ends.count == partitionCount else {
            guard try connection.value("SELECT 1 FROM topics WHERE name = ?", .text(topic)) == nil else {
                throw Problem.madeAnewWhileRead(topic, "another topic has its name by now")
            }
            throw Problem.deletedWhileRead(topic)
        }
        return ends
    }

    private func slot(of partition: Int) throws(Problem) -> Int64 {
        guard slots.indices.contains(partition) else {
            throw .noPartition(partition, topic: topic, partitionCount: partitionCount)
        }
        return slots[partition]
    }

    /// The offsets that a partition keeps; none where it is gone.
    private func kept(_ slot: Int64) throws -> Range<Int64> {
        findKept.bind(0, slot)
        defer { findKept.reset() }
        return try findKept.step() ? try EmbeddedPartitions.kept(findKept) : 0..<0
    }

    /// Where the first batch begins that has an event time at or after `time`, by the rows before it, each of which is looked at.
    private func offset(
        from time: EventTime, slot: Int64, _ partition: Int, _ kept: Range<Int64>
    ) throws -> Int64 {
        let rows = try connection.prepare("SELECT \(BatchRow.columns) FROM batches WHERE slot = ? ORDER BY base_offset")
        rows.bind(0, slot)
        var next = kept.lowerBound
        while try rows.step() {
            let row = try BatchRow(rows)
            guard row.base == next else { throw missing(next, partition) }
            if row.times.upperBound >= time { return row.base }
            next = row.end
        }
        return kept.upperBound
    }

    /// The batch that holds `offset`, one of those that are kept.
    private func batch(at offset: Int64, in kept: Range<Int64>, slot: Int64, _ partition: Int) throws -> StoredBatch {
        findBatch.bind(0, slot)
        findBatch.bind(1, offset)
        defer { findBatch.reset() }
        guard try findBatch.step() else { throw missing(offset, partition) }
        let row = try BatchRow(findBatch)
        guard row.end > offset else { throw missing(offset, partition) }
        guard row.end <= kept.upperBound else {
            throw findBatch.damage(2, wanted: "a batch that ends with its partition, at offset \(kept.upperBound)")
        }
        let place = "topic \"\(topic)\", partition \(partition), offset \(row.base)"
        let payload = try payload(row.payloadID, at: place)
        guard payload.count == row.byteCount, checksum(of: payload) == row.checksum else { throw damaged(place) }
        var batch = StoredBatch(
            partition: partition, baseOffset: row.base, count: Int(row.count), times: row.times, encoding: row.encoding,
            payload: payload)
        batch.place = "topic \"\(topic)\" (database \"\(connection.path)\")"
        batch.seal = row.seal
        batch.appendedMs = row.appended
        return batch
    }

    private func missing(_ offset: Int64, _ partition: Int) -> SQLiteError {
        connection.damage(
            "table batches has no batch with offset \(offset) of topic \"\(topic)\", partition \(partition)")
    }

    private func payload(_ id: Int64, at place: String) throws -> [UInt8] {
        do {
            return try connection.blob(table: "payloads", column: "bytes", row: id)
        } catch  where error.code == .statement {
            // The row is gone, or is no blob any more.
            throw damaged(place)
        }
    }

    private func damaged(_ place: String) -> Problem {
        Problem(
            .badData, "a stored batch is damaged: \(place) (database \"\(connection.path)\")",
            hint: "Delete the topic and fill it again from the source, or go on behind the damage with a later offset.")
    }
}

private func monotonicMs() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
