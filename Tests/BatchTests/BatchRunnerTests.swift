import Basics
import Foundation
import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Batch

@Suite struct BatchRunnerTests {
    /// 2024-03-10 and 2024-11-03 have 23 and 25 hours in Chicago.
    private static func day(_ text: String) -> Int {
        let parts = text.split(separator: "-").map { Int($0)! }
        return Calendar.day(year: parts[0], month: parts[1], day: parts[2])
    }

    /// Days of three years with gaps, the ends of periods and both clock changes.
    private static let days =
        [
            "2022-12-31", "2024-01-01", "2024-01-31", "2024-02-29", "2024-03-09", "2024-03-10", "2024-03-11",
            "2024-03-31",
            "2024-04-01", "2024-11-02", "2024-11-03", "2024-11-04", "2024-12-31", "2025-01-01", "2025-03-02",
        ].map(day)

    private func expectEqual(_ stored: StoredTrips, _ reference: ReferenceBatch, _ note: String) throws {
        let (trend, expectedTrend) = (try stored.rows("fare_trend"), reference.fareTrend())
        #expect(trend.count == expectedTrend.count, "\(note)")
        for (row, expected) in zip(trend, expectedTrend) {
            for (column, (cell, wanted)) in zip(row, expected).enumerated() {
                if 9...14 ~= column, let estimate = cell.real, let exact = wanted.real {
                    // A negative fare is only known to be one.
                    let limit = abs(exact) * 0.005 + 0.005 + 1e-9
                    #expect(abs(estimate - exact) <= limit + 1e-9, "\(note), row \(row), column \(column): \(exact)")
                } else {
                    #expect(cell == wanted, "\(note), row \(row), column \(column)")
                }
            }
        }
        #expect(try stored.rows("accumulated_metrics") == reference.accumulated(), "\(note)")
        #expect(try stored.rows("area_hotspots") == reference.areas(), "\(note)")
        #expect(try stored.rows("location_hotspots") == reference.locations(), "\(note)")
    }

