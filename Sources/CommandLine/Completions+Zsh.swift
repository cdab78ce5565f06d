extension Completions {
    /// One function a command, each with `_arguments`; a command that holds others hands on to theirs.
    func zsh() -> String {
        var functions: [String] = []
        for (path, command) in commands { functions.append(function(path, command)) }
        return """
            #compdef \(name)
            # Completion of \(name) for zsh. Install: \(name) completions zsh > a folder of $fpath, as _\(name)

            \(functions.joined(separator: "\n\n"))

            _\(identifier)_names() {
                local -a names
                names=("${(@f)$("$\(identifier)_program" \(CompletionRequest.command) plain "$LBUFFER" 2>/dev/null)}")
                [[ -n $names[1] ]] && compadd "$@" -a -- names
            }

            _\(identifier)_names_or_files() {
                local endings=${@[-1]} nothing=1
                _\(identifier)_names "${@[1,-2]}" && nothing=0
                _files "${@[1,-2]}" -g "*.($endings)" && nothing=0
                return nothing
            }

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
            // Where a name may be a subcommand or an argument, the states offer both; _arguments takes one rule for the rest alone.
            if hasCommands, index == 0 || argument.takesMany { continue }
            let position = argument.takesMany ? "*" : "\(index + 1)"
            specs.append(quoted("\(position):\(plain(argument.name)):\(action(Offer(argument)))"))
        }
        if hasCommands { specs.append("'*:: :->words'") }
        let list = specs.map { "        \($0)" }.joined(separator: " \\\n")
        // What _arguments makes of the words below a command does not begin with the program any more.
        let program =
            path.isEmpty
            ? "    local \(identifier)_program=${${(Q)words[1]}/#\\~\\//$HOME/}\n" : ""
        guard hasCommands else {
            return "\(function(named: path))() {\n\(program)    _arguments -s -S \\\n\(list)\n}"
        }
        let names = command.subcommands.map { "            \(quoted("\($0.name):\(plain($0.summary))"))" }
        let choices = command.arguments.flatMap { $0.kind.choices ?? [] }.map { "            \(quoted($0))" }
        let own = command.arguments.map { action(Offer($0)) }.filter { $0.hasPrefix("_") }
        let routes =
            command.subcommands.map { "            \($0.name)) \(function(named: path + [$0.name])) ;;" }
            + own.map { "            *) \($0) ;;" }
        let beside = own.map { "\n            \($0)" }.joined()
        return """
            \(function(named: path))() {
            \(program)    local state line
                local -a commands
                _arguments -C -s \\
            \(list)
                case $state in
                    command)
                        commands=(
            \((names + choices).joined(separator: "\n"))
                        )
                        _describe -t commands command commands\(beside)
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
        let value = option.placeholder.map { ":\(plain($0)):\(action(Offer(option)))" } ?? ""
        let sign = option.arity == .flag ? "" : "="
        let many = option.isRepeated ? "*" : ""
        guard let short = option.short else { return quoted("\(many)--\(option.long)\(sign)\(text)\(value)") }
        let excluded = option.isRepeated ? "" : "(-\(short) --\(option.long))"
        return quoted(excluded) + "{\(many)-\(short),\(many)--\(option.long)\(sign)}" + quoted(text + value)
    }

    private func action(_ offer: Offer) -> String {
        switch offer.files {
        case .none where offer.asks: "_\(identifier)_names"
        case .none: offer.words.isEmpty ? " " : "(\(offer.words.joined(separator: " ")))"
        case .folders: "_files -/"
        case .endings(let endings):
            if endings.isEmpty {
                "_files"
            } else if offer.asks {
                "_\(identifier)_names_or_files \"\(endings.joined(separator: "|"))\""
            } else {
                "_files -g \"*.(\(endings.joined(separator: "|")))\""
            }
        }
    }

    /// Text in which nothing ends a part of a specification.
    private func plain(_ text: String) -> String {
        text.map { "[]:\\".contains($0) ? "\\\($0)" : $0 == "\n" ? " " : String($0) }.joined()
    }
}
