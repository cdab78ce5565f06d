import CommandSupport
import Foundation
import SQLite
import Testing

/// What people meet who load files in any order, or twice.
@Suite struct LateTripsTests {
    /// A home with a sample of two months, and files of each.
    private static func months(_ taxi: TaxiCLI) throws -> (march: String, april: String) {
        try taxi.succeed("data", "sample", taxi("sample.csv"))
        let lines = try String(contentsOfFile: taxi("sample.csv"), encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: true)
        for month in ["03", "04"] {
            let rows = lines.dropFirst().filter { $0.contains(",\(month)/") || $0.hasPrefix("\(month)/") }
            try ([lines[0]] + rows.prefix(1500)).joined(separator: "\n").appending("\n").write(
                toFile: taxi("\(month).csv"), atomically: true, encoding: .utf8)
        }
        return (taxi("03.csv"), taxi("04.csv"))
    }

    private static let views = ["sumfarewindow", "tripstotal", "hotspotcommunitywindow", "faredistribution"]

    @Test func anOlderMonthLoadedLastGivesTheSameTablesAndAudits() throws {
        let taxi = try TaxiCLI()
        let (march, april) = try Self.months(taxi)
        for (tenant, files) in [("inorder", [march, april]), ("backwards", [april, march])] {
            try taxi.succeed("tenant", "create", tenant)
            for file in files {
                try taxi.succeed("produce", file, "--clock", "start", "--tenant", tenant, "-q")
                try taxi.succeed("stream", "--until-end", "--tenant", tenant, "-q")
            }
            try taxi.succeed("batch", "--tenant", tenant, "-q")
            try taxi.succeed("audit", "--tenant", tenant)
        }
        for view in Self.views + ["fare_trend", "area_hotspots"] {
            let tables = try ["inorder", "backwards"].map { tenant in
                let text = try taxi.succeed("show", view, "--tenant", tenant, "--format", "csv").text
                return text.split(whereSeparator: \.isNewline).sorted()
            }
            #expect(tables[0] == tables[1], "\(view)")
            #expect(tables[0].count > 1)
        }
    }

    @Test func whoeverReadsResultsIsToldOfTripsThatWereDroppedAsLate() throws {
        let taxi = try TaxiCLI()
        let (march, april) = try Self.months(taxi)
        for file in [april, march] {
            try taxi.succeed("produce", file, "--clock", "start", "-q")
            try taxi.succeed("stream", "--until-end", "--late", "drop", "-q")
        }
        let warning = "100 % of the trips of 2024-03 were late for fareDistribution"
        #expect(try taxi.succeed("batch").errors.contains(warning))
        #expect(try taxi.succeed("show", "fareDistribution").errors.contains(warning))
        #expect(try !taxi.succeed("show", "tripsTotal").errors.contains("late"))
        #expect(try taxi.run("status").text.contains(warning))
        try taxi.succeed("report", taxi("report.html"))
        #expect(try String(contentsOfFile: taxi("report.html"), encoding: .utf8).contains(warning))
        try taxi.succeed("report", taxi("one.html"), "--chart", "fare-trend", "--svg", taxi("charts"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: taxi("charts")) == ["fare-trend.svg"])
        #expect(try String(contentsOfFile: taxi("charts/fare-trend.svg"), encoding: .utf8).contains(warning))
        let unknown = try taxi.run("report", taxi("one.html"), "--chart", "fare-trent")
        #expect(unknown.code == 64 && unknown.errors.contains("Did you mean \"fare-trend\"?"), "\(unknown.errors)")
        try taxi.succeed("stream", "--from-beginning", "--until-end", "-q")
        #expect(try !taxi.succeed("batch").errors.contains("late"))
    }

    @Test func aFileThatWasSentIsNotSentAgainByMistake() throws {
        let taxi = try TaxiCLI()
        let (march, _) = try Self.months(taxi)
        try taxi.succeed("produce", march, "--clock", "start", "--to", "2024-03-10")
        // What was not sent of it may be.
        try taxi.succeed("produce", march, "--clock", "start", "--from", "2024-03-10")
        let again = try taxi.run("produce", march, "--clock", "start")
        #expect(again.code == 64)
        #expect(again.errors.contains("was sent already, at ") && again.errors.contains("--again"), "\(again.errors)")
        #expect(try taxi.number("SELECT count(*) FROM run_records WHERE command = 'produce'") == 3)
        try FileManager.default.createDirectory(atPath: taxi("moved"), withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: march, toPath: taxi("moved/03.csv"))
        #expect(try taxi.run("produce", taxi("moved/03.csv"), "--clock", "start").code == 64)
        try taxi.succeed("produce", taxi("moved/03.csv"), "--clock", "start", "--again")
        try FileManager.default.moveItem(atPath: taxi("moved/03.csv"), toPath: march)
        // A live source may be played as often as one likes.
        try taxi.succeed("produce", march, "--limit", "5")
        try taxi.succeed("topic", "delete", "ingestData", "--yes")
        try taxi.succeed("produce", march, "--clock", "start")
        #expect(try taxi.run("status").code == 0)
    }