    @Test(arguments: ["America/Chicago", "UTC", "Asia/Kolkata", "Australia/Lord_Howe"], [1, 2] as [UInt64])
    func everyCellEqualsTheSlowReference(zone: String, seed: UInt64) throws {
        let stored = try StoredTrips(zone: zone)
        var random = SplitMix64(seed: seed)
        try stored.add(RawTrip.random(600, on: Self.days, zone: stored.zone, using: &random))
        let summary = try stored.runner().run(periods: .all)
        let reference = ReferenceBatch(trips: stored.trips, zone: stored.zone)
        try expectEqual(stored, reference, "\(zone), seed \(seed)")
        #expect(summary.rows["fare_trend"] == reference.fareTrend().count)
        #expect(summary.skipped.isEmpty)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func openWindowsDoNotCount(seed: UInt64) throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: seed)
        let day = Self.day("2024-11-03")
        stored.watermarkMs = Int64.random(
            in: stored.zone.startMs(ofLocalDay: day)..<stored.zone.startMs(ofLocalDay: day + 1), using: &random)
        try stored.add(RawTrip.random(400, on: [day - 40, day - 1, day], zone: stored.zone, using: &random))
        _ = try stored.runner().run(periods: .all)
        let reference = ReferenceBatch(trips: stored.trips, zone: stored.zone, watermarkMs: stored.watermarkMs)
        try expectEqual(stored, reference, "seed \(seed)")
        #expect(try stored.rows("location_hotspots").contains { $0[1] == "2024-11" && $0.last == 1 })
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func daysArrivingInAnyOrderGiveTheSameAsFromScratch(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let grown = try StoredTrips()
        var trips = RawTrip.random(300, on: Self.days, zone: grown.zone, using: &random).shuffled(using: &random)
        let selections: [PeriodSelection] = [
            .all, .last, .one(try Period("2024")), .one(try Period("2024-03")), .one(try Period("2024-Q4")),
        ]
        while !trips.isEmpty {
            let count = min(trips.count, Int.random(in: 1...120, using: &random))
            try grown.add(Array(trips.prefix(count)))
            trips.removeFirst(count)
            let analyses = Analysis.allCases.filter { _ in Bool.random(using: &random) }
            let selection = selections.randomElement(using: &random)!
            if !analyses.isEmpty, analyses != [.accumulated] {
                _ = try grown.runner().run(analyses: analyses, periods: selection)
            }
        }
        _ = try grown.runner().run(periods: .all)
        let scratch = try StoredTrips()
        try scratch.add(grown.trips)
        _ = try scratch.runner().run(periods: .all)
        #expect(try grown.dump() == scratch.dump())
        try expectEqual(grown, ReferenceBatch(trips: grown.trips, zone: grown.zone), "seed \(seed)")
    }

    @Test func repeatingARunChangesNothing() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 9)
        try stored.add(RawTrip.random(500, on: Self.days, zone: stored.zone, using: &random))
        let first = try stored.runner().run(periods: .all)
        let before = try stored.dump()
        let second = try stored.runner().run(periods: .all)
        #expect(try stored.dump() == before)
        #expect(first.daysRolledUp > 0)
        #expect(second.daysRolledUp == 0)
        for kind in PeriodKind.allCases {
            _ = try stored.runner().run(analyses: [.areaHotspots, .fareTrend], kinds: [kind], periods: .all)
        }
        #expect(try stored.dump() == before)
    }

    @Test func oneMonthTouchesOnlyItselfAndWhatBuildsOnIt() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 3)
        try stored.add(RawTrip.random(400, on: Self.days, zone: stored.zone, using: &random))
        _ = try stored.runner().run(periods: .all)
        let before = try stored.dump()
        try stored.add(
            RawTrip.random(
                200, on: [Self.day("2024-03-10"), Self.day("2024-12-31")], zone: stored.zone, using: &random))
        let summary = try stored.runner().run(kinds: [.month], periods: .one(Period("2024-03")))
        #expect(summary.daysRolledUp == 1)
        let after = try stored.dump()
        func changed(_ view: String) throws -> [[String]] {
            let old = Set(try #require(before[view]).map(String.init(describing:)))
            return try #require(after[view]).filter { !old.contains(String(describing: $0)) }.map {
                [$0[0].text!, $0[1].text!]
            }
        }
        // April and the next March compare themselves with it; running totals of later months contain it.
        #expect(try changed("fare_trend") == [["month", "2024-03"], ["month", "2024-04"], ["month", "2025-03"]])
        #expect(Set(try changed("area_hotspots")) == [["month", "2024-03"]])
        #expect(Set(try changed("location_hotspots")) == [["month", "2024-03"]])
        let accumulated = try changed("accumulated_metrics")
        #expect(accumulated.allSatisfy { $0[0] == "month" && $0[1] >= "2024-03" })
        #expect(accumulated.count == 6)
    }

    @Test func shorterPeriodsOfALongerOneAreRunByTheirKind() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 5)
        try stored.add(RawTrip.random(200, on: Self.days, zone: stored.zone, using: &random))
        let summary = try stored.runner().run(
            analyses: [.areaHotspots], kinds: [.quarter], periods: .one(Period("2024")))
        #expect(summary.periods == ["quarter": ["2024-Q1", "2024-Q2", "2024-Q4"]])
        #expect(Set(try stored.rows("area_hotspots").compactMap { $0[1].text }) == ["2024-Q1", "2024-Q2", "2024-Q4"])
        #expect(throws: Problem.self) {
            try stored.runner().run(analyses: [.accumulated], kinds: [.quarter], periods: .all)
        }
    }

    @Test func lastRunsTheNewestCompletePeriods() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 6)
        try stored.add(
            RawTrip.random(
                100, on: [Self.day("2024-02-28"), Self.day("2024-03-05")], zone: stored.zone, using: &random))
        let summary = try stored.runner().run(periods: .last)
        #expect(summary.periods == ["month": ["2024-02"], "quarter": [], "year": []])
        #expect(summary.partial.isEmpty)
        #expect(try stored.rows("fare_trend").map { $0[1] } == ["2024-02"])
        let april = stored.zone.startMs(ofLocalDay: Self.day("2024-04-01"))
        #expect(try stored.runner(watermarkMs: april).run(periods: .last).periods["quarter"] == ["2024-Q1"])
        #expect(try stored.runner(watermarkMs: april - 1).run(periods: .last).periods["quarter"] == [])
        // The watermark with which a bounded run ends says nothing about time.
        #expect(try stored.runner(watermarkMs: .max).run(periods: .last).periods["quarter"] == [])
    }

    @Test func aPeriodIsPartialUntilResultsReachItsEnd() throws {
        let stored = try StoredTrips()
        let end = stored.zone.startMs(ofLocalDay: Self.day("2024-02-01"))
        let trip = RawTrip(timeMs: end - 30_000, area: 8, location: nil, fare: nil, tips: nil, total: nil)
        func partials() throws -> [SQLValue] {
            _ = try stored.runner().run(kinds: [.month], periods: .all)
            return try ["fare_trend", "accumulated_metrics", "area_hotspots"].map { view in
                try #require(try stored.rows(view).first { $0[1] == "2024-01" }?.last)
            }
        }
        stored.watermarkMs = end - 1
        try stored.add([RawTrip(timeMs: end - 3_600_000, area: 8, location: nil, fare: nil, tips: nil, total: nil)])
        #expect(try partials() == [1, 1, 1])
        stored.watermarkMs = end + 30_000
        try stored.add([trip])
        #expect(try partials() == [0, 0, 0])
    }

    @Test func aSingleDayMakesOneRowOfEachKind() throws {
        let stored = try StoredTrips()
        try stored.add([
            RawTrip(
                timeMs: stored.zone.startMs(ofLocalDay: Self.day("2024-03-10")), area: 76, location: "POINT (0 1)",
                fare: 1005, tips: nil, total: 1)
        ])
        _ = try stored.runner().run(periods: .all)
        #expect(
            try stored.rows("area_hotspots").map { $0.prefix(6) }.first == ["month", "2024-03", 1, 76, "O'Hare", 1])
        #expect(try stored.rows("area_hotspots").count == 3)
        #expect(try stored.rows("accumulated_metrics").count == 2)
        let month = try #require(try stored.rows("fare_trend").first)
        #expect(Array(month.prefix(9)) == ["month", "2024-03", 1, 10.05, 10.05, nil, nil, 0.01, 0.01])
        #expect(Array(month.suffix(3)) == [nil, nil, 1])
    }

    @Test func emptyPeriodsLoseTheirRows() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 8)
        try stored.add(RawTrip.random(100, on: Self.days, zone: stored.zone, using: &random))
        _ = try stored.runner().run(periods: .all)
        // As a rewind leaves it: results gone, their days noted.
        let march = try Period("2024-03")
        let (from, until) = (
            stored.zone.startMs(ofLocalDay: march.days.lowerBound),
            stored.zone.startMs(ofLocalDay: march.days.upperBound)
        )
        for source in StoredWindows.Source.allCases {
            try stored.connection.execute(
                "DELETE FROM \(source.table) WHERE window_start_ms >= ? AND window_start_ms < ?", .integer(from),
                .integer(until))
        }
        try stored.connection.execute(
            "DELETE FROM stored_tripstotal WHERE group_id >= ? AND group_id < ?",
            .integer(Int64(march.days.lowerBound)), .integer(Int64(march.days.upperBound)))
        for day in march.days {
            try stored.connection.execute("INSERT INTO changed_days VALUES (?)", .integer(Int64(day)))
        }
        _ = try stored.runner().run(periods: .all)
        for view in Analysis.allCases.map(\.view) {
            #expect(try stored.rows(view).contains { $0[1] == "2024-03" } == false)
            #expect(try stored.rows(view).contains { $0[1] == "2024-04" })
        }
    }

    @Test func anEmptyDatabaseSaysWhatToRun() throws {
        let connection = try Connection(path: ":memory:")
        let runner = BatchRunner(connection: connection, zone: try ZoneClock(identifier: "UTC"))
        let problem = try #require(throws: Problem.self) { try runner.run(analyses: [.areaHotspots], periods: .all) }
        #expect(problem.code == .noInput)
        #expect(problem.message == "there are no stored results of \"hotspotCommunityPickupWindow\" yet")
        let stored = try StoredTrips()
        #expect(try stored.runner().run(periods: .last).rows.values.allSatisfy { $0 == 0 })
    }

    @Test func analysesWithoutTheirQueryAreSkippedAloud() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 11)
        try stored.add(RawTrip.random(60, on: Self.days, zone: stored.zone, using: &random))
        try stored.connection.execute("DROP TABLE stored_hotspotwindow")
        let summary = try stored.runner().run(periods: .all)
        #expect(summary.skipped == ["location-hotspots": "query \"hotspotWindow\" has no stored results"])
        #expect(summary.rows["location_hotspots"] == nil)
        #expect(try stored.rows("area_hotspots") == ReferenceBatch(trips: stored.trips, zone: stored.zone).areas())
    }

    @Test func twoRunsTakeTurns() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 12)
        try stored.add(RawTrip.random(60, on: Self.days, zone: stored.zone, using: &random))
        let lock = try BatchLock(databasePath: stored.connection.path, waitSeconds: 0)
        let impatient = BatchRunner(connection: stored.connection, zone: stored.zone, lockWaitSeconds: 0)
        let problem = try #require(throws: Problem.self) { try impatient.run(periods: .all) }
        #expect(problem.code == .tryAgain)
        withExtendedLifetime(lock) {}
    }

    /// A stream writes days while runs go on; whatever a run missed, the notes it left bring in later.
    @Test func aStreamMayWriteMeanwhile() throws {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 13)
        try stored.add(RawTrip.random(100, on: Self.days, zone: stored.zone, using: &random))
        let reader = try Connection(path: stored.connection.path, durability: .normal)
        let runner = BatchRunner(connection: reader, zone: stored.zone)
        let finished = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var failures: [any Error] = []
        Thread.detachNewThread {
            for _ in 0..<15 {
                do { _ = try runner.run(periods: .all) } catch { failures.append(error) }
            }
            finished.signal()
        }
        for _ in 0..<10 { try stored.add(RawTrip.random(20, on: Self.days, zone: stored.zone, using: &random)) }
        finished.wait()
        #expect(failures.isEmpty)
        _ = try stored.runner().run(periods: .all)
        try expectEqual(stored, ReferenceBatch(trips: stored.trips, zone: stored.zone), "after concurrent runs")
    }

    @Test func theSummaryIsOneLineOfJSON() throws {
        var summary = BatchSummary()
        summary.rows = ["fare_trend": 2]
        summary.periods = ["month": ["2024-01"]]
        summary.seconds = 0.5
        #expect(
            summary.json
                == #"{"days_not_pruned":0,"days_rolled_up":0,"partial":[],"periods":{"month":["2024-01"]},"rows":{"fare_trend":2},"seconds":0.5,"skipped":{},"windows_pruned":0}"#
        )
    }
}
