import Glibc

/// A fixed set of byte strings, looked up without allocation: sorted by length, then by bytes, in one array.
struct StringTable {
    private let bytes: [UInt8]
    /// Where each string ends in `bytes`, after a leading 0.
    private let ends: [Int]

    init(_ strings: [[UInt8]]) {
        let sorted = strings.sorted { a, b in
            a.count != b.count ? a.count < b.count : a.lexicographicallyPrecedes(b)
        }
        bytes = sorted.flatMap(\.self)
        ends = sorted.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    }

    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.withUnsafeBufferPointer { bytes in
            var (low, high) = (0, ends.count - 1)
            while low < high {
                let middle = (low + high) / 2
                let candidate = UnsafeBufferPointer(rebasing: bytes[ends[middle]..<ends[middle + 1]])
                let order = candidate.count != text.count ? candidate.count - text.count : Self.order(candidate, text)
                if order == 0 { return true }
                if order < 0 { low = middle + 1 } else { high = middle }
            }
            return false
        }
    }

    static func isEqual(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        a.count == b.count && order(a, b) == 0
    }

    /// Negative, zero or positive: the order of bytes, a prefix before what continues it. Neither is empty.
    static func order(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Int {
        guard let start = a.baseAddress, let other = b.baseAddress else { return a.count - b.count }
        let order = memcmp(start, other, min(a.count, b.count))
        return order != 0 ? Int(order) : a.count - b.count
    }
}
