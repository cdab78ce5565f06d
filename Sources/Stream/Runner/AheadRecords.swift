import Problems
package import SQLite
import Trips

/// Records of a topic that a query has rejected since their event time was too far ahead of the clock: a stretch of offsets.
///
/// The same records would be taken by a clock of tomorrow, so they are written down, in the epoch's transaction:
///
///     ahead_records(query, source, partition, first, next): offsets first ..< next
///
/// An audit leaves them out, whenever it runs.
package struct AheadRecords: Sendable, Equatable {
    package var partition: Int
    package var offsets: Range<Int64>

    /// Joins an offset to the last stretch where it follows it.
    static func note(_ offset: Int64, partition: Int, in stretches: inout [AheadRecords]) {
        if let last = stretches.last, last.partition == partition, last.offsets.upperBound == offset {
            stretches[stretches.count - 1].offsets = last.offsets.lowerBound..<offset + 1
        } else {
            stretches.append(AheadRecords(partition: partition, offsets: offset..<offset + 1))
        }
    }
}

extension AheadRecords {
    static func install(on connection: Connection) throws(SQLiteError) {
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS ahead_records (query TEXT NOT NULL, source TEXT NOT NULL, partition INTEGER NOT NULL,
            first INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (query, source, partition, first)) WITHOUT ROWID
            """)
    }

    static func save(
        _ stretches: [AheadRecords], query: String, source: String, on connection: Connection
    ) throws(SQLiteError) {
        for stretch in stretches {
            try connection.execute(
                "INSERT OR REPLACE INTO ahead_records VALUES (?, ?, ?, ?, ?)", .text(query), .text(source),
                .integer(Int64(stretch.partition)), .integer(stretch.offsets.lowerBound),
                .integer(stretch.offsets.upperBound))
        }
    }

    /// Forgets those of a query whose results are removed.
    static func remove(_ query: String, from connection: Connection) throws(SQLiteError) {
        try install(on: connection)
        try connection.execute("DELETE FROM ahead_records WHERE query = ?", .text(query))
    }

    /// Those of a query in the order of their offsets; none where no stream of this version has run.
    package static func all(
        of query: String, source: String, on connection: Connection
    ) throws(SQLiteError) -> [AheadRecords] {
        guard try connection.hasTable("ahead_records") else { return [] }
        return try connection.rows(
            "SELECT partition, first, next, query, source FROM ahead_records WHERE query = ? AND source = ? ORDER BY partition, first",
            .text(query), .text(source), map: stretch)
    }

    static func stretch(_ row: Statement) throws(SQLiteError) -> AheadRecords {
        let next = try row.integer(2, in: .counts)
        return AheadRecords(
            partition: Int(try row.integer(0, in: 0...9_999)), offsets: try row.integer(1, in: 0...next)..<next)
    }
}
