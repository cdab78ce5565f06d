import CommandLine
import Problems
import Workflow

/// `workflow validate`: what is wrong with a workflow, before it runs.
enum WorkflowValidateCommand {
    static let command = Command(
        name: "validate", summary: "check workflows whole, and say all that is wrong with them",
        discussion: """
            Circles, unknown names, keys and kinds, schedules, files that are missing, parameters nobody declares: each with file, line and \
            column. Without a name all workflows of the tenant are checked. The exit code is 78 where something is wrong.
            """,
        examples: [
            Example("taxi-cli workflow validate monthly.yaml", "one file"),
            Example("taxi-cli workflow validate", "every workflow of the tenant"),
        ],
        arguments: [
            Argument(
                "NAME|FILE", .any, help: "workflows of the tenant, or FILEs", names: CompletedNames.workflows,
                endings: FileEndings.declarations)
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let names = arguments.positionals
        var checked: [Result<WorkflowSpec, Problem>] = []
        for name in names {
            checked.append(Result { () throws(Problem) in try session.folder.load(name) })
        }
        if names.isEmpty { checked = session.folder.all().map(\.workflow) }
        var problems: [Problem] = []
        var table = Table(columns: [
            Column("workflow"), Column("file"), Column("schedule"), Column("steps", .right),
        ])
        for workflow in checked {
            switch workflow {
            case .success(let spec):
                table.rows.append([
                    .text(spec.name), .text(spec.file), .optional(spec.schedule?.cron.text),
                    .count(Int64(spec.steps.count)),
                ])
                problems += spec.secretProblems
            case .failure(let problem): problems.append(problem)
            }
        }
        if checked.isEmpty { try arguments.say("there are no workflows in \"\(session.folder.path)\"") }
        try arguments.write(table)
        guard var first = problems.first else { return .success }
        first.others += problems.dropFirst()
        throw first
    }
}
