import Database
import Foundation
import Problems
import Reports
import SQLite
import Time
import Trips

/// Where trips began in a quarter of an hour of event time: by community area and by location.
struct MapFrame: Encodable {
    struct Area: Encodable {
        var count: Int64
        /// 0 to 5: fifths of the greatest count, by its logarithm.
        var shade: Int
    }
    struct Place: Encodable { var x, y, r: Double }

    static let spanMs: EventTime = 900_000
    static let width = 420.0
    static let height = 520.0
    static let projection = CityProjection(x: 4, y: 4, width: width - 8, height: height - 8)

    /// When it ends, in the tenant's zone.
    var time: String
    var endMs: EventTime
    /// By number; areas without a trip are left out.
    var areas: [String: Area]
    var places: [Place]
    /// The areas with the most trips: name and count.
    var top: [[String]]

    /// First and last end of a frame that has trips; nil where there are none.
    static func range(on connection: Connection) throws -> ClosedRange<EventTime>? {
        guard try connection.hasTable("stored_hotspotcommunitywindow"),
            let first = try connection.integer(
                "SELECT min(window_start_ms) AS window_start_ms FROM stored_hotspotcommunitywindow", in: .times),
            let last = try connection.integer(
                "SELECT max(window_start_ms) AS window_start_ms FROM stored_hotspotcommunitywindow", in: .times)
        else { return nil }
        return first + 60_000...last + 60_000
    }

    /// - Parameter endMs: ms UTC; windows of the 15 minutes before it count. They overlap, so only those of whole minutes do.
    init(on connection: Connection, endMs: EventTime, _ clock: ZoneClock) throws {
        self.endMs = endMs
        let windows: [SQLValue] = [.integer(endMs - Self.spanMs), .integer(endMs)]
        func counts(_ sql: String) throws -> [(name: String, count: Int64)] {
            let statement = try connection.prepare(sql)
            try statement.bind(windows)
            var rows: [(name: String, count: Int64)] = []
            while try statement.step() {
                rows.append((try statement.storedText(0), try statement.integer(1, in: .counts)))
            }
            return rows
        }
        let taken = "w.window_start_ms >= ?1 AND w.window_start_ms < ?2 AND w.window_start_ms % 60000 = 0"
        let areaCounts = try counts(
            """
            SELECT CAST(g.key AS TEXT) AS area, sum(g.value) AS count FROM stored_hotspotcommunitywindow AS w, json_each(w.groups) AS g
            WHERE \(taken) GROUP BY g.key ORDER BY 2 DESC, CAST(g.key AS INTEGER)
            """)
        let greatest = Double(areaCounts.first?.count ?? 1)
        areas = Dictionary(
            uniqueKeysWithValues: areaCounts.map { name, count in
                let share = log(Double(count) + 1) / log(greatest + 1)
                return (name, Area(count: count, shade: max(1, min(5, Int((share * 5).rounded(.up))))))
            })
        top = areaCounts.prefix(12).map { [Self.name(ofArea: $0.name), "\($0.count)"] }
        let placeCounts =
            try connection.hasTable("keys_hotspotwindow")
            ? counts(
                """
                SELECT k.pickup_centroid_location AS place, sum(g.value) AS count FROM stored_hotspotwindow AS w, json_each(w.groups) AS g
                CROSS JOIN keys_hotspotwindow AS k WHERE k.id = CAST(g.key AS INTEGER) AND \(taken) GROUP BY k.id ORDER BY 2 DESC LIMIT 200
                """) : []
        places = placeCounts.compactMap { text, count in
            guard let point = Self.point(text) else { return nil }
            let (x, y) = Self.projection.place(longitude: point.longitude, latitude: point.latitude)
            guard (0...Self.width).contains(x), (0...Self.height).contains(y) else { return nil }
            func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
            return Place(x: rounded(x), y: rounded(y), r: rounded(min(16, 1.5 + Double(count).squareRoot() * 1.2)))
        }
        time = "\(Shown.time(clock.iso(ms: endMs - Self.spanMs))) to \(Shown.time(clock.iso(ms: endMs)).suffix(8))"
    }

    static func name(ofArea number: String) -> String { Int(number).map { CommunityArea.name(of: $0) } ?? number }

    /// Of `POINT (-87.6251921424 41.8788655841)`.
    private static func point(_ text: String) -> (longitude: Double, latitude: Double)? {
        let numbers = text.split { !"-.0123456789".contains($0) }.compactMap { Double($0) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }

    var svg: String {
        var svg =
            "<svg class=\"map\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"Pickups by community area, \(escaped(time))\">"
        for number in 1...77 {
            let area = areas["\(number)"]
            let name = Self.name(ofArea: "\(number)")
            svg +=
                "<path class=\"s\(area?.shade ?? 0)\" data-area=\"\(number)\" data-name=\"\(name)\" d=\"\(Self.projection.outline(ofArea: number))\"><title>\(name): \(area?.count ?? 0)</title></path>"
        }
        svg += "<g class=\"places\">"
        for place in places { svg += "<circle cx=\"\(place.x)\" cy=\"\(place.y)\" r=\"\(place.r)\"/>" }
        return svg + "</g></svg>"
    }
}
