internal import CByteScan

/// A string as it stands in the record, between its quotes.
struct JSONString {
    let start: UnsafePointer<UInt8>
    let length: Int
    let hasEscapes: Bool
    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: length) }
}

/// Walks over one JSON text, checking all of its syntax (RFC 8259) and converting only what is asked for. NUL, which RFC 8259 allows
/// as an escape, is no text here: what is text must come out of any reader's hands whole.
///
/// The last byte before `end` must be "}": loops over blanks and digits then end by themselves, without counting. Only what may
/// run past a "}" (strings, words) or has just taken one looks at `end`.
struct JSONCursor {
    /// How deep objects and arrays of unknown fields may nest.
    static let maximumDepth = 64

    var at: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    /// Skips blanks; `at < end` must hold before, and holds after.
    @inline(__always)
    mutating func skipBlanks() {
        while at.pointee <= 0x20, Self.isBlank(at.pointee) { at += 1 }
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

    /// Takes the record's opening bracket and the blanks around it, and a byte order mark before them.
    @inline(__always)
    mutating func openObject() throws(JSONFault) {
        skipBlanks()
        if at.pointee == 0xef { skipByteOrderMark() }
        guard at.pointee == UInt8(ascii: "{") else { throw JSONFault(kind: .noObject, at: at) }
        at += 1
        skipBlanks()
    }

    @inline(never)
    private mutating func skipByteOrderMark() {
        guard end - at > 3, at[1] == 0xbb, at[2] == 0xbf else { return }
        at += 3
        skipBlanks()
    }

    /// Takes what follows a field's value: true for the closing bracket, false for a comma and the blanks after it.
    @inline(__always)
    mutating func closesObject() throws(JSONFault) -> Bool {
        if at == end { throw JSONFault(kind: .endsEarly, at: at) }
        skipBlanks()
        let byte = at.pointee
        guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") else { throw JSONFault(kind: .noComma, at: at) }
        at += 1
        if byte == UInt8(ascii: "}") { return true }
        skipBlanks()
        return false
    }

    /// The string whose opening quote is at the cursor.
    @inline(__always)
    mutating func string() throws(JSONFault) -> JSONString {
        let start = at + 1
        var place = start
        var hasEscapes = false
        while true {
            place = taxi_skip_plain(place, end)
            if place == end { throw JSONFault(kind: .openString, at: at) }
            let byte = place.pointee
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                place += try escapeLength(place)
            } else if byte >= 0x80 {
                let length = UTF8Sequence.length(place, end)
                if length == 0 { throw JSONFault(kind: .notUTF8, at: place) }
                place += length
            } else if byte < 0x20 {
                throw JSONFault(kind: byte == 0 ? .nul : .controlCharacter, at: place)
            } else {
                place += 1
            }
        }
        at = place + 1
        return JSONString(start: start, length: place - start, hasEscapes: hasEscapes)
    }

    /// Bytes of the escape at `place`; both halves of a surrogate pair are one.
    @inline(never)
    private func escapeLength(_ place: UnsafePointer<UInt8>) throws(JSONFault) -> Int {
        guard end - place >= 2 else { throw JSONFault(kind: .openString, at: at) }
        switch place[1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"):
            guard let unit = codeUnit(place) else { throw JSONFault(kind: .badEscape, at: place) }
            if unit == 0 { throw JSONFault(kind: .nul, at: place) }
            guard unit & 0xf800 == 0xd800 else { return 6 }
            guard unit & 0xfc00 == 0xd800, let low = codeUnit(place + 6), low & 0xfc00 == 0xdc00 else {
                throw JSONFault(kind: .loneSurrogate, at: place)
            }
            return 12
        default:
            throw JSONFault(kind: .badEscape, at: place)
        }
    }

    /// The UTF-16 code unit of the `\uXXXX` at `place`, or nil where there is none.
    private func codeUnit(_ place: UnsafePointer<UInt8>) -> UInt32? {
        guard end - place >= 6, place[0] == UInt8(ascii: "\\"), place[1] == UInt8(ascii: "u") else { return nil }
        var unit: UInt32 = 0
        for index in 2..<6 {
            let digit = JSONWord.hexValue(place[index])
            if digit > 15 { return nil }
            unit = unit << 4 | digit
        }
        return unit
    }

