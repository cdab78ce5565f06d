import Basics
import CommandLine
import Database
import Monitoring
import Problems
import SQLite
import Serve
import Stream
import Telemetry
import Topics
import Time
import Trips

/// `status`: is the tenant healthy?
enum StatusCommand {
    static let command = Command(
        name: "status", summary: "say whether a tenant is healthy: what came in, what went out, what went wrong",
        discussion: """
            ok: something runs; idle: nothing runs; empty: nothing came in yet; failing: a rule of health does not hold, such as \
            that results come where records go in, that the stream keeps up, or that no last run has failed; the dashboard and \
            /healthz have the same rules. \
            The exit code is 0 for the first three, 1 where a tenant is failing, 65 where what is stored is damaged, and that of the \
            cause where its databases cannot be opened.
            """,
        examples: [
            Example("taxi-cli status", "runs, input, and each query with its watermark, lag and results"),
            Example(
                "taxi-cli status --all --format jsonl | jq -r 'select(.state == \"failing\") | .tenant'",
                "which tenants need help"),
        ],
        options: [Option("all", short: "a", help: "every tenant of the home")], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let tenants = arguments.isOn("all") ? try TenantHome.tenants(in: globals.home) : [globals.tenant]
        var pages: [StatusPage] = []
        var problems: [Problem] = []
        for tenant in tenants {
            do {
                pages.append(try page(of: try globals.of(tenant: tenant)))
            } catch let problem as Problem where problem.code != .usage {
                // A usage problem, such as an unknown tenant, is no tenant's state.
                var named = problem
                if arguments.isOn("all") { named.message = "tenant \"\(tenant)\": " + named.message }
                problems.append(named)
            }
        }
        switch arguments.format {
        case .table: for page in pages { try arguments.output.write(page.text(arguments)) }
        case .json, .jsonl: try writeJSON(pages, arguments)
        case .csv: try arguments.write(StatusPage.table(pages))
        }
        if var first = problems.first {
            first.others = Array(problems.dropFirst())
            throw first
        }
        return pages.contains { $0.state == StreamStatus.State.failing.rawValue } ? ExitStatus(code: 1) : .success
    }

    private static func page(of globals: GlobalOptions) throws -> StatusPage {
        let watched = WatchedTenant(globals.tenantHome, zone: globals.zoneIdentifier) {
            try globals.declaredQueries()
        } openTopics: {
            try globals.openTopicsIfAny()
        }
        let look = try TenantLook(reading: watched, nowMs: systemTime())
        let hasWorkflows = !(Files.names(in: globals.workflowsFolder) ?? []).isEmpty
        let scheduler = ServeLock.isHeld(for: globals.tenantHome) ? "running" : "none"
        var page = try StatusPage(look, scheduler: hasWorkflows ? scheduler : nil)
        page.add(ServeState.read(home: globals.home), zone: try ZoneClock(identifier: look.zone))
        if let database = try ResultsDatabase.openReadOnlyIfAny(path: globals.resultsPath) {
            let zone = try ZoneClock(identifier: database.zone)
            page.history = try explaining("looking how far back results can go") {
                try HistoryReach(on: database.connection).map {
                    .init(since: zone.iso(ms: $0.since), epochs: $0.epochs, bytes: $0.bytes)
                }
            }
        }
        return page
    }
}

