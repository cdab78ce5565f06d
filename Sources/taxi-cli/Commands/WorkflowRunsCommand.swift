import CommandLine
import Problems
import Time
import Trips
import Workflow

/// `workflow runs`: what has run.
enum WorkflowRunsCommand {
    static let command = Command(
        name: "runs", summary: "list what has run, newest first",
        discussion: """
            Any command takes the names of the intervals for --interval. interrupted is a run whose process died; workflow serve goes on with it, and so does workflow retry. The view workflow_runs of \
            results.db has the same runs.
            """,
        examples: [
            Example("taxi-cli workflow runs", "the last twenty runs of all workflows"),
            Example("taxi-cli workflow runs monthly --state failed --all", "every failed run of one of them"),
        ],
        arguments: [Argument("NAME", .optional, help: "only runs of this workflow", names: CompletedNames.workflows)],
        options: [
            Option(
                "lines", short: "n", value: .value("N"), kind: .count,
                help: "how many, the newest; 20 on a terminal and all elsewhere unless said"),
            Option("all", short: "a", help: "all of them"),
            Option(
                "state", value: .repeated("STATE"),
                kind: .choice(["queued", "running", "success", "failed", "cancelled", "skipped", "interrupted"]),
                help: "only runs in this state"),
            Option(
                "interval", value: .value("INTERVAL"),
                help: "only runs of these intervals of the workflow, such as all that begin on 2024-01-22"),
        ],
        exclusive: [["lines", "all"]], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let states = arguments.texts("state")
        let limit = arguments.isOn("all") ? Int.max : arguments.lineLimit(onTerminal: 20)
        let intervals = try intervals(arguments, session)
        // Whether a run was interrupted only its process tells, so states are looked at here.
        let runs = try session.openHistoryIfAny()?.runs(
            of: arguments.positionals.first, limit: states.isEmpty && intervals == nil ? limit : .max)
        let shown = (runs ?? []).filter { run in
            (states.isEmpty || states.contains(run.shownState))
                && (intervals.map { wanted in run.interval.map(wanted.contains) ?? false } ?? true)
        }.prefix(limit)
        if shown.isEmpty { try arguments.say("no such runs yet") }
        try arguments.write(table(Array(shown), session))
        return .success
    }

    /// nil where all are wanted.
    private static func intervals(
        _ arguments: ParsedArguments, _ session: WorkflowSession
    ) throws -> Set<DataInterval>? {
        guard let text = arguments.text("interval") else { return nil }
        guard let name = arguments.positionals.first else {
            throw arguments.problem("interval", "an interval is one of a workflow", hint: "Name the workflow too.")
        }
        return Set(try session.folder.load(name).intervals(named: text))
    }

    static func table(_ runs: [StoredRun], _ session: WorkflowSession) -> Table {
        let (zone, names) = (session.zone, session.intervalNames())
        var table = Table(columns: [
            Column("run_id", keepsEnd: true), Column("workflow"), Column("interval"),
            Column("interval_start", mayBeLeftOut: true), Column("interval_end", mayBeLeftOut: true),
            Column("trigger", mayBeLeftOut: true), Column("state"), Column("started"),
            Column("ended", mayBeLeftOut: true),
        ])
        func time(_ ms: EventTime?) -> Table.Value { .optional(ms.map { zone.iso(ms: $0) }) }
        for run in runs {
            table.rows.append([
                .text(run.id), .text(run.workflow), .optional(names(run)), time(run.interval?.start),
                time(run.interval?.end), .text(run.trigger), .text(run.shownState), time(run.started), time(run.ended),
            ])
        }
        return table
    }
}
