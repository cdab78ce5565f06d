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
    let slots: Int
    /// What the step hides that began these runs.
    let inheritedSecrets: [String]

    /// Asked once: it is read from files.
    private let process = RunningProcess.current
    let mail = Mailbox()
    var executions: [String: Execution] = [:]
    /// Runs to be looked at in the next turn.
    private var attention: Set<String> = []
    /// Runs with a step that waits for one of `slots`, the first in the queue first.
    private var waiting: [String] = []
    var ended: [Ended] = []
    var running = 0
    /// What the next transaction has to be followed by.
    var launches: [Thread] = []
    var events: [() -> Void] = []
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
    static let driven = Mutex<Set<String>>([])

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
}
