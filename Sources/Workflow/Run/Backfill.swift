internal import Problems
public import Time

/// Runs the past intervals of a workflow that have not succeeded.
public struct Backfill {
    /// An interval to run.
    public struct Item: Sendable {
        public var interval: DataInterval
        /// The run to go on with; nil where the interval has none yet.
        public var run: StoredRun?
    }

    /// How an item ended.
    public struct Outcome: Sendable {
        public var item: Item
        /// success, failed, cancelled; or running, where another process has the interval.
        public var state: String
    }

    private let spec: WorkflowSpec
    private let driver: RunDriver

    public init(
        _ spec: WorkflowSpec, history: RunHistory, surroundings: StepSurroundings, logs: RunLogs,
        workflows: WorkflowFolder?
    ) {
        self.spec = spec
        driver = RunDriver(history: history, surroundings: surroundings, logs: logs, workflows: workflows)
    }

    /// The complete intervals that begin at or after `from` and before `to` and have not succeeded, oldest first. Those that are queued or
    /// under way are not missing.
    ///
    /// - Parameter history: nil where nothing has run yet.
    /// - Throws: `.usage` where the workflow has no schedule.
    public static func missing(
        _ spec: WorkflowSpec, from: EventTime, to: EventTime, now: EventTime, history: RunHistory?
    ) throws -> [Item] {
        guard let schedule = spec.schedule else {
            throw Problem(.usage, "workflow \"\(spec.name)\" has no schedule, and so no intervals to fill")
        }
        let intervals = schedule.intervals(startingFrom: max(from, spec.start ?? from), before: min(to, now))
        return try intervals.filter { $0.end <= now }.compactMap { interval in
            guard let run = try history?.run(of: spec.name, interval) else { return Item(interval: interval) }
            let isMissing = ["failed", "cancelled", "interrupted", "skipped"].contains(run.shownState)
            return isMissing ? Item(interval: interval, run: run) : nil
        }
    }

    /// Runs the items, at most `parallel` at once, in their order.
    ///
    /// - Parameters:
    ///   - isInterrupted: asked several times a second; true cancels what runs, and nothing more begins.
    ///   - watch: told on the caller's thread.
    ///   - ended: told on the caller's thread, as each item ends.
    public func run(
        _ items: [Item], params: [String: String], parallel: Int, isInterrupted: () -> Bool,
        watch: @escaping (Item, RunEvent) -> Void, ended: (Outcome) -> Void
    ) throws {
        try spec.requireOurs()
        var left = items[...]
        var running: [String: Item] = [:]
        try driver.conduct {
            for end in driver.takeEnded() {
                if let item = running.removeValue(forKey: end.run.id) { ended(Outcome(item: item, state: end.state)) }
            }
            if isInterrupted() {
                left = []
                for id in running.keys { driver.stop(id, .cancel) }
            }
            while running.count < parallel, let item = left.first {
                do {
                    running[try begin(item, params, watch)] = item
                    left.removeFirst()
                } catch let problem as Problem where problem.code == .tryAgain || problem.code == .usage {
                    guard let other = try driver.history.run(of: spec.name, item.interval), other.state != "queued"
                    else {
                        // Other runs of the workflow fill its concurrency: it waits for their end.
                        break
                    }
                    ended(Outcome(item: item, state: other.shownState))
                    left.removeFirst()
                }
            }
            return running.isEmpty && left.isEmpty ? nil : .now + .milliseconds(200)
        }
    }

    private func begin(
        _ item: Item, _ params: [String: String], _ watch: @escaping (Item, RunEvent) -> Void
    ) throws -> String {
        guard let run = item.run else {
            return try driver.begin(spec, item.interval, trigger: .backfill, params: params) { watch(item, $0) }.id
        }
        return try driver.resume(spec, run, trigger: .backfill) { watch(item, $0) }.id
    }
}
