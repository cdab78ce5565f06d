import CommandLine
import Problems
import Topics
import Time
import Workflow

/// `workflow run`: one run, in the foreground.
enum WorkflowRunCommand {
    static let command = Command(
        name: "run", summary: "run a workflow now, in the foreground",
        discussion: """
            A workflow with a schedule runs for its last complete interval unless --interval, or --from and --to, say another one; each \
            interval has one run, so a second time is for taxi-cli workflow retry. A line tells of each step; Ctrl-C ends the run as \
            cancelled. The exit code is 1 where a step has failed. In a pipe the run is written to stdout as one JSON object.
            """,
        examples: [
            Example("taxi-cli workflow run monthly --interval 2024-01 --dry-run", "exactly what would run"),
            Example("taxi-cli workflow run clean.yaml --param days=7", "a file that lies anywhere, with a parameter"),
        ],
        arguments: [WorkflowCommand.name],
        options: [
            Option(
                "interval", value: .value("INTERVAL"),
                help:
                    "last (the default), or as workflow runs names it: 2024, 2024-Q1, 2024-01, 2024-01-22, or when it begins"
            ),
            Option("from", value: .value("TIME"), kind: .time, help: "the beginning of an interval of your own"),
            Option("to", value: .value("TIME"), kind: .time, help: "its end, which does not belong to it any more"),
            WorkflowCommand.params,
            Option(
                "due",
                help: "run what is due and was not run, as serve would, and nothing where nothing is: for crontab"),
            WorkflowServeCommand.keepLogs,
            Option("dry-run", short: "n", help: "run nothing; print what would run, its templates filled in"),
        ],
        exclusive: [["interval", "from", "due"], ["interval", "to", "due"], ["param", "due"], ["dry-run", "due"]],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let spec = try session.folder.load(arguments.positionals[0])
        if arguments.isOn("due") { return try runDue(spec, session, arguments) }
        let interval = try interval(arguments, spec, session)
        let params = try spec.filled(params: WorkflowCommand.params(arguments))
        if arguments.isOn("dry-run") {
            try print(RunPreview(spec, interval: interval, params: params), of: spec, arguments)
            return .success
        }
        let history = try session.openHistory(arguments.program)
        let control = try ControlFile(
            folder: session.globals.tenantFolder, command: "workflow", about: "workflow \(spec.name)")
        defer { withExtendedLifetime(control) {} }
        return try WorkflowRunReporter(spec, session, history, arguments).conduct { runner in
            try runner.run(interval, trigger: .manual, params: params)
        }
    }

    private static func runDue(
        _ spec: WorkflowSpec, _ session: WorkflowSession, _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        guard spec.schedule != nil else {
            throw Problem(.usage, "workflow \"\(spec.name)\" has no schedule, and is never due")
        }
        Interruption.install()
        let history = try session.openHistory(arguments.program)
        let scheduler = Scheduler(
            only: spec, folder: session.folder, history: history, surroundings: session.surroundings, logs: session.logs
        ) { event in
            try? arguments.say(WorkflowServeCommand.line(event, session))
            if case .ended(let run, "failed") = event {
                try? arguments.errors.writeLine(
                    "error: run \(run.id) of \"\(run.workflow)\" failed\n"
                        + "hint: taxi-cli workflow logs \(run.id) shows why, taxi-cli workflow retry \(run.id) goes on."
                )
            }
        }
        try session.logs.prune(history, keepMs: arguments.durationMs("keep-logs") ?? 0, now: systemTime())
        // cron and timers start within a minute of what is due.
        let hasSucceeded = try scheduler.runDue(sinceMs: 90_000, until: { Interruption.isRequested })
        return Interruption.isRequested ? .interrupted : hasSucceeded ? .success : ExitStatus(code: 1)
    }

    private static func interval(
        _ arguments: ParsedArguments, _ spec: WorkflowSpec, _ session: WorkflowSession
    ) throws(Problem) -> DataInterval? {
        let (from, to) = (arguments.time("from"), arguments.time("to"))
        if from != nil || to != nil {
            guard let start = session.time(from, in: spec.zone), let end = session.time(to, in: spec.zone), start < end
            else { throw Problem(.usage, "an interval needs --from and --to, and a --to that is later") }
            return DataInterval(start: start, end: end)
        }
        guard let text = arguments.text("interval") else {
            return spec.schedule == nil ? nil : try spec.interval("last", now: systemTime())
        }
        return try spec.interval(named: text)
    }

    /// One row a step; on a terminal below a line that says for what interval.
    static func print(_ preview: RunPreview, of spec: WorkflowSpec, _ arguments: ParsedArguments) throws {
        var table = Table(
            columns: ["workflow", "interval", "step", "kind", "needs", "does", "terms"].map { Column($0) })
        for step in preview.steps {
            table.rows.append([
                .text(spec.name), .optional(preview.intervalName), .text(step.name), .text(step.kind),
                .text(step.needs.joined(separator: ", ")), .text(step.does),
                .text(step.terms.joined(separator: ", ")),
            ])
        }
        if let interval = preview.interval, let name = preview.intervalName {
            let (start, end) = (spec.zone.iso(ms: interval.start), spec.zone.iso(ms: interval.end))
            try arguments.say("\(spec.name) for \(name): from \(start) to \(end)")
        }
        if arguments.format == .table { table = table.without("workflow", "interval") }
        try arguments.write(table)
    }
}

extension Table {
    /// The same without some columns, which say the same in each row.
    func without(_ names: String...) -> Table {
        let kept = columns.indices.filter { !names.contains(columns[$0].name) }
        return Table(columns: kept.map { columns[$0] }, rows: rows.map { row in kept.map { row[$0] } })
    }
}
