internal import Problems
internal import SQLite
internal import YAML

/// A query with places to fill in. What is filled in is bound, never read as SQL: `WHERE company = {{ params.company }}`, and as well
/// `'{{ params.company }}'` or `LIKE '{{ params.company }}%'`.
public struct SQLTemplate: Sendable {
    let template: Template
    /// With `?1`, `?2`, … where something is filled in.
    let sql: String
    private let places: [Place]

    private struct Place: Sendable {
        var piece: Template.Piece
        /// Stood in quotes: text, whatever it looks like.
        var isText: Bool
    }

    init(_ node: YAMLNode) throws(Problem) {
        template = try node.template()
        guard template.source.contains(where: { !$0.isWhitespace }) else { throw node.unexpected("a query") }
        var writer = SQLTemplateWriter()
        for piece in template.pieces {
            switch piece {
            case .text(let text): writer.add(Array(text.utf8))
            case .reference(_, let offset):
                guard writer.addPlace() else {
                    throw node.problem(
                        "a value is filled in here as a part of a name", atByteOfText: offset,
                        hint: "Only values can be filled in: take the quotes or the letters around it away.")
                }
            }
        }
        sql = writer.finish()
        let references = template.pieces.filter { if case .reference = $0 { true } else { false } }
        places = zip(references, writer.places).compactMap { piece, place in
            place.map { Place(piece: piece, isText: $0) }
        }
    }

    /// The query, prepared, with the values of this attempt.
    func statement(on connection: Connection, _ attempt: StepAttempt) throws -> Statement {
        do {
            var parameters: [String: SQLValue] = [:]
            for (index, place) in places.enumerated() {
                let text = try attempt.fill(Template(place.piece))
                parameters["?\(index + 1)"] = place.isText ? .text(text) : Self.value(text)
            }
            return try connection.query(sql, parameters: parameters)
        } catch let mistake as SQLMistake {
            throw Problem(
                .badData, "\(template.source): \(mistake.message)",
                hint: places.isEmpty ? nil : "What is filled in stands for a value, never for a name or other SQL.")
        }
    }

    /// A number where it is written as one: a comparison with a text would say something else.
    private static func value(_ text: String) -> SQLValue {
        if let number = Int64(text), !text.hasPrefix("+") { return .integer(number) }
        if text.utf8.allSatisfy({ "-.0123456789eE".utf8.contains($0) }), let number = Double(text), number.isFinite {
            return .real(number)
        }
        return .text(text)
    }
}

/// Follows SQL byte by byte, as far as to know whether a place stands in a text, in a name or in a comment.
private struct SQLTemplateWriter {
    private enum State: Equatable {
        case plain, text, lineComment, blockComment
        /// In quotes that end with this byte.
        case name(UInt8)
    }

    private var state = State.plain
    private var out: [UInt8] = []
    /// Where in `out` the text began in which we are, and whether something is filled in in it.
    private var textStart = 0
    private var textHasPlaces = false
    private var count = 0
    /// Of each place whether it stood in a text; nil in a comment, where nothing is filled in.
    private(set) var places: [Bool?] = []

    mutating func add(_ bytes: [UInt8]) {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            out.append(byte)
            index += 1
            switch state {
            case .plain:
                switch byte {
                case UInt8(ascii: "'"): (state, textStart, textHasPlaces) = (.text, out.count - 1, false)
                case UInt8(ascii: "\""), UInt8(ascii: "`"): state = .name(byte)
                case UInt8(ascii: "["): state = .name(UInt8(ascii: "]"))
                case UInt8(ascii: "-") where next == byte: state = .lineComment
                case UInt8(ascii: "/") where next == UInt8(ascii: "*"):
                    out.append(next)
                    index += 1
                    state = .blockComment
                default: break
                }
            case .text where byte == UInt8(ascii: "'"):
                if next == byte {
                    out.append(next)
                    index += 1
                } else {
                    endText()
                }
            case .name(let end) where byte == end: state = .plain
            case .lineComment where byte == 0x0A: state = .plain
            case .blockComment where byte == UInt8(ascii: "*") && next == UInt8(ascii: "/"):
                out.append(next)
                index += 1
                state = .plain
            default: break
            }
        }
    }

    /// False where no value can stand.
    mutating func addPlace() -> Bool {
        switch state {
        case .name: return false
        case .lineComment, .blockComment: places.append(nil)
        case .text:
            textHasPlaces = true
            out += "' || ?\(nextNumber()) || '".utf8
            places.append(true)
        case .plain:
            if let last = out.last, last == UInt8(ascii: "_") || last == UInt8(ascii: "$") || Self.isWord(last) {
                return false
            }
            out += " ?\(nextNumber()) ".utf8
            places.append(false)
        }
        return true
    }

    mutating func finish() -> String { String(decoding: out, as: UTF8.self) }

    private mutating func endText() {
        state = .plain
        guard textHasPlaces else { return }
        // Before a COLLATE or an operator that binds more strongly.
        out.insert(UInt8(ascii: "("), at: textStart)
        out.append(UInt8(ascii: ")"))
    }

    private mutating func nextNumber() -> Int {
        count += 1
        return count
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte | 0x20) || byte >= 0x80
    }
}
