import Batch
import CommandLine
import Database
import Foundation
import Problems
import Topics
import Trips

/// `batch`: the analytics over stored results.
enum BatchCommand {
    static let command = Command(
        name: "batch", summary: "compute months, quarters and years from the stored results",
        discussion: """
            Only days that changed are read again, and a period's rows are replaced at once, so a run may be repeated, and may go \
            on while a stream writes. Without --period every period is computed; last is the newest one that the results cover \
            to its end, which is what a schedule wants. A longer period than --by stands for its parts: --by month --period 2024.
            """,
        examples: [
            Example("taxi-cli batch", "everything that the stored results allow"),
            Example("taxi-cli batch fare-trend --by month --period 2024-01", "one analysis of one month"),
            Example("taxi-cli batch --by month --period last", "the last complete month, from cron"),
        ],
        arguments: [
            Argument(
                "ANALYSIS", .any, kind: .choice(Analysis.allCases.map(\.rawValue) + ["all"]),
                help: "one or more of fare-trend, accumulated, area-hotspots, location-hotspots; or all, as without")
        ],
        options: [
            Option(
                "by", value: .repeated("KIND"), kind: .choice(PeriodKind.allCases.map(\.rawValue)),
                help: "compute periods of this kind: month, quarter, year (default: that of --period, else all)"),
            Option(
                "period", value: .value("PERIOD"),
                kind: .custom { text throws(Problem) in _ = try PeriodSelection(text) }, default: "all",
                help: "which: 2024-01, 2024-Q1, 2024, last or all"),
            summaryOption,
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let analyses = analyses(arguments.positionals)
        let selection = try PeriodSelection(arguments.text("period") ?? "all")
        let kinds = arguments.texts("by").compactMap { PeriodKind(rawValue: $0) }
        let database = try openResults(arguments)
        let zone = try ZoneClock(identifier: GlobalOptions(arguments).zoneIdentifier)
        let progress = arguments.progressLine()
        defer { progress.clear() }

        let summary = try BatchRunner.recorded(in: database, now: { systemTime() }) {
            try BatchRunner(database, zone: zone).run(
                analyses: analyses, kinds: kinds.isEmpty ? nil : kinds, periods: selection
            ) { done, due in
                progress.update { "adding up days: \(grouped(Int64(done))) of \(grouped(Int64(due)))" }
            }
        }
        progress.clear()
        try writeSummary(summary.json, arguments)
        if arguments.text("summary-json") != "-" { try report(summary, of: analyses, arguments) }
        return .success
    }

    /// Each analysis once, in the program's order; all where none is named.
    private static func analyses(_ names: [String]) -> [Analysis] {
        if names.isEmpty || names.contains("all") { return Analysis.allCases }
        return Analysis.allCases.filter { names.contains($0.rawValue) }
    }

    /// The tenant's results for writing; they must be there, since only a stream can make them.
    private static func openResults(_ arguments: ParsedArguments) throws -> ResultsDatabase {
        let options = GlobalOptions(arguments)
        let home = try TenantHome(home: options.home, tenant: options.tenant, environment: arguments.environment)
        if !FileManager.default.fileExists(atPath: home.resultsDB) { _ = try ResultsDatabase.openReadOnly(home) }
        return try ResultsDatabase(path: home.resultsDB, zone: options.zoneIdentifier)
    }

    private static func report(
        _ summary: BatchSummary, of analyses: [Analysis], _ arguments: ParsedArguments
    ) throws {
        var table = Table(columns: [Column("analysis"), Column("table"), Column("rows", .right), Column("remark")])
        for analysis in analyses {
            table.rows.append([
                .text(analysis.rawValue), .text(analysis.view), .count(Int64(summary.rows[analysis.view] ?? 0)),
                .optional(summary.skipped[analysis.rawValue].map { "skipped: \($0)" }),
            ])
        }
        try arguments.write(table)
        let periods = summary.periods.values.reduce(0) { $0 + $1.count }
        guard periods > 0 else {
            return try arguments.say("no period is complete yet; --period all computes partial ones too")
        }
        let partial = summary.partial.isEmpty ? "" : ", not complete yet: \(listed(summary.partial))"
        try arguments.say(
            "\(periods) period\(periods == 1 ? "" : "s")\(partial); "
                + "\(summary.daysRolledUp) day\(summary.daysRolledUp == 1 ? "" : "s") read; "
                + "\(fixed(summary.seconds, decimals: 2)) s. Look at them with taxi-cli show fare_trend.")
    }

    private static func listed(_ periods: [String]) -> String {
        periods.prefix(4).joined(separator: ", ") + (periods.count > 4 ? " and \(periods.count - 4) more" : "")
    }
}
