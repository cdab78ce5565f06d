import Basics
import Database
import SQLite

/// A view `<view>_typed` beside each public one: the same rows, in columns that say what they hold.
///
/// SQLite tells no types of columns that are computed, as those of the public views are, and has types of values alone. A tool that
/// fixes its types before it reads takes such columns as texts or bytes, above all DuckDB, which makes views its own where it knows all
/// functions in them and else takes all columns as texts. The `CAST`s of a view over the view are those that it needs. Times stay texts:
/// no `CAST` of SQLite's makes a time, and tools that have times read ISO 8601.
///
/// Types are those that the values have. `batch` looks for them, since it alone changes the rows of analyses of one's own, whose columns may
/// hold anything; what a query counts and adds up keeps its type.
struct TypedViews {
    let connection: Connection

    static let suffix = "_typed"

    /// Rows that are looked at of a view whose columns have a type of their own.
    private static let sample = 1000
    /// What `typeof` calls them, in the order of `Statement.Kind`.
    private static let kinds = ["null", "integer", "real", "text", "blob"]

    /// Makes what is missing or has become other, and removes what has lost its view.
    ///
    /// - Parameter mixed: views whose columns may change their types from row to row.
    func refresh(mixed: Set<String>) throws {
        let stored = try connection.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name") {
            row throws(SQLiteError) in (name: try row.storedText(0), sql: try row.storedText(1))
        }
        let known = Dictionary(stored.map { ($0.name, $0.sql) }) { first, _ in first }
        var due: [(drop: String, create: String?)] = []
        for view in stored where !isOurs(view.name, view.sql) {
            let name = view.name + Self.suffix
            // Somebody's own query or analysis may be called so.
            if let other = known[name], !isOurs(name, other) { continue }
            guard let sql = try definition(of: view.name, isMixed: mixed.contains(view.name)), known[name] != sql else {
                continue
            }
            due.append((name, sql))
        }
        for view in stored where isOurs(view.name, view.sql) && known[base(view.name)] == nil {
            due.append((view.name, nil))
        }
        guard !due.isEmpty else { return }
        try connection.transaction {
            for (name, sql) in due {
                try connection.execute("DROP VIEW IF EXISTS \(SQLText.name(name))")
                if let sql { try connection.execute(sql) }
            }
        }
    }

    private func base(_ name: String) -> String { String(name.dropLast(Self.suffix.count)) }

    private func isOurs(_ name: String, _ sql: String) -> Bool {
        name.hasSuffix(Self.suffix) && sql.hasSuffix("FROM \(SQLText.name(base(name)))")
    }

    /// What a column of such values is cast to; nil for nothing but NULL, and for values that no one type holds.
    private static func type(of kinds: Set<String>) -> String? {
        switch kinds {
        case ["integer"]: "BIGINT"
        case ["real"], ["integer", "real"]: "DOUBLE"
        case ["text"]: "VARCHAR"
        default: nil
        }
    }

    /// A statement for a view's rows; nil for a view that cannot be read, such as one of a table that is gone.
    private func rows(of view: String, limit: String) throws(SQLiteError) -> Statement? {
        do {
            return try connection.prepare("SELECT * FROM \(SQLText.name(view))\(limit)")
        } catch {
            guard error.code == .statement else { throw error }
            return nil
        }
    }

    /// The statement that makes the view; nil for a view that cannot be read.
    private func definition(of view: String, isMixed: Bool) throws -> String? {
        guard let rows = try rows(of: view, limit: isMixed ? "" : " LIMIT \(Self.sample)") else { return nil }
        let names = (0..<rows.columnCount).map(rows.columnName)
        // Looked at here: aggregates over `typeof` of each column would take SQLite longer than to make the rows.
        var found = [[Bool]](repeating: [Bool](repeating: false, count: Self.kinds.count), count: names.count)
        while try rows.step() {
            for column in names.indices { found[column][Int(rows.kind(column).rawValue)] = true }
        }
        let columns = try names.enumerated().map { index, name in
            var values = Set(zip(Self.kinds, found[index]).filter { $0.1 }.map(\.0)).subtracting(["null"])
            // Changes to the year before come late among the rows; those of windows would take long to look through.
            if values.isEmpty, names.first == "period_kind",
                let kind = try connection.text(
                    "SELECT typeof(\(SQLText.name(name))) FROM \(SQLText.name(view)) WHERE \(SQLText.name(name)) IS NOT NULL LIMIT 1"
                )
            {
                values = [kind]
            }
            let type = Self.type(of: values)
            let column = SQLText.name(name)
            return type.map { "CAST(\(column) AS \($0)) AS \(column)" } ?? column
        }
        return
            "CREATE VIEW \(SQLText.name(view + Self.suffix)) AS SELECT \(columns.joined(separator: ", ")) FROM \(SQLText.name(view))"
    }
}
