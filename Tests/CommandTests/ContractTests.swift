import CommandSupport
import Foundation
import SQLite
import Testing

/// The names that tools and people build on: columns of public views, keys of summaries, formats of messages.
@Suite struct ContractTests {
    @Test func viewsHaveTheirColumns() throws {
        let taxi = try TaxiCLI.filled()
        let hotspots = ["period_kind", "period", "rank"]
        let ranking = ["pickups", "share", "top10_days", "days", "persistent", "partial"]
        let expected = [
            "sumfarewindow": ["window_start", "window_end", "trips", "total_fare", "tips_fare", "total_trip_total"],
            "tripstotal": ["day", "trips_total", "fare_total", "tips_avg", "trip_total_avg"],
            "hotspotcommunitywindow": ["window_start", "window_end", "pickup_community_area", "count"],
            "hotspotwindow": ["window_start", "window_end", "pickup_centroid_location", "count"],
            "faredistribution": [
                "window_start", "window_end", "bucket", "fare_from", "fare_to", "trips", "total_fare",
            ],
            "fare_trend": [
                "period_kind", "period", "trips", "fare_sum", "fare_mean", "tips_sum", "tips_mean", "total_sum",
                "total_mean", "fare_p10", "fare_p25", "fare_p50", "fare_p75", "fare_p90", "fare_p99", "fare_sum_change",
                "fare_sum_change_year", "partial",
            ],
            "accumulated_metrics": [
                "period_kind", "period", "trips", "fare", "tips", "total", "trips_in_year", "fare_in_year",
                "tips_in_year", "total_in_year", "trips_so_far", "fare_so_far", "tips_so_far", "total_so_far",
                "tips_mean", "total_mean", "partial",
            ],
            "area_hotspots": hotspots + ["pickup_community_area", "area_name"] + ranking,
            "location_hotspots": hotspots + ["pickup_centroid_location"] + ranking,
            "period_coverage": ["period_kind", "period", "source", "days", "days_with_trips", "coverage"],
            "runs": ["id", "command", "started", "ended", "outcome", "summary"],
        ]
        for (view, columns) in expected {
            #expect(try taxi.columns(of: view) == columns, "\(view)")
            #expect(try taxi.number("SELECT count(*) FROM \(view)") > 0, "\(view) is empty")
        }
    }

