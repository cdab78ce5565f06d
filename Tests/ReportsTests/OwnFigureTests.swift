import Database
import Foundation
import Problems
import SQLite
import Testing

@testable import Reports

/// Charts of a tenant's own analyses and queries.
@Suite struct OwnFigureTests {
    private func report(
        _ results: StoredResults, _ own: [OwnTable], _ selection: ReportSelection = ReportSelection()
    ) throws -> Report {
        try Report(
            results.connection, selection: selection, tenant: "chicago", made: "2026-01-02T03:04:05.000-06:00",
            zone: "America/Chicago", own: own)
    }

    private func filled(_ sql: String) throws -> StoredResults {
        let results = try StoredResults()
        try results.fill(months: 3)
        try results.connection.execute(sql)
        return results
    }

    private static let nights = OwnTable(
        .analysis, name: "night_fares", view: "night_fares", about: "trips from ten to six", keys: ["trips"])

    private static let nightRows = """
        CREATE TABLE night_fares(period_kind, period, trips, fare, remark, partial);
        INSERT INTO night_fares VALUES ('month', '2015-01', 10, 100.25, 'x', 0), ('month', '2015-03', 30, -5.5, NULL, 1),
          ('month', '2014-01', 99, 99, NULL, 0), ('year', '2015', 77, 77, NULL, 1);
        """

