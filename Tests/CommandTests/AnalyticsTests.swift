import CommandSupport
import Foundation
import SQLite
import Testing

/// What analysts ask beyond the four analyses: declared ones, earlier answers, and windows let go of.
@Suite struct AnalyticsTests {
    private static let mixes = ["payment_mix", "company_mix", "area_mix", "hour_mix"]

    /// 3,000 trips of four months with all results, the analytics queries' too.
    private func home() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "3000", "--from", "2024-01-01", "--to", "2024-04-30", "trips.csv")
        try taxi.succeed("stream", "--input", "trips.csv", "--queries", "analytics")
        return taxi
    }

    @Test func analyticsQueriesFillTheMixes() throws {
        let taxi = try home()
        let summary = try jsonObject(taxi.succeed("batch", "--summary-json", "-").text)
        let rows = try #require(summary["rows"] as? [String: Int])
        for mix in Self.mixes {
            #expect(rows[mix] ?? 0 > 0, "\(mix)")
            // Months, quarters and the year hold the same trips.
            let sums = try taxi.query("SELECT sum(trips) FROM \(mix) GROUP BY period_kind")
            #expect(Set(sums.map(\.description)).count == 1 && sums.count == 3, "\(mix): \(sums)")
        }
        #expect(
            try taxi.number("SELECT sum(trips) FROM payment_mix WHERE period = '2024'")
                == taxi.number("SELECT sum(trips) FROM paymentbyday"))
        #expect(
            try taxi.succeed("show", "payment_mix", "--format", "csv", "--period", "2024-02").rows.first
                == "period_kind,period,payment_type,trips,share,share_before,share_year_before,trips_change,trips_change_year,fare,tips,total,miles,minutes,tip_share,fare_a_mile,fare_a_minute,partial"
        )
        // Each month's share before is the share of the month before it; January has none.
        #expect(
            try taxi.number(
                """
                SELECT count(*) FROM payment_mix AS a JOIN payment_mix AS b USING (payment_type)
                WHERE a.period = '2024-03' AND b.period = '2024-02' AND abs(a.share_before - b.share) < 1e-12
                """) > 2)
        #expect(
            try taxi.number("SELECT count(*) FROM payment_mix WHERE period = '2024-01' AND share_before IS NOT NULL")
                == 0)
        // People see the newest month, the commonest first, with a bar each, and shares in percent.
        let shown = try taxi.succeed("show", "payment_mix", "--limit", "2", "--format", "table").lines
        let most = try taxi.query(
            "SELECT payment_type FROM payment_mix WHERE period = '2024-04' ORDER BY trips DESC LIMIT 2")
        #expect(shown.count == 3)
        for (line, row) in zip(shown.dropFirst(), most) {
            #expect(line.contains(" 2024-04  \(row[0].text ?? "-") ") && line.contains("%"), "\(line)")
        }
        #expect(shown[1].hasSuffix(String(repeating: "█", count: 20)))
        try taxi.succeed("audit", "--from", "trips.csv", "--queries", "analytics")
        try taxi.succeed("report", "page.html")
        #expect(try String(contentsOfFile: taxi("page.html"), encoding: .utf8).contains("<section id=\"payment-mix\">"))
    }

    /// Counted from the trips' own JSON, hour by hour.
    @Test func taxisAtWorkAreThoseOfTheTrips() throws {
        let taxi = try TaxiCLI()
        // Over the change to summer time.
        try taxi.succeed(
            "data", "generate", "--rows", "3000", "--from", "2024-02-20", "--to", "2024-04-10", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end", "--queries", "analytics")
        try taxi.succeed("batch")
        let trips = try taxi.succeed("topic", "tail", "ingestData", "--from-beginning", "--format", "jsonl").lines
            .map { try jsonObject($0) }
        struct Hour {
            var trips = 0
            var cents = 0
            var taxis: Set<String> = []
        }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "America/Chicago"))
        let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        var hours: [Date: Hour] = [:]
        for trip in trips {
            guard let taxiID = trip["taxi_id"] as? String else { continue }
            let time = try Date(#require(trip["event_timestamp"] as? String), strategy: format)
            let start = Date(timeIntervalSince1970: (time.timeIntervalSince1970 / 3600).rounded(.down) * 3600)
            hours[start, default: Hour()].trips += 1
            hours[start, default: Hour()].cents += Int(((trip["fare"] as? Double ?? 0) * 100).rounded())
            hours[start, default: Hour()].taxis.insert(taxiID)
        }
        let counted = try taxi.query("SELECT trips, fare, taxis FROM taxisout ORDER BY window_start")
        #expect(
            counted
                == hours.sorted { $0.key < $1.key }.map {
                    [.integer(Int64($1.trips)), .real(Double($1.cents) / 100), .integer(Int64($1.taxis.count))]
                })
        let rows = try taxi.query(
            """
            SELECT period, hour, hours, taxi_hours, taxis, taxis_most, taxis_ever, trips, fare, trips_a_taxi, fare_a_taxi
            FROM taxis_out ORDER BY period, hour
            """)
        var expected: [[SQLValue]] = []
        for (period, months) in [
            ("2024", [2, 3, 4]), ("2024-02", [2]), ("2024-03", [3]), ("2024-04", [4]), ("2024-Q1", [2, 3]),
            ("2024-Q2", [4]),
        ] {
            for hour in 0..<24 {
                let own = hours.filter {
                    calendar.component(.hour, from: $0.key) == hour
                        && months.contains(calendar.component(.month, from: $0.key))
                }.values
                if own.isEmpty { continue }
                let taxiHours = own.reduce(0) { $0 + $1.taxis.count }
                let (trips, cents) = (own.reduce(0) { $0 + $1.trips }, own.reduce(0) { $0 + $1.cents })
                let mean = (Double(taxiHours) / Double(own.count) * 100).rounded() / 100
                expected.append([
                    .text(period), .integer(Int64(hour)), .integer(Int64(own.count)), .integer(Int64(taxiHours)),
                    .real(mean), .integer(Int64(own.map(\.taxis.count).max() ?? 0)),
                    .integer(Int64(own.reduce(into: Set()) { $0.formUnion($1.taxis) }.count)), .integer(Int64(trips)),
                    .real(Double(cents) / 100), .real(Double(trips) / Double(taxiHours)),
                    .real(Double(cents) / 100 / Double(taxiHours)),
                ])
            }
        }
        #expect(rows == expected)
        // People see the hours of the newest month.
        let shown = try taxi.succeed("show", "taxis_out", "--format", "table").lines
        #expect(shown.count == 25 && shown.dropFirst().allSatisfy { $0.contains("2024-04") }, "\(shown)")
        try taxi.succeed("audit")
        try taxi.succeed("report", "page.html", "--json", "numbers.json")
        let numbers = try String(contentsOfFile: taxi("numbers.json"), encoding: .utf8)
        #expect(numbers.contains("\"taxis-out\":{\"title\":\"Taxis at work\""))
        // A state that is damaged ends the analysis that reads it.
        try Connection(path: taxi.resultsPath).execute("UPDATE stored_taxisout SET taxis_sketch = 'x' || taxis_sketch")
        let damaged = try taxi.run("batch", "taxis_out")
        #expect(damaged.code == 65)
        #expect(damaged.errors.contains("distinct_count: a text of "), "\(damaged.errors)")
        #expect(try taxi.run("audit").code == 65)
    }

    @Test func withoutThemTheMixesWait() throws {
        let taxi = try TaxiCLI.filled()
        let lines = try taxi.succeed("batch", "--format", "csv").rows
        #expect(
            lines.contains { $0.hasPrefix("payment_mix,payment_mix,0,\"skipped: query \"\"paymentByDay\"\" has no") },
            "\(lines)")
        let list = try taxi.succeed("batch", "--list", "--format", "jsonl").lines.map { try jsonObject($0) }
        #expect(list.map { $0["analysis"] as? String } == Self.mixes + ["taxis_out"])
        #expect(list.first?["remark"] as? String == "waits for query \"paymentByDay\"")
        #expect(list.last?["remark"] as? String == "waits for query \"taxisOut\"")
        #expect(
            lines.contains("taxis_out,taxis_out,0,\"skipped: query \"\"taxisOut\"\" has no stored results\""),
            "\(lines)")
    }

    @Test func anAnalysisOfOnesOwnIsListedPrintedAndRun() throws {
        let taxi = try home()
        let folder = taxi.tenantFolder + "/analyses"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let shipped = try taxi.succeed("batch", "--print", "payment_mix").text
        #expect(shipped.hasPrefix("-- name: payment_mix\n"))
        // What is printed is a file to start from.
        try shipped.replacingOccurrences(of: "-- name: payment_mix", with: "-- name: my_mix")
            .write(toFile: folder + "/my.sql", atomically: true, encoding: .utf8)
        #expect(try taxi.succeed("batch", "--list", "--format", "csv").rows.contains { $0.hasPrefix("my_mix,") })
        try taxi.succeed("batch")
        #expect(
            try taxi.query("SELECT * FROM my_mix ORDER BY 1, 2, 3").map(\.description)
                == taxi.query("SELECT * FROM payment_mix ORDER BY 1, 2, 3").map(\.description))
        #expect(try taxi.number("SELECT count(*) FROM my_mix") > 0)

        try "-- name: wrong\n-- columns: trips\nSELECT sum(trips) AS trips FROM paymentbydya\n"
            .write(toFile: folder + "/wrong.sql", atomically: true, encoding: .utf8)
        for words in [["batch", "--list"], ["batch"]] {
            let ending = try taxi.start(words).wait()
            #expect(ending.code == 78, "\(words)")
            #expect(ending.errors.contains("wrong.sql:3"), "\(ending.errors)")
            #expect(ending.errors.contains("Did you mean \"paymentbyday\"?"), "\(ending.errors)")
        }
        #expect(try taxi.run("batch", "--print", "none").code == 64)
    }

    @Test func aVintageSaysWhichMonthsChanged() throws {
        let taxi = try TaxiCLI.filled()
        #expect(try taxi.run("show", "--diff", "before").code == 64)
        try taxi.succeed("batch", "--vintage", "before")
        let same = try taxi.succeed("show", "--diff", "before")
        #expect(same.text == "" && same.errors.contains("nothing has changed since before"))

        try taxi.succeed(
            "data", "generate", "--rows", "500", "--seed", "2", "--from", "2024-03-08", "--to", "2024-04-02",
            "more.csv")
        try taxi.succeed("produce", "more.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        let periods = try taxi.succeed("show", "--diff", "before", "--by", "month", "--format", "csv").rows
        #expect(periods.contains { $0.hasPrefix("fare_trend,month,2024-03,1,") }, "\(periods)")
        #expect(!periods.contains { $0.contains("2024-04") }, "a month that was not there is new, not changed")
        let cells = try taxi.succeed("show", "accumulated_metrics", "--diff", "before", "--format", "csv").rows
        let trips = try taxi.number("SELECT trips FROM accumulated_metrics WHERE period = '2024-03'")
        #expect(cells.contains("accumulated_metrics,month,2024-03,[],trips,2000,\(trips)"), "\(cells)")
        let vintages = try taxi.succeed("show", "vintages", "--format", "jsonl").lines.map { try jsonObject($0) }
        #expect(vintages.map { $0["name"] as? String } == ["before"])
        #expect(try taxi.run("show", "runs", "--diff", "before").code == 64)
        #expect(try taxi.run("batch", "--vintage", "no blanks").code == 64)
    }

    /// The sections of the report, which hold the charts and their numbers; those about runs are left out.
    private func charts(of taxi: TaxiCLI) throws -> [String] {
        try taxi.succeed("report", "-", "-q").text.components(separatedBy: "<section").dropFirst()
            .filter { !$0.hasPrefix(" id=\"data-quality\"") }
    }

    @Test func windowsCanBeLetGoOf() throws {
        let taxi = try home()
        try taxi.succeed("batch")
        let answers = ["fare_trend", "accumulated_metrics", "area_hotspots", "location_hotspots"] + Self.mixes
        let before = try taxi.contents(of: answers)
        let charts = try charts(of: taxi)
        let windows = try taxi.number("SELECT count(*) FROM stored_hotspotwindow")
        #expect(try taxi.run("batch", "--retain-windows", "1h").code == 64)

        let pruning = try taxi.succeed("batch", "--retain-windows", "30d", "--summary-json", "summary.json")
        #expect(pruning.errors.contains(" windows let go"), "\(pruning.errors)")
        let summary = try jsonObject(String(contentsOfFile: taxi("summary.json"), encoding: .utf8))
        #expect(summary["windows_pruned"] as? Int ?? 0 > 0)
        #expect(try taxi.number("SELECT count(*) FROM stored_hotspotwindow") < windows / 2)
        #expect(try taxi.number("SELECT count(*) FROM stored_hotspotwindow") > 0)
        #expect(try taxi.contents(of: answers) == before)
        try taxi.succeed("batch")
        #expect(try taxi.contents(of: answers) == before)
        #expect(try self.charts(of: taxi) == charts)

        // The audit leaves out what is gone, and compares all else.
        let audit = try taxi.succeed("audit", "--from", "trips.csv", "--queries", "analytics", "--format", "jsonl")
        let checks = try audit.lines.map { try jsonObject($0) }
        for view in ["sumfarewindow", "hotspotcommunitywindow", "hotspotwindow", "faredistribution"] {
            let check = try #require(checks.first { $0["name"] as? String == view })
            let remark = check["remark"] as? String ?? ""
            #expect(remark.hasSuffix(" windows before 2024-04-01 were let go of, and left out"), "\(view): \(remark)")
            #expect(check["cells"] as? Int ?? 0 > 0)
        }
        for view in answers.prefix(4) {
            let check = try #require(checks.first { $0["name"] as? String == view })
            #expect(check["remark"] is NSNull && check["cells"] as? Int ?? 0 > 0)
        }
        // A window of a day that was kept is missed, and so is a pickup of a day that was not.
        let results = try Connection(path: taxi.resultsPath)
        try results.execute(
            "DELETE FROM stored_hotspotwindow WHERE window_start_ms = (SELECT max(window_start_ms) FROM stored_hotspotwindow)"
        )
        try results.execute(
            "UPDATE batch_area_hotspots SET pickups = pickups + 1 WHERE period = '2024-01' AND rank = 1")
        let wrong = try taxi.run("audit", "--from", "trips.csv", "--queries", "analytics", "--format", "table")
        #expect(wrong.code == 65)
        #expect(wrong.text.contains("the row is missing"), "\(wrong.text)")
        #expect(wrong.text.contains("area_hotspots 2024-01 rank 1: pickups is "), "\(wrong.text)")
    }
}

extension Ending {
    /// The lines of CSV.
    fileprivate var rows: [String] { text.components(separatedBy: "\r\n") }
}
