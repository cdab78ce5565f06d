import Problems
import SQLite

/// A sum of cents over the trips that had a value.
///
/// In 128 bits: days of 64 bits each cannot leave them, so that running totals are looked at only where they become results.
struct CentsSum: Equatable {
    var sum: Int128 = 0
    /// How many values went in; a sum of none is null, as in SQL.
    var n: Int128 = 0

    var value: Int128? { n <= 0 ? nil : sum }
    /// Σ/n, rounded half-up (away from zero) to a cent.
    var mean: Int128? { n <= 0 ? nil : roundedQuotient(sum, n) }

    static func + (a: Self, b: Self) -> Self { Self(sum: a.sum + b.sum, n: a.n + b.n) }
    static func - (a: Self, b: Self) -> Self { Self(sum: a.sum - b.sum, n: a.n - b.n) }
}

/// What trips of some stretch of time add up to.
struct TripTotals: Equatable {
    var trips: Int128 = 0
    var fare = CentsSum()
    var tips = CentsSum()
    var total = CentsSum()

    static func + (a: Self, b: Self) -> Self {
        Self(trips: a.trips + b.trips, fare: a.fare + b.fare, tips: a.tips + b.tips, total: a.total + b.total)
    }
    static func - (a: Self, b: Self) -> Self {
        Self(trips: a.trips - b.trips, fare: a.fare - b.fare, tips: a.tips - b.tips, total: a.total - b.total)
    }
}

/// `dividend / divisor` to the nearest integer, a half away from zero: exact, with no floating point. `divisor` is positive.
func roundedQuotient(_ dividend: Int128, _ divisor: Int128) -> Int128 {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    guard remainder.magnitude >= (divisor.magnitude + 1) / 2 else { return quotient }
    return dividend < 0 ? quotient - 1 : quotient + 1
}

extension SQLValue {
    /// A number of a result, or null.
    ///
    /// - Throws: `Problem(.badData)` that names the column and the period where it leaves the 64 bits of the database.
    init(_ value: Int128?, of column: String, in period: Period, _ analysis: Analysis) throws(Problem) {
        guard let value else {
            self = .null
            return
        }
        guard let integer = Int64(exactly: value) else {
            throw Problem(
                .badData, "\(column) of \(period) in \(analysis.view) leaves 64 bits",
                hint: "taxi-cli show tripsTotal has the day with an amount that no day can have.")
        }
        self = .integer(integer)
    }
}
