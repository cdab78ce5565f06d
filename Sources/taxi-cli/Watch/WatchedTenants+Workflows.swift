import CommandLine
import Dashboard
import Database
import Foundation
import Problems
import Topics
import Time
import Workflow

// Workflows and their runs, and what the buttons do.
extension WatchedTenantPages {
    private func session() throws -> WorkflowSession {
        try WorkflowSession(globals, environment: arguments.environment)
    }

    func workflows() throws -> PageTable {
        let session = try session()
        let history = try session.openHistoryIfAny()
        var table = PageTable(columns: [
            "workflow", "problem", "schedule", "timezone", "steps", "next_run", "last_run", "last_state",
        ])
        for (file, workflow) in session.folder.all() {
            switch workflow {
            case .success(let spec):
                let last = try history?.runs(of: spec.name, limit: 1).first
                let next = spec.schedule?.interval(dueAfter: systemTime(), from: spec.start)
                table.rows.append([
                    spec.name, nil, spec.schedule?.cron.text, spec.zone.identifier, "\(spec.steps.count)",
                    next.map { spec.zone.iso(ms: $0.end) }, last?.started.map { session.zone.iso(ms: $0) },
                    last?.shownState,
                ])
            case .failure(let problem):
                table.rows.append(
                    [WorkflowFolder.name(of: file), problem.inOneLine] + Array(repeating: nil, count: 6))
            }
        }
        return table
    }

    func graph(ofWorkflow name: String) throws -> String { WorkflowGraph(try session().folder.load(name)).svg }

    func workflowRuns(of workflow: String?, limit: Int) throws -> PageTable {
        let session = try session()
        let runs = try session.openHistoryIfAny()?.runs(of: workflow, limit: limit) ?? []
        return Self.page(WorkflowRunsCommand.table(runs, session))
    }

    func state(ofRun id: String) throws -> String? {
        // A prefix names a run, too, where a person writes it.
        guard let run = try? session().openHistoryIfAny()?.run(id), run.id == id else { return nil }
        return run.shownState
    }

    func steps(ofRun id: String) throws -> PageTable {
        let session = try session()
        let history = try session.requireHistory()
        let run = try history.run(id)
        var table = PageTable(columns: ["step", "attempt", "state", "started", "ended", "error"])
        for attempt in try history.attempts(of: run.id) {
            table.rows.append([
                attempt.step, "\(attempt.attempt)", attempt.state.rawValue,
                attempt.started.map { session.zone.iso(ms: $0) }, attempt.ended.map { session.zone.iso(ms: $0) },
                attempt.error,
            ])
        }
        return table
    }

    func log(ofRun id: String) throws -> String {
        let session = try session()
        let history = try session.requireHistory()
        var reader = RunLogReader(history: history, logs: session.logs, runID: try history.run(id).id, step: nil)
        var lines: [String] = []
        try reader.read { step, line in lines.append("\(step) | \(line)") }
        // The last lines are those that somebody looks for; the whole is what workflow logs is for.
        return lines.suffix(2000).joined(separator: "\n")
    }

    // MARK: Actions

    func act(_ action: PageAction) throws -> String {
        switch action {
        case .replayDeadLetters:
            // One that cannot begin says so within its first second.
            let isOver = try begin(["dead-letter", "replay"]).isOver(within: 1)
            return "dead letters that can be read \(isOver ? "were" : "are being") sent again"
        case .cancel(let id):
            let history = try session().openHistory(arguments.program)
            let run = try history.run(id)
            try history.cancel(run, at: systemTime())
            return "run \(run.id) of \(run.workflow) is asked to stop"
        case .retry(let id):
            let run = try session().requireHistory().run(id)
            let begun = try beginRun(["workflow", "retry", run.id], of: run.workflow)
            return begun == nil
                ? "run \(run.id) of \(run.workflow) is about to go on" : "run \(run.id) of \(run.workflow) goes on"
        case .run(let workflow): return try run(workflow)
        case .backfill(let workflow, let interval): return try backfill(workflow, interval)
        }
    }

    private func run(_ workflow: String) throws -> String {
        let session = try session()
        let spec = try session.folder.load(workflow)
        guard ServeLock.isHeld(for: globals.tenantHome) else {
            let begun = try beginRun(["workflow", "trigger", spec.name], of: spec.name)
            return begun.map { "run \($0.id) of \(spec.name) begins" } ?? "a run of \(spec.name) is about to begin"
        }
        let queued = try session.openHistory(arguments.program).enqueue(
            spec.name, nil, trigger: .manual, params: spec.filled(params: [:]), file: spec.absoluteFile,
            at: systemTime())
        return "run \(queued?.id ?? "") of \(spec.name) is queued: the scheduler starts it"
    }

    private func backfill(_ workflow: String, _ interval: String) throws -> String {
        let session = try session()
        let spec = try session.folder.load(workflow)
        let begins = try spec.begins(ofIntervals: interval)
        let missing = try Backfill.missing(
            spec, from: begins.lowerBound, to: begins.upperBound, now: systemTime(),
            history: session.openHistoryIfAny())
        guard !missing.isEmpty else { return "nothing of \(spec.name) is missing in \(interval)" }
        let begun = try beginRun(["workflow", "backfill", spec.name, "--interval", interval], of: spec.name)
        let count = "\(missing.count) of the intervals of \(spec.name) in \(interval)"
        let verbs = missing.count == 1 ? ("is", "begins", "waits") : ("are", "begin", "wait")
        return "\(count) \(verbs.0) missing, and "
            + (begun == nil ? "\(verbs.2) for other runs of it to end" : "\(verbs.1)")
    }

    /// Starts a command that runs a workflow.
    ///
    /// - Returns: the run that it has begun; nil where it has begun none after a few seconds.
    /// - Throws: why it has not begun one.
    private func beginRun(_ words: [String], of workflow: String) throws -> StoredRun? {
        let session = try session()
        // Who may not run anything is told so here.
        _ = try session.openHistory(arguments.program)
        let started = systemTime()
        let command = try begin(words)
        var begun: StoredRun?
        _ = try command.isOver(within: 5) {
            begun = try session.openHistoryIfAny()?.runs(of: workflow, limit: 50).first { run in
                // An older one may have had a process of that number.
                run.process.pid == command.pid && (run.shownState == "running" || (run.ended ?? 0) >= started)
            }
            return begun != nil
        }
        return begun
    }

    /// Runs a command of this program beside the server, as a person would.
    private func begin(_ words: [String]) throws -> BegunCommand {
        try BegunCommand(
            words + ["--home", globals.home, "--tenant", globals.tenant, "--quiet"], environment: arguments.environment)
    }
}

extension Problem {
    /// With its place, without the line it stands in: for a cell of a table.
    fileprivate var inOneLine: String {
        let text = (location.map { "\($0): " } ?? "") + message
        return others.isEmpty ? text : "\(text) (and \(others.count) more)"
    }
}
