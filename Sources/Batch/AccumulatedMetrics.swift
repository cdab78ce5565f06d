import SQLite

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
            written += try table.replace(due) { period in try row(of: period).map { [$0] } ?? [] }
        }
        return written
    }

    private func row(of period: Period) throws -> [SQLValue]? {
        let own = context.totals.totals(of: period.days)
        guard own.trips > 0 else { return nil }
        let inYear = context.totals.totals(of: period.yearToDate)
        let soFar = context.totals.totals(before: period.days.upperBound)
        var row: [SQLValue] = []
        func add(_ value: Int128?, _ column: String) throws {
            row.append(try SQLValue(value, of: column, in: period, .accumulated))
        }
        for (totals, reach) in [(own, ""), (inYear, "_in_year"), (soFar, "_so_far")] {
            try add(totals.trips, "trips" + reach)
            try add(totals.fare.value, "fare" + reach)
            try add(totals.tips.value, "tips" + reach)
            try add(totals.total.value, "total" + reach)
        }
        try add(own.tips.mean, "tips_mean")
        try add(own.total.mean, "total_mean")
        return row + [context.partial(period, of: .accumulated)]
    }
}
