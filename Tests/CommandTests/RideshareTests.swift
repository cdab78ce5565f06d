import CommandSupport
import Foundation
import SQLite
import Testing

/// The City's ride-hailing files go through all commands; what they lack is null, and said.
@Suite struct RideshareTests {
    private static let older = TaxiCLI.input("rides-2018-2022.csv")
    private static let newer = TaxiCLI.input("rides-2023-api-names.csv")

    @Test func aProfileTellsTheKind() throws {
        let taxi = try TaxiCLI()
        for (file, leftOut) in [
            (Self.older, ["Shared Trip Authorized", "Trips Pooled"]),
            (
                Self.newer,
                [
                    "percent_time_chicago", "percent_distance_chicago", "shared_trip_authorized", "shared_trip_match",
                    "trips_pooled",
                ]
            ),
        ] {
            let page = try taxi.succeed("data", "profile", file, "--format", "table").text
            #expect(page.contains("ride-hailing trips") && page.contains("19 of 19 known"), "\(page)")
            #expect(!page.contains("missing") && !page.contains("unknown"), "\(page)")
            for name in leftOut { #expect(page.contains("\"\(name)\""), "\(page)") }
            #expect(!page.contains("is not the sum"), "\(page)")
        }
        try taxi.succeed("data", "generate", "--rows", "50", "taxis.csv")
        #expect(
            try taxi.succeed("data", "profile", "taxis.csv", "--format", "table").text.contains("kind     taxi trips"))
    }

    @Test(arguments: ["start", "end", "now"])
    func tipsAndExtrasAreFoundAndTheRestIsNull(clock: String) throws {
        let taxi = try TaxiCLI()
        let ending = try taxi.succeed("produce", Self.older, "--dry-run", "--clock", clock, "-v")
        #expect(!ending.errors.contains("warning"), "\(ending.errors)")
        let trips = try ending.lines.map { try jsonObject($0) }
        #expect(trips.map { $0["trip_id"] as? String } == ["r1", "r2", "r3"])
        #expect(trips.map { ($0["tips"] as? Double) } == [0, 3, nil])
        #expect(trips.map { ($0["extras"] as? Double) } == [2.55, 5, 2.55])
        for trip in trips {
            for name in ["taxi_id", "payment_type", "company", "tolls"] { #expect(trip[name] is NSNull, "\(name)") }
            for name in ["tip", "trips_pooled", "shared_trip_authorized"] { #expect(trip[name] == nil, "\(name)") }
        }
    }

    /// Both variants and a generated file, by topic and straight from the file: the same results, which the audit finds again.
    @Test func allCommandsTakeThem() throws {
        let taxi = try TaxiCLI()
        let generated = ["--rows", "2000", "--from", "2023-01-01", "--to", "2023-02-10", "rides.csv.gz"]
        #expect(try taxi.start(["data", "generate", "--style", "rideshare"] + generated).wait().code == 0)
        let files = [Self.older, Self.newer, "rides.csv.gz"]
        #expect(
            try taxi.start(["produce"] + files + ["--clock", "start", "--partitions", "3"]).wait().code == 0)
        // Without a taxi there is no key: trips go round the partitions.
        let counts = try taxi.query(
            "SELECT end_offset FROM partitions JOIN topics ON id = topic_id WHERE name = 'chicago_ingestData' ORDER BY 1",
            database: taxi.topicsPath)
        #expect(counts.map { $0[0] } == [668, 668, 669])
        let streamed = try taxi.succeed("stream", "--until-end", "--queries", "analytics")
        #expect(streamed.errors.contains("companyByDay: 0 results, since no trip has a company"), "\(streamed.errors)")
        #expect(try taxi.number("SELECT trips_total FROM tripstotal WHERE day = '2018-11-01'") == 2)

        let batch = try taxi.succeed("batch", "--format", "csv").text.components(separatedBy: "\r\n")
        #expect(batch.contains("payment_mix,payment_mix,0,no trip of these periods has a payment_type"), "\(batch)")
        #expect(streamed.errors.contains("taxisOut: 0 results, since no trip has a taxi_id"), "\(streamed.errors)")
        #expect(batch.contains("taxis_out,taxis_out,0,no trip of these periods has a taxi_id"), "\(batch)")
        #expect(batch.contains { $0.hasPrefix("area_mix,") && !$0.hasPrefix("area_mix,area_mix,0") }, "\(batch)")
        #expect(
            try taxi.query("SELECT fare, tips, total FROM accumulated_metrics WHERE period = '2018-11'")
                == [[47.5, 3.0, 60.6]])
        #expect(
            try taxi.number(
                "SELECT count(*) FROM fare_trend WHERE period_kind = 'month' AND period BETWEEN '2018-12' AND '2022-12'"
            ) == 0)
        let report = try taxi.succeed("report", "page.html", "--json", "numbers.json")
        #expect(report.errors.contains("left out: How trips are paid: no trip of these periods has a payment_type"))
        #expect(report.errors.contains("left out: Taxis at work: no trip of these periods has a taxi_id"))
        #expect(try String(contentsOfFile: taxi("page.html"), encoding: .utf8).contains("<section id=\"fare-trend\">"))
        try taxi.succeed("audit", "--queries", "analytics")
        let audit = try taxi.start(["audit", "--queries", "analytics"] + files.flatMap { ["--from", $0] }).wait()
        #expect(audit.code == 0, "\(audit.errors)")

        let other = try TaxiCLI()
        try FileManager.default.copyItem(atPath: taxi("rides.csv.gz"), toPath: other("rides.csv.gz"))
        let direct = try other.start(
            ["stream", "--queries", "analytics"] + files.flatMap { ["--input", $0] }
        ).wait()
        #expect(direct.code == 0, "\(direct.errors)")
        #expect(
            direct.errors.contains(
                "lack what these queries count by: paymentByDay (payment_type), companyByDay (company), taxisOut (taxi_id)"
            ),
            "\(direct.errors)")
        #expect(try other.contents() == taxi.contents())
    }

    /// A query of one's own that needs what the file lacks is a mistake still.
    @Test func aDeclaredQueryNeedsItsColumns() throws {
        let taxi = try TaxiCLI()
        try "queries:\n  - {name: mine, group: [company], aggregates: {n: count()}}\n"
            .write(toFile: taxi("mine.yaml"), atomically: true, encoding: .utf8)
        let ending = try taxi.run("stream", "--input", Self.older, "--queries", "mine.yaml", "--query", "mine")
        #expect(ending.code == 65)
        #expect(ending.errors.contains("column \"Company\" is missing, needed for query mine"), "\(ending.errors)")
    }

    @Test func aReplayGivesTheSamePartitionsEachTime() throws {
        func partitions() throws -> [[String]] {
            let taxi = try TaxiCLI()
            try taxi.succeed("produce", Self.older, "--clock", "start", "--partitions", "2")
            return try (0..<2).map { partition in
                try taxi.succeed(
                    "topic", "tail", "ingestData", "--partition", "\(partition)", "--from-beginning", "--format",
                    "jsonl"
                ).lines
            }
        }
        let first = try partitions()
        #expect(first.allSatisfy { !$0.isEmpty })
        #expect(try partitions() == first)
    }
}
