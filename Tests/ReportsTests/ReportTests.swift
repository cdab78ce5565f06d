import Foundation
import Problems
import SQLite
import Testing

@testable import Reports

@Suite struct ReportTests {
    private static let all = [
        "fare-trend", "fare-distribution", "totals", "hour-of-week", "taxis-out", "area-hotspots", "area-ranks",
        "payment-mix",
        "company-mix", "data-quality",
    ]

    private func report(
        _ results: StoredResults, _ selection: ReportSelection = ReportSelection(), tenant: String = "chicago"
    ) throws -> Report {
        try Report(
            results.connection, selection: selection, tenant: tenant, made: "2026-01-02T03:04:05.000-06:00",
            zone: "America/Chicago")
    }

    /// The values of a query as the page writes them whole.
    private func rows(_ results: StoredResults, _ sql: String, money: Set<Int> = []) throws -> [[String]] {
        try results.connection.rows(sql) { row in
            (0..<row.columnCount).map { ReportTable.plain(row.value($0), money.contains($0) ? .money : .number) }
        }
    }

    @Test func everyChartIsDrawnWithItsNumbers() throws {
        let results = try StoredResults()
        try results.fill(months: 14)
        try results.addProduceRun("1", read: 10, sent: 10)
        let page = try PageReader(try report(results).html)
        #expect(page.sections.map(\.id) == Self.all)
        for section in page.sections {
            #expect(section.pictures == 2, "\(section.id): one for the page, one for a phone")
            #expect(section.rows.count > 1, "\(section.id)")
            #expect(section.shapes > 0 || section.id == "data-quality", "\(section.id)")
        }
        #expect(page.section("area-hotspots")?.shapes ?? 0 > 2 * 77)
    }

