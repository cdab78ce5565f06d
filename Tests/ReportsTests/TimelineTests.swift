import Database
import Foundation
import SQLite
import Testing

@testable import Reports

/// Axes of time with their gaps, and periods with days without trips.
@Suite struct TimelineTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var periods: [String]
        var slots: [Int]
        var names: [String]
    }

    @Test(arguments: [
        Case(
            testDescription: "months over a year's end", periods: ["2023-11", "2024-01", "2024-02"], slots: [0, 2, 3],
            names: ["Nov 23", "Dec 23", "Jan 24", "Feb 24"]),
        Case(
            testDescription: "quarters", periods: ["2023-Q4", "2024-Q3"], slots: [0, 3],
            names: ["Q4 23", "Q1 24", "Q2 24", "Q3 24"]),
        Case(testDescription: "years", periods: ["2019", "2021"], slots: [0, 2], names: ["2019", "2020", "2021"]),
        Case(testDescription: "one alone", periods: ["2019-12"], slots: [0], names: ["Dec 19"]),
        Case(testDescription: "none", periods: [], slots: [], names: []),
        Case(
            testDescription: "texts that are no periods lie side by side", periods: ["2023-01", "<b>", "2024-01"],
            slots: [0, 1, 2], names: ["Jan 23", "<b>", "Jan 24"]),
        Case(
            testDescription: "kinds that are mixed too", periods: ["2023", "2023-01"], slots: [0, 1],
            names: ["2023", "Jan 23"]),
    ])
    func periodsHaveTheirDistances(_ c: Case) {
        let timeline = Timeline(c.periods)
        #expect(timeline.slots == c.slots)
        #expect(timeline.count == c.names.count)
        #expect((0..<timeline.count).map(timeline.name(ofSlot:)) == c.names)
    }

    /// Twelve months by counting them one by one.
    @Test func ordinalsAreThoseOfTheCalendar() {
        var ordinal = 2023 * 12
        for year in 2023...2025 {
            for month in 1...12 {
                let text = "\(year)-\(month < 10 ? "0" : "")\(month)"
                #expect(PeriodText(text: text).ordinal == ordinal)
                #expect(PeriodText(text: "2023-01").after(ordinal - 2023 * 12)?.text == text)
                ordinal += 1
            }
        }
        for text in ["2023-13", "2023-00", "2023-Q5", "2023-Q0", "23", "2023-1", "2023-+1", "abcd", ""] {
            #expect(PeriodText(text: text).ordinal == nil, "\(text)")
        }
    }

    @Test func linesBreakWhereTheCalendarGoesOn() {
        let frame = TimeFrame(
            left: 0, right: 60, top: 0, bottom: 1, periods: ["2023-01", "2023-02", "2023-05", "2023-06"])
        #expect(frame.broken([1, 2, 3, nil]) == [1, 2, nil, 3, nil])
        #expect(frame.x(0) == 5 && frame.x(2) == 45)
        #expect(frame.isOnLine(0, [1, 2, 3, nil]) && !frame.isOnLine(2, [1, 2, 3, nil]))
    }

    private func report(_ results: StoredResults) throws -> Report {
        try Report(
            results.connection, selection: ReportSelection(), tenant: "chicago", made: "2026-01-02T03:04:05.000-06:00",
            zone: "America/Chicago")
    }

    /// Seven months, of which the fourth and fifth are taken out, and the third and the last have few days.
    private func withGap() throws -> StoredResults {
        let results = try StoredResults()
        try results.fill(months: 7)
        for view in ["fare_trend", "accumulated_metrics", "area_hotspots", "payment_mix", "company_mix"] {
            try results.connection.execute("DELETE FROM \(view) WHERE period IN ('2015-04', '2015-05')")
        }
        try results.connection.execute(
            """
            CREATE TABLE \(Coverage.table)(period_kind, period, source, days, days_with_trips);
            INSERT INTO \(Coverage.table) VALUES ('month', '2015-01', 'tripstotal', 31, 31),
              ('month', '2015-03', 'tripstotal', 31, 1), ('month', '2015-07', 'tripstotal', 31, 12),
              ('month', '2015-02', 'hotspotcommunitywindow', 28, 27), ('quarter', '2015-Q3', 'tripstotal', 92, 12);
            """)
        return results
    }

    @Test func monthsWithoutTripsTakeTheirRoomAndBreakLines() throws {
        let figures = try report(try withGap()).figures
        let trend = try #require(figures.first { $0.id == "fare-trend" }).svg
        let line = try #require(
            trend.components(separatedBy: "\n").first { $0.contains("class=\"k0\"") && $0.hasPrefix("<path") })
        #expect(line.components(separatedBy: "M").count == 3, "the median is two lines: \(line)")
        #expect(trend.components(separatedBy: "class=\"band1\"").count == 3)
        #expect(trend.contains(">Apr 15</text>"), "the axis has the months of the gap")
        // Seven slots of the width between the frame's edges.
        let totals = try #require(figures.first { $0.id == "totals" }).svg
        let places = totals.matches(of: /<rect x="([\d.]+)"[^>]*class="f0[^>]*><title>2015-0([\d])/)
            .compactMap { match in Double(match.1).flatMap { x in Int(match.2).map { (month: $0, x: x) } } }
        #expect(places.map(\.month) == [1, 2, 3, 6, 7])
        let step = (860.0 - 14 - 56) / 7
        for place in places.dropFirst() {
            #expect(abs(place.x - places[0].x - Double(place.month - 1) * step) < 0.11, "\(place)")
        }
    }

    @Test func periodsWithDaysWithoutTripsAreDrawnOtherwiseAndNamed() throws {
        let report = try report(try withGap())
        func figure(_ id: String) throws -> Figure { try #require(report.figures.first { $0.id == id }) }
        let remark = "Not on all days (hollow or pale): 2015-03 has trips on 1 of 31 days, 2015-07 on 12 of 31."
        for id in ["fare-trend", "totals", "payment-mix", "company-mix"] {
            let figure = try figure(id)
            #expect(figure.remark == remark, "\(id)")
            #expect(figure.svg.contains("2015-03 has trips on 1 of 31 days"), "\(id)")
            #expect(report.html.contains("<p>\(remark)</p>"))
        }
        #expect(try figure("fare-trend").svg.components(separatedBy: "class=\"k0 o\"").count == 3)
        let bars = try figure("totals").svg.matches(of: /class="f0 half h"><title>2015-0(\d):[^<]*; trips on/).map(\.1)
        #expect(bars == ["3", "7"])
        #expect(try figure("payment-mix").svg.contains("class=\"f0 half h\"><title>2015-03: Cash"))
        // By the days of the query that its numbers come from.
        #expect(
            try figure("area-ranks").remark == "Not on all days (hollow or pale): 2015-02 has trips on 27 of 28 days.")
        #expect(
            try figure("hour-of-week").remark
                == "Not on all days: 2015-03 has trips on 1 of 31 days, 2015-07 on 12 of 31.")
        #expect(try figure("fare-distribution").remark == nil)
    }

    @Test func aPictureOfItsOwnSaysWhatItIsMadeOf() throws {
        let results = try StoredResults()
        try results.fill(months: 14)
        try results.addProduceRun("1", read: 10, sent: 10)
        let figures = try report(results).figures
        func source(_ id: String) -> String? { figures.first { $0.id == id }?.source }
        let end = "times in America/Chicago; made by taxi-cli 2026-01-02 03:04"
        #expect(source("fare-trend") == "Source: fare_trend of tenant chicago, 2015-01 to 2016-02, \(end)")
        #expect(
            source("area-hotspots") == "Source: area_hotspots and location_hotspots of tenant chicago, 2016-01, \(end)")
        #expect(source("data-quality") == "Source: runs and the ledger of tenant chicago, all runs, \(end)")
        for figure in figures {
            #expect(figure.svg.contains(">Source: \(figure.views) of tenant chicago, "), "\(figure.id)")
        }
    }

    @Test func longTextsAreFolded() {
        #expect(folded("one two three", letters: 7) == ["one two", "three"])
        #expect(folded("incomprehensibilities at", letters: 7) == ["incomprehensibilities", "at"])
        #expect(folded("", letters: 7) == [])
    }
}
