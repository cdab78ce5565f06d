public import Time

/// How a running replay is doing; for a status line.
public struct ReplayProgress: Sendable {
    /// Trips that are in the topic, earlier runs included.
    public var sent: Int
    public var rejected: Int
    /// Records a second asked for now; nil where none are.
    public var askedRate: Double?
    /// Records sent in the last full second.
    public var rate: Double
    /// How late the last records were, and how late the latest ever: from the time a record's commit was due to when it was on the disk.
    public var behindMs: Int
    public var maxBehindMs: Int
    /// Event time of the last trip sent; nil before the first.
    public var eventTime: EventTime?
    public var seconds: Double
    /// Until the limit is reached; nil without a limit or before there is a rate.
    public var secondsLeft: Double?
}
