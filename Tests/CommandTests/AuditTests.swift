import CommandSupport
import Foundation
import SQLite
import Testing

/// `taxi-cli audit` after real runs: 0 where all is right, and 65 with the one thing that is not.
@Suite struct AuditTests {
    @Test func aFilledHomeIsRight() throws {
        let taxi = try TaxiCLI.filled()
        let ending = try taxi.succeed("audit", "--format", "table")
        #expect(
            ending.lines.first?.split(separator: " ").map(String.init) == [
                "kind", "name", "cells", "differences", "remark",
            ])
        // Five queries with view, topic and ledger each, the runs, four analyses and the days that they cover, the sources.
        #expect(ending.lines.count == 1 + 5 * 3 + 1 + 5 + 1)
        #expect(ending.errors.contains("cells are what 2,000 trips give"))
        let checks = try taxi.succeed("audit", "--format", "json", "-q")
        #expect(checks.errors == "")
        let rows = try #require(try JSONSerialization.jsonObject(with: checks.output) as? [[String: Any]])
        #expect(
            rows.allSatisfy { $0["differences"] as? Int == 0 && $0["remark"] is NSNull && $0["cells"] as? Int ?? 0 > 0 }
        )
    }

    /// The same file that was replayed, by its own times.
    @Test func theRawFileGivesTheStoredResults() throws {
        let taxi = try TaxiCLI.filled()
        try taxi.succeed("audit", "--from", "trips.csv", "--clock", "start")
        // Another file does not.
        try taxi.succeed(
            "data", "generate", "--rows", "2000", "--seed", "9", "--from", "2024-03-08", "--to", "2024-03-12",
            "others.csv")
        #expect(try taxi.run("audit", "--from", "others.csv", "--clock", "start").code == 65)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var sql: String
        /// What the only difference says, whole or from its beginning.
        var says: String
    }

    static let faults = [
        Fault(
            testDescription: "a changed cell",
            sql:
                "UPDATE stored_tripstotal SET trips_total = trips_total + 1 WHERE group_id = (SELECT max(group_id) FROM stored_tripstotal)",
            says: "tripstotal 2024-03-12: trips_total is "),
        Fault(
            testDescription: "a deleted row",
            sql:
                "DELETE FROM stored_sumfarewindow WHERE window_start_ms = (SELECT min(window_start_ms) FROM stored_sumfarewindow)",
            says: "sumfarewindow 2024-03-08T00:00:00.000-06:00: the row is missing (trips should be "),
        Fault(
            testDescription: "a changed row of the ledger",
            sql: "UPDATE ledger SET value = 1999 WHERE query = 'tripsTotal' AND counter = 'aggregated'",
            says: "tripsTotal aggregated is 1999 in the ledger, 2000 in the checkpoint"),
        Fault(
            testDescription: "a changed rank",
            sql: "UPDATE batch_area_hotspots SET top10_days = 99 WHERE period_kind = 'month' AND rank = 2",
            says: "area_hotspots 2024-03 rank 2: top10_days is 99, should be 5"),
        Fault(
            testDescription: "a changed percentile",
            sql: "UPDATE batch_fare_trend SET fare_p50 = fare_p50 + 1 WHERE period_kind = 'year'",
            says: "fare_trend 2024: fare_p50 is "),
    ]

    @Test(arguments: faults)
    func oneFaultIsTheOnlyDifference(_ fault: Fault) throws {
        let taxi = try TaxiCLI.filled()
        try Connection(path: taxi.resultsPath).execute(fault.sql)
        let ending = try taxi.run("audit", "--format", "table")
        #expect(ending.code == 65)
        #expect(ending.lines.last?.hasPrefix(fault.says) == true, "\(ending.text)")
        #expect(
            ending.errors.hasPrefix(
                "error: 1 difference between the results and their source; the first: \(fault.says)"),
            "\(ending.errors)")
    }

    @Test func aRepeatedMessageIsTheOnlyDifference() throws {
        let taxi = try TaxiCLI.filled()
        let topics = try Connection(path: taxi.topicsPath)
        // The last batch of an append query's topic, once more.
        try topics.execute(
            """
            CREATE TEMP TABLE again AS SELECT b.*, p.end_offset FROM batches AS b JOIN partitions AS p USING (slot)
            JOIN topics AS t ON t.id = p.topic_id WHERE t.name = 'chicago_hotspotWindowStream' ORDER BY base_offset DESC LIMIT 1;
            """)
        let columns = try topics.rows("SELECT name FROM pragma_table_info('batches')") { $0.text(0) }
        let values = columns.map { $0 == "base_offset" ? "end_offset" : $0 }.joined(separator: ", ")
        try topics.execute("INSERT INTO batches (\(columns.joined(separator: ", "))) SELECT \(values) FROM again")
        try topics.execute(
            "UPDATE partitions SET end_offset = end_offset + (SELECT count FROM again) WHERE slot = (SELECT slot FROM again)"
        )
        let count = try topics.value("SELECT count FROM again")?.integer ?? 0
        // An earlier version had no checksums of rows: they are made when it is opened.
        try topics.execute(
            """
            ALTER TABLE batches DROP COLUMN row_checksum;
            ALTER TABLE topics DROP COLUMN partition_count;
            PRAGMA user_version = 1;
            """)
        let ending = try taxi.run("audit", "--format", "jsonl")
        #expect(ending.code == 65)
        let wrong = ending.lines.filter { !$0.contains("\"differences\":0,") }
        #expect(wrong.count == 1)
        #expect(wrong.first?.contains("\"name\":\"chicago_hotspotWindowStream\"") == true)
        #expect(wrong.first?.contains("\"differences\":\(count),") == true)
        #expect(ending.errors.contains(": comes again at offset "))
    }

    @Test func filesThatWereStreamedAreRight() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "3000", "--from", "2024-11-01", "--to", "2024-11-05", "trips.csv")
        // Two rows that cannot be used, and options of all kinds.
        let file = taxi("trips.csv")
        try (String(contentsOfFile: file, encoding: .utf8) + "a,b\nc,d\n").write(
            toFile: file, atomically: true, encoding: .utf8)
        let options = [
            "--clock", "end", "--spread", "uniform", "--seed", "5", "--clean", "standard", "--to", "2024-11-04",
        ]
        let streamed = try taxi.start(["stream", "--input", "trips.csv", "--from", "2024-11-02"] + options).wait()
        #expect(streamed.code == 0, "\(streamed.errors)")
        let audit = ["audit", "--from", "trips.csv", "--from-time", "2024-11-02"]
        let ending = try taxi.start(audit + options).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        // The ledger's rejects are compared as well.
        try Connection(path: taxi.resultsPath).execute("UPDATE ledger SET value = 1 WHERE counter LIKE 'rejected:%'")
        #expect(try taxi.start(audit + options).wait().code == 65)
        // The topic is not where they come from.
        let topic = try taxi.run("audit")
        #expect(topic.code == 64)
        #expect(topic.errors.contains("--from"))
    }

    /// Several partitions, killed in the middle, audited where it stands and at the end; with queries of one's own.
    @Test func aRunThatWasKilledIsRightWhereItStands() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "20000", "--from", "2024-03-09", "--to", "2024-03-11", "trips.csv")
        try taxi.succeed(
            "produce", "trips.csv", "--max", "--clock", "start", "--spread", "uniform", "--partitions", "3")
        try """
        queries:
          - name: byCompany
            where: fare >= 5.00 and company is not null
            group: [company]
            window: {sliding: 1h, every: 15m}
            aggregates: {trips: count(), p90: quantile(fare, 0.9)}
        """.write(toFile: taxi.tenantFolder + "/queries.yaml", atomically: true, encoding: .utf8)
        for _ in 0..<2 {
            let stream = try taxi.start(["stream", "--epoch-records", "500", "--epoch", "1ms", "--idle-timeout", "10m"])
            #expect(
                eventually(within: 60) { (try? taxi.number("SELECT count(*) FROM checkpoints WHERE epoch > 2")) == 6 })
            stream.killAtOnce()
            let ending = try taxi.run("audit")
            #expect(ending.code == 0, "\(ending.text) \(ending.errors)")
        }
        try taxi.succeed("stream", "--until-end", "--idle-timeout", "10m")
        try taxi.succeed("batch")
        let ending = try taxi.run("audit", "--format", "table")
        #expect(ending.code == 0, "\(ending.text) \(ending.errors)")
        #expect(ending.text.contains("bycompany"))
        #expect(ending.text.contains("location_hotspots"))
        // Analytics that are older than the results are left out, not wrong.
        try taxi.succeed("stream", "--until-end", "--from-beginning", "--idle-timeout", "10m")
        let later = try taxi.run("audit", "--format", "table")
        #expect(later.code == 0, "\(later.text) \(later.errors)")
        #expect(later.text.contains("older than the results"))
    }

    /// All on one snapshot: what the stream commits and sends meanwhile is not asked for.
    @Test func anAuditBesideARunningStreamFindsNothing() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "8000", "--from", "2024-03-09", "--to", "2024-03-10", "trips.csv")
        let produce = try taxi.start([
            "produce", "trips.csv", "--rate", "2000/s", "--clock", "start", "--spread", "uniform",
        ])
        let stream = try taxi.start(["stream", "--epoch", "5ms"])
        #expect(eventually(within: 60) { (try? taxi.number("SELECT count(*) FROM checkpoints WHERE epoch > 2")) == 5 })
        var audits = 0
        repeat {
            let ending = try taxi.run("audit", "--format", "table")
            #expect(ending.code == 0, "\(ending.text) \(ending.errors)")
            audits += 1
        } while produce.isRunning
        #expect(audits > 1)
        #expect(produce.wait().code == 0)
        stream.signal(SIGINT)
        #expect(stream.wait().code == 130)
        let ending = try taxi.run("audit", "--format", "table")
        #expect(ending.code == 0, "\(ending.text) \(ending.errors)")
    }

    /// Queries that come with taxi-cli are audited wherever they have results; of others it is said that they are not.
    @Test func whatIsStoredIsComparedOrListed() throws {
        let taxi = try TaxiCLI.filled()
        try """
        queries:
          - {name: byCompany, group: [company], window: none, aggregates: {trips: count()}, emit: complete}
        """.write(toFile: taxi("own.yaml"), atomically: true, encoding: .utf8)
        try taxi.succeed("stream", "--until-end", "--queries", "analytics", "--queries", "own.yaml")
        try taxi.succeed("batch", "--vintage", "first")
        let all = try taxi.succeed("audit", "--queries", "own.yaml", "--strict", "--format", "table")
        for name in ["view    bycompany ", "view    paymentbyday ", "batch   payment_mix ", "vintage  first "] {
            #expect(all.text.contains(name.split(separator: " ").last ?? ""), "\(all.text)")
        }
        #expect(!all.text.contains("not compared"), "\(all.text)")
        let some = try taxi.succeed("audit", "--format", "table")
        let rows = try taxi.number("SELECT count(*) FROM bycompany")
        let left = "view byCompany, \(rows) rows: the query is not declared any more"
        #expect(some.lines.suffix(2).contains("not compared: \(left)"), "\(some.text)")
        let strict = try taxi.run("audit", "--strict", "--format", "json")
        #expect(strict.code == 65)
        #expect(
            strict.errors.contains("error: not all that is stored was compared; the first: \(left)"), "\(strict.errors)"
        )
        let results = try Connection(path: taxi.resultsPath)
        try results.execute("UPDATE batch_company_mix SET trips = trips + 1 WHERE period_kind = 'year' AND \"row\" = 1")
        let changed = try taxi.run("audit", "--queries", "own.yaml", "--format", "table")
        #expect(changed.code == 65)
        #expect(changed.lines.last?.hasPrefix("company_mix 2024 row 1: trips is ") == true, "\(changed.text)")
    }

    @Test func withoutResultsThereIsNothingToAudit() throws {
        let taxi = try TaxiCLI()
        #expect(try taxi.run("audit").code == 66)
        #expect(try taxi.run("audit", "--query", "tripTotal").errors.contains("Did you mean \"tripsTotal\"?"))
        try taxi.succeed("data", "sample", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--limit", "100")
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.run("audit", "--clock", "now", "--from", "trips.csv").code == 64)
        #expect(try taxi.run("audit", "--from", "x.csv").code == 66)
        let pipe = try taxi.run("audit", "--from", "-")
        #expect(pipe.code == 64)
        #expect(pipe.errors.contains("can be read once only"), "\(pipe.errors)")
    }
}