/// A status as it is shown: times as text of the tenant's zone.
private struct StatusPage: Encodable {
    struct Run: Encodable {
        var id, command, outcome, started: String
        var ended: String?
    }
    struct Ingest: Encodable {
        var topic: String
        var records: Int64
        /// Of a topic whose offsets are not records alone.
        var recordsAbout: Bool?
        var lastEvent, lastAppend: String?
    }
    struct Query: Encodable {
        var name, state: String
        var watermark: String?
        var lag: Int64?
        var consumed, late, skipped, results: Int64
        var newestWindow: String?
    }
    struct Source: Encodable {
        var partition, records: Int64
        var lagRecords: Int64?
        var lagSeconds, rateIn, clearSeconds: Double?
        var rateProcessed: Double
        var trend, watermark: String?
        var holdsBack: Bool
        var updated: String
    }
    struct History: Encodable {
        var since: String
        var epochs, bytes: Int64
    }
    struct Finding: Encodable {
        var rule, what: String
        var since, remedy: String?
    }
    /// A service that taxi-cli serve runs.
    struct Service: Encodable {
        var name, state, since: String
        var pid: Int32?
        var restarts: Int
        var limited, why: String?
    }
    var tenant, state: String
    var reasons, warnings: [String]
    /// Which times newer files stand for.
    var restated: [String]
    /// The same as `reasons`, each with its rule of health.
    var failing: [Finding]
    var sources: [Source]
    /// Whether a stream is at work, whose lag is that of now.
    private var isStreaming = false
    private var trend: String?
    private enum CodingKeys: CodingKey {
        case tenant, state, reasons, warnings, restated, failing, sources, scheduler, runs, ingest, queries, rejected,
            history, services, limited
    }
    /// Whether a scheduler serves the home, where the tenant has workflows: running, none.
    var scheduler: String?
    var runs: [Run]
    var ingest: Ingest?
    var queries: [Query]
    var rejected: [String: Int64]
    /// How far back stream rewind can go; nil where nothing is kept.
    var history: History?
    /// nil where no serve runs services of the tenant.
    var services: [Service]?
    /// What holds the tenant back, such as 5000/s.
    var limited: String?

    /// - Throws: `Problem` for a time zone that the system does not know.
    init(_ look: TenantLook, scheduler: String?) throws {
        let zone = try ZoneClock(identifier: look.zone)
        self.scheduler = scheduler
        func time(_ ms: EventTime?) -> String? { ms.map { zone.iso(ms: $0) } }
        guard let status = look.status else { preconditionFailure("a look that was read has a status") }
        (tenant, reasons) = (status.tenant, look.findings.map(\.what))
        state = look.findings.isEmpty ? status.state.rawValue : StreamStatus.State.failing.rawValue
        failing = look.findings.map {
            Finding(rule: $0.rule.rawValue, what: $0.what, since: time($0.sinceMs), remedy: $0.remedy)
        }
        sources = look.sources.map {
            Source(
                partition: $0.partition, records: $0.records, lagRecords: $0.lagRecords, lagSeconds: $0.lagSeconds,
                rateIn: $0.rateIn, clearSeconds: $0.clearSeconds, rateProcessed: $0.rateProcessed, trend: $0.trend,
                watermark: time($0.watermark), holdsBack: $0.holdsBack, updated: zone.iso(ms: $0.updated))
        }
        trend = look.trend
        isStreaming = look.numbers.processes.contains { $0.command == "stream" }
        (warnings, restated) = (status.warnings, status.restated)
        rejected = status.rejected
        runs = status.runs.map {
            Run(
                id: $0.id, command: $0.command, outcome: $0.outcome.rawValue, started: zone.iso(ms: $0.started),
                ended: time($0.ended))
        }
        ingest = status.ingest.map {
            Ingest(
                topic: $0.topic, records: $0.records, recordsAbout: $0.isCountExact ? nil : true,
                lastEvent: time($0.lastEvent), lastAppend: time($0.lastAppend))
        }
        queries = status.queries.map {
            Query(
                name: $0.name, state: $0.state.rawValue, watermark: time($0.watermark), lag: $0.lag,
                consumed: $0.consumed, late: $0.late, skipped: $0.skipped, results: $0.results,
                newestWindow: time($0.newestWindow))
        }
    }

    /// Takes in what serve says of the tenant's services.
    mutating func add(_ serve: ServeState?, zone: ZoneClock) {
        let own = serve?.services.filter { $0.tenant == tenant } ?? []
        guard !own.isEmpty else { return }
        services = own.map {
            Service(
                name: $0.service, state: $0.state.rawValue, since: zone.iso(ms: $0.sinceMs), pid: $0.pid,
                restarts: $0.restarts, limited: $0.limited, why: $0.why)
        }
        limited = Set(own.compactMap(\.limited)).sorted().first
        // One that has failed, or is full, is a finding of health.
        for service in own where service.state == .restarting {
            warnings.append("service \(service.service) begins again: \(service.why ?? "no reason is known")")
        }
    }

    private var servicesLine: String {
        (services ?? []).map { service in
            var text = "\(service.name) \(service.state)"
            if let limited = service.limited { text += " (limited: \(limited))" }
            if service.restarts > 0 { text += ", started again \(service.restarts) times" }
            return text
        }.joined(separator: "; ")
    }

