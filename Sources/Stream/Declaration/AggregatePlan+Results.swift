import Trips

// From state to result: the same numbers that the public views give.

extension AggregatePlan {
    /// The result of a state without a histogram as an integer of `decimals` places; nil for null: no value was added.
    public func result(words: UnsafePointer<Int64>) -> Int64? {
        switch function {
        case .count, .countField, .distinct: return words[0]
        case .min, .max, .stddev: return words[0] == nullCell ? nil : words[0]
        case .sum: return words[1] > 0 ? words[0] : nil
        case .avg: return words[1] > 0 ? mean(sum: words[0], count: words[1]) : nil
        case .quantile: return nil
        }
    }

    /// Whether a result is one of the state's words, since SQL cannot work it out of the others.
    package var hasDerivedResult: Bool { function == .stddev || hasSketch }

    /// Works out the result that is kept among the words of a state without a sketch.
    func derive(_ words: UnsafeMutablePointer<Int64>) { words[0] = derived(words) ?? nullCell }

    private func derived(_ words: UnsafePointer<Int64>) -> Int64? {
        guard function == .stddev else { return nil }
        return SampleDeviation.rounded(
            count: words[1], sum: SplitSum(high: words[2], low: words[3]),
            squares: SplitSum(high: words[4], low: words[5]), places: decimals - unit.decimals)
    }

    /// What contradicts itself in a state as it was stored; nil where nothing does.
    func contradiction(_ words: UnsafePointer<Int64>) -> String? {
        guard function == .stddev else { return nil }
        let (sum, squares) = (
            SplitSum(high: words[2], low: words[3]).whole, SplitSum(high: words[4], low: words[5]).whole
        )
        let arePossible =
            switch words[1] {
            case 0: sum == 0 && squares == 0
            case 1: sum.magnitude < 1 << 62 && squares == sum * sum
            default: derived(words) != nil
            }
        guard arePossible else { return "sums that some values have" }
        return derived(words) ?? nullCell == words[0] ? nil : "the standard deviation of its sums"
    }

    /// The quantile of a histogram, rounded as `decimals` says; nil where the histogram is empty.
    ///
    /// It is the inverse of the empirical distribution: what stands for the first bucket up to which at least `share` of the values are
    /// counted.
    /// - Parameter histogram: counts by bucket, in the order of the buckets.
    public func result(histogram: some Collection<(bucket: Int64, count: Int64)>) -> Double? {
        guard case .quantile(let share) = function else { return nil }
        let exact = DecimalShare(share)
        let total = histogram.reduce(0) { $0 &+ $1.count }
        var seen: Int64 = 0
        for (bucket, count) in histogram {
            seen &+= count
            guard exact.isReached(by: seen, of: total) else { continue }
            let scaled = FareBucket.middle(of: bucket) * Self.power(decimals - unit.decimals)
            return scaled.rounded() / Self.power(decimals)
        }
        return nil
    }

    /// `sum / count`, half away from zero, brought from the unit's places to the result's.
    private func mean(sum: Int64, count: Int64) -> Int64 {
        let shift = decimals - unit.decimals
        let dividend = Int128(sum) * (shift > 0 ? Int128(Self.power(shift)) : 1)
        let divisor = Int128(count) * (shift < 0 ? Int128(Self.power(-shift)) : 1)
        // An exact half needs an even divisor, so adding half of it rounded down is enough.
        return Int64(clamping: (dividend + (dividend < 0 ? -(divisor / 2) : divisor / 2)) / divisor)
    }

    private static func power(_ exponent: Int) -> Double { (0..<exponent).reduce(1) { power, _ in power * 10 } }
}

// The same in the SQL of public views: it uses what every SQLite since 3.38 has, and no mathematical functions, which the libraries of other
// tools may lack.

extension AggregatePlan {
    /// What people read of the stored state: dollars, decimals, averages; NULL where no value was added.
    ///
    /// - Parameter states: the expressions of its columns.
    func resultSQL(_ states: [String]) -> String {
        let unit = self.unit.decimals
        switch function {
        case .count, .countField, .distinct: return states[0]
        case .min, .max: return Self.scaled(states[0], unit)
        case .stddev: return Self.scaled(states[0], decimals)
        case .sum: return "CASE WHEN \(states[1]) > 0 THEN \(Self.scaled(states[0], unit)) END"
        case .avg:
            let mean = Self.mean(sum: states[0], count: states[1], shift: decimals - unit)
            return "CASE WHEN \(states[1]) > 0 THEN \(Self.scaled(mean, decimals)) END"
        case .quantile(let share): return Self.quantile(states[0], share, unitDecimals: unit, decimals: decimals)
        }
    }

    /// An integer of `decimals` places as the number it stands for.
    private static func scaled(_ integer: String, _ decimals: Int) -> String {
        decimals == 0 ? integer : "(\(integer)) / \(digits(decimals)).0"
    }

    /// `sum / count` as an integer of `shift` more (or fewer) decimal places, half away from zero.
    ///
    /// Whole quotient and remainder apart: a product with the whole sum would leave 64 bits, and SQLite would go on in floating point.
    private static func mean(sum: String, count: String, shift: Int) -> String {
        let divisor = shift < 0 ? "(\(count) * \(digits(-shift)))" : count
        let rest = "(\(sum)) % \(divisor)" + (shift > 0 ? " * \(digits(shift))" : "")
        let whole = "(\(sum)) / \(divisor)" + (shift > 0 ? " * \(digits(shift))" : "")
        // An exact half needs an even divisor, so adding half of it rounded down is enough.
        return
            "(\(whole) + (\(rest) + CASE WHEN \(sum) < 0 THEN -(\(divisor) / 2) ELSE \(divisor) / 2 END) / \(divisor))"
    }

    /// What stands for the first bucket up to which at least `share` of the histogram's values are counted.
    private static func quantile(_ histogram: String, _ share: Double, unitDecimals: Int, decimals: Int) -> String {
        let share = DecimalShare(share)
        // What is rounded is what `result(histogram:)` rounds, so that both give the same digits.
        return """
            (SELECT round(f.middle_cents * \(digits(decimals - unitDecimals)).0) / \(digits(decimals)).0 \
            FROM (SELECT CAST(h.key AS INTEGER) AS bucket, sum(h.value) OVER (ORDER BY CAST(h.key AS INTEGER)) AS seen, \
            sum(h.value) OVER () AS total FROM json_each(\(histogram)) AS h) AS c \
            LEFT JOIN fare_buckets AS f ON f.bucket = c.bucket \
            WHERE c.seen > 0 AND c.seen * \(share.denominator) >= \(share.numerator) * c.total ORDER BY c.bucket LIMIT 1)
            """
    }

    private static func digits(_ exponent: Int) -> String { "1" + String(repeating: "0", count: exponent) }
}
