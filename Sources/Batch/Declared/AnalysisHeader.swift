import Problems

/// The comment lines before the statement of a declared analysis, `-- key: value` each, with the place of every word.
struct AnalysisHeader {
    /// A piece of the text; line and column count from 1, the column in bytes.
    struct Word {
        var text: String
        var line: Int
        var column: Int
    }

    /// A mistake, and where.
    struct Mistake {
        var message: String
        var line: Int
        var column: Int
        var hint: String?
    }

    static let keys = ["name", "about", "by", "columns", "key"]

    private(set) var mistakes: [Mistake] = []
    private var values: [String: Word] = [:]

    init(_ text: String) {
        // By bytes: a CR and an LF are one Character, at which no text would be cut.
        for (index, bytes) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            let whole = Word(text: String(Substring(bytes)), line: index + 1, column: 1)
            let line = whole.trimmed
            if line.text.isEmpty { continue }
            guard line.text.utf8.starts(with: "--".utf8) else { break }
            read(line.from(2))
        }
    }

    /// The value of an entry; nil where there is none, or an empty one.
    func value(_ key: String) -> Word? { values[key].flatMap { $0.text.isEmpty ? nil : $0 } }

    /// The words between the commas of an entry.
    func list(_ key: String) -> [Word] {
        guard let value = value(key) else { return [] }
        var words: [Word] = []
        var offset = 0
        for part in value.text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let word = Word(text: String(Substring(part)), line: value.line, column: value.column + offset).trimmed
            if !word.text.isEmpty { words.append(word) }
            offset += part.count + 1
        }
        return words
    }

    /// `key: value`, where the key is one word in lower case; other comments are for people.
    private mutating func read(_ comment: Word) {
        guard let colon = comment.text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return }
        let before = comment.text.utf8.distance(from: comment.text.startIndex, to: colon)
        let key = Word(text: String(comment.text[..<colon]), line: comment.line, column: comment.column).trimmed
        guard Self.isName(key.text) else { return }
        let value = comment.from(before + 1).trimmed
        if let place = value.text.utf8.firstIndex(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) {
            let offset = value.text.utf8.distance(from: value.text.startIndex, to: place)
            mistakes.append(
                Mistake(
                    message: "there is a control character in \"\(key.text)\"", line: value.line,
                    column: value.column + offset, hint: "Take it out."))
        } else if !Self.keys.contains(key.text) {
            let near = nearestName(to: key.text, among: Self.keys).map { "Did you mean \"\($0)\"? " } ?? ""
            mistakes.append(
                Mistake(
                    message: "unknown entry \"\(key.text)\"", line: key.line, column: key.column,
                    hint: near + "Known: \(Self.keys.joined(separator: ", "))."))
        } else if values.updateValue(value, forKey: key.text) != nil {
            mistakes.append(
                Mistake(
                    message: "\"\(key.text)\" is here twice", line: key.line, column: key.column,
                    hint: "Leave one of them out."))
        }
    }

    /// Lower-case letters, digits and `_`, a letter first, 64 at most.
    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, 97...122 ~= first, text.utf8.count <= 64 else { return false }
        return text.utf8.allSatisfy { 97...122 ~= $0 || 48...57 ~= $0 || $0 == UInt8(ascii: "_") }
    }
}

extension AnalysisHeader.Word {
    /// Without the first bytes, of which none is half a character.
    fileprivate func from(_ count: Int) -> Self {
        Self(text: String(Substring(text.utf8.dropFirst(count))), line: line, column: column + count)
    }

    /// Without blanks around it, CR among them, and without the byte-order mark that editors begin a file with.
    fileprivate var trimmed: Self {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d || $0 == 0x0c }
        var word = self
        if line == 1, column == 1, text.utf8.starts(with: "\u{feff}".utf8) { word = word.from(3) }
        word = word.from(word.text.utf8.prefix(while: isBlank).count)
        let end = word.text.utf8.reversed().prefix(while: isBlank).count
        word.text = String(Substring(word.text.utf8.dropLast(end)))
        return word
    }
}
