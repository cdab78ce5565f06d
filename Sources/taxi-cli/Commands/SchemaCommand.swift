import CommandLine
import Problems
import SchemaRegistry

/// `schema`: the schemas of messages, by subject and version.
enum SchemaCommand {
    static let command = Command(
        name: "schema", summary: "keep Avro schemas by subject and version, check new ones, and serve them",
        discussion: """
            Messages in Avro carry the id of their schema. A tenant has a registry of its own, in its folder; the schemas of topic T are those of the \
            subjects T-value and T-key. A schema gets in where it gets on with those before it, by the subject's level of compatibility: BACKWARD unless \
            set (what was written can be read by the new one).
            """,
        examples: [
            Example("taxi-cli schema list", "the subjects, with their newest versions"),
            Example(
                "taxi-cli schema check trip.avsc --subject chicago_ingestData-value",
                "whether a schema may be registered, and what is in the way"),
            Example("taxi-cli schema serve", "for stock clients: http://127.0.0.1:8081"),
        ],
        subcommands: [
            SchemaListCommand.command, SchemaShowCommand.command, SchemaRegisterCommand.command,
            SchemaCheckCommand.command, SchemaDiffCommand.command, SchemaDeleteCommand.command,
            SchemaCompatibilityCommand.command, SchemaServeCommand.command,
        ], group: "Data")

    static let file = Argument(
        "FILE", kind: .file, help: "a schema in JSON, or - for stdin", endings: ["avsc", "json"])
    static let subject = Argument("SUBJECT", help: "the subject", names: CompletedNames.subjects)
    static let subjectOption = Option(
        "subject", short: "s", value: .value("SUBJECT"), help: "the subject, such as chicago_ingestData-value",
        names: CompletedNames.subjects)

    /// - Throws: `.usage` where none is given.
    static func givenSubject(_ arguments: ParsedArguments) throws(Problem) -> String {
        guard let subject = arguments.text("subject"), !subject.isEmpty else {
            throw Problem(
                .usage, "no subject is given", hint: "Say which with --subject, such as chicago_ingestData-value.")
        }
        return subject
    }

    /// A version as a person writes it: a number, or latest.
    ///
    /// - Throws: `.usage`.
    static func choice(_ text: String) throws(Problem) -> VersionChoice {
        do throws(RegistryRefusal) { return try VersionChoice(text) } catch {
            throw Problem(.usage, "\"\(text)\" is no version", hint: "Write a number from 1 on, or latest.")
        }
    }

    static func checkVersion(_ text: String) throws(Problem) { _ = try choice(text) }

    /// The text of a schema's file.
    static func read(_ file: String) throws(Problem) -> String {
        let bytes = try Files.contents(of: file == "-" ? "/dev/stdin" : file, limitBytes: 8 << 20)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.badData, "\"\(visible(file))\" is no text in UTF-8")
        }
        return text
    }

    static func table(_ schemas: [RegisteredSchema]) -> Table {
        var table = Table(columns: [Column("subject"), Column("version", .right), Column("id", .right)])
        for schema in schemas {
            table.rows.append([.text(schema.subject), .integer(Int64(schema.version)), .integer(Int64(schema.id))])
        }
        return table
    }
}
