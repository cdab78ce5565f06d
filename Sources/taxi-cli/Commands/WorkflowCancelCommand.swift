import CommandLine
import Problems
import Topics
import Workflow

/// `workflow cancel`: stop a run.
enum WorkflowCancelCommand {
    static let command = Command(
        name: "cancel", summary: "stop a run that is under way, or take a queued one out of the queue",
        discussion: """
            Its steps get SIGTERM, and SIGKILL five seconds later; steps that have not begun are cancelled, and so \
            are the runs that its steps have begun. workflow retry goes on with it.
            """,
        examples: [
            Example("taxi-cli workflow cancel 5f3c09aa", "by a part of its id"),
            Example(
                "taxi-cli workflow runs --state running --format jsonl | jq -r .run_id | xargs -n1 taxi-cli workflow cancel",
                "everything that runs"),
        ],
        arguments: [WorkflowCommand.run], options: [WorkflowCommand.intervalOfRun], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let run = try session.run(arguments, in: session.requireHistory())
        try session.openHistory(arguments.program).cancel(run, at: systemTime())
        try arguments.say("run \(run.id) of \"\(run.workflow)\" is asked to stop")
        return .success
    }
}
