import Problems
import SQLite
import Time

/// What the analyses of one run share.
struct BatchContext {
    let connection: Connection
    let zone: ZoneClock
    let totals: DayTotals
    let reach: ResultsReach

    func table(of analysis: Analysis) -> ResultTable { ResultTable(name: analysis.table, connection: connection) }

    func partial(_ period: Period, of analysis: Analysis) -> SQLValue {
        SQLValue(flag: reach.isPartial(period, of: analysis, zone: zone))
    }

    /// Reads the day rollups of all `periods` in one pass and adds them up by period.
    ///
    /// Days go into months first, and months into quarters and years: no day is read twice, whatever the kinds.
    ///
    /// - Parameters:
    ///   - source: the name under which months are kept (`MonthSums`): those are not read again.
    ///   - sql: gives rows with the day first, ascending, for days in `[?, ?)`.
    ///   - add: adds the row that the statement stands on.
    func byPeriod<Sum: PeriodSum>(
        _ periods: [Period], of source: String, empty: Sum, sql: String, add: (inout Sum, Statement) throws -> Void
    ) throws -> [Period: Sum] {
        var months: [Int: Sum] = [:]
        let kept = MonthSums(connection: connection)
        var missing: [Period] = []
        for month in Set(periods.flatMap { $0.parts(.month) ?? [] }).sorted(by: { $0.ordinal < $1.ordinal }) {
            var sum = empty
            if let words = try kept.words(source, month: month.ordinal), sum.restore(words) {
                months[month.ordinal] = sum
            } else {
                missing.append(month)
            }
        }
        var read: Set<Int> = []
        try connection.snapshot {
            let statement = try connection.prepare(sql)
            for range in Period.dayRanges(of: missing) {
                statement.bind(0, Int64(range.lowerBound))
                statement.bind(1, Int64(range.upperBound))
                var month = Period(kind: .month, containingDay: range.lowerBound)
                var (day, monthEnd) = (range.lowerBound, month.days.upperBound)
                var sum = empty
                while try statement.step() {
                    let rowDay = Int(try statement.integer(0, in: .days))
                    if rowDay != day {
                        sum.endDay()
                        if rowDay >= monthEnd {
                            months[month.ordinal] = sum
                            read.insert(month.ordinal)
                            month = Period(kind: .month, containingDay: rowDay)
                            (monthEnd, sum) = (month.days.upperBound, empty)
                        }
                        day = rowDay
                    }
                    try add(&sum, statement)
                }
                sum.endDay()
                months[month.ordinal] = sum
                read.insert(month.ordinal)
                statement.reset()
            }
        }
        try kept.keep(read.sorted().compactMap { month in months[month].map { (month, $0.words) } }, source)
        var sums: [Period: Sum] = [:]
        for period in periods {
            for case let month? in (period.parts(.month) ?? []).map({ months[$0.ordinal] }) {
                sums[period, default: empty].merge(month)
            }
            if let damage = sums[period]?.damage {
                throw Problem(
                    .badData, "cannot add up the stored \(source) of \(period): \(damage)",
                    hint: "Run taxi-cli audit to see whether the stored results match their source.")
            }
        }
        return sums
    }
}

/// What the days of a period add up to; merges with that of other days in any order.
protocol PeriodSum {
    /// Called after the last row of a day.
    mutating func endDay()
    mutating func merge(_ other: Self)
    /// All that was added, for `restore` of an empty one.
    var words: [Int64] { get }
    /// Takes up what `words` gave; false where they cannot be that.
    mutating func restore(_ words: [Int64]) -> Bool
    /// Why its numbers do not count, in words; nil where they do.
    var damage: String? { get }
}

extension Period {
    /// The days of `periods` as ranges that neither overlap nor touch, ascending.
    static func dayRanges(of periods: [Period]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for days in periods.map(\.days).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = ranges.last, days.lowerBound <= last.upperBound {
                ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, days.upperBound)
            } else {
                ranges.append(days)
            }
        }
        return ranges
    }
}
