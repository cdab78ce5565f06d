/// Parsers of single fields, on bytes, without allocation. Each gives a cell, or nil for text that is not of its kind.
///
/// The text is trimmed and not empty. The common forms come first and straight; the rare ones (thousands separators, `$`,
/// exponents) go to functions of their own, so that the loops around these stay small.
enum FieldParsers {
    /// `600`, `-5`; also `600.0` and `1,560`, which exports that went through a spreadsheet or a data frame hold.
    @inline(__always)
    static func integer(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int64? {
        var value: Int64 = 0
        guard n <= 17 else { return oddInteger(p, n) }
        for i in 0..<n {
            let digit = p[i] &- 48
            guard digit < 10 else { return oddInteger(p, n) }
            value = value &* 10 &+ Int64(digit)
        }
        return value
    }

    @inline(never)
    private static func oddInteger(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int64? {
        guard let decimal = decimal(p, n, allowsThousands: true) else { return nil }
        let divisor = PackedDecimal.powersOfTen[decimal.scale]
        guard decimal.mantissa % divisor == 0 else { return nil }
        return decimal.mantissa / divisor
    }

    /// Dollars to cents: `45.50`, `45.5`, `45`, and through `oddMoney` `$45.50`, `-4.00`, `$1,234.00`.
    @inline(__always)
    static func money(_ p: UnsafePointer<UInt8>, _ n: Int) -> Cents? {
        guard n <= 15 else { return oddMoney(p, n) }
        var value: Int64 = 0
        var i = 0
        while i < n {
            let digit = p[i] &- 48
            if digit >= 10 { break }
            value = value &* 10 &+ Int64(digit)
            i &+= 1
        }
        if i == n { return value &* 100 }
        if i > 0, p[i] == 46 {
            if n &- i == 3 {
                let (tens, ones) = (p[i &+ 1] &- 48, p[i &+ 2] &- 48)
                if tens < 10, ones < 10 { return value &* 100 &+ Int64(tens) &* 10 &+ Int64(ones) }
            } else if n &- i == 2, p[i &+ 1] &- 48 < 10 {
                return value &* 100 &+ Int64(p[i &+ 1] &- 48) &* 10
            }
        }
        return oddMoney(p, n)
    }

    @inline(never)
    private static func oddMoney(_ p: UnsafePointer<UInt8>, _ n: Int) -> Cents? {
        var (p, n) = (p, n)
        var sign: Int64 = 1
        func skip(_ byte: UInt8) -> Bool {
            guard n > 0, p[0] == byte else { return false }
            p += 1
            n -= 1
            return true
        }
        if skip(UInt8(ascii: "-")) { sign = -1 }
        _ = skip(UInt8(ascii: "$"))
        if sign == 1, skip(UInt8(ascii: "-")) { sign = -1 }
        guard n > 0, p[0] != UInt8(ascii: "-"), p[0] != UInt8(ascii: "+"),
            let decimal = decimal(p, n, allowsThousands: true)
        else { return nil }
        if decimal.scale <= 2 {
            let (cents, overflow) = decimal.mantissa.multipliedReportingOverflow(
                by: PackedDecimal.powersOfTen[2 - decimal.scale])
            return overflow ? nil : sign * cents
        }
        // Digits below a cent are an amount that nobody paid, unless they are zeros.
        let divisor = PackedDecimal.powersOfTen[decimal.scale - 2]
        return decimal.mantissa % divisor == 0 ? sign * (decimal.mantissa / divisor) : nil
    }

    /// `-87.633308037`, with its digits kept.
    @inline(__always)
    static func decimalCell(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int64? {
        var mantissa: Int64 = 0
        var i = 0
        let isNegative = p[0] == 45
        if isNegative { i = 1 }
        let start = i
        while i < n {
            let digit = p[i] &- 48
            if digit >= 10 { break }
            mantissa = mantissa &* 10 &+ Int64(digit)
            i &+= 1
        }
        var scale = 0
        if i < n {
            guard p[i] == 46, i > start else { return decimal(p, n, allowsThousands: true)?.cell }
            let point = i
            i &+= 1
            while i < n {
                let digit = p[i] &- 48
                if digit >= 10 { break }
                mantissa = mantissa &* 10 &+ Int64(digit)
                i &+= 1
            }
            scale = i &- point &- 1
        }
        guard i == n, n &- start <= 17, scale <= 15, n > start else {
            return decimal(p, n, allowsThousands: true)?.cell
        }
        return PackedDecimal(mantissa: isNegative ? -mantissa : mantissa, scale: scale).cell
    }

    /// Any way to write a decimal number: sign, thousands separators in groups of three, fraction, exponent.
    ///
    /// More than 17 significant digits are rounded (half away from zero); a scale above 15 likewise.
    static func decimal(_ p: UnsafePointer<UInt8>, _ n: Int, allowsThousands: Bool) -> PackedDecimal? {
        var i = 0
        var isNegative = false
        if i < n, p[i] == 45 || p[i] == 43 {
            isNegative = p[i] == 45
            i += 1
        }
        var mantissa: Int64 = 0
        var scale = 0
        var digits = 0
        var significant = 0
        var roundsUp: Bool?
        var seenPoint = false
        var groupStart: Int?
        while i < n {
            let byte = p[i]
            if byte >= 48, byte <= 57 {
                digits += 1
                if significant < 17, !(seenPoint && scale == 15) {
                    mantissa = mantissa * 10 + Int64(byte - 48)
                    if mantissa != 0 { significant += 1 }
                    if seenPoint { scale += 1 }
                } else {
                    if roundsUp == nil { roundsUp = byte >= 53 }
                    if !seenPoint { return nil }  // more than 17 digits before the point
                }
            } else if byte == 46, !seenPoint {
                if let group = groupStart, i - group != 4 { return nil }
                seenPoint = true
            } else if byte == 44, allowsThousands, !seenPoint, digits > 0 {
                if let group = groupStart, i - group != 4 { return nil }
                if groupStart == nil, digits > 3 { return nil }
                groupStart = i
            } else if byte | 0x20 == 0x65, digits > 0 {
                return exponent(p + i + 1, n - i - 1, isNegative ? -mantissa : mantissa, scale)
            } else {
                return nil
            }
            i += 1
        }
        if let group = groupStart, !seenPoint, n - group != 4 { return nil }
        guard digits > 0 else { return nil }
        if roundsUp == true { mantissa += 1 }
        return PackedDecimal(mantissa: isNegative ? -mantissa : mantissa, scale: scale)
    }

    private static func exponent(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ mantissa: Int64, _ scale: Int
    ) -> PackedDecimal? {
        guard n > 0, n <= 4, let power = integer(p[0] == 43 ? p + 1 : p, p[0] == 43 ? n - 1 : n), n > 1 || p[0] != 43
        else { return nil }
        var (mantissa, scale) = (mantissa, scale - Int(power))
        while scale < 0 {
            let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
            guard !overflow, abs(product) < 1 << 59 else { return nil }
            (mantissa, scale) = (product, scale + 1)
        }
        while scale > 15 {
            (mantissa, scale) = (mantissa / 10, scale - 1)
            if mantissa == 0 { return PackedDecimal(mantissa: 0, scale: 15) }
        }
        return PackedDecimal(mantissa: mantissa, scale: scale)
    }
}
