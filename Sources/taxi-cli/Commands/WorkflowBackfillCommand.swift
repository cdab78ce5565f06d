import CommandLine
import Problems
import Topics
import Time
import Workflow

/// `workflow backfill`: past intervals.
enum WorkflowBackfillCommand {
    static let command = Command(
        name: "backfill", summary: "run past intervals of a workflow, only those that are missing",
        discussion: """
            Missing is each complete interval that begins in [--from, --to) and has no run, or one that failed, was cancelled or interrupted, \
            which is gone on with. They run in their order; one that fails does not keep the others from it. The exit code is 1 where one has \
            failed.
            """,
        examples: [
            Example(
                "taxi-cli workflow backfill monthly --from 2023-01-01 --to 2024-01-01 --dry-run", "what is missing"),
            Example(
                "taxi-cli workflow backfill monthly --from 2013-01-01 --to 2024-01-01 --parallel 4",
                "eleven years, four months at a time"),
        ],
        arguments: [WorkflowCommand.name],
        options: [
            Option(
                "interval", value: .value("INTERVAL"),
                help:
                    "this interval, or all that begin in a year, quarter, month or day: 2024, 2024-Q1, 2024-01, 2024-01-22"
            ),
            Option("from", value: .value("TIME"), kind: .time, help: "intervals that begin at or after this time"),
            Option("to", value: .value("TIME"), kind: .time, help: "intervals that begin before this time"),
            Option("parallel", value: .value("N"), kind: .integer(1...1000), default: "1", help: "intervals at once"),
            WorkflowCommand.params,
            Option("dry-run", short: "n", help: "run nothing; print what would run, its templates filled in"),
        ],
        exclusive: [["interval", "from"], ["interval", "to"]], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let spec = try session.folder.load(arguments.positionals[0])
        let (from, to) = try bounds(arguments, spec, session)
        let parallel = Int(arguments.integer("parallel") ?? 1)
        if let concurrency = spec.concurrency, concurrency < parallel {
            throw arguments.problem(
                "parallel", "workflow \"\(spec.name)\" allows a concurrency of \(concurrency)",
                hint: "Pass --parallel \(concurrency), or change its file.")
        }
        let params = try spec.filled(params: WorkflowCommand.params(arguments))
        let items = try Backfill.missing(
            spec, from: from, to: to, now: systemTime(), history: session.openHistoryIfAny())
        if arguments.isOn("dry-run") {
            try print(items, spec, params, arguments, try session.openHistoryIfAny())
            return .success
        }
        if items.isEmpty {
            try arguments.say("nothing is missing")
            return .success
        }
        return try fill(items, spec, params, parallel, session, arguments)
    }

    /// The begins of the intervals that are meant lie in `[from, to)`.
    private static func bounds(
        _ arguments: ParsedArguments, _ spec: WorkflowSpec, _ session: WorkflowSession
    ) throws(Problem) -> (from: EventTime, to: EventTime) {
        if let text = arguments.text("interval") {
            let begins = try spec.begins(ofIntervals: text)
            return (begins.lowerBound, begins.upperBound)
        }
        guard let from = session.time(arguments.time("from"), in: spec.zone),
            let to = session.time(arguments.time("to"), in: spec.zone), from < to
        else { throw Problem(.usage, "a backfill needs --interval, or --from and --to, and a --to that is later") }
        return (from, to)
    }

    private static func fill(
        _ items: [Backfill.Item], _ spec: WorkflowSpec, _ params: [String: String], _ parallel: Int,
        _ session: WorkflowSession, _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        Interruption.install()
        let history = try session.openHistory(arguments.program)
        let backfill = Backfill(
            spec, history: history, surroundings: session.surroundings, logs: session.logs, workflows: session.folder)
        let style = arguments.terminal.errorStyle
        var counts: [String: Int] = [:]
        var failed: [StoredRun] = []
        try backfill.run(items, params: params, parallel: parallel, isInterrupted: { Interruption.isRequested }) {
            item, event in
            if case .ended(let step, _, .failed, let error, _) = event {
                try? arguments.say("  \(spec.name(of: item.interval)) \(step): \(printable(error ?? "failed"))")
            }
        } ended: { outcome in
            counts[outcome.state, default: 0] += 1
            let word = outcome.state == "failed" ? style.red("failed") : outcome.state
            try? arguments.say("\(spec.name(of: outcome.item.interval)) \(word)")
            if outcome.state == "failed", let run = try? history.run(of: spec.name, outcome.item.interval) {
                failed.append(run)
            }
        }
        let summary = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        try arguments.say("\(items.count) intervals: \(summary)")
        if Interruption.isRequested { return .interrupted }
        guard let first = failed.first else { return .success }
        try arguments.errors.writeLine(
            "\(style.cyan("hint:")) taxi-cli workflow logs \(first.id) shows what the first failure said; "
                + "the same backfill again goes on with what failed.")
        return ExitStatus(code: 1)
    }

    /// One row a step that would run, interval by interval.
    private static func print(
        _ items: [Backfill.Item], _ spec: WorkflowSpec, _ params: [String: String], _ arguments: ParsedArguments,
        _ history: RunHistory?
    ) throws {
        var table = Table(
            columns: [
                "workflow", "interval", "interval_start", "interval_end", "run_id", "step", "kind", "does", "terms",
            ]
            .map { Column($0) })
        for item in items {
            var isDone: Set<String> = []
            if let run = item.run {
                let attempts = try history?.attempts(of: run.id) ?? []
                isDone = Set(attempts.filter { $0.state == .success }.map(\.step))
            }
            let preview = RunPreview(spec, interval: item.interval, params: item.run?.params ?? params)
            for step in preview.steps where !isDone.contains(step.name) {
                table.rows.append([
                    .text(spec.name), .optional(preview.intervalName), .text(spec.zone.iso(ms: item.interval.start)),
                    .text(spec.zone.iso(ms: item.interval.end)), .optional(item.run?.id), .text(step.name),
                    .text(step.kind), .text(step.does), .text(step.terms.joined(separator: ", ")),
                ])
            }
        }
        if arguments.format == .table { table = table.without("workflow", "interval_start", "interval_end") }
        try arguments.write(table)
        try arguments.say("\(items.count) \(items.count == 1 ? "interval is" : "intervals are") missing")
    }
}
