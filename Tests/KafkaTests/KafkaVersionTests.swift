import CommandSupport
import Foundation
import KafkaSupport
import Testing

/// A broker of which clients see what Kafka 2.8 knew: batched look-ups of groups and coordinators came later.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaVersionTests {
    @Test func killsOnKafkaOfRelease28LeaveTheResultsOfAnUndisturbedRun() throws {
        let proxy = try KafkaVersionProxy()
        let broker = try KafkaBroker(properties: ["advertised.listeners=PLAINTEXT://\(proxy.servers)"])
        proxy.forward(to: broker.servers)
        let taxi = try TaxiCLI.onKafka(servers: proxy.servers)
        try taxi.succeed("data", "generate", "--rows", "3000", "--seed", "8", "trips.csv")
        let trips = ["produce", "trips.csv", "--clock", "start"]
        let undisturbed = try TaxiCLI()
        try undisturbed.succeed("produce", taxi("trips.csv"), "--clock", "start", "--max")
        try undisturbed.succeed("stream", "--until-end")

        let replay = try taxi.start(trips + ["--resume", "--rate", "1000/s", "--partitions", "2"])
        let stream = try taxi.start(["stream", "--idle-timeout", "10m"])
        #expect(
            eventually(within: 60) { ((try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0) > 0 },
            "\(replay.errors) \(stream.errors)")
        replay.killAtOnce()
        stream.killAtOnce()
        let resumed = try taxi.start(trips + ["--resume", "--max"]).wait()
        #expect(resumed.code == 0, "\(resumed.errors)")
        try taxi.succeed("stream", "--until-end", "--idle-timeout", "10m")
        try expectSameTables(taxi, undisturbed)
        #expect(try taxi.messages("ingestData").count == 3000)

        let requested = proxy.requestedVersions
        // ApiVersions (18) is how the two find out what both know.
        for (request, version) in requested where request != 18 {
            #expect(version <= KafkaVersionProxy.newest[request] ?? -1, "request \(request)")
        }
        // Produce, Fetch, ListOffsets, Metadata, OffsetFetch, FindCoordinator, CreateTopics, InitProducerId, AddPartitionsToTxn,
        // AddOffsetsToTxn, EndTxn, TxnOffsetCommit: the way of each record and mark.
        for request in [0, 1, 2, 3, 9, 10, 19, 22, 24, 25, 26, 28] {
            #expect(requested[request] != nil, "request \(request)")
        }
    }
}
