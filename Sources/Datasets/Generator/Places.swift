import Trips

/// Where trips begin and end: 0 is nowhere known, 1…77 an area whose tract is masked, and from 78 on tracts.
struct Places: Sendable {
    /// Of each place.
    let areas: [Int]
    let longitudes: [Int64]
    let latitudes: [Int64]
    /// The tract's number, 0 where there is none to show.
    let tracts: [Int]

    /// Of each area, and of none at 0: how often its ends show their tract, in thousandths.
    private let openness: [Int]
    private let pickupAreas: [WeightedChoice]
    /// By four hours of the day, then by the area of the pickup.
    private let dropoffAreas: [WeightedChoice]
    /// Of each area, and of none at 0: its tracts, for a pickup and for a dropoff; nil where it has none.
    private let pickupTracts: [Choice?]
    private let dropoffTracts: [Choice?]

    private struct Choice: Sendable {
        var first: Int
        var weights: WeightedChoice
    }

    static let nowhere = 0
    private static let ohare = 76
    private static let midway = 56

    init() {
        let points = CommunityArea.all
        let tracts = TractTable.all
        areas = [0] + points.map(\.number) + tracts.map(\.area)
        longitudes = [0] + points.map(\.longitude) + tracts.map(\.longitude)
        latitudes = [0] + points.map(\.latitude) + tracts.map(\.latitude)
        self.tracts = Array(repeating: 0, count: 78) + tracts.map(\.number)

        let table = AreaTable.all
        openness = [AreaTable.opennessOutside] + table.map(\.openness)
        pickupAreas = (0..<6).map { band in WeightedChoice(table.map { $0.pickups[band] }) }
        dropoffAreas = (0..<6).flatMap { band in
            points.map { from in
                WeightedChoice(
                    zip(points, table).map { to, row in row.dropoffs[band] * Self.attraction(from, to) / 100 })
            }
        }
        func choices(_ weight: (TractTable) -> Int) -> [Choice?] {
            (0...77).map { area in
                guard let first = tracts.firstIndex(where: { $0.area == area }) else { return nil }
                return Choice(
                    first: first + 78, weights: WeightedChoice(tracts.filter { $0.area == area }.map { weight($0) + 1 })
                )
            }
        }
        pickupTracts = choices(\.pickups)
        dropoffTracts = choices(\.dropoffs)
    }

    /// People ride to near places more than to far ones, but for the airports, which are always far.
    private static func attraction(_ from: CommunityArea, _ to: CommunityArea) -> Int {
        let isAirport = (from.number == ohare || from.number == midway, to.number == ohare || to.number == midway)
        if isAirport.0 { return isAirport.1 ? 10 : 100 }
        if isAirport.1 { return 45 }
        let distance = hundredthsOfMiles(from.longitude - to.longitude, from.latitude - to.latitude)
        return max(1, 100 * 200 / (200 + distance))
    }

    /// Draws both ends of a trip.
    ///
    /// An end is nowhere in about one trip in ten: outside the city, or not known. Tracts show only where both ends' areas see
    /// enough trips; the City masks the others.
    func draw(hour: Int, _ random: inout RandomBits) -> (pickup: Int, dropoff: Int) {
        let band = hour / 4
        if random.happens(44_000) { return (Self.nowhere, Self.nowhere) }
        let pickupArea = random.happens(37_000) ? 0 : pickupAreas[band].pick(&random) + 1
        let isOutside = pickupArea != 0 && random.happens(pickupArea == Self.ohare ? 260_000 : 38_000)
        let from = pickupArea == 0 ? Self.ohare : pickupArea
        let dropoffArea = isOutside ? 0 : dropoffAreas[band * 77 + from - 1].pick(&random) + 1

        let open = openness[pickupArea] * openness[dropoffArea]
        guard random.below(1_000_000) < open else { return (pickupArea, dropoffArea) }
        // Nowhere has one tract that shows, the one by O'Hare, and most often shows none.
        let pickup = pickupArea == 0 && !random.happens(10_000) ? 0 : tract(pickupTracts, pickupArea, &random)
        let dropoff = dropoffArea == 0 && !random.happens(100_000) ? 0 : tract(dropoffTracts, dropoffArea, &random)
        return (pickup, dropoff)
    }

    private func tract(_ choices: [Choice?], _ area: Int, _ random: inout RandomBits) -> Int {
        guard let choice = choices[area] else { return area }
        return choice.first + choice.weights.pick(&random)
    }

    /// As the crow flies, in hundredths of a mile; 0 where a place is not known.
    func distance(_ a: Int, _ b: Int) -> Int {
        if a == Self.nowhere || b == Self.nowhere { return 0 }
        return Self.hundredthsOfMiles(longitudes[a] - longitudes[b], latitudes[a] - latitudes[b])
    }

    /// Good within the city; multiplications and a square root, which every machine rounds alike.
    private static func hundredthsOfMiles(_ longitude: Int64, _ latitude: Int64) -> Int {
        let east = Double(longitude) * 51.5e-8
        let north = Double(latitude) * 69.0e-8
        return Int((east * east + north * north).squareRoot())
    }

    /// Whether trips from there pay the airport's tax.
    func isAirport(_ place: Int) -> Bool { areas[place] == Self.ohare || areas[place] == Self.midway }
}
