import Testing
import Time
import Trips

@testable import Workflow

@Suite struct CronTests {
    struct Mistaken: Sendable, CustomTestStringConvertible {
        var text: String
        var offset: Int
        var message: String
        var testDescription: String { text }
    }

    @Test(arguments: [
        Mistaken(text: "0 3 1 *", offset: 0, message: "a schedule has 5 fields, found 4"),
        Mistaken(text: "0 3 1 * * *", offset: 0, message: "a schedule has 5 fields, found 6"),
        Mistaken(text: "60 * * * *", offset: 0, message: "60 is no minute"),
        Mistaken(text: "0 0 1 jna *", offset: 6, message: "\"jna\" is no month"),
        Mistaken(text: "0 0,24 * * *", offset: 4, message: "24 is no hour"),
        Mistaken(text: "*/0 * * * *", offset: 2, message: "\"0\" is no step of a minute"),
        Mistaken(text: "0 22-2 * * *", offset: 2, message: "the range \"22-2\" of the hour goes backwards"),
        Mistaken(text: "0 0 30 2 *", offset: 4, message: "this day never comes"),
        Mistaken(text: "@fortnightly", offset: 0, message: "unknown schedule \"@fortnightly\""),
        Mistaken(text: "0 0 +1 * *", offset: 4, message: "\"+1\" is no day of month"),
        Mistaken(text: "0,, 0 1 * *", offset: 2, message: "\"\" is no minute"),
    ])
    func saysWhatIsWrongAndWhere(_ mistaken: Mistaken) {
        do throws(Cron.Mistake) {
            _ = try Cron(mistaken.text)
            Issue.record("was taken")
        } catch {
            #expect(error.message == mistaken.message)
            #expect(error.offset == mistaken.offset)
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var cron: String
        var zone = "America/Chicago"
        var after: String
        var runs: [String]
        var testDescription: String { "\(cron) \(zone) \(after)" }
    }

    @Test(arguments: [
        Case(
            cron: "30 2 * * *", after: "2024-03-09T02:30:00.000-06:00",
            runs: ["2024-03-10T03:00:00.000-05:00", "2024-03-11T02:30:00.000-05:00"]),
        Case(
            cron: "0,30 2,3 * * *", after: "2024-03-09T12:00:00.000-06:00",
            runs: ["2024-03-10T03:00:00.000-05:00", "2024-03-10T03:30:00.000-05:00", "2024-03-11T02:00:00.000-05:00"]),
        Case(
            cron: "30 1 * * *", after: "2024-11-02T12:00:00.000-05:00",
            runs: ["2024-11-03T01:30:00.000-05:00", "2024-11-04T01:30:00.000-06:00"]),
        Case(
            cron: "*/30 * * * *", after: "2024-11-03T00:45:00.000-05:00",
            runs: [
                "2024-11-03T01:00:00.000-05:00", "2024-11-03T01:30:00.000-05:00", "2024-11-03T01:00:00.000-06:00",
                "2024-11-03T01:30:00.000-06:00", "2024-11-03T02:00:00.000-06:00",
            ]),
        Case(
            cron: "0 * * * *", after: "2024-03-10T00:30:00.000-06:00",
            runs: ["2024-03-10T01:00:00.000-06:00", "2024-03-10T03:00:00.000-05:00"]),
        Case(
            cron: "*/20 2 * * *", after: "2024-03-09T02:30:00.000-06:00",
            runs: ["2024-03-09T02:40:00.000-06:00", "2024-03-11T02:00:00.000-05:00"]),
        // Half an hour forward at 02:00.
        Case(
            cron: "15 2 * * *", zone: "Australia/Lord_Howe", after: "2024-10-05T12:00:00.000+10:30",
            runs: ["2024-10-06T02:30:00.000+11:00", "2024-10-07T02:15:00.000+11:00"]),
        // The clock of Havana changes at midnight; 30 December 2011 did not take place in Apia.
        Case(
            cron: "0 0 * * *", zone: "America/Havana", after: "2024-03-09T12:00:00.000-05:00",
            runs: ["2024-03-10T01:00:00.000-04:00", "2024-03-11T00:00:00.000-04:00"]),
        Case(
            cron: "0 12 * * *", zone: "Pacific/Apia", after: "2011-12-28T13:00:00.000-10:00",
            runs: ["2011-12-29T12:00:00.000-10:00", "2011-12-31T00:00:00.000+14:00", "2011-12-31T12:00:00.000+14:00"]),
        Case(
            cron: "0 0 29 2 *", zone: "UTC", after: "2096-02-29T00:00:00.000+00:00",
            runs: ["2104-02-29T00:00:00.000+00:00"]),
        Case(
            cron: "0 0 31 * *", zone: "UTC", after: "2024-01-31T00:00:00.000+00:00",
            runs: ["2024-03-31T00:00:00.000+00:00", "2024-05-31T00:00:00.000+00:00"]),
        // Either day, as Vixie has it; but both where one begins with a star.
        Case(
            cron: "0 0 13 * FRI", zone: "UTC", after: "2024-09-12T00:00:00.000+00:00",
            runs: ["2024-09-13T00:00:00.000+00:00", "2024-09-20T00:00:00.000+00:00"]),
        Case(
            cron: "0 0 */2 * MON", zone: "UTC", after: "2024-01-01T00:00:00.000+00:00",
            runs: ["2024-01-15T00:00:00.000+00:00", "2024-01-29T00:00:00.000+00:00"]),
        Case(
            cron: "0 0 * * sat-SUN", zone: "UTC", after: "2024-01-01T00:00:00.000+00:00",
            runs: ["2024-01-06T00:00:00.000+00:00", "2024-01-07T00:00:00.000+00:00", "2024-01-13T00:00:00.000+00:00"]),
        Case(
            cron: "5/25 0 1 jan,JUL *", zone: "UTC", after: "2024-01-02T00:00:00.000+00:00",
            runs: ["2024-07-01T00:05:00.000+00:00", "2024-07-01T00:30:00.000+00:00", "2024-07-01T00:55:00.000+00:00"]),
        Case(
            cron: "@monthly", zone: "UTC", after: "1969-11-15T00:00:00.000+00:00",
            runs: ["1969-12-01T00:00:00.000+00:00", "1970-01-01T00:00:00.000+00:00"]),
    ])
    func comesWhenItShould(_ given: Case) throws {
        let schedule = try schedule(given.cron, given.zone)
        var time = try #require(instant(given.after))
        for run in given.runs {
            time = try #require(schedule.next(after: time))
            #expect(schedule.zone.iso(ms: time) == run)
        }
        // And back the same way.
        for run in given.runs.dropLast().reversed() {
            time = try #require(schedule.previous(before: time))
            #expect(schedule.zone.iso(ms: time) == run)
        }
    }

    /// Every minute of three days around a change of the clock, against the definition read literally.
    @Test(arguments: [
        "*/7 * * * *", "* 1-2 * * *", "11 */2 * * *", "30 1 * * *", "15,45 0-3 * * *", "0 2 * * *", "59 1,2 10 3 0",
    ])
    func agreesWithTheDefinition(_ text: String) throws {
        for (zoneName, change) in [
            ("America/Chicago", "2024-03-10T03:00:00.000-05:00"), ("America/Chicago", "2024-11-03T01:00:00.000-06:00"),
            ("Australia/Lord_Howe", "2024-10-06T02:30:00.000+11:00"),
            ("Europe/Dublin", "2024-10-27T01:00:00.000+00:00"),
        ] {
            let schedule = try schedule(text, zoneName)
            let middle = try #require(instant(change))
            let (from, to) = (middle - 2 * 86_400_000, middle + 2 * 86_400_000)
            let expected = literal(schedule, from: from, to: to)
            var (found, time): ([EventTime], EventTime) = ([], from)
            while let next = schedule.next(after: time), next <= to {
                found.append(next)
                time = next
            }
            #expect(found == expected, "\(text) in \(zoneName)")
            for minute in stride(from: from, through: to, by: 60_000) {
                let before = expected.last { $0 < minute }
                if let before { #expect(schedule.previous(before: minute) == before) }
            }
        }
    }

    /// The instants in `(from, to]`: for real time, those at which the clock shows a match; for the wall clock, each matching time
    /// of the wall at the first instant at which the clock shows it or a later one.
    private func literal(_ schedule: Schedule, from: EventTime, to: EventTime) -> [EventTime] {
        let minutes = stride(from: from - 86_400_000, through: to, by: 60_000).map {
            (ms: $0, wall: ($0 + Int64(schedule.zone.offsetSeconds(atMs: $0)) * 1000) / 60_000)
        }
        func matches(_ wall: Int64) -> Bool { schedule.cron.wallMinute(after: wall - 1) == wall }
        var found: Set<EventTime> = []
        if schedule.cron.goesByRealTime {
            for minute in minutes where matches(minute.wall) { found.insert(minute.ms) }
        } else {
            var furthest = minutes[0].wall
            for minute in minutes.dropFirst() where minute.wall > furthest {
                if (furthest + 1...minute.wall).contains(where: matches) { found.insert(minute.ms) }
                furthest = minute.wall
            }
        }
        return found.filter { $0 > from && $0 <= to }.sorted()
    }
}

@Suite struct DataIntervalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var cron: String
        var at: String
        var start: String
        var end: String
        var name: String
        var testDescription: String { "\(cron) \(at)" }
    }

