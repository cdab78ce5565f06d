import CommandSupport
import Foundation
import Testing
import Topics
import Time
import Trips

/// `dead-letter replay`: what can be read by now goes on, once.
///
/// `TAXI_FAULT_KILLS` and `TAXI_FAULT_SEED` make a longer series: see scripts/fault-series-letters.
@Suite struct DeadLetterReplayTests {
    private static let variables = ProcessInfo.processInfo.environment
    private static let kills = variables["TAXI_FAULT_KILLS"].flatMap(Int.init) ?? 6
    private static let seed = variables["TAXI_FAULT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)

    // MARK: Rows of files

    @Test func correctedRowsBecomeTheTripsOfACleanFile() throws {
        let taxi = try TaxiCLI()
        let dirty = try DirtyReplay(taxi, partitions: 3)
        try taxi.succeed("stream", "--until-end", "--late", "update")
        let ending = try taxi.start(DirtyReplay.edit).wait()
        #expect(
            ending.code == 0 && ending.errors.contains("sent \(dirty.letters) of \(dirty.letters)"), "\(ending.errors)")
        try dirty.expectEachTripOnce()
        try taxi.succeed("stream", "--until-end", "--late", "update")
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")

        let clean = try TaxiCLI()
        try clean.succeed("produce", taxi("clean.csv"), "--max", "--clock", "start", "--spread", "uniform")
        try clean.succeed("stream", "--until-end")
        let contents = (try taxi.contents(), try clean.contents())
        for view in TaxiCLI.queryViews { #expect(contents.0[view] == contents.1[view], "\(view)") }
    }

    @Test func killsSendEachOnce() throws {
        let taxi = try TaxiCLI()
        let dirty = try DirtyReplay(taxi)
        let met = try dirty.run(kills: Self.kills, seed: Self.seed)
        print("embedded: \(Self.kills) kills, seed \(Self.seed), \(met) of them amid a replay")
        try dirty.expectEachTripOnce("seed \(Self.seed)")
    }

    @Test func twoAtOnceSendEachOnce() throws {
        let taxi = try TaxiCLI()
        let dirty = try DirtyReplay(taxi)
        let both = try (0..<2).map { _ in try taxi.start(DirtyReplay.edit + ["--rate", "400/s"]) }
        let codes = both.map { $0.wait() }
        // Who began first is told that it was taken over, unless it was done.
        #expect(
            codes.contains { $0.code == 0 } && codes.allSatisfy { [0, 69].contains($0.code) }, "\(codes.map(\.errors))")
        try dirty.expectEachTripOnce()
    }

