import Basics

extension DigitWriter {
    mutating func copy(_ bytes: [UInt8], _ offset: Int, _ count: Int) {
        bytes.withUnsafeBufferPointer { append(UnsafeBufferPointer(rebasing: $0[offset..<offset + count])) }
    }

    mutating func copy(_ pieces: Pieces, _ index: Int) {
        let offset = Int(pieces.ends[index])
        copy(pieces.bytes, offset, Int(pieces.ends[index + 1]) - offset)
    }

    /// `45.50`
    mutating func fixedDecimal(hundredths: Int) {
        number(hundredths / 100)
        byte(".")
        two(hundredths % 100)
    }

    /// `4.16`, `0.3`, `17`
    mutating func shortDecimal(hundredths: Int) {
        number(hundredths / 100)
        let fraction = hundredths % 100
        if fraction == 0 { return }
        byte(".")
        if fraction % 10 == 0 { number(fraction / 10) } else { two(fraction) }
    }

    /// The upper digits of a number in base 16.
    mutating func hex(_ value: UInt64, digits: Int) {
        var rest = value
        for _ in 0..<digits {
            let digit = UInt8(truncatingIfNeeded: rest >> 60)
            byte(Unicode.Scalar(digit < 10 ? digit + 48 : digit + 87))
            rest <<= 4
        }
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
