public import Time

/// That the trips of a period, as one query has counted them, are those of some files and no longer those of its source.
///
///     stored_restatements(run_id, query, from_ms, until_ms, made_ms, trips, vintage, source): source is JSON, see `Source`
///     stored_withdrawn(view, window_start_ms, revision): windows that were sent and are not there any more, and how often they were sent
///
/// Both are made by the first restatement, in its transaction; the view `restatements` shows the first one. Rows are never changed: of
/// two that cover a time the newer stands for it, and trips of it that were read since the older are in no result.
public struct Restatement: Sendable, Equatable {
    /// Of the run that made it; ids sort by time.
    public var runID: String
    public var query: String
    /// Event times, ms UTC.
    public var period: Range<EventTime>
    public var madeMs: EventTime
    /// Trips of the files in the period.
    public var trips: Int64
    /// The vintage that keeps the analytics' answers from before; nil where there were none.
    public var vintage: String?
    public var source: Source

    /// Files and how they were read, so that anybody can read them again.
    public struct Source: Sendable, Equatable, Codable {
        public var files: [File]
        public var clock, spread: String
        public var seed: UInt64
        public var clean: String?
        /// Whether a column that a file lacks was empty in each trip, and no mistake.
        public var takesMissing: Bool
        /// Later event times were rejected.
        public var latestMs: EventTime

        public struct File: Sendable, Equatable, Codable {
            /// From the root of the file system.
            public var path: String
            /// `ContentHash` of its bytes.
            public var content: String

            public init(path: String, content: String) { (self.path, self.content) = (path, content) }
        }

        public init(
            files: [File], clock: String, spread: String, seed: UInt64, clean: String?, takesMissing: Bool,
            latestMs: EventTime
        ) {
            (self.files, self.clock, self.spread, self.seed) = (files, clock, spread, seed)
            (self.clean, self.takesMissing, self.latestMs) = (clean, takesMissing, latestMs)
        }
    }

    /// Whether it was made of the same files, wherever they lay, read in the same way.
    public func isOf(_ source: Source) -> Bool {
        self.source.files.map(\.content) == source.files.map(\.content)
            && (self.source.clock, self.source.spread, self.source.seed) == (source.clock, source.spread, source.seed)
            && self.source.clean == source.clean && self.source.takesMissing == source.takesMissing
    }

    public init(
        runID: String, query: String, period: Range<EventTime>, madeMs: EventTime, trips: Int64, vintage: String?,
        source: Source
    ) {
        (self.runID, self.query, self.period, self.madeMs) = (runID, query, period, madeMs)
        (self.trips, self.vintage, self.source) = (trips, vintage, source)
    }
}
