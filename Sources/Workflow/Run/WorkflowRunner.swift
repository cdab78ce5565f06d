internal import Database
internal import Foundation
internal import Problems
internal import Synchronization
internal import Trips

/// Runs one workflow for one interval, step by step, and writes down what becomes of it.
///
/// Every state is in the database before a step begins and after it has ended, so a run whose process was killed can be taken over
/// by `resume`. Steps run on threads of their own; the runner itself, and all its writing, stays on the caller's.
public struct WorkflowRunner {
    /// What happens, for whoever watches.
    public enum Event: Sendable {
        case began(step: String, attempt: Int)
        case ended(step: String, attempt: Int, state: RunPlan.StepState, error: String?, ms: Int64)
        /// Another attempt comes after this wait.
        case retrying(step: String, afterMs: Int64)
    }

    /// How a run ended.
    public struct Result: Sendable {
        public var run: StoredRun
        /// success, failed or cancelled
        public var state: String
    }

    private let spec: WorkflowSpec
    private let history: RunHistory
    private let surroundings: StepSurroundings
    private let logs: RunLogs
    private let isInterrupted: () -> Bool
    private let watch: (Event) -> Void

    /// - Parameters:
    ///   - isInterrupted: asked several times a second; true cancels the run.
    ///   - watch: told on the caller's thread.
    public init(
        _ spec: WorkflowSpec, history: RunHistory, surroundings: StepSurroundings, logs: RunLogs,
        isInterrupted: @escaping () -> Bool, watch: @escaping (Event) -> Void = { _ in }
    ) {
        (self.spec, self.history, self.surroundings, self.logs) = (spec, history, surroundings, logs)
        (self.isInterrupted, self.watch) = (isInterrupted, watch)
    }

    /// Runs the workflow for an interval, or for none where it has no schedule.
    ///
    /// - Throws: `.usage` where the interval has a run that ended, `.tryAgain` where it has one under way; whatever the database
    ///   refuses. A step that fails is no error here but a result.
    public func run(
        _ interval: DataInterval?, trigger: RunTrigger, params: [String: String] = [:]
    ) throws -> Result {
        let run = try history.begin(
            spec.name, interval, trigger: trigger, params: try spec.filled(params: params), file: spec.file,
            process: .current, at: surroundings.now())
        return try execute(run, earlier: [])
    }

    /// Goes on with a run that failed, was cancelled, or whose process was killed: steps that succeeded are not run again.
    ///
    /// - Parameters:
    ///   - all: run every step again.
    ///   - trigger: `retry` where somebody asked for it; nil leaves what the run has.
    /// - Throws: `.usage` where nothing is left to do, `.tryAgain` where it is under way.
    public func resume(_ run: StoredRun, all: Bool = false, trigger: RunTrigger? = nil) throws -> Result {
        if run.shownState == "success", !all {
            throw Problem(
                .usage, "run \(run.id) of \"\(run.workflow)\" has succeeded: nothing is left to do",
                hint: "Pass --all to run every step again.")
        }
        let left = try history.takeOver(run, trigger: trigger, process: .current)
        // No step may run twice at once.
        for process in left { ChildProcess.end(group: process.pid) }
        let earlier = try history.attempts(of: run.id)
        return try execute(run, earlier: earlier, again: all)
    }

    // MARK: a run

    private func execute(_ run: StoredRun, earlier: [StoredAttempt], again: Bool = false) throws -> Result {
        try logs.create(run.id)
        var execution = Execution(spec, run, earlier: earlier, again: again)
        let mail = Mailbox()
        let deadline = spec.timeoutMs.map { ContinuousClock.now + .milliseconds($0) }
        do {
            try go(&execution, mail, deadline)
        } catch {
            // Nobody would note how these steps end; they are found interrupted by the next `resume`.
            mail.stop()
            while execution.running > 0 {
                for message in mail.wait(until: nil) { if case .ended = message { execution.running -= 1 } }
            }
            throw error
        }
        let state = execution.isCancelled ? "cancelled" : execution.plan.hasSucceeded ? "success" : "failed"
        try history.end(run.id, state: state, at: surroundings.now())
        return Result(run: run, state: state)
    }