    @Test func timesMoneyPeriodsAndSharesAreAsPromised() throws {
        let taxi = try TaxiCLI.filled()
        let time = try Regex(#"2024-03-\d\dT\d\d:\d\d:\d\d\.000-0[56]:00"#)
        for row in try taxi.query("SELECT window_start, window_end, total_fare FROM sumfarewindow WHERE total_fare > 0")
        {
            #expect(try row[..<2].allSatisfy { try time.wholeMatch(in: $0.text ?? "") != nil }, "\(row)")
            guard case .real(let dollars) = row[2] else { Issue.record("no number of dollars: \(row)"); continue }
            #expect(abs(dollars * 100 - (dollars * 100).rounded()) < 1e-6)
        }
        // The offset follows the change of clocks in the night of the 10th.
        let offsets = try taxi.query(
            "SELECT DISTINCT substr(window_start, 1, 10), substr(window_start, 24) FROM sumfarewindow"
        )
        .filter { $0[0] != "2024-03-10" }
        #expect(offsets.allSatisfy { ($0[1] == "-06:00") == (($0[0].text ?? "") < "2024-03-10") }, "\(offsets)")
        #expect(
            try taxi.query("SELECT DISTINCT period_kind, period FROM fare_trend ORDER BY 1")
                == [["month", "2024-03"], ["quarter", "2024-Q1"], ["year", "2024"]])
        #expect(try taxi.number("SELECT count(*) FROM area_hotspots WHERE NOT (share > 0 AND share <= 1)") == 0)
        #expect(try taxi.number("SELECT count(*) FROM area_hotspots WHERE persistent NOT IN (0, 1)") == 0)
        #expect(try taxi.number("SELECT count(*) FROM runs WHERE started NOT GLOB '20*T*:*:*.*-0[56]:00'") == 0)
        #expect(
            try taxi.query("SELECT DISTINCT command, outcome FROM runs ORDER BY 1")
                == [["batch", "success"], ["produce", "success"], ["stream", "success"]])
    }

    @Test func messagesAreTheRowsOfTheViews() throws {
        let taxi = try TaxiCLI.filled()
        try ExactlyOnceTests.expectEachMessageOnce(taxi)
        let topics = try taxi.query("SELECT name FROM topics ORDER BY 1", database: taxi.topicsPath).map { $0[0].text }
        #expect(
            topics == [
                "chicago_deadLetter", "chicago_fareDistributionStream", "chicago_hotspotCommunityPickupWindowStream",
                "chicago_hotspotWindowStream", "chicago_ingestData", "chicago_sumFareWindowStream",
                "chicago_tripsTotalStream",
            ])
        // A trip is read from its topic as a dry run prints it.
        let printed = try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--dry-run").lines
        #expect(try taxi.succeed("topic", "tail", "ingestData", "--from-beginning").lines == printed)
    }

    @Test func summariesHaveTheirKeys() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "300", "--from", "2024-03-09", "--to", "2024-03-09", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--rate", "2000/s", "--summary-json", "produce.json")
        let produced = try jsonObject(try String(contentsOfFile: taxi("produce.json"), encoding: .utf8))
        let promised = [
            "read", "sent", "rejected", "seconds", "rate", "asked_rate", "max_behind_ms", "bytes", "first_event",
            "last_event",
        ]
        #expect(Set(produced.keys) == Set(promised + ["filtered", "outcome", "resumed_from"]))
        #expect(produced["read"] as? Int == 300)
        #expect(produced["rejected"] as? [String: Int] == [:])
        #expect(produced["asked_rate"] as? Double == 2000)
        #expect((produced["first_event"] as? String)?.count == "2024-01-22T13:45:00.000-06:00".count)

        let unpaced = try taxi.succeed("produce", "trips.csv", "--max", "--summary-json", "-")
        #expect(try jsonObject(unpaced.text)["asked_rate"] is NSNull)

        let streamed = try jsonObject(try taxi.succeed("stream", "--until-end", "--summary-json", "-").text)
        #expect(
            Set(streamed.keys) == ["records", "rejected", "late", "results", "epochs", "watermark", "seconds", "rate"])
        #expect(streamed["records"] as? Int == 600)
        let queries: Set = [
            "sumFareWindow", "tripsTotal", "hotspotCommunityPickupWindow", "hotspotWindow", "fareDistribution",
        ]
        #expect(Set((streamed["late"] as? [String: Int] ?? [:]).keys) == queries)
        #expect(Set((streamed["results"] as? [String: Int] ?? [:]).keys) == queries)
    }

    /// A device or a pipe is written into. To put a file in its place would harm the whole machine.
    /// What people open with datasette begins with the views.
    @Test func innerTablesAreHiddenFromDatasette() throws {
        let hidden = try String(contentsOfFile: "\(ReadmeTests.root)/examples/datasette.yaml", encoding: .utf8)
        let tables = try TaxiCLI.filled().query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        #expect(tables.count > 30)
        for table in tables.compactMap({ $0.first?.text }) {
            #expect(hidden.contains("      \(table): {hidden: true}\n"), "\(table)")
        }
    }

    @Test func aSummaryReplacesNoDevice() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20", "trips.csv")
        try FileManager.default.createSymbolicLink(atPath: taxi("sink"), withDestinationPath: "/dev/null")
        try taxi.succeed("produce", "trips.csv", "--max", "--summary-json", "sink")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: taxi("sink")) == "/dev/null")

        try FileManager.default.createSymbolicLink(atPath: taxi("full"), withDestinationPath: "/dev/full")
        let ending = try taxi.run("produce", "trips.csv", "--max", "--summary-json", "full")
        #expect(ending.code == 74)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: taxi("full")) == "/dev/full")
        // The trips are in the topic, and the run's record says so.
        #expect(try taxi.query("SELECT DISTINCT outcome FROM runs") == [["success"]])
        #expect(try taxi.recordCount("chicago_ingestData") == 40)
    }
}
