import Time

/// How the state of a `distinct` is stored: text of the 64 digits `-`, `0`…`9`, `A`…`Z`, `_`, `a`…`z`, which are in the order of ASCII.
///
///     exact        11 digits a hash, the hashes ascending; at most `DistinctSketch.exactLimit` of them, none for no value
///     registers    65,536 digits, one a register: no number of hashes takes as many
public enum DistinctText {
    static let digits: [UInt8] = Array("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz".utf8)
    /// By character; 64 for what is no digit.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 64, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()
    /// Digits of a hash.
    public static let width = 11

    /// - Parameter hashes: ascending.
    public static func append(hashes: UnsafeBufferPointer<UInt64>, to out: inout OutputBuffer) {
        let place = out.reserve(hashes.count * width)
        digits.withUnsafeBufferPointer { digits in
            for index in 0..<hashes.count {
                var rest = hashes[index]
                for digit in stride(from: width - 1, through: 0, by: -1) {
                    place[index &* width &+ digit] = digits[Int(rest & 63)]
                    rest >>= 6
                }
            }
        }
        out.advance(by: hashes.count * width)
    }

    public static func append(registers: UnsafePointer<UInt8>, to out: inout OutputBuffer) {
        let place = out.reserve(DistinctRegisters.count)
        digits.withUnsafeBufferPointer { digits in
            for register in 0..<DistinctRegisters.count { place[register] = digits[Int(registers[register])] }
        }
        out.advance(by: DistinctRegisters.count)
    }

    /// What a stored text says.
    public enum Content {
        case hashes([UInt64])
        case registers([UInt8])
    }

    /// nil for a text that no state gives.
    public static func content(of text: UnsafeRawBufferPointer) -> Content? {
        if text.count == DistinctRegisters.count {
            let registers = text.map { values[Int($0)] }
            return registers.allSatisfy { $0 <= DistinctRegisters.greatest } ? .registers(registers) : nil
        }
        guard text.count % width == 0, text.count / width <= DistinctSketch.exactLimit else { return nil }
        var hashes: [UInt64] = []
        hashes.reserveCapacity(text.count / width)
        for start in stride(from: 0, to: text.count, by: width) {
            // Eleven digits have 66 bits.
            guard values[Int(text[start])] < 16 else { return nil }
            var (hash, isWrong) = (UInt64(0), false)
            for place in start..<start + width {
                let value = values[Int(text[place])]
                isWrong = isWrong || value == 64
                hash = hash << 6 | UInt64(value & 63)
            }
            if isWrong || hash <= hashes.last ?? 0 { return nil }
            hashes.append(hash)
        }
        return .hashes(hashes)
    }
}
