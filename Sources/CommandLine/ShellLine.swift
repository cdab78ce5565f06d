/// The last command of a line that somebody is typing into a POSIX shell, taken apart as far as that needs no shell: quotes, backslashes,
/// `~/`, `$NAME` and `${NAME}`. What only running it would tell (`$(…)`, `*`) stays as it is written.
struct ShellLine {
    /// Variables that are set in front of the command: `TAXI_HOME=/srv taxi-cli show`.
    private(set) var assignments: [String: String] = [:]
    /// Whether the last word stands in a quote that is still open.
    private(set) var isQuoted = false
    /// The words; the last one is being typed, and may be empty.
    private var words: [[Piece]] = [[]]

    /// A stretch of a word in which all is quoted in one way.
    private struct Piece {
        var text: String
        /// Whether `$NAME` means a variable in it.
        var expands: Bool
        /// Whether a `~` in front of it means the home.
        var isBare: Bool
    }

    init(_ line: String) {
        var scanner = Array(line)[...]
        var isWord = false
        func add(_ text: String, expands: Bool, isBare: Bool = false) {
            let last = words.count - 1
            if isBare, let piece = words[last].last, piece.isBare {
                words[last][words[last].count - 1].text += text
            } else {
                words[last].append(Piece(text: text, expands: expands, isBare: isBare))
            }
            isWord = true
        }
        while let character = scanner.popFirst() {
            switch character {
            case " ", "\t":
                if isWord { words.append([]) }
                isWord = false
            case ";", "|", "&", "(", "`", "\n": (words, isWord) = ([[]], false)
            case "\\":
                let next = scanner.popFirst()
                // One that nothing follows yet quotes what comes.
                if next != "\n" { add(next.map { String($0) } ?? "", expands: false) }
            case "'":
                let text = scanner.prefix { $0 != "'" }
                scanner = scanner.dropFirst(text.count)
                isQuoted = scanner.popFirst() == nil
                add(String(text), expands: false)
            case "\"":
                var text = ""
                isQuoted = true
                while let next = scanner.popFirst() {
                    if next == "\"" {
                        isQuoted = false
                        break
                    }
                    if next == "\\", let escaped = scanner.first, "\"\\$`\n".contains(escaped) {
                        scanner.removeFirst()
                        add(text, expands: true)
                        add(escaped == "\n" ? "" : String(escaped), expands: false)
                        text = ""
                    } else {
                        text.append(next)
                    }
                }
                add(text, expands: true)
            default: add(String(character), expands: true, isBare: true)
            }
        }
        takeAssignments()
    }

    private mutating func takeAssignments() {
        while words.count > 1, let first = words[0].first, first.isBare, let sign = first.text.firstIndex(of: "="),
            sign > first.text.startIndex, first.text[..<sign].allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
        {
            let name = String(first.text[..<sign])
            words[0][0].text.removeSubrange(...sign)
            assignments[name] = Self.expanded(words.removeFirst(), assignments)
        }
    }

    /// The words as the program would be given them.
    func expanded(_ environment: [String: String]) -> [String] { words.map { Self.expanded($0, environment) } }

    private static func expanded(_ word: [Piece], _ environment: [String: String]) -> String {
        var text = ""
        for (index, piece) in word.enumerated() {
            var part = piece.expands ? variables(in: piece.text, environment) : piece.text
            if index == 0, piece.isBare, let home = environment["HOME"], part == "~" || part.hasPrefix("~/") {
                part = home + part.dropFirst()
            }
            text += part
        }
        return text
    }

    private static func variables(in text: String, _ environment: [String: String]) -> String {
        guard text.contains("$") else { return text }
        var (result, rest) = ("", text[...])
        while let sign = rest.firstIndex(of: "$") {
            result += rest[..<sign]
            rest = rest[rest.index(after: sign)...]
            let isBraced = rest.first == "{"
            let name = rest.dropFirst(isBraced ? 1 : 0).prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            let after = rest[name.endIndex...]
            guard !name.isEmpty, !isBraced || after.first == "}" else {
                result += "$"
                continue
            }
            result += environment[String(name)] ?? ""
            rest = isBraced ? after.dropFirst() : after
        }
        return result + rest
    }

    /// A word as it has to be typed, so that bash takes it as it is.
    static func quoted(_ word: String) -> String {
        String(
            word.flatMap { character -> [Character] in
                let isPlain = character.isLetter || character.isNumber || "_-./:=+,@%^".contains(character)
                return isPlain ? [character] : ["\\", character]
            })
    }
}
