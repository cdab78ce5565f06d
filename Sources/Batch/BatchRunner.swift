public import Database
import Problems
import SQLite
public import Time

/// Runs analyses over the stored results of one tenant.
///
/// A run reads day rollups (bringing those of changed days up to date first), adds them up by period and replaces the
/// periods' rows: it may be repeated, killed and repeated, and run while a stream writes. Reading holds no lock; each
/// write transaction is short, and waits its turn behind the stream's.
///
/// Used by one thread at a time.
public struct BatchRunner: Sendable {
    let connection: Connection
    let zone: ZoneClock
    private let watermarkMs: EventTime?
    let lockWaitSeconds: Double
    let isStopped: @Sendable () -> Bool

    /// - Parameters:
    ///   - database: the tenant's results, open for writing.
    ///   - zone: the tenant's zone, in which days and periods are meant.
    ///   - watermarkMs: the stream's watermark (ms UTC), where known: see `ResultsReach`.
    ///   - lockWaitSeconds: how long to wait for another batch run to end.
    ///   - isStopped: ends that wait.
    public init(
        _ database: ResultsDatabase, zone: ZoneClock, watermarkMs: EventTime? = nil, lockWaitSeconds: Double = 60,
        isStopped: @escaping @Sendable () -> Bool = { false }
    ) {
        self.init(
            connection: database.connection, zone: zone, watermarkMs: watermarkMs, lockWaitSeconds: lockWaitSeconds,
            isStopped: isStopped)
    }

    init(
        connection: Connection, zone: ZoneClock, watermarkMs: EventTime? = nil, lockWaitSeconds: Double = 60,
        isStopped: @escaping @Sendable () -> Bool = { false }
    ) {
        (self.connection, self.zone, self.watermarkMs) = (connection, zone, watermarkMs)
        (self.lockWaitSeconds, self.isStopped) = (lockWaitSeconds, isStopped)
    }

    /// Computes `analyses` for the selected periods of each kind.
    ///
    /// - Parameters:
    ///   - kinds: nil means what the selection implies: the period's own kind, else all.
    ///   - progress: called while days are rolled up, with days done and days due.
    /// - Throws: `Problem`: `.usage` for a period or kind that does not fit, `.noInput` where none of the analyses has stored
    ///   results to read, `.badData` for damaged ones, `.tryAgain` where the database or another run keeps us waiting.
    public func run(
        analyses: [Analysis] = Analysis.allCases, kinds: [PeriodKind]? = nil,
        periods selection: PeriodSelection = .last, options: BatchOptions = BatchOptions(),
        progress: (_ done: Int, _ due: Int) -> Void = { _, _ in }
    ) throws -> BatchSummary {
        try explaining("running the analytics") {
            do {
                return try unguardedRun(analyses, kinds ?? selection.impliedKinds, selection, options, progress)
            } catch let error as SQLiteError where error.code == .constraint {
                // Each row is of one key, unless what it was added up from contradicts itself.
                throw Problem(
                    .badData,
                    "database \"\(connection.path)\" is damaged, found while running the analytics: \(error.message)",
                    hint: "taxi-cli stream --from-beginning makes the results anew.")
            }
        }
    }

