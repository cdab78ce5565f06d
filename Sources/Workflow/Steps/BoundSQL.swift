internal import SQLite

/// SQL with values filled in as parameters, so that a value is never read as SQL, whatever stands in it.
///
///     WHERE day >= '{{ interval.start }}'    the text in quotes is bound as a whole
///     WHERE trips > {{ params.least }}       a number is bound as a number, anything else as a text
///     FROM "{{ params.table }}"              a name stays one name
struct BoundSQL {
    private(set) var text = ""
    private(set) var parameters: [String: SQLValue] = [:]

    /// What the end of the SQL read so far is in.
    private enum State { case sql, literal, name(Character), lineComment, blockComment }

    /// - Parameter parts: SQL as it is written, and the values between.
    init(_ parts: [(text: String, isValue: Bool)]) {
        var state = State.sql
        // Of the literal that is open: how it is written, what it says, and whether there is a value in it.
        var (written, said, isFilled) = ("", "", false)
        for part in parts {
            if part.isValue {
                switch state {
                case .sql: text += bind(Self.value(part.text))
                case .literal:
                    said += part.text
                    isFilled = true
                case .name(let quote):
                    for character in part.text.unicodeScalars {
                        text.unicodeScalars.append(character)
                        if Character(character) == quote { text.append(quote) }
                    }
                case .lineComment, .blockComment: break
                }
                continue
            }
            var rest = part.text.unicodeScalars[...]
            while let scalar = rest.popFirst() {
                switch (state, scalar) {
                case (.literal, "'"):
                    written.unicodeScalars.append(scalar)
                    if rest.first == "'" {
                        written.unicodeScalars.append(rest.removeFirst())
                        said += "'"
                    } else {
                        text += isFilled ? bind(.text(said)) : written
                        state = .sql
                    }
                    continue
                case (.literal, _):
                    written.unicodeScalars.append(scalar)
                    said.unicodeScalars.append(scalar)
                    continue
                case (.sql, "'"):
                    (state, written, said, isFilled) = (.literal, "'", "", false)
                    continue
                case (.sql, "\""), (.sql, "`"): state = .name(Character(scalar))
                case (.sql, "-") where rest.first == "-": state = .lineComment
                case (.sql, "/") where rest.first == "*":
                    // Not to be taken for the end as well: "/*/".
                    text.unicodeScalars.append(scalar)
                    text.unicodeScalars.append(rest.removeFirst())
                    state = .blockComment
                    continue
                case (.name(let quote), _) where Character(scalar) == quote: state = .sql
                case (.lineComment, "\n"): state = .sql
                case (.blockComment, "*") where rest.first == "/":
                    text.unicodeScalars.append(scalar)
                    text.unicodeScalars.append(rest.removeFirst())
                    state = .sql
                    continue
                default: break
                }
                text.unicodeScalars.append(scalar)
            }
        }
        // One that is never closed is for SQLite to refuse.
        if case .literal = state { text += written }
    }

    private mutating func bind(_ value: SQLValue) -> String {
        let name = ":filled_\(parameters.count + 1)"
        parameters[name] = value
        return name
    }

    /// A number where the text is how SQL would write that number.
    private static func value(_ text: String) -> SQLValue {
        if let number = Int64(text), "\(number)" == text { return .integer(number) }
        if text.utf8.allSatisfy({ 48...57 ~= $0 || "+-.eE".utf8.contains($0) }),
            text.utf8.contains(where: { 48...57 ~= $0 }),
            !text.utf8.starts(with: "0".utf8) || text.utf8.starts(with: "0.".utf8), let number = Double(text),
            number.isFinite
        {
            return .real(number)
        }
        return .text(text)
    }
}
