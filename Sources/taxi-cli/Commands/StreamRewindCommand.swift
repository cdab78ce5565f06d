import Basics
import CommandLine
import Database
import Foundation
import Problems
import Stream
import Topics
import Time

/// `stream rewind`: puts results, open windows, watermark and offsets back to an earlier epoch.
enum StreamRewindCommand {
    static let command = Command(
        name: "rewind", summary: "put results, open windows, watermark and offsets back to an earlier epoch, together",
        discussion: """
            Goes back to any epoch that was committed since a stream has run with --keep-history, and not longer ago than that says. \
            The next stream goes on from there: it reads the records since then again. Messages stay in the output topics; \
            {tenant}_control gets a record of what went back, and where these topics ended, and windows that had gone out come again as \
            their next revisions. Alerts that were raised since are withdrawn, and start no workflow a second time. No stream of the \
            queries may run.
            """,
        examples: [
            Example("taxi-cli stream rewind --to 2024-03-01T09:00:00 --dry-run", "what it would change"),
            Example("taxi-cli stream rewind --epochs 1", "before the last epoch"),
        ],
        options: [
            Option(
                "to", value: .value("TIME"), kind: .time,
                help: "to the epoch that was current then: the last one that was committed by that time",
                group: "Where to"),
            Option(
                "epochs", value: .value("N"), kind: .positive, help: "before the last N epochs of each query",
                group: "Where to"),
            Option(
                "dry-run", short: "n", help: "say what would change, and change nothing", group: "Where to"),
            Option(
                "query", value: .repeated("NAME"), help: "only these queries", group: "Queries",
                names: CompletedNames.queries),
            Option(
                "queries", value: .repeated("FILE"), kind: .file, configKey: "stream.queries",
                help: "declarations to add to the defaults, instead of the tenant's queries.yaml", group: "Queries",
                names: { _, _ in [AnalyticsQueries.name] }, endings: FileEndings.declarations),
            deliveryOption, noCreateOption, summaryOption,
        ], exclusive: [["to", "epochs"]], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        guard arguments.time("to") != nil || arguments.integer("epochs") != nil else {
            throw Problem(
                .usage, "where to is not said",
                hint: "Give --to TIME or --epochs N; --dry-run says what either would change.")
        }
        let plans = try QueryCatalog.select(
            arguments.texts("query"), from: globals.declaredQueries(arguments.texts("queries")))
        guard try globals.openResultsIfAny() != nil else {
            throw Problem(.noInput, "there are no results yet", hint: "Run taxi-cli stream first.")
        }
        let session = try RunSession(
            globals, arguments, command: "rewind", about: "the queries \(plans.map(\.name).joined(separator: ", "))",
            topics: plans.map(\.topicSuffix) + ["control"], listens: false)
        return try session.recording {
            let locks = try QueryLocks(folder: session.globals.tenantFolder, queries: plans.map(\.name))
            defer { locks.release() }
            guard try locks.tryHold() else {
                throw Problem(
                    .unavailable, "a stream runs these queries, so that they cannot go back",
                    hint: "Stop it first (Ctrl-C, or systemctl stop); its open windows stay.")
            }
            let zone = session.zone
            let target: Rewind.Target
            if let epochs = arguments.integer("epochs") {
                target = .epochs(epochs)
            } else {
                target = .time(arguments.time("to")?.utcMs { zone.utcMs(localSeconds: $0) } ?? 0)
            }
            let isDry = arguments.isOn("dry-run")
            let report = try Rewind(
                plans: plans, tenant: session.globals.tenant, zone: zone, database: session.database,
                store: session.store, runID: session.runID, nowMs: systemTime()
            ).run(to: target, isDry: isDry, createsTopics: !arguments.isOn("no-create"))
            return RunEnd(
                outcome: .success, json: try json(report, isDry: isDry), text: text(report, isDry: isDry))
        }.report(arguments)
    }

    private struct Summary: Encodable {
        var dryRun: Bool
        var epoch: Int64
        var queries: [RewindReport.Query]
        var unchanged: [String]
    }

    private static func json(_ report: RewindReport, isDry: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let summary = Summary(
            dryRun: isDry, epoch: report.epoch, queries: report.queries, unchanged: report.unchanged)
        return String(decoding: try encoder.encode(summary), as: UTF8.self)
    }

    private static func text(_ report: RewindReport, isDry: Bool) -> String {
        var lines: [String] = []
        for query in report.queries {
            let past = isDry ? "would go" : "went"
            lines.append(
                "\(query.query): \(past) back from epoch \(grouped(query.fromEpoch)) to \(grouped(query.toEpoch))"
                    + (query.toTime.map { ", committed at \($0)" } ?? ""))
            lines.append(
                "  \(grouped(query.records)) records to be read again, \(grouped(query.rows)) rows changed, \(grouped(query.closedWindows)) windows that had gone out as closed, \(grouped(query.alerts)) alerts withdrawn"
            )
            lines.append("  watermark \(query.watermarkBefore ?? "none") to \(query.watermark ?? "none")")
            for source in query.sources where source.before != source.offsets {
                let places = source.before.indices.map { partition in
                    "\(source.before[partition]) to \(partition < source.offsets.count ? source.offsets[partition] : 0)"
                }
                lines.append("  \(printable(source.source)): next offset \(places.joined(separator: ", "))")
            }
            if !query.workflowRuns.isEmpty {
                lines.append(
                    "  not undone: workflow runs that its alerts have started: \(query.workflowRuns.map { printable($0) }.joined(separator: ", "))"
                )
            }
        }
        if report.queries.isEmpty { lines.append("nothing to take back: the results are those of that epoch") }
        if !report.queries.isEmpty, !report.unchanged.isEmpty {
            lines.append("\(report.unchanged.joined(separator: ", ")): as then already")
        }
        if isDry, !report.queries.isEmpty { lines.append("nothing was changed: --dry-run") }
        return lines.joined(separator: "\n")
    }
}
