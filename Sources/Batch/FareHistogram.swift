import Trips

/// Trips by fare bucket, merged from the windows of `fareDistribution`: `FareBucket` says what a bucket holds.
struct FareHistogram: PeriodSum, Equatable {
    private var trips = GroupSums<Int64>(ids: FareBucket.all)
    private(set) var count: Int64 = 0
    private(set) var damage: String?

    /// Whether a number names a bucket.
    static func isBucket(_ bucket: Int64) -> Bool { FareBucket.all ~= bucket }

    mutating func add(_ n: Int64, to bucket: Int64) {
        trips.add(n, to: bucket)
        let (all, isOver) = count.addingReportingOverflow(n)
        if isOver || trips.overflow != nil { damage = "the sum of trips leaves 64 bits" }
        count = all
    }

    mutating func endDay() {}

    mutating func merge(_ other: FareHistogram) {
        if damage == nil { damage = other.damage }
        for (bucket, n) in other.trips.groups { add(n, to: bucket) }
    }

    static func == (a: FareHistogram, b: FareHistogram) -> Bool { a.words == b.words }

    var words: [Int64] { trips.groups.flatMap { [$0.id, $0.value] } }

    mutating func restore(_ words: [Int64]) -> Bool {
        guard words.count % 2 == 0 else { return false }
        for index in stride(from: 0, to: words.count, by: 2) {
            guard Self.isBucket(words[index]), words[index + 1] > 0 else { return false }
            add(words[index + 1], to: words[index])
        }
        return damage == nil
    }

    /// The fare below or at which `percent` of the trips lie, the inverse of the empirical distribution: what stands for the first
    /// bucket up to which at least so many are counted; nil where there are no trips.
    ///
    /// Within 0.5 % of the exact one, and half a cent that rounding to cents adds.
    func percentile(_ percent: Int64) -> Cents? {
        let share = DecimalShare(Double(percent) / 100)
        var seen: Int64 = 0
        for (bucket, n) in trips.groups {
            seen &+= n
            if share.isReached(by: seen, of: count) { return Int64(FareBucket.middle(of: bucket).rounded()) }
        }
        return nil
    }
}
