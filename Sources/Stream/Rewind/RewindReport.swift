/// What a rewind has changed, or would.
public struct RewindReport: Sendable, Equatable {
    public struct Query: Sendable, Equatable, Codable {
        public var query: String
        /// Its output topic.
        public var topic: String
        public var fromEpoch: Int64
        public var toEpoch: Int64
        /// When the epoch that is current again was committed, RFC 3339; nil where that is not known any more.
        public var toTime: String?
        public var watermarkBefore: String?
        public var watermark: String?
        /// Records that will be read again, rejected ones aside.
        public var records: Int64 = 0
        /// Windows, or groups of queries without windows, whose results change.
        public var rows: Int64 = 0
        /// Windows that had gone out as closed ones.
        public var closedWindows: Int64 = 0
        public var alerts: Int64 = 0
        /// Runs of workflows that these alerts have started; they are not undone.
        public var workflowRuns: [String] = []
        public var sources: [Source] = []
        /// Where its output topic ends, by partition: what lies before was sent before the rewind.
        public var ends: [Int64] = []
    }

    /// How far a source is read, by partition.
    public struct Source: Sendable, Equatable, Codable {
        public var source: String
        public var before: [Int64]
        public var offsets: [Int64]
    }

    public var queries: [Query] = []
    /// Queries that stand at the epoch already.
    public var unchanged: [String] = []
    /// The number of the rewind among their epochs.
    public var epoch: Int64 = 0

    public init() {}
}
