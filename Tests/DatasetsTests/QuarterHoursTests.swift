import Foundation
import Testing
import Time
import Trips

@testable import Datasets

@Suite struct QuarterHoursTests {
    //  2024-03-10   01:45 -> 03:00             92 quarter-hours
    //  2024-11-03   01:45 -> 01:00 … 01:45 -> 02:00   100
    @Test(arguments: [
        ("2024-03-09", 96), ("2024-03-10", 92), ("2024-11-03", 100), ("2005-04-03", 92), ("2005-10-30", 100),
    ])
    func clockChangesMakeShortAndLongDays(_ text: String, count: Int) {
        #expect(QuarterHours(days: day(text)...day(text)).count == count)
    }

    @Test func theSkippedHourNeverAppearsAndTheDoubledOneDoes() throws {
        var options = TripGenerator.Options(rows: 4_000, days: day("2024-03-10")...day("2024-03-10"))
        #expect(!(try GeneratedFile(options).column("Trip Start Timestamp").contains { hour($0) == 2 }))
        #expect(
            !(try GeneratedFile(options).column("Trip End Timestamp").contains {
                $0.hasPrefix("03/10") && hour($0) == 2
            }))
        options.days = day("2024-11-03")...day("2024-11-03")
        let autumn = try GeneratedFile(options).column("Trip Start Timestamp").count { hour($0) == 1 }
        options.days = day("2024-11-10")...day("2024-11-10")
        let usual = try GeneratedFile(options).column("Trip Start Timestamp").count { hour($0) == 1 }
        #expect(Double(autumn) > Double(usual) * 1.5)
    }

    @Test func theRulesAreThoseOfTheTimeZoneData() throws {
        let zone = try #require(TimeZone(identifier: "America/Chicago"))
        func offset(_ day: Int) -> Int {
            zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(day) * 86400 + 43200))
        }
        let wrong = (day("2000-01-02")...day("2036-12-31")).filter { day in
            let (before, now) = (offset(day - 1), offset(day))
            return ClockChange(onDay: day) != (now > before ? .forward : now < before ? .back : .none)
        }
        #expect(wrong.map(Calendar.text).isEmpty)
    }

    @Test func wallTimesGoOnFromDayToDay() {
        let quarters = QuarterHours(days: day("2024-02-28")...day("2024-03-01"))
        #expect(quarters.count == 288)
        #expect(quarters.wall(0) == (day("2024-02-28"), 0))
        #expect(quarters.wall(95 + 96) == (day("2024-02-29"), 95))
        #expect(quarters.onTheWall.count == 288 + QuarterHours.daysToEndIn * 96)
    }
}
