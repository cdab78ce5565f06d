import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Batch

/// Sums that leave 64 bits are found where they are added up, whatever the stored numbers are.
@Suite struct OverflowTests {
    private let march = Calendar.day(year: 2024, month: 3, day: 4)

    private func stored(days: Int = 3) throws -> StoredTrips {
        let stored = try StoredTrips()
        try stored.add(
            (0..<days).map { day in
                RawTrip(
                    timeMs: stored.zone.startMs(ofLocalDay: march + day) + 1000, area: 8, location: "here", fare: 1000,
                    tips: 100, total: 1200)
            })
        return stored
    }

    private func problem(_ stored: StoredTrips, _ analyses: [Analysis] = Analysis.allCases) -> Problem? {
        #expect(throws: Problem.self) { try stored.runner().run(analyses: analyses, periods: .all) }
    }

    /// One day of two trillion dollars is strange, and no reason to compute nothing ever again.
    @Test func aGreatSumIsASumLikeOthers() throws {
        let stored = try stored()
        try stored.connection.execute(
            "UPDATE stored_tripstotal SET fare_total_sum = 200000000000000 WHERE group_id = \(march)")
        try stored.connection.execute(
            "UPDATE stored_faredistribution SET groups = '{\"700\":[1,9000000000000000000,1]}' WHERE window_start_ms = \(stored.zone.startMs(ofLocalDay: march))"
        )
        _ = try stored.runner().run(periods: .all)
        #expect(
            try stored.connection.value("SELECT fare_sum FROM fare_trend WHERE period = '2024-03'")
                == .real(2_000_000_000_020))
    }

    @Test(arguments: [
        ("fare_total_sum", "fare_sum of 2024-03 in fare_trend"),
        ("tips_avg_sum", "tips_sum of 2024-03 in fare_trend"),
        ("trip_total_avg_sum", "total_sum of 2024-03 in fare_trend"),
    ])
    func aMonthThatLeaves64BitsIsNamed(column: String, says: String) throws {
        for extreme in ["9223372036854775807", "-9223372036854775808"] {
            let stored = try stored()
            try stored.connection.execute("UPDATE stored_tripstotal SET \(column) = \(extreme)")
            let found = problem(stored)
            #expect(found?.code == .badData)
            #expect(found?.message == "\(says) leaves 64 bits")
        }
    }

    @Test(arguments: ["9223372036854775807", "-1", "-9223372036854775808"])
    func aDayWithACountThatThereCannotBeIsNamed(count: String) throws {
        let stored = try stored()
        try stored.connection.execute("UPDATE stored_tripstotal SET trips_total = \(count)")
        let found = problem(stored)
        #expect(found?.code == .badData)
        #expect(found?.message.contains("table stored_tripstotal, column trips_total (group_id ") == true)
    }

    @Test func aRunningTotalThatLeaves64BitsIsNamed() throws {
        let stored = try stored(days: 40)
        try stored.connection.execute(
            "UPDATE stored_tripstotal SET fare_total_sum = 9223372036854700000 WHERE group_id = \(march) OR group_id = \(march + 39)"
        )
        #expect(
            problem(stored, [.accumulated])?.message == "fare_in_year of 2024-04 in accumulated_metrics leaves 64 bits")
    }

    @Test func aMeanOfTheGreatestSumIsExact() throws {
        let stored = try stored(days: 1)
        try stored.connection.execute(
            "UPDATE stored_tripstotal SET fare_total_sum = 9223372036854775807, fare_total_n = 2")
        _ = try stored.runner().run(analyses: [.fareTrend], periods: .all)
        #expect(
            try stored.connection.value("SELECT fare_mean FROM batch_fare_trend WHERE period = '2024-03'")
                == .integer(4_611_686_018_427_387_904))
    }

    @Test(arguments: [
        (StoredWindows.Source.areas, "SELECT 8", "in stored_hotspotcommunitywindow on 2024-03-04"),
        (.locations, "SELECT id FROM keys_hotspotwindow", "in stored_hotspotwindow on 2024-03-04"),
    ])
    func aDayThatLeaves64BitsIsNamed(source: StoredWindows.Source, sql: String, says: String) throws {
        let stored = try stored()
        let group = try #require(try stored.connection.value(sql)?.integer)
        let start = stored.zone.startMs(ofLocalDay: march)
        for minute in 0..<2 {
            try stored.connection.execute(
                "INSERT OR REPLACE INTO \(source.table) VALUES (\(start + Int64(minute) * 60_000), 1, '{\"\(group)\":9223372036854775807}')"
            )
        }
        let found = problem(stored)
        #expect(found?.code == .badData)
        #expect(found?.message.hasPrefix("the sum of pickups of group ") == true)
        #expect(found?.message.hasSuffix("\(says) leaves 64 bits") == true)
    }

    @Test func aDayOfMoreTripsThanThereCanBeIsNamed() throws {
        let stored = try stored()
        for day in 0..<2 {
            let start = stored.zone.startMs(ofLocalDay: march + day)
            try stored.connection.execute(
                "INSERT OR REPLACE INTO stored_hotspotcommunitywindow VALUES (\(start), 1, '{\"8\":9223372036854775807}')"
            )
            try stored.connection.execute(
                "INSERT OR REPLACE INTO stored_faredistribution VALUES (\(start), 1, '{\"700\":[9223372036854775807,1,1]}')"
            )
        }
        let areas = problem(stored, [.areaHotspots])
        #expect(areas?.code == .badData)
        #expect(areas?.message.contains("table day_area, column pickups (day ") == true)
        let fares = problem(stored, [.fareTrend])
        #expect(fares?.code == .badData)
        #expect(fares?.message.contains("table day_fare, column trips (day ") == true)
    }

    @Test(arguments: ["9223372036854775807", "-1", "4000000"])
    func anAreaThatThereCannotBeIsNamed(area: String) throws {
        let stored = try stored()
        _ = try stored.runner().run(periods: .all)
        try stored.connection.execute("UPDATE day_area SET area = \(area); DELETE FROM rolled_months")
        let found = problem(stored, [.areaHotspots])
        #expect(found?.code == .badData)
        #expect(found?.message.contains("table day_area, column area (day ") == true)
        #expect(found?.message.contains("holds \(area) ") == true)
    }

    @Test func aSumOfAnAnalysisThatLeaves64BitsIsNamed() throws {
        let stored = try stored()
        try stored.connection.execute(
            "CREATE VIEW days AS SELECT date(group_id * 86400, 'unixepoch') AS day, 9223372036854775807 AS pickups FROM stored_tripstotal"
        )
        var options = BatchOptions()
        options.declared = [
            try DeclaredAnalysis.parse(
                """
                -- name: all_pickups
                -- columns: days, pickups
                SELECT count(*) AS days,
                  sum(pickups) AS pickups
                FROM days WHERE day >= :from AND day < :until
                """, file: "pickups.sql")
        ]
        let found = #expect(throws: Problem.self) {
            try stored.runner().run(analyses: [.accumulated], periods: .all, options: options)
        }
        #expect(found?.code == .badData)
        #expect(found?.message == "a sum in period 2024-03 leaves 64 bits: of pickups")
        #expect(found?.location?.line == 4)
    }
}
