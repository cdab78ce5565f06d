/// What a restatement changes of one query's results.
public struct RestateDifference: Sendable, Equatable {
    public var query: String
    /// Rows of windows, or of groups where there are no windows: before and after, and how many of them change.
    public var before = Totals()
    public var after = Totals()
    public var changed: Int64 = 0
    public var new: Int64 = 0
    public var withdrawn: Int64 = 0
    /// Whether there is a count, and a sum of fares; where windows overlap, each of them counts a trip.
    public var hasTrips = false
    public var hasFares = false
    /// Whether the query has windows.
    public var isWindowed = true
    /// The rows that change most, by their counts.
    public var largest: [Change] = []

    public struct Totals: Sendable, Equatable {
        public var windows: Int64 = 0
        public var rows: Int64 = 0
        public var trips: Int64 = 0
        public var fareCents: Int64 = 0
    }

    public struct Change: Sendable, Equatable {
        /// The window's start and the group, as people read them.
        public var row: String
        public var before: Int64?
        public var after: Int64?
        var size: UInt64 { (before ?? 0).subtractingReportingOverflow(after ?? 0).partialValue.magnitude }
    }

    static let shown = 3

    init(_ query: String) { self.query = query }

    mutating func note(_ change: @autoclosure () -> Change, size: UInt64) {
        guard largest.count < Self.shown || size > largest[largest.count - 1].size else { return }
        largest.append(change())
        largest.sort { $0.size > $1.size }
        if largest.count > Self.shown { largest.removeLast() }
    }
}
