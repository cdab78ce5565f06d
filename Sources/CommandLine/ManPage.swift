/// The manual of a program as one roff page (`man` macros).
public struct ManPage {
    private let program: Program

    public init(_ program: Program) { self.program = program }

    /// Source of `taxi-cli.1`.
    public func text() -> String {
        let root = program.root
        var lines = [
            ".TH \(escaped(root.name).uppercased()) 1 \"\" \"\(escaped(root.name)) \(escaped(program.version))\"",
            ".SH NAME",
            "\(escaped(root.name)) \\- \(escaped(root.summary))",
            ".SH SYNOPSIS",
            ".B \(escaped(root.name))",
            ".I command",
            "[\\fIoptions\\fR]",
            ".SH EXAMPLES",
        ]
        lines += examples(root)
        if !root.discussion.isEmpty { lines += [".SH DESCRIPTION"] + paragraphs(root.discussion) }
        lines.append(".SH GLOBAL OPTIONS")
        lines += options(program.globals)
        lines.append(".SH COMMANDS")
        for (path, command) in root.flattened().dropFirst() { lines += section(path.joined(separator: " "), command) }
        lines += [".SH EXIT STATUS"] + Self.exitCodes.flatMap { [".TP", ".B \($0.0)", escaped($0.1)] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func section(_ path: String, _ command: Command) -> [String] {
        var lines = [".SS \"\(escaped(path))\""]
        lines += paragraphs(sentence(command.summary) + (command.discussion.isEmpty ? "" : "\n" + command.discussion))
        for usage in HelpPage(command: command, path: path, globals: []).usages() {
            lines += [".PP", "\\fBUsage:\\fR \(escaped(usage))"]
        }
        for argument in command.arguments {
            lines += [".TP", ".I \(escaped(argument.usage))", escaped(sentence(argument.help))]
        }
        lines += options(command.options)
        return lines + [".PP", "Examples:"] + examples(command)
    }

    private func examples(_ command: Command) -> [String] {
        command.examples.flatMap {
            [".PP", ".nf", ".RS", escaped($0.line), ".RE", ".fi", escaped(sentence($0.explanation))]
        }
    }

    private func options(_ options: [Option]) -> [String] {
        options.flatMap { option in
            let usage = option.usage.drop { $0 == " " }
            let remarks = option.remarks.isEmpty ? "" : " [\(option.remarks.joined(separator: "; "))]"
            return [".TP", ".B \(escaped(String(usage)))", escaped(sentence(option.help) + remarks)]
        }
    }

    private func paragraphs(_ text: String) -> [String] {
        text.split(separator: "\n").flatMap { [".PP", escaped(String($0))] }
    }

    /// Text that roff prints as it is: hyphens stay ASCII, so that options can be copied; no line becomes a request.
    private func escaped(_ text: String) -> String {
        var output = ""
        for character in text {
            switch character {
            case "\\": output += "\\e"
            case "-": output += "\\-"
            case "\"": output += "\\(dq"
            case "…": output += "..."
            case "\n": output += " "
            default: output.append(character)
            }
        }
        return output.hasPrefix(".") || output.hasPrefix("'") ? "\\&" + output : output
    }

    static let exitCodes: [(String, String)] = [
        ("0", "Success; also a pipe that its reader closed."),
        ("64", "The command line asks for something that does not exist."),
        ("65", "The input is not what it should be, or an audit found a difference."),
        ("66", "An input file is missing or cannot be read."),
        ("69", "A service such as the broker is unavailable."),
        ("70", "A mistake in the program itself."),
        ("73", "A file or database cannot be created."),
        ("74", "Reading or writing failed."),
        ("75", "Something else is in the way for now; try again."),
        ("77", "A permission is missing, or a secret lies open."),
        ("78", "taxi.yaml or a declaration is wrong."),
        ("130", "Interrupted by Ctrl\u{2D}C."),
    ]
}
