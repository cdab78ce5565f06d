import Batch
import Database
import SQLite
import Stream
import Time

/// A database of one's own for the time of an audit: tables and views like the tenant's, filled with what was recounted, so that declared
/// analyses can be run over it.
///
/// Only what their statements read is there. Groups have the ids, and windows their groups in the order, that they have in storage: a
/// statement that sums doubles or leaves an order open gives what it gave.
final class RecomputedDatabase {
    /// A declared analysis whose rows are stored, by the text that they were computed by.
    struct Declared {
        var analysis: DeclaredAnalysis
        /// Views of queries that it reads.
        var reads: [String] = []
        /// Views of the four analyses that it reads.
        var readsAnalyses: [Analysis] = []
    }

    private let connection: Connection
    /// By each of their tables and views.
    private let plans: [String: QueryPlan]
    private(set) var declared: [Declared] = []
    /// Why an analysis cannot be run over a recount, by its name.
    private(set) var reasons: [String: String] = [:]
    /// Queries whose results are needed, by view.
    private var needed: Set<String> = []
    private var statements: [String: Statement] = [:]

    /// - Parameters:
    ///   - results: the tenant's database, which names the analyses.
    ///   - plans: the queries that are recounted.
    init(for results: Connection, plans: [QueryPlan], zone: ZoneClock) throws {
        // A file of SQLite's own, gone with the connection; it is written only where memory does not do.
        connection = try Connection(path: "", durability: .normal)
        try connection.addResultFunctions()
        self.plans = plans.reduce(into: [:]) { names, plan in
            for name in [plan.table, plan.storageTable, plan.keysTable].compactMap({ $0 }) { names[name] = plan }
        }
        guard try results.value("SELECT 1 FROM sqlite_schema WHERE name = 'batch_analyses'") != nil else { return }
        let texts = try results.rows("SELECT name, sql FROM batch_analyses ORDER BY name") { ($0.text(0), $0.text(1)) }
        for (name, sql) in texts {
            guard let analysis = try? DeclaredAnalysis.parse(sql, file: name), analysis.name == name else { continue }
            declared.append(try examined(Declared(analysis: analysis), zone))
        }
        guard !declared.isEmpty else { return }
        // Most statements need no bucket.
        let needsBuckets =
            needed.contains { view in
                self.plans[view].map {
                    $0.groups.contains(.fareBucket) || $0.aggregates.contains(where: \.hasHistogram)
                }
                    ?? false
            } || declared.contains { $0.analysis.sql.lowercased().contains("fare_buckets") }
        for table in try Self.installLookups(zone, in: connection) where table.name != "fare_buckets" || needsBuckets {
            try Self.insert(table.rows, into: table.name, connection)
        }
        for view in needed { try install(self.plans[view]) }
        for analysis in Set(declared.flatMap(\.readsAnalyses)) { try Self.install(analysis, in: connection) }
    }

    /// Makes the tables that the views of queries read besides; returns what belongs into them.
    private static func installLookups(
        _ zone: ZoneClock, in connection: Connection
    ) throws -> [LookupComparison.Table] {
        let tables = [LookupComparison.offsets(of: zone), LookupComparison.fareBuckets]
        for table in tables {
            let columns = table.columns.enumerated().map { "\($1)\($0 == 0 ? " INTEGER PRIMARY KEY" : "")" }
            try connection.execute("CREATE TABLE \(table.name) (\(columns.joined(separator: ", ")))")
        }
        return tables
    }

    private func install(_ plan: QueryPlan?, in connection: Connection? = nil) throws {
        guard let plan else { return }
        let connection = connection ?? self.connection
        for statement in plan.createTablesSQL + [plan.createViewSQL] { try connection.execute(statement) }
    }

    private static func install(_ analysis: Analysis, in connection: Connection) throws {
        let view = PeriodView(analysis)
        let columns = (["period_kind", "period"] + view.columns).map { "\"\($0)\"" }.joined(separator: ", ")
        try connection.execute("CREATE TABLE \(view.name) (\(columns))")
    }

