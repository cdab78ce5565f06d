import SQLite
import Trips

/// Trips by fare bucket, merged from the windows of `fareDistribution`: `FareBucket` says what a bucket holds.
struct FareHistogram: PeriodSum, Equatable {
    /// Trips of each bucket, from the negative one (index 0) on.
    private var trips = [Int64](repeating: 0, count: Int(FareBucket.last - FareBucket.negative) + 1)
    private(set) var count: Int64 = 0

    static let buckets = FareBucket.negative...FareBucket.last

    mutating func add(_ n: Int64, to bucket: Int64) {
        trips[Int(bucket - FareBucket.negative)] &+= n
        count &+= n
    }

    mutating func endDay() {}

    mutating func merge(_ other: FareHistogram) {
        for index in trips.indices { trips[index] &+= other.trips[index] }
        count &+= other.count
    }

    var words: [Int64] {
        trips.indices.flatMap { trips[$0] == 0 ? [] : [Int64($0), trips[$0]] }
    }

    mutating func restore(_ words: [Int64]) -> Bool {
        guard words.count % 2 == 0 else { return false }
        for index in stride(from: 0, to: words.count, by: 2) {
            guard let bucket = Int(exactly: words[index]), trips.indices.contains(bucket),
                ClosedRange.counts.contains(words[index + 1])
            else { return false }
            trips[bucket] &+= words[index + 1]
            count &+= words[index + 1]
        }
        return true
    }

    /// The fare below or at which `percent` of the trips lie, by nearest rank: the estimate of the smallest bucket whose
    /// cumulative count reaches ceil(percent/100 · n); nil where there are no trips.
    ///
    /// Within 2 % of the exact nearest-rank percentile, and half a cent that rounding to cents adds. Zero is exact; of a
    /// negative fare nothing is known but its sign: -1 cent.
    func percentile(_ percent: Int64) -> Cents? {
        guard count > 0 else { return nil }
        let rank = (percent &* count &+ 99) / 100
        var cumulative: Int64 = 0
        for (index, n) in trips.enumerated() {
            cumulative &+= n
            if cumulative >= rank {
                return Int64(FareBucket.estimateCents(of: Int64(index) + FareBucket.negative).rounded())
            }
        }
        return nil
    }
}
