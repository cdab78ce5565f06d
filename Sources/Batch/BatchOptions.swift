public import Time

/// What a batch run does besides the four analyses.
public struct BatchOptions: Sendable {
    /// Declared analyses to run.
    public var declared: [DeclaredAnalysis] = []
    /// Names of queries that are declared or come with taxi-cli, by view: an analysis that reads one of them without results
    /// is skipped, not wrong.
    public var queryViews: [String: String] = [:]
    /// Windows that are older than this, counted back in event time from where the results reach, are deleted once their day is
    /// rolled up; nil keeps all.
    public var retainMs: Int64?
    /// Keeps the answers under a name as well.
    public var vintage: String?
    /// The wall clock, for the vintage (ms UTC).
    public var nowMs: EventTime = 0

    public init() {}
}
