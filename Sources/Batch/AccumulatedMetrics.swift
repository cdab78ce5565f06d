import SQLite
import Trips

/// `accumulated_metrics`: the totals of a month or year, of its year up to its end, and of everything up to its end.
///
/// Means are Σ/n over the trips that have a value, never averages of averages. A period without trips has no row.
struct AccumulatedMetrics {
    let context: BatchContext

    /// Replaces the rows of `periods`, and those of later periods that stand already, since their running totals include
    /// these; returns how many were written.
    func run(_ periods: [Period]) throws -> Int {
        let table = context.table(of: .accumulated)
        var written = 0
        for kind in Analysis.accumulated.kinds {
            let asked = periods.filter { $0.kind == kind }.map(\.ordinal)
            guard let first = asked.min() else { continue }
            let later = try table.periods(kind).map(\.ordinal).filter { $0 > first }
            let due = Set(asked).union(later).sorted().map { Period(kind: kind, ordinal: $0) }
            written += try table.replace(due) { period in row(of: period).map { [$0] } ?? [] }
        }
        return written
    }

    private func row(of period: Period) -> [SQLValue]? {
        let own = context.totals.totals(of: period.days)
        guard own.trips > 0 else { return nil }
        let inYear = context.totals.totals(of: period.yearToDate)
        let soFar = context.totals.totals(before: period.days.upperBound)
        let sums = [own, inYear, soFar].flatMap { totals in
            [.integer(totals.trips)] + [totals.fare, totals.tips, totals.total].map { SQLValue($0.value) }
        }
        return sums + [SQLValue(own.tips.mean), SQLValue(own.total.mean), context.partial(period, of: .accumulated)]
    }
}
