internal import Database
internal import Foundation
internal import Problems
internal import Synchronization

/// What happens in a run, for whoever watches.
public enum RunEvent: Sendable {
    case began(step: String, attempt: Int)
    case ended(step: String, attempt: Int, state: RunPlan.StepState, error: String?, ms: Int64)
    /// Another attempt comes after this wait.
    case retrying(step: String, afterMs: Int64)
}

/// Drives any number of runs at once: each step on a thread of its own, everything else on the caller's.
///
/// It goes in turns. All that came to pass since the last turn, of all runs, and all that begins because of it, is written in one
/// transaction; only then do the steps begin. So what runs is always written down, and a thousand runs cost few syncs.
final class RunDriver {
    /// A run that has ended, or was given back.
    struct Ended {
        var run: StoredRun
        /// success, failed, cancelled, or queued where the run was given back.
        var state: String
    }

    enum Stop {
        /// The run ends as cancelled.
        case cancel
        /// The run is given back, for the next scheduler.
        case shutdown
        /// The run took too long and has failed.
        case timeout
    }

    let history: RunHistory
    let surroundings: StepSurroundings
    let logs: RunLogs
    let workflows: WorkflowFolder?
    /// Steps of all runs that may be under way at once, whatever their pools allow.
    private let slots: Int
    /// What the step hides that began these runs.
    private let inheritedSecrets: [String]

    /// Asked once: it is read from files.
    private let process = RunningProcess.current
    private let mail = Mailbox()
    private var executions: [String: Execution] = [:]
    /// Runs to be looked at in the next turn.
    private var attention: Set<String> = []
    /// Runs with a step that waits for one of `slots`, the first in the queue first.
    private var waiting: [String] = []
    private var ended: [Ended] = []
    private var running = 0
    /// What the next transaction has to be followed by.
    private var launches: [Thread] = []
    private var events: [() -> Void] = []
    /// Steps that have ended and whose ends are not written down yet.
    private var unnoted: [Mailbox.Message] = []
    private var lastVersion: Int64?
    private var nextLook = ContinuousClock.now

    init(
        history: RunHistory, surroundings: StepSurroundings, logs: RunLogs, workflows: WorkflowFolder?,
        inheritedSecrets: [String] = [], slots: Int = 128
    ) {
        (self.history, self.surroundings, self.logs, self.slots) = (history, surroundings, logs, slots)
        (self.workflows, self.inheritedSecrets) = (workflows, inheritedSecrets)
    }

    /// Runs under way.
    var count: Int { executions.count }

    /// Runs that drivers of this process have.
    private static let driven = Mutex<Set<String>>([])

    /// By run, ends of steps that could not be written down, such as on a full disk, for the driver that goes on with the run.
    private static let leftUnnoted = Mutex<[String: [Mailbox.Message]]>([:])

    /// Whether a driver of this process has the run.
    static func isDriven(_ runID: String) -> Bool { driven.withLock { $0.contains(runID) } }

    func takeEnded() -> [Ended] {
        defer { ended = [] }
        return ended
    }

    // MARK: runs

    /// Begins the run of an interval.
    ///
    /// - Throws: as `RunHistory.begin`.
    func begin(
        _ spec: WorkflowSpec, _ interval: DataInterval?, trigger: RunTrigger, params: [String: String],
        parent: String? = nil, watch: @escaping (RunEvent) -> Void = { _ in }
    ) throws -> StoredRun {
        let run = try history.begin(
            spec.name, interval, trigger: trigger, params: try spec.filled(params: params), file: spec.absoluteFile,
            parent: parent, limit: spec.concurrency ?? .max, process: process, at: surroundings.now())
        try add(Execution(spec, run, earlier: try history.attempts(of: run.id), again: false, watch))
        return run
    }

