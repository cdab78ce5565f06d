import CommandLine
import Problems
import Workflow

/// `workflow retry`: go on with a run.
enum WorkflowRetryCommand {
    static let command = Command(
        name: "retry", summary: "go on with a run that failed, was cancelled or interrupted",
        discussion: """
            Steps that succeeded are not run again, unless --all says so; parameters are those that the run began with, and the workflow is \
            taken from its file as it is now. A step that runs another workflow goes on with the run that it had begun.
            """,
        examples: [
            Example("taxi-cli workflow retry 5f3c09aa", "from the step that failed"),
            Example("taxi-cli workflow retry 5f3c09aa --all", "every step again"),
            Example("taxi-cli workflow retry monthly --interval 2024-01", "the run of an interval"),
        ],
        arguments: [WorkflowCommand.run],
        options: [
            WorkflowCommand.intervalOfRun, Option("all", help: "run every step again, those that succeeded too"),
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let run = try session.run(arguments, in: session.requireHistory())
        let spec = try session.spec(of: run)
        let history = try session.openHistory(arguments.program)
        return try WorkflowRunReporter(spec, session, history, arguments).conduct { runner in
            try runner.resume(run, all: arguments.isOn("all"), trigger: .retry)
        }
    }
}
