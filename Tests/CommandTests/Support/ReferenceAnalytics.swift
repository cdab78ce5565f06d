import Foundation
import SQLite

/// The four analyses over raw trips, period by period, from the words of the specification: no rollups.
struct ReferenceAnalytics {
    var trips: [JSONTrip]
    let zone = Chicago()

    typealias Row = [SQLValue]

    /// A period and what it is compared with.
    struct Period: Hashable {
        var kind: String
        var year: Int
        /// 1 to 12, 1 to 4 or 1.
        var part: Int

        var text: String {
            switch kind {
            case "month": String(format: "%04d-%02d", year, part)
            case "quarter": String(format: "%04d-Q%d", year, part)
            default: String(format: "%04d", year)
            }
        }
        var monthsEach: Int { ["month": 1, "quarter": 3][kind] ?? 12 }
        var previous: Period {
            part > 1
                ? Period(kind: kind, year: year, part: part - 1)
                : Period(kind: kind, year: year - 1, part: 12 / monthsEach)
        }
        var yearBefore: Period { Period(kind: kind, year: year - 1, part: part) }
    }

    private func period(_ kind: String, _ trip: JSONTrip) -> Period {
        let day = zone.day(trip.timeMs)
        let months = Period(kind: kind, year: 0, part: 1).monthsEach
        return Period(kind: kind, year: day.year, part: (day.month - 1) / months + 1)
    }

    private func end(_ period: Period) -> Int64 {
        zone.start(ofMonth: period.part * period.monthsEach + 1, of: period.year)
    }

    /// The end of the newest window that any query with windows closed.
    private var reachedMs: Int64 {
        var reached: Int64 = 0
        for trip in trips {
            if trip.fare != nil { reached = max(reached, trip.timeMs / 3_600_000 * 3_600_000 + 3_600_000) }
            if trip.area != nil || trip.location != nil {
                reached = max(reached, trip.timeMs / 30_000 * 30_000 + 60_000)
            }
        }
        return reached
    }

    private func rows(_ kinds: [String], _ make: (Period, [JSONTrip], _ isPartial: SQLValue) -> [Row]) -> [Row] {
        let reached = reachedMs
        return kinds.flatMap { kind in
            Dictionary(grouping: trips) { period(kind, $0) }.flatMap { period, own in
                make(period, own, .integer(reached < end(period) ? 1 : 0)).map {
                    [.text(kind), .text(period.text)] + $0
                }
            }
        }
    }

    /// Percentiles are the exact ones, by nearest rank; the stored ones may be 2 % off.
    func fareTrend() -> [Row] {
        let fares = ["month", "quarter", "year"].map { kind in
            Dictionary(grouping: trips) { period(kind, $0) }.mapValues { sum($0.map(\.fare)) }
        }.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        func change(_ now: Period, _ base: Period) -> SQLValue {
            guard let now = fares[now] ?? nil, let base = fares[base] ?? nil, base > 0 else { return .null }
            return .real(Double(now - base) / Double(base))
        }
        return rows(["month", "quarter", "year"]) { period, own, partial in
            let sorted = own.compactMap(\.fare).sorted()
            let percentiles = [10, 25, 50, 75, 90, 99].map { percent -> SQLValue in
                sorted.isEmpty ? .null : .real(Double(sorted[(percent * sorted.count + 99) / 100 - 1]) / 100)
            }
            let money = [own.map(\.fare), own.map(\.tips), own.map(\.total)].flatMap { [dollars($0), mean($0)] }
            let changes = [change(period, period.previous), change(period, period.yearBefore)]
            return [[.integer(Int64(own.count))] + money + percentiles + changes + [partial]]
        }
    }

    func accumulated() -> [Row] {
        rows(["month", "year"]) { period, own, partial in
            let soFar = trips.filter { $0.timeMs < end(period) }
            let inYear = soFar.filter { zone.day($0.timeMs).year == period.year }
            let sums = [own, inYear, soFar].flatMap { some in
                [
                    .integer(Int64(some.count)), dollars(some.map(\.fare)), dollars(some.map(\.tips)),
                    dollars(some.map(\.total)),
                ]
            }
            return [sums + [mean(own.map(\.tips)), mean(own.map(\.total)), partial]]
        }
    }

    /// - Parameter names: of the areas, from the program's own table, which is no computation.
    func areaHotspots(names: [Int64: String]) -> [Row] {
        hotspots(\.area, isBefore: <) { [.integer($0), .text(names[$0] ?? "?")] }
    }

    func locationHotspots() -> [Row] {
        hotspots(\.location, isBefore: { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }) { [.text($0)] }
    }

    private func hotspots<Place: Hashable>(
        _ place: @escaping (JSONTrip) -> Place?, isBefore: @escaping (Place, Place) -> Bool, cells: (Place) -> Row
    ) -> [Row] {
        func ranked(_ trips: [JSONTrip]) -> [(place: Place, pickups: Int)] {
            Dictionary(grouping: trips.compactMap(place)) { $0 }.map { ($0.key, $0.value.count) }
                .sorted { $0.1 != $1.1 ? $0.1 > $1.1 : isBefore($0.0, $1.0) }
        }
        return rows(["month", "quarter", "year"]) { _, own, partial in
            let counted = own.filter { place($0) != nil }
            let tops = Dictionary(grouping: counted) { zone.day($0.timeMs) }.values.map {
                Set(ranked($0).prefix(10).map(\.place))
            }
            return ranked(counted).enumerated().map { index, row in
                let days = tops.count { $0.contains(row.place) }
                return [.integer(Int64(index + 1))] + cells(row.place) + [
                    .integer(Int64(row.pickups)), .real(Double(row.pickups) / Double(counted.count)),
                    .integer(Int64(days)), .integer(Int64(tops.count)), .integer(4 * days >= 3 * tops.count ? 1 : 0),
                    partial,
                ]
            }
        }
    }

    private func sum(_ cents: [Int64?]) -> Int64? {
        let values = cents.compactMap { $0 }
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    private func dollars(_ cents: [Int64?]) -> SQLValue { sum(cents).map { .real(Double($0) / 100) } ?? .null }

    private func mean(_ cents: [Int64?]) -> SQLValue {
        let n = Int64(cents.compactMap { $0 }.count)
        return sum(cents).map { .real(Double((2 * $0 + n) / (2 * n)) / 100) } ?? .null
    }
}
