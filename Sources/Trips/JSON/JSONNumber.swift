/// A number of JSON, exactly as written: `±mantissa * 10^-scale`.
///
/// Up to 18 digits count; of a longer number the rest is left out and `isCut` tells whether that changed its value.
/// No floating point anywhere: 9.45 is 945 * 10^-2.
struct JSONNumber {
    var isNegative: Bool
    var mantissa: UInt64
    /// Negative where zeros follow the mantissa: `1e3` is 1 * 10^3.
    var scale: Int
    var isCut: Bool

    /// Digits are taken while the mantissa is below this, and no cell holds more: 17 digits, as in CSV.
    private static var digitLimit: UInt64 { 100_000_000_000_000_000 }
    /// Exponents beyond this count as this: no column holds such a number, unless it is zero.
    private static var exponentLimit: Int { 10_000 }

    /// Reads the number at the cursor, which stands on its sign or first digit.
    @inline(__always)
    init(_ cursor: inout JSONCursor) throws(JSONFault) {
        var at = cursor.at
        isNegative = at.pointee == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let first = at
        mantissa = 0
        scale = 0
        isCut = false
        while at.pointee &- 48 < 10, mantissa < Self.digitLimit {
            mantissa = mantissa &* 10 &+ UInt64(at.pointee &- 48)
            at += 1
        }
        if at == first || (first.pointee == UInt8(ascii: "0") && at - first > 1) {
            throw JSONFault(kind: .badNumber, at: first)
        }
        if at.pointee == UInt8(ascii: ".") {
            let point = at
            at += 1
            while at.pointee &- 48 < 10, mantissa < Self.digitLimit {
                mantissa = mantissa &* 10 &+ UInt64(at.pointee &- 48)
                at += 1
            }
            scale = at - point - 1
            if scale == 0, at.pointee &- 48 > 9 { throw JSONFault(kind: .badNumber, at: at) }
        }
        if at.pointee &- 48 < 10 || at.pointee | 0x20 == UInt8(ascii: "e") { try readRest(&at) }
        cursor.at = at
    }

    /// Further digits than count, and an exponent.
    @inline(never)
    private mutating func readRest(_ at: inout UnsafePointer<UInt8>) throws(JSONFault) {
        // `scale` is not 0 or a point was just read: those digits are decimals. Else they are whole digits, and a point may come.
        var isFraction = scale > 0 || at[-1] == UInt8(ascii: ".")
        while true {
            while at.pointee &- 48 < 10 {
                if at.pointee != 48 { isCut = true }
                if !isFraction { scale -= 1 }
                at += 1
            }
            guard !isFraction, at.pointee == UInt8(ascii: ".") else { break }
            isFraction = true
            at += 1
            if at.pointee &- 48 > 9 { throw JSONFault(kind: .badNumber, at: at) }
        }
        guard at.pointee | 0x20 == UInt8(ascii: "e") else { return }
        at += 1
        let isDown = at.pointee == UInt8(ascii: "-")
        if isDown || at.pointee == UInt8(ascii: "+") { at += 1 }
        if at.pointee &- 48 > 9 { throw JSONFault(kind: .badNumber, at: at) }
        var exponent = 0
        while at.pointee &- 48 < 10 {
            exponent = min(exponent * 10 + Int(at.pointee &- 48), Self.exponentLimit)
            at += 1
        }
        scale += isDown ? exponent : -exponent
    }
}

extension JSONNumber {
    /// The number times 10^`places` where that is an integer that fits, else nil.
    @inline(__always)
    func scaled(by places: Int) -> Int64? {
        if scale == places, mantissa < Self.digitLimit { return signed(mantissa) }
        return rescaled(by: places)
    }

    @inline(never)
    private func rescaled(by places: Int) -> Int64? {
        if isCut { return nil }
        if mantissa == 0 { return 0 }
        var (value, scale) = (mantissa, scale)
        while scale > places {
            let (quotient, rest) = value.quotientAndRemainder(dividingBy: 10)
            if rest != 0 { return nil }
            (value, scale) = (quotient, scale - 1)
        }
        if places - scale > 18 { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: DecimalText.powersOfTen[places - scale])
        return overflow || product >= Self.digitLimit ? nil : signed(product)
    }

    /// The number with its own digits, or nil where it is too large; digits that a `PackedDecimal` has no room for are rounded
    /// half away from zero.
    @inline(__always)
    var packed: PackedDecimal? {
        if scale >= 0, scale <= PackedDecimal.maximumScale, mantissa < Self.digitLimit {
            return PackedDecimal(mantissa: signed(mantissa), scale: scale)
        }
        return rounded
    }

    @inline(never)
    private var rounded: PackedDecimal? {
        var (value, scale) = (mantissa, scale)
        if value == 0 { return PackedDecimal(mantissa: 0, scale: min(max(scale, 0), PackedDecimal.maximumScale)) }
        var lastDigit: UInt64 = 0
        while scale > 0, scale > PackedDecimal.maximumScale || value >= Self.digitLimit {
            (value, lastDigit) = value.quotientAndRemainder(dividingBy: 10)
            scale -= 1
        }
        if lastDigit >= 5 { value += 1 }
        while scale < 0, value <= Self.digitLimit {
            value *= 10
            scale += 1
        }
        return value <= Self.digitLimit ? PackedDecimal(mantissa: signed(value), scale: scale) : nil
    }

    @inline(__always)
    private func signed(_ magnitude: UInt64) -> Int64 {
        let value = Int64(bitPattern: magnitude)
        return isNegative ? 0 &- value : value
    }
}

extension PackedDecimal {
    static var maximumScale: Int { 15 }
}
