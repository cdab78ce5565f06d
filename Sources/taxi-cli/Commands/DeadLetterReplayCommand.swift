import Basics
import CommandLine
import Database
import Foundation
import Problems
import Replay
import Stream
import Topics
import Time
import Trips

/// `dead-letter replay`: sends again what can be read by now.
enum DeadLetterReplayCommand {
    static let command = Command(
        name: "replay", summary: "send those again that can be read now, each once",
        discussion: """
            Records go back unchanged into the topic of trips that they came from, rows of files as the trips that they were to be, each with \
            the headers taxi.replay.count and taxi.replay.of. What fails again goes into quarantine: to the end of the dead letters, with the \
            reason "quarantined", to be tried again only when it is asked for by that reason. Each letter is settled once, however often this is run, \
            killed, or run twice at a time: topic {tenant}_deadLetterReplay says which. Without --dry-run nothing is asked.
            """,
        examples: [
            Example("taxi-cli dead-letter replay --dry-run", "what would become of them, by reason"),
            Example("taxi-cli dead-letter replay --reason out_of_range --max-ahead 30d", "trips of a fast clock"),
            Example(
                "taxi-cli dead-letter replay --from fix.txt", "corrected ones, as dead-letter show --places wrote them"),
        ],
        options: [
            DeadLetterCommand.reason, DeadLetterCommand.place,
            Option(
                "from", value: .value("FILE"), kind: .file,
                help:
                    "only those of a file of lines \"partition/offset, tab, record\", with the record as it stands there",
                group: "Which"),
            Option("dry-run", help: "only say what would become of them; nothing is stored"),
            Option(
                "rate", value: .value("RATE"),
                kind: .custom { text throws(Problem) in _ = try RateShape.parseRate(text) },
                help: "at most so many a second: 100/s, 10/m"),
            Option(
                "max-ahead", value: .value("TIME"), kind: .duration, default: "1d",
                help: "how far ahead of the clock an event time may be"),
            Option(
                "columns", value: .value("FILE"), kind: .file,
                help:
                    "a file whose first line is the header of rows that were set aside by a version which did not keep it",
                group: "Rows of earlier versions", endings: FileEndings.trips),
            Option(
                "clock", value: .value("CLOCK"), kind: .choice(EventClock.allCases.map(\.rawValue)), default: "start",
                help: "the event time of such rows", group: "Rows of earlier versions"),
            summaryOption,
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        var options = try options(globals)
        options.filter = try DeadLetterCommand.filter(arguments, globals)
        options.isDryRun = arguments.isOn("dry-run")
        options.rate = try arguments.text("rate").map { text throws(Problem) in try RateShape.parseRate(text) }
        options.maxAheadMs = TripFileOptions.maxAheadMs(arguments)
        options.reading = RowReading(clock: arguments.text("clock").flatMap(EventClock.init) ?? .start)
        if let path = arguments.text("columns") { options.columns = try headerLine(of: path, options.zone) }
        if let path = arguments.text("from") { options.editions = try LetterEditions(path: path).records }
        Interruption.install()
        guard var store = try globals.openTopicsIfAny() else {
            return try end(DeadLetterReplaySummary(), options, arguments)
        }
        let topic = "\(globals.tenant)_deadLetter"
        // One that is mistyped chooses none; those of other programs are known by a look alone.
        if let reason = arguments.text("reason"), RejectReason(rawValue: reason) == nil, try store.hasTopic(topic) {
            let log = try DeadLetterLog(store.makeReader(topic: topic), filter: options.filter, limit: 0)
            try DeadLetterCommand.requireKnown(arguments, among: log.reasons.map(\.reason))
        }
        var control: ControlFile?
        if !options.isDryRun, try store.hasTopic("\(globals.tenant)_deadLetter") {
            try globals.prepareTenant(arguments.program)
            store = try globals.openTopics()
            control = try ControlFile(
                folder: globals.tenantFolder, command: "dead-letter", about: "replay",
                topics: ["deadLetter", "deadLetterReplay", "ingestData"].map { "\(globals.tenant)_\($0)" })
        }
        let replay = DeadLetterReplay(options: options, store: store)
        let line = arguments.progressLine()
        defer {
            line.clear()
            withExtendedLifetime(control) {}
        }
        replay.onResume = { settled in
            try? arguments.say("\(grouped(Int64(settled))) dead letters were settled by earlier replays")
        }
        replay.onProgress = { summary, place in
            line.update {
                "sent \(grouped(summary.count(.sent)))  quarantined \(grouped(summary.count(.quarantined)))  at \(place)"
            }
        }
        let summary = try replay.run { Interruption.isRequested }
        line.clear()
        return try end(summary, options, arguments)
    }

    /// How letters of a tenant are sent, unless the user says otherwise.
    static func options(_ globals: GlobalOptions) throws -> DeadLetterReplayOptions {
        var options = DeadLetterReplayOptions(
            tenant: globals.tenant, zone: try ZoneClock(identifier: globals.zoneIdentifier))
        if let database = try globals.openResultsIfAny() {
            // Looked at once: where a query goes on meanwhile, a letter of what it passes over waits for the next replay.
            let passedOver = try PassedOverRecords(
                topic: "\(globals.tenant)_ingestData", on: database.connection)
            options.passedOver = { passedOver.reason(partition: $0, offset: $1) }
        }
        return options
    }

    /// - Throws: `.noInput`, `.badData` for a file that is none of trips.
    private static func headerLine(of path: String, _ zone: ZoneClock) throws(Problem) -> String? {
        try TripSource(paths: [path], options: TripSourceOptions(required: [], zone: zone)).header.text
    }

    private static func end(
        _ summary: DeadLetterReplaySummary, _ options: DeadLetterReplayOptions, _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        if options.isDryRun {
            try arguments.write(histogram(summary))
            try arguments.output.flush()
        }
        for text in texts(summary, options) { try arguments.say(text) }
        try writeSummary(json(summary), arguments)
        if summary.wasStopped { return .interrupted }
        if !options.isDryRun, let homeless = summary.examples[.homeless] {
            let count = summary.count(.homeless)
            throw Problem(
                .noInput,
                "\(count == 1 ? "a dead letter has" : "\(grouped(count)) dead letters have") no topic to go to: \(homeless.detail)",
                hint: "The first is \(homeless.place). All others are done; --where leaves these out.")
        }
        return .success
    }

    /// By reason, how many would be sent, would fail again, are settled, or stay for another reason.
    static func histogram(_ summary: DeadLetterReplaySummary) -> Table {
        let shown: [(LetterFate, String)] = [
            (.sent, "would_be_sent"), (.quarantined, "would_fail_again"), (.settled, "settled"),
        ]
        var table = Table(
            columns: [Column("reason"), Column("records", .right)] + shown.map { Column($0.1, .right) }
                + [Column("left", .right)])
        let reasons = summary.fates.map { ($0.key, $0.value, $0.value.values.reduce(0, +)) }
        for (reason, fates, total) in reasons.sorted(by: { ($1.2, $0.0) < ($0.2, $1.0) }) {
            let counts = shown.map { fates[$0.0] ?? 0 }
            table.rows.append(
                [.text(reason), .count(total)] + counts.map { .count($0) } + [.count(total - counts.reduce(0, +))])
        }
        return table
    }

    private static func words(_ options: DeadLetterReplayOptions) -> [(LetterFate, String)] {
        let quarantined =
            options.isDryRun ? "would fail again, and go into quarantine" : "failed again, and are in quarantine now"
        return [(.quarantined, quarantined)] + otherWords
    }

    private static let otherWords: [(LetterFate, String)] = [
        (.settled, "were settled by an earlier replay"),
        (.inQuarantine, "are in quarantine: --reason quarantined tries them again"),
        (.failed, "failed again, and stay where they are"), (.counted, "are not sent: they can be read where they lie"),
        (.cut, "were cut, and can never be sent"), (.homeless, "have no topic to go to"),
        (.noColumns, "are rows without their header line: --columns FILE gives it"),
    ]

    private static func texts(_ summary: DeadLetterReplaySummary, _ options: DeadLetterReplayOptions) -> [String] {
        let total = grouped(summary.total)
        var lines = [
            options.isDryRun
                ? "would send \(grouped(summary.count(.sent))) of \(total) dead letters"
                : "sent \(grouped(summary.count(.sent))) of \(total) dead letters in \(fixed(summary.seconds, decimals: 2)) s"
        ]
        for (fate, text) in words(options) where summary.count(fate) > 0 {
            let example = summary.examples[fate].flatMap {
                $0.detail.isEmpty || fate == .settled ? nil : ", such as \($0.place): \($0.detail)"
            }
            lines.append("  \(grouped(summary.count(fate))) \(text)\(example ?? "")")
        }
        if summary.wasStopped {
            lines.append("  stopped early: what was sent is marked, and the same command goes on from here")
        }
        return lines
    }

    private struct Report: Encodable {
        var records: Int64
        var fates: [String: Int64]
        var reasons: [String: [String: Int64]]
        var stopped: Bool
        var seconds: Double
    }

    private static func json(_ summary: DeadLetterReplaySummary) throws -> String {
        func named(_ fates: [LetterFate: Int64]) -> [String: Int64] {
            Dictionary(uniqueKeysWithValues: fates.map { ($0.key.rawValue, $0.value) })
        }
        let report = Report(
            records: summary.total,
            fates: Dictionary(uniqueKeysWithValues: LetterFate.allCases.map { ($0.rawValue, summary.count($0)) }),
            reasons: summary.fates.mapValues(named), stopped: summary.wasStopped,
            seconds: (summary.seconds * 1000).rounded() / 1000)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }
}
