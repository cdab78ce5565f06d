import Database
import Problems
import SQLite
import Telemetry
import Topics

/// The messages that streams have committed and that are not known to be in their topics, and where those that are end there.
///
/// A stream, which has the name of its producer, has one epoch's messages here at most: the next epoch's transaction takes them out, or
/// the end of the stream, and notes where they ended.
struct Outbox {
    let connection: Connection

    /// The streams that have left messages.
    var streams: [String] {
        get throws {
            try connection.rows("SELECT DISTINCT stream FROM outbox ORDER BY stream") {
                row throws(SQLiteError) in try row.storedText(0)
            }
        }
    }

    /// The number of a stream's epoch whose messages are here.
    func sequence(of stream: String) throws -> Int64? {
        try connection.rows(
            "SELECT sequence FROM outbox WHERE stream = ? ORDER BY sequence DESC LIMIT 1", .text(stream)
        ) {
            row throws(SQLiteError) in try row.integer(0, in: .counts)
        }.first
    }

    /// Looked through before they go to a topic, which nobody could read otherwise.
    func batches(of stream: String) throws -> [PendingBatch] {
        try connection.rows(
            """
            SELECT topic, partition, count, first_time, last_time, encoding, payload FROM outbox WHERE stream = ?
            ORDER BY rowid
            """, .text(stream), map: Self.batch)
    }

    private static func batch(_ row: Statement) throws(SQLiteError) -> PendingBatch {
        let count = Int(try row.integer(2, in: 1...1 << 28))
        let last = try row.integer(4, in: .times)
        let times = try row.integer(3, in: ClosedRange.times.lowerBound...last)...last
        guard let encoding = BatchEncoding(rawValue: UInt8(try row.integer(5, in: 0...255))) else {
            throw row.damage(5, wanted: "an encoding")
        }
        let batch = PendingBatch(
            topic: try row.storedText(0), partition: Int(try row.integer(1, in: 0...9_999)), count: count, times: times,
            encoding: encoding, payload: try row.blob(6))
        let records = BatchRecords()
        guard (try? records.load(StoredBatch(batch))) != nil else {
            throw row.damage(6, wanted: "the payload of \(count) records")
        }
        guard records.timestamps.allSatisfy(times.contains) else {
            throw row.damage(6, wanted: "records of \(times.lowerBound) to \(times.upperBound)")
        }
        return batch
    }

    /// Takes out what was acknowledged, up to an epoch. Inside a transaction.
    func remove(_ stream: String, upTo sequence: Int64 = .max) throws {
        try connection.execute(
            "DELETE FROM outbox WHERE stream = ? AND sequence <= ?", .text(stream), .integer(sequence))
    }

    // MARK: Where messages end

    /// Inside a transaction.
    func note(_ ends: [AppendedEnd], of stream: String) throws {
        for end in ends {
            try connection.execute(
                "INSERT OR REPLACE INTO sent_messages VALUES (?, ?, ?, ?, ?)", .text(stream), .text(end.topic),
                .integer(Int64(end.anchor.partition)), .integer(end.anchor.end), .integer(end.anchor.seal))
        }
    }

    /// Where the messages of all streams end, and whose they are.
    var ends: [(stream: String, end: AppendedEnd)] {
        get throws {
            try connection.rows("SELECT stream, topic, partition, next_offset, seal FROM sent_messages") {
                row throws(SQLiteError) in
                let anchor = TopicAnchor(
                    partition: Int(try row.integer(2, in: 0...9_999)), end: try row.integer(3, in: .counts),
                    seal: try row.integer(4, in: .min ... .max))
                return (try row.storedText(0), AppendedEnd(topic: try row.storedText(1), anchor: anchor))
            }
        }
    }

    // MARK: Results that are made anew

    /// Removes what earlier processes have left to send of queries whose results are removed: they are computed anew, and so is what was
    /// set aside meanwhile where no other query was part of it. Inside a transaction.
    ///
    /// - Parameter unsent: see `unsent`.
    func forget(_ plans: [QueryPlan], tenant: String, unsent: Set<String>) throws {
        let names = Set(plans.map(\.name))
        for stream in try streams {
            if names.isSuperset(of: CopyCheck.queries(of: stream)) {
                let letters = try connection.value(
                    "SELECT count(*) FROM outbox WHERE stream = ? AND topic = ?", .text(stream),
                    .text("\(tenant)_deadLetter"))
                if unsent.contains(stream), letters?.integer != 0 { try WrittenDeadLetters.forgetAll(on: connection) }
                try remove(stream)
            } else {
                for plan in plans {
                    try connection.execute(
                        "DELETE FROM outbox WHERE stream = ? AND topic = ?", .text(stream),
                        .text("\(tenant)_\(plan.topicSuffix)"))
                }
            }
        }
        for stream in Set(try ends.map(\.stream)) where !names.isDisjoint(with: CopyCheck.queries(of: stream)) {
            try connection.execute("DELETE FROM sent_messages WHERE stream = ?", .text(stream))
        }
    }

    /// The streams whose newest messages no topic has acknowledged, as far as anybody knows.
    func unsent(_ writer: any TopicWriter) throws -> Set<String> {
        try Set(
            streams.filter { stream in
                try sequence(of: stream) ?? .min > (try writer.lastMark(of: stream)?.sequence ?? .min)
            })
    }
}
