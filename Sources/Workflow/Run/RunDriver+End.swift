internal import Problems
internal import Synchronization

/// How runs end.
extension RunDriver {
    func finish(_ execution: Execution) throws {
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
}
