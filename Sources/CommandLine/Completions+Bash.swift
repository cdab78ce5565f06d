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
            cases.append("        \(quoted(key)))")
            cases.append("            options=\(quoted(options.map { "--\($0.long)" }.joined(separator: " ")))")
            cases.append(
                "            \(assignments(command.arguments.map(Offer.init), command.subcommands.map(\.name)))")
            let offers = options.filter { $0.arity != .flag }.map { option in
                let names = (option.short.map { "-\($0)|" } ?? "") + "--\(option.long)"
                return "                \(names)) due=1 \(assignments([Offer(option)])) ;;"
            }
            if !offers.isEmpty { cases += ["            case $previous in"] + offers + ["            esac"] }
            cases.append("            ;;")
        }
        return """
            # Completion of \(name) for bash. Install: \(name) completions bash > ~/.local/share/bash-completion/completions/\(name)
            _\(identifier)_names() {
                local line=${COMP_LINE:0:COMP_POINT}
                "${1/#\\~\\//$HOME/}" \(CompletionRequest.command) "$2" "$line" "$3" 2>/dev/null
            }
            _\(identifier)_files() {
                local ending found
                found=$(for ending in $1; do compgen -f -X "!*.$ending" -- "$2"; done)
                if [[ -z $found ]]; then
                    compgen -f -- "$2"
                else
                    printf '%s\\n' "$found"
                    compgen -d -- "$2"
                fi
            }
            _\(identifier)() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
                local path='' word due='' options='' words='' files='' asks=''
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
                if [[ -z $due && $current == -* ]]; then
                    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
                    return
                fi
                # The newest runs come first.
                if [[ -n $asks ]]; then compopt -o nosort; fi
                # Where files are offered, readline quotes whatever it inserts.
                local style=bash
                if [[ -n $files ]]; then
                    style=plain
                    compopt -o filenames
                fi
                mapfile -t COMPREPLY < <(
                    compgen -W "$words" -- "$current"
                    if [[ -n $asks ]]; then _\(identifier)_names "${1:-\(name)}" "$style" "$current"; fi
                    case $files in
                        -d) compgen -d -- "$current" ;;
                        ?*) _\(identifier)_files "${files#-f}" "$current" ;;
                    esac
                )
            }
            complete -F _\(identifier) \(name)

            """
    }

    /// What becomes of the script's variables where one of these is due.
    private func assignments(_ offers: [Offer], _ more: [String] = []) -> String {
        let words = more + offers.flatMap(\.words)
        var files = ""
        for offer in offers {
            switch offer.files {
            case .none: continue
            case .folders: files = "-d"
            case .endings(let endings): files = (["-f"] + endings).joined(separator: " ")
            }
        }
        return "words=\(quoted(words.joined(separator: " "))) files=\(quoted(files))"
            + " asks=\(offers.contains(where: \.asks) ? "1" : "''")"
    }
}
