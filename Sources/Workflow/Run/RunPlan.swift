/// Where the steps of one run are, and which may begin: a value without clock or database.
public struct RunPlan: Sendable {
    public enum StepState: String, Sendable {
        case waiting, running, success, failed, skipped, cancelled
        /// A step that it needs has failed.
        case blocked = "upstream_failed"
        /// Its process died with the one that ran the workflow.
        case interrupted

        var hasEnded: Bool { self != .waiting && self != .running && self != .interrupted }
    }

    /// What the plan says of a step that no longer waits for others.
    enum Decision: Equatable, Sendable {
        case run(String)
        case leaveOut(String, StepState)
    }

    private let steps: [StepSpec]
    private let byName: [String: StepSpec]
    /// Steps that had not begun when they were last looked at, in their order.
    private var waiting: [StepSpec]
    private(set) var states: [String: StepState]
    private var isStopped = false

    /// - Parameter earlier: how steps ended in an earlier execution of the same run; those that succeeded or were skipped stay so,
    ///   all others wait again.
    init(_ steps: [StepSpec], earlier: [String: StepState] = [:]) {
        self.steps = steps
        waiting = steps
        byName = Dictionary(steps.map { ($0.name, $0) }) { first, _ in first }
        states = Dictionary(
            uniqueKeysWithValues: steps.map { step in
                let keeps = [.success, .skipped].contains(earlier[step.name])
                return (step.name, keeps ? earlier[step.name] ?? .waiting : .waiting)
            })
    }

    var isRunning: Bool { states.values.contains(.running) }
    var hasEnded: Bool { states.values.allSatisfy(\.hasEnded) }

    /// The next decision, until there is none: a step to run becomes `running`, one to leave out ends at once.
    ///
    /// - Parameter mayBegin: whether there is room for a step that could run; asked last.
    mutating func next(
        parallel: Int, mayBegin: (StepSpec) throws -> Bool = { _ in true }
    ) rethrows -> Decision? {
        waiting.removeAll { states[$0.name] != .waiting }
        for step in waiting where states[step.name] == .waiting {
            if isStopped, step.when != .always {
                states[step.name] = .cancelled
                return .leaveOut(step.name, .cancelled)
            }
            guard let decision = decide(step) else { continue }
            switch decision {
            case .run(let name):
                guard states.values.count(where: { $0 == .running }) < parallel, try mayBegin(step) else { continue }
                states[name] = .running
            case .leaveOut(let name, let state): states[name] = state
            }
            return decision
        }
        return nil
    }

    mutating func end(_ step: String, _ state: StepState) { states[step] = state }

    /// Nothing begins any more, except steps that run `always`, where `all` is false.
    mutating func stop(all: Bool) {
        isStopped = true
        guard all else { return }
        for step in steps where states[step.name] == .waiting && step.when == .always { states[step.name] = .cancelled }
    }

    /// Whether the run as a whole has succeeded.
    var hasSucceeded: Bool {
        steps.allSatisfy { step in
            switch states[step.name] {
            case .success, .skipped: true
            case .failed: step.allowFailure
            default: false
            }
        }
    }

    private func decide(_ step: StepSpec) -> Decision? {
        let needs = step.needs.compactMap { byName[$0] }
        guard needs.allSatisfy({ states[$0.name]?.hasEnded == true }) else { return nil }
        let ends = needs.map { need -> StepState in
            // A failure that is allowed holds nobody up.
            let end = states[need.name] ?? .waiting
            return end == .failed && need.allowFailure ? .success : end
        }
        let hasFailure = needs.contains { states[$0.name] == .failed || states[$0.name] == .blocked }
        switch step.when {
        case .allDone, .always: return .run(step.name)
        case .anyFailed: return hasFailure ? .run(step.name) : .leaveOut(step.name, .skipped)
        case .allSuccess:
            if ends.contains(where: { $0 == .failed || $0 == .blocked || $0 == .cancelled }) {
                return .leaveOut(step.name, .blocked)
            }
            return ends.contains(.skipped) ? .leaveOut(step.name, .skipped) : .run(step.name)
        }
    }
}
