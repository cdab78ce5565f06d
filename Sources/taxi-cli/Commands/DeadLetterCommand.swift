import CommandLine
import Problems
import Topics

/// `dead-letter`: the records that could not be used.
enum DeadLetterCommand {
    static let command = Command(
        name: "dead-letter", summary: "see which records could not be used, and why",
        discussion:
            "They lie unchanged in the topic {tenant}_deadLetter; see also taxi-cli topic tail deadLetter --meta.",
        examples: [
            Example("taxi-cli dead-letter list", "the last of them, and how many each reason has"),
            Example(
                "taxi-cli dead-letter show --reason bad_money > fix.csv",
                "the rows themselves, to correct and produce again"),
        ],
        subcommands: [list, show], group: "Data")

    private static let reason = Option(
        "reason", value: .value("REASON"), help: "only those of this reason", group: "Which")
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
        ],
        options: [
            Option("reasons", help: "only the reasons and how many records each has"), reason, lines, fromBeginning,
        ],
        exclusive: [["lines", "from-beginning"]]
    ) { arguments in
        let log = try read(arguments)
        if arguments.isOn("reasons") {
            let total = Double(log.reasons.reduce(0) { $0 + $1.count })
            var table = Table(columns: [Column("reason"), Column("records", .right), Column("share", .right)])
            for (reason, count) in log.reasons {
                table.rows.append([.text(reason), .count(count), .share(Double(count) / total)])
            }
            try arguments.write(table)
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

    private static let show = Command(
        name: "show", summary: "print the records themselves, byte for byte, a line feed behind each",
        examples: [
            Example("taxi-cli dead-letter show -n 1", "the last one"),
            Example("taxi-cli dead-letter show 17 18", "those at offsets 17 and 18"),
        ],
        arguments: [
            Argument(
                "OFFSET", .any, kind: .count,
                help: "records by their offsets; without any, those that the options choose")
        ],
        options: [reason, lines, fromBeginning], exclusive: [["lines", "from-beginning"]]
    ) { arguments in
        let offsets = try arguments.positionals.map { try ValueText.integer($0) }
        let entries = try read(arguments, all: !offsets.isEmpty).entries
        let wanted = offsets.isEmpty ? entries : entries.filter { offsets.contains($0.offset) }
        for offset in offsets where !wanted.contains(where: { $0.offset == offset }) {
            throw Problem(
                .noInput, "there is no dead letter at offset \(offset)",
                hint: "taxi-cli dead-letter list shows the offsets.")
        }
        for entry in wanted {
            try entry.bytes.withUnsafeBytes { try arguments.output.write($0) }
            try arguments.output.write("\n")
        }
        return .success
    }

    /// The dead letters that the options choose; none where there is no such topic yet.
    private static func read(_ arguments: ParsedArguments, all: Bool = false) throws -> DeadLetterLog {
        let globals = try GlobalOptions(arguments)
        let topic = "\(globals.tenant)_deadLetter"
        guard let store = try globals.openTopicsIfAny(), try store.hasTopic(topic) else {
            return DeadLetterLog()
        }
        let wanted = arguments.text("reason")
        let limit =
            all || arguments.isOn("from-beginning") ? Int.max : arguments.lineLimit(onTerminal: 20)
        let log = try DeadLetterLog(store.makeReader(topic: topic), reason: wanted, limit: limit)
        if let wanted, !log.reasons.contains(where: { $0.reason == wanted }) {
            let found = log.reasons.map(\.reason)
            let near = nearestName(to: wanted, among: found).map { "Did you mean \"\($0)\"? " } ?? ""
            throw arguments.problem(
                "reason", "no dead letter has the reason \"\(wanted)\"",
                hint: near
                    + (found.isEmpty ? "There are no dead letters." : "There are: \(found.joined(separator: ", "))."))
        }
        return log
    }
}
