import CommandLine
import Dashboard
import Database
import Foundation
import Monitoring
import Problems
import Reports
import SQLite
import Stream
import Topics
import Time
import Trips

/// The tenants of the command's home, as pages and metrics show them.
struct WatchedTenants: WatchedHome {
    /// Of the command that watches; each tenant has its own taxi.yaml besides.
    let arguments: ParsedArguments
    private let globals: GlobalOptions
    /// Whether every tenant of the home is watched, and not that of the command alone.
    private let isAll: Bool

    init(_ globals: GlobalOptions, _ arguments: ParsedArguments, isAll: Bool) {
        (self.globals, self.arguments, self.isAll) = (globals, arguments, isAll)
    }

    func tenants() throws -> [String] { isAll ? try TenantHome.tenants(in: globals.home) : [globals.tenant] }

    func tenant(_ name: String) throws -> any TenantPages {
        guard name != globals.tenant || isAll else { return WatchedTenantPages(globals, arguments) }
        // "config" is a command without settings of its own, so that what it resolves is what the tenant's taxi.yaml says of all.
        let own = try arguments.program.resolve(
            ["config", "--tenant", name, "--home", globals.home], as: arguments)
        return WatchedTenantPages(try GlobalOptions(own), own)
    }
}

/// One tenant's data, read anew for each page.
struct WatchedTenantPages: TenantPages {
    let globals: GlobalOptions
    let arguments: ParsedArguments

    init(_ globals: GlobalOptions, _ arguments: ParsedArguments) {
        (self.globals, self.arguments) = (globals, arguments)
    }

    var watched: WatchedTenant {
        let globals = globals
        return WatchedTenant(globals.tenantHome, zone: globals.zoneIdentifier) {
            try globals.declaredQueries()
        } openTopics: {
            try globals.openTopicsIfAny()
        }
    }

    // MARK: Results

    private func openResults() throws -> ResultsDatabase? { try globals.openResultsIfAny() }

    func views() throws -> [String] {
        guard let database = try openResults() else { return [] }
        return try ResultCatalog.names(on: database.connection).filter { name in
            // What has a page of its own, or is no result.
            !["runs", "workflow_runs", "workflow_steps", "alerts", "sources"].contains(name)
        }
    }

    func analyses() throws -> [String] {
        guard let database = try openResults() else { return [] }
        let catalog = ResultCatalog(connection: database.connection, queriesPath: globals.queriesPath)
        return try views().filter { try catalog.view(named: $0).isPeriodic }
    }

    func rows(ofView name: String, limit: Int, times: Range<EventTime>?) throws -> PageTable {
        let (view, rows) = try rows(ofView: name, limit: limit, times: times, isForPeople: false)
        return PageTable(
            columns: view.columns,
            rows: rows.map { row in row.indices.map { Self.text(view.plain(row[$0], column: $0)) } })
    }

    func rowsForPeople(ofView name: String) throws -> PageTable {
        let (view, rows) = try rows(ofView: name, limit: nil, times: nil, isForPeople: true)
        let table = ResultPicture(view: view, rows: rows).table(barWidth: 0)
        return PageTable(columns: view.columns, rows: table.rows.map { $0.map { $0 == .null ? nil : $0.shown() } })
    }

    private func rows(ofView name: String, limit: Int?, times: Range<EventTime>?, isForPeople: Bool) throws
        -> (view: ResultView, rows: [[SQLValue]])
    {
        guard let database = try openResults() else {
            throw Problem(.noInput, "there are no results yet", hint: "Run taxi-cli stream first.")
        }
        let catalog = ResultCatalog(connection: database.connection, queriesPath: globals.queriesPath)
        let view = try catalog.view(named: name)
        var selection = ResultSelection(
            view: view, limit: limit, kind: nil, period: nil, isForPeople: isForPeople,
            zone: try ZoneClock(identifier: database.zone))
        selection.times = times
        var rows: [[SQLValue]] = []
        try selection.forEachRow(on: database.connection) { rows.append($0) }
        return (view, rows)
    }

