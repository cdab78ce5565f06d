/// Puts entries of windows in the order of their keys, so that output does not depend on who came first.
struct EntrySorter: ~Copyable {
    private enum Order {
        /// Of the keys that the groups' ids stand for.
        case ranks
        case numbers
        /// Of numbers that may be below 0.
        case fareBuckets
    }
    private let by: Order
    private var small = SmallKeys()

    init(_ plan: QueryPlan) {
        by = plan.keysTable != nil ? .ranks : plan.groups == [.fareBucket] ? .fareBuckets : .numbers
    }

    /// - Parameter ranks: of the keys, by id; empty where groups are in the order of their numbers.
    mutating func sort(_ window: WindowPointer, _ ranks: [Int32], into order: inout [Int32]) {
        let count = window.pointee.count
        let groups = window.pointee.groups
        order.removeAll(keepingCapacity: true)
        switch by {
        case .ranks:
            ranks.withUnsafeBufferPointer { ranks in
                sort(count, into: &order) { Int64(ranks[Int(groups[$0])]) }
            }
        case .numbers: sort(count, into: &order) { groups[$0] }
        // Moved, so that the bits hold the buckets of negative fares too.
        case .fareBuckets: sort(count, into: &order) { groups[$0] &+ Int64(SmallKeys.limit / 2) }
        }
    }

    /// Keys are areas, places and buckets of fares: some thousand at most, so a set of bits puts them in order; the library does
    /// where there are more.
    @inline(__always)
    private mutating func sort(_ count: Int, into order: inout [Int32], by key: (Int) -> Int64) {
        for entry in 0..<count {
            let value = key(entry)
            guard value >= 0, value < Int64(SmallKeys.limit) else {
                small.removeAll()
                order.append(contentsOf: (0..<count).sorted { key($0) < key($1) }.map { Int32($0) })
                return
            }
            small.insert(Int(value), entry)
        }
        small.takeAll(into: &order)
    }
}

/// Entries by keys below `limit`, each key once.
private struct SmallKeys: ~Copyable {
    static let limit = 4096
    private let entries = UnsafeMutablePointer<Int32>.allocate(capacity: limit)
    private let bits = UnsafeMutablePointer<UInt64>.allocate(capacity: limit / 64)
    /// Which words of `bits` are not 0.
    private var words: UInt64 = 0

    init() { bits.initialize(repeating: 0, count: Self.limit / 64) }

    deinit {
        entries.deallocate()
        bits.deallocate()
    }

    @inline(__always)
    mutating func insert(_ key: Int, _ entry: Int) {
        words |= 1 << UInt64(key >> 6)
        bits[key >> 6] |= 1 << UInt64(key & 63)
        entries[key] = Int32(truncatingIfNeeded: entry)
    }

    /// Appends the entries in the order of their keys; nothing is left.
    @inline(__always)
    mutating func takeAll(into order: inout [Int32]) {
        while words != 0 {
            let word = words.trailingZeroBitCount
            words &= words &- 1
            var left = bits[word]
            bits[word] = 0
            while left != 0 {
                order.append(entries[word &* 64 &+ left.trailingZeroBitCount])
                left &= left &- 1
            }
        }
    }

    mutating func removeAll() {
        bits.update(repeating: 0, count: Self.limit / 64)
        words = 0
    }
}
