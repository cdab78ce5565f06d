import SQLite

/// The stored results of `tripsTotal`, one row a local day, ready to be added up over any range of days.
struct DayTotals {
    static let table = "stored_tripstotal"

    /// Days with trips, ascending.
    private var days: [Int] = []
    /// What all days before `days[i]` add up to; one element more than `days`.
    private var before: [TripTotals] = [TripTotals()]

    var last: Int? { days.last }

    /// The first day with trips at or after `day`.
    func next(from day: Int) -> Int? {
        let index = days.countBefore(day)
        return index < days.count ? days[index] : nil
    }

    /// The days with trips in `range`, ascending.
    func days(in range: Range<Int>) -> ArraySlice<Int> {
        days[days.countBefore(range.lowerBound)..<days.countBefore(range.upperBound)]
    }

    /// The totals of the days in `range`; O(log days).
    func totals(of range: Range<Int>) -> TripTotals {
        before[days.countBefore(range.upperBound)] - before[days.countBefore(range.lowerBound)]
    }

    /// Totals from the first day on.
    func totals(before day: Int) -> TripTotals { before[days.countBefore(day)] }

    init() {}

    /// Reads all days: some 9,000 in 25 years, since a running total needs each of them.
    init(from connection: Connection) throws {
        guard try BatchSchema.exists(Self.table, on: connection) else { return }
        let statement = try connection.prepare(
            """
            SELECT group_id, trips_total, fare_total_sum, fare_total_n, tips_avg_sum, tips_avg_n,
                   trip_total_avg_sum, trip_total_avg_n
            FROM stored_tripstotal WHERE group_id >= ? AND group_id < ? ORDER BY group_id
            """)
        statement.bind(0, Int64(Period.supportedDays.lowerBound))
        statement.bind(1, Int64(Period.supportedDays.upperBound))
        while try statement.step() {
            let day = Int(try statement.integer(0, in: .days))
            // Sums may be anything that 64 bits hold; trips and the counts of values may not.
            let words = try (1...7).map { column in
                Int128(try statement.integer(column, in: column % 2 == 0 ? Int64.min...Int64.max : .counts))
            }
            days.append(day)
            before.append(
                before[before.count - 1]
                    + TripTotals(
                        trips: words[0], fare: .init(sum: words[1], n: words[2]),
                        tips: .init(sum: words[3], n: words[4]),
                        total: .init(sum: words[5], n: words[6])))
        }
    }
}

extension [Int] {
    /// How many of ascending days are before `day`; O(log days).
    func countBefore(_ day: Int) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < day { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
