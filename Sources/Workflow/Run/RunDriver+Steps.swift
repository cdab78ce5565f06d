internal import Foundation
internal import Problems

/// How the steps of runs begin and end.
extension RunDriver {
    func leaveOut(_ name: String, _ state: RunPlan.StepState, _ execution: Execution) throws {
        // What a scheduler that stops has not begun stays open.
        if execution.stop == .shutdown, state == .cancelled { return }
        let attempt = execution.nextAttempt(name)
        try history.end(
            execution.run.id, name, attempt: attempt, state, error: nil, outputs: [:], at: surroundings.now())
        execution.outputs[name] = ["state": state.rawValue]
        tell(execution, .ended(step: name, attempt: attempt, state: state, error: nil, ms: 0))
    }

    func begin(_ name: String, _ execution: Execution, isRetry: Bool = false) throws {
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

    func launch(_ step: StepSpec, _ execution: Execution, _ values: TemplateValues) throws {
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

    func note(_ end: AttemptEnd, of name: String, _ execution: Execution) throws {
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

    func tell(_ execution: Execution, _ event: RunEvent) {
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
