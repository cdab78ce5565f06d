/// Numbers as decimal text, two digits at a time, at a pointer that has room for them.
///
/// Each function returns the place after what it wrote. No allocation, no locale.
enum DecimalText {
    /// `-9223372036854775808`
    static let maximumIntegerLength = 20
    /// An integer's digits and a point.
    static let maximumMoneyLength = 21
    /// Sign, 18 digits of a mantissa or a zero and 15 decimals, and a point.
    static let maximumDecimalLength = 20

    @inline(__always)
    static func write(_ value: Int64, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        let place = sign(of: value, to: out)
        let magnitude = value.magnitude
        let count = digitCount(magnitude)
        digits(magnitude, count, to: place)
        return place + count
    }

    /// Cents as dollars with two decimals: `9.45`, `-0.05`, `10.00`.
    @inline(__always)
    static func writeMoney(_ cents: Cents, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        let place = sign(of: cents, to: out)
        let (dollars, rest) = cents.magnitude.quotientAndRemainder(dividingBy: 100)
        let count = digitCount(dollars)
        digits(dollars, count, to: place)
        place[count] = UInt8(ascii: ".")
        pair(Int(truncatingIfNeeded: rest), to: place + count + 1)
        return place + count + 3
    }

    /// The digits that the decimal's source gave it, with a zero before a leading point.
    @inline(__always)
    static func write(_ value: PackedDecimal, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        let (mantissa, scale) = (value.mantissa, value.scale)
        if scale == 0 { return write(mantissa, to: out) }
        let place = sign(of: mantissa, to: out)
        let count = max(digitCount(mantissa.magnitude), scale + 1)
        let wholes = count - scale
        let rest = digits(mantissa.magnitude, scale, to: place + wholes + 1)
        place[wholes] = UInt8(ascii: ".")
        digits(rest, wholes, to: place)
        return place + count + 1
    }

    /// How many digits a number has; 1 for zero.
    @inline(__always)
    static func digitCount(_ value: UInt64) -> Int {
        // 1233 / 4096 is log10(2): the number of bits gives the number of digits or one less.
        let bits = 64 &- (value | 1).leadingZeroBitCount
        let guess = (bits &* 1233) >> 12
        return guess &+ (value | 1 >= powersOfTen[guess] ? 1 : 0)
    }

    /// Writes the lowest `count` digits, with zeros in front; returns what is left above them.
    @inline(__always) @discardableResult
    private static func digits(_ value: UInt64, _ count: Int, to out: UnsafeMutablePointer<UInt8>) -> UInt64 {
        var (value, at) = (value, count)
        while at >= 2 {
            let rest = value / 100
            at &-= 2
            pair(Int(truncatingIfNeeded: value &- rest &* 100), to: out + at)
            value = rest
        }
        if at == 1 {
            let rest = value / 10
            out[0] = UInt8(truncatingIfNeeded: value &- rest &* 10) &+ 48
            value = rest
        }
        return value
    }

    @inline(__always)
    private static func pair(_ value: Int, to out: UnsafeMutablePointer<UInt8>) {
        let two = UnsafeRawPointer(pairs + value &* 2).loadUnaligned(as: UInt16.self)
        UnsafeMutableRawPointer(out).storeBytes(of: two, as: UInt16.self)
    }

    @inline(__always)
    private static func sign(of value: Int64, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        out.pointee = UInt8(ascii: "-")
        return out + (value < 0 ? 1 : 0)
    }

    private static var pairs: UnsafePointer<UInt8> {
        let text: StaticString = """
            0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
            5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
            """
        return text.utf8Start
    }

    /// 10^0 … 10^19, never freed and never written after this.
    nonisolated(unsafe) static let powersOfTen: UnsafePointer<UInt64> = {
        let powers = UnsafeMutablePointer<UInt64>.allocate(capacity: 20)
        var power: UInt64 = 1
        for index in 0..<20 {
            powers[index] = power
            power &*= 10
        }
        return UnsafePointer(powers)
    }()
}
