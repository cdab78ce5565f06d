import CommandSupport
import Foundation
import SQLite
import Testing

/// What a replay promises about its source: trips of the past alone, from files that stay what they are.
@Suite struct ReplaySourceTests {
    static let inputs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Inputs").path

    // MARK: trips of the future

    @Test func aYearThatWasMistypedCostsNoLaterWindow() throws {
        let taxi = try TaxiCLI()
        let march = "\(Self.inputs)/march-with-a-year-2094.csv"
        let produced = try taxi.succeed("produce", march, "--clock", "start", "--summary-json", "-")
        #expect(try jsonObject(produced.text)["rejected"] as? [String: Int] == ["out_of_range": 1])
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("produce", "\(Self.inputs)/april-after-that-march.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        let days = try taxi.query("SELECT day || ' ' || fare_total FROM tripstotal ORDER BY day")
        #expect(days == [["2024-03-01 10.0"], ["2024-03-02 10.0"], ["2024-04-01 10.0"], ["2024-04-02 12.0"]])
        #expect(try taxi.number("SELECT count(*) FROM sumfarewindow") == 4)
        try taxi.succeed("audit")
        try taxi.succeed("status")
        let letters = try taxi.succeed("dead-letter", "list", "--format", "jsonl").text
        #expect(letters.contains("trip_start_timestamp") && letters.contains("days ahead of the clock"), "\(letters)")
        #expect(letters.contains("--max-ahead"))
    }

    @Test func aRecordFromElsewhereThatIsFarAheadMovesNoWatermark() throws {
        let taxi = try TaxiCLI()
        // Somebody else's producer knows no limit.
        try taxi.succeed(
            "produce", "\(Self.inputs)/march-with-a-year-2094.csv", "--clock", "start", "--max-ahead", "40000d")
        let streamed = try taxi.succeed("stream", "--until-end", "--summary-json", "-")
        let summary = try jsonObject(streamed.text)
        #expect(summary["rejected"] as? [String: Int] == ["out_of_range": 1])
        #expect((summary["watermark"] as? String)?.hasPrefix("2024-03-02") == true, "\(summary)")
        try taxi.succeed("produce", "\(Self.inputs)/april-after-that-march.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.number("SELECT count(*) FROM sumfarewindow") == 4)
        // A clock of later would take the record: what was left out is written down.
        #expect(
            try taxi.query("SELECT DISTINCT source, partition, first, next FROM ahead_records")
                == [["chicago_ingestData", 0, 2, 3]])
        try taxi.succeed("audit")
        let letters = try taxi.succeed("dead-letter", "list", "--format", "jsonl").text
        #expect(letters.contains("chicago_ingestData/0/2") && letters.contains("2094-03-03"), "\(letters)")
    }

    @Test func aFileThatIsStreamedStraightIsJudgedAlike() throws {
        let taxi = try TaxiCLI()
        let march = "\(Self.inputs)/march-with-a-year-2094.csv"
        for query in [[], ["--late", "dead-letter"]] {
            let streamed = try taxi.start(
                ["stream", "--input", march, "--summary-json", "-", "--from-beginning"] + query
            )
            .wait()
            let summary = try jsonObject(streamed.text)
            #expect(summary["rejected"] as? [String: Int] == ["out_of_range": 1], "\(streamed.errors)")
        }
        try taxi.succeed("audit", "--from", march)
        // Who means to replay the future says so.
        let other = try TaxiCLI()
        let all = try other.succeed("stream", "--input", march, "--max-ahead", "40000d", "--summary-json", "-")
        #expect(try jsonObject(all.text)["rejected"] as? [String: Int] == [:])
    }

    @Test func whereMostRecordsAreLateStatusFailsAndSaysWhy() throws {
        let taxi = try TaxiCLI()
        for file in ["april-after-that-march.csv", "march-with-a-year-2094.csv"] {
            try taxi.succeed("produce", "\(Self.inputs)/\(file)", "--clock", "start")
            // A bounded run that lets late records go.
            try taxi.succeed("stream", "--until-end", "--late", "drop", "--query", "sumFareWindow")
        }
        let status = try taxi.run("status")
        #expect(status.code == 1)
        let page = try jsonObject(status.text)
        #expect(page["state"] as? String == "failing")
        let reasons = try #require(page["reasons"] as? [String])
        #expect(
            reasons.contains {
                $0.hasPrefix("2 of 2 records that came to query \"sumFareWindow\"") && $0.contains("too late")
            },
            "\(reasons)")
    }

    // MARK: files that change

