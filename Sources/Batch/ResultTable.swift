import SQLite

/// A table of analysis rows, replaced period by period.
struct ResultTable {
    let name: String
    let connection: Connection
    /// Rows written in one transaction, at whole periods: a stream's epoch never waits for longer than some 30 ms.
    private static let rowsATransaction = 20_000

    /// The periods of a kind that have rows, ascending.
    func periods(_ kind: PeriodKind) throws -> [Period] {
        try connection.rows("SELECT DISTINCT period FROM \(name) WHERE period_kind = ?", .text(kind.rawValue)) {
            row throws(SQLiteError) in
            guard let period = try? Period(try row.storedText(0)), period.kind == kind else {
                throw row.damage(0, wanted: "a \(kind.rawValue)")
            }
            return period
        }
    }

    /// The periods of some kinds that have rows.
    func periods(among kinds: [PeriodKind]) throws -> [Period] { try kinds.flatMap(periods) }

    /// Replaces all rows of `periods` by those that `rows` gives; each period changes at once or not at all.
    ///
    /// - Parameter alsoWrite: more to write with the period's rows.
    /// - Returns: how many rows were written.
    func replace(
        _ periods: [Period], rows: (Period) throws -> [[SQLValue]], alsoWrite: (Period) throws -> Void = { _ in }
    ) throws -> Int {
        var written = 0
        var rest = periods[...]
        while !rest.isEmpty {
            try connection.transaction {
                let delete = try connection.prepare("DELETE FROM \(name) WHERE period_kind = ? AND period = ?")
                var insert: Statement?
                var inTransaction = 0
                while inTransaction < Self.rowsATransaction, let period = rest.popFirst() {
                    let key: [SQLValue] = [.text(period.kind.rawValue), .text(period.description)]
                    try delete.run(key)
                    for row in try rows(period) {
                        let values = key + row
                        let statement =
                            try insert ?? connection.prepare(Self.insertion(into: name, columns: values.count))
                        insert = statement
                        try statement.run(values)
                        inTransaction += 1
                    }
                    try alsoWrite(period)
                }
                written += inTransaction
            }
        }
        return written
    }

    private static func insertion(into table: String, columns: Int) -> String {
        "INSERT INTO \(table) VALUES (" + Array(repeating: "?", count: columns).joined(separator: ", ") + ")"
    }
}
