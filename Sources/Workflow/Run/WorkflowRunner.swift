internal import Problems

/// Runs one workflow for one interval, and writes down what becomes of it.
///
/// Every state is in the database before a step begins and after it has ended, so a run whose process was killed can be taken over
/// by `resume`.
public struct WorkflowRunner {
    /// How a run ended.
    public struct Result: Sendable {
        public var run: StoredRun
        /// success, failed or cancelled
        public var state: String
    }

    private let spec: WorkflowSpec
    private let driver: RunDriver
    private let isInterrupted: () -> Bool
    private let watch: (RunEvent) -> Void

    /// - Parameters:
    ///   - workflows: where a workflow is found that `on_failure` names.
    ///   - inheritedSecrets: texts that no log of the run may show, besides its own.
    ///   - isInterrupted: asked several times a second; true cancels the run.
    ///   - watch: told on the caller's thread.
    public init(
        _ spec: WorkflowSpec, history: RunHistory, surroundings: StepSurroundings, logs: RunLogs,
        workflows: WorkflowFolder? = nil, inheritedSecrets: [String] = [], isInterrupted: @escaping () -> Bool,
        watch: @escaping (RunEvent) -> Void = { _ in }
    ) {
        self.spec = spec
        driver = RunDriver(
            history: history, surroundings: surroundings, logs: logs, workflows: workflows,
            inheritedSecrets: inheritedSecrets)
        (self.isInterrupted, self.watch) = (isInterrupted, watch)
    }

    /// Runs the workflow for an interval, or for none.
    ///
    /// - Parameter parent: `run/step` of the step that begins it.
    /// - Throws: `.usage` where the interval has a run that ended, `.tryAgain` where it has one under way or too many others are;
    ///   `.noPermission` where others can say what it does; whatever the database refuses. A step that fails is no error here but a result.
    public func run(
        _ interval: DataInterval?, trigger: RunTrigger, params: [String: String] = [:], parent: String? = nil
    ) throws -> Result {
        try drive {
            try driver.begin(spec, interval, trigger: trigger, params: params, parent: parent, watch: watch)
        }
    }

    /// Runs what was queued.
    ///
    /// - Throws: `.tryAgain` where too many others of the workflow are under way.
    public func run(queued run: StoredRun) throws -> Result {
        try drive {
            try driver.claim(spec, run, limit: spec.concurrency ?? .max, watch: watch)
            return run
        }
    }

    /// Goes on with a run that failed, was cancelled, or whose process was killed: steps that succeeded are not run again.
    ///
    /// - Parameters:
    ///   - all: run every step again.
    ///   - trigger: `retry` where somebody asked for it; nil leaves what the run has.
    ///   - isLost: the run is this process's own, whose driver was abandoned.
    /// - Throws: `.usage` where nothing is left to do, `.tryAgain` where it is under way.
    public func resume(_ run: StoredRun, all: Bool = false, trigger: RunTrigger? = nil, isLost: Bool = false) throws
        -> Result
    {
        if run.shownState == "success", !all {
            throw Problem(
                .usage, "run \(run.id) of \"\(run.workflow)\" has succeeded: nothing is left to do",
                hint: "Pass --all to run every step again.")
        }
        return try drive { try driver.resume(spec, run, all: all, trigger: trigger, isLost: isLost, watch: watch) }
    }

    private func drive(_ begin: () throws -> StoredRun) throws -> Result {
        try spec.requireOurs()
        let run = try begin()
        var ended: [RunDriver.Ended] = []
        try driver.conduct {
            ended += driver.takeEnded()
            if isInterrupted() { driver.stop(run.id, .cancel) }
            return ended.isEmpty ? .now + .milliseconds(200) : nil
        }
        return Result(run: ended[0].run, state: ended[0].state)
    }
}
