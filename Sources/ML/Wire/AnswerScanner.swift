internal import Foundation

/// Why an answer cannot be used, in words.
struct AnswerFault: Error, Equatable {
    var message: String
    init(_ message: String) { self.message = message }
}

/// Walks over the JSON of an answer, checking all of its syntax (RFC 8259) and giving ranges of bytes: nothing is made of them that nobody
/// asks for.
struct AnswerScanner {
    static let maximumDepth = 64

    let bytes: UnsafeBufferPointer<UInt8>
    var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The next byte; 0 at the end.
    @inline(__always) var next: UInt8 { at < bytes.count ? bytes[at] : 0 }

    @inline(__always)
    mutating func skipBlanks() {
        while at < bytes.count, bytes[at] <= 0x20,
            bytes[at] == 0x20 || bytes[at] == 0x0a || bytes[at] == 0x0d || bytes[at] == 0x09
        {
            at += 1
        }
    }

    func fault(_ what: String) -> AnswerFault {
        AnswerFault(at >= bytes.count ? "the answer ends in the middle" : "\(what), at byte \(at + 1) of the answer")
    }

    /// Takes a byte and the blanks behind it.
    @inline(__always)
    mutating func expect(_ byte: UInt8, _ what: StaticString) throws(AnswerFault) {
        guard next == byte, at < bytes.count else { throw fault("\(what) is missing") }
        at += 1
        skipBlanks()
    }

    /// Takes a byte, and the blanks behind it, where it is the next one.
    @inline(__always)
    mutating func takes(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        skipBlanks()
        return true
    }

    /// That nothing follows.
    mutating func finish() throws(AnswerFault) {
        skipBlanks()
        guard at == bytes.count else { throw fault("there is more after the answer") }
    }

    /// A string with its quotes, and the blanks behind it.
    mutating func string() throws(AnswerFault) -> Range<Int> {
        let start = at
        guard next == UInt8(ascii: "\""), at < bytes.count else { throw fault("a text is missing") }
        at += 1
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                at += 1
                let range = start..<at
                skipBlanks()
                return range
            }
            guard byte >= 0x20 else { throw fault("a text has a control character") }
            if byte == UInt8(ascii: "\\") { try escape() } else { at += 1 }
        }
        throw fault("a text does not end")
    }

    private mutating func escape() throws(AnswerFault) {
        at += 1
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 1
        case UInt8(ascii: "u"):
            let digits = bytes[at..<min(at + 5, bytes.count)].dropFirst()
            guard digits.count == 4, digits.allSatisfy({ Self.isHex($0) }) else { throw fault("this is no escape") }
            guard !digits.allSatisfy({ $0 == UInt8(ascii: "0") }) else { throw fault("a text has a NUL") }
            at += 5
        default: throw fault("this is no escape")
        }
    }

    private static func isHex(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...102).contains(byte | 0x20) }

    /// A number, and the blanks behind it.
    mutating func number() throws(AnswerFault) -> Range<Int> {
        let start = at
        if next == UInt8(ascii: "-") { at += 1 }
        if next == UInt8(ascii: "0") { at += 1 } else { try digits() }
        var isPlain = true
        if next == UInt8(ascii: ".") {
            at += 1
            try digits()
        }
        if next | 0x20 == UInt8(ascii: "e") {
            isPlain = false
            at += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            try digits()
        }
        let range = start..<at
        // Below 1e300 whatever its digits.
        if !isPlain || range.count > 300 {
            let value = Double(String(decoding: bytes[range], as: UTF8.self))
            guard value?.isFinite == true else {
                throw AnswerFault("\(text(range)) is no finite number, at byte \(start + 1) of the answer")
            }
        }
        skipBlanks()
        return range
    }

    @inline(__always)
    private mutating func digits() throws(AnswerFault) {
        guard next &- 48 < 10 else { throw fault("this is no number") }
        while next &- 48 < 10 { at += 1 }
    }

    private mutating func word(_ word: StaticString) throws(AnswerFault) -> Range<Int> {
        let count = word.utf8CodeUnitCount
        guard at + count <= bytes.count, (0..<count).allSatisfy({ bytes[at + $0] == word.utf8Start[$0] }) else {
            throw fault("this is no JSON")
        }
        let range = at..<at + count
        at += count
        skipBlanks()
        return range
    }

    /// Any value, and the blanks behind it.
    mutating func value(depth: Int = 0) throws(AnswerFault) -> Range<Int> {
        let start = at
        switch next {
        case UInt8(ascii: "\""): return try string()
        case UInt8(ascii: "-"), 48...57: return try number()
        case UInt8(ascii: "t"): return try word("true")
        case UInt8(ascii: "f"): return try word("false")
        case UInt8(ascii: "n"): return try word("null")
        case UInt8(ascii: "N"), UInt8(ascii: "I"): throw fault("NaN and Infinity are no numbers of JSON")
        case UInt8(ascii: "{"):
            try members(depth: depth) { scanner, _ throws(AnswerFault) in _ = try scanner.value(depth: depth + 1) }
        case UInt8(ascii: "["):
            try elements(depth: depth) { scanner, _ throws(AnswerFault) in _ = try scanner.value(depth: depth + 1) }
        default: throw fault("this is no JSON")
        }
        var end = at
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return start..<end
    }

    /// Calls `body` at the value of each member of the object here, which it has to take.
    @inline(__always)
    mutating func members(
        depth: Int = 0, _ body: (inout AnswerScanner, _ name: Range<Int>) throws(AnswerFault) -> Void
    ) throws(AnswerFault) {
        guard depth < Self.maximumDepth else { throw fault("the answer nests too deep") }
        try expect(UInt8(ascii: "{"), "an object")
        if takes(UInt8(ascii: "}")) { return }
        repeat {
            let name = try string()
            try expect(UInt8(ascii: ":"), "a colon")
            try body(&self, name.lowerBound + 1..<name.upperBound - 1)
        } while takes(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"), "the end of an object")
    }

    /// Calls `body` at each element of the array here, which it has to take.
    @inline(__always)
    mutating func elements(
        depth: Int = 0, _ body: (inout AnswerScanner, _ index: Int) throws(AnswerFault) -> Void
    ) throws(AnswerFault) {
        guard depth < Self.maximumDepth else { throw fault("the answer nests too deep") }
        try expect(UInt8(ascii: "["), "a list")
        if takes(UInt8(ascii: "]")) { return }
        var index = 0
        repeat {
            try body(&self, index)
            index += 1
        } while takes(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"), "the end of a list")
    }

    /// Whether a name, without its quotes, is this one.
    func name(_ range: Range<Int>, is name: [UInt8]) -> Bool {
        if !bytes[range].contains(UInt8(ascii: "\\")) { return bytes[range].elementsEqual(name) }
        let quoted = Data(bytes[range.lowerBound - 1..<range.upperBound + 1])
        let text = try? JSONSerialization.jsonObject(with: quoted, options: .fragmentsAllowed) as? String
        return text?.utf8.elementsEqual(name) == true
    }

    /// A value for a message.
    func text(_ range: Range<Int>) -> String {
        let shown = String(decoding: bytes[range.prefix(40)], as: UTF8.self)
        return range.count > 40 ? shown + "…" : shown
    }
}
