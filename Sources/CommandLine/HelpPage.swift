/// What `--help` shows of one command: examples first, then what it does and takes.
struct HelpPage {
    let command: Command
    /// From the program's name to the command's, with blanks.
    let path: String
    let globals: [Option]

    /// - Parameter width: columns into which the text is fitted.
    func text(width: Int, style: Style = .plain) -> String {
        var sections: [String] = []
        sections.append(
            command.examples.map { example in
                "  \(style.bold(example.line))\n" + indented(example.explanation, by: 6, width: width)
            }.joined(separator: "\n"))
        sections.append(wrapped(sentence(command.summary), width: width).joined(separator: "\n"))
        if !command.discussion.isEmpty {
            sections.append(wrapped(command.discussion, width: width).joined(separator: "\n"))
        }
        sections.append(usage(width: width, style: style))
        if !command.arguments.isEmpty {
            sections.append(
                list("Arguments", command.arguments.map { ($0.usage, sentence($0.help)) }, width: width, style: style))
        }
        for (group, members) in grouped(command.subcommands, by: \.group) {
            sections.append(list(group, members.map { ($0.name, sentence($0.summary)) }, width: width, style: style))
        }
        let isRoot = !path.contains(" ")
        let shared = command.accepted(withGlobals: globals).dropFirst(command.options.count)
        for (group, members) in grouped(command.options + (isRoot ? shared : []), by: \.group) {
            sections.append(list(group, members.map(entry), width: width, style: style))
        }
        if !isRoot, !shared.isEmpty {
            // Each of them is explained once, with the program; here they would bury the command's own.
            let names = shared.filter(\.hasFlag).map { String($0.usage.drop { $0 == " " }) }
            sections.append(
                style.bold("\(Option.globalGroup):") + "\n"
                    + indented(names.joined(separator: "; "), by: 2, width: width))
        }
        if !command.subcommands.isEmpty {
            sections.append("\"\(path) COMMAND --help\" says more about each.")
        }
        return sections.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    /// The lines that show how the command is written; one that also holds others has two.
    func usages() -> [String] {
        var lines: [String] = []
        if command.canRun || command.subcommands.isEmpty {
            lines.append(([path, "[options]"] + command.arguments.map(\.usage)).joined(separator: " "))
        }
        if !command.subcommands.isEmpty { lines.append("\(path) COMMAND [options]") }
        return lines
    }

    private func usage(width: Int, style: Style) -> String {
        usages().enumerated().map { index, line in
            (index == 0 ? style.bold("Usage:") + " " : "       ") + line
        }.joined(separator: "\n")
    }

    private func entry(_ option: Option) -> (String, String) {
        let remarks = option.remarks
        return (option.usage, sentence(option.help) + (remarks.isEmpty ? "" : " [\(remarks.joined(separator: "; "))]"))
    }

    /// Terms to the left, texts to the right; a term too long for its column has a line of its own.
    private func list(_ title: String, _ entries: [(term: String, text: String)], width: Int, style: Style) -> String {
        let longest = entries.map { displayWidth(of: $0.term) }.max() ?? 0
        let column = min(longest, max(10, min(26, width / 2 - 8))) + 4
        let margin = String(repeating: " ", count: column)
        let lines = entries.map { entry in
            let texts = wrapped(entry.text, width: max(24, width - column))
            let term = "  " + entry.term
            let isLong = displayWidth(of: term) + 2 > column
            let first = isLong ? term + "\n" + margin + texts[0] : pad(term, toWidth: column) + texts[0]
            return ([first] + texts.dropFirst().map { margin + $0 }).joined(separator: "\n")
        }
        return style.bold("\(title):") + "\n" + lines.joined(separator: "\n")
    }
}

/// Members by heading, both in the order in which they first appear.
func grouped<Member>(_ members: [Member], by group: KeyPath<Member, String>) -> [(String, [Member])] {
    var groups: [(String, [Member])] = []
    for member in members {
        if let index = groups.firstIndex(where: { $0.0 == member[keyPath: group] }) {
            groups[index].1.append(member)
        } else {
            groups.append((member[keyPath: group], [member]))
        }
    }
    return groups
}
