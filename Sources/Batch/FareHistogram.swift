import Trips

/// Trips by fare bucket, merged from the windows of `fareDistribution`: `FareBucket` says what a bucket holds.
struct FareHistogram: PeriodSum, Equatable {
    /// Trips of the buckets from `first` on; fares of a city lie in some hundred of thousands.
    private var trips: [Int64] = []
    private var first: Int64 = 0
    private(set) var count: Int64 = 0
    private(set) var damage: String?

    /// Whether a number names a bucket.
    static func isBucket(_ bucket: Int64) -> Bool { FareBucket.all ~= bucket }

    mutating func add(_ n: Int64, to bucket: Int64) {
        let place = makeRoom(for: bucket)
        let (sum, isOver) = trips[place].addingReportingOverflow(n)
        let (all, isOverAll) = count.addingReportingOverflow(n)
        if isOver || isOverAll { damage = "the sum of trips leaves 64 bits" }
        (trips[place], count) = (sum, all)
    }

    private mutating func makeRoom(for bucket: Int64) -> Int {
        if trips.isEmpty { first = bucket }
        if bucket < first {
            trips.insert(contentsOf: repeatElement(0, count: Int(first - bucket)), at: 0)
            first = bucket
        }
        let place = Int(bucket - first)
        if place >= trips.count { trips.append(contentsOf: repeatElement(0, count: place + 1 - trips.count)) }
        return place
    }

    mutating func endDay() {}

    mutating func merge(_ other: FareHistogram) {
        if damage == nil { damage = other.damage }
        for (bucket, n) in other.buckets { add(n, to: bucket) }
    }

    /// Buckets that hold trips, ascending.
    private var buckets: some Sequence<(bucket: Int64, trips: Int64)> {
        trips.enumerated().lazy.filter { $1 != 0 }.map { [first] in (first + Int64($0), $1) }
    }

    static func == (a: FareHistogram, b: FareHistogram) -> Bool { a.words == b.words }

    var words: [Int64] { buckets.flatMap { [$0.bucket, $0.trips] } }

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
        for (bucket, n) in buckets {
            seen &+= n
            if share.isReached(by: seen, of: count) { return Int64(FareBucket.middle(of: bucket).rounded()) }
        }
        return nil
    }
}
