import SQLite
import Trips

/// `fare_trend`: how much was paid, how fares are distributed, and the change to the period before and to the year before.
///
/// Trips, sums and means come from the day totals; percentiles from the merged fare buckets of closed windows, so in the
/// newest period they trail the sums by the stream's watermark delay. A period without trips has no row.
struct FareTrend {
    let context: BatchContext

    private static let percents: [Int64] = [10, 25, 50, 75, 90, 99]

    /// Replaces the rows of `periods`; returns how many there are.
    func run(_ periods: [Period]) throws -> Int {
        let histograms = try context.byPeriod(
            periods, of: "fares", empty: FareHistogram(),
            sql: "SELECT day, bucket, trips FROM day_fare WHERE day >= ? AND day < ? ORDER BY day, bucket"
        ) { histogram, row in
            histogram.add(
                try row.integer(2, in: .counts), to: try row.integer(1, in: FareBucket.all))
        }
        let nextChange = try context.connection.prepare(
            "UPDATE batch_fare_trend SET fare_sum_before = ? WHERE period_kind = ? AND period = ?")
        let yearChange = try context.connection.prepare(
            "UPDATE batch_fare_trend SET fare_sum_year_before = ? WHERE period_kind = ? AND period = ?")
        return try context.table(of: .fareTrend).replace(periods) { period in
            try row(of: period, histograms[period]).map { [$0] } ?? []
        } alsoWrite: { period in
            // Rows that stand already and compare themselves with this period.
            let kind = SQLValue.text(period.kind.rawValue)
            let base = try base(of: period)
            try nextChange.run([base, kind, .text(period.next.description)])
            try yearChange.run([base, kind, .text(period.sameAYearAfter.description)])
        }
    }

    private func row(of period: Period, _ histogram: FareHistogram?) throws -> [SQLValue]? {
        let totals = context.totals.totals(of: period.days)
        guard totals.trips > 0 else { return nil }
        func cell(_ value: Int128?, _ column: String) throws -> SQLValue {
            try SQLValue(value, of: column, in: period, .fareTrend)
        }
        let sums = try [(totals.fare, "fare"), (totals.tips, "tips"), (totals.total, "total")].flatMap { sum, name in
            [try cell(sum.value, "\(name)_sum"), try cell(sum.mean, "\(name)_mean")]
        }
        let percentiles = Self.percents.map { SQLValue(histogram?.percentile($0)) }
        return [try cell(totals.trips, "trips")] + sums + percentiles + [
            try base(of: period.previous), try base(of: period.sameAYearBefore),
            context.partial(period, of: .fareTrend),
        ]
    }

    /// What a change is measured against: the period's fares, or null where they are none (or not above zero).
    private func base(of period: Period) throws -> SQLValue {
        let fares = context.totals.totals(of: period.days).fare.sum
        return fares > 0 ? try SQLValue(fares, of: "fare_sum", in: period, .fareTrend) : .null
    }
}
