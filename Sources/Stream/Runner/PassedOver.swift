import Problems
package import SQLite
package import Topics
import Trips

/// Records of a topic that a query has rejected for a reason that does not lie in them alone, so that they may be good another day: a
/// stretch of offsets.
///
/// Whoever reads such records again may find them good. What the query has made of them is written down therefore, in the epoch's transaction,
/// in one table for each reason (`PassedOver.table`):
///
///     ahead_records(query, source, partition, first, next): offsets first ..< next
///     unknown_schema_records: the same columns
///
/// An audit leaves them out, whenever it runs; a replay of dead letters sends them again.
package struct PassedOver: Sendable, Hashable {
    package var reason: PassedOverReason
    package var partition: Int
    package var offsets: Range<Int64>

    /// The reason for which a reject may be good another day; nil where it is rejected for what it is.
    ///
    /// - Parameter isOfClock: whether it was rejected by the clock, and not since a value is out of its range.
    static func reason(of reject: RejectReason, isOfClock: Bool) -> PassedOverReason? {
        guard let reason = PassedOverReason(rejectReason: reject) else { return nil }
        return reason == .ahead && !isOfClock ? nil : reason
    }

    /// Joins an offset to the last stretch where it follows it.
    static func note(
        _ offset: Int64, partition: Int, for reason: PassedOverReason, in stretches: inout [PassedOver]
    ) {
        if let last = stretches.last, last.partition == partition, last.reason == reason,
            last.offsets.upperBound == offset
        {
            stretches[stretches.count - 1].offsets = last.offsets.lowerBound..<offset + 1
        } else {
            stretches.append(PassedOver(reason: reason, partition: partition, offsets: offset..<offset + 1))
        }
    }

    /// The table that stretches of a reason are kept in.
    static func table(of reason: PassedOverReason) -> String {
        switch reason {
        case .ahead: "ahead_records"
        case .unknownSchema: "unknown_schema_records"
        }
    }
}

// MARK: - Storage

extension PassedOver {
    static func install(on connection: Connection) throws(SQLiteError) {
        for reason in PassedOverReason.allCases {
            try connection.execute(
                """
                CREATE TABLE IF NOT EXISTS \(table(of: reason)) (query TEXT NOT NULL, source TEXT NOT NULL,
                partition INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
                PRIMARY KEY (query, source, partition, first)) WITHOUT ROWID
                """)
        }
    }

    static func save(
        _ stretches: [PassedOver], query: String, source: String, on connection: Connection
    ) throws(SQLiteError) {
        for stretch in stretches {
            try connection.execute(
                "INSERT OR REPLACE INTO \(table(of: stretch.reason)) VALUES (?, ?, ?, ?, ?)", .text(query),
                .text(source), .integer(Int64(stretch.partition)), .integer(stretch.offsets.lowerBound),
                .integer(stretch.offsets.upperBound))
        }
    }

    /// Forgets those of a query whose results are removed.
    static func remove(_ query: String, from connection: Connection) throws(SQLiteError) {
        try install(on: connection)
        for reason in PassedOverReason.allCases {
            try connection.execute("DELETE FROM \(table(of: reason)) WHERE query = ?", .text(query))
        }
    }

    /// Those of a query in the order of their offsets, none of which is in two of them; none where no stream of this version has run.
    package static func all(
        of query: String, source: String, on connection: Connection
    ) throws(SQLiteError) -> [PassedOver] {
        var found: [PassedOver] = []
        for reason in PassedOverReason.allCases where try connection.hasTable(table(of: reason)) {
            found += try connection.rows(
                "SELECT partition, first, next, query, source FROM \(table(of: reason)) WHERE query = ? AND source = ?",
                .text(query), .text(source)
            ) { row throws(SQLiteError) in try stretch(row, for: reason) }
        }
        return found.sorted { ($0.partition, $0.offsets.lowerBound) < ($1.partition, $1.offsets.lowerBound) }
    }

    /// Those of all queries of a source, for one reason.
    static func all(
        for reason: PassedOverReason, source: String, on connection: Connection
    ) throws(SQLiteError) -> [PassedOver] {
        try connection.rows(
            "SELECT partition, first, next, query, source FROM \(table(of: reason)) WHERE source = ?", .text(source)
        ) { row throws(SQLiteError) in try stretch(row, for: reason) }
    }

    private static func stretch(_ row: Statement, for reason: PassedOverReason) throws(SQLiteError) -> PassedOver {
        let next = try row.integer(2, in: .counts)
        return PassedOver(
            reason: reason, partition: Int(try row.integer(0, in: 0...9_999)),
            offsets: try row.integer(1, in: 0...next)..<next)
    }
}

/// Stretches in the order of their offsets.
extension [PassedOver] {
    /// Why a record was passed over; nil where it was not.
    package func reason(partition: Int, offset: Int64) -> PassedOverReason? {
        guard let stretch = first(partition: partition, from: offset), stretch.offsets.contains(offset) else {
            return nil
        }
        return stretch.reason
    }

    /// Whether some of these records were passed over.
    package func touches(_ offsets: Range<Int64>, partition: Int) -> Bool {
        first(partition: partition, from: offsets.lowerBound).map { $0.offsets.overlaps(offsets) } ?? false
    }

    /// The first stretch of a partition that ends behind an offset.
    private func first(partition: Int, from offset: Int64) -> PassedOver? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if (self[middle].partition, self[middle].offsets.upperBound) <= (partition, offset) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < count && self[low].partition == partition ? self[low] : nil
    }
}
