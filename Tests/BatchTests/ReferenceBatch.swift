import SQLite
import Time
import Trips

@testable import Batch

/// The four analyses over raw trips in the plainest Swift: no rollups, no partial results, nothing shared with the module.
struct ReferenceBatch {
    var trips: [RawTrip]
    var zone: ZoneClock
    var watermarkMs: EventTime = .max

    /// A row's cells after kind and period; percentiles as the exact fares.
    typealias Row = [SQLValue]

    // A period is named by its text; `name` gives the one that a trip lies in.
    func name(_ kind: String, _ trip: RawTrip) -> String {
        let (year, month, _) = Calendar.date(ofDay: zone.localDay(ofMs: trip.timeMs))
        return switch kind {
        case "month": "\(year)-" + (month < 10 ? "0\(month)" : "\(month)")
        case "quarter": "\(year)-Q\((month + 2) / 3)"
        default: "\(year)"
        }
    }

    func before(_ kind: String, _ period: String) -> (previous: String, yearBefore: String) {
        let year = Int(period.prefix(4))!
        let part = Int(period.drop { $0 != "-" }.filter(\.isNumber)) ?? 0
        switch kind {
        case "month":
            func month(_ y: Int, _ m: Int) -> String { "\(y)-" + (m < 10 ? "0\(m)" : "\(m)") }
            return (part == 1 ? month(year - 1, 12) : month(year, part - 1), month(year - 1, part))
        case "quarter": return (part == 1 ? "\(year - 1)-Q4" : "\(year)-Q\(part - 1)", "\(year - 1)-Q\(part)")
        default: return ("\(year - 1)", "\(year - 1)")
        }
    }

    /// The first instant after the period.
    func end(_ kind: String, _ period: String) -> EventTime {
        var year = Int(period.prefix(4))!
        let part = Int(period.drop { $0 != "-" }.filter(\.isNumber)) ?? 0
        var month = kind == "month" ? part + 1 : kind == "quarter" ? part * 3 + 1 : 13
        if month > 12 { (year, month) = (year + 1, month - 12) }
        return zone.startMs(ofLocalDay: Calendar.day(year: year, month: month, day: 1))
    }

    func dollars(_ cents: [Cents?]) -> SQLValue {
        let values = cents.compactMap { $0 }
        return values.isEmpty ? .null : .real(Double(values.reduce(0, +)) / 100)
    }

    /// Half a cent goes away from zero.
    func mean(_ cents: [Cents?]) -> SQLValue {
        let values = cents.compactMap { $0 }
        guard !values.isEmpty else { return .null }
        let (sum, n) = (values.reduce(0, +), Int64(values.count))
        let rounded = (abs(sum) * 2 + n) / (2 * n)
        return .real(Double(sum < 0 ? -rounded : rounded) / 100)
    }

    /// The trip moved to the start of its window.
    func window(_ trip: RawTrip, _ sizeMs: Int64) -> RawTrip {
        var moved = trip
        moved.timeMs = floorDivide(trip.timeMs, sizeMs) * sizeMs
        return moved
    }

    func isClosed(_ trip: RawTrip, sizeMs: Int64) -> Bool {
        floorDivide(trip.timeMs, sizeMs) * sizeMs + sizeMs <= watermarkMs
    }

    /// The newest end of a closed window.
    var reachedMs: EventTime? {
        trips.flatMap { trip -> [EventTime] in
            var ends: [EventTime] = []
            if trip.fare != nil { ends.append(floorDivide(trip.timeMs, 3_600_000) * 3_600_000 + 3_600_000) }
            if trip.area != nil || trip.location != nil {
                let start = floorDivide(trip.timeMs, 30_000) * 30_000
                ends += [start + 60_000, start + 30_000]
            }
            return ends
        }.filter { $0 <= watermarkMs }.max()
    }

