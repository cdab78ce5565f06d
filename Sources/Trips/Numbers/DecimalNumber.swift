/// A decimal number as it was written, whoever wrote it: `±mantissa * 10^-scale`. No floating point anywhere: 9.45 is 945 * 10^-2.
///
/// There is one grammar, of which JSON's numbers are the plain ones (no plus, no separators, a digit on both sides of the point):
///
///     number    sign? digits exponent?         with "$" before or after the sign where it is money
///     digits    1234   1,234   1234.5   .5   5.          separators stand before groups of three
///     exponent  e or E, sign?, one digit or more
///
/// Up to 18 significant digits count; of a longer number the rest is left out, and `isCut` tells whether that changed its value.
struct DecimalNumber {
    var isNegative = false
    private(set) var mantissa: UInt64 = 0
    /// Negative where zeros follow the mantissa: `1e3` is 1 * 10^3.
    private(set) var scale = 0
    private(set) var isCut = false

    /// Digits are taken while the mantissa is below this; no column holds so large a number.
    private static var digitLimit: UInt64 { 100_000_000_000_000_000 }
    /// Exponents beyond this count as this: no column holds such a number, unless it is zero.
    private static var exponentLimit: Int { 10_000 }
}

/// Numbers that come as such.
extension DecimalNumber {
    /// `value * 10^-scale`.
    init(_ value: Int64, scale: Int) { (isNegative, mantissa, self.scale) = (value < 0, value.magnitude, scale) }
}

/// Fields of a file, and JSON's strings.
extension DecimalNumber {
    /// The number that all of a text is, or nil. The text is trimmed and not empty.
    init?(_ text: UnsafePointer<UInt8>, _ length: Int, isMoney: Bool = false, allowsSeparators: Bool = true) {
        var at = 0
        func isDigit() -> Bool { at < length && text[at] &- 48 < 10 }
        func takes(_ byte: UInt8) -> Bool {
            guard at < length, text[at] == byte else { return false }
            at += 1
            return true
        }
        func takesSign() -> Bool? { takes(UInt8(ascii: "-")) ? true : takes(UInt8(ascii: "+")) ? false : nil }

        var sign = takesSign()
        if isMoney, takes(UInt8(ascii: "$")), sign == nil { sign = takesSign() }
        isNegative = sign == true

        var digits = 0
        var inGroup: Int?
        while at < length {
            if isDigit() {
                append(text[at], isFraction: false)
                digits += 1
                inGroup? += 1
            } else if text[at] == UInt8(ascii: ","), allowsSeparators {
                guard inGroup.map({ $0 == 3 }) ?? (1...3).contains(digits) else { return nil }
                inGroup = 0
            } else {
                break
            }
            at += 1
        }
        guard inGroup == nil || inGroup == 3 else { return nil }
        if takes(UInt8(ascii: ".")) {
            while isDigit() {
                append(text[at], isFraction: true)
                digits += 1
                at += 1
            }
        }
        guard digits > 0 else { return nil }
        if takes(UInt8(ascii: "e")) || takes(UInt8(ascii: "E")) {
            let isDown = takesSign() == true
            guard isDigit() else { return nil }
            var exponent = 0
            while isDigit() {
                exponent = Self.exponent(exponent, text[at])
                at += 1
            }
            scale += isDown ? exponent : -exponent
        }
        guard at == length else { return nil }
    }

    private mutating func append(_ digit: UInt8, isFraction: Bool) {
        if mantissa < Self.digitLimit {
            mantissa = mantissa * 10 + UInt64(digit - 48)
            if isFraction { scale += 1 }
        } else {
            if digit != 48 { isCut = true }
            if !isFraction { scale -= 1 }
        }
    }

    private static func exponent(_ exponent: Int, _ digit: UInt8) -> Int {
        min(exponent * 10 + Int(digit - 48), exponentLimit)
    }
}

/// Numbers of JSON.
extension DecimalNumber {
    /// Reads the number at the cursor, which stands on its sign or first digit.
    @inline(__always)
    init(_ cursor: inout JSONCursor) throws(JSONFault) {
        var at = cursor.at
        isNegative = at.pointee == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let first = at
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
                append(at.pointee, isFraction: isFraction)
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
            exponent = Self.exponent(exponent, at.pointee)
            at += 1
        }
        scale += isDown ? exponent : -exponent
    }
}

extension DecimalNumber {
    /// The number's magnitude times 10^`decimals`, without what is left of it behind the point.
    struct Shifted {
        var wholes: UInt64
        /// The first digit that was left out.
        var next: UInt64
        /// Whether nothing but zeros was left out.
        var isExact: Bool

        /// Half away from zero.
        var rounded: UInt64 { wholes + (next >= 5 ? 1 : 0) }
    }

    /// - Returns: nil for a number that is larger than any column's, which all 64 bits do not hold.
    func shifted(by decimals: Int) -> Shifted? {
        let surplus = scale - decimals
        if mantissa == 0 { return Shifted(wholes: 0, next: 0, isExact: true) }
        if surplus <= 0 {
            guard surplus >= -18 else { return nil }
            let (product, overflow) = mantissa.multipliedReportingOverflow(by: DecimalText.powersOfTen[-surplus])
            return overflow || product > UInt64(Int64.max) ? nil : Shifted(wholes: product, next: 0, isExact: !isCut)
        }
        // A mantissa has 18 digits at most.
        if surplus > 18 { return Shifted(wholes: 0, next: 0, isExact: false) }
        let (wholes, rest) = mantissa.quotientAndRemainder(dividingBy: DecimalText.powersOfTen[surplus])
        return Shifted(
            wholes: wholes, next: rest / DecimalText.powersOfTen[surplus - 1], isExact: rest == 0 && !isCut)
    }
}
