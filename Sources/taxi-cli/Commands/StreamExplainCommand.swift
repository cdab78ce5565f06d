import Basics
import CommandLine
import Database
import Problems
import Stream
import Topics
import Time

/// `stream explain`: why has no window fired yet?
enum StreamExplainCommand {
    static let command = Command(
        name: "explain",
        summary: "say where each query stands, what it waits for, and when its open windows will close",
        discussion: """
            Watermark = least over the active partitions of (newest event time) - delay. A window closes when the watermark \
            reaches its end, that is when event time reaches the end and the delay. Works from what is stored, while a stream runs \
            or not; --delay and --idle-timeout are those of the stream.
            """,
        examples: [
            Example("taxi-cli stream explain", "all queries"),
            Example("taxi-cli stream explain sumFareWindow --watch", "one of them, while a stream runs"),
            Example(
                "taxi-cli stream explain hotspotWindow --windows 20 --format csv",
                "the open windows of one, for a spreadsheet"),
        ],
        arguments: [Argument("QUERY", .any, help: "only these queries", names: CompletedNames.queries)],
        options: [
            Option(
                "windows", value: .value("N"), kind: .count, default: "5",
                help: "how many open windows to list for each query"),
            Option(
                "queries", value: .repeated("FILE"), kind: .file, configKey: "stream.queries",
                help: "declarations to add to the defaults, instead of the tenant's queries.yaml",
                names: { _, _ in [AnalyticsQueries.name] }, endings: FileEndings.declarations),
            Option(
                "delay", value: .value("TIME"), kind: .duration, default: "10s", configKey: "stream.delay",
                help: "how far the watermark trails the newest event time"),
            Option(
                "idle-timeout", value: .value("TIME"), kind: .duration, default: "5s", configKey: "stream.idle-timeout",
                help: "a partition that is silent for so long holds nothing back"),
            watchOption,
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let plans = try QueryCatalog.select(
            arguments.positionals, from: globals.declaredQueries(arguments.texts("queries")))
        let store = try globals.openTopicsIfAny()
        let database = try ResultsDatabase.openReadOnly(path: globals.resultsPath)
        var options = StreamExplanation.Options()
        options.delayMs = arguments.durationMs("delay") ?? options.delayMs
        options.idleTimeoutMs = arguments.durationMs("idle-timeout") ?? options.idleTimeoutMs
        options.windows = Int(clamping: arguments.integer("windows") ?? 5)
        let wanted = options
        return try arguments.repeating(on: database.connection) {
            try show(
                StreamExplanation(database: database, store: store, plans: plans, options: wanted),
                delayMs: wanted.delayMs,
                ZoneClock(identifier: database.zone), globals.tenant, arguments)
        }
    }

    private static func show(
        _ explanation: StreamExplanation, delayMs: Int64, _ zone: ZoneClock, _ tenant: String,
        _ arguments: ParsedArguments
    ) throws {
        let named = arguments.positionals
        let pages = explanation.queries.filter { named.isEmpty || named.contains($0.name) }
            .map { ExplanationPage($0, delayMs: delayMs, zone, tenant: tenant) }
        switch arguments.format {
        case .table:
            for page in pages { try arguments.output.write(page.text(arguments)) }
            try arguments.say(explanation.isStreamRunning ? "a stream is running" : "no stream is running")
            try arguments.say(
                "late trips: a run that ends (--until-end, --input) merges them into their windows, whose results nobody has acted upon yet; a stream that goes on drops them, since what it sent is final; --late says otherwise"
            )
        case .json, .jsonl: try writeJSON(pages, arguments)
        case .csv:
            var table = Table(
                columns: ["query", "watermark", "window_start", "window_end", "closes_at"].map { Column($0) })
            for page in pages {
                for window in page.openWindows {
                    table.rows.append([
                        .text(page.query), .optional(page.watermark), .text(window.start), .text(window.end),
                        .text(window.closesAt),
                    ])
                }
            }
            try arguments.write(table)
        }
    }
}

/// A query's explanation as it is shown: times as text of the tenant's zone.
private struct ExplanationPage: Encodable {
    struct Partition: Encodable {
        var partition: Int
        var newestEvent: String?
        var offset: Int64
        var lag: Int64?
        var holdsWatermark: Bool
    }
    struct Window: Encodable {
        var start, end, closesAt: String
    }
    var query: String
    var declaration, emit, topic: String?
    /// The groups that make a message's key.
    var key: [String]?
    var watermark, source: String?
    var partitions: [Partition]
    var openCount, results, late: Int64
    var openWindows: [Window]
    var remarks: [String]
    /// How the watermark comes about; nil before the first record.
    var arithmetic: String?

