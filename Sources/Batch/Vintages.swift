internal import Problems
public import SQLite
import Time

/// Earlier answers, kept under a name: the City restates its history, and what was said before is to be found again.
///
///     batch_vintages        the names, and when each was made
///     batch_vintage_views   which views it holds, and by which columns their rows are told apart
///     batch_vintage_rows    a row of a view as a JSON object; key is a JSON array of its key columns
struct Vintages {
    let connection: Connection

    /// - Throws: `Problem(.usage)` where another vintage has the name in other capitals: nobody could tell the two apart in speech, and one of
    ///   them is mostly a typing error.
    func requireDistinct(_ name: String) throws {
        let names = try VintageDiff.names(on: connection)
        guard !names.contains(name), let other = names.first(where: { $0.lowercased() == name.lowercased() }) else {
            return
        }
        throw Problem(
            .usage, "there is a vintage \"\(other)\" already, whose name differs from \"\(name)\" by capitals alone",
            hint: "Give the vintage another name, or write \"\(other)\" to keep the answers in its place.")
    }

    /// Keeps all rows that the views have now; what the name held before goes.
    ///
    /// - Parameter views: with the columns that tell a period's rows apart.
    func keep(_ name: String, views: [(name: String, keys: [String])], nowMs: EventTime) throws {
        try connection.transaction { try replace(name, views: views, nowMs: nowMs) }
    }

    /// The same inside a transaction of the caller's.
    func replace(_ name: String, views: [(name: String, keys: [String])], nowMs: EventTime) throws {
        for table in ["batch_vintages", "batch_vintage_views", "batch_vintage_rows"] {
            try connection.execute("DELETE FROM \(table) WHERE vintage = ?", .text(name))
        }
        try connection.execute("INSERT INTO batch_vintages VALUES (?, ?)", .text(name), .integer(nowMs))
        for view in views where try BatchSchema.exists(view.name, on: connection) {
            let keys = "json_array(\(view.keys.map { "\"\($0)\"" }.joined(separator: ", ")))"
            let statement = try connection.prepare("SELECT * FROM \(view.name) LIMIT 0")
            let columns = (0..<statement.columnCount).map(statement.columnName)
            let object = columns.dropFirst(2).map { "'\($0)', \"\($0)\"" }.joined(separator: ", ")
            try connection.execute(
                "INSERT INTO batch_vintage_views VALUES (?, ?, ?, ?)", .text(name), .text(view.name), .text(keys),
                .text("json_object(\(object))"))
            try connection.execute(
                """
                INSERT OR REPLACE INTO batch_vintage_rows
                SELECT ?, ?, period_kind, period, \(keys), json_object(\(object)) FROM \(view.name)
                """, .text(name), .text(view.name))
        }
    }
}

/// What changed since a vintage was kept.
public enum VintageDiff {
    /// The vintages that there are, oldest first.
    public static func names(on connection: Connection) throws -> [String] {
        guard try BatchSchema.exists("batch_vintages", on: connection) else { return [] }
        return try connection.rows("SELECT vintage FROM batch_vintages ORDER BY made_ms, vintage") {
            row throws(SQLiteError) in
            try row.storedText(0)
        }
    }

    /// The columns of `forEachChange`.
    public static let columns = ["table", "period_kind", "period", "key", "column", "before", "now"]

    /// Calls `body` with each cell that is another now, in the order of tables, periods and keys.
    ///
    /// A row that the vintage lacks has the column `(row)` and nothing before, one that is gone has nothing now. Periods that
    /// the vintage did not have at all are new, not restated, and stay out.
    ///
    /// - Parameter view: one view, or nil for all that the vintage holds.
    public static func forEachChange(
        since vintage: String, view: String?, on connection: Connection, _ body: ([SQLValue]) throws -> Void
    ) throws {
        let views = try connection.rows(
            "SELECT view, keys, object FROM batch_vintage_views WHERE vintage = ? ORDER BY view", .text(vintage)
        ) { row throws(SQLiteError) in
            (view: try row.storedText(0), keys: try row.storedText(1), object: try row.storedText(2))
        }
        for held in views where view == nil || view == held.view {
            guard try BatchSchema.exists(held.view, on: connection) else { continue }
            try connection.execute(
                "CREATE TEMP TABLE vintage_now(period_kind, period, key, row, PRIMARY KEY (period_kind, period, key))")
            defer { try? connection.execute("DROP TABLE temp.vintage_now") }
            try connection.execute(
                """
                INSERT OR REPLACE INTO temp.vintage_now
                SELECT period_kind, period, \(held.keys), \(held.object) FROM main.\(held.view)
                """)
            let statement = try connection.prepare(
                """
                WITH held AS (SELECT period_kind, period, key, row FROM batch_vintage_rows WHERE vintage = ?1 AND view = ?2)
                SELECT ?2, n.period_kind, n.period, n.key, b.key, b.value, a.value
                FROM vintage_now AS n JOIN held AS h USING (period_kind, period, key),
                  json_each(h.row) AS b JOIN json_each(n.row) AS a ON a.key = b.key
                WHERE h.row IS NOT n.row AND a.value IS NOT b.value
                UNION ALL
                SELECT ?2, n.period_kind, n.period, n.key, '(row)', NULL, n.row FROM vintage_now AS n
                WHERE NOT EXISTS (
                    SELECT 1 FROM batch_vintage_rows AS h WHERE h.vintage = ?1 AND h.view = ?2
                    AND h.period_kind = n.period_kind AND h.period = n.period AND h.key = n.key)
                  AND (n.period_kind, n.period) IN (SELECT period_kind, period FROM held)
                UNION ALL
                SELECT ?2, h.period_kind, h.period, h.key, '(row)', h.row, NULL FROM held AS h
                WHERE NOT EXISTS (
                    SELECT 1 FROM vintage_now AS n
                    WHERE h.period_kind = n.period_kind AND h.period = n.period AND h.key = n.key)
                ORDER BY 2, 3, 4, 5
                """)
            try statement.bind([.text(vintage), .text(held.view)])
            while try statement.step() { try body((0..<statement.columnCount).map(statement.value)) }
        }
    }
}