    /// Into a topic and as a file, or by its starts and by its ends: two ways of one trip.
    @Test func aFileIsNotTakenInTwoWaysByMistake() throws {
        let taxi = try TaxiCLI()
        let (march, april) = try Self.months(taxi)
        try taxi.succeed("produce", march, "--clock", "start", "-q")
        let otherTimes = try taxi.run("produce", march, "--clock", "end")
        #expect(otherTimes.code == 64 && otherTimes.errors.contains("was sent already"), "\(otherTimes.errors)")
        try taxi.succeed("stream", "--until-end", "-q")
        try FileManager.default.copyItem(atPath: march, toPath: taxi("copy.csv"))
        for files in [[march], [april, taxi("copy.csv")]] {
            let read = try taxi.start(["stream", "--input"] + files).wait()
            #expect(read.code == 64 && read.errors.contains("into topic \"chicago_ingestData\""), "\(read.errors)")
        }
        try taxi.succeed("stream", "--input", april, "-q")
        let sent = try taxi.succeed("produce", april, "--clock", "start")
        #expect(sent.errors.contains("was read by stream --input for query"), "\(sent.errors)")
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 3000)
    }

    /// Windows that reach from a day without trips into one that was pruned: a late trip of theirs cannot be counted alone.
    @Test func windowsBeforeThePrunedDayAreWholeOrGone() throws {
        let taxi = try TaxiCLI()
        func send(_ name: String, _ times: [String]) throws -> Ending {
            let rows = times.enumerated().map { "\(name)\($0),t,\($1),8,10,0,10" }
            let header = "Trip ID,Taxi ID,Trip Start Timestamp,Pickup Community Area,Fare,Tips,Trip Total"
            try ([header] + rows).joined(separator: "\n").appending("\n").write(
                toFile: taxi("\(name).csv"), atomically: true, encoding: .utf8)
            try taxi.succeed("produce", taxi("\(name).csv"), "--clock", "start", "-q")
            return try taxi.succeed("stream", "--until-end")
        }
        _ = try send("first", ["03/05/2024 12:00:10 PM", "03/10/2024 12:00:10 AM", "12/01/2024 12:00:10 PM"])
        try taxi.succeed("batch", "-q")
        try taxi.succeed("batch", "--retain-windows", "90d", "-q")
        // The window from 23:59:30 has a trip of the tenth, which is rolled up, and of the ninth, which had none.
        _ = try send("second", ["03/09/2024 11:59:45 PM"])
        try taxi.succeed("audit")
        let gone = try send("third", ["03/10/2024 12:00:50 AM"])
        #expect(gone.errors.contains("late for windows that batch --retain-windows has removed"), "\(gone.errors)")
        let status = try taxi.run("status").text
        #expect(status.contains("batch --retain-windows has removed"), "\(status)")
    }

    @Test func aFileThatWasReadSaysSo() throws {
        let taxi = try TaxiCLI()
        let (march, april) = try Self.months(taxi)
        try taxi.succeed("stream", "--input", march, april, "-q")
        let again = try taxi.succeed("stream", "--input", march, april)
        #expect(again.errors.contains("no trip that an earlier run has not read"), "\(again.errors)")
        // Beside others, or twice in one run, they would count twice.
        for files in [[march], [april, march], [april, april]] {
            let twice = try taxi.start(["stream", "--input"] + files).wait()
            #expect(twice.code == 64 && twice.errors.contains("--again"), "\(twice.errors)")
        }
        try taxi.succeed("stream", "--input", march, "--again", "-q")
        // What is computed anew may be of any files, and sent ones are looked at as well.
        try taxi.succeed("stream", "--input", april, "--from-beginning", "-q")
        let named = try taxi.run("produce", march, march, "--clock", "start")
        #expect(named.code == 64 && named.errors.contains("named twice"), "\(named.errors)")
    }

    @Test func aColumnThatIsMissingNamesTheQueriesThatNeedIt() throws {
        let taxi = try TaxiCLI()
        try "Trip Start Timestamp,Fare,Tips,Trip Total\n03/01/2024 12:00:00 AM,10,1,11\n".write(
            toFile: taxi("few.csv"), atomically: true, encoding: .utf8)
        let refused = try taxi.run("stream", "--input", taxi("few.csv"))
        #expect(refused.code == 65)
        #expect(
            refused.errors.contains("needed for the queries hotspotCommunityPickupWindow, hotspotWindow"),
            "\(refused.errors)")
        #expect(refused.errors.contains("--missing empty"))
        try taxi.succeed("stream", "--input", taxi("few.csv"), "--missing", "empty")
        #expect(try taxi.query("SELECT fare_total FROM tripstotal") == [[10.0]])
        try taxi.succeed("audit", "--from", taxi("few.csv"))
    }

    @Test func queriesThatFellBehindAreNamed() throws {
        let taxi = try TaxiCLI()
        let (march, april) = try Self.months(taxi)
        try taxi.succeed("produce", march, "--clock", "start", "-q")
        try taxi.succeed("stream", "--queries", "analytics", "--until-end", "-q")
        try taxi.succeed("produce", april, "--clock", "start", "-q")
        let plain = try taxi.succeed("stream", "--until-end")
        #expect(
            plain.errors.contains("paymentByDay") && plain.errors.contains("--queries analytics"), "\(plain.errors)")
        #expect(try taxi.run("status").text.contains("paymentByDay"))
        #expect(try taxi.succeed("batch").errors.contains("paymentByDay"))
        #expect(try taxi.succeed("batch", "-q").text == "")
    }

    @Test func moreThanFitsOnAScreenIsPrintedWhereThereIsNone() throws {
        let taxi = try TaxiCLI()
        let bad = (0..<27).map { "03/01/2024 12:00:00 AM,x\($0)" }
        let good = (0..<60).map { _ in "03/01/2024 12:00:00 AM,5" }
        try (["Trip Start Timestamp,Fare"] + good + bad).joined(separator: "\n").appending("\n").write(
            toFile: taxi("bad.csv"), atomically: true, encoding: .utf8)
        try taxi.succeed("produce", taxi("bad.csv"), "--clock", "start")
        #expect(try taxi.succeed("dead-letter", "show").text.split(separator: "\n").count == 27)
        #expect(try taxi.succeed("dead-letter", "show", "-n", "3").text.split(separator: "\n").count == 3)
        #expect(try taxi.succeed("topic", "tail", "ingestData").text.split(separator: "\n").count == 60)
    }

    @Test func whatStreamQueriesPrintsIsAFileToStartFrom() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("stream", "queries").text.write(
            toFile: taxi("queries.yaml"), atomically: true, encoding: .utf8)
        try taxi.succeed("stream", "queries", "--check", taxi("queries.yaml"))
        try "alerts:\n  - {name: a, on: sumFareWindow, if: total_fare > 5, run: nowhere}\n".write(
            toFile: taxi("alerts.yaml"), atomically: true, encoding: .utf8)
        let refused = try taxi.run("stream", "queries", "--check", taxi("alerts.yaml"))
        #expect(refused.code != 0 && refused.errors.contains("nowhere"), "\(refused.errors)")
    }

    @Test func aStreamThatDropsAndOneThatMergesAreAuditedTogether() throws {
        let taxi = try TaxiCLI()
        let (march, april) = try Self.months(taxi)
        try taxi.succeed("produce", april, "--clock", "start", "-q")
        try taxi.succeed("stream", "--until-end", "-q")
        for (policy, range) in [
            ("drop", ["--to", "2024-03-04"]), ("update", ["--from", "2024-03-04", "--to", "2024-03-07"]),
            ("drop", ["--from", "2024-03-07"]),
        ] {
            let replay = try taxi.start(["produce", march, "--clock", "start", "-q"] + range).wait()
            #expect(replay.code == 0, "\(replay.errors)")
            try taxi.succeed("stream", "--until-end", "--late", policy, "-q")
        }
        let summary = try taxi.query("SELECT DISTINCT counter FROM ledger WHERE query = 'sumFareWindow' ORDER BY 1")
        #expect(summary == [["aggregated"], ["late"], ["late_merged"]])
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
    }
}
