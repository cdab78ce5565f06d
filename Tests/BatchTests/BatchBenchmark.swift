import Basics
import Foundation
import SQLite
import Testing
import Time
import Trips

@testable import Batch

/// Ten years of a million trips a month: run with TAXI_BENCH=1 and `-c release -Xswiftc -enable-testing`.
///
/// Rollups stand for all days, as they do when each month was run in its time; windows stand for the last month, each
/// minute and half-minute of it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["TAXI_BENCH"] != nil), .serialized)
struct BatchBenchmark {
    private static let years = 2014...2023
    private static let tripsADay = 33_000
    private static let locations = 600

    @Test func tenYears() throws {
        let stored = try StoredTrips()
        try BatchSchema.prepare(stored.connection)
        var random = SplitMix64(seed: 1)
        let first = Calendar.day(year: Self.years.lowerBound, month: 1, day: 1)
        let end = Calendar.day(year: Self.years.upperBound + 1, month: 1, day: 1)
        try stored.connection.transaction {
            for id in 1...Self.locations {
                for table in ["keys_hotspotwindow", "rolled_locations"] {
                    try stored.connection.execute(
                        "INSERT INTO \(table) VALUES (?, ?)", .integer(Int64(id)),
                        .text("POINT (-87.\(id * 7919 % 100_000_000) 41.\(id * 104_729 % 100_000_000))"))
                }
            }
            for day in first..<end { try Self.storeDay(day, on: stored.connection, using: &random) }
        }
        let month = Period(kind: .month, containingDay: end - 1)
        let windows = try stored.connection.transaction {
            try Self.storeWindows(of: month.days, zone: stored.zone, on: stored.connection, using: &random)
        }
        let counts = try ["day_fare", "day_area", "day_location"].map {
            try stored.connection.value("SELECT count(*) FROM \($0)")?.integer ?? 0
        }
        print("rollup rows: \(counts), windows of \(month): \(windows.rows), pairs \(windows.pairs)")

        try report("one month after all its days changed", stored.runner().run(kinds: [.month], periods: .one(month)))
        try report("one month again", stored.runner().run(kinds: [.month], periods: .one(month)))
        try report("everything, rollups standing", stored.runner().run(periods: .all))
        try report("everything again", stored.runner().run(periods: .all))
        try report("last", stored.runner().run(periods: .last))
    }

    /// Prints time on the clock and on the processor: other work on the machine lengthens only the first.
    private func report(_ name: String, _ run: @autoclosure () throws -> BatchSummary) rethrows {
        let start = clock()
        let summary = try run()
        let processorMs = Double(clock() - start) * 1000 / Double(CLOCKS_PER_SEC)
        let rows = summary.rows.values.reduce(0, +)
        print(
            "\(name): \((summary.seconds * 1000).rounded()) ms, processor \(processorMs.rounded()) ms, \(rows) rows,",
            "\(summary.daysRolledUp) days rolled up")
    }

    /// The day's totals, and its rollups as `DayRollups` would have left them.
    private static func storeDay(_ day: Int, on connection: Connection, using random: inout SplitMix64) throws {
        let total = try connection.prepare("INSERT INTO stored_tripstotal VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        let trips = Int64(tripsADay)
        try total.run(Int64(day), trips, trips * 1400, trips, trips * 200, trips, trips * 1800, trips)
        try connection.prepare("INSERT INTO rolled_days VALUES (?, 1)").run(Int64(day))
        let fare = try connection.prepare("INSERT INTO day_fare VALUES (?, ?, ?, ?, ?)")
        for bucket: Int64 in 135...300 { try fare.run(Int64(day), bucket, 200, 200 * bucket * 7, 200) }
        let area = try connection.prepare("INSERT INTO day_area VALUES (?, ?, ?)")
        for number: Int64 in 1...77 { try area.run(Int64(day), number, .random(in: 1...900, using: &random)) }
        let location = try connection.prepare("INSERT INTO day_location VALUES (?, ?, ?)")
        for id in 1...Int64(locations) where random.next() % 10 < 6 {
            try location.run(Int64(day), id, .random(in: 1...200, using: &random))
        }
    }

    /// Sliding windows each half-minute and fare windows each hour, as a stream over live trips leaves them.
    private static func storeWindows(
        of days: Range<Int>, zone: ZoneClock, on connection: Connection, using random: inout SplitMix64
    ) throws -> (rows: Int, pairs: Int) {
        var (rows, pairs) = (0, 0)
        func store(_ table: String, everyMs: Int64, groups: () -> [String]) throws {
            let insert = try connection.prepare("INSERT INTO \(table) VALUES (?, 1, ?)")
            var start = zone.startMs(ofLocalDay: days.lowerBound)
            while start < zone.startMs(ofLocalDay: days.upperBound) {
                let groups = groups()
                try insert.run([.integer(start), .text("{" + groups.joined(separator: ",") + "}")])
                start += everyMs
                rows += 1
                pairs += groups.count
            }
        }
        for (table, most) in [("stored_hotspotcommunitywindow", 77), ("stored_hotspotwindow", locations)] {
            try store(table, everyMs: 30_000) {
                Set((0..<20).map { _ in Int.random(in: 1...most, using: &random) }).map { "\"\($0)\":\(1 + $0 % 2)" }
            }
        }
        try store("stored_faredistribution", everyMs: 3_600_000) { (135...300).map { "\"\($0)\":[8,\($0 * 50),8]" } }
        for day in days { try connection.prepare("INSERT INTO changed_days VALUES (?)").run(Int64(day)) }
        return (rows, pairs)
    }
}
