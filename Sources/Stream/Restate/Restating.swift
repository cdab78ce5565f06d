public import Database
import Topics
public import Time
public import Trips

/// What is to be restated: a period, by which files, and where the trips beside it are read again.
public struct Restating {
    /// Event times, ms UTC.
    public var period: Range<EventTime>
    /// The files that stand for it, and how they are read.
    public var source: Restatement.Source
    /// Where the trips beside the period are read again, for windows that begin or end within it alone.
    public var origin: Origin
    /// Keeps what the analytics have answered so far, inside a transaction, and gives the name that it is kept by; nil where there is
    /// nothing to keep. It is given the time of the restatement.
    public var keepVintage: @Sendable (_ madeMs: EventTime) throws -> String?

    public enum Origin {
        /// The topic that the stream reads.
        case topic(String)
        /// Trip files that a stream has read itself, by their identity in checkpoints.
        case files(identity: String, open: (_ fields: TripFieldSet, _ startedMs: EventTime?) throws -> TripSource)
    }

    public init(
        period: Range<EventTime>, source: Restatement.Source, origin: Origin,
        keepVintage: @escaping @Sendable (_ madeMs: EventTime) throws -> String?
    ) {
        (self.period, self.source, self.origin, self.keepVintage) = (period, source, origin, keepVintage)
    }
}

/// A restatement that was worked out and not committed: what it would change.
public struct PreparedRestatement {
    /// By query, in the order of their declarations.
    public var differences: [RestateDifference] = []
    /// Queries that cannot be put right, with the reason.
    public var impossible: [(query: String, reason: String)] = []
    /// Rows of the files, and what became of them.
    public var files = FileCounts()

    public struct FileCounts: Sendable, Equatable {
        public var inPeriod: Int64 = 0
        /// Trips of other times, which are left out.
        public var outside: Int64 = 0
        public var rejected: [RejectReason: Int64] = [:]
        public var filtered: [String: Int] = [:]
        /// The first and last event time outside of the period.
        public var outsideTimes: ClosedRange<EventTime>?
        /// Local days of the period of which no trip is in the files, where other days have some.
        public var emptyDays: [Int] = []
    }

    var plans: [QueryPlan] = []
    var checkpoints: [QueryCheckpoint] = []
    var outputs: [QueryOutput] = []
    var batches: [PendingBatch] = []
    var pruned: PrunedWindows?
}