    private static func insert(_ rows: [[SQLValue]], into table: String, _ connection: Connection) throws {
        guard let width = rows.first?.count else { return }
        let insert = try connection.prepare(
            "INSERT INTO \(table) VALUES (\(Array(repeating: "?", count: width).joined(separator: ", ")))")
        try connection.transaction {
            for row in rows {
                try insert.bind(row)
                try insert.run()
            }
        }
    }

    /// Finds out what a statement reads: by leaving tables out until SQLite does not miss any more.
    private func examined(_ declared: Declared, _ zone: ZoneClock) throws -> Declared {
        var declared = declared
        let empty = try Connection(path: ":memory:")
        try empty.addResultFunctions()
        _ = try Self.installLookups(zone, in: empty)
        let missing = "no such table: "
        while true {
            do throws(SQLiteError) {
                let statement = try empty.prepare(declared.analysis.sql)
                let columns = (0..<statement.columnCount).map(statement.columnName)
                if !statement.isReadOnly || columns != declared.analysis.columns {
                    reasons[declared.analysis.name] = "its statement gives other columns than it declares"
                }
                needed.formUnion(declared.reads)
                return declared
            } catch {
                guard error.code == .statement else { throw error }
                var name = error.message.lowercased()
                name.trimPrefix(missing)
                name.trimPrefix("main.")
                if error.message.hasPrefix(missing), let plan = plans[name], !declared.reads.contains(plan.table) {
                    declared.reads.append(plan.table)
                    try install(plan, in: empty)
                } else if error.message.hasPrefix(missing),
                    let analysis = Analysis.allCases.first(where: { $0.view == name }),
                    !declared.readsAnalyses.contains(analysis)
                {
                    declared.readsAnalyses.append(analysis)
                    try Self.install(analysis, in: empty)
                } else {
                    reasons[declared.analysis.name] =
                        error.message.hasPrefix(missing)
                        ? "it reads \(name), which was not audited" : "SQLite says: \(error.message)"
                    return declared
                }
            }
        }
    }
}

// MARK: - Filling

extension RecomputedDatabase {
    /// Takes the rows of a query that was recounted, of the windows at hand.
    ///
    /// - Parameter results: the tenant's database, for the order of groups.
    func fill(_ audit: QueryAudit, on results: Connection, isFirst: Bool) throws {
        let plan = audit.plan
        guard needed.contains(plan.table), isFirst || plan.window.isWindowed else { return }
        if !audit.isExact || !audit.prunedWindows.isEmpty {
            let reason =
                audit.isExact
                ? "windows of \(plan.table), which it reads, were let go of"
                : "late trips may be missing from \(plan.table), which it reads"
            for analysis in declared where analysis.reads.contains(plan.table) {
                reasons[analysis.analysis.name] = reason
            }
            return
        }
        let rows = RecomputedRows(audit)
        try connection.transaction {
            if isFirst { try Self.insert(keys: rows, plan, connection) }
            if plan.packsGroups {
                try fillPacked(rows, audit, results)
            } else {
                try fillColumns(rows, audit)
            }
        }
    }

    private static func insert(keys rows: RecomputedRows, _ plan: QueryPlan, _ connection: Connection) throws {
        guard let table = plan.keysTable else { return }
        let marks = Array(repeating: "?", count: plan.groups.count + 1).joined(separator: ", ")
        let insert = try connection.prepare("INSERT INTO \(table) VALUES (\(marks))")
        for (id, parts) in rows.keys {
            try insert.bind([.integer(id)] + parts)
            try insert.run()
        }
    }

