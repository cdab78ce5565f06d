import CommandLine
import Problems
import Topics
import Workflow

/// `workflow trigger`: ask for a run.
enum WorkflowTriggerCommand {
    static let command = Command(
        name: "trigger", summary: "ask the scheduler for a run now, with parameters",
        discussion: """
            The run is queued, and begins as soon as the workflow's concurrency allows. Where no scheduler is at work it runs at once in the \
            foreground, unless --queue leaves it for the next one. Unless --interval says so the run has no interval of its own, so there may \
            be any number; {{ interval }} is the last complete one.
            """,
        examples: [
            Example("taxi-cli workflow trigger spike-analysis --param day=2024-01-22", "one run with a parameter"),
            Example("taxi-cli workflow trigger clean --queue", "left for the next scheduler, if there is none now"),
        ],
        arguments: [WorkflowCommand.name],
        options: [
            WorkflowCommand.params,
            Option(
                "interval", value: .value("INTERVAL"),
                help: "run this interval, as workflow runs names it; each has one run"),
            Option("queue", help: "only queue it, whether or not a scheduler is at work"),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let spec = try session.folder.load(arguments.positionals[0])
        let params = try spec.filled(params: WorkflowCommand.params(arguments))
        let interval = try arguments.text("interval").map { (text) throws(Problem) in try spec.interval(named: text) }
        let history = try session.openHistory(arguments.program)
        let isServed = ServeLock.isHeld(for: session.globals.tenantHome)
        if isServed || arguments.isOn("queue") {
            let run = try history.enqueue(
                spec.name, interval, trigger: .manual, params: params, file: spec.absoluteFile, at: systemTime())
            guard let run else { throw try taken(interval, of: spec, history) }
            try arguments.write(WorkflowRunsCommand.table([run], session))
            try arguments.say(
                isServed ? "queued: the scheduler starts it" : "queued: the next taxi-cli workflow serve starts it")
            return .success
        }
        try arguments.sayVerbosely("no scheduler is at work: the run begins here")
        return try WorkflowRunReporter(spec, session, history, arguments).conduct { runner in
            try runner.run(interval, trigger: .manual, params: params)
        }
    }

    private static func taken(
        _ interval: DataInterval?, of spec: WorkflowSpec, _ history: RunHistory
    ) throws -> Problem {
        let run = try interval.flatMap { try history.run(of: spec.name, $0) }
        return Problem(
            .usage,
            "interval \(interval.map { spec.name(of: $0) } ?? "") of \"\(spec.name)\" has a run already"
                + (run.map { ": \($0.id), \($0.shownState)" } ?? ""),
            hint: run.map { "taxi-cli workflow retry \($0.id) goes on with it, with --all from the beginning." })
    }
}
