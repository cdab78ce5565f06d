import CommandLine
import Problems
import SchemaRegistry

enum SchemaShowCommand {
    static let command = Command(
        name: "show", summary: "print a schema as it was registered",
        discussion: "With --format it is a row, with its subject, version and id.",
        examples: [
            Example("taxi-cli schema show chicago_ingestData-value", "the newest version, for a pipe or a file"),
            Example("taxi-cli schema show chicago_ingestData-value 2 --format json", "another one, with its id"),
        ],
        arguments: [
            SchemaCommand.subject,
            Argument(
                "VERSION", .optional, kind: .custom(SchemaCommand.checkVersion),
                help: "a number from 1 on, or latest (default: latest)"),
        ],
        options: [Option("deleted", help: "also one that was deleted, but not for good")]
    ) { arguments in
        let choice = try SchemaCommand.choice(arguments.positionals.dropFirst().first ?? "latest")
        let schema = try GlobalOptions(arguments).openCatalog()
            .schema(choice, of: arguments.positionals[0], deleted: arguments.isOn("deleted"))
        if arguments.texts("format").isEmpty {
            let text = arguments.terminal.outputIsTerminal ? visible(schema.schema, lines: true) : schema.schema
            try arguments.output.writeLine(text)
        } else {
            var table = SchemaCommand.table([schema])
            table.columns.append(Column("schema"))
            table.rows[0].append(.text(schema.schema))
            try arguments.write(table)
        }
        return .success
    }
}
