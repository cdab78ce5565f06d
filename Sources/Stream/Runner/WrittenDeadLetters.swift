import Problems
import SQLite
import Topics

/// A record that was rejected, on its way to the dead letters if no query has sent it there before.
struct PendingDeadLetter: Sendable {
    var partition: Int
    /// In its partition; of a row of a file, how many were rejected before it.
    var offset: Int64
    /// Whether it was rejected by the clock alone: a later one would take it.
    var isAhead: Bool
    var record: TopicRecord
}

/// Which records have been judged, so that what was rejected is in the dead letters once, however many queries read it, and when.
///
///     written_dead_letters(source, partition, first, next): those of offsets first ..< next have been written
///
/// Stretches neither overlap nor touch. They are written in the transaction of the epoch that rejects something, so that nothing else
/// costs an epoch; whoever rejects nothing in between has judged that as well. Records that are too far ahead of the clock have an account
/// of their own, `PassedOver`.
enum WrittenDeadLetters {
    static func install(on connection: Connection) throws(SQLiteError) {
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS written_dead_letters (source TEXT NOT NULL, partition INTEGER NOT NULL,
            first INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (source, partition, first)) WITHOUT ROWID
            """)
    }

    /// Where there is no topic of dead letters any more, none is written.
    static func forgetAll(on connection: Connection) throws(SQLiteError) {
        try connection.execute("DELETE FROM written_dead_letters")
    }

    /// Forgets a source that ends before what was judged of it: it is another one of the same name.
    static func forget(_ source: String, beyond ends: [Int64], on connection: Connection) throws(SQLiteError) {
        for (partition, end) in ends.enumerated()
        where try stretches(source, partition, on: connection).contains(where: { $0.upperBound > end }) {
            return try connection.execute("DELETE FROM written_dead_letters WHERE source = ?", .text(source))
        }
    }

    /// The records that are to be written; they count as written then. Inside a transaction.
    ///
    /// - Parameters:
    ///   - judged: of each partition what the caller has read since its start, these records included.
    ///   - ahead: names the source in the account of records that are too far ahead.
    static func take(
        _ letters: [PendingDeadLetter], judged: [Range<Int64>], of source: String, ahead: String,
        on connection: Connection
    ) throws -> [TopicRecord] {
        if letters.isEmpty { return [] }
        let isAhead =
            letters.contains(where: \.isAhead) ? try PassedOver.all(for: .ahead, source: ahead, on: connection) : []
        var written: [Int: [Range<Int64>]] = [:]
        for partition in Set(letters.map(\.partition)) {
            let before = try stretches(source, partition, on: connection)
            written[partition] = before
            guard letters.contains(where: { $0.partition == partition && !$0.isAhead }) else { continue }
            try save(judged[partition], source, partition, before, on: connection)
        }
        return letters.filter { letter in
            guard letter.isAhead else {
                return !(written[letter.partition] ?? []).contains { $0.contains(letter.offset) }
            }
            return !isAhead.contains { $0.partition == letter.partition && $0.offsets.contains(letter.offset) }
        }.map(\.record)
    }

    private static func stretches(
        _ source: String, _ partition: Int, on connection: Connection
    ) throws(SQLiteError) -> [Range<Int64>] {
        try connection.rows(
            "SELECT first, next, source, partition FROM written_dead_letters WHERE source = ? AND partition = ?",
            .text(source),
            .integer(Int64(partition))
        ) { row throws(SQLiteError) in
            let next = try row.integer(1, in: .counts)
            return try row.integer(0, in: 0...next)..<next
        }
    }

    /// Puts a stretch in place of those that it overlaps or touches.
    private static func save(
        _ new: Range<Int64>, _ source: String, _ partition: Int, _ before: [Range<Int64>], on connection: Connection
    ) throws(SQLiteError) {
        var joined = new
        for old in before where old.lowerBound <= new.upperBound && new.lowerBound <= old.upperBound {
            joined = min(joined.lowerBound, old.lowerBound)..<max(joined.upperBound, old.upperBound)
            try connection.execute(
                "DELETE FROM written_dead_letters WHERE source = ? AND partition = ? AND first = ?", .text(source),
                .integer(Int64(partition)), .integer(old.lowerBound))
        }
        try connection.execute(
            "INSERT INTO written_dead_letters VALUES (?, ?, ?, ?)", .text(source), .integer(Int64(partition)),
            .integer(joined.lowerBound), .integer(joined.upperBound))
    }
}