    @Test func anAnalysisHasAPanelForEachColumnOfNumbers() throws {
        let report = try report(try filled(Self.nightRows), [Self.nights])
        let figure = try #require(report.figures.last)
        #expect(figure.id == "night_fares")
        #expect(figure.note == "Trips from ten to six. From night_fares, an analysis of the tenant's own.")
        #expect(figure.source.hasPrefix("Source: night_fares of tenant chicago, 2015-01 to 2015-03, "))
        // The report's periods alone, each once.
        let rows = try PageReader(report.html).section("night_fares")?.rows
        #expect(
            rows == [
                ["period", "trips", "fare", "remark", "partial"], ["2015-01", "10", "100.25", "x", "0"],
                ["2015-03", "30", "-5.5", "", "1"],
            ])
        let svg = figure.svg
        #expect(svg.contains(">trips</text>") && svg.contains(">fare</text>"))
        #expect(!svg.contains(">remark</text>") && !svg.contains(">partial</text>"))
        #expect(svg.contains("<title>2015-03: trips 30.00, fare -5.50</title>"))
        #expect(svg.contains(">Feb 15</text>"), "February takes its room")
        #expect(svg.contains("Trips from ten to six."), "a picture of its own says what it is about")
    }

    @Test func rowsOfGroupsAreLinesOfTheLargest() throws {
        let results = try filled(
            """
            CREATE TABLE by_type(period_kind, period, kind, part, n, partial);
            WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 9)
            INSERT INTO by_type SELECT 'month', '2015-0' || m, 'k' || i, 'p', i * m, 0 FROM i, (SELECT 1 AS m UNION SELECT 2);
            """)
        let table = OwnTable(.analysis, name: "by_type", view: "by_type", keys: ["kind", "part"])
        let figure = try #require(try report(results, [table]).figures.last)
        #expect(
            figure.note
                == "The 6 of 9 groups with the largest sums of n. From by_type, an analysis of the tenant's own.")
        let shown = figure.svg.matches(of: />(k\d, p)<\/text>/).map { String($0.1) }
        #expect(shown == (4...9).reversed().map { "k\($0), p" })
        #expect(figure.table.rows.count == 18, "the numbers have all groups")
    }

    /// Windows of two days, by the hour and by the day, against means that are counted by hand.
    @Test func windowsOfAQueryBecomeMeansOfTheirDays() throws {
        let results = try filled(
            """
            CREATE TABLE halfhours(window_start, window_end, trips, fares);
            INSERT INTO halfhours VALUES ('2015-01-05T08:00:00.000-06:00', '', 4, 1.5), ('2015-01-05T08:30:00.000-06:00', '', 8, NULL),
              ('2015-01-07T09:00:00.000-06:00', '', 3, 2.5), ('2015-03-01T00:00:00.000-06:00', '', 1, 9);
            """)
        let table = OwnTable(.query, name: "halfHours", view: "halfhours", keys: [])
        let all = try #require(try report(results, [table]).figures.last)
        #expect(all.title == "halfHours" && all.id == "halfhours")
        let page = try PageReader(try report(results, [table]).html).section("halfhours")?.rows
        #expect(
            page == [
                ["day", "rows", "trips_mean", "trips_least", "trips_most", "fares_mean", "fares_least", "fares_most"],
                ["2015-01-05", "2", "6", "4", "8", "1.5", "1.5", "1.5"],
                ["2015-01-07", "1", "3", "3", "3", "2.5", "2.5", "2.5"],
                ["2015-03-01", "1", "1", "1", "1", "9", "9", "9"],
            ])
        #expect(all.remark == nil && all.note.hasPrefix("Means of the rows of each day, in a band"))
        // A report of one month has its windows alone.
        let january = ReportSelection(kind: .month, scope: .one("2015-01", parts: ["2015-01"]))
        let cut = try #require(try report(results, [table], january).figures.last)
        #expect(cut.table.texts("day") == ["2015-01-05", "2015-01-07"])
        // Where all windows lie within days, hours tell more.
        try results.connection.execute(
            """
            DELETE FROM halfhours WHERE window_start > '2015-02';
            CREATE TABLE stored_halfhours(window_start_ms); INSERT INTO stored_halfhours VALUES (0), (180000000);
            """)
        let hours = try #require(try report(results, [table]).figures.last)
        #expect(hours.table.texts("hour") == ["2015-01-05T08", "2015-01-07T09"])
    }

    @Test func groupsWithoutTimeAreBars() throws {
        let results = try filled(
            """
            CREATE TABLE allpay(payment_type, trips, fares);
            INSERT INTO allpay VALUES ('Cash', 5, 2.5), ('<Card>', 9, 1), (NULL, 1, 0);
            CREATE TABLE days(day, company, trips); INSERT INTO days VALUES ('2015-01-01', 'A', 1), ('2015-01-01', 'B', 3);
            """)
        let own = [
            OwnTable(.query, name: "allPay", view: "allpay", keys: ["payment_type"]),
            OwnTable(.query, name: "days", view: "days", keys: ["day", "company"]),
        ]
        let report = try report(results, own)
        let bars = try #require(report.figures.dropLast().last)
        #expect(bars.table.rows.map { $0[0].text } == ["<Card>", "Cash", ""])
        #expect(bars.source.contains("of tenant chicago, all time, "))
        _ = try PageReader(report.html)
        _ = try PageReader(bars.svg)
        let days = try #require(report.figures.last)
        #expect(days.table.columns.map(\.name) == ["day", "group", "rows", "trips_mean", "trips_least", "trips_most"])
        #expect(days.table.rows.map { $0[1].text } == ["A", "B"])
    }

    @Test func whatCannotBeDrawnIsLeftOutWithTheReason() throws {
        let results = try filled(
            """
            CREATE TABLE texts(period_kind, period, word, partial); INSERT INTO texts VALUES ('month', '2015-01', 'x', 0);
            CREATE TABLE total(n); INSERT INTO total VALUES (1);
            CREATE TABLE none(window_start, window_end, n);
            """)
        let own = [
            OwnTable(.analysis, name: "missing", view: "missing", keys: ["n"]),
            OwnTable(.analysis, name: "texts", view: "texts", keys: ["word"]),
            OwnTable(.query, name: "total", view: "total", keys: []),
            OwnTable(.query, name: "none", view: "none", keys: []),
        ]
        var report = try report(results, own)
        #expect(
            report.omissions.map(\.reason) == [
                "missing: taxi-cli batch has not computed it", "texts: its columns have no numbers",
                "total: it has one row alone, which taxi-cli show prints", "none: its rows have no numbers",
            ])
        let problem = #expect(throws: Problem.self) { try report.keep(["missing"]) }
        #expect(problem?.message == "there is no chart \"missing\": missing: taxi-cli batch has not computed it")
    }

    @Test func aNameThatAChartHasIsTakenFromNobody() throws {
        let results = try filled(
            """
            CREATE TABLE totals(period_kind, period, n, partial); INSERT INTO totals VALUES ('month', '2015-01', 1, 0), ('month', '2015-02', 3, 0);
            """)
        var report = try report(results, [OwnTable(.analysis, name: "totals", view: "totals", keys: ["n"])])
        #expect(report.figures.map(\.id).filter { $0.hasSuffix("totals") } == ["totals", "own-totals"])
        try report.keep(["own-totals"])
        #expect(report.figures.map(\.views) == ["totals"])
    }

    @Test func daysWithoutTripsShowInAnalyses() throws {
        let results = try filled(
            Self.nightRows + """
                CREATE TABLE \(Coverage.table)(period_kind, period, source, days, days_with_trips);
                INSERT INTO \(Coverage.table) VALUES ('month', '2015-03', 'tripstotal', 31, 2);
                """)
        let figure = try #require(try report(results, [Self.nights]).figures.last)
        #expect(figure.remark == "Not on all days (hollow or pale): 2015-03 has trips on 2 of 31 days.")
        #expect(figure.svg.components(separatedBy: "class=\"k0 o\"").count == 3)
        #expect(figure.svg.contains("fare -5.50; trips on 2 of 31 days</title>"))
    }
}
