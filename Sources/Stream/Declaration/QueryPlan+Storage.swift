import Basics
import Database
public import SQLite

// How a query's results lie in the tenant's database. All times are UTC ms, money is cents, decimals are millionths:
//
//     windows, no groups    stored_V(window_start_ms INTEGER PRIMARY KEY, closed, <state columns>)
//     windows and groups    stored_V(window_start_ms INTEGER PRIMARY KEY, closed, groups): one JSON object a window,
//                           {"<group id>": n} where the state is one word, else {"<group id>": [<state columns>]}
//     no windows            stored_V(group_id INTEGER PRIMARY KEY, <state columns>); the id is 0 where there are no groups
//
// A group id is the value itself where the query groups by one integer, else the id of a row of keys_V. A word that is
// `nullCell` (the least of nothing) is NULL or null; a histogram is a JSON object {"<bucket>": n}, a sketch a text.
// The view V shows the same to people; of an `append` query only windows that are closed.

extension QueryPlan {
    public var storageTable: String { "stored_\(table)" }

    /// The table that numbers the groups; nil where a group's id is its value, and where there are no groups.
    public var keysTable: String? { groups.isEmpty || groupIDIsValue ? nil : "keys_\(table)" }

    /// The index by which a range of days is found; nil where there are no days, or a window has them.
    var dayIndex: String? { groups.contains(.day) && window == .none ? keysTable.map { "\($0)_by_day" } : nil }

    /// Whether the query groups by exactly one integer.
    public var groupIDIsValue: Bool { groups.count == 1 && !groups[0].isString }

    /// Whether all groups of a window lie in one row.
    public var packsGroups: Bool { window.isWindowed && !groups.isEmpty }

    /// The columns of a state, or the elements of a packed group, in order.
    public var stateColumns: [AggregatePlan.Column] { aggregates.flatMap(\.columns) }

    /// Whether a packed group is a bare number and no array.
    public var packsBareWords: Bool { stateColumns.count == 1 && !stateColumns[0].kind.isText }

    /// The names of the columns of `keysTable`, after `id`.
    public var keyColumns: [String] { groups.map(\.columnName) }

    /// What the stored rows mean: where it differs from what is in the database, the two do not go together.
    ///
    /// It says so in words, for a message: `tumbling 5s; trips count(); fares sum(fare); where fare > 0.00`. What goes out
    /// (emit, topic, message) is not part of it.
    public var schemaFingerprint: String {
        var parts = [window.description]
        if !groups.isEmpty { parts.append("group " + groups.map(\.name).joined(separator: ", ")) }
        parts += aggregates.map { "\($0.name) \($0.expression)" }
        if let filter { parts.append("where \(filter)") }
        return parts.joined(separator: "; ") + (countsBuckets ? Self.bucketMark : "")
    }

    /// Whether what is stored depends on what a number of a `FareBucket` means.
    var countsBuckets: Bool { groups.contains(.fareBucket) || aggregates.contains(where: \.hasHistogram) }

    /// Tells results in these buckets from those in the wider ones of release 0.1.0.
    static let bucketMark = "; buckets within 0.5 %"