    func text(_ arguments: ParsedArguments) -> String {
        let style = arguments.terminal.outputStyle
        let word = state == "failing" ? style.red(state) : state == "ok" ? style.green(state) : state
        var text = "\(style.bold(tenant))  \(word)\n"
        for reason in reasons { text += "  \(style.red("failing:")) \(printable(reason))\n" }
        for warning in warnings { text += "  \(style.yellow("warning:")) \(printable(warning))\n" }
        for sentence in restated { text += "  restated: \(printable(sentence))\n" }
        if services != nil { text += "  services: \(servicesLine)\n" }
        if let limited { text += "  limited: \(limited)\n" }
        if let scheduler {
            text +=
                "  workflows: "
                + (scheduler == "running"
                    ? "a scheduler is at work\n"
                    : "no scheduler runs (taxi-cli workflow serve, or workflow run --due)\n")
        }
        if let ingest {
            text += "  \(ingest.topic): \(ingest.recordsAbout == nil ? "" : "about ")\(grouped(ingest.records)) records"
            text += ingest.lastEvent.map { ", last event \($0)" } ?? ""
            text += (ingest.lastAppend.map { ", last append \($0)" } ?? "") + "\n"
        }
        if isStreaming, !sources.isEmpty { text += "  \(lagLine)\n" }
        if let history {
            text +=
                "  history: back to \(history.since), \(grouped(history.epochs)) epochs, \(byteText(history.bytes))\n"
        }
        let rejects = rejected.sorted { $0.key < $1.key }.map { "\(grouped($0.value)) \($0.key)" }
        if !rejects.isEmpty { text += "  rejected in the last runs: \(rejects.joined(separator: ", "))\n" }
        if !runs.isEmpty {
            var table = Table(columns: ["run", "outcome", "started", "ended"].map { Column($0) })
            for run in runs {
                table.rows.append([.text(run.command), .text(run.outcome), .text(run.started), .optional(run.ended)])
            }
            text += "\n" + indented(table, arguments)
        }
        if !queries.isEmpty { text += "\n" + indented(Self.table([self], withTenant: false), arguments) }
        return text + "\n"
    }

    /// How far the stream is behind, and whether it is getting better.
    private var lagLine: String {
        let lag = sources.compactMap(\.lagRecords).reduce(0, +)
        var parts = ["lag \(grouped(lag)) records"]
        if lag > 0, let oldest = sources.compactMap(\.lagSeconds).max() {
            parts.append("the oldest \(roundedDurationText(ms: Int64(min(oldest, 9e12) * 1000))) old")
        }
        if let trend { parts.append(trend) }
        let left = sources.compactMap(\.clearSeconds)
        if lag > 0, left.count == sources.count, let longest = left.max(), longest >= 1 {
            parts.append("gone in \(roundedDurationText(ms: Int64(longest.rounded()) * 1000))")
        }
        if sources.count > 1, let holder = sources.first(where: \.holdsBack) {
            parts.append("partition \(holder.partition) holds the watermark back")
        }
        return parts.joined(separator: ", ")
    }

    /// A row a query; a tenant without queries has one row.
    static func table(_ pages: [StatusPage], withTenant: Bool = true) -> Table {
        var table = Table(columns: [
            Column("tenant"), Column("tenant_state"), Column("query"), Column("state"), Column("results", .right),
            Column("late", .right), Column("skipped", .right), Column("lag", .right), Column("watermark"),
            Column("newest_window", mayBeLeftOut: true),
        ])
        for page in pages {
            for query in page.queries {
                table.rows.append([
                    .text(page.tenant), .text(page.state), .text(query.name), .text(query.state),
                    .count(query.results), .count(query.late), .count(query.skipped),
                    query.lag.map { .count($0) } ?? .null, .optional(query.watermark), .optional(query.newestWindow),
                ])
            }
            if page.queries.isEmpty {
                let blanks = Array(repeating: Table.Value.null, count: 8)
                table.rows.append([.text(page.tenant), .text(page.state)] + blanks)
            }
        }
        guard !withTenant else { return table }
        return Table(columns: Array(table.columns.dropFirst(2)), rows: table.rows.map { Array($0.dropFirst(2)) })
    }
}