    @Test(arguments: [
        Case(
            cron: "0 3 1 * *", at: "2024-02-10T00:00:00.000-06:00", start: "2024-02-01T03:00:00.000-06:00",
            end: "2024-03-01T03:00:00.000-06:00", name: "2024-02"),
        Case(
            cron: "0 3 1 1,4,7,10 *", at: "2024-02-10T00:00:00.000-06:00", start: "2024-01-01T03:00:00.000-06:00",
            end: "2024-04-01T03:00:00.000-05:00", name: "2024-Q1"),
        Case(
            cron: "@yearly", at: "2024-02-10T00:00:00.000-06:00", start: "2024-01-01T00:00:00.000-06:00",
            end: "2025-01-01T00:00:00.000-06:00", name: "2024"),
        Case(
            cron: "30 2 * * *", at: "2024-03-10T00:00:00.000-06:00", start: "2024-03-09T02:30:00.000-06:00",
            end: "2024-03-10T03:00:00.000-05:00", name: "2024-03-09"),
        Case(
            cron: "0 * * * *", at: "2024-11-03T01:30:00.000-05:00", start: "2024-11-03T01:00:00.000-05:00",
            end: "2024-11-03T01:00:00.000-06:00", name: "2024-11-03T01:00-05:00"),
    ])
    func coversTheTimeSinceTheLastRun(_ given: Case) throws {
        let schedule = try schedule(given.cron, "America/Chicago")
        let interval = try #require(schedule.interval(dueAfter: instant(given.at) ?? 0))
        #expect(schedule.zone.iso(ms: interval.start) == given.start)
        #expect(schedule.zone.iso(ms: interval.end) == given.end)
        #expect(schedule.name(of: interval) == given.name)
        #expect(schedule.interval(dueBy: interval.end) == interval)
    }