    private func unguardedRun(
        _ analyses: [Analysis], _ kinds: [PeriodKind], _ selection: PeriodSelection,
        _ options: BatchOptions, _ progress: (Int, Int) -> Void
    ) throws -> BatchSummary {
        let clock = ContinuousClock()
        let start = clock.now
        try checkKinds(analyses, kinds)
        let lock =
            connection.path == ":memory:"
            ? nil : try BatchLock(databasePath: connection.path, waitSeconds: lockWaitSeconds, isStopped: isStopped)
        defer { withExtendedLifetime(lock) {} }

        var summary = BatchSummary()
        let runnable = try analyses.filter { analysis in
            if try BatchSchema.exists(analysis.storedTable, on: connection) { return true }
            summary.skipped[analysis.rawValue] = "query \"\(analysis.query)\" has no stored results"
            return false
        }
        guard !runnable.isEmpty || (analyses.isEmpty && !options.declared.isEmpty) else {
            throw Self.noResults(of: analyses)
        }
        try BatchSchema.prepare(connection)
        if runnable.contains(where: \.usesRollups) { try requirePresentBuckets() }
        if let name = options.vintage { try Vintages(connection: connection).requireDistinct(name) }
        // Before the first row is replaced. What an analysis reads of another one may come into being in this run.
        let alone = options.declared.filter { analysis in
            !options.declared.contains { $0.name != analysis.name && analysis.sql.contains($0.name) }
        }
        _ = try check(alone, queryViews: options.queryViews)

        let windows = try StoredWindows.Source.allCases.compactMap { try StoredWindows($0, on: connection) }
        let context = try context(windows)
        let reach = context.reach
        let rollups = DayRollups(on: connection, windows: windows, zone: zone)

        let due = try periods(selection, kinds, context, windows)
        if runnable.contains(where: \.usesRollups) {
            let days = Period.dayRanges(of: due)
            summary.daysRolledUp = try rollups.refresh(days, progress: progress)
            try rollups.forgetEmptyNotes(before: days)
        }
        for analysis in Analysis.allCases where runnable.contains(analysis) {
            // Rows of periods whose trips are gone go too: replaced by none.
            let table = context.table(of: analysis)
            let gone = try Set(table.periods(among: kinds)).subtracting(due).filter(selection.covers)
            let own = due.filter { analysis.kinds.contains($0.kind) }
            summary.rows[analysis.view] =
                switch analysis {
                case .fareTrend: try FareTrend(context: context).run(own + gone)
                case .accumulated: try AccumulatedMetrics(context: context).run(own + gone)
                case .areaHotspots: try AreaHotspots(context: context).run(own)
                case .locationHotspots: try LocationHotspots(context: context).run(own)
                }
            _ = try table.replace(Array(gone)) { _ in [] }
        }
        try runDeclared(options, due, kinds, selection, context, &summary)
        let coverage = try PeriodCoverage(context: context, windows: windows)
            .run(due, kinds: kinds, isGone: selection.covers)
        summary.rows[Coverage.view] = coverage.rows
        summary.incomplete = coverage.incomplete.isEmpty ? nil : coverage.incomplete
        for kind in kinds { summary.periods[kind.rawValue] = due.filter { $0.kind == kind }.map(\.description) }
        summary.partial = due.filter { period in
            runnable.contains { reach.isPartial(period, of: $0, zone: zone) }
        }.map(\.description)
        let late = try LateTrips(on: connection).of(periods: due.map(\.description)).warnings
        summary.late = late.isEmpty ? nil : late
        if let retainMs = options.retainMs, let latest = reach.latestMs {
            let pruned = try rollups.prune(before: zone.localDay(ofMs: latest - retainMs))
            (summary.windowsPruned, summary.daysNotPruned) = (pruned.windows, pruned.daysKept)
        }
        if let name = options.vintage {
            try Vintages(connection: connection).keep(name, views: try vintageViews(), nowMs: options.nowMs)
            (summary.vintage, summary.vintageMadeMs) = (name, options.nowMs)
        }
        let declared = try connection.rows("SELECT name FROM batch_analyses") { row throws(SQLiteError) in
            try row.storedText(0)
        }
        let shipped = Set(ShippedAnalyses.texts.compactMap { try? DeclaredAnalysis.parse($0, file: "").name })
        try TypedViews(connection: connection).refresh(mixed: Set(declared).subtracting(shipped))
        summary.seconds = (clock.now - start) / .seconds(1)
        return summary
    }

    /// - Throws: `Problem(.configuration)` where `fareDistribution` was counted in the wider buckets of an earlier version.
    func requirePresentBuckets() throws {
        let wide = try connection.value(
            "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = 'faredistribution' AND sql LIKE ?",
            .text("%\(ResultsDatabase.wideFareBuckets)%"))
        guard wide != nil else { return }
        throw Problem(
            .configuration,
            "the stored results of \"fareDistribution\" were counted by an earlier taxi-cli, in buckets of fares that are four times as wide as now",
            hint:
                "Compute them anew from the topic: taxi-cli stream --from-beginning. Or keep them, and begin another tenant with --tenant."
        )
    }

