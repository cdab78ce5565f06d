/// Which trip stands where in a file: when each starts, and how they are shuffled.
struct TripOrder: Sendable {
    let count: Int
    /// The first trip, in order of time, of each quarter-hour, and after the last the count of trips.
    private let firstTrips: [Int]
    /// The quarter-hour of each trip whose number is a multiple of 2^shift: where to begin to look.
    private let guide: [Int32]
    private let shift: Int
    private let shuffle: Shuffle?

    init(count: Int, quarters: QuarterHours, seed: UInt64, isShuffled: Bool) {
        self.count = count
        let weights = TripDemand.weights(quarters, seed: seed)
        let total = UInt64(weights.reduce(0, +))
        var before: UInt64 = 0
        var firstTrips: [Int] = []
        firstTrips.reserveCapacity(weights.count + 1)
        for weight in weights {
            firstTrips.append(Int(total.dividingFullWidth(before.multipliedFullWidth(by: UInt64(count))).quotient))
            before += UInt64(weight)
        }
        firstTrips.append(count)
        self.firstTrips = firstTrips

        var shift = 0
        while count >> shift > weights.count { shift += 1 }
        self.shift = shift
        var guide: [Int32] = []
        var quarter = 0
        for trip in stride(from: 0, to: count, by: 1 << shift) {
            while firstTrips[quarter + 1] <= trip { quarter += 1 }
            guide.append(Int32(quarter))
        }
        self.guide = guide
        shuffle = isShuffled ? Shuffle(count: count, seed: seed) : nil
    }

    /// The number, in order of time, of the trip in a row of the file.
    func trip(atRow row: Int) -> Int { shuffle?.place(of: row) ?? row }

    /// The quarter-hour in which a trip starts.
    func quarter(ofTrip trip: Int) -> Int {
        var quarter = Int(guide[trip >> shift])
        while firstTrips[quarter + 1] <= trip { quarter += 1 }
        return quarter
    }
}

/// A permutation of 0..<count in no memory: rounds that can be undone over the next power of two, again until the result is in range.
private struct Shuffle: Sendable {
    private let count: UInt64
    private let mask: UInt64
    private let halfWidth: UInt64
    private let keys: [UInt64]

    init(count: Int, seed: UInt64) {
        self.count = UInt64(count)
        let width = max(2, Int.bitWidth - max(0, count - 1).leadingZeroBitCount)
        mask = 1 << UInt64(width) - 1
        halfWidth = UInt64((width + 1) / 2)
        var random = RandomBits(seed: seed ^ 0x5_4ff1e, number: 0)
        keys = (0..<4).map { _ in random.next() }
    }

    func place(of row: Int) -> Int {
        var x = UInt64(row)
        repeat {
            // Adding, multiplying by an odd number and folding the upper half down are all bijections.
            for key in keys {
                x = (x &+ key) & mask
                x = (x &* (key | 1)) & mask
                x ^= x >> halfWidth
            }
        } while x >= count
        return Int(x)
    }
}
