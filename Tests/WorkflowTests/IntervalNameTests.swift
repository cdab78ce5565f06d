import TestSupport
import Foundation
import Problems
import Testing
import Trips

@testable import Workflow

/// Names of intervals: each interval has one of its own, and a name leads back to its interval.
@Suite struct IntervalNameTests {
    private func spec(_ schedule: String?, zone: String = "America/Chicago") throws -> WorkflowSpec {
        let folder = try TemporaryFolder()
        let line = schedule.map { "schedule: \"\($0)\"\n" } ?? ""
        try "name: w\ntimezone: \(zone)\n\(line)steps: {a: {sh: \"true\"}}\n".write(
            toFile: folder("w.yaml"), atomically: true, encoding: .utf8)
        return try WorkflowSpec.load(path: folder("w.yaml"), zone: zone)
    }

    private func wall(_ text: String) throws -> Int64 {
        try #require(instant("\(text):00.000+00:00"))
    }

    @Test(arguments: [
        "0 * * * *", "*/30 * * * *", "30 * * * *", "0 0,12 * * *", "0 0,1 * * *", "0 23 * * *", "0 3 * * *",
        "30 2 * * *",
        "30 1 * * *", "0 0 * * 1", "@monthly", "0 3 1,2 * *", "0 0 1 1,4,7,10 *", "@yearly", "0 0 1 1,2 *",
        "0 1-2 * * *",
    ])
    func eachIntervalHasANameOfItsOwnAndLeadsBack(_ cron: String) throws {
        let spec = try spec(cron)
        let schedule = try #require(spec.schedule)
        // Over both changes of the clock.
        var names: [String: DataInterval] = [:]
        for (from, to) in [("2024-03-08", "2024-03-13"), ("2024-11-01", "2024-11-06"), ("2023-12-01", "2026-02-01")] {
            let start = try #require(instant("\(from)T00:00:00.000-06:00"))
            let end = try #require(instant("\(to)T00:00:00.000-06:00"))
            for interval in schedule.intervals(startingFrom: start, before: end).prefix(400) {
                let name = spec.name(of: interval)
                #expect(names[name] == nil || names[name] == interval, "\(name)")
                names[name] = interval
                // Other readings than these would run something else.
                #expect(name.contains("T") || (try? spec.interval(name, now: 0)) == interval, "\(name)")
                if name.contains("T") {
                    #expect(name == DataInterval.text(of: interval.start, in: spec.zone))
                    #expect(try spec.interval(startingAt: interval.start) == interval)
                }
            }
        }
        #expect(!names.isEmpty)
    }

    @Test(arguments: [("2024-01-22", 24), ("2024-03-10", 23), ("2024-11-03", 25)])
    func aDayOfManyIntervalsIsNoneOfThem(_ day: String, _ count: Int) throws {
        let spec = try spec("0 * * * *")
        let problem = #expect(throws: Problem.self) { try spec.interval(day, now: 0) }
        #expect(problem?.message.hasPrefix("\(count) intervals begin on \(day)") == true)
        #expect(problem?.hint?.contains("taxi-cli workflow backfill w --interval \(day)") == true)
        let intervals = try spec.intervals(in: day)
        #expect(intervals.count == count)
        #expect(Set(intervals.map { spec.name(of: $0) }).count == count)
    }

    @Test func theRepeatedHourHasTwoNamesAndTheWallTimeAloneIsAsked() throws {
        let spec = try spec("0 * * * *")
        let repeated = try spec.intervals(in: "2024-11-03")[1...2].map { spec.name(of: $0) }
        #expect(repeated == ["2024-11-03T01:00-05:00", "2024-11-03T01:00-06:00"])
        let problem = #expect(throws: Problem.self) { try spec.interval(startingAtWallMs: wall("2024-11-03T01:00")) }
        #expect(problem?.hint == "Name one of them: 2024-11-03T01:00-05:00 or 2024-11-03T01:00-06:00.")
        // Skipped, and between two.
        for text in ["2024-03-10T02:00", "2024-01-22T13:30"] {
            let problem = #expect(throws: Problem.self) { try spec.interval(startingAtWallMs: wall(text)) }
            #expect(problem?.message == "no interval of workflow \"w\" begins at \(text)")
        }
        #expect(
            try spec.name(of: spec.interval(startingAtWallMs: wall("2024-01-22T23:00"))) == "2024-01-22T23:00-06:00")
    }

    @Test func aMonthIsNotTheYearThatBeginsInIt() throws {
        let spec = try spec("@yearly")
        let problem = #expect(throws: Problem.self) { try spec.interval("2024-01", now: 0) }
        #expect(problem?.message == "the only interval of workflow \"w\" that begins in 2024-01 is 2024")
        // A week has no name but its beginning; the day says which.
        let weekly = try self.spec("0 0 * * 1")
        #expect(try weekly.name(of: weekly.interval("2024-01-22", now: 0)) == "2024-01-22T00:00-06:00")
        let none = #expect(throws: Problem.self) { try weekly.interval("2024-01-23", now: 0) }
        #expect(none?.message == "no interval of workflow \"w\" begins on 2024-01-23")
    }

    @Test func boundsOfOnesOwnAreNamedByBoth() throws {
        let monthly = try spec("0 3 1 * *")
        let day = try #require(instant("2024-01-01T00:00:00.000-06:00"))
        let month = DataInterval(start: day, end: day + 31 * 86_400_000)
        #expect(monthly.name(of: month) == "2024-01-01--2024-02-01")
        #expect(monthly.text(of: month) == "2024-01")
        #expect(try spec(nil).name(of: month) == "2024-01")
        #expect(try spec(nil).interval("2024-01", now: 0) == month)
        let hours = DataInterval(start: day + 3_600_000, end: day + 7_200_000)
        #expect(monthly.name(of: hours) == "2024-01-01T01:00-06:00--2024-01-01T02:00-06:00")
        #expect(monthly.text(of: hours) == monthly.name(of: hours))
    }

    @Test(arguments: ["2024-+1", "+024", "2024-Q+", "2024-13", "2024-Q5", "20240122", "", "0000", "2024-01-+2"])
    func whatIsNoPeriodIsRefused(_ text: String) throws {
        let spec = try spec("@daily")
        #expect(throws: Problem.self) { try spec.interval(text, now: 0) }
    }
}
