import Trips

/// A sum of cents over the trips that had a value.
struct CentsSum: Equatable {
    var sum: Cents = 0
    /// How many values went in; a sum of none is null, as in SQL.
    var n: Int64 = 0

    var value: Cents? { n == 0 ? nil : sum }
    /// Σ/n, rounded half-up (away from zero) to a cent.
    var mean: Cents? { n == 0 ? nil : roundedQuotient(sum, n) }

    static func + (a: Self, b: Self) -> Self { Self(sum: a.sum + b.sum, n: a.n + b.n) }
    static func - (a: Self, b: Self) -> Self { Self(sum: a.sum - b.sum, n: a.n - b.n) }
}

/// What trips of some stretch of time add up to.
struct TripTotals: Equatable {
    var trips: Int64 = 0
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
func roundedQuotient(_ dividend: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    guard remainder.magnitude >= (divisor.magnitude + 1) / 2 else { return quotient }
    return dividend < 0 ? quotient - 1 : quotient + 1
}
