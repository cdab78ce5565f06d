/// The groups of a stored window, as the stream packs them into one JSON object:
///
///     {"8":12,"32":3}                    one word a group
///     {"57":[40,61234,40],"-1":[2,0,2]}  several words a group
///
/// Compact (no blanks), keys and words are integers. A scanner over the bytes reads some 100 M pairs a second where
/// `json_each` reads 7 M; anything that is not exactly this shape is an error.
struct PackedGroups {
    /// Why bytes are no packed groups, and where (counted from 0).
    struct Malformed: Error, Equatable {
        var offset: Int
        var expected: String
    }

    /// Calls `body` with each group of one word.
    @inline(__always)
    static func forEach(
        in bytes: UnsafeRawBufferPointer, _ body: (_ id: Int64, _ word: Int64) -> Void
    ) throws(Malformed) {
        try scan(bytes) { (id, scanner) throws(Malformed) in body(id, try scanner.integer()) }
    }

    /// Calls `body` with each group of three words.
    @inline(__always)
    static func forEachTriple(
        in bytes: UnsafeRawBufferPointer, _ body: (_ id: Int64, _ words: (Int64, Int64, Int64)) -> Void
    ) throws(Malformed) {
        try scan(bytes) { (id, scanner) throws(Malformed) in
            try scanner.expect("[")
            let first = try scanner.integer()
            try scanner.expect(",")
            let second = try scanner.integer()
            try scanner.expect(",")
            let third = try scanner.integer()
            try scanner.expect("]")
            body(id, (first, second, third))
        }
    }

    @inline(__always)
    private static func scan(
        _ bytes: UnsafeRawBufferPointer, group: (Int64, inout Scanner) throws(Malformed) -> Void
    ) throws(Malformed) {
        var scanner = Scanner(bytes: bytes)
        try scanner.expect("{")
        if !scanner.take("}") {
            repeat {
                try scanner.expect("\"")
                let id = try scanner.integer()
                try scanner.expect("\"")
                try scanner.expect(":")
                try group(id, &scanner)
            } while scanner.take(",")
            try scanner.expect("}")
        }
        guard scanner.offset == bytes.count else { throw Malformed(offset: scanner.offset, expected: "the end") }
    }
}

private struct Scanner {
    let bytes: UnsafeRawBufferPointer
    var offset = 0

    /// The byte at `offset`; 0 at the end, which nothing expects.
    @inline(__always) private var current: UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    @inline(__always)
    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard current == UInt8(truncatingIfNeeded: byte.value) else { return false }
        offset &+= 1
        return true
    }

    @inline(__always)
    mutating func expect(_ byte: Unicode.Scalar) throws(PackedGroups.Malformed) {
        guard take(byte) else { throw PackedGroups.Malformed(offset: offset, expected: "\"\(byte)\"") }
    }

    /// An integer of 64 bits.
    @inline(__always)
    mutating func integer() throws(PackedGroups.Malformed) -> Int64 {
        let isNegative = take("-")
        let start = offset
        var value: Int64 = 0
        while case let digit = current &- 48, digit < 10 {
            value = value &* 10 &+ Int64(digit)
            offset &+= 1
        }
        guard 1...18 ~= offset - start else { return try longInteger(start, isNegative) }
        return isNegative ? -value : value
    }

    /// The same of digits that may be too many.
    @inline(never)
    private func longInteger(_ start: Int, _ isNegative: Bool) throws(PackedGroups.Malformed) -> Int64 {
        let digits = bytes[start..<offset]
        guard let value = Int64((isNegative ? "-" : "") + String(decoding: digits, as: UTF8.self)) else {
            throw PackedGroups.Malformed(offset: start, expected: "an integer of 64 bits")
        }
        return value
    }
}