    /// Statements that create the tables where they are missing.
    public var createTablesSQL: [String] {
        var columns: [String]
        if window.isWindowed {
            columns = ["window_start_ms INTEGER PRIMARY KEY", "closed INTEGER NOT NULL"]
        } else {
            columns = ["group_id INTEGER PRIMARY KEY"]
        }
        if packsGroups {
            columns.append("groups TEXT NOT NULL")
        } else {
            columns += stateColumns.map { "\(SQLText.name($0.name)) \($0.kind.type)" }
        }
        var statements = ["CREATE TABLE IF NOT EXISTS \(storageTable) (\(columns.joined(separator: ", ")))"]
        if let keysTable {
            let names = keyColumns.map(SQLText.name)
            let typed = zip(names, groups).map { "\($0) \($1.isString ? "TEXT" : "INTEGER") NOT NULL" }
            statements.append(
                "CREATE TABLE IF NOT EXISTS \(keysTable) (id INTEGER PRIMARY KEY, \(typed.joined(separator: ", ")), "
                    + "UNIQUE (\(names.joined(separator: ", "))))")
            if let dayIndex {
                // As the view writes it, so that a range of days costs what lies in it and not years.
                statements.append(
                    "CREATE INDEX IF NOT EXISTS \(dayIndex) ON \(keysTable) (\(Self.dayText("\"day\"")))")
            }
        }
        return statements
    }

    /// The statement that creates the public view. The view reads `zone_offsets` and `fare_buckets` as well.
    ///
    /// It writes a window's times anew for each of its groups, some 2 µs each where they are asked for. Writing them once a
    /// window takes a subquery that SQLite materializes: ten times faster to read whole, but `LIMIT 1` would copy the table.
    public var createViewSQL: String {
        "CREATE VIEW \(SQLText.name(table)) AS " + selectSQL(times: ViewSQL.isoTime, day: Self.dayText)
    }

    /// The view's rows for programs: its columns with times as ms UTC and days as days since 1970, so that no text is made. Of a query
    /// with windows those that begin from the first parameter (ms) up to before the second.
    public var numbersSQL: String {
        selectSQL(
            times: { $0 }, day: { $0 },
            conditions: window.isWindowed ? ["w.window_start_ms >= ?1", "w.window_start_ms < ?2"] : [])
    }

    /// - Parameters:
    ///   - times: makes of an expression in ms UTC what stands in the columns of a window's bounds.
    ///   - day: makes of days since 1970 what stands in the column of a local day.
    private func selectSQL(
        times: (String) -> String, day: (String) -> String, conditions more: [String] = []
    ) -> String {
        var columns: [(sql: String, name: String)] = []
        if window.isWindowed {
            columns.append((times("w.window_start_ms"), "window_start"))
            columns.append((times(windowEndSQL), "window_end"))
        }
        var from = "\(storageTable) AS w"
        if packsGroups { from += ", json_each(w.groups) AS g" }
        let groupID = packsGroups ? "CAST(g.key AS INTEGER)" : "w.group_id"
        // CROSS JOIN is what keeps SQLite from walking through all windows once a key: 18 s instead of 0.15 for 444,000 rows.
        // Without windows either order is cheap, and beginning with the keys lets a range of days be looked up.
        // The condition stands in WHERE, since DuckDB, which reads these views out of the file, has no CROSS JOIN with ON.
        var conditions: [String] = []
        if let keysTable {
            from += "\(packsGroups ? " CROSS JOIN" : ",") \(keysTable) AS k"
            conditions.append("k.id = \(groupID)")
        }
        for group in groups {
            let value = keysTable == nil ? groupID : "k.\(SQLText.name(group.columnName))"
            switch group {
            case .day: columns.append((day(value), group.columnName))
            case .fareBucket:
                from += " LEFT JOIN fare_buckets AS b ON b.bucket = \(value)"
                columns += [(value, "bucket"), ("b.fare_from", "fare_from"), ("b.fare_to", "fare_to")]
            case .field, .hour, .hourOfWeek: columns.append((value, group.columnName))
            }
        }
        var index = 0
        for aggregate in aggregates {
            let states = aggregate.columns.indices.map { state(at: index + $0) }
            index += states.count
            columns.append((aggregate.resultSQL(states), aggregate.name))
        }
        let list = columns.map { "\($0.sql) AS \(SQLText.name($0.name))" }.joined(separator: ",\n  ")
        if emit == .append { conditions.append("w.closed > 0") }
        conditions += more
        let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        return "SELECT\n  \(list)\nFROM \(from)\(filter)"
    }

    /// Creates the tables where they are missing, and the view anew where it is another than declared.
    ///
    /// Whether tables that are there fit is for the caller to know, by `schemaFingerprint`.
    public func installStorage(on connection: Connection) throws(SQLiteError) {
        for statement in createTablesSQL { try connection.execute(statement) }
        let sql = createViewSQL
        let found = try connection.value("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", .text(table))
        if found?.text == sql { return }
        try connection.execute("DROP VIEW IF EXISTS \(SQLText.name(table))")
        try connection.execute(sql)
    }

    /// Removes the view, the tables and all results in them.
    public func removeStorage(from connection: Connection) throws(SQLiteError) {
        try connection.execute("DROP VIEW IF EXISTS \(SQLText.name(table))")
        // What batch has made over it.
        try connection.execute("DROP VIEW IF EXISTS \(SQLText.name(table + "_typed"))")
        try connection.execute("DROP TABLE IF EXISTS \(storageTable)")
        try connection.execute("DROP TABLE IF EXISTS keys_\(table)")
    }

    /// Not `date(…)`, which DuckDB's parser takes for a function of its own.
    private static func dayText(_ day: String) -> String { "strftime('%Y-%m-%d', \(day) * 86400, 'unixepoch')" }

    private var windowEndSQL: String {
        switch window {
        case .tumbling(let sizeMs), .sliding(let sizeMs, _): "w.window_start_ms + \(sizeMs)"
        case .localDay: ViewSQL.nextLocalDay("w.window_start_ms")
        case .none: "NULL"
        }
    }

    private func state(at index: Int) -> String {
        if !packsGroups { return "w.\(SQLText.name(stateColumns[index].name))" }
        return packsBareWords ? "g.value" : "json_extract(g.value, '$[\(index)]')"
    }
}

extension AggregatePlan.Column.Kind {
    fileprivate var type: String {
        switch self {
        case .word: "INTEGER NOT NULL"
        case .nullableWord: "INTEGER"
        case .histogram, .sketch: "TEXT NOT NULL"
        }
    }
}

extension GroupKey {
    /// The column of `keysTable` and of the view.
    public var columnName: String { self == .fareBucket ? "bucket" : name }
}
