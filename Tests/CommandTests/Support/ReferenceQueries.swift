import Foundation
import SQLite

/// The five default queries over all trips at once, in the plainest way: no windows that open and close, no partial sums.
struct ReferenceQueries {
    var trips: [JSONTrip]
    let zone = Chicago()

    typealias Row = [SQLValue]

    /// Rows of each public view, in no order.
    func views() -> [String: [Row]] {
        [
            "sumfarewindow": sumFareWindow(), "tripstotal": tripsTotal(),
            "hotspotcommunitywindow": hotspots { $0.area.map(SQLValue.integer) },
            "hotspotwindow": hotspots { $0.location.map(SQLValue.text) }, "faredistribution": fareDistribution(),
        ]
    }

    private func sumFareWindow() -> [Row] {
        Dictionary(grouping: trips) { floor($0.timeMs, 5_000) }.map { start, trips in
            window(start, 5_000) + [
                .integer(Int64(trips.count)), sum(trips.map(\.fare)), sum(trips.map(\.tips)), sum(trips.map(\.total)),
            ]
        }
    }

    private func tripsTotal() -> [Row] {
        Dictionary(grouping: trips) { zone.day($0.timeMs) }.map { day, trips in
            [
                .text(day.text), .integer(Int64(trips.count)), sum(trips.map(\.fare)), mean(trips.map(\.tips)),
                mean(trips.map(\.total)),
            ]
        }
    }

    private func hotspots(_ place: (JSONTrip) -> SQLValue?) -> [Row] {
        var counts: [String: (row: Row, count: Int64)] = [:]
        for trip in trips {
            guard let place = place(trip) else { continue }
            let newest = floor(trip.timeMs, 30_000)
            for start in [newest, newest - 30_000] {
                let row = window(start, 60_000) + [place]
                counts["\(start) \(place)", default: (row, 0)].count += 1
            }
        }
        return counts.values.map { $0.row + [.integer($0.count)] }
    }

    private func fareDistribution() -> [Row] {
        struct Key: Hashable { var start, bucket: Int64 }
        let groups = Dictionary(grouping: trips.filter { $0.fare != nil }) { trip in
            Key(start: floor(trip.timeMs, 3_600_000), bucket: bucket(trip.fare ?? 0))
        }
        return groups.map { key, trips in
            window(key.start, 3_600_000) + [.integer(key.bucket)] + bounds(key.bucket) + [
                .integer(Int64(trips.count)), sum(trips.map(\.fare)),
            ]
        }
    }

    // MARK: -

    static let gamma = 1.005 / 0.995

    /// The least bucket whose upper bound is not below the fare.
    private func bucket(_ cents: Int64) -> Int64 {
        if cents == 0 { return -1 }
        if cents < 0 { return -2 - self.bucket(-cents) }
        var bucket: Int64 = 0
        while pow(Self.gamma, Double(bucket)) < Double(cents) { bucket += 1 }
        return bucket
    }

    private func bounds(_ bucket: Int64) -> Row {
        switch bucket {
        case -1: [.real(0), .real(0)]
        case ..<(-1):
            [.real(-pow(Self.gamma, Double(-2 - bucket)) / 100), .real(-pow(Self.gamma, Double(-3 - bucket)) / 100)]
        default: [.real(pow(Self.gamma, Double(bucket - 1)) / 100), .real(pow(Self.gamma, Double(bucket)) / 100)]
        }
    }

    private func floor(_ ms: Int64, _ sizeMs: Int64) -> Int64 {
        let rest = ms % sizeMs
        return ms - (rest < 0 ? rest + sizeMs : rest)
    }

    private func window(_ start: Int64, _ sizeMs: Int64) -> Row {
        [.text(zone.iso(start)), .text(zone.iso(start + sizeMs))]
    }

    private func sum(_ cents: [Int64?]) -> SQLValue {
        let values = cents.compactMap { $0 }
        return values.isEmpty ? .null : .real(Double(values.reduce(0, +)) / 100)
    }

    /// Rounded half-up to cents.
    private func mean(_ cents: [Int64?]) -> SQLValue {
        let values = cents.compactMap { $0 }
        guard !values.isEmpty else { return .null }
        let (sum, n) = (values.reduce(0, +), Int64(values.count))
        return .real(Double((2 * sum + n) / (2 * n)) / 100)
    }
}
