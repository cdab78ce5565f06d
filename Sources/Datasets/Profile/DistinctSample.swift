/// How many different values there are, and how often each comes, in bounded memory.
///
/// Exact up to `capacity` values. From then on it keeps half of the values, chosen by their hash, then a quarter, and so on, with
/// true counts of those it keeps: an unbiased sample of the values, whose number times the share left out is the estimate,
/// within about 1.2 / √capacity (one standard error).
///
/// Source: P. Flajolet, "On Adaptive Sampling", Computing 43, 1990 (after M. Wegman).
struct DistinctSample {
    private let capacity: Int
    /// Hashes, 0 for a free place; twice as many places as values at least.
    private var hashes: [UInt64]
    private var counts: [UInt32]
    private var size = 0
    /// Values are kept whose hash ends in so many zeros.
    private var level: UInt64 = 0

    /// - Parameter capacity: a power of two.
    init(capacity: Int) {
        precondition(capacity.nonzeroBitCount == 1, "the capacity must be a power of two")
        self.capacity = capacity
        // Most columns hold few values: the table grows with them.
        hashes = Array(repeating: 0, count: min(capacity * 2, 256))
        counts = Array(repeating: 0, count: hashes.count)
    }

    /// Counts a value; returns whether it is a new one.
    @inline(__always)
    @discardableResult
    mutating func add(_ hash: UInt64) -> Bool {
        if hash & (1 << level &- 1) != 0 { return false }
        let key = hash == 0 ? 1 << 63 : hash
        let place = place(of: key)
        counts[place] &+= 1
        if hashes[place] == key { return false }
        hashes[place] = key
        size += 1
        if size * 2 > hashes.count { makeRoom() }
        return true
    }

    /// Makes sure that a value is there and counts nothing; where its number of any meaning is, or nil for one that is not kept.
    ///
    /// The place is good until the next value.
    @inline(__always)
    mutating func insert(_ hash: UInt64) -> Int? {
        if hash & (1 << level &- 1) != 0 { return nil }
        let key = hash == 0 ? 1 << 63 : hash
        let place = place(of: key)
        if hashes[place] == key { return place }
        hashes[place] = key
        size += 1
        guard size * 2 > hashes.count else { return place }
        makeRoom()
        return key & (1 << level &- 1) == 0 ? self.place(of: key) : nil
    }

    /// The number that belongs to a value; its count, unless whoever uses `insert` has given it another meaning. 0 for a new one.
    subscript(place: Int) -> UInt32 {
        get { counts[place] }
        set { counts[place] = newValue }
    }

    /// How many values have each number, of all that were added.
    var numbers: [UInt32: Int] {
        zip(hashes, counts).reduce(into: [:]) { if $1.0 != 0 { $0[$1.1, default: 0] += 1 << Int(level) } }
    }

    var isExact: Bool { level == 0 }
    /// How many different values were added.
    var distinct: Int { size << Int(level) }
    /// How many were added that had been there before.
    var surplus: Int { zip(hashes, counts).reduce(0) { $0 + ($1.0 == 0 ? 0 : Int($1.1) - 1) } << Int(level) }

    /// The values that came most often, with their counts; equal counts in the order of the hashes.
    func commonest(_ count: Int) -> [(hash: UInt64, count: Int)] {
        let values = zip(hashes, counts).filter { $0.0 != 0 }.map { (hash: $0.0, count: Int($0.1)) }
        return Array(values.sorted { ($1.count, $0.hash) < ($0.count, $1.hash) }.prefix(count))
    }

    /// The upper bits choose the place, since the lower ones choose what is kept.
    @inline(__always)
    private func place(of key: UInt64) -> Int {
        let mask = hashes.count &- 1
        var place = Int(truncatingIfNeeded: key >> 32) & mask
        while hashes[place] != 0, hashes[place] != key { place = (place &+ 1) & mask }
        return place
    }

    @inline(never)
    private mutating func makeRoom() {
        let (oldHashes, oldCounts) = (hashes, counts)
        let slots = min(hashes.count * 2, capacity * 2)
        if hashes.count == slots { level += 1 }
        hashes = Array(repeating: 0, count: slots)
        counts = Array(repeating: 0, count: slots)
        size = 0
        for (key, count) in zip(oldHashes, oldCounts) where key != 0 && key & (1 << level - 1) == 0 {
            let place = place(of: key)
            (hashes[place], counts[place]) = (key, count)
            size += 1
        }
        // By bad luck all of them may be kept.
        if size * 2 > hashes.count { makeRoom() }
    }
}
