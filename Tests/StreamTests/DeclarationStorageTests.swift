import Basics
import Problems
import SQLite
import Stream
import Testing
import Time
import Trips

@Suite struct DeclarationStorageTests {
    private let zone = try! ZoneClock(identifier: "America/Chicago")

    /// A database with what the views read besides, and the storage of these queries.
    private func database(_ plans: [QueryPlan], zone: ZoneClock? = nil) throws -> Connection {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE zone_offsets (from_ms INTEGER PRIMARY KEY, offset_s INTEGER NOT NULL)")
        for stretch in (zone ?? self.zone).stretches {
            try connection.execute(
                "INSERT INTO zone_offsets VALUES (?, ?)", .integer(stretch.fromMs),
                .integer(Int64(stretch.offsetSeconds)))
        }
        try connection.execute(
            "CREATE TABLE fare_buckets (bucket INTEGER PRIMARY KEY, fare_from REAL, fare_to REAL, middle_cents REAL)")
        for bucket: Int64 in -400...700 {
            let (from, to) = FareBucket.dollars(of: bucket)
            try connection.execute(
                "INSERT INTO fare_buckets VALUES (?, ?, ?, ?)", .integer(bucket), .real(from), .real(to),
                .real(FareBucket.middle(of: bucket)))
        }
        for plan in plans { try plan.installStorage(on: connection) }
        return connection
    }

    private func rows(_ sql: String, in connection: Connection) throws -> [[SQLValue]] {
        try connection.rows(sql) { row in (0..<row.columnCount).map { row.value($0) } }
    }

    private func columns(of view: String, in connection: Connection) throws -> [String] {
        let statement = try connection.prepare("SELECT * FROM \(view)")
        return (0..<statement.columnCount).map { statement.columnName($0) }
    }

    private func own(_ lines: String) throws -> QueryPlan {
        try #require(try QueryCatalog.parse("queries:\n  - name: own\n\(lines)", file: "f").first)
    }

    @Test func theDefaultViewsHaveTheirPublicColumns() throws {
        let connection = try database(try QueryCatalog.load())
        let expected = [
            "sumfarewindow": "window_start window_end trips total_fare tips_fare total_trip_total",
            "tripstotal": "day trips_total fare_total tips_avg trip_total_avg",
            "hotspotcommunitywindow": "window_start window_end pickup_community_area count",
            "hotspotwindow": "window_start window_end pickup_centroid_location count",
            "faredistribution": "window_start window_end bucket fare_from fare_to trips total_fare",
        ]
        for (view, names) in expected {
            #expect(try columns(of: view, in: connection).joined(separator: " ") == names)
        }
    }

    @Test func theDefaultTablesAreWhatTheBatchReads() throws {
        let connection = try database(try QueryCatalog.load())
        let expected = [
            "stored_sumfarewindow":
                "window_start_ms closed trips total_fare_sum total_fare_n tips_fare_sum tips_fare_n total_trip_total_sum total_trip_total_n",
            "stored_tripstotal":
                "group_id trips_total fare_total_sum fare_total_n tips_avg_sum tips_avg_n trip_total_avg_sum trip_total_avg_n",
            "stored_hotspotcommunitywindow": "window_start_ms closed groups",
            "stored_hotspotwindow": "window_start_ms closed groups",
            "stored_faredistribution": "window_start_ms closed groups",
            "keys_hotspotwindow": "id pickup_centroid_location",
        ]
        for (table, names) in expected {
            #expect(try columns(of: table, in: connection).joined(separator: " ") == names)
        }
        #expect(try connection.value("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")?.integer == 8)
    }

