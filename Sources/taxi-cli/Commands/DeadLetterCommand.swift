import Basics
import CommandLine
import Problems
import Stream
import Topics
import Time

/// `dead-letter`: the records that could not be used.
enum DeadLetterCommand {
    static let command = Command(
        name: "dead-letter", summary: "see which records could not be used, and why, and send them again",
        discussion:
            "They lie unchanged in the topic {tenant}_deadLetter; see also taxi-cli topic tail deadLetter --meta.",
        examples: [
            Example("taxi-cli dead-letter list", "the last of them, and how many each reason has"),
            Example(
                "taxi-cli dead-letter show --reason bad_money --places > fix.txt", "the records themselves, to correct"),
            Example("taxi-cli dead-letter replay --from fix.txt", "and the corrected ones sent on, each once"),
        ],
        subcommands: [list, show, DeadLetterReplayCommand.command], group: "Data")

    static let reason = Option(
        "reason", value: .value("REASON"), help: "only those of this reason", group: "Which")
    static let place = Option(
        "where", value: .repeated("PLACE"),
        help: """
            only those from here: topic=, partition=, offset=A..B, file=, line=A..B, letter=P/A..B (in the dead-letter topic), \
            time=A..B, was=REASON, detail=TEXT; or a condition: "reason = 'bad_money' and (line < 100 or file is null)"; of \
            several all hold
            """, group: "Which")
    private static let lines = Option(
        "lines", short: "n", value: .value("N"), kind: .count,
        help: "how many, the last ones; 20 on a terminal and all elsewhere unless said",
        group: "Which")
    private static let fromBeginning = Option("from-beginning", help: "all of them", group: "Which")

    private static let list = Command(
        name: "list", summary: "list the records with reason, source and detail, and count the reasons",
        examples: [
            Example("taxi-cli dead-letter list", "the last twenty on a terminal; the counts are on stderr"),
            Example("taxi-cli dead-letter list --reasons --format json", "how many each reason has, for a script"),
            Example("taxi-cli dead-letter list --by hour --reason bad_money", "when those came: a histogram"),
            Example(
                "taxi-cli dead-letter list --where file=trips.csv --where line=100..200",
                "those of some lines of a file"),
            Example(
                "taxi-cli dead-letter list --where \"reason in ('bad_money', 'bad_number') and time >= '2024-03-01'\"",
                "by a condition, as a query's where has them"),
        ],
        options: [
            Option("reasons", help: "only the reasons and how many records each has"),
            Option(
                "by", value: .value("WHAT"), kind: .choice(DeadLetterLog.Grouping.allCases.map(\.rawValue)),
                help: "only how many records each reason, topic, file, hour or day (UTC) has"),
            reason, place, lines, fromBeginning,
        ],
        exclusive: [["lines", "from-beginning"], ["reasons", "by"]]
    ) { arguments in
        let grouping = arguments.text("by").flatMap(DeadLetterLog.Grouping.init)
        let log = try read(arguments, by: grouping)
        if let grouping {
            try arguments.write(counts(log.groups, of: grouping.rawValue))
            return .success
        }
        if arguments.isOn("reasons") {
            try arguments.write(counts(log.reasons.map { ($0.reason, $0.count) }, of: "reason"))
            return .success
        }
        var table = Table(columns: [
            Column("partition", .right), Column("offset", .right), Column("reason"), Column("source"), Column("detail"),
        ])
        for entry in log.entries {
            table.rows.append([
                .integer(Int64(entry.partition)), .integer(entry.offset), .text(entry.reason),
                .optional(entry.source), .optional(entry.detail),
            ])
        }
        try arguments.write(table)
        try arguments.output.flush()
        let counts = log.reasons.map { "\(grouped($0.count)) \($0.reason)" }.joined(separator: ", ")
        try arguments.say(counts.isEmpty ? "no dead letters" : "dead letters: \(counts)")
        if log.cutCount > 0 {
            try arguments.say(
                "\(grouped(log.cutCount)) of them were larger than their topic takes, and were cut: the header \"cut\" says how much is kept"
            )
        }
        return .success
    }

    private static func counts(_ groups: [(name: String, count: Int64)], of name: String) -> Table {
        let total = Double(groups.reduce(0) { $0 + $1.count })
        var table = Table(columns: [Column(name), Column("records", .right), Column("share", .right)])
        for group in groups {
            table.rows.append([.text(group.name), .count(group.count), .share(Double(group.count) / total)])
        }
        return table
    }

