import Basics
import Batch
import Database
import Problems
import Publish
import SQLite
import Stream
import Trips

/// The public views of a tenant as they are published: each with types, a key and meanings, from whoever declares it.
struct PublishedViews {
    private let plans: [String: QueryPlan]
    private let analyses: [String: DeclaredAnalysis]
    /// What `--views` names; none for all.
    private let wanted: [String]

    /// - Parameters:
    ///   - wanted: names of views or queries, letter case aside.
    ///   - queries: files of declarations, instead of the tenant's own.
    init(_ globals: GlobalOptions, wanted: [String] = [], queries: [String] = []) {
        // A file with mistakes keeps nobody from publishing: stream and batch tell of them.
        let plans =
            (try? globals.declaredQueries(queries + [AnalyticsQueries.name]))
            ?? (try? QueryCatalog.load(analytics: true)) ?? []
        self.plans = Dictionary(plans.map { ($0.table, $0) }) { first, _ in first }
        let analyses = (try? AnalysisCatalog.load(folder: globals.analysesPath)) ?? []
        self.analyses = Dictionary(analyses.map { ($0.name, $0) }) { first, _ in first }
        self.wanted = wanted
    }

    /// - Throws: `.usage` for a name of `--views` that is none of a view, with the nearest.
    func all(on connection: Connection) throws -> [PublishedView] {
        let names = try ResultCatalog.names(on: connection)
        guard !wanted.isEmpty else { return try names.map { try view($0, on: connection) } }
        let views = try wanted.map { name in
            let view = plans.values.first { $0.name.lowercased() == name.lowercased() }?.table ?? name.lowercased()
            guard names.contains(view) else {
                let near = nearestName(to: view, among: names).map { "Did you mean \"\($0)\"? " } ?? ""
                throw Problem(
                    .usage, "there is no view \"\(name)\"", hint: near + "There are: \(names.joined(separator: ", ")).")
            }
            return view
        }
        return try Set(views).sorted().map { try view($0, on: connection) }
    }

    /// A line for each view of a query of which nobody says what it was declared as.
    func undeclared(on connection: Connection) throws -> [String] {
        try all(on: connection).map(\.name).filter { name in
            try plans[name] == nil && connection.hasTable("stored_\(name)") && !Self.own.contains(name)
        }.map { name in
            "note: \"\(name)\" is of a query that is not declared here: its numbers are published as double precision, and without a key; name its file with --queries"
        }
    }

    private func view(_ name: String, on connection: Connection) throws -> PublishedView {
        let stored = try connection.value("SELECT sql FROM sqlite_schema WHERE name = ?", .text(name))?.text
        // What is declared now may be other than what the stream has stored so far.
        if let plan = plans[name], stored == plan.createViewSQL { return Self.view(of: plan) }
        let select = "SELECT * FROM \(SQLText.name(name))"
        let statement = try connection.prepare("\(select) LIMIT 0")
        let columns = (0..<statement.columnCount).map(statement.columnName)
        if let analysis = analyses[name] {
            return PublishedView(
                name: name, about: analysis.about,
                columns: columns.map { column in
                    // Of its own columns nothing is known of somebody's own analysis.
                    let isKnown =
                        analysis.isShipped && !analysis.keys.contains(column)
                        || ["period_kind", "period", "partial"].contains(column)
                    return isKnown
                        ? ViewTexts.column(column, of: name, isAnalysis: true) : PublishedColumn(column, nil)
                }, key: ["period_kind", "period"] + analysis.keys, source: .rows(select: select))
        }
        let isAnalysis = columns.starts(with: ["period_kind", "period"])
        guard Self.own.contains(name) else {
            return PublishedView(
                name: name, about: "", columns: columns.map { PublishedColumn($0, nil) },
                key: isAnalysis ? ["period_kind", "period"] : [], source: .rows(select: select))
        }
        return PublishedView(
            name: name, about: ViewTexts.about(of: name),
            columns: columns.map { ViewTexts.column($0, of: name, isAnalysis: isAnalysis) },
            key: ViewTexts.key(of: name) ?? [], source: .rows(select: select))
    }

    /// Views that come with taxi-cli and are no query's and no declared analysis'.
    private static let own = Set(
        Analysis.allCases.map(\.view) + [
            Coverage.view, "runs", "alerts", "sources", "workflow_runs", "workflow_steps", "ml_results", "vintages",
        ])

    // MARK: queries

    private static func view(of plan: QueryPlan) -> PublishedView {
        var columns: [PublishedColumn] = []
        if plan.window.isWindowed {
            columns.append(PublishedColumn("window_start", .timestamptz, "\(plan.window), half-open"))
            columns.append(PublishedColumn("window_end", .timestamptz))
        }
        for group in plan.groups {
            switch group {
            case .day: columns.append(PublishedColumn(group.columnName, .date, "local day"))
            case .fareBucket:
                columns += [
                    PublishedColumn("bucket", .bigint, "number of the bucket"),
                    PublishedColumn("fare_from", .double, "US dollars: fares above it"),
                    PublishedColumn("fare_to", .double, "US dollars: fares up to it"),
                ]
            case .hour: columns.append(PublishedColumn(group.columnName, .bigint, "local hour of the day"))
            case .hourOfWeek:
                columns.append(PublishedColumn(group.columnName, .bigint, "local hour of the week, 0 is Monday 00h"))
            case .field(let field):
                columns.append(PublishedColumn(group.columnName, group.isString ? .text : .bigint, field.name))
            }
        }
        columns += plan.aggregates.map { aggregate in
            PublishedColumn(
                aggregate.name, aggregate.decimals == 0 ? .bigint : .numeric(decimals: aggregate.decimals),
                aggregate.expression + unit(of: aggregate))
        }
        let about = ViewTexts.about(of: plan.table)
        return PublishedView(
            name: plan.table, about: about.isEmpty ? "Query \(plan.name): \(plan.schemaFingerprint)" : about,
            columns: columns, key: (plan.window.isWindowed ? ["window_start"] : []) + plan.groups.map(\.columnName),
            source: plan.window.isWindowed
                ? .windows(stored: plan.storageTable, keys: plan.keysTable, select: plan.numbersSQL)
                : .rows(select: plan.numbersSQL), query: plan.name)
    }

    private static func unit(of aggregate: AggregatePlan) -> String {
        switch (aggregate.unit, aggregate.field) {
        case (.cents, _): ", US dollars"
        case (_, .miles?): ", miles"
        case (_, .seconds?) where aggregate.function != .distinct && aggregate.function != .countField: ", seconds"
        default: ""
        }
    }
}