    /// Skips the number at the cursor, which stands on its sign or first digit.
    @inline(__always)
    mutating func skipNumber() throws(JSONFault) {
        if at.pointee == UInt8(ascii: "-") { at += 1 }
        if at.pointee == UInt8(ascii: "0") { at += 1 } else { try skipDigits() }
        if at.pointee == UInt8(ascii: ".") {
            at += 1
            try skipDigits()
        }
        if at.pointee | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at.pointee == UInt8(ascii: "+") || at.pointee == UInt8(ascii: "-") { at += 1 }
            try skipDigits()
        }
    }

    @inline(__always)
    private mutating func skipDigits() throws(JSONFault) {
        if at.pointee &- 48 > 9 { throw JSONFault(kind: .badNumber, at: at) }
        repeat { at += 1 } while at.pointee &- 48 < 10
    }

    /// Skips `null`, `true` or `false`.
    @inline(__always)
    mutating func skipWord() throws(JSONFault) {
        guard end - at >= 5 else { throw JSONFault(kind: .badWord, at: at) }
        switch UnsafeRawPointer(at).loadUnaligned(as: UInt32.self) {
        case UInt32(littleEndian: 0x6c6c_756e), UInt32(littleEndian: 0x6575_7274):
            at += 4
        case UInt32(littleEndian: 0x736c_6166) where at[4] == UInt8(ascii: "e"):
            at += 5
        default:
            throw JSONFault(kind: .badWord, at: at)
        }
    }

    /// Skips any value; where it was the record's last "}", the cursor is at `end`.
    @inline(__always)
    mutating func skipValue() throws(JSONFault) {
        switch at.pointee {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "-"), 48...57: try skipNumber()
        case UInt8(ascii: "n"), UInt8(ascii: "t"), UInt8(ascii: "f"): try skipWord()
        case UInt8(ascii: "{"), UInt8(ascii: "["): try skipNested()
        default: throw JSONFault(kind: .noValue, at: at)
        }
    }

    /// Skips an object or array, without recursion: one bit a level says which of the two it is.
    @inline(never)
    private mutating func skipNested() throws(JSONFault) {
        var isObject: UInt64 = 0
        var depth = 0
        while true {
            // At the start of a value.
            if at.pointee == UInt8(ascii: "{") || at.pointee == UInt8(ascii: "[") {
                if depth == Self.maximumDepth { throw JSONFault(kind: .tooDeep, at: at) }
                let opensObject = at.pointee == UInt8(ascii: "{")
                isObject = isObject << 1 | (opensObject ? 1 : 0)
                depth += 1
                at += 1
                skipBlanks()
                if at.pointee != (opensObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    if opensObject { try skipName() }
                    continue
                }
            } else {
                switch at.pointee {
                case UInt8(ascii: "\""): _ = try string()
                case UInt8(ascii: "-"), 48...57: try skipNumber()
                case UInt8(ascii: "n"), UInt8(ascii: "t"), UInt8(ascii: "f"): try skipWord()
                default: throw JSONFault(kind: .noValue, at: at)
                }
            }
            // After a value, or at the bracket that closes an empty one.
            skipBlanks()
            while at.pointee == (isObject & 1 == 1 ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                at += 1
                isObject >>= 1
                depth -= 1
                if depth == 0 { return }
                if at == end { throw JSONFault(kind: .endsEarly, at: at) }
                skipBlanks()
            }
            guard at.pointee == UInt8(ascii: ",") else { throw JSONFault(kind: .noComma, at: at) }
            at += 1
            skipBlanks()
            if isObject & 1 == 1 { try skipName() }
        }
    }

    /// Skips a name, its colon and the blanks around; the cursor is at a value then.
    private mutating func skipName() throws(JSONFault) {
        guard at.pointee == UInt8(ascii: "\"") else { throw JSONFault(kind: .noKey, at: at) }
        _ = try string()
        try skipColon()
    }

    @inline(__always)
    mutating func skipColon() throws(JSONFault) {
        skipBlanks()
        guard at.pointee == UInt8(ascii: ":") else { throw JSONFault(kind: .noColon, at: at) }
        at += 1
        skipBlanks()
    }
}
