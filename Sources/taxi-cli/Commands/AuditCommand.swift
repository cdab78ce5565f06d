import Basics
import Audit
import CommandLine
import Database
import Glibc
import Problems
import Replay
import Stream
import Topics
import Time
import Trips

/// `audit`: recomputes the stored results from their source and compares.
enum AuditCommand {
    static let command = Command(
        name: "audit", summary: "prove the stored results right: recompute them from the source and compare",
        discussion: """
            Reads every record again, up to where each query stands, computes all queries by another way than the stream's, and compares \
            rows and views cell by cell, output topics message by message, alerts, analytics and vintages where they are not older than \
            the results (declared analyses by running them over what was recomputed), and the ledger's sums. Exit code 0 where all is \
            equal, 65 with the first differences where not. The last lines list what is stored and was not compared, and why; with \
            --strict that is a failure as well. It only reads, and may run while a stream writes.

            All queries are audited that have results and are declared: the default ones, the tenant's, and those that come with taxi-cli.

            --from names the source: "topic", the tenant's own, or trip files. Files need the options that the stream (--input) or the replay \
            was given: --clock, --spread, --seed, --clean, --to, --limit, --max-ahead; and its --from TIME is called --from-time here. Of a \
            topic --from-time is that of the stream. Which trips were too far ahead (--max-ahead) is judged by the clock of that stream, or of the \
            last replay of these files, as it stood when that began; where neither is known, by the clock now.
            """,
        examples: [
            Example("taxi-cli audit", "the results against the records of the topic"),
            Example("taxi-cli audit --from trips.csv --clock start", "against the file that was replayed or streamed"),
            Example("taxi-cli audit --query tripsTotal --format json", "one query, for a script"),
            Example("taxi-cli audit --strict", "a failure too where something could not be compared"),
        ],
        arguments: [
            Argument(
                "FILE", .any, kind: .file, help: "further trip files, where --from names the first",
                endings: FileEndings.trips)
        ],
        options: [
            Option(
                "from", value: .repeated("FILE|topic"), kind: .file,
                help: "where the records are read again: topic (the default) or trip files", group: "Source",
                names: { _, _ in ["topic"] }, endings: FileEndings.trips),
            Option(
                "from-time", value: .value("TIME"), kind: .time,
                help: "where the stream started (its --from-time); of files only trips at or after this time",
                group: "Source"),
        ]
            + TripFileOptions.options(defaultClock: "start unless said", configPrefix: "stream")
            .filter { $0.long != "from" } + [
                Option(
                    "query", value: .repeated("NAME"), help: "only these queries", group: "Queries",
                    names: CompletedNames.queries),
                givenQueriesOption,
                Option(
                    "delay", value: .value("TIME"), kind: .duration, default: "10s", configKey: "stream.delay",
                    help: "how far the stream's watermark trailed, by which records were late", group: "Queries"),
                Option(
                    "memory", value: .value("SIZE"), kind: .size, default: "1GiB",
                    help: "what windows may take; where they need more, the source is read several times",
                    group: "Work"),
                Option(
                    "strict", help: "what is stored and was not compared is a failure (exit code 65)", group: "Output"),
                Option(
                    "differences", short: "n", value: .value("N"), kind: .positive, default: "10",
                    help: "how many differences are named", group: "Output"),
            ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let plans = try QueryCatalog.select(
            arguments.texts("query"), from: globals.declaredQueries(arguments.texts("queries")))
        let home = globals.tenantHome
        let database = try ResultsDatabase.openReadOnly(home)
        let line = arguments.progressLine()
        defer { line.clear() }
        let store = try globals.openTopicsIfAny()
        let auditor = Auditor(
            plans: plans, options: try options(arguments, globals, zone), database: database, store: store,
            source: try source(arguments, globals, plans, zone, store, line))
        auditor.onProgress = { trips, pass in
            line.update { "\(grouped(trips)) trips read again" + (pass > 1 ? ", pass \(pass)" : "") }
        }
        let report = try auditor.run()
        line.clear()
        try write(report, arguments)
        guard report.differences > 0 else {
            if arguments.isOn("strict"), let first = report.leftOut.first(where: { !$0.isInput }) {
                throw Problem(
                    .badData, "not all that is stored was compared; the first: \(Self.text(first))",
                    hint: "Without --strict that is no failure.")
            }
            try arguments.say(
                "\(grouped(report.cells)) cells are what \(grouped(report.trips)) trips give; \(fixed(report.seconds, decimals: 2)) s"
            )
            return .success
        }
        if let (count, reason) = report.unreadable {
            throw Problem(
                .badData,
                "\(grouped(count)) records that were counted cannot be read any more: \(reason); so the results and their source differ",
                hint:
                    "Put the schema back under its number (taxi-cli schema list --deleted shows what was deleted); computed anew the results would lack these records."
            )
        }
        throw Problem(
            .badData,
            "\(grouped(report.differences)) difference\(report.differences == 1 ? "" : "s") between the results and their source; the first: \(report.first.first ?? "")",
            hint: "taxi-cli stream --from-beginning computes the results anew, and taxi-cli batch the analytics.")
    }

    /// With less the source would be read once for each few windows.
    private static let leastMemoryBytes: Int64 = 1 << 20

    private static func options(
        _ arguments: ParsedArguments, _ globals: GlobalOptions, _ zone: ZoneClock
    ) throws(Problem) -> AuditOptions {
        var options = AuditOptions(tenant: globals.tenant, zone: zone)
        options.limit = arguments.integer("differences").map(Int.init) ?? options.limit
        options.delayMs = arguments.durationMs("delay") ?? options.delayMs
        if let bytes = arguments.integer("memory") {
            guard bytes >= leastMemoryBytes else {
                throw Problem(
                    .usage, "--memory is at least \(byteText(leastMemoryBytes))",
                    hint: "The less there is, the more often the source is read.")
            }
            options.memoryBytes = Int(bytes)
        }
        options.notesOthers = arguments.texts("query").isEmpty
        options.besides = besides(globals)
        return options
    }

    /// All queries of which declarations can be found; a file with mistakes in it is for stream to tell of.
    private static func besides(_ globals: GlobalOptions) -> [QueryPlan] {
        (try? globals.declaredQueries([AnalyticsQueries.name])) ?? (try? QueryCatalog.load(analytics: true)) ?? []
    }

    private static func source(
        _ arguments: ParsedArguments, _ globals: GlobalOptions, _ plans: [QueryPlan], _ zone: ZoneClock,
        _ store: (any TopicStore)?, _ line: ProgressLine
    ) throws -> AuditSource {
        let files = arguments.texts("from") + arguments.positionals
        let from = arguments.time("from-time")?.utcMs { zone.utcMs(localSeconds: $0) }
        guard files != ["topic"], !files.isEmpty else { return .topic("\(globals.tenant)_ingestData", from: from) }
        for path in files where !InputIdentity.canBeReadAgain(path) {
            throw arguments.problem(
                "from", "\"\(path)\" can be read once only, and an audit may have to read its source again",
                hint: "Write the trips to a file first.")
        }
        var read = try TripFileOptions.sourceOptions(
            arguments, from: from, clock: .start, spread: .none, zone: zone)
        guard read.clock != .now else {
            throw arguments.problem(
                "clock", "trips of a file have no time \"now\"",
                hint: "Audit against the topic, which keeps the times that the replay stamped: --from topic.")
        }
        read.purpose = "the audit"
        let options = read
        let maxAheadMs = TripFileOptions.maxAheadMs(arguments)
        // Whoever read the files first has judged by its own clock: the stream, or the replay that filled the topic.
        let replayedMs = try store.flatMap { try Replayer.startedMs(ofReplayOf: files, in: $0) }
        let nowMs = replayedMs ?? SystemClock().nowMs
        return .files(identity: try TripFileOptions.identity(of: files, options)) { fields, startedMs in
            var options = options
            // What a file lacks the stream has taken as empty (--missing empty), or it would not have read it.
            (options.fields, options.required) = (fields, [])
            options.ahead = MaxAhead(nowMs: startedMs ?? nowMs, aheadMs: maxAheadMs)
            defer { line.clear() }
            return try TripSource(paths: files, options: options) { done, total in
                line.update { "putting trips in order of time: \(byteText(Int64(done))) of \(byteText(Int64(total)))" }
            }
        }
    }

    private static func write(_ report: AuditReport, _ arguments: ParsedArguments) throws {
        var table = Table(columns: [
            Column("kind"), Column("name"), Column("cells", .right), Column("differences", .right), Column("remark"),
        ])
        for check in report.checks {
            table.rows.append([
                .text(check.kind), .text(check.name), .count(check.cells), .count(check.differences),
                .optional(check.note),
            ])
        }
        try arguments.write(table)
        // Part of the page for people; a program that reads rows gets nothing else on stdout.
        let isPage = arguments.format == .table
        if !isPage { try arguments.output.flush() }
        for lines in [report.first, report.leftOut.map { "not compared: " + text($0) }] where !lines.isEmpty {
            if isPage { try arguments.output.writeLine("") }
            for line in lines { try (isPage ? arguments.output : arguments.errors).writeLine(line) }
        }
    }

    private static func text(_ left: AuditReport.LeftOut) -> String {
        let thing = left.kind == "topic" ? "message" : "row"
        return
            "\(left.kind) \(left.name), \(grouped(left.rows)) \(thing)\(left.rows == 1 ? "" : "s"): \(left.reason)"
    }
}
