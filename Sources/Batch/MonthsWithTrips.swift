import SQLite
import Time

/// The months in which there is a trip. Periods without one do not exist: they are neither computed nor counted.
///
/// What `tripsTotal` has counted, day by day, says it, and pickups of closed windows that tile time. A sliding window that begins
/// before midnight makes no month, nor does a fare window of a whole hour that begins before the midnight of a zone with half
/// hours: where days are counted, fares say nothing new.
struct MonthsWithTrips {
    /// Ascending.
    let months: [Period]

    init(_ totals: DayTotals, _ windows: [StoredWindows], on connection: Connection, zone: ZoneClock) throws {
        var found = Self.months { totals.next(from: $0) }
        let hasTotals = try BatchSchema.exists(DayTotals.table, on: connection)
        let prunedBefore = try DayRollups.prunedBefore(on: connection)
        for window in windows where window.source != .fares || !hasTotals {
            found.formUnion(
                try Self.months { day in
                    try window.firstTile(fromMs: zone.startMs(ofLocalDay: day)).map(zone.localDay(ofMs:))
                })
            // Of windows that were let go of there are the rollups.
            guard let end = prunedBefore[window.source.rawValue] else { continue }
            let next = "SELECT min(day) FROM \(window.source.rollup) WHERE day >= ? AND day < ?"
            found.formUnion(
                try Self.months { day in
                    try connection.value(next, .integer(Int64(day)), .integer(Int64(end)))?.integer.map { Int($0) }
                })
        }
        months = found.sorted().map { Period(kind: .month, ordinal: $0) }
    }

    /// The periods of a kind that have a trip, ascending.
    func periods(_ kind: PeriodKind) -> [Period] {
        Set(months.map { Period(kind: kind, containingDay: $0.days.lowerBound) }).sorted { $0.ordinal < $1.ordinal }
    }

    /// The ordinals of months that have a day; `next` gives the first at or after one.
    private static func months(_ next: (Int) throws -> Int?) rethrows -> Set<Int> {
        var months: Set<Int> = []
        var day = Period.supportedDays.lowerBound
        while let found = try next(day), found < Period.supportedDays.upperBound {
            let month = Period(kind: .month, containingDay: found)
            months.insert(month.ordinal)
            day = month.days.upperBound
        }
        return months
    }
}
