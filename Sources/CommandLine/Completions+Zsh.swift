extension Completions {
    /// One function a command, each with `_arguments`; a command that holds others hands on to theirs.
    func zsh() -> String {
        var functions: [String] = []
        for (path, command) in commands { functions.append(function(path, command)) }
        return """
            #compdef \(name)
            # Completion of \(name) for zsh. Install: \(name) completions zsh > a folder of $fpath, as _\(name)

            \(functions.joined(separator: "\n\n"))

            if [[ $funcstack[1] == _\(name) ]]; then
                \(function(named: [])) "$@"
            else
                compdef \(function(named: [])) \(name)
            fi

            """
    }

    private func function(named path: [String]) -> String {
        "_" + ([identifier] + path.map { $0.map { $0 == "-" ? "_" : String($0) }.joined() }).joined(separator: "__")
    }

    private func function(_ path: [String], _ command: Command) -> String {
        var specs = options(of: command).map(spec)
        let hasCommands = !command.subcommands.isEmpty
        if hasCommands { specs.append("'1: :->command'") }
        for (index, argument) in command.arguments.enumerated() {
            // Where a name may be a subcommand or an argument, the state offers both.
            if hasCommands, index == 0, !argument.takesMany { continue }
            let position = argument.takesMany ? "*" : "\(index + 1)"
            specs.append(quoted("\(position):\(plain(argument.name)):\(action(argument.kind))"))
        }
        if hasCommands { specs.append("'*:: :->words'") }
        let list = specs.map { "        \($0)" }.joined(separator: " \\\n")
        guard hasCommands else {
            return "\(function(named: path))() {\n    _arguments -s -S \\\n\(list)\n}"
        }
        let names = command.subcommands.map { "            \(quoted("\($0.name):\(plain($0.summary))"))" }
        let choices = command.arguments.flatMap { $0.kind.choices ?? [] }.map { "            \(quoted($0))" }
        let routes = command.subcommands.map { "            \($0.name)) \(function(named: path + [$0.name])) ;;" }
        return """
            \(function(named: path))() {
                local state line
                local -a commands
                _arguments -C -s \\
            \(list)
                case $state in
                    command)
                        commands=(
            \((names + choices).joined(separator: "\n"))
                        )
                        _describe -t commands command commands
                        ;;
                    words)
                        case $line[1] in
            \(routes.joined(separator: "\n"))
                        esac
                        ;;
                esac
            }
            """
    }

    private func spec(_ option: Option) -> String {
        let text = "[\(plain(option.help))]"
        let value = option.placeholder.map { ":\(plain($0)):\(action(option.kind))" } ?? ""
        let sign = option.arity == .flag ? "" : "="
        let many = option.isRepeated ? "*" : ""
        guard let short = option.short else { return quoted("\(many)--\(option.long)\(sign)\(text)\(value)") }
        let excluded = option.isRepeated ? "" : "(-\(short) --\(option.long))"
        return quoted(excluded) + "{\(many)-\(short),\(many)--\(option.long)\(sign)}" + quoted(text + value)
    }

    private func action(_ kind: ValueKind) -> String {
        switch Offer(kind) {
        case .words(let words): "(\(words.joined(separator: " ")))"
        case .files: "_files"
        case .directories: "_files -/"
        case .nothing: " "
        }
    }

    /// Text in which nothing ends a part of a specification.
    private func plain(_ text: String) -> String {
        text.map { "[]:\\".contains($0) ? "\\\($0)" : $0 == "\n" ? " " : String($0) }.joined()
    }
}
