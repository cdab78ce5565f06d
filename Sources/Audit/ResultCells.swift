import Foundation
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
        case .count, .countField: return words[0]
        case .min, .max: return words[0] == nullCell ? nil : words[0]
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

    private static func quantile(_ aggregate: AggregatePlan, _ share: Double, _ buckets: [StoredState.Bucket]) -> Int64?
    {
        let exact = DecimalShare(share)
        let total = buckets.reduce(0) { $0 + $1.count }
        var seen: Int64 = 0
        for (bucket, count) in buckets {
            seen += count
            guard exact.isReached(by: seen, of: total) else { continue }
            let scale = Double(power(aggregate.decimals)) / Double(power(aggregate.unit.decimals))
            return Int64((FareBucket.middle(of: bucket) * scale).rounded())
        }
        return nil
    }

    static func power(_ exponent: Int) -> Int64 { (0..<exponent).reduce(1) { power, _ in power * 10 } }

    /// A result as text: `12.50`, `null`.
    static func text(_ value: Int64?, decimals: Int) -> String {
        guard let value else { return "null" }
        guard decimals > 0 else { return "\(value)" }
        let digits = "\(value.magnitude)"
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        return (value < 0 ? "-" : "") + padded.dropLast(decimals) + "." + padded.suffix(decimals)
    }
}