    @Test func anInterruptedOneGoesOn() throws {
        let taxi = try TaxiCLI()
        let dirty = try DirtyReplay(taxi)
        let replay = try taxi.start(DirtyReplay.edit + ["--rate", "100/s"])
        #expect(try eventually(within: 60) { try taxi.recordCount("chicago_deadLetterReplay") > 2 })
        replay.signal(SIGINT)
        let stopped = replay.wait()
        #expect(
            stopped.code == 130 && stopped.errors.contains("goes on from here"), "\(stopped.code) \(stopped.errors)")
        let next = try taxi.start(DirtyReplay.edit).wait()
        #expect(next.code == 0 && next.errors.contains("were settled by earlier replays"), "\(next.errors)")
        try dirty.expectEachTripOnce()
    }

    @Test func filtersMayOverlap() throws {
        let taxi = try TaxiCLI()
        let dirty = try DirtyReplay(taxi)
        for filter in [
            ["--reason", "bad_money"], ["--where", "letter=0/10..40"],
            ["--where", "file=dirty.csv", "--where", "line=1..400"],
            ["--where", "letter between '0/41' and '0/60' or detail contains 'fare'", "--where", "file = 'dirty.csv'"],
            ["--reason", "bad_number", "--where", "offset=3"], [],
        ] {
            let ending = try taxi.start(DirtyReplay.edit + filter).wait()
            #expect(ending.code == 0, "\(filter): \(ending.errors)")
        }
        try dirty.expectEachTripOnce()
    }

    @Test func whatFailsAgainGoesIntoQuarantineOnce() throws {
        let taxi = try TaxiCLI()
        let dirty = try DirtyReplay(taxi)
        let reasons = try counts(taxi)
        let first = try taxi.succeed("dead-letter", "replay")
        #expect(first.errors.contains("sent 0 of \(dirty.letters)"), "\(first.errors)")
        #expect(try counts(taxi)["quarantined"] == dirty.letters)
        let second = try taxi.succeed("dead-letter", "replay")
        #expect(second.errors.contains("\(dirty.letters) are in quarantine"), "\(second.errors)")
        let third = try taxi.succeed("dead-letter", "replay", "--reason", "quarantined")
        #expect(third.errors.contains("\(dirty.letters) failed again, and stay"), "\(third.errors)")
        #expect(try counts(taxi)["quarantined"] == dirty.letters, "written once")
        // The reason before is kept, and so is the record.
        let money = try taxi.succeed(
            "dead-letter", "list", "--where", "was=bad_money", "--reason", "quarantined", "--format", "jsonl")
        #expect(money.lines.count == reasons["bad_money"])
        #expect(
            try taxi.succeed("dead-letter", "show", "--reason", "quarantined").output
                == taxi.succeed("dead-letter", "show", "--where", "letter=0/0..\(dirty.letters - 1)").output)
    }

    private func counts(_ taxi: TaxiCLI) throws -> [String: Int] {
        let table = try taxi.succeed("dead-letter", "list", "--reasons", "--format", "jsonl").lines.map {
            try jsonObject($0)
        }
        return Dictionary(
            uniqueKeysWithValues: table.map { ($0["reason"] as? String ?? "", $0["records"] as? Int ?? 0) })
    }

    @Test func rowsOfAnEarlierVersionNeedTheirHeaderLine() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--limit", "1", "--clock", "start")
        let row = try String(contentsOfFile: taxi("trips.csv"), encoding: .utf8).split(separator: "\n")[7]
        try write(
            [
                TopicRecord(
                    key: nil, value: Array(row.utf8),
                    headers: headers("bad_money", "trips.csv:8", "chicago_ingestData", -1, 8), timestamp: 1)
            ], to: taxi)
        let without = try taxi.succeed("dead-letter", "replay")
        #expect(without.errors.contains("1 are rows without their header line"), "\(without.errors)")
        #expect(try taxi.recordCount("chicago_ingestData") == 1)
        try taxi.succeed("dead-letter", "replay", "--columns", "trips.csv")
        #expect(try taxi.recordCount("chicago_ingestData") == 2)
    }

    // MARK: Records of topics

    private func headers(
        _ reason: String, _ source: String, _ topic: String, _ partition: Int, _ offset: Int
    ) -> [TopicRecord.Header] {
        let texts: KeyValuePairs<String, String> = [
            "reason": reason, "detail": "d", "source": source, "__connect.errors.topic": topic,
            "__connect.errors.partition": "\(partition)", "__connect.errors.offset": "\(offset)",
            "__connect.errors.exception.message": "m",
        ]
        return texts.map { .init(name: $0, value: Array($1.utf8)) }
    }

    private func write(_ letters: [TopicRecord], to taxi: TaxiCLI, topic: String = "chicago_deadLetter") throws {
        let store = try EmbeddedTopicStore(path: taxi.topicsPath)
        if try !store.hasTopic(topic) { try store.createTopic(topic, partitions: 1) }
        let batch = try #require(PendingBatch(topic: topic, partition: 0, records: letters))
        try store.makeWriter().append([batch], mark: nil)
    }

    private func trip(at ms: EventTime, _ id: String = "a") -> [UInt8] {
        Array("{\"trip_id\":\"\(id)\",\"fare\":1.00,\"event_timestamp\":\"\(RFC3339.string(ms))\"}".utf8)
    }

    /// A topic of some good trips, so that others are not more than half of all.
    private func someTrips(_ taxi: TaxiCLI) throws {
        try taxi.succeed("data", "generate", "--rows", "20", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
    }

    private func metas(_ taxi: TaxiCLI, _ topic: String = "ingestData") throws -> [[String: Any]] {
        try taxi.succeed("topic", "tail", topic, "--meta", "--from-beginning").lines.map { try jsonObject($0) }
    }

    @Test func recordsGoBackUnchangedWhoeverSetThemAside() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("topic", "create", "ingestData", "--partitions", "3")
        let time: EventTime = 1_710_000_000_000
        func number(_ value: Int64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * Int64(count - 1 - $0))) }
        }
        func text(_ name: String, _ value: String) -> TopicRecord.Header { .init(name: name, value: Array(value.utf8)) }
        let own = text("trace", "t1")
        let letters: [[TopicRecord.Header]] = [
            [own] + headers("malformed_json", "chicago_ingestData/1/7", "chicago_ingestData", 1, 7),
            [
                own, text("__connect.errors.topic", "chicago_ingestData"), text("__connect.errors.partition", "2"),
                text("__connect.errors.offset", "9"), text("__connect.errors.connector.name", "sink"),
            ],
            [own, text("x-original-topic", "chicago_ingestData"), text("x-original-partition", "1")],
            [
                own, text("kafka_dlt-original-topic", "chicago_ingestData"),
                .init(name: "kafka_dlt-original-partition", value: number(2, 4)),
                .init(name: "kafka_dlt-original-offset", value: number(1 << 40, 8)),
            ],
        ]
        try write(
            letters.enumerated().map { index, headers in
                TopicRecord(
                    key: Array("k\(index)".utf8), value: trip(at: time, "\(index)"), headers: headers,
                    timestamp: time + EventTime(index))
            }, to: taxi)
        try taxi.succeed("dead-letter", "replay")
        let found = try metas(taxi).sorted { "\($0["timestamp"] ?? "")" < "\($1["timestamp"] ?? "")" }
        #expect(found.map { $0["partition"] as? Int } == [1, 2, 1, 2])
        #expect(found.map { $0["key"] as? String } == ["k0", "k1", "k2", "k3"])
        for (index, record) in found.enumerated() {
            #expect(
                record["headers"] as? [String: String] == [
                    "trace": "t1", "taxi.replay.count": "1", "taxi.replay.of": "chicago_deadLetter/0/\(index)",
                ])
            #expect("\(record["value"] ?? "")".contains("1"))
        }
    }

    @Test func aTopicThatIsGoneOrNotOursIsRefusedInWords() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("topic", "create", "ingestData")
        let time: EventTime = 1_710_000_000_000
        func letter(_ topic: String) -> TopicRecord {
            TopicRecord(
                key: nil, value: trip(at: time), headers: headers("bad_money", "\(topic)/0/900", topic, 0, 900),
                timestamp: time)
        }
        try write(
            [
                letter("other_ingestData"), letter("chicago_sumFareWindowStream"), letter("chicago_ingestData"),
                TopicRecord(key: nil, value: trip(at: time), timestamp: time),
            ], to: taxi)
        let ending = try taxi.run("dead-letter", "replay")
        #expect(
            ending.code == 66 && ending.errors.contains("not one of tenant \"chicago\""),
            "\(ending.code) \(ending.errors)")
        #expect(
            ending.errors.contains("sent 1 of 4") && ending.errors.contains("3 dead letters have no topic"),
            "\(ending.errors)")
        #expect(try metas(taxi).count == 1)
        let rest = try taxi.run("dead-letter", "replay", "--where", "topic=sumFareWindowStream")
        #expect(rest.code == 66 && rest.errors.contains("holds no trips"), "\(rest.errors)")
        try taxi.succeed("topic", "delete", "ingestData", "--yes")
        try write([letter("chicago_ingestData")], to: taxi)
        let gone = try taxi.run("dead-letter", "replay", "--where", "topic=ingestData")
        #expect(
            gone.code == 66 && gone.errors.contains("there is no topic \"chicago_ingestData\" any more"),
            "\(gone.errors)")
    }

    @Test func tombstonesAndEmptyRecordsStayWhatTheyAre() throws {
        let taxi = try TaxiCLI()
        try someTrips(taxi)
        try write(
            [
                TopicRecord(key: Array("gone".utf8), value: nil, timestamp: 5),
                TopicRecord(key: nil, value: [], timestamp: 6),
                TopicRecord(key: nil, value: Array(TerminalTests.hostile.utf8), timestamp: 7),
            ], to: taxi, topic: "chicago_ingestData")
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal")
        let before = try metas(taxi, "deadLetter")
        try taxi.succeed("dead-letter", "replay")
        let after = try metas(taxi, "deadLetter").suffix(3)
        #expect(before.count == 3 && after.count == 3)
        for (old, new) in zip(before, after) {
            for field in ["key", "value", "timestamp"] {
                #expect("\(old[field] ?? "")" == "\(new[field] ?? "")", "\(field)")
            }
            let headers = new["headers"] as? [String: String]
            #expect(headers?["reason"] == "quarantined" && headers?["taxi.replay.reason"] == "malformed_json")
            #expect(headers?["source"] == (old["headers"] as? [String: String])?["source"])
        }
        let audit = try taxi.run("audit", "--query", "tripsTotal")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
        for words in [
            ["dead-letter", "replay", "--dry-run"], ["dead-letter", "show"], ["dead-letter", "show", "--mark"],
        ] {
            let shown = try taxi.runOnTerminal(words).shown
            #expect(
                !shown.contains("\u{1B}]0") && !shown.contains("\u{1B}[2J") && !shown.contains("\u{202E}"), "\(words)")
        }
    }

    @Test func recordsAheadOfTheClockCountOnceWhoeverComesLater() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "200", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        let later = Int64(Date().timeIntervalSince1970) * 1000 + 10 * 86_400_000
        try write(
            [TopicRecord(key: nil, value: trip(at: later), timestamp: later)], to: taxi, topic: "chicago_ingestData")
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal")
        let sum = "SELECT sum(value) FROM ledger WHERE query = 'tripsTotal' AND counter = 'aggregated'"
        #expect(try taxi.number(sum) == 200)
        let early = try taxi.succeed("dead-letter", "replay", "--dry-run")
        #expect(early.errors.contains("1 would fail again"), "\(early.errors)")
        try taxi.succeed("dead-letter", "replay", "--max-ahead", "30d")
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal", "--max-ahead", "30d")
        #expect(try taxi.number(sum) == 201)
        func audit() throws {
            let ending = try taxi.run("audit", "--query", "tripsTotal")
            #expect(ending.code == 0, "\(ending.text) \(ending.errors)")
        }
        try audit()
        // Both the record and its copy could be counted now.
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal", "--max-ahead", "30d", "--from-beginning")
        try audit()
        #expect(try taxi.number("\(sum) AND run_id = (SELECT max(run_id) FROM ledger)") == 201)
        #expect(try taxi.recordCount("chicago_deadLetter") == 1, "the one in its place is no new dead letter")
    }

    @Test func whatStreamsCountWhereItLiesIsNotSent() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("topic", "create", "ingestData")
        let time: EventTime = 1_710_000_000_000
        try write(
            [TopicRecord(key: nil, value: trip(at: time), timestamp: time)], to: taxi, topic: "chicago_ingestData")
        // Set aside by a program that could not use it, while the stream can.
        let letter = TopicRecord(
            key: nil, value: trip(at: time),
            headers: ["topic": "chicago_ingestData", "partition": "0", "offset": "0"].map {
                .init(name: "__connect.errors.\($0)", value: Array($1.utf8))
            }, timestamp: time)
        try write([letter], to: taxi)
        for _ in 0..<2 {
            let ending = try taxi.succeed("dead-letter", "replay")
            #expect(ending.errors.contains("can be read where they lie"), "\(ending.errors)")
            #expect(try taxi.recordCount("chicago_ingestData") == 1)
            try taxi.succeed("stream", "--until-end", "--query", "tripsTotal")
        }
    }

    @Test func whatIsRejectedOnceMoreDoesNotGoRound() throws {
        let taxi = try TaxiCLI()
        try someTrips(taxi)
        let later = Int64(Date().timeIntervalSince1970) * 1000 + 10 * 86_400_000
        try write(
            [TopicRecord(key: nil, value: trip(at: later), timestamp: later)], to: taxi, topic: "chicago_ingestData")
        for _ in 0..<3 {
            try taxi.succeed("stream", "--until-end", "--query", "tripsTotal")
            try taxi.succeed("dead-letter", "replay", "--max-ahead", "30d")
        }
        #expect(try taxi.recordCount("chicago_ingestData") == 22, "sent once")
        #expect(try counts(taxi) == ["out_of_range": 2, "quarantined": 1])
        // Asked for by name it is sent again, and says how often.
        try taxi.succeed("dead-letter", "replay", "--max-ahead", "30d", "--reason", "quarantined")
        let last = try #require(try metas(taxi).last?["headers"] as? [String: String])
        #expect(last["taxi.replay.count"] == "2")
        #expect(try taxi.recordCount("chicago_ingestData") == 23)
    }

    @Test func aCutRecordIsNeverSent() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("topic", "create", "ingestData")
        let cut = TopicRecord.Header(name: "cut", value: Array("5 of 9 bytes of the value are kept".utf8))
        let record = TopicRecord(
            key: nil, value: trip(at: 1_710_000_000_000),
            headers: headers("oversized", "chicago_ingestData/0/3", "chicago_ingestData", 0, 3) + [cut], timestamp: 1)
        try write([record], to: taxi)
        try "0/0\t{}\n".write(toFile: taxi("fix.txt"), atomically: true, encoding: .utf8)
        for more in [[], ["--from", "fix.txt"], ["--reason", "oversized"]] {
            let ending = try taxi.start(["dead-letter", "replay"] + more).wait()
            #expect(ending.code == 0 && ending.errors.contains("1 were cut"), "\(ending.errors)")
        }
        #expect(try taxi.recordCount("chicago_ingestData") == 0 && taxi.recordCount("chicago_deadLetter") == 1)
    }

    // MARK: Mistakes

    @Test func mistakesAreToldWithTheirPlace() throws {
        let taxi = try TaxiCLI()
        _ = try DirtyReplay(taxi, rows: 300)
        for (words, code, said) in [
            (["--from", "none.txt"], 66, "none.txt"), (["--where", "tpic=x"], 64, "topic="),
            (["--where", "offset=9..3"], 64, "offset=9..3"), (["--where", "time=yesterday"], 64, "time=yesterday"),
            (["--where", "offset >= '9'"], 64, "--where:1:11"),
            (["--where", "reason = bad_money or"], 64, "single quotes"),
            (["--rate", "many"], 64, "many"), (["--columns", "fix.txt"], 65, "fix.txt"),
        ] as [([String], Int32, String)] {
            let ending = try taxi.start(["dead-letter", "replay"] + words).wait()
            #expect(ending.code == code && ending.errors.contains(said), "\(words): \(ending.code) \(ending.errors)")
        }
        for (text, said) in [
            ("17 no tab\n", "bad.txt:1:1"), ("0/1\ta\n0/1\tb\n", "bad.txt:2:1"), ("0/99999\ta\n", "0/99999"),
            ("", "names no"),
        ] {
            try text.write(toFile: taxi("bad.txt"), atomically: true, encoding: .utf8)
            let ending = try taxi.run("dead-letter", "replay", "--from", "bad.txt")
            #expect([65, 66].contains(ending.code) && ending.errors.contains(said), "\(ending.code) \(ending.errors)")
        }
    }

    @Test func bytesThatAreNoTextAreShownAsTheyAre() throws {
        let taxi = try TaxiCLI()
        var file = Data("Trip Start Timestamp,Fare,Company\n03/01/2024 12:00:00 AM,5,good\n".utf8)
        file +=
            Data("03/01/2024 12:00:00 AM,6,good\n03/01/2024 12:00:00 AM,7,ab".utf8) + [0xFF, 0xFE] + Data("cd\n".utf8)
        try file.write(to: URL(fileURLWithPath: taxi("bytes.csv")))
        try taxi.succeed("produce", taxi("bytes.csv"), "--clock", "start", "-q")
        let marked = try taxi.succeed("dead-letter", "show", "--mark").text
        #expect(marked.contains("ab\\xff\\xfecd\n") && marked.contains(" ^^^^^^^^\n"), "\(marked)")
    }

    @Test func theOffendingBytesAreMarkedForPeopleOnly() throws {
        let taxi = try TaxiCLI()
        _ = try DirtyReplay(taxi, rows: 300)
        let plain = try taxi.succeed("dead-letter", "show", "--reason", "bad_money", "-n", "1").text
        let detail = try #require(
            try jsonObject(
                taxi.succeed("dead-letter", "list", "--reason", "bad_money", "-n", "1", "--format", "jsonl").text)[
                    "detail"] as? String)
        let quoted = String(detail.split(separator: "\"")[1])
        let marked = try taxi.succeed("dead-letter", "show", "--reason", "bad_money", "-n", "1", "--mark").text
        #expect(marked.hasPrefix(plain) && marked.contains("^") && !plain.contains("^"))
        let lines = marked.split(separator: "\n").map(Array.init)
        let caret = try #require(lines.last?.firstIndex(of: "^"))
        #expect(String(lines[lines.count - 2][caret...].prefix(quoted.count)) == quoted)
        let shown = try taxi.runOnTerminal(
            "dead-letter", "show", "--reason", "bad_money", "-n", "1", environment: ["NO_COLOR": ""]
        ).shown
        #expect(shown.contains("\u{1B}[31m") && shown.contains(quoted))
        #expect(try taxi.runOnTerminal("dead-letter", "show", "--reason", "bad_money", "-n", "1").shown.contains("^"))
        let byDay = try taxi.succeed("dead-letter", "list", "--by", "file", "--format", "jsonl").lines
        #expect(byDay.count == 1 && byDay[0].contains("dirty.csv"))
    }
}