    private func fillColumns(_ rows: RecomputedRows, _ audit: QueryAudit) throws {
        let plan = audit.plan
        let table = audit.recount.table
        let count = plan.stateColumns.count + (plan.window.isWindowed ? 2 : 1)
        let marks = Array(repeating: "?", count: count).joined(separator: ", ")
        let insert = try connection.prepare("INSERT INTO \(plan.storageTable) VALUES (\(marks))")
        for entry in 0..<table.count where !table.marks[entry].contains(.absent) {
            let key: [SQLValue] =
                plan.window.isWindowed
                ? [.integer(table.windows[entry]), .integer(audit.isClosed(table.windows[entry]) ? 1 : 0)]
                : [.integer(rows.id(of: table.groups[entry]))]
            try insert.bind(key + rows.state(of: entry))
            try insert.run()
        }
    }

    private func fillPacked(_ rows: RecomputedRows, _ audit: QueryAudit, _ results: Connection) throws {
        let table = audit.recount.table
        let stored = try results.prepare("SELECT groups FROM \(audit.plan.storageTable) WHERE window_start_ms = ?")
        let insert = try connection.prepare("INSERT INTO \(audit.plan.storageTable) VALUES (?, ?, ?)")
        let entries = (0..<table.count).filter { !table.marks[$0].contains(.absent) }
            .sorted { table.windows[$0] < table.windows[$1] }
        var next = 0
        while next < entries.count {
            let window = table.windows[entries[next]]
            var own = [Int64: Int]()
            var ids: [Int64] = []
            while next < entries.count, table.windows[entries[next]] == window {
                let id = rows.id(of: table.groups[entries[next]])
                ids.append(id)
                own[id] = entries[next]
                next += 1
            }
            ids.sort()
            stored.bind(0, window)
            if try stored.step() {
                let order = stored.withBytes(0) { RecomputedRows.ids(in: $0, audit.plan) }.filter { own[$0] != nil }
                ids = order + Set(ids).subtracting(order).sorted()
            }
            stored.reset()
            let groups = ids.map { "\"\($0)\":\(rows.packed(own[$0] ?? 0))" }.joined(separator: ",")
            try insert.bind([.integer(window), .integer(audit.isClosed(window) ? 1 : 0), .text("{\(groups)}")])
            try insert.run()
        }
    }

    /// Takes the rows of the four analyses that statements read.
    ///
    /// - Parameter rows: of a view; nil where they are not known.
    func fillAnalyses(_ rows: (PeriodView) throws -> [[SQLValue]]?) throws {
        for analysis in Set(declared.flatMap(\.readsAnalyses)) {
            guard let rows = try rows(PeriodView(analysis)) else {
                for declared in declared where declared.readsAnalyses.contains(analysis) {
                    reasons[declared.analysis.name] =
                        "rows of \(analysis.view), which it reads, are older than the results"
                }
                continue
            }
            try Self.insert(rows, into: analysis.view, connection)
        }
    }
}

// MARK: - Running

extension RecomputedDatabase {
    /// The rows that an analysis has for a period, without `partial`.
    func rows(of name: String, _ period: Period) throws -> [[SQLValue]] {
        guard let analysis = declared.first(where: { $0.analysis.name == name })?.analysis else { return [] }
        let statement = try statements[name] ?? connection.prepare(analysis.sql)
        statements[name] = statement
        defer { statement.reset() }
        for (index, parameter) in statement.parameterNames.enumerated() {
            statement.bind(index, Self.value(of: parameter ?? "", period))
        }
        var rows: [[SQLValue]] = []
        while try statement.step() { rows.append((0..<statement.columnCount).map(statement.value)) }
        return rows
    }

    /// What `:from` and its like stand for: days of the period, of the one before it and of the one a year before.
    private static func value(of parameter: String, _ period: Period) -> SQLValue {
        if parameter == ":period" { return .text(period.description) }
        if parameter == ":kind" { return .text(period.kind.rawValue) }
        let days =
            parameter.hasPrefix(":before_")
            ? period.previous.days
            : parameter.hasPrefix(":year_before_") ? period.sameAYearBefore.days : period.days
        if parameter.hasSuffix("from") { return .text(Calendar.text(ofDay: days.lowerBound)) }
        if parameter.hasSuffix("until") { return .text(Calendar.text(ofDay: days.upperBound)) }
        return .null
    }
}
