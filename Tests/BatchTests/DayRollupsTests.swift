import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Batch

@Suite struct DayRollupsTests {
    private let day = Calendar.day(year: 2024, month: 3, day: 10)

    private func stored() throws -> StoredTrips {
        let stored = try StoredTrips()
        try BatchSchema.prepare(stored.connection)
        return stored
    }

    private func refresh(_ stored: StoredTrips, _ days: Range<Int>) throws -> Int {
        let windows = try StoredWindows.Source.allCases.compactMap { try StoredWindows($0, on: stored.connection) }
        return try DayRollups(on: stored.connection, windows: windows, zone: stored.zone).refresh([days]) { _, _ in }
    }

    private func trip(_ ms: EventTime, area: Int64 = 8) -> RawTrip {
        RawTrip(timeMs: ms, area: area, location: "POINT (\(area) 0)", fare: 1000, tips: 0, total: 1000)
    }

    private func areas(_ stored: StoredTrips) throws -> [[Int64]] {
        try stored.connection.rows("SELECT day, area, pickups FROM day_area ORDER BY 1, 2") { row in
            (0..<3).map(row.integer)
        }
    }

    //  00:00        01:59:59 | 03:00        24:00    the wall clock of 2024-03-10 in Chicago, 23 hours
    @Test func aWindowBelongsToTheLocalDayOfItsStart() throws {
        let stored = try stored()
        let (start, end) = (stored.zone.startMs(ofLocalDay: day), stored.zone.startMs(ofLocalDay: day + 1))
        #expect(end - start == 23 * 3_600_000)
        try stored.add([trip(start - 1), trip(start), trip(start + 2 * 3_600_000), trip(end - 1), trip(end)])
        #expect(try refresh(stored, day - 5..<day + 5) == 3)
        #expect(try areas(stored) == [[Int64(day) - 1, 8, 1], [Int64(day), 8, 3], [Int64(day) + 1, 8, 1]])
    }

    @Test func onlyDaysWithANoteAreReadAgain() throws {
        let stored = try stored()
        let start = stored.zone.startMs(ofLocalDay: day)
        try stored.add([trip(start), trip(start + 86_400_000)])
        #expect(try refresh(stored, day..<day + 2) == 2)
        #expect(try refresh(stored, day..<day + 2) == 0)
        try stored.connection.execute("UPDATE stored_hotspotcommunitywindow SET groups = '{\"9\":5}'")
        #expect(try refresh(stored, day..<day + 2) == 0)
        try stored.connection.execute("INSERT INTO changed_days VALUES (?)", .integer(Int64(day)))
        #expect(try refresh(stored, day + 1..<day + 2) == 0)
        #expect(try refresh(stored, day..<day + 2) == 1)
        #expect(try areas(stored) == [[Int64(day), 9, 5], [Int64(day) + 1, 8, 1]])
        // The sliding window that starts half a minute before midnight; nobody asked for its day.
        #expect(try stored.connection.rows("SELECT day FROM changed_days") { $0.integer(0) } == [Int64(day) - 1])
    }

    @Test func aDayThatARunDiedOverIsReadAgain() throws {
        let stored = try stored()
        try stored.add([trip(stored.zone.startMs(ofLocalDay: day))])
        #expect(try refresh(stored, day..<day + 1) == 1)
        try stored.connection.execute("UPDATE rolled_days SET fresh = 0")
        try stored.connection.execute("DELETE FROM day_area")
        #expect(try refresh(stored, day..<day + 1) == 1)
        #expect(try areas(stored) == [[Int64(day), 8, 1]])
    }

    @Test func slidingWindowsOfAnotherSizeTileTime() throws {
        let stored = try stored()
        let start = stored.zone.startMs(ofLocalDay: day)
        try stored.connection.execute(
            "CREATE TABLE query_windows(view TEXT PRIMARY KEY, size_ms INTEGER, every_ms INTEGER)")
        try stored.connection.execute("INSERT INTO query_windows VALUES ('hotspotcommunitywindow', 3600000, 900000)")
        for quarter in -3...3 as ClosedRange<Int64> {
            try stored.connection.execute(
                "INSERT INTO stored_hotspotcommunitywindow VALUES (?, 1, '{\"8\":1}')",
                .integer(start + quarter * 900_000))
        }
        _ = try refresh(stored, day..<day + 1)
        #expect(try areas(stored) == [[Int64(day), 8, 1]])
        // Tumbling windows tile time wherever they start.
        try stored.connection.execute("UPDATE query_windows SET size_ms = 900000")
        try stored.connection.execute("INSERT INTO changed_days VALUES (?)", .integer(Int64(day)))
        _ = try refresh(stored, day..<day + 1)
        #expect(try areas(stored) == [[Int64(day), 8, 4]])
    }

    @Test func windowsThatCannotTileTimeAreAnError() throws {
        let stored = try stored()
        try stored.connection.execute(
            "CREATE TABLE query_windows(view TEXT PRIMARY KEY, size_ms INTEGER, every_ms INTEGER)")
        try stored.connection.execute("INSERT INTO query_windows VALUES ('hotspotwindow', 60000, 45000)")
        let problem = try #require(throws: Problem.self) { try refresh(stored, day..<day + 1) }
        #expect(problem.code == .configuration)
    }

    @Test(arguments: [
        (
            "hotspotcommunitywindow", "{\"8\":",
            "stored_hotspotcommunitywindow, window 1710050400000: groups byte 6 is not an integer of 64 bits"
        ),
        (
            "hotspotwindow", "{\"-1\":3}",
            "stored_hotspotwindow holds a group -1 on 2024-03-10 that the query cannot have"
        ),
        (
            "hotspotcommunitywindow", "{\"99999999\":3}",
            "stored_hotspotcommunitywindow holds a group 99999999 on 2024-03-10 that the query cannot have"
        ),
        (
            "faredistribution", "{\"5000\":[1,2,3]}",
            "stored_faredistribution holds a group 5000 on 2024-03-10 that the query cannot have"
        ),
        ("faredistribution", "{\"50\":1}", "stored_faredistribution, window 1710050400000: groups byte 7 is not \"[\""),
    ])
    func damagedGroupsAreNamed(view: String, groups: String, message: String) throws {
        let stored = try stored()
        try stored.connection.execute("INSERT INTO stored_\(view) VALUES (1710050400000, 1, ?)", .text(groups))
        let problem = try #require(throws: Problem.self) { try refresh(stored, day..<day + 1) }
        #expect(problem.code == .badData)
        #expect(problem.message == message)
        // Nothing was lost: the day stays due.
        #expect(throws: Problem.self) { try refresh(stored, day..<day + 1) }
    }
}
