import SQLite
import Trips

/// `area_hotspots`: community areas by pickups, and which of them are busy day after day. Ties go to the lower area number.
struct AreaHotspots {
    let context: BatchContext

    /// Replaces the rows of `periods`; returns how many there are.
    func run(_ periods: [Period]) throws -> Int {
        let tallies = try context.byPeriod(
            periods, of: "areas", empty: HotspotTally(precedence: .init(positions: nil)),
            sql: "SELECT day, area, pickups FROM day_area WHERE day >= ? AND day < ? ORDER BY day, area"
        ) { tally, row in
            tally.add(try row.integer(2, in: .counts), at: Int(try row.integer(1, in: DayRollup.areas)))
        }

        return try context.table(of: .areaHotspots).replace(periods) { period in
            guard let tally = tallies[period] else { return [] }
            let partial = context.partial(period, of: .areaHotspots)
            return tally.ranked().map { area in
                [
                    .integer(area.rank), .integer(Int64(area.id)), .text(CommunityArea.name(of: area.id)),
                    .integer(area.pickups), .integer(tally.total), .integer(area.top10Days), .integer(tally.days),
                    SQLValue(flag: area.isPersistent), partial,
                ]
            }
        }
    }
}
