import CommandSupport
import Foundation
import KafkaSupport
import SQLite
import Testing

/// The commands on a real Kafka, as a person runs them.
@Suite(.enabled(if: KafkaBroker.isAvailable, "needs ../shared/kafka/kafka.sh and Java 17, or TAXI_TEST_KAFKA"))
struct KafkaCommandTests {
    /// The trips of all tests here, and what the embedded topics make of them.
    private static let embedded = Result {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "4000", "--seed", "9", "--from", "2024-03-08", "--to", "2024-03-12",
            "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--spread", "uniform")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        return taxi
    }
    private let undisturbed: TaxiCLI
    /// A replay of them; its pace comes behind.
    private let replay: [String]

    init() throws {
        undisturbed = try Self.embedded.get()
        replay = ["produce", undisturbed("trips.csv"), "--clock", "start", "--spread", "uniform"]
    }

    @Test(arguments: [1, 4]) func givesTheTablesOfTheEmbeddedTopics(_ partitions: Int) throws {
        let taxi = try TaxiCLI.onKafka()
        let produced = try taxi.start(replay + ["--max", "--partitions", "\(partitions)"]).wait()
        #expect(produced.code == 0, "\(produced.errors)")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        try expectSameTables(taxi, undisturbed, TaxiCLI.allViews)
        #expect(try taxi.messages("ingestData") == undisturbed.messages("ingestData"))
        // One message a row where a query does not send changes.
        for topic in TaxiCLI.outputTopics[2...] {
            #expect(try taxi.messages(topic) == undisturbed.messages(topic), "\(topic)")
        }
    }

    @Test func exportsTheTableOfTheEmbeddedTopics() throws {
        let taxi = try TaxiCLI.onKafka()
        #expect(try taxi.start(replay + ["--max", "--partitions", "3"]).wait().code == 0)
        try taxi.succeed("stream", "--until-end")
        func rows(_ taxi: TaxiCLI, _ topic: String) throws -> [Substring] {
            try taxi.succeed("topic", "export", topic, "--format", "csv").text.split(separator: "\r\n").sorted()
        }
        for topic in ["ingestData", "hotspotCommunityPickupWindowStream", "hotspotWindowStream"] {
            #expect(try rows(taxi, topic) == rows(undisturbed, topic), "\(topic)")
        }
    }

    @Test func aReplayThatWasKilledGoesOnWithoutLossOrRepetition() throws {
        let taxi = try TaxiCLI.onKafka()
        let resumable = replay + ["--resume", "--partitions", "2"]
        for _ in 0..<3 {
            let before = try recordCount(taxi)
            let running = try taxi.start(resumable + ["--rate", "1000/s"])
            #expect(eventually(within: 60) { (try? recordCount(taxi)) ?? 0 > before || !running.isRunning })
            running.killAtOnce()
        }
        let last = try taxi.start(resumable + ["--max"]).wait()
        #expect(last.code == 0, "\(last.errors)")
        #expect(try taxi.messages("ingestData") == undisturbed.messages("ingestData"))
    }

    @Test func aStreamThatWasKilledLeavesTablesAndMessagesAsUndisturbed() throws {
        let taxi = try TaxiCLI.onKafka()
        #expect(try taxi.start(replay + ["--max", "--partitions", "2"]).wait().code == 0)
        for _ in 0..<3 {
            let stream = try taxi.start(["stream", "--epoch-records", "200"])
            let before = tripsCounted(taxi)
            #expect(eventually(within: 60) { tripsCounted(taxi) > before || tripsCounted(taxi) == 4000 })
            stream.killAtOnce()
        }
        try taxi.succeed("stream", "--until-end")
        try expectSameTables(taxi, undisturbed)
        for topic in TaxiCLI.outputTopics[2...] {
            #expect(try taxi.messages(topic) == undisturbed.messages(topic), "\(topic)")
        }
    }

    // MARK: Several streams

    @Test func aTakeoverEndsTheOlderStream() throws {
        let taxi = try TaxiCLI.onKafka()
        #expect(try taxi.start(replay + ["--max"]).wait().code == 0)
        let older = try taxi.start(["stream"])
        #expect(eventually(within: 60) { tripsCounted(taxi) > 0 })
        let newer = try taxi.start(["stream", "--if-running", "takeover"])
        // It notices at its next epoch, and so needs something to read.
        let more = try taxi.start(
            ["produce", undisturbed("trips.csv"), "--clock", "start", "--rate", "500/s", "--limit", "4000", "--again"])
        let ending = older.wait(timeout: 120)
        #expect(ending.code == 69, "\(ending.errors)")
        #expect(ending.errors.contains("taken over"), "\(ending.errors)")
        #expect(newer.isRunning, "\(newer.errors)")
        more.killAtOnce()
        newer.signal(SIGINT)
        #expect(newer.wait().code == 130, "\(newer.errors)")
    }

    @Test func aStandbyTakesOverWhereTheFirstWasKilled() throws {
        let taxi = try TaxiCLI.onKafka()
        let first = try taxi.start(["stream", "--partitions", "2"])
        // It holds the queries' locks once it has made the topic.
        #expect(eventually(within: 60) { (try? taxi.run("topic", "describe", "ingestData").code) == 0 })
        let second = try taxi.start(["stream", "--if-running", "standby"])
        #expect(eventually(within: 60) { second.errors.contains("standing by") }, "\(second.errors)")
        #expect(try taxi.start(replay + ["--max"]).wait().code == 0)
        #expect(eventually(within: 60) { tripsCounted(taxi) > 0 })
        first.killAtOnce()
        #expect(eventually(within: 60) { second.errors.contains("taking over") }, "\(second.errors)")
        #expect(eventually(within: 60) { tripsCounted(taxi) == 4000 }, "\(second.errors)")
        second.signal(SIGINT)
        #expect(second.wait().code == 130)
        try taxi.succeed("stream", "--until-end")
        try expectSameTables(taxi, undisturbed)
    }

    @Test func streamsOfDifferentQueriesRunSideBySide() throws {
        let taxi = try TaxiCLI.onKafka()
        #expect(try taxi.start(replay + ["--max", "--partitions", "2"]).wait().code == 0)
        let queries = [
            ["sumFareWindow", "tripsTotal"], ["hotspotWindow", "hotspotCommunityPickupWindow", "fareDistribution"],
        ]
        let streams = try queries.map { try taxi.start(["stream", "--until-end"] + $0.flatMap { ["--query", $0] }) }
        for stream in streams { #expect(stream.wait().code == 0, "\(stream.errors)") }
        try expectSameTables(taxi, undisturbed)
    }

    // MARK: Topics

    @Test func topicsAreMadeShownAndRemoved() throws {
        let taxi = try TaxiCLI.onKafka()
        #expect(try taxi.succeed("topic", "list", "--format", "jsonl").lines.isEmpty)
        try taxi.succeed("topic", "create", "notes", "--partitions", "3", "--retention", "30d")
        let listed = try taxi.succeed("topic", "list", "--format", "jsonl").lines
        #expect(listed.count == 1)
        #expect(try jsonObject(listed[0])["topic"] as? String == "\(taxi.tenant)_notes")
        #expect(try taxi.succeed("topic", "describe", "notes", "--format", "jsonl").lines.count == 3)
        #expect(try taxi.succeed("topic", "tail", "notes", "--from-beginning").output.isEmpty)
        let differing = try taxi.run("topic", "create", "notes", "--partitions", "4")
        #expect(differing.code != 0 && differing.errors.contains("has 3 partitions, not 4"), "\(differing.errors)")
        let mistyped = try taxi.run("topic", "tail", "note")
        #expect(mistyped.code == 69 && mistyped.errors.contains("notes"), "\(mistyped.code) \(mistyped.errors)")
        try taxi.succeed("topic", "delete", "notes", "--yes")
        #expect(try taxi.succeed("topic", "list", "--format", "jsonl").lines.isEmpty)
    }

    @Test func theLastTripsAreTheLastToHaveBegun() throws {
        let taxi = try TaxiCLI.onKafka()
        #expect(try taxi.start(replay + ["--max", "--partitions", "4"]).wait().code == 0)
        let all = try taxi.succeed("topic", "tail", "ingestData", "--from-beginning", "--meta").lines
        let last = try taxi.succeed("topic", "tail", "ingestData", "-n", "7", "--meta").lines
        let times = try all.map { try #require(try jsonObject($0)["timestamp"] as? String) }
        #expect(all.count == 4000)
        #expect(times == times.sorted())
        #expect(try last.map { try #require(try jsonObject($0)["timestamp"] as? String) } == times.suffix(7))
    }

    private func recordCount(_ taxi: TaxiCLI) throws -> Int {
        let ending = try taxi.run("topic", "tail", "ingestData", "--from-beginning")
        return ending.lines.count
    }

    private func tripsCounted(_ taxi: TaxiCLI) -> Int64 {
        // The view comes with the first start.
        (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0
    }
}

/// What the commands say while a broker is away: on a broker of their own, which dies.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaOutageTests {
    @Test func commandsSayThatTheBrokerIsAwayAndGoOnWhenItIsBack() throws {
        let broker = try KafkaBroker()
        let taxi = try TaxiCLI.onKafka(servers: broker.servers)
        try taxi.succeed("data", "generate", "--rows", "600", "--seed", "9", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.run("status").code == 0)
        // Not the trips' own times: a broker that starts anew has forgotten an idempotent producer of old records.
        let replay = try taxi.start(["produce", "trips.csv", "--clock", "now", "--rate", "200/s", "--limit", "600"])
        #expect(
            eventually(within: 60) {
                (try? taxi.run("topic", "tail", "ingestData", "--from-beginning").lines.count) ?? 0 > 600
            })

        try broker.kill()
        let status = try taxi.run("status")
        #expect(status.code == 1, "\(status.text) \(status.errors)")
        #expect((status.text + status.errors).contains("no broker answers"), "\(status.text) \(status.errors)")
        #expect(eventually(within: 60) { replay.errors.contains("waiting for one") }, "\(replay.errors)")

        try broker.revive()
        let ending = replay.wait()
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.errors.contains("takes records again"), "\(ending.errors)")
        #expect(try taxi.run("status").code == 0)
        #expect(try taxi.succeed("topic", "tail", "ingestData", "--from-beginning").lines.count == 1200)
    }
}