    private func go(_ execution: inout Execution, _ mail: Mailbox, _ deadline: ContinuousClock.Instant?) throws {
        while true {
            while let decision = execution.plan.next(parallel: spec.parallel) {
                switch decision {
                case .run(let name): try begin(name, &execution, mail)
                case .leaveOut(let name, let state): try leaveOut(name, state, &execution)
                }
            }
            let now = ContinuousClock.now
            for (name, at) in execution.retryAt where at <= now {
                execution.retryAt[name] = nil
                try begin(name, &execution, mail, isRetry: true)
            }
            if execution.plan.hasEnded { return }
            if !execution.isStopped {
                if try isInterrupted() || history.isCancelled(execution.run.id) {
                    execution.isCancelled = true
                    try stop(&execution, mail, all: true)
                    continue
                }
                if let deadline, now >= deadline {
                    try stop(&execution, mail, all: false)
                    continue
                }
            }
            let tick = now + .milliseconds(200)
            let wake =
                ([tick, deadline].compactMap { $0 } + execution.retryAt.values).filter { $0 > now }.min() ?? tick
            for message in mail.wait(until: wake) {
                switch message {
                case .started(let step, let attempt, let pid):
                    if let process = RunningProcess(pid: pid) {
                        try history.note(process, of: execution.run.id, step, attempt: attempt)
                    }
                case .ended(let step, let end): try note(end, of: step, &execution)
                }
            }
        }
    }

    /// Ends what runs; steps between two attempts have failed for good.
    private func stop(_ execution: inout Execution, _ mail: Mailbox, all: Bool) throws {
        execution.isStopped = true
        mail.stop()
        execution.plan.stop(all: all)
        for name in execution.retryAt.keys { execution.plan.end(name, .failed) }
        execution.retryAt = [:]
    }

    private func leaveOut(_ name: String, _ state: RunPlan.StepState, _ execution: inout Execution) throws {
        let attempt = execution.nextAttempt(name)
        try history.end(
            execution.run.id, name, attempt: attempt, state, error: nil, outputs: [:], at: surroundings.now())
        execution.outputs[name] = ["state": state.rawValue]
        watch(.ended(step: name, attempt: attempt, state: state, error: nil, ms: 0))
    }

    private func begin(
        _ name: String, _ execution: inout Execution, _ mail: Mailbox, isRetry: Bool = false
    ) throws {
        guard let step = spec.step(name) else { preconditionFailure("the plan runs a step that there is not") }
        let values = values(execution)
        if let condition = step.condition, !isRetry {
            do {
                guard try condition.holds(values.fill(condition.left), values.fill(condition.right)) else {
                    execution.plan.end(name, .skipped)
                    return try leaveOut(name, .skipped, &execution)
                }
            } catch {
                let attempt = execution.nextAttempt(name)
                execution.running += 1
                execution.attemptsHere[name] = .max
                try history.begin(execution.run.id, name, attempt: attempt, at: surroundings.now())
                return try note(AttemptEnd(state: .failed, error: "if: \(error)"), of: name, &execution)
            }
        }
        let attempt = execution.nextAttempt(name)
        execution.attemptsHere[name, default: 0] += 1
        execution.beganAt[name] = .now
        let log = try logs.open(
            execution.run.id, name, attempt: attempt, secrets: secrets(of: step), zone: spec.zone, now: surroundings.now
        )
        try history.begin(execution.run.id, name, attempt: attempt, at: surroundings.now())
        execution.running += 1
        watch(.began(step: name, attempt: attempt))
        // Steps that run always get their chance after a stop as well.
        let isExempt = execution.isStopped
        let executor = StepExecutor(
            step: step, values: values, surroundings: surroundings,
            folder: (spec.file as NSString).deletingLastPathComponent, log: log,
            isStopped: { !isExempt && mail.isStopped },
            started: { mail.send(.started(step: name, attempt: attempt, pid: $0)) })
        // Sendable by hand: the executor and its log are used by this thread alone from here on.
        nonisolated(unsafe) let work = executor
        Thread { mail.send(.ended(step: name, work.run())) }.start()
    }

