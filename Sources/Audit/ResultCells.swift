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
