import Foundation
import SQLite
import Stream
import Trips

/// The histograms of a recount, each in the order of its buckets.
struct Histograms {
    private let order: [Int32]
    private let buckets: FlatTable

    init(_ buckets: FlatTable) {
        self.buckets = buckets
        order = (0..<Int32(buckets.count)).sorted {
            let (a, b) = (Int($0), Int($1))
            return (buckets.windows[a], buckets.groups[a]) < (buckets.windows[b], buckets.groups[b])
        }
    }

    /// Of histogram number `index` of an entry; empty where no value was added.
    func of(_ entry: Int, _ index: Int) -> [StoredState.Bucket] {
        let key = Int64(entry) << 8 | Int64(index)
        var (low, high) = (0, order.count)
        while low < high {
            let middle = (low + high) / 2
            if buckets.windows[Int(order[middle])] < key { low = middle + 1 } else { high = middle }
        }
        return order[low...].prefix { buckets.windows[Int($0)] == key }.map {
            (buckets.groups[Int($0)], buckets.words[Int($0)])
        }
    }
}

/// What people read of a state: worked out here from the words of the specification, not by the program's own means.
enum ResultCells {
    /// The result as an integer of the aggregate's `decimals` places; nil for null.
    static func result(
        _ aggregate: AggregatePlan, words: UnsafePointer<Int64>, histogram: [StoredState.Bucket]
    ) -> Int64? {
        switch aggregate.function {
        case .count, .countField, .distinct: return words[0]
        case .min, .max, .stddev: return words[0] == nullCell ? nil : words[0]
        case .sum: return words[1] == 0 ? nil : words[0]
        case .avg:
            guard words[1] != 0 else { return nil }
            return mean(words[0], words[1], places: aggregate.decimals - aggregate.unit.decimals)
        case .quantile(let share): return quantile(aggregate, share, histogram)
        }
    }

    /// Σ/n with so many more (or fewer) decimal places, a half away from zero: in 128 bits, so that nothing can run over.
    private static func mean(_ sum: Int64, _ count: Int64, places: Int) -> Int64 {
        let factor = Int128(power(abs(places)))
        let dividend = places > 0 ? Int128(sum) * factor : Int128(sum)
        let divisor = places < 0 ? Int128(count) * factor : Int128(count)
        let doubled = 2 * dividend.magnitude / divisor.magnitude
        let rounded = Int128((doubled + 1) / 2)
        return Int64(clamping: (dividend < 0) == (divisor < 0) ? rounded : -rounded)
    }

    /// A sum of two words, `high · 2^62 + low`.
    static func whole(_ words: UnsafePointer<Int64>) -> Int128 { Int128(words[0]) << 62 + Int128(words[1]) }

    /// The standard deviation of a sample from the words of its state, a half up; nil for fewer than 2 values.
    ///
    /// Its square is (n Σx² − (Σx)²) / (n (n − 1)). So it is the greatest r with (2r − 1)² n (n − 1) ≤ 4 (n Σx² − (Σx)²), found by halving:
    /// without a root, and in 256 bits.
    static func deviation(_ aggregate: AggregatePlan, _ words: UnsafePointer<Int64>) -> Int64? {
        // What is stored may be anything.
        guard words[1] > 1, words[1] < 1 << 50, words[4] >= 0 else { return nil }
        let n = UInt128(words[1])
        let places = aggregate.decimals - aggregate.unit.decimals
        let scale = UInt128(power(2 * abs(places)))
        guard
            let spread = Wide(n, whole(words + 4).magnitude)
                - Wide(whole(words + 2).magnitude, whole(words + 2).magnitude)
        else { return nil }
        let right = spread.times(4 * (places > 0 ? scale : 1))
        let left = n * (n - 1) * (places < 0 ? scale : 1)
        var (least, above) = (UInt128(0), UInt128(1) << 63)
        while above - least > 1 {
            let middle = (least + above) / 2
            let odd = 2 * middle - 1
            if right < Wide(odd * odd, left) { above = middle } else { least = middle }
        }
        return Int64(least)
    }

    /// A product of up to 256 bits.
    private struct Wide: Comparable {
        var high: UInt128
        var low: UInt128

        init(_ a: UInt128, _ b: UInt128) { (high, low) = a.multipliedFullWidth(by: b) }

        func times(_ factor: UInt128) -> Wide {
            var product = Wide(low, factor)
            product.high &+= high &* factor
            return product
        }

        static func - (a: Wide, b: Wide) -> Wide? {
            guard a >= b else { return nil }
            var rest = a
            rest.low = a.low &- b.low
            rest.high = a.high - b.high - (a.low < b.low ? 1 : 0)
            return rest
        }

        static func < (a: Wide, b: Wide) -> Bool { (a.high, a.low) < (b.high, b.low) }
    }

    private static func quantile(_ aggregate: AggregatePlan, _ share: Double, _ buckets: [StoredState.Bucket]) -> Int64?
    {
        let exact = DecimalShare(share)
        // Stored counts may be anything.
        let total = buckets.reduce(Int64(0)) { $0.addingSaturated($1.count) }
        var seen: Int64 = 0
        for (bucket, count) in buckets {
            seen = seen.addingSaturated(count)
            guard exact.isReached(by: seen, of: total) else { continue }
            let scale = Double(power(aggregate.decimals)) / Double(power(aggregate.unit.decimals))
            // A stored bucket may be one that there is not.
            let value = (FareBucket.middle(of: bucket) * scale).rounded()
            return abs(value) < 9e18 ? Int64(value) : .max
        }
        return nil
    }

    /// A result as SQLite gives it: the double nearest to the amount, a count as an integer.
    static func sql(_ value: Int64?, decimals: Int) -> SQLValue {
        guard let value else { return .null }
        return decimals == 0 ? .integer(value) : .real(Double(value) / Double(power(decimals)))
    }

    static func power(_ exponent: Int) -> Int64 { (0..<exponent).reduce(1) { power, _ in power * 10 } }

    /// A result as text: `12.50`, `null`.
    static func text(_ value: Int64?, decimals: Int) -> String {
        value.map { text(Int128($0), decimals: decimals) } ?? "null"
    }

    static func text(_ value: Int128, decimals: Int) -> String {
        guard decimals > 0 else { return "\(value)" }
        let digits = "\(value.magnitude)"
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        return (value < 0 ? "-" : "") + padded.dropLast(decimals) + "." + padded.suffix(decimals)
    }
}
