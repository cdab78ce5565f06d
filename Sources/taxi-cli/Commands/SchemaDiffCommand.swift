import CommandLine
import Problems
import SchemaRegistry

enum SchemaDiffCommand {
    static let command = Command(
        name: "diff", summary: "show what differs between two versions of a subject",
        discussion: "Both are written in one spelling first, so that blanks and the order of keys make no difference.",
        examples: [
            Example("taxi-cli schema diff chicago_ingestData-value", "what the newest version changed"),
            Example("taxi-cli schema diff chicago_ingestData-value 1 latest", "all that changed since the first"),
        ],
        arguments: [
            SchemaCommand.subject,
            Argument(
                "VERSION", .any, kind: .custom(SchemaCommand.checkVersion),
                help: "the older and the newer one (default: the last two)"),
        ]
    ) { arguments in
        let subject = arguments.positionals[0]
        let given = try arguments.positionals.dropFirst().map { try SchemaCommand.choice($0) }
        guard given.count <= 2 else {
            throw Problem(.usage, "more than two versions are given", hint: "Name the older and the newer one.")
        }
        let catalog = try GlobalOptions(arguments).openCatalog()
        let new = try catalog.schema(given.count == 2 ? given[1] : .latest, of: subject, deleted: false)
        let older: VersionChoice
        if let first = given.first {
            older = first
        } else {
            let numbers = try catalog.versionNumbers(of: subject, deleted: false)
            guard numbers.count > 1 else {
                throw Problem(
                    .noInput, "subject \"\(subject)\" has one version alone",
                    hint: "taxi-cli schema show \(shellWord(subject)) prints it.")
            }
            older = .number(numbers[numbers.count - 2])
        }
        let old = try catalog.schema(older, of: subject, deleted: false)
        func lines(_ schema: RegisteredSchema) throws(Problem) -> [String] {
            try SchemaLines.lines(of: schema.schema, file: "\(subject), version \(schema.version)")
        }
        let style = arguments.terminal.outputStyle
        let isTerminal = arguments.terminal.outputIsTerminal
        func shown(_ text: String) -> String { isTerminal ? printable(text) : text }
        try arguments.output.writeLine("--- \(shown(subject)) version \(old.version) (id \(old.id))")
        try arguments.output.writeLine("+++ \(shown(subject)) version \(new.version) (id \(new.id))")
        for line in SchemaLines.difference(from: try lines(old), to: try lines(new)) {
            switch line {
            case .same(let text): try arguments.output.writeLine("  \(shown(text))")
            case .removed(let text): try arguments.output.writeLine(style.red("- \(shown(text))"))
            case .added(let text): try arguments.output.writeLine(style.green("+ \(shown(text))"))
            }
        }
        return .success
    }
}
