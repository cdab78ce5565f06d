/// Writes text at a pointer that has room for it.
struct ByteWriter {
    private(set) var at: UnsafeMutablePointer<UInt8>
    init(_ start: UnsafeMutablePointer<UInt8>) { at = start }

    /// - Parameter scalar: below 256.
    mutating func byte(_ scalar: Unicode.Scalar) { put(UInt8(truncatingIfNeeded: scalar.value)) }

    mutating func string(_ text: StaticString) { copy(text) }

    mutating func copy(_ text: StaticString) {
        at.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        at += text.utf8CodeUnitCount
    }

    mutating func copy(_ bytes: [UInt8], _ offset: Int, _ count: Int) {
        bytes.withUnsafeBufferPointer {
            at.update(from: UnsafeBufferPointer(rebasing: $0[offset..<offset + count]).baseAddress!, count: count)
        }
        at += count
    }

    mutating func copy(_ pieces: Pieces, _ index: Int) {
        let offset = Int(pieces.ends[index])
        let count = Int(pieces.ends[index + 1]) - offset
        if count > 0 { copy(pieces.bytes, offset, count) }
    }

    mutating func number(_ value: Int) {
        var divisor = 1
        while value / divisor >= 10 { divisor *= 10 }
        var rest = value
        while divisor > 0 {
            put(UInt8(rest / divisor) + 48)
            rest %= divisor
            divisor /= 10
        }
    }

    mutating func tens(_ value: Int) {
        put(UInt8(value / 10) + 48)
        put(UInt8(value % 10) + 48)
    }

    mutating func hundreds(_ value: Int) {
        put(UInt8(value / 100) + 48)
        tens(value % 100)
    }

    /// `45.50`
    mutating func fixedDecimal(hundredths: Int) {
        number(hundredths / 100)
        byte(".")
        tens(hundredths % 100)
    }

    /// `4.16`, `0.3`, `17`
    mutating func shortDecimal(hundredths: Int) {
        number(hundredths / 100)
        let fraction = hundredths % 100
        if fraction == 0 { return }
        byte(".")
        if fraction % 10 == 0 { put(UInt8(fraction / 10) + 48) } else { tens(fraction) }
    }

    /// The upper digits of a number in base 16.
    mutating func hex(_ value: UInt64, digits: Int) {
        var rest = value
        for _ in 0..<digits {
            let digit = UInt8(truncatingIfNeeded: rest >> 60)
            put(digit < 10 ? digit + 48 : digit + 87)
            rest <<= 4
        }
    }

    private mutating func put(_ byte: UInt8) {
        at.pointee = byte
        at += 1
    }
}

/// Texts, one behind the other.
struct Pieces: Sendable {
    let bytes: [UInt8]
    /// Where piece n ends is at n + 1.
    let ends: [Int32]

    init(_ texts: [String]) {
        bytes = texts.flatMap { Array($0.utf8) }
        ends = texts.reduce(into: [0]) { $0.append(($0.last ?? 0) + Int32($1.utf8.count)) }
    }
}