    init(_ query: StreamExplanation.Query, delayMs: Int64, _ zone: ZoneClock, tenant: String) {
        let holder = query.partitions.first { $0.id == query.holder } ?? query.partitions.first
        if let watermark = query.watermark, let holder, let newest = holder.newest {
            let place = "the newest event time of partition \(holder.id), \(zone.iso(ms: newest)),"
            let delay = roundedDurationText(ms: delayMs)
            arithmetic =
                watermark == newest - delayMs
                ? "that is \(place) less the delay of \(delay)"
                : "it stays there until \(place) is more than \(delay) later"
        }
        self.query = query.name
        declaration = query.plan?.schemaFingerprint
        emit = query.plan?.emit.rawValue
        topic = query.plan.map { "\(tenant)_\($0.topicSuffix)" }
        key = query.plan.flatMap { $0.messageKey.isEmpty ? nil : $0.keyNames }
        watermark = query.watermark.map { zone.iso(ms: $0) }
        source = query.source
        partitions = query.partitions.map { partition in
            Partition(
                partition: partition.id, newestEvent: partition.newest.map { zone.iso(ms: $0) },
                offset: partition.offset, lag: partition.lag, holdsWatermark: partition.id == query.holder)
        }
        (openCount, results, late) = (query.openCount, query.results, query.late)
        openWindows = query.openWindows.map {
            Window(start: zone.iso(ms: $0.start), end: zone.iso(ms: $0.end), closesAt: zone.iso(ms: $0.closesAt))
        }
        remarks = query.remarks
    }

    func text(_ arguments: ParsedArguments) -> String {
        let style = arguments.terminal.outputStyle
        var text =
            style.bold(query) + (declaration.map { "  \(printable($0))" } ?? "") + (emit.map { "; emit \($0)" } ?? "")
        if let topic { text += "\n  to \(topic)" + (key.map { ", key \($0.joined(separator: ", "))" } ?? "") }
        text += "\n  watermark \(watermark ?? "none yet"); \(grouped(results)) results, \(grouped(late)) trips late\n"
        if let arithmetic { text += "    \(arithmetic)\n" }
        for remark in remarks { text += "  \(printable(remark))\n" }
        if !partitions.isEmpty {
            var table = Table(columns: [
                Column("partition", .right), Column("newest_event"), Column("offset", .right), Column("lag", .right),
                Column(""),
            ])
            for partition in partitions {
                table.rows.append([
                    .integer(Int64(partition.partition)), .optional(partition.newestEvent), .integer(partition.offset),
                    partition.lag.map { .count($0) } ?? .null,
                    .text(partition.holdsWatermark && partitions.count > 1 ? "holds the watermark" : ""),
                ])
            }
            text += "  from \(printable(source ?? ""))\n" + indented(table, arguments)
        }
        if !openWindows.isEmpty {
            var table = Table(
                columns: ["window_start", "window_end", "closes when event time reaches"].map { Column($0) })
            for window in openWindows {
                table.rows.append([.text(window.start), .text(window.end), .text(window.closesAt)])
            }
            let more = openCount - Int64(openWindows.count)
            text +=
                "  open windows: \(grouped(openCount))\(more > 0 ? ", of which the first:" : "")\n"
                + indented(table, arguments)
        }
        return text + "\n"
    }
}
