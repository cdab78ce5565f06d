import CommandLine
import Problems
import Topics
import Time
import Workflow

/// `workflow list`: the tenant's workflows.
enum WorkflowListCommand {
    static let command = Command(
        name: "list", summary: "list the tenant's workflows: when each runs next, and how it went last",
        discussion: "A file with mistakes in it is listed too; the command then ends with exit code 78.",
        examples: [
            Example("taxi-cli workflow list", "all workflows of the tenant"),
            Example(
                "taxi-cli workflow list --format jsonl | jq -r 'select(.last_state == \"failed\").workflow'",
                "those whose last run failed"),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let history = try session.openHistoryIfAny()
        var table = Table(columns: [
            Column("workflow"), Column("schedule"), Column("timezone", mayBeLeftOut: true), Column("steps", .right),
            Column("next_run"),
            Column("last_run"), Column("last_state"), Column("file", mayBeLeftOut: true), Column("problem"),
        ])
        var hasProblem = false
        let all = session.folder.all()
        for (file, workflow) in all {
            switch workflow {
            case .success(let spec):
                try session.warnIfAhead(spec, in: history, arguments)
                let last = try history?.runs(of: spec.name, limit: 1).first
                let next = spec.schedule?.interval(dueAfter: systemTime(), from: spec.start)
                table.rows.append([
                    .text(spec.name), .optional(spec.schedule?.cron.text), .text(spec.zone.identifier),
                    .count(Int64(spec.steps.count)), .optional(next.map { spec.zone.iso(ms: $0.end) }),
                    .optional(last?.started.map { session.zone.iso(ms: $0) }), .optional(last?.shownState),
                    .text(file), .null,
                ])
            case .failure(let problem):
                hasProblem = true
                let place = problem.location.map { "\($0.line):\($0.column): " } ?? ""
                table.rows.append(
                    Array(repeating: .null, count: 7) + [.text(file), .text(place + problem.message)])
            }
        }
        if all.isEmpty {
            try arguments.say("there are no workflows in \"\(session.folder.path)\" yet: put a NAME.yaml there")
        }
        if !hasProblem { table = table.without("problem") }
        try arguments.write(table)
        return hasProblem ? ExitStatus(code: Problem.Code.configuration.rawValue) : .success
    }
}
