import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Batch

/// Periods in which there is no trip do not exist: nothing computes, lists or counts them.
@Suite struct MonthsWithTripsTests {
    private static func day(_ year: Int, _ month: Int, _ day: Int) -> Int {
        Calendar.day(year: year, month: month, day: day)
    }

    private func trip(_ stored: StoredTrips, _ day: Int, seconds: Int64 = 10, fare: Cents = 1000) -> RawTrip {
        RawTrip(
            timeMs: stored.zone.startMs(ofLocalDay: day) + seconds * 1000, area: 8, location: "POINT (-87 41)",
            fare: fare, tips: 0, total: fare)
    }

    /// A declared analysis whose SELECT gives a row whatever the period holds.
    private func options(_ stored: StoredTrips) throws -> BatchOptions {
        var options = BatchOptions()
        options.declared = [
            try DeclaredAnalysis.parse(
                "-- name: days_out\n-- columns: days\nSELECT count(*) AS days FROM stored_tripstotal", file: "out.sql")
        ]
        return options
    }

    private func periods(_ stored: StoredTrips, _ view: String) throws -> [String] {
        try stored.rows(view).compactMap { $0[1].text }
    }

    //  2023-12-31 23:59:30 [the sliding window  2024-01-01 00:00:10 a trip  …  ]00:00:30     then nothing until 2094
    @Test func neitherGapsNorAWindowBeforeMidnightMakePeriods() throws {
        let stored = try StoredTrips()
        try stored.add([trip(stored, Self.day(2024, 1, 1)), trip(stored, Self.day(2094, 6, 2))])
        let summary = try stored.runner().run(periods: .all, options: options(stored))
        #expect(summary.periods["month"] == ["2024-01", "2094-06"])
        #expect(summary.periods["quarter"] == ["2024-Q1", "2094-Q2"])
        #expect(summary.periods["year"] == ["2024", "2094"])
        #expect(summary.daysRolledUp == 2)
        let all = ["2024-01", "2094-06", "2024-Q1", "2094-Q2", "2024", "2094"]
        #expect(try periods(stored, "days_out") == all)
        #expect(try periods(stored, "fare_trend") == all)
        #expect(try periods(stored, "area_hotspots") == all)
        // The note about the day before is of no use to anybody.
        #expect(try stored.connection.value("SELECT count(*) FROM changed_days WHERE day < ?", .integer(19_723)) == 0)
    }

    @Test func theChangeOverAGapIsNullAndRunningTotalsGoOn() throws {
        let stored = try StoredTrips()
        try stored.add(
            [(1, 1000), (3, 2000), (4, 500)].map { trip(stored, Self.day(2024, $0.0, 15), fare: $0.1) })
        _ = try stored.runner().run(periods: .all)
        let changes = try stored.connection.rows(
            "SELECT period, fare_sum_change FROM fare_trend WHERE period_kind = 'month'"
        ) { [$0.value(0), $0.value(1)] }
        #expect(changes == [["2024-01", nil], ["2024-03", nil], ["2024-04", -0.75]])
        let totals = try stored.connection.rows(
            "SELECT period, fare_in_year FROM accumulated_metrics WHERE period_kind = 'month'"
        ) { row throws(SQLiteError) in
            [row.value(0), row.value(1)]
        }
        #expect(totals == [["2024-01", 10.0], ["2024-03", 30.0], ["2024-04", 35.0]])
    }

    @Test func rowsOfAPeriodWhoseTripsAreGoneGoToo() throws {
        let stored = try StoredTrips()
        try stored.add([trip(stored, Self.day(2024, 1, 5)), trip(stored, Self.day(2024, 2, 5))])
        _ = try stored.runner().run(periods: .all, options: options(stored))
        // As a rewind leaves it.
        try stored.connection.execute(
            """
            DELETE FROM stored_tripstotal WHERE group_id > 19753;
            DELETE FROM stored_hotspotcommunitywindow WHERE window_start_ms > 1706767200000;
            DELETE FROM stored_hotspotwindow WHERE window_start_ms > 1706767200000;
            DELETE FROM stored_faredistribution WHERE window_start_ms > 1706767200000;
            INSERT OR IGNORE INTO changed_days VALUES (19758)
            """)
        let summary = try stored.runner().run(kinds: [.month], periods: .one(Period("2024")), options: options(stored))
        #expect(summary.periods["month"] == ["2024-01"])
        for view in ["fare_trend", "accumulated_metrics", "area_hotspots", "location_hotspots", "days_out"] {
            #expect(try !periods(stored, view).contains("2024-02"), "\(view)")
        }
        #expect(
            try stored.connection.value("SELECT trips FROM fare_trend WHERE period = '2024-01'")?.integer == 1)
    }

    /// Windows of an hour begin before the midnights of a zone with half an hour, and belong to the day of their start.
    @Test func anHourBeforeAHalfHourMidnightMakesNoMonth() throws {
        let stored = try StoredTrips(zone: "Asia/Kolkata")
        try stored.add([trip(stored, Self.day(2024, 3, 1))])
        #expect(try stored.runner().run(periods: .all).periods["month"] == ["2024-03"])
    }

    @Test func prunedWindowsStillMakeMonthsWhereNoDaysAreCounted() throws {
        let stored = try StoredTrips()
        try stored.add([trip(stored, Self.day(2024, 1, 5)), trip(stored, Self.day(2024, 6, 5))])
        try stored.connection.execute("DROP TABLE stored_tripstotal")
        var options = BatchOptions()
        options.retainMs = 30 * 86_400_000
        let first = try stored.runner().run(analyses: [.areaHotspots], periods: .all, options: options)
        #expect(first.windowsPruned > 0)
        #expect(first.daysNotPruned == 0)
        // The window that begins before midnight stays, since its day has no rollup: a late trip of it could be counted alone.
        let midnight = stored.zone.startMs(ofLocalDay: Self.day(2024, 1, 5))
        let left = try stored.connection.rows(
            "SELECT window_start_ms FROM stored_hotspotwindow WHERE window_start_ms < 1710000000000"
        ) { $0.integer(0) }
        #expect(left == [midnight - 30_000])
        let second = try stored.runner().run(analyses: [.areaHotspots], periods: .all)
        #expect(second.periods["month"] == ["2024-01", "2024-06"])
        #expect(
            try periods(stored, "area_hotspots").filter { $0.count == 7 && !$0.contains("Q") } == [
                "2024-01", "2024-06",
            ])
    }
}
