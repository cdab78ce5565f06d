public import Trips

/// What a stream has done so far in this run.
public struct StreamSummary: Sendable, Equatable {
    /// Records read, whether used or rejected.
    public var records: Int64 = 0
    public var rejected: [RejectReason: Int64] = [:]
    /// By query.
    public var late: [String: Int64] = [:]
    public var results: [String: Int64] = [:]
    public var epochs: Int64 = 0
    public var watermark: EventTime?
    public var seconds = 0.0

    public var rate: Double { seconds > 0 ? Double(records) / seconds : 0 }
    public init() {}
}

/// What a stream shows while it runs.
public struct StreamProgress: Sendable {
    public var summary: StreamSummary
    public var newest: EventTime?
    public var openWindows: Int
    /// Records in the source that are not read yet.
    public var lag: Int64
}