    //  2024-11-03 in Chicago: 06:30Z is 01:30 CDT, 07:30Z is 01:30 again, CST
    @Test func windowTimesHaveTheOffsetOfTheirInstant() throws {
        let connection = try database(try QueryCatalog.load())
        for time in [1_730_615_400_000, 1_730_619_000_000, 1_710_057_595_000, 1_705_952_700_000] {
            try connection.execute(
                "INSERT INTO stored_sumfarewindow VALUES (?, 0, 1, 24250, 1, 0, 0, -5, 1)", .integer(Int64(time)))
        }
        #expect(
            try rows("SELECT window_start, window_end FROM sumfarewindow", in: connection) == [
                ["2024-01-22T13:45:00.000-06:00", "2024-01-22T13:45:05.000-06:00"],
                ["2024-03-10T01:59:55.000-06:00", "2024-03-10T03:00:00.000-05:00"],
                ["2024-11-03T01:30:00.000-05:00", "2024-11-03T01:30:05.000-05:00"],
                ["2024-11-03T01:30:00.000-06:00", "2024-11-03T01:30:05.000-06:00"],
            ])
        #expect(
            try rows("SELECT trips, total_fare, tips_fare, total_trip_total FROM sumfarewindow LIMIT 1", in: connection)
                == [[1, .real(242.5), .null, .real(-0.05)]])
    }

    @Test func aDaysRowHasExactAveragesHalfUp() throws {
        let connection = try database(try QueryCatalog.load())
        // tips: 1001 cents over 2 trips are 5.005; trip_total: -1001 over 2, then 2 over 3.
        try connection.execute("INSERT INTO stored_tripstotal VALUES (19826, 2, 35046695, 2, 1001, 2, -1001, 2)")
        try connection.execute("INSERT INTO stored_tripstotal VALUES (19827, 3, -7, 3, 0, 0, 2, 3)")
        #expect(
            try rows("SELECT * FROM tripstotal", in: connection) == [
                ["2024-04-13", 2, .real(350_466.95), .real(5.01), .real(-5.01)],
                ["2024-04-14", 3, .real(-0.07), .null, .real(0.01)],
            ])
    }

    @Test func packedGroupsUnfoldAndOnlyClosedWindowsShow() throws {
        let connection = try database(try QueryCatalog.load())
        try connection.execute(
            """
            INSERT INTO stored_hotspotcommunitywindow VALUES (1705952700000, 1, '{"8": 12, "32": 3}'), (1705952730000, 0, '{"8": 1}');
            INSERT INTO keys_hotspotwindow VALUES (1, 'POINT (-87.6 41.9)'), (2, 'POINT (-87.7 41.8)');
            INSERT INTO stored_hotspotwindow VALUES (1705952700000, 1, '{"2": 5}');
            INSERT INTO stored_faredistribution VALUES (1705950000000, 1, '{"-1": [2, 0, 2], "173": [3, 3000, 3], "-2": [1, -50, 1]}');
            """)
        #expect(
            try rows("SELECT * FROM hotspotcommunitywindow ORDER BY count", in: connection) == [
                ["2024-01-22T13:45:00.000-06:00", "2024-01-22T13:46:00.000-06:00", 32, 3],
                ["2024-01-22T13:45:00.000-06:00", "2024-01-22T13:46:00.000-06:00", 8, 12],
            ])
        #expect(
            try rows("SELECT pickup_centroid_location, count FROM hotspotwindow", in: connection) == [
                ["POINT (-87.7 41.8)", 5]
            ])
        let (from, to) = FareBucket.dollars(of: 173)
        #expect(
            try rows(
                "SELECT bucket, fare_from, fare_to, trips, total_fare FROM faredistribution ORDER BY bucket",
                in: connection)
                == [
                    [-2, .real(-0.01), .real(FareBucket.dollars(of: -2).to), 1, .real(-0.5)],
                    [-1, .real(0), .real(0), 2, .real(0)],
                    [173, .real(from), .real(to), 3, .real(30)],
                ])
    }

    @Test func localDaysEndWhereTheNextBegins() throws {
        let plan = try own("    window: {tumbling: day}\n    aggregates: {n: count()}\n    emit: update\n")
        for name in ["America/Chicago", "UTC", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Africa/Cairo"] {
            let zone = try ZoneClock(identifier: name)
            let connection = try database([plan], zone: zone)
            let days = Calendar.day(year: 2023, month: 1, day: 1)..<Calendar.day(year: 2025, month: 1, day: 1)
            for day in days {
                try connection.execute(
                    "INSERT INTO stored_own VALUES (?, 0, 1)", .integer(zone.startMs(ofLocalDay: day)))
            }
            let found = try rows("SELECT window_start, window_end FROM own", in: connection)
            let expected = days.map { day -> [SQLValue] in
                [
                    .text(zone.iso(ms: zone.startMs(ofLocalDay: day))),
                    .text(zone.iso(ms: zone.startMs(ofLocalDay: day + 1))),
                ]
            }
            #expect(found == expected, "\(name)")
        }
    }

    @Test func everyAggregateShowsInItsUnit() throws {
        let plan = try own(
            """
                group: [company, pickup_community_area, day, hour, fare_bucket]
                window: {tumbling: 1h}
                aggregates:
                  trips: count()
                  tipped: count(tips)
                  fares: sum(fare)
                  miles: sum(trip_miles)
                  seconds: avg(trip_seconds)
                  mean_miles: avg(trip_miles)
                  latitude: avg(pickup_centroid_latitude)
                  cheapest: min(fare)
                  longest: max(trip_miles)
                  slowest: max(trip_seconds)
                  p50: quantile(fare, 0.5)
                  spread: stddev(fare)
                  uneven: stddev(trip_miles)
                  taxis: distinct(taxi_id)
                emit: update
            """)
        let connection = try database([plan])
        try connection.execute(
            """
            INSERT INTO keys_own VALUES (7, 'O''Hare', 8, 19826, 23, 173);
            INSERT INTO stored_own VALUES (1705950000000, 0,
              '{"7": [3, 2, 1050, 3, 3500000, 2, 11, 8, 11000000, 8, 83790000, 2, null, 1250000, 900, {"100": 1, "173": 2}, 125, 3, 0, 1050, 0, 370000, null, 1, 0, 1250000, 0, 1562500000000, 1, "-----------"]}');
            """)
        let estimate = FareBucket.middle(of: 173).rounded() / 100
        #expect(
            try rows("SELECT * FROM own", in: connection) == [
                [
                    "2024-01-22T13:00:00.000-06:00", "2024-01-22T14:00:00.000-06:00", "O'Hare", 8, "2024-04-13", 23,
                    173,
                    .real(FareBucket.dollars(of: 173).from), .real(FareBucket.dollars(of: 173).to), 3, 2,
                    .real(10.5), .real(3.5), .real(1.38), .real(1.38), .real(41.895), .null, .real(1.25), 900,
                    .real(estimate), .real(1.25), .null, 1,
                ]
            ])
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func viewsAndMessagesGiveTheSameNumbers(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let plan = try own(
            """
                aggregates:
                  a: sum(fare)
                  b: avg(fare)
                  c: avg(trip_seconds)
                  d: avg(trip_miles)
                  e: avg(dropoff_centroid_longitude)
                  f: min(tips)
                  g: max(trip_miles)
                  k: stddev(fare)
                  l: stddev(dropoff_centroid_longitude)
                  h: quantile(fare, 0.9)
                  i: quantile(trip_seconds, 0.0)
                  j: quantile(trip_miles, 1)
            """)
        let connection = try database([plan])
        for id in 0..<200 {
            var words: [Int64] = []
            for aggregate in plan.aggregates where !aggregate.hasHistogram {
                let sum = Int64.random(in: -5_000_000...5_000_000, using: &random)
                switch aggregate.words {
                case 2: words += [sum, Int64.random(in: 0...12, using: &random)]
                case 6: words += [sum % 7 == 0 ? nullCell : abs(sum), 5, 0, 1, 0, 2]
                default: words.append(sum % 7 == 0 ? nullCell : sum)
                }
            }
            let histograms = (0..<3).map { _ in
                Set(
                    (0..<Int.random(in: 0...6, using: &random)).map { _ in Int64.random(in: -300...600, using: &random)
                    }
                )
                .sorted().map { (bucket: $0, count: Int64.random(in: 1...5, using: &random)) }
            }
            let jsons = histograms.map {
                "{" + $0.map { "\"\($0.bucket)\": \($0.count)" }.joined(separator: ", ") + "}"
            }
            let values = words.map { $0 == nullCell ? "NULL" : "\($0)" } + jsons.map { "'\($0)'" }
            try connection.execute("INSERT INTO stored_own VALUES (\(id), \(values.joined(separator: ", ")))")
            let row = try rows("SELECT * FROM own", in: connection)[0]
            var (index, histogram) = (0, 0)
            for (aggregate, shown) in zip(plan.aggregates, row) {
                if aggregate.hasHistogram {
                    let expected = aggregate.result(histogram: histograms[histogram])
                    #expect((shown.real == nil) == (expected == nil))
                    if let expected {
                        #expect(abs(shown.real! - expected) < 1e-9, "\(aggregate.name) \(jsons[histogram])")
                    }
                    histogram += 1
                } else {
                    let result = words[index...].withUnsafeBufferPointer { aggregate.result(words: $0.baseAddress!) }
                    let places = (0..<aggregate.decimals).reduce(1.0) { power, _ in power * 10 }
                    #expect(shown.real == result.map { Double($0) / places }, "\(aggregate.name) \(words)")
                    index += aggregate.words
                }
            }
            try connection.execute("DELETE FROM stored_own")
        }
    }

    @Test func aQuantileIsWithinHalfAPercent() throws {
        var random = SplitMix64(seed: 5)
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let fares = (0..<1000).map { _ in Int64.random(in: -2_000...40_000, using: &random) }.sorted()
            let counts = fares.reduce(into: [Int64: Int64]()) { $0[FareBucket.index(ofCents: $1), default: 0] += 1 }
            let plan = AggregatePlan(name: "q", function: .quantile(share), field: .fare)
            let histogram = counts.sorted { $0.key < $1.key }.map { (bucket: $0.key, count: $0.value) }
            let truth = Double(fares[max(0, Int((share * 1000).rounded()) - 1)]) / 100
            let estimate = try #require(plan.result(histogram: histogram))
            #expect(abs(estimate - truth) <= abs(truth) * 0.005 + 0.005 + 1e-9)
        }
    }

    @Test func installingTwiceKeepsRowsAndRenewsTheView() throws {
        let plan = try own("    window: {tumbling: 1h}\n    aggregates: {n: count()}\n    emit: update\n")
        let connection = try database([plan])
        try connection.execute("INSERT INTO stored_own VALUES (0, 0, 5)")
        try plan.installStorage(on: connection)
        #expect(try connection.value("SELECT n FROM own")?.integer == 5)
        var closedOnly = plan
        closedOnly.emit = .append
        try closedOnly.installStorage(on: connection)
        #expect(try connection.value("SELECT count(*) FROM own")?.integer == 0)
        try plan.removeStorage(from: connection)
        #expect(try connection.value("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%own%'")?.integer == 0)
    }

    @Test func wordsOfSQLAreNamesLikeOthers() throws {
        let plan = try #require(
            try QueryCatalog.parse(
                "queries:\n  - {name: order, group: [company], aggregates: {select: count(), group: max(fare)}}\n",
                file: "f"
            ).first)
        let connection = try database([plan])
        try connection.execute("INSERT INTO keys_order VALUES (1, 'x'); INSERT INTO stored_order VALUES (1, 2, 500)")
        #expect(try rows("SELECT * FROM \"order\"", in: connection) == [["x", 2, .real(5)]])
    }
}
