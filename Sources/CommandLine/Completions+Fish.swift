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
                let offer = Offer(argument)
                if let words = self.words(offer) { lines.append("complete -c \(name) \(condition) \(words)") }
                if let files = self.files(offer) { lines.append("complete -c \(name) \(condition) \(files)") }
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
            function __\(identifier)_names
                set -l words (commandline -opc)
                set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
                $program \(CompletionRequest.command) plain (commandline -cp | string collect) 2>/dev/null
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
            let offer = Offer(option)
            let values = [words(offer), files(offer)].compactMap { $0 }
            parts.append(values.contains("-F") ? "-r" : "-x")
            parts += values
        }
        parts.append("-d \(fishQuoted(sentence(option.help)))")
        return parts.joined(separator: " ")
    }

    private func words(_ offer: Offer) -> String? {
        let words = offer.words + (offer.asks ? ["(__\(identifier)_names)"] : [])
        return words.isEmpty ? nil : "-a \(fishQuoted(words.joined(separator: " ")))"
    }

    private func files(_ offer: Offer) -> String? {
        switch offer.files {
        case .none: nil
        case .folders: "-a '(__fish_complete_directories)'"
        case .endings([]): "-F"
        // In their order, since those that end otherwise come last.
        case .endings(let endings):
            "-k -a '(__fish_complete_suffix \(endings.map { ".\($0)" }.joined(separator: " ")))'"
        }
    }

    /// In single quotes fish knows two escapes only.
    private func fishQuoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" ? "\\'" : $0 == "\\" ? "\\\\" : $0 == "\n" ? " " : String($0) }.joined() + "'"
    }
}
