import CommandSupport
import Foundation
import SQLite
import Testing

/// File → topic → queries → views → analytics, compared cell by cell with a plain reference that reads the same trips as JSON.
@Suite struct EndToEndTests {
    /// How a topic is filled and read; the results must not tell.
    struct Way: Sendable, CustomTestStringConvertible {
        var partitions: Int
        var workers: Int
        var testDescription: String { "\(partitions) partitions, \(workers) workers" }
    }
    static let ways = [
        Way(partitions: 1, workers: 1), Way(partitions: 1, workers: 2), Way(partitions: 4, workers: 1),
        Way(partitions: 4, workers: 2),
    ]

    /// A week over the spring change of clocks, spread over its quarter-hours so that windows of 5 s differ.
    @Test func everyPartitionAndWorkerCountGivesTheReferencesRows() throws {
        let source = try TaxiCLI()
        try source.succeed(
            "data", "generate", "--rows", "5000", "--seed", "7", "--from", "2024-03-08", "--to", "2024-03-14",
            "trips.csv")
        let time = ["--max", "--clock", "start", "--spread", "uniform", "--seed", "3"]
        let lines = try source.start(["produce", "trips.csv", "--dry-run"] + time).wait().output
        let expected = ReferenceQueries(trips: try JSONTrip.read(lines)).views()

        var first: (contents: [String: [String]], csv: [String])?
        for way in Self.ways {
            let taxi = try TaxiCLI()
            let produced = try taxi.start(
                ["produce", source("trips.csv"), "--partitions", "\(way.partitions)"] + time
            ).wait()
            #expect(produced.code == 0, "\(way): \(produced.errors)")
            try taxi.succeed("stream", "--until-end", "--workers", "\(way.workers)")
            for (view, key) in Self.keys {
                expectSameRows(
                    try taxi.query("SELECT * FROM \(view)"), expected[view] ?? [], "\(view), \(way)", key: key)
            }
            let csv = try Self.keys.keys.sorted().map {
                try taxi.succeed("show", $0, "--format", "csv").lines.sorted().joined(separator: "\n")
            }
            let contents = try taxi.contents()
            #expect(first == nil || first?.contents == contents, "the views of \(way) differ in their bytes")
            #expect(first == nil || first?.csv == csv, "what show prints of \(way) differs")
            first = first ?? (contents, csv)
        }

        let direct = try TaxiCLI()
        let streamed = try direct.start(["stream", "--input", source("trips.csv")] + time.dropFirst()).wait()
        #expect(streamed.code == 0, "\(streamed.errors)")
        #expect(try direct.contents() == first?.contents, "a file read without a topic gives other views")
    }

