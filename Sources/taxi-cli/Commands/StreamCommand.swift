import Basics
import CommandLine
import Database
import Foundation
import Monitoring
import Problems
import Replay
import SQLite
import Shares
import Stream
import Topics
import Time
import Trips

/// `stream`: runs the declared queries, continuously or to the end of what is there.
enum StreamCommand {
    static let command = Command(
        name: "stream", summary: "run the declared queries over the tenant's trips",
        discussion: """
            Reads the tenant's topic where it stopped the last time (or trip files with --input), and stores results, open windows and \
            offsets in one transaction an epoch: however often it is killed, each trip counts once. Results are in the views of \
            results.db and in output topics. Ctrl-C ends the epoch and stops; open windows go on at the next start.

            Queries are the five that come with taxi-cli and those of <home>/<tenant>/queries.yaml; "taxi-cli stream queries" prints \
            the declarations to start from. --queries analytics adds five that the analyses of payments, companies, areas, \
            hours and taxis at work read.
            """,
        examples: [
            Example("taxi-cli stream", "all queries, until Ctrl-C"),
            Example("taxi-cli stream --input trips.csv", "a file at full speed, without any topic"),
        ],
        arguments: [Argument("FILE", .any, kind: .file, help: "further files of --input", endings: FileEndings.trips)],
        options: [
            Option(
                "query", value: .repeated("NAME"), configKey: "stream.query", help: "only these queries",
                group: "Queries", names: CompletedNames.queries),
            Option(
                "queries", value: .repeated("FILE"), kind: .file, configKey: "stream.queries",
                help:
                    "declarations to add to the defaults, instead of the tenant's queries.yaml; analytics adds days by payment, company, area and hour, and hours by taxi",
                group: "Queries", names: { _, _ in [AnalyticsQueries.name] }, endings: FileEndings.declarations),
            Option("until-end", help: "stop at the end of what is there, and close all windows", group: "Source"),
            Option(
                "again",
                help:
                    "read files of --input once more that were read before beside others; their trips then count twice",
                group: "Source", needs: "input"),
            Option("from-beginning", help: "remove the queries' results and read everything again", group: "Source"),
            Option(
                "from-time", value: .value("TIME"), kind: .time,
                help:
                    "where queries without results start, by the records' timestamps, which produce sets to the event time",
                group: "Source"),
            Option(
                "skip-lost",
                help: "go on where records of the topic were removed before they were read, and count them as lost",
                group: "Source"),
            Option(
                "input", value: .repeated("FILE"), kind: .file,
                help: "read trip files instead of the topic; more may follow it", group: "Source",
                endings: FileEndings.trips),
            Option(
                "missing", value: .value("WHAT"), kind: .choice(["error", "empty"]), default: "error",
                configKey: "stream.missing",
                help: "a column that a file of --input lacks and a query reads: an error, or empty in each trip",
                group: "Source", needs: "input"),
        ] + TripFileOptions.options(defaultClock: "start unless said", configPrefix: "stream", needs: "input") + [
            Option(
                "late", value: .value("POLICY"), kind: .choice(StreamOptions.LatePolicy.allCases.map(\.rawValue)),
                default: "update with --until-end and --input, else drop", derivedDefault: { _ in nil },
                configKey: "stream.late",
                help:
                    "what becomes of late trips: update merges them into their stored windows, drop counts them, dead-letter keeps them in {tenant}_late as well",
                group: "Time"),
            Option(
                "delay", value: .value("TIME"), kind: .duration, default: "10s", configKey: "stream.delay",
                help: "how far the watermark trails the newest event time", group: "Time"),
            Option(
                "idle-timeout", value: .value("TIME"), kind: .duration, default: "5s", configKey: "stream.idle-timeout",
                help: "a partition that is silent for so long holds nothing back", group: "Time"),
            Option(
                "idle-close", value: .value("TIME"), kind: .duration, configKey: "stream.idle-close",
                help: "close windows by wall time when nothing has come for so long", group: "Time"),
            Option(
                "epoch", value: .value("TIME"), kind: .duration, default: "50ms", configKey: "stream.epoch",
                help: "commit at least so often", group: "Work"),
            Option(
                "epoch-records", value: .value("N"), kind: .positive, default: "25000",
                configKey: "stream.epoch-records",
                help: "commit every so many records; by default more while commits are behind", group: "Work"),
            Option(
                "keep-history", value: .value("TIME"), kind: .duration, configKey: "stream.keep-history",
                help:
                    "keep for so long what epochs change (7d), so that stream rewind can go back to each of them; none unless said",
                group: "Work"),
            Option(
                "workers", value: .value("N"), kind: .integer(1...256), configKey: "stream.workers",
                help: "threads, at most one a partition; the number of processors unless said", group: "Work"),
            Option(
                "if-running", value: .value("WHAT"), kind: .choice(QueryLocks.Policy.allCases.map(\.rawValue)),
                configKey: "stream.if-running",
                help:
                    "where another process runs these queries: takeover ends it (embedded topics and bounded runs unless said), standby waits until it has died (Kafka)",
                group: "Work"),
            Option(
                "partitions", value: .value("N"), kind: .integer(1...1024),
                help: "make the topic of the trips with so many, where it is missing, and do not wait for produce",
                group: "Topic"),
            Option(
                "format", value: .value("FORMAT"), kind: .choice(["json", "avro"]), default: "json",
                configKey: "stream.format",
                help:
                    "of the results in their topics: json, or avro, with a schema that is registered under the topic's name and -value; trips are read in either",
                group: "Topic"),
            deliveryOption, noCreateOption, summaryOption, WatchService.listenOption,
        ] + StreamEngines.options,
        exclusive: ["from-time", "skip-lost", "idle-close", "partitions"].map { ["input", $0] },
        subcommands: [
            StreamExplainCommand.command, StreamQueriesCommand.command, StreamRewindCommand.command,
            StreamRestateCommand.command,
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        try requireNoWord(arguments)
        let plans = try QueryCatalog.select(
            arguments.texts("query"), from: globals.declaredQueries(arguments.texts("queries")))
        let queries = plans.map(\.name).joined(separator: ", ")
        // Before anything is made.
        if !inputs(arguments).isEmpty {
            _ = try sourceOptions(arguments, plans, ZoneClock(identifier: globals.zoneIdentifier))
        }
        let session = try RunSession(
            globals, arguments, command: "stream",
            about: plans.count == 1 ? "query \(queries)" : "the queries \(queries)",
            topics: plans.map(\.topicSuffix) + ["deadLetter", "late", "alerts"]
                + (inputs(arguments).isEmpty ? ["ingestData"] : []))
        Interruption.install()
        if !arguments.isOn("from-beginning") { try sayZoneChanges(session.database, arguments) }
        if arguments.texts("query").isEmpty { try sayLeftBehind(plans, session.database, arguments) }
        return try session.recording {
            guard let locks = try locks(arguments, plans, session) else {
                return RunEnd(
                    outcome: .interrupted, json: StreamSummary().json(zone: session.zone),
                    text: "stopped while standing by; the other process goes on")
            }
            defer { locks.release() }
            let engine = try StreamEngines.engine(arguments, globals, inputs(arguments))
            defer { engine?.close() }
            let line = arguments.progressLine()
            defer { line.clear() }
            engine?.onNotice = { text in
                line.clear()
                try? arguments.say(text)
            }
            let sources = try sources(arguments, plans, globals, session, engine)
            if case .topic(let topic)? = sources.first, try !waitForTopic(topic, arguments, session) {
                return RunEnd(
                    outcome: .interrupted, json: StreamSummary().json(zone: session.zone), text: "no trips have come")
            }
            if arguments.isOn("from-beginning") { try sayForgotten(plans, session, arguments) }
            var summary = StreamSummary()
            for source in sources where !Interruption.isRequested {
                summary.add(try run(source, engine, arguments, plans, globals, session, line))
            }
            let isBounded = arguments.isOn("until-end") || !inputs(arguments).isEmpty
            if !inputs(arguments).isEmpty, summary.records == 0, summary.results.values.allSatisfy({ $0 == 0 }) {
                line.clear()
                let again =
                    arguments.isOn("again") ? "--again reads files anew beside others, not the same ones alone" : nil
                let way = again ?? "--from-beginning computes the results anew from these files alone"
                try arguments.say(
                    "note: \(inputs(arguments).joined(separator: ", ")): there is no trip that an earlier run has not read, so nothing is counted; \(way)"
                )
            }
            return RunEnd(
                outcome: Interruption.isRequested ? .interrupted : .success, json: summary.json(zone: session.zone),
                text: text(
                    summary, plans, session.zone, isComplete: isBounded && !Interruption.isRequested,
                    counted: try StoredQueries.namesWithResults(on: session.database.connection),
                    merges: latePolicy(arguments) == .update))
        }.report(arguments)
    }

    /// - Throws: `.usage` for a word that is neither a command nor belongs to `--input`.
    static func requireNoWord(_ arguments: ParsedArguments) throws(Problem) {
        guard let word = arguments.positionals.first, arguments.texts("input").isEmpty else { return }
        let near = nearestName(to: word, among: command.subcommands.map(\.name)).map { "Did you mean \"\($0)\"? " }
        if let option = ["queries", "query"].first(where: { !arguments.texts($0).isEmpty }), near == nil {
            let value = arguments.texts(option).last ?? ""
            throw Problem(
                .usage, "\"\(word)\" belongs to no option",
                hint:
                    "Write --\(option) once for each: --\(option) \(value) --\(option) \(word). --input \(word) reads a trip file."
            )
        }
        throw Problem(
            .usage, "there is no command \"taxi-cli stream \(word)\"",
            hint: (near ?? "") + "\"taxi-cli stream --help\" lists what there is; --input \(word) reads a trip file.")
    }

    /// Runs the queries over one source.
    private static func run(
        _ source: StreamRunner.Source, _ engine: SparkEngine?, _ arguments: ParsedArguments, _ plans: [QueryPlan],
        _ globals: GlobalOptions, _ session: RunSession, _ line: ProgressLine
    ) throws -> StreamSummary {
        let runner = StreamRunner(
            plans: plans, options: streamOptions(arguments, globals, session.zone), database: session.database,
            store: session.store, source: source, runID: session.runID)
        runner.metrics = session.live.metrics
        runner.share = .ofProcess
        runner.engine = engine
        let beganMs = monotonicMs()
        runner.onProgress = { progress in
            line.update {
                text(progress, session.zone) + StreamEngines.text(engine, progress, ms: monotonicMs() - beganMs)
            }
        }
        runner.onNotice = { text in
            line.clear()
            try? arguments.say(text)
        }
        runner.shouldStop = { Interruption.isRequested }
        return try runner.run()
    }

    /// Says which restatements go with the results that are computed anew from their source.
    private static func sayForgotten(
        _ plans: [QueryPlan], _ session: RunSession, _ arguments: ParsedArguments
    ) throws {
        let names = Set(plans.map(\.name))
        let forgotten = try explaining("looking for restatements") {
            try Restatements.all(on: session.database.connection)
        }.filter { names.contains($0.query) }
        for sentence in Restatements.sentences(forgotten, zone: session.zone) {
            try arguments.say(
                "warning: the source stands again for what was restated, \(sentence); taxi-cli stream restate puts it back"
            )
        }
    }

    /// Names queries that have results and are not run: those fall behind without anybody meaning it.
    private static func sayLeftBehind(
        _ plans: [QueryPlan], _ database: ResultsDatabase, _ arguments: ParsedArguments
    ) throws {
        let others = try explaining("looking for other queries") {
            try StoredQueries.names(on: database.connection)
        }.filter { name in !plans.contains { $0.name == name } }
        guard !others.isEmpty else { return }
        let shipped = try QueryCatalog.load(analytics: true).map(\.name)
        let hint =
            others.contains(where: shipped.contains)
            ? "; --queries analytics runs them, and \"queries: [analytics]\" below \"stream:\" in taxi.yaml always" : ""
        try arguments.say(
            "note: \(others.joined(separator: ", ")) \(others.count == 1 ? "has" : "have") results and \(others.count == 1 ? "is" : "are") not run\(hint)"
        )
    }

    /// Takes the queries' locks, after the policy of `--if-running`; nil after Ctrl-C.
    private static func locks(
        _ arguments: ParsedArguments, _ plans: [QueryPlan], _ session: RunSession
    ) throws -> QueryLocks? {
        let isContinuous = !arguments.isOn("until-end") && inputs(arguments).isEmpty
        let policy =
            arguments.text("if-running").flatMap(QueryLocks.Policy.init)
            ?? (isContinuous && session.globals.broker != .embedded ? .standby : .takeover)
        let locks = try QueryLocks(folder: session.globals.tenantFolder, queries: plans.map(\.name))
        switch policy {
        case .takeover: locks.holdWhenFree()
        case .standby:
            if try locks.tryHold() { return locks }
            try arguments.say("another process runs these queries; standing by until it ends")
            while try !locks.tryHold() {
                if Interruption.isRequested { return nil }
                Thread.sleep(forTimeInterval: 0.05)
            }
            try arguments.say("taking over")
        }
        return locks
    }

    /// A stream may be started before its source: it waits, since the first replay decides how many partitions the topic has.
    ///
    /// - Returns: false after Ctrl-C.
    /// - Throws: `Problem(.noInput)` with `--until-end`, which has nothing to wait for.
    private static func waitForTopic(
        _ topic: String, _ arguments: ParsedArguments, _ session: RunSession
    ) throws -> Bool {
        var hasSaid = false
        if let partitions = arguments.integer("partitions") {
            try session.store.requireTopic(
                topic, partitions: Int(partitions), creating: !arguments.isOn("no-create"))
        }
        while try !session.store.hasTopic(topic) {
            guard !arguments.isOn("until-end") else {
                throw Problem(
                    session.store.keepsColumns ? .noInput : .unavailable, "there is no topic \"\(topic)\" yet",
                    hint: "Fill it with taxi-cli produce FILE, or leave --until-end out to wait for what comes.")
            }
            if Interruption.isRequested { return false }
            if !hasSaid { try arguments.say("waiting for topic \"\(topic)\", which taxi-cli produce makes") }
            hasSaid = true
            // The replay that makes it may wait for this stream.
            WorkShare.ofProcess.ready()
            Thread.sleep(forTimeInterval: 0.05)
        }
        return true
    }

    private static func streamOptions(
        _ arguments: ParsedArguments, _ globals: GlobalOptions, _ zone: ZoneClock
    ) -> StreamOptions {
        var options = StreamOptions(tenant: globals.tenant, zone: zone)
        options.delayMs = arguments.durationMs("delay") ?? options.delayMs
        options.idleTimeoutMs = arguments.durationMs("idle-timeout") ?? options.idleTimeoutMs
        options.idleCloseMs = arguments.durationMs("idle-close")
        options.epochMs = arguments.durationMs("epoch").map(Int.init) ?? options.epochMs
        options.epochRecords = arguments.integer("epoch-records").map(Int.init) ?? options.epochRecords
        if arguments.origin("epoch-records") == .defaultValue {
            options.epochRecordsWhileBehind = 100_000
        } else {
            options.rangeRecords = options.epochRecords
        }
        options.keepHistoryMs = arguments.durationMs("keep-history")
        options.untilEnd = arguments.isOn("until-end")
        options.fromBeginning = arguments.isOn("from-beginning")
        options.fromTime = arguments.time("from-time")?.utcMs { zone.utcMs(localSeconds: $0) }
        options.skipsLost = arguments.isOn("skip-lost")
        options.createsTopics = !arguments.isOn("no-create")
        options.readsAgain = arguments.isOn("again")
        options.sendsAvro = arguments.text("format") == "avro"
        options.late = latePolicy(arguments)
        options.maxAheadMs = TripFileOptions.maxAheadMs(arguments)
        options.workers = arguments.integer("workers").map(Int.init) ?? ProcessInfo.processInfo.activeProcessorCount
        return options
    }
}
