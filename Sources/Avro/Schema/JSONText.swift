import Basics
package import Problems

/// A value of JSON text, without its place: what defaults are kept as.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// As it was written.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Sendable, Hashable {
        package var name: String
        package var value: JSONValue
        package init(name: String, value: JSONValue) { (self.name, self.value) = (name, value) }
    }

    /// - Parameter file: what messages call it.
    /// - Throws: `.badData` for what is no JSON, or nested too deep.
    package init(_ bytes: [UInt8], file: String) throws(Problem) {
        var text = JSONText(bytes, file: file)
        self = try text.read().value
    }
}

/// A value of JSON text that knows where it stands.
struct JSONNode {
    enum Content {
        case null
        case bool(Bool)
        case number(String)
        case string(String)
        case array([JSONNode])
        case object([Member])
    }
    struct Member {
        var name: String
        /// Of its name.
        var at: Int
        var value: JSONNode
    }

    var content: Content
    /// Bytes before it.
    var at: Int

    var value: JSONValue {
        switch content {
        case .null: .null
        case .bool(let value): .bool(value)
        case .number(let text): .number(text)
        case .string(let text): .string(text)
        case .array(let items): .array(items.map(\.value))
        case .object(let members): .object(members.map { .init(name: $0.name, value: $0.value.value) })
        }
    }

    /// What it is, for messages.
    var kind: String {
        switch content {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// Reads JSON (RFC 8259) that a person wrote: every value with its place, each mistake with line and column.
struct JSONText {
    private let bytes: [UInt8]
    private let file: String
    private var at = 0

    /// Schemas that anybody means are flat; deeper ones are meant to exhaust a stack.
    static let maximumDepth = 64
    static let maximumBytes = 8 << 20

    init(_ bytes: [UInt8], file: String) { (self.bytes, self.file) = (bytes, file) }

    /// - Throws: `.badData` for text that is no JSON.
    mutating func read() throws(Problem) -> JSONNode {
        guard bytes.count <= Self.maximumBytes else {
            throw Problem(.badData, "\(file): a schema of more than \(Self.maximumBytes >> 20) MiB is not read")
        }
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { at = 3 }
        let node = try value(depth: 0)
        skipBlanks()
        guard at == bytes.count else { throw fault("text follows the schema") }
        return node
    }

    /// A problem of what stands at a place.
    func problem(at place: Int, _ message: String, hint: String? = nil) -> Problem {
        let before = bytes[..<min(place, bytes.count)]
        let lineStart = (before.lastIndex(of: 0x0a) ?? -1) + 1
        let column = place - lineStart + 1
        let line = bytes[lineStart...].prefix { $0 != 0x0a && $0 != 0x0d }
        let shown = shownLine(line, around: column)
        return Problem(
            .badData, message,
            at: InputLocation(file: file, line: before.count { $0 == 0x0a } + 1, column: column),
            hint: hint, sourceLine: shown.text, sourceColumn: shown.column)
    }

    private func fault(_ message: String) -> Problem { problem(at: at, message) }
}

extension JSONText {
    private mutating func skipBlanks() {
        while at < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard at < bytes.count, bytes[at] == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(Problem) -> JSONNode {
        skipBlanks()
        guard depth < Self.maximumDepth else { throw fault("nested deeper than \(Self.maximumDepth) levels") }
        guard at < bytes.count else { throw fault("expected a value, and the text ends") }
        let start = at
        switch bytes[at] {
        case UInt8(ascii: "{"): return JSONNode(content: .object(try members(depth: depth)), at: start)
        case UInt8(ascii: "["): return JSONNode(content: .array(try items(depth: depth)), at: start)
        case UInt8(ascii: "\""): return JSONNode(content: .string(try string()), at: start)
        case UInt8(ascii: "-"), 48...57: return JSONNode(content: .number(try number()), at: start)
        default:
            for (word, content) in [("null", JSONNode.Content.null), ("true", .bool(true)), ("false", .bool(false))]
            where bytes[at...].starts(with: word.utf8) {
                at += word.utf8.count
                return JSONNode(content: content, at: start)
            }
            throw fault("expected a value")
        }
    }

    private mutating func members(depth: Int) throws(Problem) -> [JSONNode.Member] {
        at += 1
        var members: [JSONNode.Member] = []
        if take("}") { return members }
        var seen: Set<String> = []
        repeat {
            skipBlanks()
            let place = at
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw fault("expected a name in quotes") }
            let name = try string()
            guard seen.insert(name).inserted else { throw problem(at: place, "\"\(name)\" stands there twice") }
            guard take(":") else { throw fault("expected \":\"") }
            members.append(.init(name: name, at: place, value: try value(depth: depth + 1)))
        } while take(",")
        guard take("}") else { throw fault("expected \",\" or \"}\"") }
        return members
    }

    private mutating func items(depth: Int) throws(Problem) -> [JSONNode] {
        at += 1
        var items: [JSONNode] = []
        if take("]") { return items }
        repeat { items.append(try value(depth: depth + 1)) } while take(",")
        guard take("]") else { throw fault("expected \",\" or \"]\"") }
        return items
    }

    private mutating func number() throws(Problem) -> String {
        let start = at
        func digits() -> Int { bytes[at...].prefix { $0 >= 48 && $0 <= 57 }.count }
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let wholes = digits()
        guard wholes > 0, wholes == 1 || bytes[at] != UInt8(ascii: "0") else { throw fault("unreadable number") }
        at += wholes
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            guard digits() > 0 else { throw fault("unreadable number") }
            at += digits()
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") { at += 1 }
            guard digits() > 0 else { throw fault("unreadable number") }
            at += digits()
        }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func string() throws(Problem) -> String {
        let start = at
        at += 1
        var text: [UInt8] = []
        while true {
            guard at < bytes.count else { throw problem(at: start, "a string without its closing quote") }
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") { break }
            guard byte >= 0x20 else { throw fault("control character in a string") }
            if byte == UInt8(ascii: "\\") {
                text += try escape()
            } else {
                text.append(byte)
                at += 1
            }
        }
        at += 1
        guard let string = String(validating: text, as: UTF8.self) else {
            throw problem(at: start, "a string that is no UTF-8")
        }
        return string
    }

    /// Takes an escape, or both halves of a surrogate pair; gives its UTF-8.
    private mutating func escape() throws(Problem) -> [UInt8] {
        let start = at
        guard at + 1 < bytes.count else { throw fault("a string without its closing quote") }
        let letter = bytes[at + 1]
        at += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            guard var code = codeUnit() else { throw problem(at: start, "unknown escape in a string") }
            if code & 0xfc00 == 0xd800, bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
                at += 2
                guard let low = codeUnit(), low & 0xfc00 == 0xdc00 else {
                    throw problem(at: start, "half of a surrogate pair in a string")
                }
                code = 0x10000 + (code & 0x3ff) << 10 | (low & 0x3ff)
            }
            guard let scalar = Unicode.Scalar(code) else {
                throw problem(at: start, "half of a surrogate pair in a string")
            }
            return Array(String(Character(scalar)).utf8)
        default: throw problem(at: start, "unknown escape in a string")
        }
    }

    private mutating func codeUnit() -> UInt32? {
        let digits = bytes[at...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }) else {
            return nil
        }
        at += 4
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}

extension JSONValue {
    /// Compact text; names in their order.
    package func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let number): text += number
        case .string(let string): text += jsonString(string)
        case .array(let items):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += "," }
                item.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                text += jsonString(member.name) + ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }
}
