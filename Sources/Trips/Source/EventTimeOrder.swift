import Dispatch
import Glibc

/// The rows of some files in the order of their event time: 16 bytes a row, whatever the files' size.
///
/// Rows whose time cannot be used, or is not taken, come first, so that they are rejected (with their reason) in the order of the file.
/// Rows of one time keep the order of their files.
struct EventTimeOrder: ~Copyable {
    struct Entry {
        /// Event time, ms UTC; `unusable` for a row without one, `ahead` for one that is rejected.
        var time: Int64
        /// Where the row starts, counted from the base of the mapped files.
        var offset: Int64

        static let unusable = Int64.min
        /// In place of a time that is too far ahead to be taken.
        static let ahead = Int64.min + 1

        @inline(__always)
        func precedes(_ other: Entry) -> Bool { time != other.time ? time < other.time : offset < other.offset }
    }

    private(set) var entries: UnsafeMutablePointer<Entry>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = max(1024, capacity)
        entries = Self.memory(nil, self.capacity)
    }

    deinit { free(entries) }

    @inline(__always)
    mutating func append(_ entry: Entry) {
        if count == capacity { grow() }
        entries[count] = entry
        count &+= 1
    }

    /// `realloc` moves pages instead of copying them, so growing takes no second copy.
    private mutating func grow() {
        capacity += max(capacity / 2, 1 << 16)
        entries = Self.memory(entries, capacity)
    }

    private static func memory(_ old: UnsafeMutablePointer<Entry>?, _ capacity: Int) -> UnsafeMutablePointer<Entry> {
        guard let memory = realloc(old, capacity * MemoryLayout<Entry>.stride) else {
            fatalError("out of memory for an index of \(capacity) trips")
        }
        return memory.bindMemory(to: Entry.self, capacity: capacity)
    }

    /// Sorts in place, without a second copy of the index.
    ///
    /// American flag sort by the bytes of time, then of offset: most files hold few distinct times, which it finds in one pass.
    ///
    /// Source: McIlroy, Bostic, McIlroy, "Engineering Radix Sort", Computing Systems 6(1), 1993.
    mutating func sort() {
        var isSorted = true
        for i in 1..<max(count, 1) where !entries[i - 1].precedes(entries[i]) {
            isSorted = false
            break
        }
        if !isSorted { Self.sort(UnsafeMutableBufferPointer(start: entries, count: count), byte: 0) }
    }

    private static func sort(_ part: UnsafeMutableBufferPointer<Entry>, byte first: Int) {
        var byte = first
        while part.count > 32, byte < 16 {
            // Skips bytes that all entries share: what differs lies above the lowest bit in which any two differ.
            var lowest = (time: UInt64.max, offset: UInt64.max)
            var highest = (time: UInt64.min, offset: UInt64.min)
            for entry in part {
                let time = UInt64(bitPattern: entry.time) ^ (1 << 63)
                (lowest.time, highest.time) = (min(lowest.time, time), max(highest.time, time))
                let offset = UInt64(bitPattern: entry.offset)
                (lowest.offset, highest.offset) = (min(lowest.offset, offset), max(highest.offset, offset))
            }
            let timeByte = (lowest.time ^ highest.time).leadingZeroBitCount / 8
            let offsetByte = 8 + (lowest.offset ^ highest.offset).leadingZeroBitCount / 8
            byte = max(byte, timeByte < 8 ? timeByte : offsetByte)
            if byte >= 16 { return }
            distribute(part, byte)
            return
        }
        guard part.count <= 32 else { return }
        for i in 1..<max(part.count, 1) {
            let entry = part[i]
            var j = i
            while j > 0, entry.precedes(part[j - 1]) {
                part[j] = part[j - 1]
                j -= 1
            }
            part[j] = entry
        }
    }

    private static func distribute(_ part: UnsafeMutableBufferPointer<Entry>, _ byte: Int) {
        @inline(__always) func digit(_ entry: Entry) -> Int {
            byte < 8
                ? Int((UInt64(bitPattern: entry.time) ^ (1 << 63)) >> (56 &- UInt64(byte) &* 8) & 255)
                : Int(UInt64(bitPattern: entry.offset) >> (120 &- UInt64(byte) &* 8) & 255)
        }
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 514) { memory in
            let (next, end) = (memory.baseAddress!, memory.baseAddress! + 257)
            for i in 0..<514 { memory[i] = 0 }
            for entry in part { end[digit(entry)] &+= 1 }
            var sum = 0
            for i in 0..<256 {
                next[i] = sum
                sum &+= end[i]
                end[i] = sum
            }
            for bucket in 0..<256 {
                while next[bucket] < end[bucket] {
                    var entry = part[next[bucket]]
                    while true {
                        let target = digit(entry)
                        if target == bucket { break }
                        let place = next[target]
                        next[target] = place &+ 1
                        swap(&entry, &part[place])
                    }
                    part[next[bucket]] = entry
                    next[bucket] &+= 1
                }
            }
            var buckets: [Range<Int>] = []
            var start = 0
            for bucket in 0..<256 {
                let stop = end[bucket]
                if stop - start > 1 { buckets.append(start..<stop) }
                start = stop
            }
            let shared = Part(entries: part, buckets: buckets)
            if part.count >= parallelCount, buckets.count > 1 {
                DispatchQueue.concurrentPerform(iterations: buckets.count) { shared.sort($0, byte: byte + 1) }
            } else {
                for bucket in buckets.indices { shared.sort(bucket, byte: byte + 1) }
            }
        }
    }

    /// So many entries that sorting their buckets on all cores is worth it.
    private static let parallelCount = 1 << 17

    /// `@unchecked Sendable`: each bucket is sorted by one thread.
    private struct Part: @unchecked Sendable {
        let entries: UnsafeMutableBufferPointer<Entry>
        let buckets: [Range<Int>]

        func sort(_ bucket: Int, byte: Int) {
            EventTimeOrder.sort(UnsafeMutableBufferPointer(rebasing: entries[buckets[bucket]]), byte: byte)
        }
    }
}
