import Basics
import SQLite
import Testing
import Time
import Trips

@testable import Batch

/// Windows that are rolled up may go, and nothing that was said changes.
@Suite struct PruningTests {
    private static let first = Calendar.day(year: 2024, month: 1, day: 1)
    private static let days = [first, first + 20, first + 45, first + 69, first + 70, first + 130]

    private func stored(seed: UInt64) throws -> StoredTrips {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: seed)
        try stored.add(RawTrip.random(400, on: Self.days, zone: stored.zone, using: &random))
        return stored
    }

    private func run(_ stored: StoredTrips, retainDays: Int64? = nil) throws -> BatchSummary {
        var options = BatchOptions()
        options.retainMs = retainDays.map { $0 * 86_400_000 }
        return try stored.runner().run(periods: .all, options: options)
    }

    private func windows(_ stored: StoredTrips) throws -> Int64 {
        try StoredWindows.Source.allCases.reduce(0) {
            $0 + (try stored.connection.value("SELECT count(*) FROM \($1.table)")?.integer ?? 0)
        }
    }

    /// Makes every period be computed from day rollups again.
    private func forgetMonths(_ stored: StoredTrips) throws {
        try stored.connection.execute("DELETE FROM rolled_months")
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func theAnalysesStayTheSame(seed: UInt64) throws {
        let stored = try stored(seed: seed)
        _ = try run(stored)
        let (before, all) = (try stored.dump(), try windows(stored))
        let summary = try run(stored, retainDays: 50)
        #expect(summary.windowsPruned > 0)
        #expect(try windows(stored) == all - Int64(summary.windowsPruned))
        #expect(try stored.dump() == before)
        try forgetMonths(stored)
        #expect(try run(stored).daysRolledUp == 0)
        #expect(try stored.dump() == before)
    }

    @Test func aLateTripOfAPrunedDayChangesTotalsAndKeepsTheRest() throws {
        let stored = try stored(seed: 4)
        _ = try run(stored, retainDays: 50)
        let before = try stored.dump()
        // As a stream leaves it: the day's total is another, its windows closed long ago.
        try stored.connection.execute(
            "UPDATE stored_tripstotal SET trips_total = trips_total + 1 WHERE group_id = ?", .integer(Int64(Self.first))
        )
        try stored.connection.execute("INSERT OR IGNORE INTO changed_days VALUES (?)", .integer(Int64(Self.first)))
        #expect(try run(stored).daysRolledUp == 1)
        let after = try stored.dump()
        #expect(after["area_hotspots"] == before["area_hotspots"])
        #expect(after["location_hotspots"] == before["location_hotspots"])
        #expect(after["fare_trend"] != before["fare_trend"])
        let trips = { (dump: [String: [[SQLValue]]]) in dump["fare_trend"]?.first { $0[1] == "2024-01" }?[2].integer }
        #expect(trips(after) == trips(before).map { $0 + 1 })
    }

    @Test func windowsReadAnewReplaceARollupThoughTheirLocationsHaveOtherNumbers() throws {
        let stored = try stored(seed: 5)
        _ = try run(stored, retainDays: 50)
        let before = try stored.dump()
        // What stream --from-beginning does to hotspotWindow, here for the days that were kept.
        let top = try stored.connection.value("SELECT max(id) FROM keys_hotspotwindow")?.integer ?? 0
        let kept = try stored.connection.rows("SELECT window_start_ms, groups FROM stored_hotspotwindow") {
            ($0.integer(0), $0.text(1))
        }
        for (start, groups) in kept {
            let pairs = groups.dropFirst().dropLast().split(separator: ",").map { pair in
                let parts = pair.split(separator: ":")
                return "\"\(top + 1 - (Int64(parts[0].dropFirst().dropLast()) ?? 0))\":\(parts[1])"
            }
            try stored.connection.execute(
                "UPDATE stored_hotspotwindow SET groups = ? WHERE window_start_ms = ?",
                .text("{" + pairs.joined(separator: ",") + "}"), .integer(start))
        }
        try stored.connection.execute("UPDATE keys_hotspotwindow SET id = -id - 1")
        try stored.connection.execute("UPDATE keys_hotspotwindow SET id = \(top + 1) + id + 1")
        try stored.connection.execute("INSERT OR IGNORE INTO changed_days SELECT day FROM rolled_days")
        #expect(try run(stored).daysRolledUp >= Self.days.count)
        #expect(try stored.dump() == before)
    }

    /// A query that has come no further than into a day, while the others went on, keeps what it has of that day.
    @Test func aDayThatAQueryHasNotPassedStays() throws {
        let stored = try stored(seed: 7)
        let (from, until) = (Self.first + 20, Self.first + 21)
        try stored.connection.execute(
            "DELETE FROM stored_hotspotwindow WHERE window_start_ms >= ?",
            .integer(stored.zone.startMs(ofLocalDay: until)))
        let sql = "SELECT count(*) FROM stored_hotspotwindow WHERE window_start_ms >= ?"
        func left() throws -> Int64? {
            try stored.connection.value(sql, .integer(stored.zone.startMs(ofLocalDay: from)))?.integer
        }
        let before = try left()
        #expect(try run(stored, retainDays: 1).windowsPruned > 0)
        #expect(try left() == before)
        #expect(before != 0)
        #expect(
            try stored.connection.value("SELECT count(*) FROM stored_hotspotwindow")?.integer == before)
    }

    @Test func daysThatAreNotRolledUpStay() throws {
        let stored = try stored(seed: 6)
        _ = try run(stored)
        let all = try windows(stored)
        var options = BatchOptions()
        options.retainMs = 50 * 86_400_000
        try stored.connection.execute("UPDATE rolled_days SET fresh = 0")
        // Only May is asked for: the days before stay due, and with them their windows.
        let summary = try stored.runner().run(periods: .one(Period("2024-05")), options: options)
        #expect(summary.windowsPruned == 0)
        #expect(summary.daysNotPruned > 0)
        #expect(try windows(stored) == all)
    }
}
