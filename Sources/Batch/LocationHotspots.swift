import Problems
import SQLite

/// `location_hotspots`: pickup points by pickups, and which of them are busy day after day. Ties go to the location whose
/// text comes first, byte by byte.
struct LocationHotspots {
    let context: BatchContext

    /// Replaces the rows of `periods`; returns how many there are.
    func run(_ periods: [Period]) throws -> Int {
        let locations = try Locations(on: context.connection)
        let tallies = try context.byPeriod(
            periods, of: "locations", empty: HotspotTally(precedence: .init(positions: locations.positions)),
            sql: "SELECT day, location, pickups FROM day_location WHERE day >= ? AND day < ? ORDER BY day, location"
        ) { tally, row in
            let id = Int(try row.integer(1, in: .counts))
            guard locations.texts.indices.contains(id) else { throw Locations.unknown(id) }
            tally.add(try row.integer(2, in: .counts), at: id)
        }
        return try context.table(of: .locationHotspots).replace(periods) { period in
            guard let tally = tallies[period] else { return [] }
            let partial = context.partial(period, of: .locationHotspots)
            return try tally.ranked().map { place in
                guard locations.texts.indices.contains(place.id), let text = locations.texts[place.id] else {
                    throw Locations.unknown(place.id)
                }
                return [
                    .integer(place.rank), .text(text), .integer(place.pickups), .integer(tally.total),
                    .integer(place.top10Days), .integer(tally.days), SQLValue(flag: place.isPersistent), partial,
                ]
            }
        }
    }
}

/// The texts behind the ids of `day_location`.
private struct Locations {
    /// By id; nil where the id was never given.
    var texts: [String?] = []
    /// Each id's place in the order of the texts.
    var positions: [Int32] = []

    init(on connection: Connection) throws {
        // The text order is SQLite's BINARY, which compares bytes.
        let keys = try connection.rows(
            "SELECT id, location FROM rolled_locations WHERE id >= 0 ORDER BY location"
        ) { row throws(SQLiteError) in (Int(try row.integer(0, in: LocationIDs.range)), try row.storedText(1)) }
        let last = keys.map(\.0).max() ?? -1
        guard last < keys.count + 4_000_000 else { throw Self.unknown(last) }
        let count = last + 1
        texts = Array(repeating: nil, count: count)
        positions = Array(repeating: .max, count: count)
        for (position, key) in keys.enumerated() { (texts[key.0], positions[key.0]) = (key.1, Int32(position)) }
    }

    static func unknown(_ id: Int) -> Problem {
        Problem(
            .badData, "rolled_locations has no location \(id) that day_location counts",
            hint: "Run taxi-cli audit to see whether the stored results match their source.")
    }
}
