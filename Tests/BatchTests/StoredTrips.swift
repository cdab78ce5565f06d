import Basics
import Foundation
import SQLite
import Time
import Trips

@testable import Batch

/// A made-up trip, as exact as it gets.
struct RawTrip: Sendable {
    var timeMs: EventTime
    var area: Int64?
    var location: String?
    var fare: Cents?
    var tips: Cents?
    var total: Cents?
}

/// A results database in a folder of its own, filled as the stream would have filled it after seeing `trips`.
///
/// Every window is made from the trips in the plainest way; windows that came to be different are noted in `changed_days`.
final class StoredTrips {
    let folder: URL
    let connection: Connection
    let zone: ZoneClock
    private(set) var trips: [RawTrip] = []
    /// Windows that end later are still open.
    var watermarkMs: EventTime = .max
    private var locationIDs: [String: Int64] = [:]

    init(zone: String = "America/Chicago") throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("batch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        connection = try Connection(path: folder.appendingPathComponent("results.db").path, durability: .normal)
        self.zone = try ZoneClock(identifier: zone)
        try connection.execute(
            """
            CREATE TABLE stored_tripstotal(group_id INTEGER PRIMARY KEY, trips_total INTEGER, fare_total_sum INTEGER,
              fare_total_n INTEGER, tips_avg_sum INTEGER, tips_avg_n INTEGER, trip_total_avg_sum INTEGER, trip_total_avg_n INTEGER);
            CREATE TABLE stored_hotspotcommunitywindow(window_start_ms INTEGER PRIMARY KEY, closed INTEGER NOT NULL, groups TEXT NOT NULL);
            CREATE TABLE stored_hotspotwindow(window_start_ms INTEGER PRIMARY KEY, closed INTEGER NOT NULL, groups TEXT NOT NULL);
            CREATE TABLE stored_faredistribution(window_start_ms INTEGER PRIMARY KEY, closed INTEGER NOT NULL, groups TEXT NOT NULL);
            CREATE TABLE keys_hotspotwindow(id INTEGER PRIMARY KEY, pickup_centroid_location TEXT);
            CREATE TABLE changed_days(day INTEGER PRIMARY KEY);
            """)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Lets more trips arrive.
    func add(_ more: [RawTrip]) throws {
        trips += more
        try connection.transaction {
            try storeTotals()
            try store("stored_faredistribution", sizeMs: 3_600_000, everyMs: 3_600_000, fareGroups)
            try store("stored_hotspotcommunitywindow", sizeMs: 60_000, everyMs: 30_000) { trips in
                counts(trips.compactMap(\.area))
            }
            try store("stored_hotspotwindow", sizeMs: 60_000, everyMs: 30_000) { trips in
                counts(try trips.compactMap(\.location).map(locationID))
            }
        }
    }

    func runner(watermarkMs: EventTime? = nil) -> BatchRunner {
        BatchRunner(connection: connection, zone: zone, watermarkMs: watermarkMs)
    }

    /// Every row of a view, in the order of its columns.
    func rows(_ view: String) throws -> [[SQLValue]] {
        try connection.rows("SELECT * FROM \(view) ORDER BY 1, 2, 3") { row in (0..<row.columnCount).map(row.value) }
    }

    /// Every row of the four views.
    func dump() throws -> [String: [[SQLValue]]] {
        try Dictionary(uniqueKeysWithValues: Analysis.allCases.map { ($0.view, try rows($0.view)) })
    }

    private func storeTotals() throws {
        for (day, trips) in Dictionary(grouping: trips, by: { zone.localDay(ofMs: $0.timeMs) }) {
            let words = [\RawTrip.fare, \.tips, \.total].flatMap { path in
                let values = trips.compactMap { $0[keyPath: path] }
                return [values.reduce(0, +), Int64(values.count)]
            }
            try connection.prepare("INSERT OR REPLACE INTO stored_tripstotal VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .run([.integer(Int64(day)), .integer(Int64(trips.count))] + words.map { .integer($0) })
        }
    }

    private func store(_ table: String, sizeMs: Int64, everyMs: Int64, _ groups: ([RawTrip]) throws -> String?) throws {
        var windows: [EventTime: [RawTrip]] = [:]
        for trip in trips {
            var start = floorDivide(trip.timeMs, everyMs) * everyMs
            while start > trip.timeMs - sizeMs {
                windows[start, default: []].append(trip)
                start -= everyMs
            }
        }
        for (start, trips) in windows {
            guard let groups = try groups(trips) else { continue }
            let closed: Int64 = start + sizeMs <= watermarkMs ? 1 : 0
            let before = try connection.rows(
                "SELECT groups, closed FROM \(table) WHERE window_start_ms = ?", .integer(start)
            ) { ($0.text(0), $0.integer(1)) }
            if let before = before.first, before == (groups, closed) { continue }
            try connection.execute(
                "INSERT OR REPLACE INTO \(table) VALUES (?, ?, ?)", .integer(start), .integer(closed), .text(groups))
            try connection.execute(
                "INSERT OR IGNORE INTO changed_days VALUES (?)", .integer(Int64(zone.localDay(ofMs: start))))
        }
    }

    private func fareGroups(_ trips: [RawTrip]) -> String? {
        let byBucket = Dictionary(grouping: trips.compactMap(\.fare)) { FareBucket.index(ofCents: $0) }
        guard !byBucket.isEmpty else { return nil }
        let pairs = byBucket.sorted { $0.key < $1.key }.map { "\"\($0)\":[\($1.count),\($1.reduce(0, +)),\($1.count)]" }
        return "{\(pairs.joined(separator: ","))}"
    }

    private func counts(_ ids: [Int64]) -> String? {
        guard !ids.isEmpty else { return nil }
        let pairs = Dictionary(grouping: ids) { $0 }.sorted { $0.key < $1.key }.map { "\"\($0)\":\($1.count)" }
        return "{\(pairs.joined(separator: ","))}"
    }

    private func locationID(_ text: String) throws -> Int64 {
        if let id = locationIDs[text] { return id }
        let id = Int64(locationIDs.count) + 1
        try connection.execute("INSERT INTO keys_hotspotwindow VALUES (?, ?)", .integer(id), .text(text))
        locationIDs[text] = id
        return id
    }
}

extension RawTrip {
    /// Trips at random times of `days`, with few places (so that ranks tie), nulls, zero and negative fares.
    static func random(_ count: Int, on days: [Int], zone: ZoneClock, using random: inout SplitMix64) -> [RawTrip] {
        (0..<count).map { _ in
            let day = days.randomElement(using: &random)!
            let time = Int64.random(
                in: zone.startMs(ofLocalDay: day)..<zone.startMs(ofLocalDay: day + 1), using: &random)
            func sometimes<Value>(_ value: Value) -> Value? {
                Int.random(in: 0..<10, using: &random) == 0 ? nil : value
            }
            let fare: Cents =
                switch Int.random(in: 0..<20, using: &random) {
                case 0: 0
                case 1: -Int64.random(in: 1...500, using: &random)
                case 2: Int64.random(in: 1...1_000_000, using: &random)
                default: Int64.random(in: 325...6000, using: &random)
                }
            let place = Int.random(in: 1...14, using: &random)
            return RawTrip(
                timeMs: time, area: sometimes(Int64(place)),
                location: sometimes("POINT (-87.\(place * 7 % 15) 41.\(place))"), fare: sometimes(fare),
                tips: sometimes(Int64.random(in: 0...900, using: &random)),
                total: sometimes(fare + Int64.random(in: 0...2000, using: &random)))
        }
    }
}
