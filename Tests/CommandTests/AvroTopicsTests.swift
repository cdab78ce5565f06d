import CommandSupport
import Foundation
import SQLite
import ServerSupport
import Testing
import Topics
import Trips

/// Avro on topics, as a person uses it.
@Suite struct AvroTopicsTests {
    private static let replay = ["produce", "--max", "--clock", "start", "--partitions", "2"]

    private func generated(rows: Int = 2000) throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "\(rows)", "--seed", "3", "--dirty", "1%", "--from", "2024-03-09", "--to",
            "2024-03-11", "trips.csv")
        return taxi
    }

    private func succeed(_ taxi: TaxiCLI, _ arguments: [String]) throws {
        let ending = try taxi.start(arguments).wait(timeout: 120)
        try #require(ending.code == 0, "\(ending.errors)")
    }

    private static func objects(_ lines: [String]) throws -> [NSDictionary] {
        try lines.map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? NSDictionary, "\($0.prefix(100))")
        }
    }

    /// The values of a topic of the embedded store, byte for byte.
    static func values(_ taxi: TaxiCLI, _ topic: String) throws -> [[UInt8]] {
        let reader = try EmbeddedTopicStore(path: taxi.topicsPath).makeReader(topic: topic)
        var values: [[UInt8]] = []
        for (partition, kept) in try reader.offsets().enumerated() {
            var offset = kept.lowerBound
            while let batch = try reader.read(partition: partition, from: offset) {
                values += try batch.records().map { $0.value ?? [] }
                offset = batch.baseOffset + Int64(batch.count)
            }
        }
        return values
    }

    private static func append(_ values: [[UInt8]], to taxi: TaxiCLI, _ topic: String) throws {
        let store = try EmbeddedTopicStore(path: taxi.topicsPath)
        let records = values.map { TopicRecord(key: nil, value: $0, timestamp: 1_710_000_000_000) }
        let batch = try #require(PendingBatch(topic: topic, partition: 0, records: records))
        try store.makeWriter().append([batch], mark: nil)
    }

    @Test(arguments: ["decimal", "cents"]) func tripsInAvroGiveTheTablesOfThoseInJSON(_ money: String) throws {
        let taxi = try generated()
        let other = try TaxiCLI()
        try succeed(taxi, Self.replay + ["trips.csv", "--format", "avro", "--money", money])
        try succeed(other, Self.replay + [taxi("trips.csv")])
        for taxi in [taxi, other] { try taxi.succeed("stream", "--until-end") }
        #expect(try taxi.contents() == other.contents())
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
        #expect(try Self.values(taxi, "chicago_ingestData").allSatisfy { $0.first == 0 })
        // What is told of them is the same.
        let tails = try [taxi, other].map { taxi in
            try Self.objects(taxi.succeed("topic", "tail", "ingestData", "--from-beginning").lines)
        }
        if money == "decimal" { #expect(tails[0] == tails[1]) }
        #expect(tails[0].count == tails[1].count)
        let exports = try [taxi, other].map { taxi in
            try taxi.succeed("topic", "export", "ingestData", "--format", "csv").text
        }
        #expect(exports[0] == exports[1])
        // Going on in the other form leaves a topic of both.
        try succeed(taxi, Self.replay + [taxi("trips.csv"), "--again"])
        try succeed(other, Self.replay + [taxi("trips.csv"), "--again"])
        for taxi in [taxi, other] { try taxi.succeed("stream", "--until-end", "--from-beginning") }
        #expect(try taxi.contents() == other.contents())
    }

    @Test func resultsInAvroAreThoseOfTheTables() throws {
        let taxi = try generated()
        try succeed(taxi, Self.replay + ["trips.csv", "--format", "avro", "--limit", "1500"])
        // Twice, so that messages of windows that were sent before carry their revision.
        try taxi.succeed("stream", "--until-end", "--format", "avro")
        try succeed(taxi, Self.replay + ["trips.csv", "--format", "avro", "--again"])
        try taxi.succeed("stream", "--until-end", "--format", "avro")
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
        for topic in ["sumFareWindowStream", "tripsTotalStream", "hotspotWindowStream", "fareDistributionStream"] {
            let values = try Self.values(taxi, "chicago_\(topic)")
            #expect(!values.isEmpty && values.allSatisfy { $0.first == 0 }, "\(topic)")
        }
        let messages = try Self.objects(
            taxi.succeed("topic", "tail", "sumFareWindowStream", "--from-beginning").lines)
        #expect(messages.contains { ($0["revision"] as? Int ?? 0) > 1 })
        #expect(
            messages.allSatisfy {
                ($0["window"] as? NSDictionary).map { ($0["start"] as? String)?.hasSuffix("Z") == true } ?? false
            })
        let days = try Self.objects(taxi.succeed("topic", "tail", "tripsTotalStream", "--from-beginning").lines)
        let newest = Dictionary(days.map { ($0["day"] as? String ?? "", $0["trips_total"] as? Int64 ?? 0) }) { $1 }
        let rows = try taxi.query("SELECT day, trips_total FROM tripstotal")
        #expect(newest == Dictionary(uniqueKeysWithValues: rows.map { ($0[0].text ?? "", $0[1].integer ?? 0) }))
    }

    @Test func lateTripsAndAlertsAreAvroWhereResultsAre() throws {
        let forms = try [["--format", "avro"], []].map { form in
            let taxi = try TaxiCLI()
            try """
            alerts:
              - {name: any, on: sumFareWindow, if: total_fare > 0}
              - {name: area, on: hotspotCommunityPickupWindow, if: count >= 1, run: look}
            """.write(toFile: taxi("alerts.yaml"), atomically: true, encoding: .utf8)
            for file in ["april-after-that-march.csv", "march-with-a-year-2094.csv"] {
                try succeed(taxi, ["produce", "\(ReplaySourceTests.inputs)/\(file)", "--clock", "start"])
                try succeed(
                    taxi, ["stream", "--until-end", "--late", "dead-letter", "--queries", "alerts.yaml"] + form)
            }
            let audit = try taxi.run("audit", "--queries", "alerts.yaml")
            #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
            return taxi
        }
        let (avro, json) = (forms[0], forms[1])
        for topic in ["late", "alerts"] {
            let values = try Self.values(avro, "chicago_\(topic)")
            #expect(!values.isEmpty && values.allSatisfy { $0.first == 0 }, "\(topic)")
            #expect(try Self.values(json, "chicago_\(topic)").allSatisfy { $0.first == UInt8(ascii: "{") })
        }
        let subjects = try avro.succeed("schema", "list").text
        #expect(subjects.contains("chicago_late-value") && subjects.contains("chicago_alerts-value"), "\(subjects)")
        func tail(_ taxi: TaxiCLI, _ topic: String) throws -> [NSDictionary] {
            try Self.objects(taxi.succeed("topic", "tail", topic, "--from-beginning").lines)
        }
        let late = try [avro, json].map { try tail($0, "late").map { $0.filter { !($0.value is NSNull) }.count } }
        #expect(late[0] == late[1] && !late[0].isEmpty)
        #expect(
            try tail(avro, "late").map { $0["trip_id"] as? String }
                == tail(json, "late").map { $0["trip_id"] as? String })
        for (one, other) in zip(try tail(avro, "alerts"), try tail(json, "alerts")) {
            for name in ["name", "query", "value", "threshold", "condition", "workflow"] {
                // JSON leaves out what Avro has as null, and writes whole numbers without their point.
                let texts = [one, other].map { alert in
                    (alert[name] as? NSNumber).map { "\($0.doubleValue)" } ?? alert[name] as? String
                }
                #expect(texts[0] == texts[1], "\(name)")
            }
            let groups = try #require(one["groups"] as? [String: Any])
            for (name, value) in groups { #expect("\(value)" == other[name].map { "\($0)" }) }
            #expect(groups.isEmpty == ((one["name"] as? String) == "any"))
        }
    }

    @Test func whatCannotBeReadGoesToTheDeadLettersByteForByte() throws {
        let taxi = try generated(rows: 300)
        try succeed(taxi, Self.replay + ["trips.csv", "--format", "avro"])
        let good = try Self.values(taxi, "chicago_ingestData")
        let before = try taxi.recordCount("chicago_deadLetter")
        let bad: [[UInt8]] = [
            [0, 0, 0, 0, 99, 1, 2, 3], Array(good[0].dropLast()), good[0] + [0], [0, 1], [0, 0, 0, 0, 1],
            Array("{".utf8),
        ]
        try Self.append(bad, to: taxi, "chicago_ingestData")
        try taxi.succeed("stream", "--until-end")
        let letters = try Self.values(taxi, "chicago_deadLetter").dropFirst(Int(before))
        #expect(Set(letters) == Set(bad) && letters.count == bad.count)
        let listed = try taxi.succeed("dead-letter", "list", "--format", "jsonl", "-n", "6").lines
        #expect(listed.count { $0.contains("unknown_schema") } == 1)
        #expect(listed.count { $0.contains("schema_mismatch") } == 4)
        #expect(listed.count { $0.contains("malformed_json") } == 1)
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
    }

    @Test func recordsOfASchemaThatBecomesKnownCountAsIfItAlwaysHadBeen() throws {
        let url = try registry()
        let late = try UnknownSchemas(TaxiCLI(), registry: url)
        let known = try UnknownSchemas(TaxiCLI(), registry: url, isKnown: true)
        try late.expectThatTheyCountOnceKnown(known, views: TaxiCLI.queryViews)
    }

    /// Going back in time is to forget that they were passed over; from there on they are read where they lie.
    @Test func aRewindForgetsWhichRecordsWereOfAnUnknownSchema() throws {
        let url = try registry()
        let late = try UnknownSchemas(TaxiCLI(), registry: url)
        let noted = "SELECT coalesce(sum(next - first), 0) FROM unknown_schema_records WHERE query = 'tripsTotal'"
        try late.run(UnknownSchemas.stream + ["--epoch", "1m", "--epoch-records", "100"])
        #expect(try late.taxi.number(noted) == UnknownSchemas.count)
        try late.register()
        try late.run(["stream", "rewind", "--epochs", "4"])
        #expect(try late.taxi.number(noted) == 0)
        try late.run(UnknownSchemas.stream)
        #expect(try late.trips() == 540)
        #expect(try !late.audit().contains("schema was not known"))
        // They are counted: there is nothing to send.
        let replay = try late.taxi.succeed("dead-letter", "replay")
        #expect(replay.errors.contains("40 are not sent: they can be read where they lie"), "\(replay.errors)")
    }

    /// What its schema says of a record that nobody knew is of a later day: it is counted as what it was then.
    @Test func aSchemaThatIsOfNoTripStaysUnknownToWhatHasPassedItOver() throws {
        let late = try UnknownSchemas(TaxiCLI(), registry: try registry())
        try late.run(UnknownSchemas.stream)
        try #"{"type":"record","name":"Other","fields":[{"name":"x","type":"string"}]}"#.write(
            toFile: late.taxi("trip.avsc"), atomically: true, encoding: .utf8)
        try late.register()
        #expect(try !late.audit().contains("schema was not known"))
        let replay = try late.taxi.succeed("dead-letter", "replay")
        #expect(replay.errors.contains("40 failed again, and are in quarantine now"), "\(replay.errors)")
    }

    private func registry(_ mood: String = "plain") throws -> String {
        "\(try TestServer.web().url)/registry/\(mood)/\(UUID().uuidString)"
    }

    @Test func refusesASchemaThatDoesNotFitBeforeTheFirstRecord() throws {
        let taxi = try TaxiCLI(tenant: "refuse")
        try taxi.succeed("tenant", "create", "refuse")
        try taxi.succeed("data", "generate", "--rows", "100", "trips.csv")
        let url = try registry()
        let ending = try taxi.run("produce", "trips.csv", "--format", "avro", "--registry", url)
        #expect(ending.code == 65)
        #expect(ending.errors.contains("refuse_ingestData-value"))
        #expect(ending.errors.contains("the first reason") && ending.errors.contains("the second"))
        #expect(try taxi.succeed("topic", "list").lines.filter { $0.contains("ingestData") }.isEmpty)
        // The same for results.
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        let streamed = try taxi.run("stream", "--until-end", "--format", "avro", environment: ["TAXI_REGISTRY": url])
        #expect(streamed.code == 65)
        #expect(try taxi.succeed("topic", "list").lines.filter { $0.contains("Stream") }.isEmpty)
    }

    @Test func sendsByASchemaThatIsThereWhereNothingMayBeMade() throws {
        let taxi = try generated(rows: 100)
        let url = try registry()
        let produce = ["produce", "trips.csv", "--max", "--format", "avro", "--registry", url]
        try taxi.succeed("topic", "create", "ingestData")
        try taxi.succeed("topic", "create", "deadLetter")
        let refused = try taxi.start(produce + ["--no-create"]).wait(timeout: 120)
        #expect(refused.code == 69)
        #expect(refused.errors.contains("not registered"))
        try succeed(taxi, produce)
        try succeed(taxi, produce + ["--no-create"])
    }

    /// Good records are not set aside because nobody says what they are.
    @Test func aRegistryThatIsAwayMakesNoDeadLetters() throws {
        let taxi = try generated(rows: 200)
        let url = try registry()
        try succeed(taxi, Self.replay + ["trips.csv", "--format", "avro", "--registry", url])
        let before = try taxi.recordCount("chicago_deadLetter")
        let away = try taxi.run("stream", "--until-end", "--registry", "http://127.0.0.1:1")
        #expect(away.code == 69, "\(away.errors)")
        #expect(try taxi.recordCount("chicago_deadLetter") == before)
        // Nor is one that knows nothing of them the one that they name.
        try taxi.succeed("stream", "--until-end", "--registry", url)
        #expect(try taxi.recordCount("chicago_deadLetter") == before)
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") > 100)
        let audit = try taxi.run("audit", "--registry", url)
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
    }

    @Test func triesASchemaOnTheRecordsThatAreThere() throws {
        let taxi = try generated(rows: 500)
        try succeed(taxi, Self.replay + ["trips.csv", "--format", "avro", "--limit", "300"])
        // Behind them trips as columns.
        try succeed(taxi, Self.replay + ["trips.csv", "--again"])
        let count = try taxi.recordCount("chicago_ingestData")
        let event = #"{"name":"event_timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}"#
        func write(_ name: String, _ fields: String) throws {
            try #"{"type":"record","name":"Trip","namespace":"taxi","fields":[\#(fields)\#(event)]}"#
                .write(toFile: taxi(name), atomically: true, encoding: .utf8)
        }
        try write(
            "loose.avsc",
            #"{"name":"company","type":["null","string"],"default":null},{"name":"new","type":"int","default":1},"#)
        try write("strict.avsc", #"{"name":"driver","type":"string"},"#)
        func check(_ arguments: String...) throws -> Ending {
            try taxi.start(["schema", "check"] + arguments).wait(timeout: 60)
        }
        let loose = try check("loose.avsc", "--subject", "chicago_ingestData-value", "--against-topic")
        #expect(loose.code == 0, "\(loose.errors)")
        #expect(loose.errors.contains("chicago_ingestData: all \(count) records can be read"), "\(loose.errors)")
        let strict = try check(
            "strict.avsc", "--subject", "other", "--against-topic", "ingestData", "--format", "jsonl")
        #expect(strict.code == 65)
        #expect(
            strict.errors.contains("\(count) of \(count) records of topic \"chicago_ingestData\""), "\(strict.errors)")
        #expect(strict.lines.count == 10)
        #expect(strict.lines.first?.contains("driver") == true, "\(strict.text)")
        #expect(try check("loose.avsc", "--subject", "other", "--against-topic", "nowhere").code == 66)
        #expect(try check("loose.avsc", "ingestData", "--subject", "other").code == 64)
    }

    @Test func saysWhatDoesNotGoTogether() throws {
        let taxi = try generated(rows: 10)
        for (line, words) in [
            (["produce", "trips.csv", "--money", "cents"], "in JSON money is in dollars"),
            (["produce", "trips.csv", "--format", "avro", "--dry-run"], "a dry run writes lines of JSON"),
            (["produce", "trips.csv", "--registry-config", "x"], "there is no registry that it could be for"),
            (["produce", "trips.csv", "--registry", "http://me:hush@host"], "a user, password or query in it"),
        ] {
            let ending = try taxi.start(line).wait(timeout: 60)
            #expect(ending.code == 64 && ending.errors.contains(words), "\(line): \(ending.errors)")
            #expect(!ending.errors.contains("hush"))
        }
    }

    /// `kill -9` of either side at random moments: each trip once, and the results and messages are right.
    @Test func killsLeaveTheResultsOfAnUndisturbedRun() throws {
        let source = try TaxiCLI()
        try source.succeed(
            "data", "generate", "--rows", "8000", "--seed", "4", "--from", "2024-11-02", "--to", "2024-11-03",
            "trips.csv")
        let replay = ["produce", source("trips.csv"), "--clock", "start", "--spread", "uniform", "--partitions", "2"]
        let (undisturbed, taxi) = (try TaxiCLI(), try TaxiCLI())
        try succeed(undisturbed, replay + ["--max"])
        try undisturbed.succeed("stream", "--until-end")
        let seed = UInt64.random(in: 1...999_999)
        print("Avro: 8 kills, seed \(seed)")
        var series = KillSeries(
            taxi: taxi, produce: replay + ["--format", "avro", "--rate", "4000/s", "--resume"],
            stream: ["stream", "--epoch-records", "2000", "--idle-timeout", "10m", "--format", "avro"], seed: seed)
        let tally = try series.run(kills: 8)
        print("Avro: \(tally)")
        #expect(try taxi.recordCount("chicago_ingestData") == 8000, "seed \(seed)")
        #expect(try taxi.contents() == undisturbed.contents(), "seed \(seed)")
        try ExactlyOnceTests.expectLedgerSums(taxi, records: 8000)
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "seed \(seed): \(audit.text) \(audit.errors)")
        for output in OutputTopic.all {
            #expect(try Self.values(taxi, "chicago_\(output.topic)").allSatisfy { $0.first == 0 })
        }
    }
}