    @Test func aYearOfGeneratedTripsGivesTheReferencesRows() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20000", "--seed", "7", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        let lines = try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--dry-run").output
        try expectReference(taxi, JSONTrip.read(lines))
    }

    @Test func fifteenMonthsOfAnalyticsAreThoseOfTheRawTrips() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "6000", "--seed", "11", "--from", "2022-11-15", "--to", "2024-02-10",
            "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        let lines = try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--dry-run").output
        let reference = ReferenceAnalytics(trips: try JSONTrip.read(lines))

        // kind, period, trips, 6 sums and means, then the percentiles: the buckets promise 2 %, and cents round.
        expectSameRows(
            try taxi.query("SELECT * FROM fare_trend"), reference.fareTrend(), "fare_trend", key: 2, loose: 9..<15,
            tolerance: 0.022)
        expectSameRows(
            try taxi.query("SELECT * FROM accumulated_metrics"), reference.accumulated(), "accumulated_metrics", key: 2)
        let named = try taxi.query("SELECT DISTINCT pickup_community_area, area_name FROM area_hotspots")
        let names = Dictionary(uniqueKeysWithValues: named.map { ($0[0].integer ?? 0, $0[1].text ?? "") })
        #expect(names[8] == "Near North Side")
        #expect(names[32] == "Loop")
        expectSameRows(
            try taxi.query("SELECT * FROM area_hotspots"), reference.areaHotspots(names: names), "area_hotspots", key: 3
        )
        expectSameRows(
            try taxi.query("SELECT * FROM location_hotspots"), reference.locationHotspots(), "location_hotspots", key: 3
        )

        // Once more over nothing new: the same rows.
        let views = ["fare_trend", "accumulated_metrics", "area_hotspots", "location_hotspots"]
        let before = try taxi.contents(of: views)
        try taxi.succeed("batch", "all", "--period", "all")
        #expect(try taxi.contents(of: views) == before)
    }

    @Test func twoRealDaysGiveTheReferencesRows() throws {
        let days = ["03-01", "04-01"].compactMap { sharedFile("data/chicago/portal23-2022-\($0)-full-day.csv.gz") }
        guard days.count == 2 else { return }
        let taxi = try TaxiCLI()
        let pace = ["--max", "--clock", "start"]
        #expect(try taxi.start(["produce"] + days + pace).wait().code == 0)
        try taxi.succeed("stream", "--until-end")
        let trips = try JSONTrip.read(try taxi.start(["produce", "--dry-run"] + days + pace).wait().output)
        #expect(trips.count == 14_636 + 19_456)
        try expectReference(taxi, trips)

        // Against what pandas counted in the files (SOURCES.md): starts by hour of the day, and the busiest areas.
        let hours: [String: [Int64]] = [
            "2022-03-01": [
                206, 149, 82, 36, 55, 88, 226, 507, 819, 870, 862, 854, 875, 883, 959, 1034, 1128, 1197, 1087, 924, 682,
                490,
                355, 268,
            ],
            "2022-04-01": [
                389, 232, 132, 80, 91, 179, 331, 588, 760, 898, 1014, 1132, 1230, 1225, 1262, 1318, 1244, 1420, 1448,
                1319,
                1043, 851, 682, 588,
            ],
        ]
        for (day, counts) in hours {
            let found = try taxi.query(
                """
                SELECT substr(window_start, 12, 2), sum(trips) FROM sumfarewindow WHERE window_start LIKE '\(day)%'
                GROUP BY 1 ORDER BY 1
                """)
            #expect(found.map { $0[1].integer } == counts, "trips by hour of \(day)")
        }
        try taxi.succeed("batch", "area-hotspots", "--by", "month")
        let busiest = try taxi.query(
            "SELECT pickup_community_area, pickups FROM area_hotspots WHERE period = '2022-04' ORDER BY rank LIMIT 6")
        #expect(
            busiest == [[8, 4610], [32, 3308], [76, 2509], [28, 1696], [6, 759], [33, 658]] as [[SQLValue]])
    }

    @Test func theOracleFindsTheSameWindows() throws {
        guard let oracle = sharedFile("oracle/oracle.py") else { return }
        let taxi = try TaxiCLI()
        guard try taxi.shell("python3 --version").code == 0 else { return print("skipped: there is no python3") }
        try taxi.succeed(
            "data", "generate", "--rows", "4000", "--seed", "5", "--from", "2024-06-01", "--to", "2024-06-02",
            "trips.csv")
        let files = ["trips.csv", sharedFile("data/chicago/portal23-2022-03-01-full-day.csv.gz")].compactMap { $0 }
        let time = ["--max", "--clock", "start", "--spread", "uniform"]
        #expect(try taxi.start(["produce"] + files + time).wait().code == 0)
        try taxi.succeed("stream", "--until-end")
        let lines = try taxi.start(["produce", "--dry-run"] + files + time).wait().output
        try lines.write(to: URL(fileURLWithPath: taxi("trips.jsonl")))
        #expect(try taxi.shell("python3 '\(oracle)' trips.jsonl --out-dir oracle").code == 0)

        let clock = ISO8601DateFormatter()
        clock.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        let zone = Chicago()
        // Query 2 is left out: its day is UTC's there.
        for (query, view, columns) in [
            ("q1", "sumfarewindow", ["total_fare", "tips_fare", "total_trip_total"]),
            ("q3", "hotspotcommunitywindow", ["pickup_community_area", "count"]),
            ("q4", "hotspotwindow", ["pickup_centroid_location", "count"]),
        ] {
            let text = try String(contentsOfFile: taxi("oracle/\(query).jsonl"), encoding: .utf8)
            let expected = try text.split(separator: "\n").map { line -> [SQLValue] in
                let object = try jsonObject(String(line))
                let window = object["window"] as? [String: String] ?? [:]
                let times = try [window["start"], window["end"]].map { text -> SQLValue in
                    .text(zone.iso(try #require(clock.date(from: text ?? "")).milliseconds))
                }
                return times
                    + columns.map { name in
                        switch object[name] {
                        case let text as String: .text(text)
                        case let number as NSNumber:
                            name.hasPrefix("to") || name.hasPrefix("ti")
                                ? .real(number.doubleValue) : .integer(number.int64Value)
                        default: .null
                        }
                    }
            }
            let names = (["window_start", "window_end"] + columns).joined(separator: ", ")
            expectSameRows(try taxi.query("SELECT \(names) FROM \(view)"), expected, "\(view) against \(query)", key: 3)
        }
    }

    /// How many leading columns tell the rows of a view apart.
    static let keys = [
        "sumfarewindow": 2, "tripstotal": 1, "hotspotcommunitywindow": 3, "hotspotwindow": 3, "faredistribution": 3,
    ]

    private func expectReference(_ taxi: TaxiCLI, _ trips: [JSONTrip]) throws {
        for (view, rows) in ReferenceQueries(trips: trips).views() {
            expectSameRows(try taxi.query("SELECT * FROM \(view)"), rows, view, key: Self.keys[view] ?? 1)
        }
    }
}
