public import Time

/// What steps need of the world around them.
public struct StepSurroundings: Sendable {
    /// Runs an analysis: its name (or all), the kind of period, the periods; gives the number of rows.
    public typealias Batch =
        @Sendable (_ analysis: String, _ by: String?, _ period: String?, StepInterruption) throws -> Int
    /// Gives the report's page as HTML: the kind of period, the periods.
    public typealias Report = @Sendable (_ by: String?, _ period: String?, StepInterruption) throws -> String
    /// Publishes views (all where none are named) to a PostgreSQL; gives the number of rows that were written or deleted, and lines for the
    /// log.
    public typealias Publish = @Sendable (PublishRequest, StepInterruption) throws -> (rows: Int, lines: [String])
    /// How many records have ever come into a topic, all its partitions together.
    public typealias Records = @Sendable (_ topic: String) throws -> Int64
    /// Appends to the tenant's topic of this suffix.
    public typealias AppendRecords =
        @Sendable (_ suffix: String, _ records: [(key: String, value: String)], _ time: EventTime) throws -> Void
    /// A workflow by its name, with a history of its own for the thread that asks.
    public typealias OpenWorkflow =
        @Sendable (_ name: String) throws -> (spec: WorkflowSpec, history: RunHistory, logs: RunLogs)

    /// Asks a model of ml.yaml about the rows that are new; gives the number of those that have answers now.
    public typealias AskModel = @Sendable (_ name: String, StepInterruption) throws -> Int

    public var resultsPath: String
    public var environment: [String: String]
    public var now: @Sendable () -> EventTime
    /// By how much the clock was set, where `now` does not follow it yet; nil where it stands as it did.
    public var heldJumpMs: @Sendable () -> Int64? = { nil }
    // The features above this one that steps stand for; features do not import each other. A step whose feature is nil fails.
    public var batch: Batch
    public var report: Report?
    public var publish: Publish?
    public var records: Records?
    public var appendRecords: AppendRecords?
    public var openWorkflow: OpenWorkflow?
    public var askModel: AskModel?
    /// Runs what a step computes in this process, in turns with whatever else computes on the machine; it calls its argument once.
    public var inTurns: @Sendable (() throws -> Void) throws -> Void = { try $0() }
    /// Told that a program of a step has ended.
    public var programEnded: @Sendable () -> Void = {}
    /// Told of each request to a model and whether it was answered.
    public var countModelRequest: @Sendable (_ model: String, _ isAnswered: Bool) -> Void = { _, _ in }

    public init(
        resultsPath: String, environment: [String: String], now: @escaping @Sendable () -> EventTime,
        batch: @escaping Batch
    ) {
        (self.resultsPath, self.environment, self.now, self.batch) = (resultsPath, environment, now, batch)
    }
}
