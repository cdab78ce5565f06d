import CommandSupport
import Foundation
import KafkaSupport
import ServerSupport
import Testing

/// Dead letters sent again on a real Kafka: each once, whatever happens to the one that sends.
@Suite(.enabled(if: KafkaBroker.isAvailable, "needs ../shared/kafka/kafka.sh and Java 17, or TAXI_TEST_KAFKA"))
struct KafkaDeadLetterTests {
    private static let variables = ProcessInfo.processInfo.environment
    private static let kills = variables["TAXI_FAULT_KILLS"].flatMap(Int.init) ?? 4
    private static let seed = variables["TAXI_FAULT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)

    @Test func killsSendEachOnceAndTheAuditHolds() throws {
        let taxi = try TaxiCLI.onKafka()
        let dirty = try DirtyReplay(taxi, partitions: 2)
        try taxi.succeed("stream", "--until-end", "--late", "update")
        let met = try dirty.run(kills: Self.kills, seed: Self.seed)
        print("Kafka: \(Self.kills) kills, seed \(Self.seed), \(met) of them amid a replay")
        try dirty.expectEachTripOnce("seed \(Self.seed)")
        try taxi.succeed("stream", "--until-end", "--late", "update")
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
        let clean = try TaxiCLI()
        try clean.succeed("produce", taxi("clean.csv"), "--max", "--clock", "start", "--spread", "uniform")
        try clean.succeed("stream", "--until-end")
        try expectSameTables(taxi, clean)
    }

    @Test func twoAtOnceSendEachOnce() throws {
        let taxi = try TaxiCLI.onKafka()
        let dirty = try DirtyReplay(taxi)
        let both = try (0..<2).map { _ in try taxi.start(DirtyReplay.edit + ["--rate", "300/s"]) }
        let endings = both.map { $0.wait() }
        #expect(endings.allSatisfy { [0, 69].contains($0.code) }, "\(endings.map(\.errors))")
        #expect(endings.contains { $0.code == 0 }, "\(endings.map(\.errors))")
        try dirty.expectEachTripOnce()
    }

    @Test func recordsOfASchemaThatBecomesKnownCountAsIfItAlwaysHadBeen() throws {
        let url = "\(try TestServer.web().url)/registry/plain/\(UUID().uuidString)"
        let late = try UnknownSchemas(.onKafka(), registry: url)
        let embedded = try TaxiCLI(tenant: late.taxi.tenant)
        try embedded.succeed("tenant", "create", embedded.tenant)
        let known = try UnknownSchemas(embedded, registry: url, isKnown: true)
        try late.expectThatTheyCountOnceKnown(known, views: TaxiCLI.queryViews)
    }

    @Test func recordsOfOthersGoBackUnchanged() throws {
        let taxi = try TaxiCLI.onKafka()
        try taxi.succeed("data", "generate", "--rows", "20", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        // A tombstone's key, a record without bytes and one that is none: rejected, set aside as they are, and again.
        try KafkaBroker.tool(
            "console-producer",
            [
                "--bootstrap-server", try KafkaBroker.sharedServers(), "--topic", "\(taxi.tenant)_ingestData",
                "--property", "parse.key=true", "--property", "parse.headers=true", "--property", "null.marker=NULL",
            ], input: "trace:1\tk1\tNULL\ntrace:2\tk2\t\ntrace:3\tk3\t{\"fare\":1}\n")
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal")
        let ending = try taxi.succeed("dead-letter", "replay")
        #expect(ending.errors.contains("3 failed again"), "\(ending.errors)")
        let letters = try taxi.succeed("topic", "tail", "deadLetter", "--meta", "--from-beginning").lines.map {
            try jsonObject($0)
        }
        #expect(letters.count == 6)
        for (old, new) in zip(letters.prefix(3), letters.suffix(3)) {
            for field in ["key", "value", "timestamp"] { #expect("\(old[field] ?? "")" == "\(new[field] ?? "")") }
            let headers = new["headers"] as? [String: String]
            #expect(
                headers?["reason"] == "quarantined"
                    && headers?["trace"] == (old["headers"] as? [String: String])?["trace"])
        }
        let audit = try taxi.run("audit", "--query", "tripsTotal")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
    }
}
