import Basics
import CommandLine
import Database
import Glibc
import Monitoring
import Problems
import Replay
import SQLite
import Shares
import Synchronization
import Topics
import Time
import Trips

/// `produce`: replays trips into the tenant's topic at a pace.
enum ProduceCommand {
    static let command = Command(
        name: "produce", summary: "replay trips from files into the tenant's topic",
        discussion: """
            A paced replay is open-loop: each record has its intended time, and a stall is caught up. With --rate trips are stamped \
            with the wall clock; with --speed they keep their own time and come in its order. Rows that cannot be used go to the \
            dead-letter topic with the reason; if more than half cannot, the run ends with exit code 65.

            kill -USR1 shows the state of a running replay; --set-rate changes its pace.
            """,
        examples: [
            Example(
                "taxi-cli produce trips.csv --rate 1000/s", "as a live source would: 1,000 trips a second, stamped now"),
            Example(
                "taxi-cli produce trips.csv.gz --speed 60x --from 2022-03-01 --to 2022-03-02",
                "one day in 24 minutes, in the order in which it happened"),
        ],
        arguments: [
            Argument(
                "FILE", .any, kind: .file, help: "trip files (.csv, .csv.gz, .csv.zst, - for stdin)",
                endings: FileEndings.trips)
        ],
        options: paceOptions
            + TripFileOptions.options(
                defaultClock: "now, but start with --speed", configPrefix: "produce") + topicOptions + [
                summaryOption, WatchService.listenOption,
            ],
        exclusive: [["rate", "speed", "max"], ["dry-run", "resume"], ["set-rate", "rate"]], run: run)

    private static let paceOptions = [
        Option(
            "rate", value: .value("RATE"), kind: .custom { text throws(Problem) in _ = try Pace.parse(text) },
            environment: "TAXI_RATE", configKey: "produce.rate", help: "records a second: 1000/s, 10/m, 0.5/s",
            group: "Pace"),
        Option(
            "speed", value: .value("FACTOR"), kind: .speed, configKey: "produce.speed",
            help: "the trips' own time, so many times as fast: 60x", group: "Pace"),
        Option("max", help: "as fast as it goes (the default)", group: "Pace"),
        Option(
            "shape", value: .value("SHAPE"), configKey: "produce.shape",
            help: "how the rate moves: constant, ramp:10..5000/60s, sine:100..900/5m, burst:5000x2s/30s", group: "Pace"),
        Option("loop", help: "begin again at the end of the input", group: "Pace"),
        Option(
            "set-rate", value: .value("RATE"), kind: .custom { text throws(Problem) in _ = try Pace.parse(text) },
            help: "change the pace of the tenant's running replay and return: 500/s, 60x, max", group: "Pace"),
        Option(
            "process", value: .value("PID"), kind: .integer(2...Int64(Int32.max)),
            help: "which replay --set-rate means, where several run", group: "Pace", needs: "set-rate"),
    ]

