import SQLite

/// What a month's days add up to, kept in `rolled_months` so that years are made of months and not of days.
///
/// Stored as little-endian 64-bit words; a day that is claimed for another rollup takes its month away first.
struct MonthSums {
    let connection: Connection

    /// The kept sum of a month (its ordinal), or nil.
    func words(_ source: String, month: Int) throws -> [Int64]? {
        let statement = try connection.prepare(
            "SELECT words, source, month FROM rolled_months WHERE source = ? AND month = ?")
        try statement.bind([.text(source), .integer(Int64(month))])
        guard try statement.step() else { return nil }
        return try statement.blob(0).withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map {
                Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
            }
        }
    }

    func keep(_ sums: [(month: Int, words: [Int64])], _ source: String) throws {
        guard !sums.isEmpty else { return }
        try connection.transaction {
            let insert = try connection.prepare("INSERT OR REPLACE INTO rolled_months VALUES (?, ?, ?)")
            for sum in sums {
                let bytes = sum.words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
                try insert.run([.text(source), .integer(Int64(sum.month)), .blob(bytes)])
            }
        }
    }

    /// Runs inside a transaction.
    static func forget(monthsOf days: [Int], on connection: Connection) throws {
        let delete = try connection.prepare("DELETE FROM rolled_months WHERE month = ?")
        for month in Set(days.map { Period(kind: .month, containingDay: $0).ordinal }) { try delete.run(Int64(month)) }
    }
}
