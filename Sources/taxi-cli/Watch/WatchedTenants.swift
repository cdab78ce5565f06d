import CommandLine
import Dashboard
import Database
import Foundation
import Monitoring
import Problems
import Replay
import Reports
import SQLite
import Stream
import Topics
import Time
import Trips
import Workflow

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
private struct WatchedTenantPages: TenantPages {
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

    func rows(ofView name: String, limit: Int) throws -> PageTable {
        try rows(ofView: name, limit: limit, isForPeople: false)
    }

    func rowsForPeople(ofView name: String) throws -> PageTable {
        try rows(ofView: name, limit: nil, isForPeople: true)
    }

    private func rows(ofView name: String, limit: Int?, isForPeople: Bool) throws -> PageTable {
        guard let database = try openResults() else {
            throw Problem(.noInput, "there are no results yet", hint: "Run taxi-cli stream first.")
        }
        let catalog = ResultCatalog(connection: database.connection, queriesPath: globals.queriesPath)
        let view = try catalog.view(named: name)
        let selection = ResultSelection(
            view: view, limit: limit, kind: nil, period: nil, isForPeople: isForPeople,
            zone: try ZoneClock(identifier: database.zone))
        var table = PageTable(columns: view.columns)
        try selection.forEachRow(on: database.connection) { row in
            table.rows.append(row.indices.map { Self.text(view.plain(row[$0], column: $0)) })
        }
        return table
    }

    private static func text(_ value: Table.Value) -> String? { value == .null ? nil : value.plain() }

    private static func page(_ table: Table) -> PageTable {
        PageTable(columns: table.columns.map(\.name), rows: table.rows.map { $0.map(text) })
    }

