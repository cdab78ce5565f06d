import Basics
import Batch
import CommandLine
import Database
import Foundation
import Problems
import SQLite
import Stream
import Topics
import Time

/// `batch`: the analytics over stored results.
enum BatchCommand {
    static let command = Command(
        name: "batch", summary: "compute months, quarters and years from the stored results",
        discussion: """
            Only days that changed are read again, and a period's rows are replaced at once, so a run may be repeated, and may go \
            on while a stream writes. Without --period every period is computed; last is the newest one that the results cover \
            to its end, which is what a schedule wants. A longer period than --by stands for its parts: --by month --period 2024.

            Further analyses are SQL files with a header: those that come with taxi-cli (payment_mix, company_mix, area_mix, hour_mix, \
            taxis_out, over stream --queries analytics) and your own in <home>/<tenant>/analyses/*.sql. --list checks and lists them, \
            --print shows one to start from.
            """,
        examples: [
            Example("taxi-cli batch", "everything that the stored results allow"),
            Example("taxi-cli batch fare-trend --by month --period 2024-01", "one analysis of one month"),
            Example("taxi-cli batch --by month --period last", "the last complete month, from cron"),
            Example("taxi-cli batch --vintage 2024-07", "keep the answers, to compare later ones with"),
            Example("taxi-cli batch --retain-windows 400d", "let go of windows that the months no longer need"),
            Example("taxi-cli batch --dry-run", "what it would do, on a copy of the results; nothing is changed"),
        ],
        arguments: [
            Argument(
                "ANALYSIS", .any,
                help:
                    "one or more of fare-trend, accumulated, area-hotspots, location-hotspots and declared ones; or all, as without",
                names: CompletedNames.analyses
            )
        ],
        options: [
            Option(
                "by", value: .repeated("KIND"), kind: .choice(PeriodKind.allCases.map(\.rawValue)),
                help: "compute periods of this kind: month, quarter, year (default: that of --period, else all)"),
            Option(
                "period", value: .value("PERIOD"),
                kind: .custom { text throws(Problem) in _ = try PeriodSelection(text) }, default: "all",
                help: "which: 2024-01, 2024-Q1, 2024, last or all"),
            Option(
                "vintage", value: .value("NAME"),
                kind: .custom { text throws(Problem) in try checkVintage(text) },
                help: "keep all answers under this name too; show --diff NAME says what changed since", group: "Keeping"
            ),
            Option(
                "retain-windows", value: .value("TIME"), kind: .duration, configKey: "batch.retain-windows",
                help: "delete windows older than this before the newest result, once their days are added up",
                group: "Keeping"),
            Option("dry-run", help: "say what would be computed, on a copy of the results, and change nothing"),
            Option("list", help: "check and list the declared analyses, and run none", group: "Declared analyses"),
            Option(
                "print", value: .value("NAME"), help: "print a declared analysis", group: "Declared analyses",
                names: CompletedNames.declaredAnalyses),
            summaryOption,
        ],
        exclusive: [
            ["list", "print"], ["list", "vintage"], ["print", "vintage"], ["dry-run", "list"], ["dry-run", "print"],
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let home = globals.tenantHome
        let queries = try globals.knownQueries()
        let catalog = try AnalysisCatalog.load(folder: home.analyses, queries: queries)
        if let name = arguments.text("print") { return try printDeclared(name, catalog, arguments) }
        if arguments.isOn("list") { return try list(catalog, queries, globals, arguments) }
        let names = arguments.positionals
        let (analyses, planned) = try plan(names, globals, catalog, queries)
        var options = planned
        options.retainMs = arguments.durationMs("retain-windows")
        if let retainMs = options.retainMs, retainMs < 86_400_000 {
            throw arguments.problem(
                "retain-windows", "windows of the newest day cannot be let go", hint: "Retain at least 1d.")
        }
        options.vintage = arguments.text("vintage")
        let batchOptions = options
        let selection = try PeriodSelection(arguments.text("period") ?? "all")
        let kinds = arguments.texts("by").compactMap { PeriodKind(rawValue: $0) }
        let isDry = arguments.isOn("dry-run")
        let copy = isDry ? try ResultsCopy(globals) : nil
        defer { copy?.remove() }
        let database = try copy?.database ?? openResults(globals)
        let control = isDry ? nil : try ControlFile(folder: home.path, command: "batch")
        defer { withExtendedLifetime(control) {} }
        try sayZoneChanges(database, arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let progress = arguments.progressLine()
        defer { progress.clear() }

        let summary = try BatchRunner.recorded(in: database, now: { systemTime() }) {
            try BatchRunner(database, zone: zone).run(
                analyses: analyses, kinds: kinds.isEmpty ? nil : kinds, periods: selection, options: batchOptions
            ) { done, due in
                progress.update { "adding up days: \(grouped(Int64(done))) of \(grouped(Int64(due)))" }
            }
        }
        progress.clear()
        try writeSummary(summary.json, arguments)
        if isDry { try arguments.say("dry run: this is of a copy, and nothing is stored") }
        let behind = try explaining("looking at the queries") { try StoredQueries.leftBehind(on: database.connection) }
        if arguments.text("summary-json") != "-" {
            try report(summary, of: analyses, options.declared, behind: behind, arguments)
        }
        return .success
    }

    /// What names mean, for the command and for steps of workflows: which analyses of the four, and the declared ones.
    ///
    /// - Parameters:
    ///   - names: none, or "all" among them, for all.
    ///   - catalog: the declared analyses, where they have been read, and `queries`, the known queries by view.
    static func plan(
        _ names: [String], _ globals: GlobalOptions, _ catalog: [DeclaredAnalysis]? = nil,
        _ queries: [String: String]? = nil
    ) throws -> (analyses: [Analysis], options: BatchOptions) {
        let queries = try queries ?? globals.knownQueries()
        let catalog = try catalog ?? AnalysisCatalog.load(folder: globals.analysesPath, queries: queries)
        try check(names, catalog)
        var options = BatchOptions()
        options.declared = names.isEmpty || names.contains("all") ? catalog : catalog.filter { names.contains($0.name) }
        options.queryViews = queries
        options.nowMs = systemTime()
        return (analyses(names), options)
    }

    /// Each analysis once, in the program's order; all where none is named.
    private static func analyses(_ names: [String]) -> [Analysis] {
        if names.isEmpty || names.contains("all") { return Analysis.allCases }
        return Analysis.allCases.filter { names.contains($0.rawValue) }
    }

    private static func check(_ names: [String], _ catalog: [DeclaredAnalysis]) throws(Problem) {
        let known = Analysis.allCases.map(\.rawValue) + catalog.map(\.name) + ["all"]
        for name in names where !known.contains(name) {
            let near = nearestName(to: name, among: known).map { "Did you mean \"\($0)\"? " } ?? ""
            throw Problem(
                .usage, "unknown analysis \"\(name)\"", hint: near + "Known: \(known.joined(separator: ", ")).")
        }
    }

    private static func checkVintage(_ name: String) throws(Problem) {
        guard !name.isEmpty, name.utf8.count <= 64, name.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw Problem(
                .usage, "\"\(name)\" cannot be the name of a vintage",
                hint: "Use up to 64 visible ASCII characters without blanks, such as 2024-07.")
        }
        if let reason = try QueryCatalog.takenReason(name, analyses: AnalysisCatalog.names(folder: "")) {
            throw Problem(.usage, "the name \"\(name)\" \(reason)", hint: "Give the vintage another name.")
        }
    }

    private static func printDeclared(
        _ name: String, _ catalog: [DeclaredAnalysis], _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        guard let analysis = catalog.first(where: { $0.name == name }) else {
            throw arguments.problem(
                "print", "there is no declared analysis \"\(name)\"",
                hint: "Known: \(catalog.map(\.name).joined(separator: ", ")).")
        }
        try arguments.output.write(analysis.sql)
        return .success
    }

    /// Lists what is declared; where there are results, the statements are checked against them.
    private static func list(
        _ catalog: [DeclaredAnalysis], _ queries: [String: String], _ globals: GlobalOptions,
        _ arguments: ParsedArguments
    ) throws -> ExitStatus {
        var waits: [String: String] = [:]
        if Files.exists(globals.resultsPath) {
            let zone = try ZoneClock(identifier: globals.zoneIdentifier)
            waits = try BatchRunner(ResultsDatabase.openReadOnly(globals.tenantHome), zone: zone).check(
                catalog, queryViews: queries)
        }
        var table = Table(columns: ["analysis", "by", "about", "columns", "file", "remark"].map { Column($0) })
        for analysis in catalog {
            table.rows.append([
                .text(analysis.name), .text(analysis.kinds.map(\.rawValue).joined(separator: ", ")),
                .text(analysis.about), .text(analysis.columns.joined(separator: ", ")), .text(analysis.file),
                .optional(waits[analysis.name].map { "waits for query \"\($0)\"" }),
            ])
        }
        try arguments.write(table)
        return .success
    }

    /// The tenant's results for writing; they must be there, since only a stream can make them.
    /// The results as they are now, to try something on.
    private struct ResultsCopy {
        let database: ResultsDatabase
        private let folder: String

        /// - Throws: as `ResultsDatabase.openReadOnly`; `.inputOutput` where there is no room for it.
        init(_ globals: GlobalOptions) throws {
            let original = try ResultsDatabase.openReadOnly(globals.tenantHome)
            let folder = FileManager.default.temporaryDirectory.path + "/taxi-cli-\(UUID().uuidString)"
            self.folder = folder
            guard mkdir(folder, 0o700) == 0 else { throw Problem(.create, folder, errno) }
            do {
                database = try explaining("copying the results") {
                    try original.connection.copy(to: "\(folder)/results.db")
                    return try ResultsDatabase(path: "\(folder)/results.db", zone: globals.zoneIdentifier)
                }
            } catch {
                try? FileManager.default.removeItem(atPath: folder)
                throw error
            }
        }

        func remove() { try? FileManager.default.removeItem(atPath: folder) }
    }

    private static func openResults(_ globals: GlobalOptions) throws -> ResultsDatabase {
        let home = globals.tenantHome
        if !Files.exists(home.resultsDB) { _ = try ResultsDatabase.openReadOnly(home) }
        return try ResultsDatabase(path: home.resultsDB, zone: globals.zoneIdentifier)
    }

    private static func report(
        _ summary: BatchSummary, of analyses: [Analysis], _ declared: [DeclaredAnalysis], behind: String?,
        _ arguments: ParsedArguments
    ) throws {
        var table = Table(columns: [Column("analysis"), Column("table"), Column("rows", .right), Column("remark")])
        for (name, view) in analyses.map({ ($0.rawValue, $0.view) }) + declared.map({ ($0.name, $0.name) }) {
            table.rows.append([
                .text(name), .text(view), .count(Int64(summary.rows[view] ?? 0)),
                .optional(summary.skipped[name].map { "skipped: \($0)" } ?? idle(name, summary, declared)),
            ])
        }
        // Who asks for a format wants the rows; who asks for quiet alone has cron, which mails each line.
        if !arguments.isOn("quiet") || !arguments.texts("format").isEmpty { try arguments.write(table) }
        let periods = summary.periods.values.reduce(0) { $0 + $1.count }
        guard periods > 0 else {
            let selection = try PeriodSelection(arguments.text("period") ?? "all")
            return try arguments.say(
                selection == .last
                    ? "no period is complete yet; --period all computes partial ones too"
                    : "no trips are stored for \(selection)")
        }
        if summary.windowsPruned > 0 || summary.daysNotPruned > 0 {
            let kept = summary.daysNotPruned > 0 ? "; \(summary.daysNotPruned) older days stay, not added up yet" : ""
            try arguments.say(
                "\(grouped(Int64(summary.windowsPruned))) windows let go\(kept); results.db keeps their space for new ones, and VACUUM in sqlite3 gives it back while nothing runs"
            )
        }
        if let vintage = summary.vintage {
            try arguments.say("the answers are kept as \(vintage): taxi-cli show --diff \(vintage)")
        }
        if let behind { try arguments.say("warning: \(behind)") }
        for warning in summary.late ?? [] { try arguments.say("warning: \(warning)") }
        if let sentence = Coverage(incomplete: summary.incomplete ?? []).sentence {
            try arguments.say("not on all days: \(sentence) (taxi-cli show \(Coverage.view))")
        }
        let first = analyses.map(\.view).first { summary.rows[$0] != nil } ?? declared.map(\.name).first
        let partial = summary.partial.isEmpty ? "" : ", not complete yet: \(listed(summary.partial))"
        try arguments.say(
            "\(periods) period\(periods == 1 ? "" : "s")\(partial); "
                + "\(summary.daysRolledUp) day\(summary.daysRolledUp == 1 ? "" : "s") read; "
                + "\(fixed(summary.seconds, decimals: 2)) s. Look at them with taxi-cli show \(first ?? "").")
    }

    /// Why an analysis that ran over periods with trips has no rows.
    private static func idle(_ name: String, _ summary: BatchSummary, _ declared: [DeclaredAnalysis]) -> String? {
        guard let analysis = declared.first(where: { $0.name == name }), summary.rows[name] == 0,
            summary.periods.contains(where: { !$1.isEmpty })
        else { return nil }
        return analysis.isShipped
            ? "no trip of these periods has a \(ShippedAnalyses.column(neededBy: analysis))" : "no rows"
    }

    private static func listed(_ periods: [String]) -> String {
        periods.prefix(4).joined(separator: ", ") + (periods.count > 4 ? " and \(periods.count - 4) more" : "")
    }
}
