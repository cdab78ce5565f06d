import Basics
import Avro
import CommandLine
import Problems
import SchemaRegistry
import Topics

enum SchemaCheckCommand {
    static let command = Command(
        name: "check", summary: "say whether a schema may be registered under a subject, and what is in the way",
        discussion: """
            It is held against the subject's versions as the level of compatibility asks, and nothing is changed. Exit code 65 where it does not fit. What \
            no level refuses, and yet reads numbers wrongly, is warned of: a decimal with another scale.

            With --against-topic it is also tried on the records that the topic has: how many a reader with this schema could not read, and why the first of \
            them. Records of Avro are read as their own schemas wrote them, trips in JSON and in columns as they would be sent as taxi.Trip; others are left \
            out.
            """,
        examples: [
            Example("taxi-cli schema check trip.avsc --subject chicago_ingestData-value", "before it is registered"),
            Example(
                "taxi-cli schema check trip.avsc --subject chicago_ingestData-value --against-topic",
                "also on all trips that are there"),
            Example(
                "git show HEAD:trip.avsc | taxi-cli schema check - -s trips-value || exit 1", "in a script"),
        ],
        arguments: [
            SchemaCommand.file,
            Argument(
                "TOPIC", .optional, help: "of --against-topic; the subject without -value or -key unless said",
                names: CompletedNames.topics),
        ],
        options: [
            SchemaCommand.subjectOption,
            Option("against-topic", help: "also try it on the records that a topic has"),
        ]
    ) { arguments in
        let subject = try SchemaCommand.givenSubject(arguments)
        guard arguments.isOn("against-topic") || arguments.positionals.count == 1 else {
            throw Problem(
                .usage, "there are two files, or a topic without --against-topic",
                hint: "Name one file; add --against-topic to try it on a topic's records.")
        }
        let file = arguments.positionals[0]
        let text = try SchemaCommand.read(file)
        let schema = try AvroSchema(text, file: file)
        let globals = try GlobalOptions(arguments)
        let registry = try globals.openCatalog()
        let reasons = try registry.incompatibilities(of: text, under: subject)
        let latest = try registry.latest(of: subject)
        if let latest {
            for warning in try changedScales(text, after: latest) { try arguments.say("warning: \(warning)") }
        }
        var problems = ProblemList()
        if !reasons.isEmpty {
            problems.add(
                Problem(
                    .badData,
                    "\"\(file)\" may not be registered under subject \"\(subject)\":\n  "
                        + reasons.joined(separator: "\n  "),
                    hint: "Give new fields a default, or see taxi-cli schema set-compatibility --help."))
        }
        if arguments.isOn("against-topic"), let problem = try tried(schema, subject, globals, arguments) {
            problems.add(problem)
        }
        try problems.throwIfAny()
        try arguments.say(
            latest.map { "\"\(file)\" fits subject \"\(subject)\", whose newest version is \($0.version)" }
                ?? "\"\(file)\" fits: subject \"\(subject)\" has no schema yet")
        return .success
    }

    /// Tries a schema on the records of a topic; lists the first that it cannot read.
    ///
    /// - Returns: how many those are; nil for none.
    private static func tried(
        _ schema: AvroSchema, _ subject: String, _ globals: GlobalOptions, _ arguments: ParsedArguments
    ) throws -> Problem? {
        let ending = ["-value", "-key"].first(where: subject.hasSuffix) ?? ""
        let name = arguments.positionals.count > 1 ? arguments.positionals[1] : String(subject.dropLast(ending.count))
        let (store, topic) = try globals.openTopic(name, isForeign: false)
        let line = arguments.progressLine()
        let trial = try SchemaTrial(schema, on: store.makeReader(topic: topic, untilEnd: true))
        let start = ContinuousClock.now
        let outcome = try trial.run { records in line.update { "\(topic): \(grouped(records)) records" } }
        line.clear()
        if outcome.failed > 0 {
            var table = Table(columns: [Column("partition", .right), Column("offset", .right), Column("reason")])
            for failure in outcome.first {
                table.rows.append([.integer(Int64(failure.partition)), .integer(failure.offset), .text(failure.reason)])
            }
            try arguments.write(table)
            try arguments.output.flush()
        }
        if outcome.leftOut > 0 {
            try arguments.say("left out: \(grouped(outcome.leftOut)) records that are neither Avro nor trips")
        }
        let seconds = start.duration(to: .now) / .seconds(1)
        guard outcome.failed > 0 else {
            try arguments.say(
                "\(topic): all \(grouped(outcome.records)) records can be read, in \(fixed(seconds, decimals: 2)) s")
            return nil
        }
        return Problem(
            .badData,
            "\(grouped(outcome.failed)) of \(grouped(outcome.records)) records of topic \"\(topic)\" cannot be read with this schema",
            hint: "Give fields that they lack a default, and let fields be null that are null in them.")
    }

    /// - Throws: `.badData` with line and column of whatever is no schema.
    static func requireSchema(_ text: String, file: String) throws(Problem) { _ = try AvroSchema(text, file: file) }

    private static func changedScales(_ text: String, after latest: RegisteredSchema) throws(Problem) -> [String] {
        do throws(RegistryRefusal) { return try SchemaComparison.warnings(text, after: latest) } catch {
            throw error.asProblem
        }
    }
}