    /// Goes on with a run that has ended, or that nobody drives any more.
    ///
    /// - Parameter isLost: the run is this process's own, whose driver was abandoned.
    func resume(
        _ spec: WorkflowSpec, _ run: StoredRun, all: Bool = false, trigger: RunTrigger? = nil, isLost: Bool = false,
        watch: @escaping (RunEvent) -> Void = { _ in }
    ) throws -> StoredRun {
        try noteLeft(of: run.id)
        let left = try history.takeOver(run, trigger: trigger, isLost: isLost, process: process)
        // No step may run twice at once.
        try LeftProcesses.end(of: run.id, noted: left)
        try add(Execution(spec, run, earlier: try history.attempts(of: run.id), again: all, watch))
        return run
    }

    /// Begins a queued run.
    ///
    /// - Parameter limit: runs of the workflow that may be under way.
    /// - Throws: `.tryAgain` where too many are.
    func claim(
        _ spec: WorkflowSpec, _ run: StoredRun, limit: Int, watch: @escaping (RunEvent) -> Void = { _ in }
    ) throws {
        let claimed = try history.claim(run, limit: limit, process: process, at: surroundings.now())
        let earlier = run.started == nil ? [] : try history.attempts(of: run.id)
        try add(Execution(spec, claimed, earlier: earlier, again: false, watch))
    }

    private func add(_ execution: Execution) throws {
        try logs.create(execution.run.id)
        try logs.reserve(of: execution.run.id).make()
        executions[execution.run.id] = execution
        Self.driven.withLock { _ = $0.insert(execution.run.id) }
        attention.insert(execution.run.id)
    }

    /// Ends what runs; further calls change nothing.
    func stop(_ runID: String, _ stop: Stop) {
        guard let execution = executions[runID], execution.stop == nil || execution.stop == .timeout else { return }
        if execution.stop == stop { return }
        execution.end(by: stop)
        attention.insert(runID)
    }

    /// Gives all runs back.
    func stopAll() { for id in Array(executions.keys) { stop(id, .shutdown) } }

    /// Takes turns, each of them at the latest at the time that `next` gives, until it gives none.
    ///
    /// - Throws: what the database refuses; no step is running then, and the runs look interrupted.
    func conduct(next: () throws -> ContinuousClock.Instant?) throws {
        do {
            while let wake = try next() { try turn(until: wake) }
        } catch {
            abandon()
            throw error
        }
    }

    /// Ends all steps. Of those that came to an end of their own this is still written down, in the room that was kept for it: they must
    /// not run again.
    func abandon() {
        for execution in executions.values { execution.flag.stop() }
        // Their beginnings were taken back with the transaction that failed: they never begin.
        running -= launches.count
        (launches, events) = ([], [])
        while running > 0 {
            let ends = mail.wait(until: nil).filter(\.isEnd)
            running -= ends.count
            unnoted += ends
        }
        for id in executions.keys { logs.reserve(of: id).remove() }
        let ends = unnoted.filter(\.hasOwnEnd)
        do { try note(ends) } catch {
            Self.leftUnnoted.withLock { left in for end in ends { left[end.runID, default: []].append(end) } }
        }
        unnoted = []
        let lost = executions.keys
        Self.driven.withLock { $0.subtract(lost) }
        executions = [:]
    }

    /// Writes ends down and nothing else.
    private func note(_ ends: [Mailbox.Message]) throws {
        if ends.isEmpty { return }
        try history.group("noting how steps ended") {
            for message in ends {
                guard case .ended(let end) = message.what else { continue }
                try history.end(
                    message.runID, message.step, attempt: message.attempt, end.state, error: end.error,
                    outputs: end.outputs.merging(["state": end.state.rawValue]) { $1 }, at: surroundings.now())
            }
        }
    }

    /// What another driver of this process could not write down.
    private func noteLeft(of runID: String) throws {
        guard let left = Self.leftUnnoted.withLock({ $0[runID] }) else { return }
        try note(left)
        Self.leftUnnoted.withLock { $0[runID] = nil }
    }

    // MARK: a turn