    /// Starts a replay that takes its time, and waits until trips have come.
    private func replaying(_ taxi: TaxiCLI, _ options: [String]) throws -> RunningProgram {
        let running = try taxi.start(["produce", "trips.csv", "--rate", "2000/s"] + options)
        let hasBegun = eventually(within: 60) { ((try? taxi.recordCount("chicago_ingestData")) ?? 0) > 0 }
        #expect(hasBegun, "\(running.errors)")
        return running
    }

    @Test(
        "a file that is cut short, written over, replaced or taken away under a replay ends it with 74",
        arguments: [
            ": > trips.csv", "dd if=other.csv of=trips.csv conv=notrunc", "mv other.csv trips.csv", "rm trips.csv",
        ],
        ["now", "start"])
    func aFileThatChangesUnderAReplay(_ change: String, clock: String) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20000", "--seed", "3", "trips.csv")
        try taxi.succeed("data", "generate", "--rows", "20000", "--seed", "4", "other.csv")
        let known = try Self.tripIDs(taxi("trips.csv"))
        let running = try replaying(taxi, ["--clock", clock])
        #expect(try taxi.shell(change).code == 0)
        let ending = running.wait()
        #expect(ending.code == 74, "\(ending.code) \(ending.errors)")
        #expect(ending.errors.contains("\"trips.csv\" changed while it was read"), "\(ending.errors)")
        #expect(ending.errors.contains("hint: "))
        // What was stored before is of the file as it was.
        let lines = try taxi.succeed("topic", "tail", "ingestData", "--from-beginning").lines
        #expect((1..<20_000).contains(lines.count))
        for line in lines {
            let id = try #require(try jsonObject(line)["trip_id"] as? String)
            #expect(known.contains(id), "nobody made trip \(id)")
        }
    }

    private static func tripIDs(_ path: String) throws -> Set<String> {
        let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
        return Set(rows.map { String($0.prefix { $0 != "," }) })
    }

    // MARK: rejects

    @Test func thousandGoodRowsExcuseNoBadOnesHoweverTheyAreRead() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "6000", "--seed", "8", "trips.csv")
        var rows = try String(contentsOfFile: taxi("trips.csv"), encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
        for index in rows.indices where index > 1000 {
            var fields = rows[index].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            fields[10] = "ten"
            rows[index] = fields.joined(separator: ",")
        }
        try (rows.joined(separator: "\n") + "\n").write(toFile: taxi("bad.csv"), atomically: true, encoding: .utf8)
        #expect(try taxi.shell("gzip -k bad.csv").code == 0)
        for line in [
            "\"$TAXI\" produce bad.csv --max --clock now", "\"$TAXI\" produce bad.csv --max --clock start --again",
            "\"$TAXI\" produce bad.csv --clock start --rate 100000/s --again",
            "\"$TAXI\" produce bad.csv --rate 100000/s",
            "\"$TAXI\" produce bad.csv --speed 10000000x --again", "\"$TAXI\" produce bad.csv.gz --max",
            "\"$TAXI\" produce bad.csv.gz --clock end --again", "cat bad.csv | \"$TAXI\" produce - --max",
            "cat bad.csv | \"$TAXI\" produce - --max --clock start", "\"$TAXI\" produce bad.csv --dry-run",
            "\"$TAXI\" stream --input bad.csv", "\"$TAXI\" stream --input bad.csv.gz --query sumFareWindow",
            "\"$TAXI\" stream --input bad.csv --queries analytics",
        ] {
            let ending = try taxi.shell(line + " > out")
            #expect(ending.code == 65, "\(line): \(ending.code) \(ending.errors)")
            #expect(ending.errors.contains("bad_money"), "\(line): \(ending.errors)")
        }
    }

    // MARK: pipes

    @Test func everyCommandThatReadsTripsTakesAPipeOrSaysThatItCannot() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "500", "--seed", "8", "trips.csv")
        for (line, wanted) in [
            ("cat trips.csv | \"$TAXI\" data profile - --format json", "\"rows\":500"),
            ("(cat trips.csv; sed 1d trips.csv) | \"$TAXI\" data profile - --format json", "\"repeated_trip_ids\":500"),
            ("cat trips.csv | \"$TAXI\" data profile /dev/stdin --format json", "\"rows\":500"),
            ("mkfifo pipe && (cat trips.csv > pipe &) && \"$TAXI\" data profile pipe --format json", "\"rows\":500"),
            (
                "rm pipe; mkfifo pipe && (cat trips.csv > pipe &) && \"$TAXI\" produce pipe --summary-json -",
                "\"sent\":500"
            ),
            (
                "rm pipe; mkfifo pipe && (cat trips.csv > pipe &) && \"$TAXI\" produce pipe --clock end --summary-json -",
                "\"sent\":500"
            ),
            (
                "rm pipe; mkfifo pipe && (cat trips.csv > pipe &) && \"$TAXI\" stream --input pipe --summary-json -",
                "\"records\":500"
            ),
        ] {
            let ending = try taxi.shell(line)
            #expect(ending.code == 0, "\(line): \(ending.errors)")
            #expect(ending.text.contains(wanted), "\(line): \(ending.text)")
        }
        for line in [
            "cat trips.csv | \"$TAXI\" produce /dev/stdin --loop", "cat trips.csv | \"$TAXI\" produce - --loop",
            "cat trips.csv | \"$TAXI\" produce - --resume", "rm pipe; mkfifo pipe; \"$TAXI\" produce pipe --resume",
            "\"$TAXI\" produce pipe --loop", "\"$TAXI\" audit --from pipe",
        ] {
            let ending = try taxi.shell(line)
            #expect(ending.code == 64, "\(line): \(ending.code) \(ending.errors)")
            #expect(ending.errors.contains("can be read once only"), "\(line): \(ending.errors)")
        }
    }

    /// Nobody can tell whether what comes through a pipe has come before.
    @Test func aStreamTakesAllOfEachPipe() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "300", "--seed", "8", "a.csv")
        try taxi.succeed("data", "generate", "--rows", "500", "--seed", "9", "b.csv")
        for (file, count) in [("a.csv", 300), ("b.csv", 800)] {
            let ending = try taxi.shell("cat \(file) | \"$TAXI\" stream --input - --query tripsTotal -q")
            #expect(ending.code == 0, "\(ending.errors)")
            #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == Int64(count))
        }
    }

    // MARK: the control file

    @Test func theControlFileOfADeadReplayReachesNobody() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20000", "trips.csv")
        let running = try replaying(taxi, ["--clock", "now"])
        let name = "produce-\(running.pid).control"
        running.killAtOnce()
        #expect(FileManager.default.fileExists(atPath: taxi.tenantFolder + "/" + name))
        // As if the number had been given to somebody else; and what nobody may ever signal.
        let bystander = try taxi.start(["-c", "exec sleep 600"], executable: "/bin/sh")
        defer { bystander.killAtOnce() }
        for text in ["\(bystander.pid)\n", "\(bystander.pid)\nboot 1\n", "-1\nboot 1\n", "0\n\n", "1\n", "x", ""] {
            for file in [name, "produce.pace", "produce-7.control"] {
                try text.write(toFile: "\(taxi.tenantFolder)/\(file)", atomically: true, encoding: .utf8)
            }
            let ending = try taxi.run("produce", "--set-rate", "5/s")
            #expect(ending.code == 69, "\(text): \(ending.errors)")
            #expect(ending.errors.contains("no replay of tenant \"chicago\" is running"), "\(ending.errors)")
        }
        #expect(bystander.isRunning)
    }

    @Test func ofTwoReplaysSetRateWantsToKnowWhich() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "2000", "trips.csv")
        let first = try taxi.start(["produce", "trips.csv", "--rate", "1/m"])
        func control(_ program: RunningProgram) -> String { "\(taxi.tenantFolder)/produce-\(program.pid).control" }
        #expect(eventually(within: 60) { FileManager.default.fileExists(atPath: control(first)) }, "\(first.errors)")
        // One that shares the tenant but not the topics' producer: such as on a cluster without --resume.
        let second = try taxi.start(["produce", "trips.csv", "--rate", "1/h"])
        #expect(eventually(within: 60) { FileManager.default.fileExists(atPath: control(second)) }, "\(second.errors)")
        let asked = try taxi.run("produce", "--set-rate", "100/s")
        if first.isRunning, second.isRunning {
            #expect(asked.code == 64, "\(asked.errors)")
            #expect(asked.errors.contains("\(first.pid), which replays trips.csv"), "\(asked.errors)")
            #expect(asked.errors.contains("\(second.pid), which replays trips.csv"))
            #expect(asked.errors.contains("--process"))
            let told = try taxi.run("produce", "--set-rate", "max", "--process", "\(second.pid)")
            // Both have the producer's name, and the one that had it first ends as soon as it sees that.
            if told.code == 0 {
                #expect(told.errors.contains("(process \(second.pid)) goes on at max"))
                #expect([0, 69].contains(second.wait().code))
            } else {
                #expect(told.code == 69 && !second.isRunning, "\(told.errors)")
            }
        }
        first.signal(SIGINT)
        first.wait()
        #expect(!FileManager.default.fileExists(atPath: control(first)))
    }
}
