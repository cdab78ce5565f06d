/// A stream of bytes as somebody would read it who undoes one kind of escape or quote, and where each byte comes from.
struct SecretView {
    enum Kind: CaseIterable {
        case raw
        /// Cut into lines of any length, as base64 and fold do.
        case withoutBreaks
        /// In any shell's quotes, or doubled as in CSV and SQL: without quotes and backslashes.
        case withoutQuotes
        /// `\n`, `\u00e9`, `\xNN`, `\NNN`, `\"`: JSON, C and `$'…'`.
        case escaped
        /// `%2F`, and `+` for a blank.
        case form
        /// `%2F`, and `+` for itself.
        case percent
        /// `&amp;`, `&#39;`, `&#x27;`
        case entities
    }

    let kind: Kind
    private var node = ByteAutomaton.root
    /// Where the bytes that led to `node` begin, the last `depth` of them.
    private var starts: [Int] = []
    /// The source bytes of an escape that has no end yet, and where it begins.
    private var escape: [UInt8] = []
    private var escapeStart = 0
    /// The first half of a character that JSON writes as two escapes, and where that one begins.
    private var surrogate: (high: UInt32, start: Int)?

    init(_ kind: Kind) { self.kind = kind }

    /// From where on what has come may still turn out to be secret; nil where nothing may.
    func open(_ automaton: ByteAutomaton) -> Int? {
        let depth = automaton.depth(of: node)
        let path = depth > 0 ? starts[starts.count - depth] : nil
        return [path, escape.isEmpty ? nil : escapeStart, surrogate?.start].compactMap { $0 }.min()
    }

    /// Reads on, from `position` of the source.
    mutating func add(
        _ bytes: UnsafeRawBufferPointer, from position: Int, _ automaton: ByteAutomaton,
        found: (Range<Int>) -> Void
    ) {
        for (index, byte) in bytes.enumerated() {
            if node == ByteAutomaton.root, escape.isEmpty, surrogate == nil, automaton.beginnings[Int(byte)] == 0,
                !beginsEscape(byte)
            {
                continue
            }
            read(byte, at: position + index, automaton, found)
        }
    }

    /// Nothing more comes.
    mutating func finish(_ automaton: ByteAutomaton, found: (Range<Int>) -> Void) {
        flushEscape(automaton, found)
        (node, starts, surrogate) = (ByteAutomaton.root, [], nil)
    }

    private func beginsEscape(_ byte: UInt8) -> Bool {
        switch kind {
        case .escaped: byte == UInt8(ascii: "\\")
        case .form: byte == UInt8(ascii: "%") || byte == UInt8(ascii: "+")
        case .percent: byte == UInt8(ascii: "%")
        case .entities: byte == UInt8(ascii: "&")
        case .raw, .withoutBreaks, .withoutQuotes: false
        }
    }

    private mutating func read(
        _ byte: UInt8, at position: Int, _ automaton: ByteAutomaton, _ found: (Range<Int>) -> Void
    ) {
        if escape.isEmpty {
            switch kind {
            case .withoutBreaks where byte == 0x0A || byte == 0x0D: return
            case .withoutQuotes where SecretForms.isQuote(byte): return
            case .form where byte == UInt8(ascii: "+"): return step(0x20, position..<position + 1, automaton, found)
            default: break
            }
            guard beginsEscape(byte) else {
                surrogate = nil
                return step(byte, position..<position + 1, automaton, found)
            }
            (escape, escapeStart) = ([byte], position)
            return
        }
        // Only octal digits may go on or not: what follows them is read anew.
        escape.append(byte)
        switch SecretEscape.read(escape, kind) {
        case .unfinished: return
        case .none:
            // No escape after all: each of its bytes is itself, and the last one may begin another.
            let (bytes, start) = (escape, escapeStart)
            escape = []
            surrogate = nil
            step(bytes[0], start..<start + 1, automaton, found)
            for (index, byte) in bytes.enumerated().dropFirst() { read(byte, at: start + index, automaton, found) }
        case .bytes(let bytes, let isWhole):
            let end = isWhole ? position + 1 : position
            let range = escapeStart..<end
            (escape, surrogate) = ([], nil)
            for decoded in bytes { step(decoded, range, automaton, found) }
            if !isWhole { read(byte, at: position, automaton, found) }
        case .unit(let unit):
            let start = escapeStart
            escape = []
            take(unit, start..<position + 1, automaton, found)
        }
    }

    /// A UTF-16 unit of `\uNNNN`.
    private mutating func take(
        _ unit: UInt32, _ range: Range<Int>, _ automaton: ByteAutomaton, _ found: (Range<Int>) -> Void
    ) {
        if (0xD800..<0xDC00).contains(unit) {
            surrogate = (unit, range.lowerBound)
            return
        }
        var (value, start) = (unit, range.lowerBound)
        if let high = surrogate, (0xDC00..<0xE000).contains(unit) {
            value = 0x10000 + (high.high - 0xD800) << 10 + (unit - 0xDC00)
            start = high.start
        }
        surrogate = nil
        guard let scalar = Unicode.Scalar(value) else { return }
        for byte in UTF8.encode(scalar).map(Array.init) ?? [] { step(byte, start..<range.upperBound, automaton, found) }
    }

