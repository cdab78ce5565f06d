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
    var hasDerivedResult: Bool { function == .stddev || hasSketch }

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