    @Test func tablesOfThePageEqualTheViews() throws {
        let results = try StoredResults()
        try results.fill(months: 14)
        let page = try PageReader(try report(results).html)
        let views = [
            (
                "fare-trend",
                "SELECT period, trips, fare_sum, fare_mean, tips_sum, tips_mean, total_sum, total_mean, fare_p10, fare_p25, fare_p50, fare_p75, fare_p90, fare_p99, fare_sum_change, fare_sum_change_year, partial FROM fare_trend ORDER BY period",
                Set(2...13)
            ),
            (
                "totals",
                "SELECT period, trips, fare, tips, total, trips_in_year, fare_in_year, tips_in_year, total_in_year, trips_so_far, fare_so_far, tips_so_far, total_so_far, tips_mean, total_mean, partial FROM accumulated_metrics ORDER BY period",
                [2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14]
            ),
            (
                "fare-distribution",
                "SELECT bucket, min(fare_from), min(fare_to), sum(trips), sum(total_fare) FROM faredistribution GROUP BY bucket ORDER BY bucket",
                [1, 2, 4]
            ),
            (
                // The newest month is not complete, so the map is of the one before.
                "area-hotspots",
                "SELECT period, rank, pickup_community_area, area_name, pickups, share, top10_days, days, persistent FROM area_hotspots WHERE period = '2016-01' ORDER BY rank",
                []
            ),
            (
                "taxis-out",
                """
                SELECT hour, sum(hours), sum(taxi_hours), round(sum(taxi_hours) * 1.0 / sum(hours), 2), max(taxis_most), sum(trips), sum(fare),
                  round(sum(trips) * 1.0 / sum(taxi_hours), 2), sum(fare) / sum(taxi_hours) FROM taxis_out GROUP BY hour ORDER BY hour
                """, [6, 8]
            ),
            ("payment-mix", Self.mixSQL("payment_mix", "payment_type"), [6, 7]),
            // Twelve companies a month, of which the page has eight.
            ("company-mix", Self.mixSQL("company_mix", "company"), [6, 7]),
        ]
        for (id, sql, money) in views {
            #expect(page.section(id)?.rows.dropFirst().map(\.self) == (try rows(results, sql, money: money)), "\(id)")
        }
        #expect(
            page.section("area-hotspots")?.tables["location-hotspots"]?.dropFirst().map(\.self)
                == (try rows(
                    results,
                    "SELECT period, rank, pickup_centroid_location, pickups, share, top10_days, days, persistent FROM location_hotspots WHERE period = '2016-01' ORDER BY rank"
                )))
        let ranks = try #require(page.section("area-ranks")?.rows.dropFirst())
        let first = try rows(
            results,
            "SELECT period, rank, pickup_community_area, area_name, pickups, share FROM area_hotspots WHERE rank <= 10 ORDER BY period, rank"
        )
        #expect(Array(ranks) == first)
    }

    private static func mixSQL(_ view: String, _ column: String) -> String {
        """
        SELECT period, \(column), trips, share, share_before, share_year_before, fare, tips, tip_share,
           fare_a_mile, fare_a_minute
        FROM \(view) WHERE trips >= 5000 ORDER BY period, trips DESC
        """
    }

    @Test func sharesOfTheMixAddUpToAllTrips() throws {
        let results = try StoredResults()
        try results.fill(months: 2)
        let figures = try report(results).figures
        let payments = try #require(figures.first { $0.id == "payment-mix" })
        #expect(payments.svg.contains("<title>2015-01: Cash 50.0%, 12,000 trips</title>"))
        #expect(!payments.svg.contains("<title>2015-01: all others"), "three payment types are all named")
        let companies = try #require(figures.first { $0.id == "company-mix" })
        // Twelve companies with 12, 11, … 1 parts of 78; six are named.
        #expect(companies.svg.contains("<title>2015-02: Company 12 15.4%, 12,000 trips</title>"))
        #expect(companies.svg.contains("<title>2015-02: all others 26.9%</title>"))
    }

    /// What days lost with `batch --retain-windows` is still in the histogram, and in the hours where hourOfWeekByDay has it.
    @Test func daysWithoutWindowsComeFromTheirRollups() throws {
        let results = try StoredResults()
        try results.fill(months: 1)
        try results.connection.execute(
            """
            CREATE TABLE pruned_windows(view, before_day); CREATE TABLE rolled_days(day, fresh);
            CREATE TABLE day_fare(day, bucket, trips, fare_sum, fare_n);
            CREATE TABLE stored_faredistribution(window_start_ms, closed); CREATE TABLE stored_sumfarewindow(window_start_ms, closed);
            CREATE TABLE hourofweekbyday(day, hour_of_week, trips);
            -- 2015-01-05 (16440) is gone, of 2015-01-06 windows are left.
            INSERT INTO pruned_windows VALUES ('faredistribution', 16442), ('sumfarewindow', 16442);
            INSERT INTO rolled_days VALUES (16440, 1), (16441, 1);
            INSERT INTO day_fare VALUES (16440, 120, 40, 100050, 40), (16441, 120, 999, 99900, 999);
            INSERT INTO hourofweekbyday VALUES ('2015-01-05', 7, 40), ('2015-01-06', 31, 999);
            DELETE FROM faredistribution; DELETE FROM sumfarewindow;
            INSERT INTO stored_faredistribution VALUES (1420524000000, 1); INSERT INTO stored_sumfarewindow VALUES (1420524000000, 1);
            INSERT INTO faredistribution SELECT '2015-01-06T00:00:00.000-06:00', '', bucket, fare_from, fare_to, 2, 5.5
              FROM fare_buckets WHERE bucket = 120;
            INSERT INTO sumfarewindow VALUES ('2015-01-06T00:00:00.000-06:00', '', 2, 5.5, 1, 1);
            """)
        let page = try PageReader(try report(results).html)
        let fares = page.section("fare-distribution")?.rows.dropFirst() ?? []
        #expect(fares.map { [$0[0], $0[3], $0[4]] } == [["120", "42", "1006.00"]])
        #expect(
            page.section("hour-of-week")?.rows.dropFirst().map(\.self) == [
                ["Monday", "7", "40", "1", "40"], ["Tuesday", "0", "2", "1", "2"],
            ])
    }

    @Test func hoursOfTheWeekAreMeansOverDaysWithTrips() throws {
        let results = try StoredResults()
        try results.fill(months: 1)
        // 2015-01-05 and 2015-01-12 were Mondays; both have trips by now.
        try results.connection.execute(
            """
            DELETE FROM sumfarewindow;
            INSERT INTO sumfarewindow VALUES ('2015-01-05T08:00:00.000-06:00', '', 4, 1, 1, 1),
              ('2015-01-05T08:59:55.000-06:00', '', 3, 1, 1, 1), ('2015-01-12T09:00:00.000-06:00', '', 5, 1, 1, 1),
              ('2015-01-11T23:30:00.000-06:00', '', 2, 1, 1, 1), ('2015-01-04T23:30:00.000-06:00', '', 0, 1, 1, 1);
            """)
        let page = try PageReader(try report(results).html)
        #expect(
            page.section("hour-of-week")?.rows.dropFirst().map(\.self) == [
                ["Monday", "8", "7", "2", "3.5"], ["Monday", "9", "5", "2", "2.5"], ["Sunday", "23", "2", "1", "2"],
            ])
    }

    @Test func aResumedReplayIsCountedOnce() throws {
        let results = try StoredResults()
        try results.fill(months: 1)
        try results.addProduceRun("1", read: 100, sent: 99, rejected: ["bad_money": 1])
        try results.addProduceRun("2", read: 300, sent: 297, rejected: ["bad_money": 3], resumedFrom: 99)
        try results.addProduceRun("3", read: 10, sent: 8, rejected: ["bad_number": 2])
        try results.connection.execute(
            """
            INSERT INTO ledger (run_id, kind, source, partition, query, counter, value) VALUES
              ('4', 'stream', 't', 0, 'q', 'aggregated', 7), ('5', 'stream', 't', 1, 'q', 'aggregated', 5),
              ('4', 'stream', 't', 0, 'q', 'late', 2), ('4', 'stream', 't', 0, '', 'rejected:malformed_json', 1)
            """)
        let html = try report(results).html
        #expect(html.contains("<title>produce: 5 rejected, 1.61%: bad_money 3, bad_number 2</title>"))
        let page = try PageReader(html)
        #expect(
            Set(page.section("data-quality")?.rows.dropFirst() ?? []) == [
                ["produce", "", "read", "", "310"], ["produce", "", "sent", "", "305"],
                ["produce", "", "rejected", "bad_money", "3"], ["produce", "", "rejected", "bad_number", "2"],
                ["stream", "q", "aggregated", "", "12"], ["stream", "q", "late", "", "2"],
                ["stream", "", "rejected", "malformed_json", "1"],
            ])
    }

    @Test func tenYearsOfMonthsFitIntoTwoMegabytes() throws {
        let results = try StoredResults()
        try results.fill(months: 120)
        let page = try report(results).html
        #expect(page.utf8.count < 2_000_000)
        _ = try PageReader(page)
        #expect(
            !page.contains("http://") || page.components(separatedBy: "http://").count == 2, "the name of XHTML alone")
        #expect(!page.contains("https://"), "nothing is fetched")
    }

    @Test func aPeriodIsCutOut() throws {
        let results = try StoredResults()
        try results.fill(months: 30)
        let parts = (1...12).map { "2016-\($0 < 10 ? "0" : "")\($0)" }
        let year = try report(results, ReportSelection(kind: .month, scope: .one("2016", parts: parts)))
        #expect(year.span == ("2016-01", "2016-12"))
        #expect(year.figures.first?.table.texts("period") == parts)
        let fares = try #require(year.figures.first { $0.id == "fare-distribution" })
        #expect(fares.table.numbers("trips").compactMap(\.self).reduce(0, +) == Double(12 * (1...77).reduce(0, +)))

        let last = try report(results, ReportSelection(kind: .month, scope: .last))
        #expect(last.span == ("2017-05", "2017-05"), "the newest complete one")
        #expect(try PageReader(last.html).sections.count == Self.all.count - 1, "no run, so no data quality")
    }

    @Test func whereNothingIsStoredItSaysWhatToDo() throws {
        let empty = try StoredResults()
        #expect {
            try report(empty)
        } throws: { ($0 as? Problem)?.code == .noInput && ($0 as? Problem)?.hint?.contains("taxi-cli batch") == true }

        let results = try StoredResults()
        try results.fill(months: 3)
        #expect {
            try report(results, ReportSelection(kind: .month, scope: .one("1999-01", parts: ["1999-01"])))
        } throws: { ($0 as? Problem)?.code == .noInput && ($0 as? Problem)?.hint == "There are 2015-01 to 2015-03." }
    }

    @Test func numbersGoOutAsJSONAndCSV() throws {
        let results = try StoredResults()
        try results.fill(months: 3)
        let report = try report(results, tenant: "a-b")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        #expect(object["tenant"] as? String == "a-b")
        let figures = try #require(object["figures"] as? [String: [String: Any]])
        #expect(Set(figures.keys) == Set(Self.all.dropLast() + ["location-hotspots"]))
        let trend = try #require(figures["fare-trend"]?["rows"] as? [[String: Any]])
        #expect(trend.map { $0["trips"] as? Int } == [1000, 1001, 1002])
        #expect(trend.map { $0["partial"] as? Bool } == [false, false, true])

        let ranks = try #require(report.figures.first { $0.id == "area-ranks" })
        let lines = ranks.table.csv.components(separatedBy: "\r\n")
        #expect(lines[0] == "period,rank,pickup_community_area,area_name,pickups,share")
        #expect(lines[1] == "2015-01,1,2,\"Area <2> & \"\"O'Hare\"\"\",9000,0.2")
    }

    /// Whatever stands in a database, a tenant's name too, is text in the page, in pictures, in JSON and for a spreadsheet.
    @Test func hostileTextsStayTexts() throws {
        let hostile = "</title></script><script>alert(1)</script>&\"'\u{1B}[31m\u{7F}\u{9B}\u{2028}\u{FFFF}"
        let results = try StoredResults()
        try results.fill(months: 3)
        for (table, column) in [
            ("fare_trend", "period"), ("company_mix", "company"), ("payment_mix", "payment_type"),
            ("area_hotspots", "area_name"), ("location_hotspots", "pickup_centroid_location"),
        ] {
            // One that sorts before and one behind all others.
            try results.connection.execute(
                "UPDATE \(table) SET \(column) = ? || \(column) WHERE rowid % 2 = 0", .text(hostile))
            try results.connection.execute("UPDATE \(table) SET \(column) = '=' || \(column) WHERE rowid % 5 = 1")
        }
        let report = try report(results, tenant: hostile)
        let page = report.html
        _ = try PageReader(page)
        #expect(page.components(separatedBy: "<script").count == 2 && !page.contains("</title></script>"))
        #expect(!page.unicodeScalars.contains { $0.properties.generalCategory == .control && $0 != "\n" && $0 != "\t" })
        for figure in report.figures { _ = try PageReader(figure.svg) }
        let json = report.json
        #expect(
            !json.contains("<") && !json.unicodeScalars.contains("\u{2028}") && !json.unicodeScalars.contains("\u{9B}"))
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        #expect(object?["tenant"] as? String == hostile)
        let mix = try #require(report.figures.first { $0.id == "company-mix" })
        #expect(mix.table.csv.contains(",'="), "a company is a formula")
    }

    @Test func picturesOfTheirOwnAreXMLWithTheirColours() throws {
        let results = try StoredResults()
        try results.fill(months: 5)
        for figure in try report(results).figures {
            _ = try PageReader(figure.svg)
            #expect(figure.svg.contains(".f0{fill:\(Palette.light.series[0])}"), "\(figure.id)")
        }
        #expect(Palette.dark.steps.count == Palette.stepCount && Palette.light.steps.count == Palette.stepCount)
        #expect(Palette.dark.series.count == Palette.seriesCount && Palette.light.series.count == Palette.seriesCount)
    }

    @Test func withoutRsvgConvertItSaysWhatToInstall() throws {
        let folder = try StoredResults().folder
        #expect {
            try PictureConverter(environment: ["PATH": folder.path])
        } throws: { ($0 as? Problem)?.code == .unavailable && ($0 as? Problem)?.hint?.contains("librsvg2-bin") == true }
    }
}
