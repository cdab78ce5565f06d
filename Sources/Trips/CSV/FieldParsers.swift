/// Parsers of the common forms of numbers, on bytes, without calls or allocation, so that the loops around these stay small.
///
/// The text is trimmed and not empty. What comes back is a cell within the column's bounds, or nil for everything else: other ways
/// to write a number, numbers out of bounds, and what is no number at all. `DecimalNumber` and `NumberRule` know those.
enum FieldParsers {
    /// `600`
    @inline(__always)
    static func integer(_ p: UnsafePointer<UInt8>, _ n: Int, _ rule: NumberRule) -> Int64? {
        var value: Int64 = 0
        guard n <= 17 else { return nil }
        for i in 0..<n {
            let digit = p[i] &- 48
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int64(digit)
        }
        return value >= rule.least && value <= rule.greatest ? value : nil
    }

    /// Dollars to cents: `45.50`, `45.5`, `45`.
    @inline(__always)
    static func money(_ p: UnsafePointer<UInt8>, _ n: Int, _ rule: NumberRule) -> Cents? {
        guard n <= 15 else { return nil }
        var value: Int64 = 0
        var i = 0
        while i < n {
            let digit = p[i] &- 48
            if digit >= 10 { break }
            value = value &* 10 &+ Int64(digit)
            i &+= 1
        }
        value = value &* 100
        if i < n {
            guard i > 0, p[i] == 46 else { return nil }
            if n &- i == 3 {
                let (tens, ones) = (p[i &+ 1] &- 48, p[i &+ 2] &- 48)
                guard tens < 10, ones < 10 else { return nil }
                value = value &+ Int64(tens) &* 10 &+ Int64(ones)
            } else {
                guard n &- i == 2, p[i &+ 1] &- 48 < 10 else { return nil }
                value = value &+ Int64(p[i &+ 1] &- 48) &* 10
            }
        }
        // Without a sign it is not below the least.
        return value <= rule.greatest ? value : nil
    }

    /// `-87.633308037`, with its digits kept.
    @inline(__always)
    static func decimal(_ p: UnsafePointer<UInt8>, _ n: Int, _ rule: NumberRule) -> Int64? {
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
        // Below the bound by its whole part alone; what lies on it is rare.
        guard mantissa < (isNegative ? 0 &- rule.least : rule.greatest) else { return nil }
        var scale = 0
        if i < n {
            guard p[i] == 46, i > start else { return nil }
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
        guard i == n, n &- start <= 17, scale <= rule.decimals, n > start else { return nil }
        return PackedDecimal(mantissa: isNegative ? 0 &- mantissa : mantissa, scale: scale).cell
    }
}
