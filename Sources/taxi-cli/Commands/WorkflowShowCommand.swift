import Basics
import CommandLine
import Foundation
import Problems
import Topics
import Time
import Workflow

/// `workflow show`: one workflow.
enum WorkflowShowCommand {
    static let command = Command(
        name: "show", summary: "show a workflow: what it does, when it runs, how it went, its graph",
        examples: [
            Example("taxi-cli workflow show monthly", "a page in the terminal"),
            Example("taxi-cli workflow show monthly --format json", "the same as one JSON object"),
        ],
        arguments: [WorkflowCommand.name], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let spec = try session.folder.load(arguments.positionals[0])
        let runs = try session.openHistoryIfAny()?.runs(of: spec.name, limit: 5) ?? []
        var next: [String] = []
        var after = systemTime()
        while next.count < 3, let interval = spec.schedule?.interval(dueAfter: after, from: spec.start) {
            next.append(spec.zone.iso(ms: interval.end))
            after = interval.end
        }
        guard arguments.format == .table else {
            try arguments.write(row(spec, next, runs, session))
            return .success
        }
        let style = arguments.terminal.outputStyle
        var text = "\(style.bold(spec.name))  \(printable(spec.description))\n"
        for (name, value) in facts(of: spec) { text += "  \(name): \(printable(value))\n" }
        for time in next { text += "  next: \(time)\n" }
        try arguments.output.write(text + "\n")
        try arguments.output.write(WorkflowGraph(spec).text + "\n")
        if !runs.isEmpty { try arguments.write(WorkflowRunsCommand.table(runs, session)) }
        return .success
    }

    private static func facts(of spec: WorkflowSpec) -> [(String, String)] {
        var facts = [("file", spec.file)]
        if let schedule = spec.schedule {
            facts.append(("schedule", "\(schedule.cron.text) in \(spec.zone.identifier)"))
            facts.append(("catchup", spec.catchUp.description))
        }
        if let start = spec.start { facts.append(("start", spec.zone.iso(ms: start))) }
        if let timeout = spec.timeoutMs { facts.append(("timeout", roundedDurationText(ms: timeout))) }
        if let concurrency = spec.concurrency { facts.append(("concurrency", "\(concurrency) runs")) }
        facts.append(("parallel", "\(spec.parallel) steps"))
        switch spec.onFailure {
        case .notify?: facts.append(("on_failure", "tells somebody"))
        case .run(let workflow)?: facts.append(("on_failure", "runs \(workflow)"))
        case nil: break
        }
        for (name, value) in spec.params.sorted(by: { $0.key < $1.key }) { facts.append(("param \(name)", value)) }
        return facts
    }

    private static func jsonArray(_ texts: [String]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(texts)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }

    private static func row(_ spec: WorkflowSpec, _ next: [String], _ runs: [StoredRun], _ session: WorkflowSession)
        -> Table
    {
        var steps = Table(columns: ["step", "kind", "needs", "does"].map { Column($0) })
        for step in RunPreview(spec, interval: nil, params: [:]).steps {
            steps.rows.append([.text(step.name), .text(step.kind), .json(jsonArray(step.needs)), .text(step.does)])
        }
        let runTable = WorkflowRunsCommand.table(runs, session)
        return Table(
            columns: [
                "workflow", "description", "schedule", "timezone", "start", "catchup", "concurrency", "parallel",
                "timeout_ms",
                "params",
                "file", "steps", "next", "runs",
            ].map { Column($0) },
            rows: [
                [
                    .text(spec.name), .text(spec.description), .optional(spec.schedule?.cron.text),
                    .text(spec.zone.identifier), .optional(spec.start.map { spec.zone.iso(ms: $0) }),
                    .text(spec.catchUp.description), .optional(spec.concurrency.map(Int64.init)),
                    .integer(Int64(spec.parallel)), .optional(spec.timeoutMs),
                    .json(jsonObject(spec.params)), .text(spec.file), .json(steps.jsonObjects),
                    .json(jsonArray(next)), .json(runTable.jsonObjects),
                ]
            ])
    }
}

extension Table {
    /// The rows as a JSON array of objects.
    fileprivate var jsonObjects: String {
        let memory = TextWriter.inMemory()
        try? write(as: .jsonl, to: memory)
        return "[\(memory.text.split(separator: "\n").joined(separator: ","))]"
    }
}
