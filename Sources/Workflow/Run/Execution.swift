import Time
internal import Synchronization

/// What a driver knows of a run while it goes on; used by the driver's thread alone.
final class Execution {
    /// A step that brings its process down each time must not do so for ever.
    static let interruptionLimit = 10

    let spec: WorkflowSpec
    let run: StoredRun
    let watch: (RunEvent) -> Void
    let flag = StopFlag()
    let deadline: ContinuousClock.Instant?
    var plan: RunPlan
    /// By step, of those that have ended.
    var outputs: [String: [String: String]] = [:]
    /// The number of each step's latest attempt, over all executions of the run.
    var attempts: [String: Int] = [:]
    /// Attempts of this execution: each one has its retries anew.
    var attemptsHere: [String: Int] = [:]
    /// How many of a step's latest attempts were interrupted, one after the other.
    var interruptions: [String: Int] = [:]
    var retryAt: [String: ContinuousClock.Instant] = [:]
    var beganAt: [String: ContinuousClock.Instant] = [:]
    /// Steps on a thread.
    var running = 0
    private(set) var stop: RunDriver.Stop?
    /// Steps that failed, and why, in this execution.
    var failures: [(step: String, error: String)] = []
    var hasActedOnFailure = false
    var waitsForPool = false
    /// When it has to be looked at though no step has ended.
    var wakeAt: ContinuousClock.Instant?

    init(
        _ spec: WorkflowSpec, _ run: StoredRun, earlier: [StoredAttempt], again: Bool,
        _ watch: @escaping (RunEvent) -> Void
    ) {
        (self.spec, self.run, self.watch) = (spec, run, watch)
        deadline = spec.timeoutMs.map { ContinuousClock.now + .milliseconds($0) }
        var states: [String: RunPlan.StepState] = [:]
        for attempt in earlier.sorted(by: { $0.attempt < $1.attempt }) {
            attempts[attempt.step] = max(attempts[attempt.step] ?? 0, attempt.attempt)
            let wasInterrupted = attempt.state == .interrupted
            interruptions[attempt.step] = wasInterrupted ? interruptions[attempt.step, default: 0] + 1 : 0
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

    func nextAttempt(_ step: String) -> Int {
        attempts[step, default: 0] += 1
        return attempts[step] ?? 1
    }

    /// Ends what runs; steps between two attempts have failed for good.
    func end(by stop: RunDriver.Stop) {
        self.stop = stop
        flag.stop()
        plan.stop(all: stop != .timeout)
        for name in retryAt.keys { plan.end(name, stop == .shutdown ? .cancelled : .failed) }
        retryAt = [:]
    }

    /// What templates are filled in with. A run without an interval of its own sees the last one that was complete when it was asked for.
    func values(_ surroundings: StepSurroundings) -> TemplateValues {
        let zone = spec.zone
        let asked = run.queued ?? run.started ?? surroundings.now()
        let interval = run.interval ?? spec.schedule?.interval(dueBy: asked)
        var failure = ["workflow": spec.name]
        if let first = failures.first { (failure["step"], failure["error"]) = (first.step, first.error) }
        if stop == .timeout { failure["error"] = "the run took longer than \(spec.timeoutMs ?? 0) ms" }
        return TemplateValues(
            interval: interval.map { (spec.text(of: $0), zone.iso(ms: $0.start), zone.iso(ms: $0.end)) },
            runID: run.id, params: run.params, steps: outputs, environment: surroundings.environment, failure: failure)
    }
}

/// Tells the threads of a run's steps to stop.
final class StopFlag: Sendable {
    private let stopped = Atomic<Bool>(false)
    var isStopped: Bool { stopped.load(ordering: .relaxed) }
    func stop() { stopped.store(true, ordering: .relaxed) }
}