    /// Waits for something to do, until `wake`, and does it.
    func turn(until wake: ContinuousClock.Instant) throws {
        let messages = mail.wait(until: attention.isEmpty ? nextWake(wake) : .now)
        // Whatever becomes of this turn, these steps run no more.
        unnoted = messages.filter(\.isEnd)
        running -= unnoted.count
        let now = ContinuousClock.now
        try lookForCancelled()
        for (id, execution) in executions {
            if execution.waitsForPool || execution.wakeAt.map({ $0 <= now }) == true { attention.insert(id) }
        }
        let free = slots - running
        if free > 0, !waiting.isEmpty {
            attention.formUnion(waiting.prefix(free))
            waiting.removeFirst(min(free, waiting.count))
        }
        try noteProcesses(messages)
        guard !unnoted.isEmpty || !attention.isEmpty else { return }
        try history.group("noting what became of steps") {
            for message in unnoted { try receive(message) }
            for id in attention.sorted() { if let execution = executions[id] { try advance(execution) } }
        }
        (attention, unnoted) = ([], [])
        for launch in launches { launch.start() }
        let happened = events
        (launches, events) = ([], [])
        for event in happened { event() }
    }

    private func nextWake(_ wake: ContinuousClock.Instant) -> ContinuousClock.Instant {
        guard !executions.isEmpty else { return wake }
        // Often enough to see that somebody cancels, and to note the process of a step that goes on.
        var wake = min(wake, .now + .milliseconds(200))
        for execution in executions.values { if let at = execution.wakeAt { wake = min(wake, at) } }
        return wake
    }

    private func lookForCancelled() throws {
        guard !executions.isEmpty, nextLook.isDue(each: .milliseconds(200)) else { return }
        let version = try history.version()
        guard version != lastVersion else { return }
        lastVersion = version
        for id in try history.cancelRequests() { stop(id, .cancel) }
    }

    /// Notes the processes of steps that go on, in a transaction of their own: `LeftProcesses` finds them without, so a full disk is no
    /// reason to end them.
    private func noteProcesses(_ messages: [Mailbox.Message]) throws {
        let over = Set(unnoted.map { $0.runID + $0.step })
        let begun = messages.compactMap { message -> (Mailbox.Message, RunningProcess)? in
            guard case .started(let pid) = message.what, !over.contains(message.runID + message.step),
                executions[message.runID] != nil
            else { return nil }
            return RunningProcess(pid: pid).map { (message, $0) }
        }
        if begun.isEmpty { return }
        do {
            try history.group("noting the processes of steps") {
                for (message, process) in begun {
                    try history.note(process, of: message.runID, message.step, attempt: message.attempt)
                }
            }
        } catch let problem as Problem where problem.code == .inputOutput {}
    }

    private func receive(_ message: Mailbox.Message) throws {
        guard let execution = executions[message.runID], case .ended(let end) = message.what else { return }
        try note(end, of: message.step, execution)
        attention.insert(message.runID)
    }

    private func advance(_ execution: Execution) throws {
        let now = ContinuousClock.now
        execution.waitsForPool = false
        if execution.stop == nil, let deadline = execution.deadline, now >= deadline { execution.end(by: .timeout) }
        while let decision = try execution.plan.next(
            parallel: execution.spec.parallel, mayBegin: { try mayBegin($0, execution) })
        {
            switch decision {
            case .run(let name): try begin(name, execution)
            case .leaveOut(let name, let state): try leaveOut(name, state, execution)
            }
        }
        for (name, at) in execution.retryAt.sorted(by: { $0.value < $1.value }) where at <= now {
            guard let step = execution.spec.step(name), try mayBegin(step, execution) else { continue }
            execution.retryAt[name] = nil
            try begin(name, execution, isRetry: true)
        }
        execution.wakeAt =
            (execution.retryAt.values.filter { $0 > now }
            + (execution.stop == nil ? [execution.deadline] : [])
            .compactMap { $0 }).min()
        if execution.plan.hasEnded, execution.running == 0 { try finish(execution) }
    }

    private func mayBegin(_ step: StepSpec, _ execution: Execution) throws -> Bool {
        guard running < slots else {
            if !waiting.contains(execution.run.id) { waiting.append(execution.run.id) }
            return false
        }
        guard let pool = step.pool, let size = execution.spec.pools[pool] else { return true }
        if try history.slotsTaken(of: pool) < size { return true }
        execution.waitsForPool = true
        return false
    }

    // MARK: steps

