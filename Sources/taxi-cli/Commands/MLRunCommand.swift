import Basics
import CommandLine
import Database
import ML
import Monitoring
import Problems
import Telemetry
import Topics

/// `ml run`: asks models now.
enum MLRunCommand {
    static let command = Command(
        name: "run", summary: "ask models now about the rows that are new or changed, whatever their schedule",
        discussion: """
            Rows that have answers and have not changed are not sent. A run that is killed or stopped goes on where it was: what it had sent and \
            not kept is sent again under the same idempotency key. Ends with exit code 69 where a service fails so often that it is left alone.
            """,
        examples: [
            Example("taxi-cli ml run", "all models"),
            Example("taxi-cli ml run demand --again", "all rows of a model, after it was trained anew"),
            Example("taxi-cli ml run demand --set-aside", "also the batches that were set aside"),
        ],
        arguments: [Argument("NAME", .any, help: "models (default: all)", names: CompletedNames.models)],
        options: [
            Option("again", help: "ask about all rows, also those that have answers"),
            Option("set-aside", help: "ask again about rows of batches that were set aside"),
            summaryOption,
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try MLSession(arguments)
        try session.globals.prepareTenant(arguments.program)
        try session.requireOurs()
        let names = arguments.positionals
        let models = names.isEmpty ? try session.models() : try names.map(session.model)
        Interruption.install()
        let database = try ResultsDatabase(session.globals.tenantHome, zone: session.globals.zoneIdentifier)
        let log = RunLog(database)
        let live = LiveSession(session.globals.tenantHome, command: "ml run", nowMs: systemTime())
        defer { live.end(nowMs: systemTime()) }
        let id = try log.begin("ml", at: systemTime())
        var table = Table(columns: [
            Column("model"), Column("rows", .right), Column("pending", .right), Column("answered", .right),
            Column("set_aside", .right), Column("unusable", .right), Column("batches", .right),
            Column("requests", .right), Column("seconds", .right), Column("state"), Column("reason"),
        ])
        var (answered, away): (Int, [String]) = (0, [])
        do {
            for model in models where !Interruption.isRequested {
                let line = arguments.progressLine()
                let summary = try session.pass(
                    model, live.metrics, again: (arguments.isOn("again"), arguments.isOn("set-aside")),
                    onProgress: { summary in
                        line.update {
                            "\(model.name): \(grouped(Int64(summary.answered))) of \(grouped(Int64(summary.pending))) rows"
                        }
                    }
                ) { Interruption.isRequested }
                line.clear()
                answered += summary.answered
                if let reason = summary.away { away.append("model \"\(model.name)\": \(reason)") }
                table.rows.append(row(model, summary))
            }
        } catch {
            try? log.end(id, .failed, summary: RunFailure(error).json, at: systemTime())
            throw error
        }
        let summary = jsonObject(["answered": "\(answered)", "away": "\(away.count)", "models": "\(table.rows.count)"])
        let outcome: RunRecord.Outcome = Interruption.isRequested || !away.isEmpty ? .interrupted : .success
        try log.end(id, outcome, summary: summary, at: systemTime())
        try arguments.write(table)
        try writeSummary(summary, arguments)
        if models.isEmpty { try arguments.say("no models are declared; they go into \"\(session.path)\"") }
        if Interruption.isRequested { return .interrupted }
        if !away.isEmpty {
            throw Problem(
                .unavailable, away.joined(separator: "\n  "),
                hint:
                    "What has no answer yet is asked again by the next run; taxi-cli ml test shows a request and its answer."
            )
        }
        return .success
    }

    private static func row(_ model: ModelSpec, _ summary: PassSummary) -> [Table.Value] {
        let state = summary.away != nil ? "away" : summary.wasStopped ? "stopped" : "done"
        return [
            .text(model.name), .count(Int64(summary.read)), .count(Int64(summary.pending)),
            .count(Int64(summary.answered)), .count(Int64(summary.setAside)), .count(Int64(summary.unusable)),
            .count(Int64(summary.batches)), .count(Int64(summary.requests)), .real(summary.seconds, decimals: 2),
            .text(state), .optional(summary.away ?? summary.setAsideReason ?? summary.unusableReason),
        ]
    }
}
