import Trips

/// The state of one window that is not closed: its groups with their words, in one block of memory that is used again for the next window.
///
/// A group is found by its id through open addressing; its words lie at `entry * stride`. Lives behind a pointer, so that hot loops
/// count no references; `WindowPool` owns all of them.
struct OpenWindow {
    /// Start and end in ms UTC; a query without windows has one from `Int64.min` to `Int64.max`.
    var start: Int64
    var end: Int64
    /// Whether something was added since the last epoch was cut.
    var isChanged = false
    /// How often its results have been stored as those of a closed window; 0 while it is open.
    var revision: Int64 = 0
    /// Whether all of its trips are here, or those only that came since it was begun, late for a window that is stored.
    var isWhole = false
    /// Epochs since a trip was added last, where it is closed.
    var idleEpochs = 0
    /// Entries from here on are groups that no trip is in any more: they go out once, and are not stored.
    var withdrawnFrom = Int.max
    private(set) var count = 0
    /// Group ids in the order in which they came.
    private(set) var groups: UnsafeMutablePointer<Int64>
    private(set) var words: UnsafeMutablePointer<Int64>
    /// Whether a group changed since the last epoch was cut; kept where groups are stored or sent one by one: in queries without windows,
    /// and by trips that are late.
    private(set) var groupChanged: UnsafeMutablePointer<Bool>
    private var capacity: Int
    /// Entry + 1 by hash, 0 for free; twice the capacity.
    private var table: UnsafeMutablePointer<Int32>
    /// Buckets of quantiles: counts by (entry, histogram, bucket).
    var histograms: [HistogramKey: Int64] = [:]
    /// Of each entry those of its `distinct`s: `sketchStride` of them.
    private(set) var sketches: UnsafeMutablePointer<DistinctSketch>
    let sketchStride: Int

    struct HistogramKey: Hashable {
        var entry: Int32
        var histogram: Int32
        var bucket: Int64
    }

    init(capacity: Int, stride: Int, sketches sketchStride: Int) {
        (start, end) = (0, 0)
        self.capacity = capacity
        groups = .allocate(capacity: capacity)
        words = .allocate(capacity: capacity * max(stride, 1))
        groupChanged = .allocate(capacity: capacity)
        table = .allocate(capacity: capacity * 2)
        table.initialize(repeating: 0, count: capacity * 2)
        self.sketchStride = sketchStride
        sketches = .allocate(capacity: max(1, capacity * sketchStride))
        for sketch in 0..<capacity * sketchStride { (sketches + sketch).initialize(to: DistinctSketch()) }
    }

    func deallocate() {
        groups.deallocate()
        words.deallocate()
        groupChanged.deallocate()
        table.deallocate()
        sketches.deinitialize(count: capacity * sketchStride)
        sketches.deallocate()
    }

    /// Memory that it has taken, in bytes, sketches beyond their first values aside.
    func byteCount(stride: Int) -> Int {
        let entry = 8 + 8 * max(stride, 1) + 1 + 8 + sketchStride * MemoryLayout<DistinctSketch>.stride
        // A dictionary has a third of its places free, as a rule.
        return capacity * entry + histograms.count * 3 * (MemoryLayout<HistogramKey>.stride + 8) / 2
    }

    mutating func begin(start: Int64, end: Int64) {
        (self.start, self.end) = (start, end)
        isChanged = false
        (revision, isWhole, idleEpochs, withdrawnFrom) = (0, false, 0, .max)
        if count > 0 { table.update(repeating: 0, count: capacity * 2) }
        for sketch in 0..<count * sketchStride { sketches[sketch].removeAll() }
        count = 0
        if !histograms.isEmpty { histograms.removeAll(keepingCapacity: true) }
    }

    /// The entry of a group; a new one starts with the given words.
    @inline(__always)
    mutating func entry(of group: Int64, stride: Int, initial: UnsafePointer<Int64>) -> Int {
        let mask = capacity &* 2 &- 1
        var slot = Self.hash(group) & mask
        while true {
            let found = Int(table[slot])
            if found == 0 { return insert(group, slot, stride, initial) }
            if groups[found &- 1] == group { return found &- 1 }
            slot = (slot &+ 1) & mask
        }
    }

    @inline(__always)
    private static func hash(_ group: Int64) -> Int {
        let mixed = UInt64(bitPattern: group) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mixed >> 33)
    }

    @inline(never)
    private mutating func insert(
        _ group: Int64, _ slot: Int, _ stride: Int, _ initial: UnsafePointer<Int64>
    ) -> Int {
        var slot = slot
        if count == capacity {
            grow(stride)
            let mask = capacity * 2 - 1
            slot = Self.hash(group) & mask
            while table[slot] != 0 { slot = (slot + 1) & mask }
        }
        groups[count] = group
        groupChanged[count] = false
        (words + count * stride).update(from: initial, count: stride)
        table[slot] = Int32(count + 1)
        count += 1
        return count - 1
    }

    private mutating func grow(_ stride: Int) {
        var larger = OpenWindow(capacity: capacity * 2, stride: stride, sketches: sketchStride)
        larger.groups.update(from: groups, count: count)
        larger.words.update(from: words, count: count * stride)
        larger.groupChanged.update(from: groupChanged, count: count)
        let mask = larger.capacity * 2 - 1
        for entry in 0..<count {
            var slot = Self.hash(groups[entry]) & mask
            while larger.table[slot] != 0 { slot = (slot + 1) & mask }
            larger.table[slot] = Int32(entry + 1)
        }
        (larger.start, larger.end, larger.isChanged, larger.count) = (start, end, isChanged, count)
        (larger.revision, larger.isWhole, larger.idleEpochs) = (revision, isWhole, idleEpochs)
        larger.withdrawnFrom = withdrawnFrom
        larger.histograms = histograms
        for sketch in 0..<count * sketchStride { swap(&larger.sketches[sketch], &sketches[sketch]) }
        deallocate()
        self = larger
    }
}

typealias WindowPointer = UnsafeMutablePointer<OpenWindow>

/// The open windows of one query, by their start.
final class WindowPool {
    let stride: Int
    let sketches: Int
    private(set) var open: [Int64: WindowPointer] = [:]
    private var free: [WindowPointer] = []

    /// - Parameters:
    ///   - stride: words of a group.
    ///   - sketches: sketches of a group.
    init(stride: Int, sketches: Int) { (self.stride, self.sketches) = (stride, sketches) }

    deinit {
        for window in open.values { release(window) }
        for window in free { release(window) }
    }

    private func release(_ window: WindowPointer) {
        window.pointee.deallocate()
        window.deinitialize(count: 1)
        window.deallocate()
    }

    /// Memory of the open windows and of those that are kept for the next ones, in bytes.
    var byteCount: Int {
        open.values.reduce(0) { $0 + $1.pointee.byteCount(stride: stride) }
            + free.reduce(0) { $0 + $1.pointee.byteCount(stride: stride) }
    }

    func window(start: Int64, end: @autoclosure () -> Int64) -> WindowPointer {
        if let window = open[start] { return window }
        let window: WindowPointer
        if let reused = free.popLast() {
            window = reused
        } else {
            window = .allocate(capacity: 1)
            window.initialize(to: OpenWindow(capacity: 8, stride: stride, sketches: sketches))
        }
        window.pointee.begin(start: start, end: end())
        open[start] = window
        return window
    }

    func close(_ window: WindowPointer) {
        open[window.pointee.start] = nil
        free.append(window)
    }

    func removeAll() {
        free.append(contentsOf: open.values)
        open.removeAll(keepingCapacity: true)
    }
}