    private mutating func flushEscape(_ automaton: ByteAutomaton, _ found: (Range<Int>) -> Void) {
        let (bytes, start) = (escape, escapeStart)
        if bytes.isEmpty { return }
        escape = []
        if case .bytes(let decoded, false) = SecretEscape.read(bytes + [0], kind) {
            for byte in decoded { step(byte, start..<start + bytes.count, automaton, found) }
        } else {
            for (index, byte) in bytes.enumerated() { step(byte, start + index..<start + index + 1, automaton, found) }
        }
    }

    private mutating func step(
        _ byte: UInt8, _ range: Range<Int>, _ automaton: ByteAutomaton, _ found: (Range<Int>) -> Void
    ) {
        node = automaton.next(node, byte)
        let depth = automaton.depth(of: node)
        if depth == 0 { return starts.removeAll(keepingCapacity: true) }
        starts.append(range.lowerBound)
        if starts.count > 2 * depth + 4096 { starts.removeFirst(starts.count - depth) }
        let length = automaton.match(at: node)
        if length > 0 { found(starts[starts.count - length]..<range.upperBound) }
    }
}

/// What the bytes of an escape stand for.
enum SecretEscape {
    /// More has to come.
    case unfinished
    /// It is none.
    case none
    /// - `isWhole`: whether its last byte belongs to it.
    case bytes([UInt8], isWhole: Bool)
    /// A UTF-16 unit.
    case unit(UInt32)

    static func read(_ text: [UInt8], _ kind: SecretView.Kind) -> SecretEscape {
        switch kind {
        case .escaped: backslash(text)
        case .form, .percent: percent(text)
        case .entities: entity(text)
        case .raw, .withoutBreaks, .withoutQuotes: .none
        }
    }

    private static func backslash(_ text: [UInt8]) -> SecretEscape {
        switch text[1] {
        case UInt8(ascii: "u"):
            return fixed(text, digits: 4).map { .unit($0) }
                ?? (text.count < 6 && isHex(text.dropFirst(2)) ? .unfinished : .none)
        case UInt8(ascii: "x"):
            return fixed(text, digits: 2).map { .bytes([UInt8($0)], isWhole: true) }
                ?? (text.count < 4 && isHex(text.dropFirst(2)) ? .unfinished : .none)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            let digits = text.dropFirst().prefix { (48...55).contains($0) }
            if digits.count == text.count - 1, digits.count < 3 { return .unfinished }
            let value = digits.reduce(0) { $0 << 3 | UInt32($1 - 48) }
            return .bytes([UInt8(truncatingIfNeeded: value)], isWhole: digits.count == text.count - 1)
        case UInt8(ascii: "n"): return .bytes([0x0A], isWhole: true)
        case UInt8(ascii: "r"): return .bytes([0x0D], isWhole: true)
        case UInt8(ascii: "t"): return .bytes([0x09], isWhole: true)
        case UInt8(ascii: "b"): return .bytes([0x08], isWhole: true)
        case UInt8(ascii: "f"): return .bytes([0x0C], isWhole: true)
        case UInt8(ascii: "v"): return .bytes([0x0B], isWhole: true)
        case UInt8(ascii: "a"): return .bytes([0x07], isWhole: true)
        case UInt8(ascii: "e"): return .bytes([0x1B], isWhole: true)
        default: return .bytes([text[1]], isWhole: true)
        }
    }

    private static func percent(_ text: [UInt8]) -> SecretEscape {
        guard isHex(text.dropFirst()) else { return .none }
        return text.count < 3 ? .unfinished : .bytes([UInt8(hex(text.dropFirst()))], isWhole: true)
    }

    private static let named: [[UInt8]: UInt8] = [
        Array("amp".utf8): UInt8(ascii: "&"), Array("lt".utf8): UInt8(ascii: "<"), Array("gt".utf8): UInt8(ascii: ">"),
        Array("quot".utf8): UInt8(ascii: "\""), Array("apos".utf8): UInt8(ascii: "'"),
    ]

    private static func entity(_ text: [UInt8]) -> SecretEscape {
        let inner = text.dropFirst()
        guard inner.last == UInt8(ascii: ";") else {
            let isPart = inner.allSatisfy { (48...57).contains($0) || (97...122).contains($0 | 0x20) || $0 == 0x23 }
            return isPart && inner.count < 10 ? .unfinished : .none
        }
        let name = inner.dropLast()
        if let byte = named[Array(name)] { return .bytes([byte], isWhole: true) }
        guard name.first == UInt8(ascii: "#") else { return .none }
        let digits = String(decoding: name.dropFirst(), as: UTF8.self)
        let value = digits.lowercased().hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
        guard let value, let scalar = Unicode.Scalar(value), let bytes = UTF8.encode(scalar) else { return .none }
        return .bytes(Array(bytes), isWhole: true)
    }

    private static func fixed(_ text: [UInt8], digits: Int) -> UInt32? {
        text.count == digits + 2 && isHex(text.dropFirst(2)) ? hex(text.dropFirst(2)) : nil
    }

    private static func isHex(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { (48...57).contains($0) || (97...102).contains($0 | 0x20) }
    }

    private static func hex(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reduce(0) { $0 << 4 | UInt32($1 < 58 ? $1 - 48 : ($1 | 0x20) - 87) }
    }
}
