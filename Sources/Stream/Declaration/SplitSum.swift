/// A sum that 64 bits may not hold, in two words: `high · 2^62 + low`, where low is from 0 to before 2^62.
///
/// Neither word is ever `nullCell`, and SQL can put them together where it has to.
public struct SplitSum: Sendable, Hashable {
    public var high: Int64
    public var low: Int64

    public init(high: Int64, low: Int64) { (self.high, self.low) = (high, low) }

    /// What low can be.
    public static let lows: ClosedRange<Int64> = 0...1 << 62 - 1

    var whole: Int128 { Int128(high) << 62 + Int128(low) }

    /// Adds a number to the two words at `words`; returns whether the sum left its 125 bits.
    @inline(__always)
    static func add(_ value: Int64, to words: UnsafeMutablePointer<Int64>) -> Bool {
        add(value >> 62, value & lows.upperBound, to: words)
    }

    /// Adds the square of a number.
    @inline(__always)
    static func addSquare(of value: Int64, to words: UnsafeMutablePointer<Int64>) -> Bool {
        let square = value.multipliedFullWidth(by: value)
        let (high, isOver) = square.high.multipliedReportingOverflow(by: 4)
        let low = Int64(truncatingIfNeeded: square.low) & lows.upperBound
        return add(high | Int64(truncatingIfNeeded: square.low >> 62), low, to: words) || isOver
    }

    @inline(__always)
    static func add(_ high: Int64, _ low: Int64, to words: UnsafeMutablePointer<Int64>) -> Bool {
        let lows = words[1] &+ low
        let (highs, isOver) = words[0].addingReportingOverflow(high)
        let (carried, isCarryOver) = highs.addingReportingOverflow(lows >> 62)
        (words[0], words[1]) = (carried, lows & Self.lows.upperBound)
        return isOver || isCarryOver
    }
}

/// The standard deviation of a sample, from how many values there are, their sum and the sum of their squares.
enum SampleDeviation {
    /// As an integer of `places` more decimals (or fewer) than the values have, half up; exact, since everything is whole numbers.
    ///
    /// nil for fewer than 2 values, and for sums that no values have, or whose result leaves 64 bits.
    static func rounded(count: Int64, sum: SplitSum, squares: SplitSum, places: Int) -> Int64? {
        // (n Σx² − (Σx)²) / (n (n − 1)), of which numerators take up to 256 bits.
        guard count >= 2, count <= 1 << 48, squares.high >= 0 else { return nil }
        let n = UInt128(count)
        let products = n.multipliedFullWidth(by: squares.whole.magnitude)
        let square = sum.whole.magnitude.multipliedFullWidth(by: sum.whole.magnitude)
        let (low, borrows) = products.low.subtractingReportingOverflow(square.low)
        let (above, isLess) = products.high.subtractingReportingOverflow(square.high)
        let (high, isLessStill) = above.subtractingReportingOverflow(borrows ? 1 : 0)
        if isLess || isLessStill { return nil }
        let scale = (0..<2 * abs(places)).reduce(UInt128(1)) { power, _ in power * 10 }
        let divisor = n * (n - 1) * (places < 0 ? scale : 1)
        let lowProduct = low.multipliedFullWidth(by: places > 0 ? scale : 1)
        let (highProduct, isOver) = high.multipliedReportingOverflow(by: places > 0 ? scale : 1)
        let (dividend, isCarryOver) = highProduct.addingReportingOverflow(lowProduct.high)
        // A quotient from 2^126 on has a root that leaves 64 bits.
        if isOver || isCarryOver || dividend >= divisor { return nil }
        let variance = divisor.dividingFullWidth((dividend, lowProduct.low))
        guard variance.quotient < 1 << 126 else { return nil }
        let root = root(of: variance.quotient)
        // √v ≥ root + ½ where v ≥ root² + root + ¼.
        let middle = root * root + root
        let isUp =
            variance.quotient > middle || variance.quotient == middle && 4 * variance.remainder >= divisor
        return Int64(clamping: isUp ? root + 1 : root)
    }

    /// The greatest integer whose square is not above `value`, which is below 2^126.
    private static func root(of value: UInt128) -> UInt128 {
        guard value > 0 else { return 0 }
        let near = max(1, UInt128(Double(value).squareRoot()))
        // A step of Newton's doubles the 53 bits of a Double.
        var root = (near + value / near) / 2
        while root * root > value { root -= 1 }
        while (root + 1) * (root + 1) <= value { root += 1 }
        return root
    }
}