    func report() throws -> String {
        guard let database = try openResults() else {
            throw Problem(.noInput, "there are no results yet", hint: "Run taxi-cli stream and taxi-cli batch first.")
        }
        let zone = try database.zone
        return try Report(
            database.connection, selection: ReportSelection(kind: .month, scope: .all), tenant: globals.tenant,
            made: try ZoneClock(identifier: zone).iso(ms: systemTime()), zone: zone
        ).html
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

    // MARK: Workflows

    private func session() throws -> WorkflowSession {
        try WorkflowSession(globals, environment: arguments.environment)
    }

    func workflows() throws -> PageTable {
        let session = try session()
        let history = try session.openHistoryIfAny()
        var table = PageTable(columns: [
            "workflow", "schedule", "timezone", "steps", "next_run", "last_run", "last_state",
        ])
        for (file, workflow) in session.folder.all() {
            switch workflow {
            case .success(let spec):
                let last = try history?.runs(of: spec.name, limit: 1).first
                let next = spec.schedule?.interval(dueAfter: systemTime(), from: spec.start)
                table.rows.append([
                    spec.name, spec.schedule?.cron.text, spec.zone.identifier, "\(spec.steps.count)",
                    next.map { spec.zone.iso(ms: $0.end) }, last?.started.map { session.zone.iso(ms: $0) },
                    last?.shownState,
                ])
            case .failure(let problem): table.rows.append([file, problem.message, nil, nil, nil, nil, "failed"])
            }
        }
        return table
    }

    func graph(ofWorkflow name: String) throws -> String { WorkflowGraph(try session().folder.load(name)).svg }

    func workflowRuns(of workflow: String?, limit: Int) throws -> PageTable {
        let session = try session()
        let runs = try session.openHistoryIfAny()?.runs(of: workflow, limit: limit) ?? []
        return Self.page(WorkflowRunsCommand.table(runs, session))
    }

    func isRun(_ id: String) throws -> Bool {
        // A prefix names a run, too, where a person writes it.
        (try? session().openHistoryIfAny()?.run(id))?.id == id
    }

    func steps(ofRun id: String) throws -> PageTable {
        let session = try session()
        let history = try session.requireHistory()
        let run = try history.run(id)
        var table = PageTable(columns: ["step", "attempt", "state", "started", "ended", "error"])
        for attempt in try history.attempts(of: run.id) {
            table.rows.append([
                attempt.step, "\(attempt.attempt)", attempt.state.rawValue,
                attempt.started.map { session.zone.iso(ms: $0) }, attempt.ended.map { session.zone.iso(ms: $0) },
                attempt.error,
            ])
        }
        return table
    }

    func log(ofRun id: String) throws -> String {
        let session = try session()
        let history = try session.requireHistory()
        var reader = RunLogReader(history: history, logs: session.logs, runID: try history.run(id).id, step: nil)
        var lines: [String] = []
        try reader.read { step, line in lines.append("\(step) | \(line)") }
        // The last lines are those that somebody looks for; the whole is what workflow logs is for.
        return lines.suffix(2000).joined(separator: "\n")
    }

    func act(_ action: PageAction) throws -> String {
        switch action {
        case .replayDeadLetters:
            try start(["dead-letter", "replay"])
            return "dead letters that can be read are being sent again"
        case .cancel(let id):
            let history = try session().openHistory(arguments.program)
            let run = try history.run(id)
            try history.cancel(run, at: systemTime())
            return "run \(run.id) of \(run.workflow) is asked to stop"
        case .retry(let id):
            let run = try session().requireHistory().run(id)
            try start(["workflow", "retry", run.id])
            return "run \(run.id) of \(run.workflow) goes on"
        case .run(let workflow):
            let spec = try session().folder.load(workflow)
            try start(["workflow", "trigger", spec.name])
            return ServeLock.isHeld(for: globals.tenantHome) ? "\(spec.name) is queued" : "\(spec.name) begins"
        case .backfill(let workflow, let interval):
            let session = try session()
            let spec = try session.folder.load(workflow)
            let begins = try spec.begins(ofIntervals: interval)
            let missing = try Backfill.missing(
                spec, from: begins.lowerBound, to: begins.upperBound, now: systemTime(),
                history: session.openHistoryIfAny())
            guard !missing.isEmpty else { return "nothing of \(spec.name) is missing in \(interval)" }
            try start(["workflow", "backfill", spec.name, "--interval", interval])
            return "\(missing.count) of the intervals of \(spec.name) in \(interval) are missing, and begin"
        }
    }

    /// Runs a command of this program beside the server, as a person would.
    private func start(_ words: [String]) throws {
        let words = words + ["--home", globals.home, "--tenant", globals.tenant, "--quiet"]
        let child = try ChildCommand(words, environment: arguments.environment)
        let waited = WaitedChild(child)
        Thread { waited.child.wait() }.start()
    }

    /// `@unchecked Sendable`: handed to the one thread that waits.
    private final class WaitedChild: @unchecked Sendable {
        let child: ChildCommand
        init(_ child: ChildCommand) { self.child = child }
    }

    // MARK: Topics

    func records(topic: String, partition: Int, from place: TopicPlace?, limit: Int) throws -> PageTable {
        guard let store = try globals.openTopicsIfAny() else {
            throw Problem(.noInput, "there are no topics yet", hint: "taxi-cli produce makes them.")
        }
        // Only the tenant's own: a name in a path must not lead to another's.
        guard try store.topics().contains(where: { $0.name == topic }) else {
            throw Problem(.noInput, "there is no topic \"\(topic)\"")
        }
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let reader = try store.makeReader(topic: topic, untilEnd: true)
        guard (0..<reader.partitionCount).contains(partition) else {
            throw Problem(.noInput, "topic \"\(topic)\" has no partition \(partition)")
        }
        let kept = try reader.offsets()[partition]
        let asked =
            switch place {
            case nil: kept.upperBound - Int64(limit)
            case .offset(let offset)?: offset
            case .time(let time)?: try reader.offsets(from: time)[partition]
            }
        let first = min(max(asked, kept.lowerBound), kept.upperBound)
        var table = PageTable(columns: ["offset", "time", "key", "value", "headers"])
        let records = BatchRecords(schemas: reader.schemas)
        var next = first
        while next < kept.upperBound, table.rows.count < limit {
            guard let batch = try reader.read(partition: partition, from: next) else {
                let later = reader.next(partition: partition, after: next)
                if later <= next { break }
                next = later
                continue
            }
            try records.load(batch, from: next)
            for index in 0..<min(records.count, limit - table.rows.count) {
                let record = records.record(index)
                table.rows.append([
                    "\(records.firstOffset + Int64(index))", zone.iso(ms: record.timestamp), record.key.map(Self.text),
                    record.value.map(Self.text),
                    record.headers.isEmpty
                        ? nil
                        : record.headers.map { "\($0.name): \($0.value.map(Self.text) ?? "null")" }.joined(
                            separator: "\n"),
                ])
            }
            next = batch.baseOffset + Int64(batch.count)
        }
        return table
    }

    /// At most some thousand characters: a record may have a megabyte.
    private static func text(_ bytes: [UInt8]) -> String {
        let text = visible(String(decoding: bytes.prefix(4096), as: UTF8.self))
        return bytes.count > 4096 ? "\(text)… (\(bytes.count) bytes)" : text
    }

    func deadLetters(limit: Int) throws -> PageTable {
        var table = PageTable(columns: ["partition", "offset", "reason", "source", "column", "detail", "record"])
        let topic = "\(globals.tenant)_deadLetter"
        guard let store = try globals.openTopicsIfAny(), try store.hasTopic(topic) else { return table }
        let log = try DeadLetterLog(store.makeReader(topic: topic, untilEnd: true), limit: limit)
        for entry in log.entries.reversed() {
            table.rows.append([
                "\(entry.partition)", "\(entry.offset)", entry.reason, entry.source, entry.column.map { "\($0)" },
                entry.detail,
                Self.text(entry.bytes),
            ])
        }
        return table
    }

    func deadLetterReplay() throws -> PageTable {
        var options = try DeadLetterReplayCommand.options(globals)
        options.isDryRun = true
        let summary = try globals.openTopicsIfAny().map { store in
            try DeadLetterReplay(options: options, store: store).run { false }
        }
        let table = DeadLetterReplayCommand.histogram(summary ?? DeadLetterReplaySummary())
        return PageTable(
            columns: table.columns.map(\.name), rows: table.rows.map { row in row.map { $0.shown() } })
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
