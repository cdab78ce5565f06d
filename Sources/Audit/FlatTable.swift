import Trips

/// Sums by (window, group) in flat arrays, in the order in which the pairs were met, with a hash table over them.
///
/// Nothing opens or closes here, whatever the order of the records: a pair is found or added, and its words are there. An
/// entry takes `17 + 8 × stride` bytes, and 8 to 16 in the hash table; while a table grows, both sizes are there at once.
final class FlatTable {
    /// What a comparison has found out about an entry.
    struct Marks: OptionSet {
        var rawValue: UInt8
        /// A stored row is there.
        static let stored = Marks(rawValue: 1)
        /// A message came.
        static let sent = Marks(rawValue: 2)
        /// The last message of the entry says what it should.
        static let sentRight = Marks(rawValue: 4)
        /// No row should be there: a late record's alone.
        static let absent = Marks(rawValue: 8)
        /// The stored row differs.
        static let wrong = Marks(rawValue: 16)
        /// The row was pruned, and what it was is not known: late records may have been missing from it.
        static let unknowable = Marks(rawValue: 32)
        /// The view shows the row.
        static let shown = Marks(rawValue: 64)
    }

    let stride: Int
    private let initial: [Int64]
    private(set) var count = 0
    private(set) var windows: UnsafeMutablePointer<Int64>
    private(set) var groups: UnsafeMutablePointer<Int64>
    private(set) var words: UnsafeMutablePointer<Int64>
    private(set) var marks: UnsafeMutablePointer<Marks>
    private var capacity: Int
    private var lastFound = -1
    /// Entry + 1 by hash, 0 for free; twice the capacity.
    private var slots: UnsafeMutablePointer<UInt32>

    private static let smallest = 1024

    /// - Parameter initial: the words of a pair that nothing was added to.
    init(initial: [Int64]) {
        (self.initial, stride) = (initial, initial.count)
        capacity = Self.smallest
        windows = .allocate(capacity: capacity)
        groups = .allocate(capacity: capacity)
        words = .allocate(capacity: max(1, capacity * stride))
        marks = .allocate(capacity: capacity)
        slots = .allocate(capacity: capacity * 2)
        slots.initialize(repeating: 0, count: capacity * 2)
    }

    deinit {
        windows.deallocate()
        groups.deallocate()
        words.deallocate()
        marks.deallocate()
        slots.deallocate()
    }

    /// What it takes in memory.
    var bytes: Int { capacity * (17 + 8 * stride + 8) }

    @inline(__always)
    private static func hash(_ window: Int64, _ group: Int64) -> Int {
        var mixed = UInt64(bitPattern: window) &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 32) ^ UInt64(bitPattern: group)) &* 0xd6e8_feb8_6659_fd93
        return Int(truncatingIfNeeded: mixed >> 31)
    }

    /// The entry of a pair; nil where it was never added.
    ///
    /// Whoever asks for pairs in the order in which they were added, as rows and messages of windows without groups come, is answered
    /// without a look at the hash table.
    @inline(__always)
    func find(_ window: Int64, _ group: Int64) -> Int? {
        let next = lastFound &+ 1
        if next < count, windows[next] == window, groups[next] == group {
            lastFound = next
            return next
        }
        let mask = capacity &* 2 &- 1
        var slot = Self.hash(window, group) & mask
        while true {
            let found = Int(slots[slot]) &- 1
            if found < 0 { return nil }
            if windows[found] == window, groups[found] == group {
                lastFound = found
                return found
            }
            slot = (slot &+ 1) & mask
        }
    }

    /// The entry of a pair; a new one where there is none.
    @inline(__always)
    func entry(_ window: Int64, _ group: Int64) -> Int {
        let mask = capacity &* 2 &- 1
        var slot = Self.hash(window, group) & mask
        while true {
            let found = Int(slots[slot]) &- 1
            if found < 0 { return append(window, group) }
            if windows[found] == window, groups[found] == group { return found }
            slot = (slot &+ 1) & mask
        }
    }

    @inline(never)
    private func append(_ window: Int64, _ group: Int64) -> Int {
        if count == capacity { resize(to: capacity * 2) }
        let entry = count
        (windows[entry], groups[entry], marks[entry]) = (window, group, [])
        for word in 0..<stride { words[entry &* stride &+ word] = initial[word] }
        count += 1
        link(entry)
        return entry
    }

    @inline(__always)
    private func link(_ entry: Int) {
        let mask = capacity &* 2 &- 1
        var slot = Self.hash(windows[entry], groups[entry]) & mask
        while slots[slot] != 0 { slot = (slot &+ 1) & mask }
        slots[slot] = UInt32(truncatingIfNeeded: entry &+ 1)
    }

    private func resize(to newCapacity: Int) {
        precondition(newCapacity <= 1 << 31, "more pairs than 32 bits count")
        func moved<Value>(_ old: UnsafeMutablePointer<Value>, each: Int = 1) -> UnsafeMutablePointer<Value> {
            let new = UnsafeMutablePointer<Value>.allocate(capacity: max(1, newCapacity * each))
            new.moveInitialize(from: old, count: count * each)
            old.deallocate()
            return new
        }
        slots.deallocate()
        (windows, groups) = (moved(windows), moved(groups))
        (words, marks) = (moved(words, each: stride), moved(marks))
        capacity = newCapacity
        slots = .allocate(capacity: capacity * 2)
        slots.initialize(repeating: 0, count: capacity * 2)
        for entry in 0..<count { link(entry) }
    }

    /// Lets go of the pairs whose window is at or after `bound`, and of the memory that they took.
    ///
    /// - Returns: the new entry of each old one, -1 for those that are gone.
    @discardableResult
    func keep(windowsBefore bound: Int64) -> [Int32] {
        var places = [Int32](repeating: -1, count: count)
        var kept = 0
        for entry in 0..<count where windows[entry] < bound {
            places[entry] = Int32(truncatingIfNeeded: kept)
            if kept != entry {
                (windows[kept], groups[kept], marks[kept]) = (windows[entry], groups[entry], marks[entry])
                (words + kept * stride).update(from: words + entry * stride, count: stride)
            }
            kept += 1
        }
        count = kept
        var fitting = Self.smallest
        while fitting < kept { fitting *= 2 }
        resize(to: fitting)
        return places
    }

    func removeAll() { keep(windowsBefore: .min) }
}
