import CommandLine
import Problems

/// `workflow`: steps in order, by the clock or by hand.
enum WorkflowCommand {
    static let command = Command(
        name: "workflow", summary: "run steps in order, by the clock or by hand, and know what became of them",
        discussion: """
            A workflow is a YAML file in <home>/<tenant>/workflows, or anywhere else when it is named as a FILE. Each run is for one data \
            interval of its schedule; what became of its steps is in results.db.
            """,
        examples: [
            Example("taxi-cli workflow run monthly --dry-run", "what would run for the last complete month"),
            Example("taxi-cli workflow runs monthly", "what has run, and how it ended"),
        ],
        subcommands: [
            WorkflowRunCommand.command, WorkflowServeCommand.command, WorkflowTriggerCommand.command,
            WorkflowBackfillCommand.command, WorkflowListCommand.command, WorkflowShowCommand.command,
            WorkflowRunsCommand.command, WorkflowNextCommand.command, WorkflowLogsCommand.command,
            WorkflowRetryCommand.command, WorkflowCancelCommand.command, WorkflowValidateCommand.command,
            WorkflowGraphCommand.command, WorkflowCrontabCommand.command,
        ])

    static let name = Argument(
        "NAME|FILE", help: "a workflow of the tenant, or a FILE.yaml", names: CompletedNames.workflows,
        endings: FileEndings.declarations)
    static let run = Argument(
        "RUN", help: "the run's id, or a part of it that no other begins or ends with; with --interval a workflow",
        names: CompletedNames.runs)
    /// Beside `run`.
    static let intervalOfRun = Option(
        "interval", value: .value("INTERVAL"), help: "the run of this interval of the workflow that stands for RUN")

    static let params = Option(
        "param", short: "p", value: .repeated("KEY=VALUE"),
        kind: .custom { text throws(Problem) in _ = try param(text) },
        help: "a parameter's value for this run; the workflow has to declare it under params")

    /// The values of `--param`.
    static func params(_ arguments: ParsedArguments) throws(Problem) -> [String: String] {
        var params: [String: String] = [:]
        for text in arguments.texts("param") {
            let (key, value) = try param(text)
            params[key] = value
        }
        return params
    }

    private static func param(_ text: String) throws(Problem) -> (String, String) {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw Problem(.usage, "\"\(text)\" is no parameter", hint: "Write it as top=10.")
        }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
}