    private static func text(_ value: Table.Value) -> String? { value == .null ? nil : value.plain() }

    static func page(_ table: Table) -> PageTable {
        PageTable(columns: table.columns.map(\.name), rows: table.rows.map { $0.map(text) })
    }

    func report() throws -> Report {
        guard let database = try openResults() else {
            throw Problem(.noInput, "there are no results yet", hint: "Run taxi-cli stream and taxi-cli batch first.")
        }
        let zone = try database.zone
        return try Report(
            database.connection, selection: ReportSelection(kind: .month, scope: .all), tenant: globals.tenant,
            made: try ZoneClock(identifier: zone).iso(ms: systemTime()), zone: zone,
            own: OwnTables.declared(by: globals))
    }

    // MARK: Models

    func models() throws -> PageTable {
        let table = Self.page(try MLCommand.table(of: MLSession(globals)))
        // What people come for stands where a narrow window shows it.
        let first = ["model", "state", "last", "next", "set_aside", "reason"]
        let order =
            first.compactMap { table.columns.firstIndex(of: $0) }
            + table.columns.indices.filter { !first.contains(table.columns[$0]) }
        return PageTable(
            columns: order.map { table.columns[$0] }, rows: table.rows.map { row in order.map { row[$0] } })
    }

    func modelBatches(limit: Int) throws -> PageTable {
        try rowsIfAny(
            "ml_batches", ["model", "batch", "state", "rows", "sent", "ended", "attempts", "reason"],
            order: "sent DESC, model, batch DESC LIMIT \(limit)")
    }

    func modelErrors() throws -> PageTable {
        try rowsIfAny(
            "ml_errors",
            [
                "model", "dimension", "value", "rows", "actual", "mae", "wape", "baseline", "baseline_mae",
                "baseline_wape", "worse",
            ], order: "model, dimension = 'all' DESC, dimension, actual DESC, value LIMIT 200")
    }

    /// Rows of a view that is made with the first model.
    private func rowsIfAny(_ view: String, _ columns: [String], order: String) throws -> PageTable {
        var table = PageTable(columns: columns)
        guard let database = try openResults(),
            try explaining(
                "looking for models",
                { () throws(SQLiteError) in
                    try database.connection.value("SELECT 1 FROM sqlite_schema WHERE name = ?", .text(view))
                }) != nil
        else { return table }
        // Means have more digits than anybody reads.
        let shown = columns.map {
            ["actual"].contains($0) || $0.hasSuffix("mae") || $0.hasSuffix("wape")
                ? "iif(\($0) IS NULL, NULL, rtrim(rtrim(printf('%.3f', \($0)), '0'), '.'))" : $0
        }
        table.rows = try explaining("reading \(view)") { () throws(SQLiteError) in
            try database.connection.rows(
                "SELECT \(shown.joined(separator: ", ")) FROM \(view) ORDER BY \(order)"
            ) { row throws(SQLiteError) in columns.indices.map { row.isNull($0) ? nil : row.text($0) } }
        }
        return table
    }

    // MARK: Settings

    func settings() throws -> PageTable {
        var table = PageTable(columns: ["command", "option", "value", "from"])
        func add(_ resolved: ResolvedOption, _ command: String) {
            guard !["help", "version"].contains(resolved.option.long) else { return }
            table.rows.append([
                command, resolved.option.long, resolved.shown ?? resolved.option.defaultText, "\(resolved.origin)",
            ])
        }
        for option in arguments.program.globals { arguments.options[option.long].map { add($0, "") } }
        for (path, command) in arguments.program.root.flattened() {
            let settings = try arguments.program.settings(
                of: command.options, environment: arguments.environment, configuration: arguments.configuration)
            for setting in settings { add(setting, path.dropFirst().joined(separator: " ")) }
        }
        return table
    }
}
