public import Time
import Trips

/// How a stream runs; what it computes is declared in its query plans.
public struct StreamOptions: Sendable {
    /// What becomes of records that are too late for a window, beside being counted.
    public enum LatePolicy: String, Sendable, CaseIterable {
        /// Merged into the window as it is stored, whose new results go out as its next revision.
        case update
        case drop
        /// Kept in `{tenant}_late`, once a record, with the queries it was late for.
        case deadLetter = "dead-letter"
    }

    public var tenant: String
    public var zone: ZoneClock
    /// How far the watermark trails the newest event time.
    public var delayMs: Int64 = 10_000
    /// A partition that is silent for so long does not hold the watermark back.
    public var idleTimeoutMs: Int64 = 5_000
    /// When all partitions are silent for so long, windows close by wall time; nil for never.
    public var idleCloseMs: Int64?
    /// An epoch ends after so much time or so many records, whichever comes first. A small one stays in the cache, and leaves little to
    /// commit when the input has ended.
    public var epochMs = 50
    public var epochRecords = 25_000
    /// While the commits before it are under way nobody would take an epoch: it may grow to so many records, in whatever time. Where commits
    /// are dear, epochs are as large, in four times `epochMs`, as long as at least so many records wait to be read.
    public var epochRecordsWhileBehind = 0
    public var untilEnd = false
    /// Removes the queries' results and reads from the source's beginning.
    public var fromBeginning = false
    /// Whether files may be read that were read before in other company: their trips count twice.
    public var readsAgain = false
    /// Where queries without results start, by event time; nil for the beginning.
    public var fromTime: EventTime?
    /// Whether to go on where records of the topic were removed before they were read: they are counted as lost. Else that is an error.
    public var skipsLost = false
    public var late = LatePolicy.drop
    /// How far ahead of the clock an event time may be; a later one is rejected, and moves no watermark.
    public var maxAheadMs = MaxAhead.defaultMs
    /// Whether results are sent as Avro, with schemas in the store's registry; else as JSON.
    public var sendsAvro = false
    /// Whether topics that are missing are made, and schemas registered.
    public var createsTopics = true
    public var workers = 1
    /// Records of one partition that an engine is asked for at once.
    public var rangeRecords = 200_000
    /// How long what epochs change is kept, so that results can go back to them; nil where they cannot.
    public var keepHistoryMs: Int64?

    public init(tenant: String, zone: ZoneClock) { (self.tenant, self.zone) = (tenant, zone) }
}
