import Glibc
import Problems
import SQLite
import Trips

/// Reads one topic of a `topics.db` on a connection of its own.
final class EmbeddedTopicReader: TopicReader {
    let topic: String
    let identity: String?
    let partitionCount: Int

    private let connection: Connection
    private let topicID: Int64
    /// Key of each partition's batches.
    private let slots: [Int64]
    private let findAtOrBefore: Statement
    private let findAtOrAfter: Statement
    private let findEnds: Statement
    private let findVersion: Statement
    /// The database's version and the sum of the topic's end offsets, both from before the last read.
    private var seen: (version: Int64, total: Int64) = (-1, -1)

    init(topic: String, id: Int64, on connection: Connection) throws {
        identity = try connection.value("SELECT identity FROM topics WHERE id = ?", .integer(id))?.text
        (self.topic, topicID, self.connection) = (topic, id, connection)
        slots = try connection.rows(
            "SELECT slot FROM partitions WHERE topic_id = ? ORDER BY partition", .integer(id)
        ) { row throws(SQLiteError) in row.integer(0) }
        partitionCount = slots.count
        let batch = "SELECT base_offset, count, first_time, last_time, encoding, checksum, payload_id FROM batches"
        findAtOrBefore = try connection.prepare(
            "\(batch) WHERE slot = ? AND base_offset <= ? ORDER BY base_offset DESC LIMIT 1")
        findAtOrAfter = try connection.prepare(
            "\(batch) WHERE slot = ? AND base_offset >= ? ORDER BY base_offset LIMIT 1")
        findEnds = try connection.prepare(
            "SELECT start_offset, end_offset FROM partitions WHERE topic_id = ? ORDER BY partition")
        findVersion = try connection.prepare("PRAGMA data_version")
    }

    func read(partition: Int, from offset: Int64) throws -> StoredBatch? {
        try explaining("reading topic \"\(topic)\"") {
            let slot = try slot(of: partition)
            try look()
            if let batch = try batch(by: findAtOrBefore, slot: slot, partition, offset),
                batch.baseOffset + Int64(batch.count) > offset
            {
                return batch
            }
            // At or after, not after: an append may have come between the two looks.
            return try batch(by: findAtOrAfter, slot: slot, partition, offset)
        }
    }

    func offsets() throws -> [Range<Int64>] {
        try explaining("reading the offsets of topic \"\(topic)\"") {
            try look()
            return try ends()
        }
    }

    func offsets(from time: EventTime) throws -> [Int64] {
        try explaining("looking for a time in topic \"\(topic)\"") {
            try connection.snapshot {
                try zip(slots, ends()).map { slot, kept in
                    let found = try connection.value(
                        "SELECT base_offset FROM batches WHERE slot = ? AND last_time >= ? ORDER BY base_offset LIMIT 1",
                        .integer(slot), .integer(time))
                    return found?.integer ?? kept.upperBound
                }
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
                if left <= 0 { return }
                poll(nil, 0, Int32(min(left, Self.pollIntervalMs)))
            }
        }
    }

    private static let pollIntervalMs = 2
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
        while try findEnds.step() {
            let end = findEnds.integer(1)
            ends.append(min(findEnds.integer(0), end)..<end)
        }
        guard ends.count == partitionCount else {
            throw Problem(
                .noInput, "topic \"\(topic)\" was deleted while it was read",
                hint: "Run the command again if the topic was made anew.")
        }
        return ends
    }

    private func slot(of partition: Int) throws(Problem) -> Int64 {
        guard slots.indices.contains(partition) else {
            throw .noPartition(partition, topic: topic, partitionCount: partitionCount)
        }
        return slots[partition]
    }

    /// The batch that `statement` finds; nil where it finds none.
    private func batch(by statement: Statement, slot: Int64, _ partition: Int, _ offset: Int64) throws -> StoredBatch? {
        statement.bind(0, slot)
        statement.bind(1, offset)
        // Until the reset the statement holds its snapshot, in which the payload cannot go away.
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        let base = statement.integer(0)
        let place = "topic \"\(topic)\", partition \(partition), offset \(base)"
        let payload = try payload(statement.integer(6), at: place)
        let (first, last) = (statement.integer(2), statement.integer(3))
        guard checksum(of: payload) == statement.integer(5), first <= last, statement.integer(1) > 0,
            let encoding = UInt8(exactly: statement.integer(4)).flatMap(BatchEncoding.init)
        else { throw damaged(place) }
        return StoredBatch(
            partition: partition, baseOffset: base, count: Int(statement.integer(1)), times: first...last,
            encoding: encoding, payload: payload)
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
