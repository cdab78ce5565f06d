import Basics
import Testing

import Time
@testable import Trips

@Suite struct RFC3339Tests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let ms: EventTime?
        init(_ testDescription: String, _ text: String, _ ms: EventTime?) {
            (self.testDescription, self.text, self.ms) = (testDescription, text, ms)
        }
    }

    @Test(arguments: [
        Case("the form that is written", "2024-01-22T19:45:00.000Z", 1_705_952_700_000),
        Case("1970", "1970-01-01T00:00:00.000Z", 0),
        Case("before 1970", "1969-12-31T23:59:59.999Z", -1),
        Case("decimals are cut towards the past, before 1970 too", "1969-12-31T23:59:59.9999999Z", -1),
        Case("a leap day", "2024-02-29T00:00:00.000Z", 1_709_164_800_000),
        Case("a leap day of a century that 400 divides", "2000-02-29T12:00:00Z", 951_825_600_000),
        Case("no leap day in a common year", "2023-02-29T00:00:00Z", nil),
        Case("no leap day in 1900", "1900-02-29T00:00:00Z", nil),
        Case("no 31st of April", "2024-04-31T00:00:00Z", nil),
        Case("first time that has a text", "0000-01-01T00:00:00.000Z", RFC3339.range.lowerBound),
        Case("last time that has a text", "9999-12-31T23:59:59.999Z", RFC3339.range.upperBound),
        Case("no decimals", "2024-01-22T19:45:00Z", 1_705_952_700_000),
        Case("one decimal", "2024-01-22T19:45:00.5Z", 1_705_952_700_500),
        Case("nine decimals", "2024-01-22T19:45:00.123999999Z", 1_705_952_700_123),
        Case("an offset to the west", "2024-01-22T13:45:00.000-06:00", 1_705_952_700_000),
        Case("an offset to the east, half hours", "2024-01-23T01:15:00+05:30", 1_705_952_700_000),
        Case("an offset without a colon", "2024-01-22T13:45:00-0600", 1_705_952_700_000),
        Case("an offset into another year", "2023-12-31T23:00:00-02:00", 1_704_070_800_000),
        Case("no offset is UTC", "2024-01-22 19:45:00", 1_705_952_700_000),
        Case("small letters", "2024-01-22t19:45:00z", 1_705_952_700_000),
        Case("hour 24", "2024-01-22T24:00:00Z", nil),
        Case("minute 60", "2024-01-22T19:60:00Z", nil),
        Case("second 60", "2024-01-22T19:45:60Z", nil),
        Case("month 0", "2024-00-22T19:45:00Z", nil),
        Case("month 13", "2024-13-22T19:45:00Z", nil),
        Case("day 0", "2024-01-00T19:45:00Z", nil),
        Case("a byte below the digits", "2024-01-22T19:4/:00Z", nil),
        Case("a byte above the digits", "2024-01-22T19:4::00Z", nil),
        Case("a byte outside ASCII", "2024-01-22T19:4é00Z", nil),
        Case("a point without decimals", "2024-01-22T19:45:00.Z", nil),
        Case("text after Z", "2024-01-22T19:45:00Z ", nil),
        Case("an offset of 24 hours", "2024-01-22T19:45:00+24:00", nil),
        Case("half an offset", "2024-01-22T19:45:00+06", nil),
        Case("an offset with letters", "2024-01-22T19:45:00+0x:00", nil),
        Case("without seconds", "2024-01-22T19:45Z", nil),
        Case("the City's own form", "01/22/2024 07:45:00 PM", nil),
        Case("nothing", "", nil),
    ])
    func reads(_ c: Case) { #expect(RFC3339.parse(c.text) == c.ms) }

    @Test func writesWhatItReads() {
        for text in ["2024-01-22T19:45:00.007Z", "1969-12-31T23:59:59.999Z", "1600-02-29T00:00:00.000Z"] {
            #expect(RFC3339.parse(text).map(RFC3339.string) == text)
        }
    }

    @Test func timesWithoutATextAreWrittenAsTheNearestOne() {
        #expect(RFC3339.string(.min) == "0000-01-01T00:00:00.000Z")
        #expect(RFC3339.string(.max) == "9999-12-31T23:59:59.999Z")
    }

    @Test func everyDayOfFourCenturiesComesBack() {
        for day in Calendar.day(year: 1800, month: 1, day: 1)..<Calendar.day(year: 2200, month: 1, day: 1) {
            let ms = EventTime(day) * 86_400_000 + EventTime(abs(day) % 86_400_000)
            if RFC3339.parse(RFC3339.string(ms)) != ms { Issue.record("day \(day)") }
        }
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func anyTimeComesBackAndNoBytesTrap(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            let ms = EventTime.random(in: RFC3339.range, using: &numbers)
            var bytes = Array(RFC3339.string(ms).utf8)
            #expect(bytes.withUnsafeBufferPointer { RFC3339.parse($0) } == ms)
            bytes[Int.random(in: 0..<24, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            let changed = Array(bytes.prefix(Int.random(in: 0...24, using: &numbers)))
            _ = Block(changed).parsedTime
        }
    }
}

extension Block {
    fileprivate var parsedTime: EventTime? { RFC3339.parse(UnsafeBufferPointer(start: start, count: count)) }
}
