/// The reference of all commands and options as Markdown, for docs/.
public struct CommandReference {
    private let program: Program

    public init(_ program: Program) { self.program = program }

    public func text() -> String {
        var parts: [String] = []
        for (path, command) in program.root.flattened() {
            let name = path.joined(separator: " ")
            let level = path.count == 1 ? "#" : "##"
            parts.append("\(level) \(name)")
            parts.append(sentence(command.summary) + (command.discussion.isEmpty ? "" : "\n\n" + command.discussion))
            parts.append(
                "```sh\n" + command.examples.map { "# \($0.explanation)\n\($0.line)" }.joined(separator: "\n") + "\n```"
            )
            parts.append(
                HelpPage(command: command, path: name, globals: []).usages().map { "`\($0)`" }.joined(separator: "  \n")
            )
            if !command.arguments.isEmpty { parts.append(arguments(command.arguments)) }
            let options = path.count == 1 ? command.options + program.globals : command.options
            if !options.isEmpty { parts.append(table(options)) }
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    private func arguments(_ arguments: [Argument]) -> String {
        arguments.map { "- `\($0.usage)`: \(cell($0.help))" }.joined(separator: "\n")
    }

    private func table(_ options: [Option]) -> String {
        let rows = options.map { option in
            let usage = String(option.usage.drop { $0 == " " })
            let fields = [
                code(usage), cell(option.help), code(option.defaultText), code(option.environment),
                code(option.configKey),
            ]
            return "| " + fields.joined(separator: " | ") + " |"
        }
        return (["| option | what it does | default | environment | taxi.yaml |", "|---|---|---|---|---|"] + rows)
            .joined(separator: "\n")
    }

    private func code(_ text: String?) -> String { text.map { "`\(cell($0))`" } ?? "" }

    private func cell(_ text: String) -> String {
        text.map { $0 == "|" ? "\\|" : $0 == "\n" ? " " : String($0) }.joined()
    }
}
