/// Which share of the records of the last 10 seconds became something: rejected, late, skipped.
public struct RecentOutcomes: Sendable {
    public struct Key: Hashable, Sendable {
        public var outcome: String
        /// nil where it concerns all of them.
        public var query: String?
        public init(outcome: String, query: String? = nil) { (self.outcome, self.query) = (outcome, query) }
    }

    public static let windowNs: Int64 = 10_000_000_000
    /// Fewer records say nothing.
    public static let leastRecords: Int64 = 10
    private var looks: [(ns: Int64, counts: [Key: (part: Int64, whole: Int64)])] = []

    public init() {}

    /// Takes a look at counters that only grow.
    ///
    /// - Returns: the share of each since the last look before the window, or the first one; nil where there were too few records.
    public mutating func shares(
        _ counts: [Key: (part: Int64, whole: Int64)], atNs now: Int64
    ) -> [Key: Double?] {
        // A window that slides by steps of half a second: who looks more often shall not fill memory.
        while looks.count > 1, now - looks[1].ns >= Self.windowNs { looks.removeFirst() }
        let first = looks.first?.counts
        if looks.last.map({ now - $0.ns >= Self.windowNs / 20 }) ?? true { looks.append((now, counts)) }
        var shares: [Key: Double?] = [:]
        for (key, count) in counts {
            let before = first?[key] ?? (0, 0)
            let whole = count.whole - before.whole
            shares[key] = whole >= Self.leastRecords ? Double(count.part - before.part) / Double(whole) : Double?.none
        }
        return shares
    }
}
