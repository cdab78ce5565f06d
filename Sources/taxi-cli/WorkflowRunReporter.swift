import Basics
import CommandLine
import Problems
import Topics
import Time
import Workflow

/// Tells of a run in the foreground, line by line, and in the end what a person needs to go on.
struct WorkflowRunReporter {
    private let spec: WorkflowSpec
    private let session: WorkflowSession
    private let history: RunHistory
    private let arguments: ParsedArguments

    init(_ spec: WorkflowSpec, _ session: WorkflowSession, _ history: RunHistory, _ arguments: ParsedArguments) {
        (self.spec, self.session, self.history, self.arguments) = (spec, session, history, arguments)
    }

    /// Runs `body` with a runner that tells of its steps.
    func conduct(_ body: (WorkflowRunner) throws -> WorkflowRunner.Result) throws -> ExitStatus {
        Interruption.install()
        let runner = WorkflowRunner(
            spec, history: history, surroundings: session.surroundings, logs: session.logs,
            workflows: session.folder,
            isInterrupted: { Interruption.isRequested }, watch: { tell($0) })
        return try report(body(runner))
    }

    private func tell(_ event: RunEvent) {
        let style = arguments.terminal.errorStyle
        let line: String
        switch event {
        case .began(let step, let attempt):
            line = "\(step) begins" + (attempt > 1 ? ", attempt \(attempt)" : "")
        case .ended(let step, _, let state, let error, let ms):
            let word =
                switch state {
                case .success: style.green(state.rawValue)
                case .failed: style.red(state.rawValue)
                default: style.yellow(state.rawValue)
                }
            line =
                "\(step) \(word)" + (ms > 0 ? " after \(roundedDurationText(ms: ms))" : "")
                + (error.map { ": \(printable($0))" } ?? "")
        case .retrying(let step, let afterMs): line = "\(step) is tried again in \(roundedDurationText(ms: afterMs))"
        }
        // Nobody to hear it is no reason to end the run.
        try? arguments.say("\(session.zone.iso(ms: systemTime()).dropFirst(11).prefix(8)) \(line)")
    }

    private func report(_ result: WorkflowRunner.Result) throws -> ExitStatus {
        let run = try history.run(result.run.id)
        if !arguments.terminal.outputIsTerminal || !arguments.texts("format").isEmpty {
            try arguments.write(WorkflowRunsCommand.table([run], session))
        }
        let took = run.started.flatMap { start in run.ended.map { roundedDurationText(ms: max(0, $0 - start)) } } ?? ""
        switch result.state {
        case "success":
            try arguments.say("run \(run.id) of \"\(run.workflow)\": success after \(took)")
            return .success
        case "cancelled":
            try arguments.say(
                "run \(run.id) of \"\(run.workflow)\" was cancelled; taxi-cli workflow retry \(run.id) goes on with it")
            return .interrupted
        default:
            try arguments.errors.writeLine(failure(of: run))
            return ExitStatus(code: 1)
        }
    }

    /// On one screen: which step, why, what it said last, and what to type.
    private func failure(of run: StoredRun) throws -> String {
        let style = arguments.terminal.errorStyle
        var latest: [String: StoredAttempt] = [:]
        // By their numbers: a clock that was set may have given them any order.
        for attempt in try history.attempts(of: run.id).sorted(by: { $0.attempt < $1.attempt }) {
            latest[attempt.step] = attempt
        }
        var lines: [String] = []
        // A step that may fail is no reason, where another has failed as well.
        let failed = spec.steps.filter { !$0.allowFailure }.compactMap { latest[$0.name] }.filter {
            $0.state == .failed
        }
        for attempt in failed {
            let tries = attempt.attempt > 1 ? ", attempt \(attempt.attempt)" : ""
            lines.append(
                "\(style.red("error:")) run \(run.id) of \"\(run.workflow)\" failed in step \"\(attempt.step)\"\(tries): "
                    + printable(attempt.error ?? "no reason is known"))
            let said = session.logs.lastLines(8, of: run.id, attempt.step, attempt: attempt.attempt)
            lines += said.map { "  | \(printable($0))" }
        }
        if failed.isEmpty { lines.append("\(style.red("error:")) run \(run.id) of \"\(run.workflow)\" failed") }
        let held = spec.steps.filter { [.blocked, .cancelled].contains(latest[$0.name]?.state) }.map(\.name)
        if !held.isEmpty { lines.append("not run because of it: \(held.joined(separator: ", "))") }
        lines.append(
            "\(style.cyan("hint:")) taxi-cli workflow retry \(run.id) goes on from there"
                + (failed.first.map { "; taxi-cli workflow logs \(run.id) \($0.step) shows all it said." } ?? "."))
        return lines.joined(separator: "\n")
    }
}
