import SQLite
import Trips

/// What the analyses of one run share.
struct BatchContext {
    let connection: Connection
    let zone: ZoneClock
    let totals: DayTotals
    let reach: Reach

    func table(of analysis: Analysis) -> ResultTable { ResultTable(name: analysis.table, connection: connection) }

    func partial(_ period: Period, of analysis: Analysis) -> SQLValue {
        SQLValue(flag: reach.isPartial(period, of: analysis, zone: zone))
    }

    /// Reads the day rollups of all `periods` in one pass and adds them up by period.
    ///
    /// Days go into months first, and months into quarters and years: no day is read twice, whatever the kinds.
    ///
    /// - Parameters:
    ///   - sql: gives rows with the day first, ascending, for days in `[?, ?)`.
    ///   - add: adds the row that the statement stands on.
    func byPeriod<Sum: PeriodSum>(
        _ periods: [Period], empty: Sum, sql: String, add: (inout Sum, Statement) throws -> Void
    ) throws -> [Period: Sum] {
        var months: [Int: Sum] = [:]
        try connection.snapshot {
            let statement = try connection.prepare(sql)
            for range in Period.dayRanges(of: periods) {
                statement.bind(0, Int64(range.lowerBound))
                statement.bind(1, Int64(range.upperBound))
                var month = Period(kind: .month, containingDay: range.lowerBound)
                var (day, monthEnd) = (range.lowerBound, month.days.upperBound)
                var sum = empty
                while try statement.step() {
                    let rowDay = Int(statement.integer(0))
                    if rowDay != day {
                        sum.endDay()
                        if rowDay >= monthEnd {
                            months[month.ordinal] = sum
                            month = Period(kind: .month, containingDay: rowDay)
                            (monthEnd, sum) = (month.days.upperBound, empty)
                        }
                        day = rowDay
                    }
                    try add(&sum, statement)
                }
                sum.endDay()
                months[month.ordinal] = sum
                statement.reset()
            }
        }
        var sums: [Period: Sum] = [:]
        for period in periods {
            for case let month? in (period.parts(.month) ?? []).map({ months[$0.ordinal] }) {
                sums[period, default: empty].merge(month)
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