    private static let topicOptions = [
        Option("resume", help: "go on where the last run stopped, without loss or repeat", group: "Topic"),
        Option(
            "again",
            help: "send files with their own times once more that were sent already; their trips then count twice",
            group: "Topic"),
        Option(
            "partitions", value: .value("N"), kind: .integer(1...1024), configKey: "produce.partitions",
            help: "of a new topic; 1 unless said, and an existing topic keeps its own", group: "Topic"),
        Option(
            "key", value: .value("KEY"), kind: .choice(RecordKey.allCases.map(\.rawValue)), default: "taxi_id",
            configKey: "produce.key", help: "records of one key share a partition and keep their order", group: "Topic"),
        Option(
            "format", value: .value("FORMAT"), kind: .choice(["json", "avro"]), default: "json",
            configKey: "produce.format",
            help:
                "json, or avro: taxi.Trip with a schema that is registered under {tenant}_ingestData-value before the first trip is sent",
            group: "Topic"),
        Option(
            "money", value: .value("FORM"), kind: .choice(TripMoney.allCases.map(\.rawValue)), default: "decimal",
            configKey: "produce.money",
            help: "in Avro: decimal, or cents as whole numbers in fields such as fare_cents", group: "Topic"),
        deliveryOption, noCreateOption,
        Option(
            "dry-run", help: "write JSON lines to stdout instead, for kcat or jq; nothing is stored", group: "Topic"),
    ]

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let zone = try ZoneClock(identifier: GlobalOptions.zoneIdentifier(arguments))
        if let pace = arguments.text("set-rate") {
            if let file = arguments.positionals.first {
                throw arguments.problem(
                    "set-rate", "it changes the pace of a replay that runs, and sends no file",
                    hint: "Leave \"\(file)\" out, or send it with --rate \(pace).")
            }
            return try setRate(pace, GlobalOptions(arguments), arguments)
        }
        let globals = try GlobalOptions(arguments)
        let options = try replayOptions(globals, arguments, zone)
        Interruption.install()
        return arguments.isOn("dry-run")
            ? try dryRun(options, arguments, zone) : try replay(options, globals, arguments)
    }

    private static func replayOptions(
        _ globals: GlobalOptions, _ arguments: ParsedArguments, _ zone: ZoneClock
    ) throws -> ReplayOptions {
        guard !arguments.positionals.isEmpty else {
            throw Problem(
                .usage, "no trip file is given",
                hint: "Name one, or - for stdin; \"taxi-cli data sample\" makes one to try.")
        }
        let speed = arguments.number("speed")
        let pace = try Pace.parse(
            rate: arguments.text("rate"), shape: arguments.text("shape"), speed: speed,
            unlimited: arguments.isOn("max"))
        let source = try TripFileOptions.sourceOptions(
            arguments, clock: speed == nil ? .now : .start, spread: speed == nil ? .none : .uniform, zone: zone)
        if speed != nil, source.clock == .now {
            throw arguments.problem(
                "clock", "the clock \"now\" has no event times to speed up", hint: "Use start or end with --speed.")
        }
        if source.clock == .now, source.spread != .none {
            throw arguments.problem(
                "spread", "the clock \"now\" stamps trips when they are sent",
                hint: "Add --clock start, or leave --spread out.")
        }
        if case .flag = arguments.origin("seed"), source.spread != .uniform {
            throw arguments.problem(
                "seed", "no trip's time is drawn", hint: "Add --spread uniform, or leave --seed out.")
        }
        try TripFileOptions.checkRange(source, arguments)
        var options = ReplayOptions(
            paths: arguments.positionals, source: source, pace: pace,
            key: arguments.text("key").flatMap(RecordKey.init) ?? .taxi,
            partitions: arguments.integer("partitions").map(Int.init), isResuming: arguments.isOn("resume"),
            isLooping: arguments.isOn("loop"), tenant: globals.tenant)
        options.form = try form(arguments)
        options.createsTopics = !arguments.isOn("no-create")
        options.maxAheadMs = TripFileOptions.maxAheadMs(arguments)
        return options
    }

    private static func form(_ arguments: ParsedArguments) throws(Problem) -> RecordForm {
        guard arguments.text("format") == "avro" else {
            if case .flag = arguments.origin("money") {
                throw arguments.problem(
                    "money", "in JSON money is in dollars", hint: "Add --format avro, or leave --money out.")
            }
            return .standard
        }
        if arguments.isOn("dry-run") {
            throw arguments.problem(
                "format", "a dry run writes lines of JSON", hint: "Leave --format avro or --dry-run out.")
        }
        return .avro(arguments.text("money").flatMap(TripMoney.init) ?? .decimal)
    }

    private static func replay(
        _ options: ReplayOptions, _ globals: GlobalOptions, _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        let session = try RunSession(
            globals, arguments, command: "produce", about: options.paths.joined(separator: " "),
            topics: ["ingestData", "deadLetter"])
        let replayer = Replayer(options: options, store: session.store)
        return try session.recording {
            let sent = try sentFiles(options, session)
            if !options.isResuming, !options.isLooping, !arguments.isOn("again") { try sent?.requireNew(session.zone) }
            for warning in try sent?.warnings() ?? [] { try arguments.say("warning: \(warning)") }
            if options.source.clock != .now { try sayRestated(options.source, session, arguments) }
            try sent?.begin(session.runID)
            defer { sent?.end(session.runID, session.store, trips: Int64(replayer.summary?.sent ?? 0)) }
            let control = RateFile(session.control)
            let line = arguments.progressLine()
            defer {
                line.clear()
                control.remove()
            }
            replayer.metrics = session.live.metrics
            replayer.share = .ofProcess
            replayer.share.ready()
            wire(replayer, line, arguments, session.zone, control)
            let summary = try replayer.run {
                Interruption.isRequested || (try? session.requireResults()) == nil
            }
            try session.requireResults()
            return RunEnd(
                outcome: summary.outcome == .interrupted ? .interrupted : .success,
                json: summary.json(zone: session.zone), text: text(summary, session.zone))
        }.report(arguments)
    }

    /// Says of which times trips that are sent now will be in no result.
    private static func sayRestated(
        _ source: TripSourceOptions, _ session: RunSession, _ arguments: ParsedArguments
    ) throws {
        let all = try explaining("looking for restatements") { try Restatements.all(on: session.database.connection) }
            .filter { $0.period.lowerBound < source.to ?? .max && source.from ?? .min < $0.period.upperBound }
        for sentence in Restatements.sentences(all, zone: session.zone) {
            try arguments.say(
                "warning: trips of times that were restated are left out by the stream, \(sentence); taxi-cli stream restate puts a newer file in the place of those"
            )
        }
    }

    /// The account of what was sent; nil where no file can be known again.
    private static func sentFiles(_ options: ReplayOptions, _ session: RunSession) throws -> SentInput? {
        // A live source may be played as often as one likes: its trips happen now, each time anew.
        guard options.source.clock != .now else { return nil }
        let inputs = try options.paths.map { path throws(Problem) in (path, try InputIdentity(path: path)) }
        let files = inputs.filter(\.1.isKnown).map { path, identity in
            SentFiles.File(
                name: path, identity: "\(identity) by \(options.source.clock.rawValue)", content: identity.withoutName)
        }
        guard !files.isEmpty else { return nil }
        let range = (options.source.from ?? .min)..<max(options.source.to ?? .max, (options.source.from ?? .min) + 1)
        return try SentInput(files, range: range, topic: "\(options.tenant)_ingestData", session)
    }

    private static func dryRun(
        _ options: ReplayOptions, _ arguments: ParsedArguments, _ zone: ZoneClock
    ) throws -> ExitStatus {
        let output = arguments.output
        var buffer = OutputBuffer()
        var places: [Int] = []
        let replayer = Replayer(options: options) { batch, rows, lines in
            buffer.removeAll()
            TripJSON.encode(batch, rows: rows, into: &buffer, recordOffsets: &places, lineEnds: true)
            lines += buffer.bytes
        } write: { bytes in
            try output.write(bytes)
        }
        replayer.onWarning = { try? arguments.say("warning: \($0)") }
        let summary = try replayer.run { Interruption.isRequested }
        try output.flush()
        try writeSummary(summary.json(zone: zone), arguments)
        try arguments.say(text(summary, zone))
        return summary.outcome == .interrupted ? .interrupted : .success
    }

    private static func wire(
        _ replayer: Replayer, _ line: ProgressLine, _ arguments: ParsedArguments, _ zone: ZoneClock, _ control: RateFile
    ) {
        replayer.onWarning = { text in
            line.clear()
            try? arguments.say("warning: \(text)")
        }
        replayer.onIndexing = { done, total in
            line.update { "putting trips in order of time: \(byteText(Int64(done))) of \(byteText(Int64(total)))" }
        }
        var signals = Interruption.userSignalCount
        replayer.onProgress = { progress in
            if Interruption.userSignalCount != signals {
                signals = Interruption.userSignalCount
                if let pace = control.read() { replayer.rateControl.request(pace) }
                line.clear()
                try? arguments.say(text(progress, zone))
            }
            line.update { text(progress, zone) }
        }
    }

    /// Writes the new pace down for the running replay and signals it.
    private static func setRate(
        _ text: String, _ globals: GlobalOptions, _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        let process = try RateFile.send(
            text, to: arguments.integer("process").map(Int32.init), folder: globals.tenantFolder, tenant: globals.tenant
        )
        try arguments.say("the running replay of tenant \"\(globals.tenant)\" (process \(process)) goes on at \(text)")
        return .success
    }

    private static func text(_ progress: ReplayProgress, _ zone: ZoneClock) -> String {
        var parts = ["sent \(grouped(Int64(progress.sent)))"]
        let asked = progress.askedRate.map { " of \(fixed($0, decimals: $0 < 10 ? 1 : 0))" } ?? ""
        parts.append("\(fixed(progress.rate, decimals: progress.rate < 10 ? 1 : 0))\(asked)/s")
        if progress.behindMs > 0 { parts.append("behind \(roundedDurationText(ms: Int64(progress.behindMs)))") }
        if progress.rejected > 0 { parts.append("rejected \(grouped(Int64(progress.rejected)))") }
        if let time = progress.eventTime { parts.append("at \(zone.iso(ms: time))") }
        // A limit may be any number: what takes longer than a thousand years is left to itself.
        if let left = progress.secondsLeft, left < 3e10 {
            parts.append("\(roundedDurationText(ms: Int64(left) * 1000)) left")
        }
        return parts.joined(separator: "  ")
    }

    private static func text(_ summary: ReplaySummary, _ zone: ZoneClock) -> String {
        var lines = [
            "sent \(grouped(Int64(summary.sent))) of \(grouped(Int64(summary.read))) trips in \(fixed(summary.seconds, decimals: 2)) s, \(grouped(Int64(summary.rate)))/s"
        ]
        if let asked = summary.askedRate {
            lines[0] +=
                " (asked \(fixed(asked, decimals: asked < 10 ? 1 : 0))/s, at most \(roundedDurationText(ms: Int64(summary.maxBehindMs))) behind)"
        }
        for (reason, count) in summary.rejected.sorted(by: { $0.key < $1.key }) {
            lines.append("  rejected \(grouped(Int64(count))) \(reason)")
        }
        for (rule, count) in summary.filtered.sorted(by: { $0.key < $1.key }) {
            lines.append("  filtered \(grouped(Int64(count))) by \(rule)")
        }
        if let first = summary.firstEvent, let last = summary.lastEvent {
            lines.append("  event times \(zone.iso(ms: first)) to \(zone.iso(ms: last))")
        }
        if let reason = summary.unsentReason {
            lines.append("  not sent: \(grouped(Int64(summary.unsent))) trips that were read; \(reason)")
        }
        if summary.outcome == .interrupted { lines.append("  stopped early: --resume goes on from here") }
        return lines.joined(separator: "\n")
    }
}
