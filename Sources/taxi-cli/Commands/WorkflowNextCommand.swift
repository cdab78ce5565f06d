import CommandLine
import Problems
import Topics
import Time
import Workflow

/// `workflow next`: when it runs.
enum WorkflowNextCommand {
    static let command = Command(
        name: "next", summary: "list the coming runs of a workflow, each with its data interval",
        discussion: """
            A run is due at the end of its interval. Times have the offset that the workflow's zone has then. Nothing before the workflow's \
            start is listed.
            """,
        examples: [
            Example("taxi-cli workflow next monthly --count 12", "a year of it"),
            Example(
                "taxi-cli workflow next nightly.yaml --after 2024-03-09 --count 3",
                "what the spring change of clocks does to it"),
        ],
        arguments: [WorkflowCommand.name],
        options: [
            Option("count", short: "n", value: .value("N"), kind: .integer(0...10_000), default: "5", help: "how many"),
            Option(
                "after", value: .value("TIME"), kind: .time,
                help:
                    "runs that are due after this time, instead of now; without an offset a time of the workflow's zone"
            ),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let spec = try session.folder.load(arguments.positionals[0])
        guard let schedule = spec.schedule else {
            throw Problem(
                .usage, "workflow \"\(spec.name)\" has no schedule",
                hint: "It runs when somebody says so: taxi-cli workflow run, trigger, or an alert.")
        }
        // Where nothing has run yet, or its database cannot be read, the schedule stands all the same.
        try session.warnIfAhead(spec, in: try? session.openHistoryIfAny(), arguments)
        var after = session.time(arguments.time("after"), in: spec.zone) ?? systemTime()
        var writer = try arguments.tableWriter(
            columns: ["run_at", "interval_start", "interval_end"].map { Column($0) })
        for _ in 0..<(arguments.integer("count") ?? 5) {
            guard let interval = schedule.interval(dueAfter: after, from: spec.start) else { break }
            let (start, end) = (spec.zone.iso(ms: interval.start), spec.zone.iso(ms: interval.end))
            try writer.append([.text(end), .text(start), .text(end)])
            after = interval.end
        }
        try writer.finish()
        return .success
    }
}
