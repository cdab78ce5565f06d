extension Completions {
    /// Plain bash 4 without the bash-completion package: finds the command that the words so far lead to, then offers the values
    /// of the option before the cursor, the command's options, its subcommands, or what its arguments are.
    func bash() -> String {
        var descend: [String] = []
        var cases: [String] = []
        for (path, command) in commands {
            let key = path.joined(separator: " ")
            for subcommand in command.subcommands {
                descend.append("            \(quoted("\(key)/\(subcommand.name)")))")
                descend.append("                path=\(quoted((path + [subcommand.name]).joined(separator: " "))) ;;")
            }
            let options = options(of: command)
            let offers = valueOffers(options)
            cases.append("        \(quoted(key)))")
            cases.append("            options=\(quoted(options.map { "--\($0.long)" }.joined(separator: " ")))")
            cases.append("            words=\(quoted(words(of: command).joined(separator: " ")))")
            if takesFiles(command) { cases.append("            files=-f") }
            if !offers.isEmpty {
                cases.append("            case $previous in")
                cases += offers
                cases.append("            esac")
            }
            cases.append("            ;;")
        }
        return """
            # Completion of \(name) for bash. Install: \(name) completions bash > ~/.local/share/bash-completion/completions/\(name)
            _\(identifier)() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
                local path='' word options='' words='' files='' value=''
                for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                    case "$path/$word" in
            \(descend.joined(separator: "\n"))
                    esac
                done
                # bash splits "--option=value" at the sign.
                if [[ $current == '=' ]]; then
                    current=''
                elif [[ $previous == '=' && COMP_CWORD -ge 2 ]]; then
                    previous=${COMP_WORDS[COMP_CWORD-2]}
                fi
                case $path in
            \(cases.joined(separator: "\n"))
                esac
                COMPREPLY=()
                case $value in
                    -f) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
                    -d) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
                    -) return ;;
                    ?*) mapfile -t COMPREPLY < <(compgen -W "$value" -- "$current"); return ;;
                esac
                if [[ $current == -* ]]; then
                    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
                elif [[ -n $files ]]; then
                    compopt -o filenames
                    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")
                else
                    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
                fi
            }
            complete -F _\(identifier) \(name)

            """
    }

    private func words(of command: Command) -> [String] {
        command.subcommands.map(\.name) + command.arguments.flatMap { $0.kind.choices ?? [] }
    }

    private func takesFiles(_ command: Command) -> Bool {
        command.arguments.contains { argument in
            switch Offer(argument.kind) {
            case .files, .directories: true
            case .words, .nothing: false
            }
        }
    }

    private func valueOffers(_ options: [Option]) -> [String] {
        options.filter { $0.arity != .flag }.map { option in
            let names = (option.short.map { "-\($0)|" } ?? "") + "--\(option.long)"
            let value =
                switch Offer(option.kind) {
                case .words(let words): quoted(words.joined(separator: " "))
                case .files: "-f"
                case .directories: "-d"
                case .nothing: "-"
                }
            return "                \(names)) value=\(value) ;;"
        }
    }
}
