internal import Problems

/// What completion scripts ask the program for at a Tab key: the names that may stand where the cursor is.
///
///     taxi-cli __complete plain LINE
///     taxi-cli __complete bash LINE WORD
///
/// LINE is what was typed up to the cursor, as it was typed. `plain` gives all names as they are, one a line; `bash` those that begin as
/// the last word of LINE does, quoted, and without what stands before WORD in it, since bash takes a word apart at `:` and `=` and
/// replaces the last part alone. Nobody can read an error there: where something is wrong, there are no names.
struct CompletionRequest {
    static let command = "__complete"

    private let words: [String]
    private let program: Program

    /// - Parameter words: what follows `__complete`.
    init(_ words: [String], of program: Program) { (self.words, self.program) = (words, program) }

    /// Writes the names.
    ///
    /// - Returns: the exit code, which is always 0.
    func answer(in surroundings: Program.Surroundings) -> Int32 {
        guard words.count >= 2 else { return 0 }
        let typed = ShellLine(words[1])
        var surroundings = surroundings
        surroundings.environment.merge(typed.assignments) { $1 }
        let line = UnfinishedLine(typed.expanded(surroundings.environment), program)
        guard let due = line.due, let names = try? names(due, line, surroundings) else { return 0 }
        let lines =
            words[0] == "bash" ? forBash(names, line.current, typed, part: words.count > 2 ? words[2] : "") : names
        for name in lines where !name.contains("\n") {
            guard (try? surroundings.output.writeLine(name)) != nil else { return 0 }
        }
        try? surroundings.output.flush()
        return 0
    }

    private func names(
        _ names: Option.Names, _ line: UnfinishedLine, _ surroundings: Program.Surroundings
    ) throws -> [String] {
        let arguments =
            try
            (try? program.arguments(
                of: line.parsed, surroundings, readsConfiguration: line.parsed.command.readsConfiguration,
                isWhole: false))
            ?? program.arguments(of: line.parsed, surroundings, readsConfiguration: false, isWhole: false)
        return try names(arguments, line.current)
    }

    private func forBash(_ names: [String], _ current: String, _ typed: ShellLine, part: String) -> [String] {
        var found = names.filter { $0.hasPrefix(current) }
        if found.isEmpty {
            let lower = current.lowercased()
            found = names.filter { $0.lowercased().hasPrefix(lower) }
        }
        // Behind a quote that is open, what follows is taken as it is.
        if typed.isQuoted { return found }
        let before = current.hasSuffix(part) ? current.dropLast(part.count).count : 0
        return found.map { ShellLine.quoted(String($0.dropFirst(before))) }
    }
}

/// A command line that ends in the word which is being typed.
private struct UnfinishedLine {
    private(set) var parsed: ParsedLine
    /// What gives the names that may stand there; nil where there are none.
    private(set) var due: Option.Names?
    /// What was typed of that word or value.
    private(set) var current = ""

    /// - Parameter words: with the program's name.
    init(_ words: [String], _ program: Program) {
        parsed = ParsedLine(commands: [program.root])
        var awaited: Option?
        var hasOptions = true
        func option(where matches: (Option) -> Bool) -> Option? {
            parsed.command.accepted(withGlobals: program.globals).first { $0.hasFlag && matches($0) }
        }
        for (index, word) in words.enumerated().dropFirst() {
            let isLast = index == words.count - 1
            if let option = awaited {
                awaited = nil
                take(option, word, isLast)
            } else if hasOptions, word == "--" {
                hasOptions = false
            } else if hasOptions, word.hasPrefix("--") {
                let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard let option = option(where: { $0.long == parts[0] }) else { continue }
                if parts.count == 2 {
                    take(option, String(parts[1]), isLast)
                } else if option.arity == .flag {
                    parsed.occurrences.append(.init(long: option.long, text: nil))
                } else if !isLast {
                    awaited = option
                }
            } else if hasOptions, word.hasPrefix("-"), word.count > 1 {
                var rest = word.dropFirst()
                while let character = rest.popFirst(), let option = option(where: { $0.short == character }) {
                    if option.arity == .flag {
                        parsed.occurrences.append(.init(long: option.long, text: nil))
                    } else if !rest.isEmpty {
                        take(option, String(rest), isLast)
                        break
                    } else if !isLast {
                        awaited = option
                    }
                }
            } else if isLast {
                (due, current) = (argument(parsed.positionals.count)?.names, word)
            } else if parsed.positionals.isEmpty,
                let subcommand = parsed.command.subcommands.first(where: { $0.name == word })
            {
                parsed.commands.append(subcommand)
            } else {
                parsed.positionals.append(word)
            }
        }
        let accepted = parsed.command.accepted(withGlobals: program.globals)
        parsed.occurrences.removeAll { occurrence in !accepted.contains { $0.long == occurrence.long } }
    }

    private mutating func take(_ option: Option, _ text: String, _ isLast: Bool) {
        if isLast {
            (due, current) = (option.names, text)
        } else if (try? option.kind.read(text)) != nil {
            // What cannot be read is told when the command runs.
            parsed.occurrences.append(.init(long: option.long, text: text))
        }
    }

    private func argument(_ position: Int) -> Argument? {
        let arguments = parsed.command.arguments
        return position < arguments.count ? arguments[position] : arguments.last.flatMap { $0.takesMany ? $0 : nil }
    }
}
