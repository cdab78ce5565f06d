import CommandLine
import Glibc
import Problems
import Workflow

/// `workflow logs`: what the steps of a run said.
enum WorkflowLogsCommand {
    static let command = Command(
        name: "logs", summary: "show what the steps of a run said, each line with its time",
        discussion: """
            All attempts, in the order in which they began; without a step each line is behind its step's name. Values that a workflow takes \
            from the environment are masked. Logs are kept for workflow.keep-logs (30d) after their run has ended.
            """,
        examples: [
            Example("taxi-cli workflow logs 5f3c09aa store", "one step of a run"),
            Example("taxi-cli workflow logs 5f3c09aa -f", "all steps, as they go on, until the run ends"),
        ],
        arguments: [
            WorkflowCommand.run, Argument("STEP", .optional, help: "only this step", names: CompletedNames.steps),
        ],
        options: [
            WorkflowCommand.intervalOfRun,
            Option("follow", short: "f", help: "go on showing lines as they come, until the run has ended"),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let history = try session.requireHistory()
        let id = try session.run(arguments, in: history).id
        let step = arguments.positionals.dropFirst().first
        if arguments.isOn("follow") { Interruption.install() }
        var reader = RunLogReader(history: history, logs: session.logs, runID: id, step: step)
        while true {
            // Asked before the lines are read: what comes after the answer is in them.
            let hasEnded = try history.run(id).shownState != "running"
            try reader.read { name, line in
                try arguments.output.writeLine(step == nil ? "\(name) | \(printable(line))" : printable(line))
            }
            try arguments.output.flush()
            if hasEnded || !arguments.isOn("follow") { break }
            if Interruption.isRequested { return .interrupted }
            usleep(200_000)
        }
        if let step, reader.isEmpty {
            let known = Set(try history.attempts(of: id).map(\.step)).sorted()
            let near = nearestName(to: step, among: known).map { "Did you mean \"\($0)\"? " } ?? ""
            guard !known.contains(step) else {
                try arguments.say("step \"\(step)\" has no log: it was not run, or its log was old enough to go")
                return .success
            }
            throw Problem(
                .noInput, "run \(id) has no step \"\(step)\"", hint: near + "Known: \(known.joined(separator: ", ")).")
        }
        return .success
    }
}