    func context(_ windows: [StoredWindows]) throws -> BatchContext {
        let totals = try DayTotals(from: connection)
        let reach = try ResultsReach(
            on: connection, totals: totals, windows: windows, watermarkMs: watermarkMs, zone: zone)
        return BatchContext(connection: connection, zone: zone, totals: totals, reach: reach)
    }

    private func runDeclared(
        _ options: BatchOptions, _ due: [Period], _ kinds: [PeriodKind], _ selection: PeriodSelection,
        _ context: BatchContext, _ summary: inout BatchSummary
    ) throws {
        for analysis in options.declared {
            let results = DeclaredResults(analysis: analysis, connection: connection)
            switch try results.readiness(queryViews: options.queryViews) {
            case .waitsFor(let query):
                summary.skipped[analysis.name] = "query \"\(query)\" has no stored results"
            case .ready(let statement):
                let own = due.filter { analysis.kinds.contains($0.kind) }
                summary.rows[analysis.name] = try results.run(own, statement: statement) { period in
                    context.partial(period, of: .accumulated)
                }
                let table = ResultTable(name: analysis.table, connection: connection)
                let gone = try Set(table.periods(among: kinds)).subtracting(due).filter(selection.covers)
                _ = try table.replace(Array(gone)) { _ in [] }
            }
        }
    }

    /// All views of answers that there are, with what tells a period's rows apart.
    func vintageViews() throws -> [(name: String, keys: [String])] {
        let declared = try connection.rows("SELECT name, sql FROM batch_analyses ORDER BY name") {
            row throws(SQLiteError) in
            (try row.storedText(0), try row.storedText(1))
        }
        return Analysis.allCases.map { ($0.view, $0.rowKeys) }
            + [(Coverage.view, ["source"])]
            // One of an older taxi-cli may have a name that is taken by now.
            + declared.compactMap { name, sql in
                (try? DeclaredAnalysis.parse(sql, file: name)).map { (name, $0.keys) }
            }
    }

    /// Checks declared analyses against what is stored, and runs none.
    ///
    /// - Returns: by name, the query that an analysis waits for.
    /// - Throws: `Problem(.configuration)` with all that is wrong, each with its place.
    public func check(_ declared: [DeclaredAnalysis], queryViews: [String: String]) throws -> [String: String] {
        var waits: [String: String] = [:]
        var problems: [Problem] = []
        for analysis in declared {
            do {
                let results = DeclaredResults(analysis: analysis, connection: connection)
                if case .waitsFor(let query) = try results.readiness(queryViews: queryViews) {
                    waits[analysis.name] = query
                }
            } catch let problem as Problem { problems.append(problem) }
        }
        if var first = problems.first {
            first.others = Array(problems.dropFirst())
            throw first
        }
        return waits
    }

    private func checkKinds(_ analyses: [Analysis], _ kinds: [PeriodKind]) throws(Problem) {
        if let analysis = analyses.first, analyses.count == 1, Set(kinds).isDisjoint(with: analysis.kinds) {
            throw Problem(
                .usage, "\(analysis.rawValue) has no rows by \(kinds.map(\.rawValue).joined(separator: " and "))",
                hint: "Use --by \(analysis.kinds.map(\.rawValue).joined(separator: " or --by ")).")
        }
    }

    /// The selected periods that exist, by kind and then in order of time.
    func periods(
        _ selection: PeriodSelection, _ kinds: [PeriodKind], _ context: BatchContext, _ windows: [StoredWindows]
    ) throws -> [Period] {
        let months = try MonthsWithTrips(context.totals, windows, on: connection, zone: zone)
        let reachedDay = context.reach.latestMs.map { zone.localDay(ofMs: $0) }
        return try PeriodKind.allCases.filter(kinds.contains).flatMap { kind in
            try selection.periods(kind, existing: months.periods(kind), reachedDay: reachedDay)
        }
    }

    private static func noResults(of analyses: [Analysis]) -> Problem {
        let queries = Set(analyses.map(\.query)).sorted().map { "\"\($0)\"" }.joined(separator: ", ")
        return Problem(
            .noInput, "there are no stored results of \(queries) yet",
            hint: "Run taxi-cli stream first; it stores what analytics reads.")
    }
}