    func fareTrend() -> [[SQLValue]] {
        rows(["month", "quarter", "year"]) { kind, period, own in
            let (previous, yearBefore) = before(kind, period)
            // A window belongs to the day it starts on; in a zone with half-hours that may not be the trip's.
            let fares = trips.filter { isClosed($0, sizeMs: 3_600_000) && name(kind, window($0, 3_600_000)) == period }
                .compactMap(\.fare).sorted()
            let percentiles = [10, 25, 50, 75, 90, 99].map { percent -> SQLValue in
                guard !fares.isEmpty else { return .null }
                let rank = (percent * fares.count + 99) / 100
                return .real(Double(fares[rank - 1]) / 100)
            }
            let changes = [previous, yearBefore].map { other -> SQLValue in
                let base = trips.filter { name(kind, $0) == other }.compactMap(\.fare).reduce(0, +)
                let sum = own.compactMap(\.fare)
                return base > 0 && !sum.isEmpty ? .real(Double(sum.reduce(0, +) - base) / Double(base)) : .null
            }
            let reached = reachedMs ?? trips.map { zone.startMs(ofLocalDay: zone.localDay(ofMs: $0.timeMs)) }.max()!
            let cells: [SQLValue] = [
                dollars(own.map(\.fare)), mean(own.map(\.fare)), dollars(own.map(\.tips)), mean(own.map(\.tips)),
                dollars(own.map(\.total)), mean(own.map(\.total)),
            ]
            let partial = SQLValue.integer(reached < end(kind, period) ? 1 : 0)
            return [[.integer(Int64(own.count))] + cells + percentiles + changes + [partial]]
        }
    }

    func accumulated() -> [[SQLValue]] {
        rows(["month", "year"]) { kind, period, own in
            let soFar = trips.filter { $0.timeMs < end(kind, period) }
            let inYear = soFar.filter { name("year", $0) == String(period.prefix(4)) }
            let sums = [own, inYear, soFar].flatMap { some in
                [
                    .integer(Int64(some.count)), dollars(some.map(\.fare)), dollars(some.map(\.tips)),
                    dollars(some.map(\.total)),
                ]
            }
            let newestDay = trips.map { zone.startMs(ofLocalDay: zone.localDay(ofMs: $0.timeMs)) }.max()!
            let partial = max(reachedMs ?? newestDay, newestDay) < end(kind, period)
            return [sums + [mean(own.map(\.tips)), mean(own.map(\.total)), .integer(partial ? 1 : 0)]]
        }
    }

    /// Hot spots of the places that `place` gives, first on ties by `precedes`; `cells` shows a place.
    func hotspots<Place: Hashable>(
        _ place: (RawTrip) -> Place?, precedes: @escaping (Place, Place) -> Bool, cells: (Place) -> [SQLValue]
    ) -> [[SQLValue]] {
        func ranked(_ trips: [RawTrip]) -> [(place: Place, pickups: Int)] {
            Dictionary(grouping: trips.compactMap(place)) { $0 }.map { ($0.key, $0.value.count) }
                .sorted { $0.1 != $1.1 ? $0.1 > $1.1 : precedes($0.0, $1.0) }
        }
        return rows(["month", "quarter", "year"]) { kind, period, own in
            let counted = own.filter { place($0) != nil && isClosed($0, sizeMs: 60_000) }
            let days = Dictionary(grouping: counted) { zone.localDay(ofMs: $0.timeMs) }
            let tops = days.values.map { Set(ranked($0).prefix(10).map(\.place)) }
            let partial = reachedMs.map { $0 < end(kind, period) } ?? true
            return ranked(counted).enumerated().map { index, row in
                let inTop = tops.count { $0.contains(row.place) }
                return [.integer(Int64(index + 1))] + cells(row.place) + [
                    .integer(Int64(row.pickups)), .real(Double(row.pickups) / Double(counted.count)),
                    .integer(Int64(inTop)), .integer(Int64(days.count)),
                    .integer(Double(inTop) >= 0.75 * Double(days.count) ? 1 : 0), .integer(partial ? 1 : 0),
                ]
            }
        }
    }

    func areas() -> [[SQLValue]] {
        hotspots(\.area, precedes: <) { [.integer($0), .text(CommunityArea.name(of: Int($0)))] }
    }

    func locations() -> [[SQLValue]] {
        hotspots(\.location, precedes: { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }) { [.text($0)] }
    }

    private func rows(_ kinds: [String], _ make: (String, String, [RawTrip]) -> [Row]) -> [[SQLValue]] {
        kinds.flatMap { kind in
            Dictionary(grouping: trips) { name(kind, $0) }.sorted { $0.key < $1.key }.flatMap { period, own in
                make(kind, period, own).map { [.text(kind), .text(period)] + $0 }
            }
        }
    }
}