    private func note(_ end: AttemptEnd, of name: String, _ execution: inout Execution) throws {
        execution.running -= 1
        let attempt = execution.attempts[name] ?? 1
        let took = execution.beganAt[name].map { ContinuousClock.now - $0 }?.wholeMs ?? 0
        var outputs = end.outputs
        outputs["state"] = end.state.rawValue
        try history.end(
            execution.run.id, name, attempt: attempt, end.state, error: end.error, outputs: outputs,
            at: surroundings.now())
        watch(.ended(step: name, attempt: attempt, state: end.state, error: end.error, ms: took))
        let made = execution.attemptsHere[name] ?? 1
        if let step = spec.step(name), end.state == .failed, made <= step.retries, !execution.isStopped {
            let wait = step.backoff.waitMs(afterAttempt: made)
            execution.retryAt[name] = .now + .milliseconds(wait)
            return watch(.retrying(step: name, afterMs: wait))
        }
        execution.outputs[name] = outputs
        execution.plan.end(name, end.state)
    }

    private func values(_ execution: Execution) -> TemplateValues {
        let zone = spec.zone
        return TemplateValues(
            interval: execution.run.interval.map {
                ($0.name(in: zone), zone.iso(ms: $0.start), zone.iso(ms: $0.end))
            }, runID: execution.run.id, params: execution.run.params, steps: execution.outputs,
            environment: surroundings.environment)
    }

    /// What the step takes from the environment by name must not show in its log.
    private func secrets(of step: StepSpec) -> [String] {
        step.templates.flatMap(\.references).compactMap { reference, _ in
            if case .environment(let name) = reference { surroundings.environment[name] } else { nil }
        }
    }
}

extension StepSpec {
    /// All texts of the step that are filled in when it runs, but for its condition.
    var templates: [Template] { action.templates + environment.map(\.value) }
}

/// What a runner knows of a run while it goes on.
private struct Execution {
    let run: StoredRun
    var plan: RunPlan
    /// By step, of those that have ended.
    var outputs: [String: [String: String]] = [:]
    /// The number of each step's latest attempt, over all executions of the run.
    var attempts: [String: Int] = [:]
    /// Attempts of this execution: each one has its retries anew.
    var attemptsHere: [String: Int] = [:]
    var retryAt: [String: ContinuousClock.Instant] = [:]
    var beganAt: [String: ContinuousClock.Instant] = [:]
    /// Steps on a thread.
    var running = 0
    var isStopped = false
    var isCancelled = false

    init(_ spec: WorkflowSpec, _ run: StoredRun, earlier: [StoredAttempt], again: Bool) {
        self.run = run
        var states: [String: RunPlan.StepState] = [:]
        for attempt in earlier {
            attempts[attempt.step] = max(attempts[attempt.step] ?? 0, attempt.attempt)
        }
        for attempt in earlier where attempt.attempt == attempts[attempt.step] && !again {
            states[attempt.step] = attempt.state
            if attempt.state == .success || attempt.state == .skipped { outputs[attempt.step] = attempt.outputs }
        }
        // A step that was skipped because of another one has to be decided anew when that one runs again.
        for step in spec.steps where states[step.name] == .skipped {
            if step.needs.contains(where: { states[$0] != .success && states[$0] != .skipped }) {
                states[step.name] = nil
            }
        }
        plan = RunPlan(spec.steps, earlier: states)
    }

    mutating func nextAttempt(_ step: String) -> Int {
        attempts[step, default: 0] += 1
        return attempts[step] ?? 1
    }
}

/// What the threads of steps tell the runner.
private final class Mailbox: Sendable {
    enum Message: Sendable {
        case started(step: String, attempt: Int, pid: Int32)
        case ended(step: String, AttemptEnd)
    }

    // `messages` is only touched while `condition` is locked.
    private let condition = NSCondition()
    nonisolated(unsafe) private var messages: [Message] = []
    private let stopped = Atomic<Bool>(false)

    var isStopped: Bool { stopped.load(ordering: .relaxed) }
    func stop() { stopped.store(true, ordering: .relaxed) }

    func send(_ message: Message) {
        condition.withLock {
            messages.append(message)
            condition.signal()
        }
    }

    /// What came, at once or as soon as something comes; nothing at `until`.
    func wait(until: ContinuousClock.Instant?) -> [Message] {
        condition.withLock {
            while messages.isEmpty {
                guard let until else {
                    condition.wait()
                    continue
                }
                let left = until - .now
                if left <= .zero { break }
                _ = condition.wait(until: Date(timeIntervalSinceNow: Double(left.wholeMs + 1) / 1000))
            }
            defer { messages = [] }
            return messages
        }
    }
}