    private func leaveOut(_ name: String, _ state: RunPlan.StepState, _ execution: Execution) throws {
        // What a scheduler that stops has not begun stays open.
        if execution.stop == .shutdown, state == .cancelled { return }
        let attempt = execution.nextAttempt(name)
        try history.end(
            execution.run.id, name, attempt: attempt, state, error: nil, outputs: [:], at: surroundings.now())
        execution.outputs[name] = ["state": state.rawValue]
        tell(execution, .ended(step: name, attempt: attempt, state: state, error: nil, ms: 0))
    }

    private func begin(_ name: String, _ execution: Execution, isRetry: Bool = false) throws {
        guard let step = execution.spec.step(name) else {
            preconditionFailure("the plan runs a step that there is not")
        }
        // The steps of a run inside of this one are counted by themselves.
        if step.action.kind != "workflow", execution.interruptions[name, default: 0] >= Execution.interruptionLimit {
            return try fail(name, "was interrupted \(Execution.interruptionLimit) times in a row", execution)
        }
        let values = execution.values(surroundings)
        if let condition = step.condition, !isRetry {
            do {
                guard try condition.holds(values.fill(condition.left), values.fill(condition.right)) else {
                    execution.plan.end(name, .skipped)
                    return try leaveOut(name, .skipped, execution)
                }
            } catch {
                let reason = SecretMask(secrets(of: step, execution)).masked("if: \(error)")
                return try fail(name, reason, execution)
            }
        }
        execution.attemptsHere[name, default: 0] += 1
        try launch(step, execution, values)
    }

    /// Ends a step that cannot even begin.
    private func fail(_ name: String, _ reason: String, _ execution: Execution) throws {
        let attempt = execution.nextAttempt(name)
        try history.begin(execution.run.id, name, attempt: attempt, at: surroundings.now())
        execution.running += 1
        execution.attemptsHere[name] = .max
        try note(AttemptEnd(state: .failed, error: reason), of: name, execution)
    }

    private func launch(_ step: StepSpec, _ execution: Execution, _ values: TemplateValues) throws {
        let (name, runID) = (step.name, execution.run.id)
        let attempt = execution.nextAttempt(name)
        execution.beganAt[name] = .now
        let log = try logs.open(
            runID, name, attempt: attempt, secrets: secrets(of: step, execution), zone: execution.spec.zone,
            now: surroundings.now)
        try history.begin(runID, name, attempt: attempt, pool: step.pool, at: surroundings.now())
        execution.running += 1
        running += 1
        tell(execution, .began(step: name, attempt: attempt))
        var surroundings = surroundings
        surroundings.environment["TAXI_WORKFLOW"] = execution.spec.name
        surroundings.environment[LeftProcesses.variable] = runID
        surroundings.environment[LeftProcesses.stepVariable] = name
        // What begins after a stop is there to tidy up, and gets its chance.
        let flag = execution.stop == nil ? execution.flag : StopFlag()
        let stepAttempt = StepAttempt(
            step: step, values: values, surroundings: surroundings,
            folder: execution.spec.folder, log: log,
            isStopped: { flag.isStopped },
            started: { [mail] in
                mail.send(.init(runID: runID, step: name, attempt: attempt, what: .started(pid: $0)))
            })
        // Sendable by hand: the attempt and its log are used by this thread alone from here on.
        nonisolated(unsafe) let work = stepAttempt
        launches.append(
            Thread { [mail] in
                mail.send(.init(runID: runID, step: name, attempt: attempt, what: .ended(work.run())))
            })
    }