    private static let show = Command(
        name: "show", summary: "print the records themselves, byte for byte, a line feed behind each",
        discussion: """
            On a terminal what could not be read is marked: by its colour, or where there are no colours by ^ in a line below. \
            Elsewhere the records come as they are, unless --mark is given.
            """,
        examples: [
            Example("taxi-cli dead-letter show -n 1", "the last one"),
            Example("taxi-cli dead-letter show 17 18", "those at offsets 17 and 18"),
            Example(
                "taxi-cli dead-letter show --places > fix.txt", "to correct, for dead-letter replay --from fix.txt"),
        ],
        arguments: [
            Argument(
                "OFFSET", .any, kind: .count,
                help: "records by their offsets; without any, those that the options choose")
        ],
        options: [
            reason, place, lines, fromBeginning,
            Option("mark", help: "mark what could not be read; on a terminal unless --mark=false is given"),
            Option(
                "places", help: "partition/offset and a tab before each record, as dead-letter replay --from reads it"),
        ], exclusive: [["lines", "from-beginning"], ["mark", "places"]]
    ) { arguments in
        let offsets = try arguments.positionals.map { try ValueText.integer($0) }
        // What is corrected and sent again is all of them, unless somebody says how many.
        let isAll = arguments.isOn("places") && arguments.integer("lines") == nil
        let entries = try read(arguments, all: !offsets.isEmpty || isAll).entries
        let wanted = offsets.isEmpty ? entries : entries.filter { offsets.contains($0.offset) }
        for offset in offsets where !wanted.contains(where: { $0.offset == offset }) {
            throw Problem(
                .noInput, "there is no dead letter at offset \(offset)",
                hint: "taxi-cli dead-letter list shows the offsets.")
        }
        if arguments.isOn("places") { return try writePlaces(wanted, arguments) }
        let isSaid: Bool
        if case .defaultValue = arguments.origin("mark") { isSaid = false } else { isSaid = true }
        let marks = isSaid ? arguments.isOn("mark") : arguments.terminal.outputIsTerminal
        for entry in wanted {
            if marks {
                let marked = MarkedRecord(entry.bytes, fault: entry.fault)
                try arguments.output.write(marked.text(width: arguments.terminal.width, arguments.terminal.outputStyle))
            } else {
                try entry.bytes.withUnsafeBytes { try arguments.output.write($0) }
                try arguments.output.write("\n")
            }
        }
        return .success
    }

    private static func writePlaces(
        _ entries: [DeadLetterLog.Entry], _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        var skipped: Int64 = 0
        for entry in entries {
            // A line could not be told from the next one.
            if entry.bytes.contains(where: { $0 == 0x0a }) {
                skipped += 1
                continue
            }
            try arguments.output.write("\(entry.partition)/\(entry.offset)\t")
            try entry.bytes.withUnsafeBytes { try arguments.output.write($0) }
            try arguments.output.write("\n")
        }
        if skipped > 0 {
            try arguments.say(
                "\(grouped(skipped)) records of several lines are left out: they cannot be edited this way")
        }
        return .success
    }

    /// The filter of `--reason` and `--where`.
    static func filter(_ arguments: ParsedArguments, _ globals: GlobalOptions) throws -> DeadLetterFilter {
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let time: (String) -> EventTime? = { text in (try? TimeText(text))?.utcMs { zone.utcMs(localSeconds: $0) } }
        do throws(Problem) {
            return try DeadLetterFilter(
                reason: arguments.text("reason"), terms: arguments.texts("where"), tenant: globals.tenant, time: time
            ) { (text) throws(Problem) in
                try LetterConditionParser.parse(text, tenant: globals.tenant, time: time)
            }
        } catch {
            // A condition says its place itself.
            throw error.location == nil ? arguments.problem("where", error.message, hint: error.hint) : error
        }
    }

    /// The dead letters that the options choose; none where there is no such topic yet.
    private static func read(
        _ arguments: ParsedArguments, by grouping: DeadLetterLog.Grouping? = nil, all: Bool = false
    ) throws -> DeadLetterLog {
        let globals = try GlobalOptions(arguments)
        let filter = try filter(arguments, globals)
        let topic = "\(globals.tenant)_deadLetter"
        guard let store = try globals.openTopicsIfAny(), try store.hasTopic(topic) else {
            return DeadLetterLog()
        }
        let limit =
            grouping != nil || arguments.isDeclared("reasons") && arguments.isOn("reasons")
            ? 0 : all || arguments.isOn("from-beginning") ? Int.max : arguments.lineLimit(onTerminal: 20)
        let log = try DeadLetterLog(store.makeReader(topic: topic), filter: filter, by: grouping, limit: limit)
        try requireKnown(arguments, among: log.reasons.map(\.reason))
        return log
    }

    /// - Throws: `.usage` where no dead letter has the reason of `--reason`, with the nearest one that some have.
    static func requireKnown(_ arguments: ParsedArguments, among found: [String]) throws {
        guard let wanted = arguments.text("reason"), !found.contains(wanted) else { return }
        let near = nearestName(to: wanted, among: found).map { "Did you mean \"\($0)\"? " } ?? ""
        throw arguments.problem(
            "reason", "no dead letter has the reason \"\(wanted)\"",
            hint: near + (found.isEmpty ? "There are no dead letters." : "There are: \(found.joined(separator: ", ")).")
        )
    }
}
