import Avro
import CommandLine
import Problems
import SchemaRegistry

enum SchemaCheckCommand {
    static let command = Command(
        name: "check", summary: "say whether a schema may be registered under a subject, and what is in the way",
        discussion: """
            It is held against the subject's versions as the level of compatibility asks, and nothing is changed. Exit code 65 where it does not fit. What \
            no level refuses, and yet reads numbers wrongly, is warned of: a decimal with another scale.
            """,
        examples: [
            Example("taxi-cli schema check trip.avsc --subject chicago_ingestData-value", "before it is registered"),
            Example(
                "git show HEAD:trip.avsc | taxi-cli schema check - -s trips-value || exit 1", "in a script"),
        ],
        arguments: [SchemaCommand.file], options: [SchemaCommand.subjectOption] + registryOptions
    ) { arguments in
        let subject = try SchemaCommand.givenSubject(arguments)
        let file = arguments.positionals[0]
        let text = try SchemaCommand.read(file)
        try requireSchema(text, file: file)
        let registry = try openRegistry(arguments)
        let reasons = try registry.incompatibilities(of: text, under: subject)
        let latest = try registry.latest(of: subject)
        if let latest {
            for warning in try changedScales(text, after: latest) { try arguments.say("warning: \(warning)") }
        }
        guard reasons.isEmpty else {
            throw Problem(
                .badData,
                "\"\(file)\" may not be registered under subject \"\(subject)\":\n  "
                    + reasons.joined(separator: "\n  "),
                hint: "Give new fields a default, or see taxi-cli schema set-compatibility --help.")
        }
        try arguments.say(
            latest.map { "\"\(file)\" fits subject \"\(subject)\", whose newest version is \($0.version)" }
                ?? "\"\(file)\" fits: subject \"\(subject)\" has no schema yet")
        return .success
    }

    /// - Throws: `.badData` with line and column of whatever is no schema.
    static func requireSchema(_ text: String, file: String) throws(Problem) { _ = try AvroSchema(text, file: file) }

    private static func changedScales(_ text: String, after latest: RegisteredSchema) throws(Problem) -> [String] {
        do throws(RegistryRefusal) { return try SchemaComparison.warnings(text, after: latest) } catch {
            throw error.asProblem
        }
    }
}