    private func note(_ end: AttemptEnd, of name: String, _ execution: Execution) throws {
        execution.running -= 1
        let attempt = execution.attempts[name] ?? 1
        let took = execution.beganAt[name].map { ContinuousClock.now - $0 }?.wholeMs ?? 0
        let state = end.state == .cancelled && execution.stop == .shutdown ? .interrupted : end.state
        var outputs = end.outputs
        outputs["state"] = state.rawValue
        // For those who read the history without the file: this is not what the run failed of.
        if state == .failed, execution.spec.step(name)?.allowFailure == true { outputs["allow_failure"] = "true" }
        try history.end(
            execution.run.id, name, attempt: attempt, state, error: end.error, outputs: outputs, at: surroundings.now())
        tell(execution, .ended(step: name, attempt: attempt, state: state, error: end.error, ms: took))
        if name == FailureAction.stepName { return }
        let made = execution.attemptsHere[name] ?? 1
        if let step = execution.spec.step(name), state == .failed, !end.isPermanent, made <= step.retries,
            execution.stop == nil
        {
            let wait = step.backoff.waitMs(afterAttempt: made)
            execution.retryAt[name] = .now + .milliseconds(wait)
            return tell(execution, .retrying(step: name, afterMs: wait))
        }
        execution.outputs[name] = outputs
        if state == .failed, execution.spec.step(name)?.allowFailure != true {
            execution.failures.append((name, end.error ?? ""))
        }
        execution.plan.end(name, state == .interrupted ? .cancelled : state)
    }

    // MARK: the end

    private func finish(_ execution: Execution) throws {
        let runID = execution.run.id
        let hasSucceeded = execution.plan.hasSucceeded
        if execution.stop == .shutdown, !hasSucceeded {
            try history.requeue(runID)
            return close(execution, "queued")
        }
        let state = execution.stop == .cancel ? "cancelled" : hasSucceeded ? "success" : "failed"
        if state == "failed", !execution.hasActedOnFailure, let action = execution.spec.onFailure {
            execution.hasActedOnFailure = true
            switch action {
            case .notify(let step):
                // The run ends when its notice has.
                return try launch(step, execution, execution.values(surroundings))
            case .run(let workflow): try queue(workflow, after: execution)
            }
        }
        try history.end(runID, state: state, at: surroundings.now())
        close(execution, state)
    }

    private func close(_ execution: Execution, _ state: String) {
        executions[execution.run.id] = nil
        logs.reserve(of: execution.run.id).remove()
        Self.driven.withLock { _ = $0.remove(execution.run.id) }
        ended.append(Ended(run: execution.run, state: state))
    }

    /// Queues the workflow that is to run after a failure, in the transaction in which the failed run ends.
    private func queue(_ workflow: String, after execution: Execution) throws {
        let values = execution.values(surroundings)
        var given = values.failure
        given["run"] = execution.run.id
        given["interval"] = values.interval?.name
        do {
            guard let spec = try workflows?.load(workflow) else { return }
            let params = try spec.filled(params: given.filter { spec.params[$0.key] != nil })
            try history.enqueue(
                spec.name, nil, trigger: .alert, params: params, file: spec.absoluteFile, at: surroundings.now())
        } catch let problem as Problem where problem.code == .noInput || problem.code == .configuration {
            // The failed run has to end as what it is; what could not be done because of it is told as a step.
            let attempt = execution.nextAttempt(FailureAction.stepName)
            try history.end(
                execution.run.id, FailureAction.stepName, attempt: attempt, .failed, error: problem.message,
                outputs: [:], at: surroundings.now())
            tell(
                execution,
                .ended(
                    step: FailureAction.stepName, attempt: attempt, state: .failed, error: problem.message, ms: 0))
        }
    }

    private func tell(_ execution: Execution, _ event: RunEvent) {
        events.append { execution.watch(event) }
    }

    /// What must not show in the step's log: what it takes from the environment by name, what any step of the run takes from a file
    /// (an earlier one may have handed it on), and what the step that began this run hides.
    private func secrets(of step: StepSpec, _ execution: Execution) -> [String] {
        let spec = execution.spec
        let own = (step.templates + (step.condition.map { [$0.left, $0.right] } ?? [])).flatMap(\.references)
        let variables = own.compactMap { reference, _ in
            if case .environment(let name) = reference { surroundings.environment[name] } else { nil }
        }
        let files = Set((spec.steps + [step]).flatMap(\.templates).flatMap(\.references).map(\.reference)).compactMap {
            if case .file(let path) = $0 {
                // The step that needs it says what is wrong with it.
                return try? SecretFile.read(
                    path.hasPrefix("/") || spec.folder.isEmpty ? path : "\(spec.folder)/\(path)")
            }
            return nil
        }
        return variables + files + inheritedSecrets
    }
}
