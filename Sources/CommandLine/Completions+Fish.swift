extension Completions {
    /// A function tells which command the words so far lead to; every `complete` line holds for one command.
    func fish() -> String {
        var lines: [String] = []
        var descend: [String] = []
        for (path, command) in commands {
            let key = path.joined(separator: " ")
            let condition = "-n '__\(identifier)_at \"\(key)\"'"
            for subcommand in command.subcommands {
                descend.append("            case '\(key)/\(subcommand.name)'")
                descend.append("                set at '\((path + [subcommand.name]).joined(separator: " "))'")
                lines.append(
                    "complete -c \(name) \(condition) -a \(subcommand.name) -d \(fishQuoted(sentence(subcommand.summary)))"
                )
            }
            for argument in command.arguments {
                switch Offer(argument.kind) {
                case .words(let words):
                    lines.append("complete -c \(name) \(condition) -a \(fishQuoted(words.joined(separator: " ")))")
                case .files: lines.append("complete -c \(name) \(condition) -F")
                case .directories:
                    lines.append("complete -c \(name) \(condition) -a '(__fish_complete_directories)'")
                case .nothing: break
                }
            }
            for option in options(of: command) { lines.append(line(option, condition)) }
        }
        return """
            # Completion of \(name) for fish. Install: \(name) completions fish > ~/.config/fish/completions/\(name).fish
            function __\(identifier)_at
                set -l at ''
                set -l words (commandline -opc)
                for word in $words[2..-1]
                    switch "$at/$word"
            \(descend.joined(separator: "\n"))
                    end
                end
                test "$at" = "$argv[1]"
            end
            complete -c \(name) -f
            \(lines.joined(separator: "\n"))

            """
    }

    private func line(_ option: Option, _ condition: String) -> String {
        var parts = ["complete -c \(name) \(condition)"]
        if let short = option.short { parts.append("-s \(short)") }
        parts.append("-l \(option.long)")
        if option.arity != .flag {
            switch Offer(option.kind) {
            case .words(let words): parts.append("-x -a \(fishQuoted(words.joined(separator: " ")))")
            case .files: parts.append("-r -F")
            case .directories: parts.append("-x -a '(__fish_complete_directories)'")
            case .nothing: parts.append("-x")
            }
        }
        parts.append("-d \(fishQuoted(sentence(option.help)))")
        return parts.joined(separator: " ")
    }

    /// In single quotes fish knows two escapes only.
    private func fishQuoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" ? "\\'" : $0 == "\\" ? "\\\\" : $0 == "\n" ? " " : String($0) }.joined() + "'"
    }
}
