import CommandSupport
import Foundation
import Testing

/// `stream restate` and `rewind` where something stands in their way, or somebody is asked.
@Suite struct RestateSurroundingsTests {
    private static let views = TaxiCLI.queryViews

    // MARK: Asked in a terminal

    private func answer(_ keys: String, to taxi: TaxiCLI) throws -> String {
        let words = TwoMonths.restate.joined(separator: " ")
        let shell = try taxi.typing("/bin/sh", ["-c", "\"$TAXI\" \(words); echo \"ended with $?\""])
        let asked = try shell.shown(until: "[y/N] ")
        // What is asked about is there before the question.
        #expect(asked.contains("sumFareWindow"), "\(asked)")
        shell.type(keys)
        return try shell.shown(until: "ended with ") + shell.shown(until: "\n")
    }

    @Test func whoIsAskedDecides() throws {
        let months = try TwoMonths(TaxiCLI())
        try months.fill()
        let before = try months.taxi.contents(of: Self.views)
        for keys in ["n\n", "\n", "yep\n", "\u{4}"] {
            let shown = try answer(keys, to: months.taxi)
            #expect(shown.contains("0\r"), "\(keys.debugDescription): \(shown)")
            #expect(try months.taxi.contents(of: Self.views) == before, "\(keys.debugDescription)")
        }
        #expect(
            try months.taxi.number("SELECT count(*) FROM sqlite_schema WHERE name = 'stored_restatements'") == 0)
        let shown = try answer("y\n", to: months.taxi)
        #expect(shown.contains("2024-03 is by these files"), "\(shown)")
        #expect(try months.taxi.contents(of: Self.views) == TwoMonths.fresh().contents(of: Self.views))
        try months.audit()
    }

    // MARK: A full disk

    @Test(arguments: [40, 400, 1500]) func onAFullDiskItIsAllOrNothing(_ kilobytes: Int) throws {
        guard let disk = try SmallDisk(kilobytes: 64 << 10) else { return }
        let months = try TwoMonths(TaxiCLI(home: disk.path))
        try months.fill()
        let before = try months.taxi.contents(of: Self.views)
        let filler = try disk.fill(leavingKilobytes: kilobytes)
        let ending = try months.taxi.start(TwoMonths.restate + ["--yes"]).wait(timeout: 240)
        if ending.code != 0 {
            #expect(ending.code == 74, "\(ending.errors)")
            #expect(
                ending.errors.contains("the disk is full") || ending.errors.contains("no space left"),
                "\(ending.errors)")
        }
        try FileManager.default.removeItem(atPath: filler)
        let after = try months.taxi.contents(of: Self.views)
        let isDone = try after == TwoMonths.fresh().contents(of: Self.views)
        #expect(isDone || after == before, "\(kilobytes) KB left")
        // What was committed and not sent, the next start sends.
        try months.run(["stream", "--until-end"])
        try months.audit()
        if !isDone { try months.run(TwoMonths.restate + ["--yes"]) }
        #expect(try months.taxi.contents(of: Self.views) == TwoMonths.fresh().contents(of: Self.views))
        try months.audit()
    }

    // MARK: Alerts

    private static let alerts = """
        alerts:
          - {name: busy, on: tripsTotalByArea, if: trips > 2}
        queries:
          - name: tripsTotalByArea
            group: [pickup_community_area]
            window: {tumbling: 6h}
            aggregates: {trips: count(), fares: sum(fare)}
            emit: append
        """

    /// Alerts go by the new windows: those that newly meet their condition are raised once, what does not any more is noted.
    @Test func alertsGoByTheNewFiles() throws {
        let months = try TwoMonths(TaxiCLI())
        try Self.alerts.write(toFile: months.taxi("alerts.yaml"), atomically: true, encoding: .utf8)
        let queries = ["--queries", "alerts.yaml"]
        try months.fill(options: queries)
        let before = try months.taxi.number("SELECT count(*) FROM stored_alerts")
        try months.run(TwoMonths.restate + ["--yes"] + queries)
        let fresh = try TwoMonths.fresh(queries, files: ["alerts.yaml": Self.alerts])
        #expect(try months.taxi.contents(of: ["tripstotalbyarea"]) == fresh.contents(of: ["tripstotalbyarea"]))
        // The alerts that stand are of windows which meet the condition as they are now; those that do not are noted.
        let holds = """
            EXISTS (SELECT 1 FROM tripstotalbyarea AS v WHERE v.trips > 2
                AND v.window_start = json_extract(params, '$.window_start')
                AND v.pickup_community_area = json_extract(params, '$.pickup_community_area') + 0)
            """
        let alerts = "SELECT count(*) FROM stored_alerts WHERE"
        #expect(try months.taxi.number("\(alerts) withdrawn_by IS NULL AND NOT \(holds)") == 0)
        #expect(try months.taxi.number("\(alerts) withdrawn_by IS NOT NULL AND \(holds)") == 0)
        #expect(try months.taxi.number("\(alerts) withdrawn_by IS NOT NULL") > 0)
        let all = try months.taxi.number("SELECT count(*) FROM stored_alerts")
        #expect(all > before)
        try months.audit(queries)
        // Each has one record, whoever has raised it.
        #expect(try months.taxi.recordCount("chicago_alerts") == all)
    }

    /// What takes a message's place is read by whoever reads the message.
    @Test func topicsOfAvroStayTopicsOfAvro() throws {
        let months = try TwoMonths(TaxiCLI())
        try Self.alerts.write(toFile: months.taxi("alerts.yaml"), atomically: true, encoding: .utf8)
        let queries = ["--queries", "alerts.yaml"]
        // One query's messages are JSON.
        try months.fill(options: ["--query", "tripsTotal"])
        try months.run(["stream", "--until-end", "--format", "avro"] + queries)
        try months.run(TwoMonths.restate + ["--yes"] + queries)
        for (topic, isAvro) in [
            ("sumFareWindowStream", true), ("tripsTotalByAreaStream", true), ("alerts", true),
            ("tripsTotalStream", false),
        ] {
            let records = try months.taxi.recordCount("chicago_\(topic)")
            #expect(records > 0, "\(topic)")
            if isAvro {
                let values = try AvroTopicsTests.values(months.taxi, "chicago_\(topic)")
                #expect(values.allSatisfy { $0.first == 0 }, "\(topic)")
            } else {
                let lines = try months.taxi.succeed("topic", "tail", topic, "--from-beginning").lines
                #expect(lines.allSatisfy { !$0.contains("\"withdrawn\":null") }, "\(topic)")
            }
        }
        try months.audit(queries)
        #expect(try months.taxi.contents(of: Self.views) == TwoMonths.fresh().contents(of: Self.views))
    }

    // MARK: Records that are gone

    @Test func aRewindToWhereTheTopicBeginsNoMoreSaysSo() throws {
        let months = try TwoMonths(TaxiCLI())
        try months.run(["topic", "create", "ingestData", "--retention", "5d"])
        let keep = ["--keep-history", "7d", "--epoch", "1m", "--epoch-records", "100000"]
        for name in ["february.csv", "march.csv"] { try months.fill([name], options: keep) }
        let before = try months.taxi.contents(of: Self.views)
        let unlimited = try months.taxi.run("stream", "rewind", "--epochs", "9999")
        #expect(unlimited.code == 66, "\(unlimited.errors)")
        let words = unlimited.errors.split(separator: " ")
        let place = try #require(words.firstIndex(of: "over"))
        let epochs = try #require(Int(words[place + 1]), "\(unlimited.errors)")
        for more in [[], ["--dry-run"]] {
            let ending = try months.taxi.start(["stream", "rewind", "--epochs", "\(epochs)"] + more).wait()
            #expect(ending.code == 69, "\(ending.code) \(ending.errors)")
            for part in ["topic \"chicago_ingestData\" partition 0", "from offset 0", "it begins at ", "hint:"] {
                #expect(ending.errors.contains(part), "\(ending.errors)")
            }
        }
        #expect(try months.taxi.contents(of: Self.views) == before)
        // As far as the topic goes it can, and comes back to the same.
        try months.run(["stream", "rewind", "--epochs", "1"])
        try months.run(["stream", "--until-end"] + keep)
        #expect(try months.taxi.contents(of: Self.views) == before)
    }
}
