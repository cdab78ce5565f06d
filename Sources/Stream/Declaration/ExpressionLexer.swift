import Problems
import YAML

/// A piece of an expression and the byte of the text that it begins at.
struct Token {
    enum Kind: Equatable {
        /// A name or keyword, as written.
        case word(String)
        /// Digits with an optional sign and point, as written.
        case number(String)
        /// What stood between single quotes, with doubled ones made single.
        case string([UInt8])
        case symbol(String)
        case end
    }
    var kind: Kind
    var offset: Int

    /// How a message names it.
    var description: String {
        switch kind {
        case .word(let text), .number(let text), .symbol(let text): "\"\(text)\""
        case .string(let bytes): "the text '\(String(decoding: bytes, as: UTF8.self))'"
        case .end: "its end"
        }
    }
}

/// Cuts the expression in a YAML scalar into tokens.
struct ExpressionLexer {
    private let node: YAMLNode
    private let text: [UInt8]
    private var index = 0

    init(_ node: YAMLNode, text: String) {
        (self.node, self.text) = (node, Array(text.utf8))
    }

    /// All tokens, the last of them `.end`.
    ///
    /// - Throws: `Problem` for a character that belongs to no token, and for text without a closing quote.
    static func tokens(of node: YAMLNode) throws(Problem) -> [Token] {
        var lexer = ExpressionLexer(node, text: try node.text())
        var tokens: [Token] = []
        repeat { tokens.append(try lexer.next()) } while tokens[tokens.count - 1].kind != .end
        return tokens
    }

    private mutating func next() throws(Problem) -> Token {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
        let start = index
        guard let byte = peek() else { return Token(kind: .end, offset: start) }
        if Self.isLetter(byte) {
            while let byte = peek(), Self.isLetter(byte) || Self.isDigit(byte) { index += 1 }
            return Token(kind: .word(slice(from: start)), offset: start)
        }
        if Self.isDigit(byte) || (byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")) && digitFollows(start) {
            index += 1
            while let byte = peek(), Self.isDigit(byte) || byte == UInt8(ascii: ".") { index += 1 }
            return Token(kind: .number(slice(from: start)), offset: start)
        }
        switch byte {
        case UInt8(ascii: "'"): return try string(from: start)
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: "*"): index += 1
        case UInt8(ascii: "="), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "!"):
            index += 1
            while let byte = peek(), byte == UInt8(ascii: "=") || byte == UInt8(ascii: ">") { index += 1 }
        case UInt8(ascii: "\""):
            throw node.problem(
                "text goes in single quotes here", atByteOfText: start, hint: "Write 'Cash'; a quote in it is doubled.")
        default:
            while index + 1 < text.count, text[index + 1] & 0xC0 == 0x80 { index += 1 }
            index += 1
            throw node.problem("unexpected \"\(slice(from: start))\"", atByteOfText: start)
        }
        return Token(kind: .symbol(slice(from: start)), offset: start)
    }

    private mutating func string(from start: Int) throws(Problem) -> Token {
        var bytes: [UInt8] = []
        index += 1
        while let byte = peek() {
            index += 1
            if byte == UInt8(ascii: "'") {
                guard peek() == byte else { return Token(kind: .string(bytes), offset: start) }
                index += 1
            }
            bytes.append(byte)
        }
        throw node.problem(
            "this text has no closing quote", atByteOfText: start, hint: "End it with '; a quote in it is doubled.")
    }

    private func peek() -> UInt8? { index < text.count ? text[index] : nil }
    private func slice(from start: Int) -> String { String(decoding: text[start..<index], as: UTF8.self) }

    private func digitFollows(_ start: Int) -> Bool {
        guard start + 1 < text.count else { return false }
        return Self.isDigit(text[start + 1])
            || text[start + 1] == UInt8(ascii: ".") && start + 2 < text.count && Self.isDigit(text[start + 2])
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }
    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 >= 97 && byte | 0x20 <= 122 || byte == UInt8(ascii: "_")
    }
}
