import Database
import SQLite

/// `period_coverage`: on how many of a period's local days each query that analytics reads has a trip.
///
/// It comes from the same rows as the analyses: the days of `tripsTotal`, and the closed windows that tile time, in whose place there
/// are rollups where they were let go of. It looks for days, not for rollups, so that it holds for all queries whichever analyses run.
struct PeriodCoverage {
    let context: BatchContext
    let windows: [StoredWindows]

    private var table: ResultTable { ResultTable(name: Coverage.table, connection: context.connection) }

    /// Replaces the rows of `periods`, and removes those of periods that have no trips any more.
    ///
    /// - Parameter isGone: of periods that the run covers and that have no trips; false for all others.
    /// - Returns: how many rows were written, and of the periods those with days without trips, by the first of the sources.
    func run(
        _ periods: [Period], kinds: [PeriodKind], isGone: (Period) -> Bool
    ) throws -> (rows: Int, incomplete: [Coverage.Period]) {
        let sources = try sources(Period.dayRanges(of: periods))
        guard let first = sources.first else { return (0, []) }
        let present = Set(periods)
        let gone = try table.periods(among: kinds).filter { !present.contains($0) && isGone($0) }
        // Not in one statement with the others: the rows of a period are of one moment.
        _ = try table.replace(gone) { _ in [] }
        let rows = try table.replace(periods) { period in
            sources.map { source in
                [
                    .text(source.name), .integer(Int64(period.days.count)),
                    .integer(Int64(source.count(in: period.days))),
                ]
            }
        }
        let incomplete = periods.map {
            Coverage.Period(period: $0.description, days: $0.days.count, daysWithTrips: first.count(in: $0.days))
        }.filter { $0.daysWithTrips < $0.days }
        return (rows, incomplete)
    }

    private struct Source {
        let name: String
        /// Ascending.
        let days: [Int]

        func count(in range: Range<Int>) -> Int {
            days.countBefore(range.upperBound) - days.countBefore(range.lowerBound)
        }
    }

    /// The queries that have results, `tripsTotal` first, with their days in some ranges.
    private func sources(_ ranges: [Range<Int>]) throws -> [Source] {
        var sources: [Source] = []
        if try BatchSchema.exists(DayTotals.table, on: context.connection) {
            sources.append(Source(name: Coverage.allTrips, days: ranges.flatMap(context.totals.days(in:))))
        }
        let prunedBefore = try DayRollups.prunedBefore(on: context.connection)
        for window in windows {
            let rollups = DayRollups(on: context.connection, windows: [window], zone: context.zone)
            var days: Set<Int> = []
            for range in ranges {
                days.formUnion(try rollups.days(in: range))
                guard let end = prunedBefore[window.source.rawValue], range.lowerBound < end else { continue }
                days.formUnion(
                    try context.connection.rows(
                        "SELECT DISTINCT day FROM \(window.source.rollup) WHERE day >= ? AND day < ?",
                        .integer(Int64(range.lowerBound)), .integer(Int64(min(end, range.upperBound)))
                    ) { row throws(SQLiteError) in Int(try row.integer(0, in: .days)) })
            }
            sources.append(Source(name: window.source.rawValue, days: days.sorted()))
        }
        return sources
    }
}