    @Test func theFirstOneBeginsAtTheStartOrAfter() throws {
        let schedule = try schedule("0 0 1 * *", "UTC")
        let start = try #require(instant("2024-01-01T00:00:00.000+00:00"))
        let early = try #require(instant("2020-05-05T00:00:00.000+00:00"))
        #expect(schedule.interval(dueAfter: early, from: start)?.start == start)
        #expect(schedule.interval(dueAfter: early, from: start + 1).map { schedule.name(of: $0) } == "2024-02")
        #expect(schedule.interval(dueBy: start, from: start) == nil)
    }

    @Test func intervalsLieWithinTheirBounds() throws {
        let schedule = try schedule("0 0 1 * *", "UTC")
        let from = try #require(instant("2024-01-01T00:00:00.000+00:00"))
        let to = try #require(instant("2024-04-01T00:00:00.000+00:00"))
        func names(_ from: EventTime, _ to: EventTime) -> [String] {
            schedule.intervals(from: from, to: to).map { schedule.name(of: $0) }
        }
        #expect(names(from, to) == ["2024-01", "2024-02", "2024-03"])
        #expect(names(from + 1, to - 1) == ["2024-02"])
        #expect(names(to, from) == [])
    }
}

func schedule(_ cron: String, _ zone: String) throws -> Schedule {
    Schedule(try Cron(cron), zone: try ZoneClock(identifier: zone))
}

/// The instant of a text such as `2024-03-10T03:00:00.000-05:00`.
func instant(_ text: String) -> EventTime? {
    let parts = text.split { "-:.T+".contains($0) }.compactMap { Int($0) }
    guard parts.count == 9 else { return nil }
    let days = Calendar.day(year: parts[0], month: parts[1], day: parts[2])
    let seconds = days * 86400 + parts[3] * 3600 + parts[4] * 60 + parts[5]
    let offset = (parts[7] * 60 + parts[8]) * 60 * (text.dropLast(5).hasSuffix("-") ? -1 : 1)
    return EventTime((seconds - offset) * 1000 + parts[6])
}
