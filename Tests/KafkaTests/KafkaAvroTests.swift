import CommandSupport
import Foundation
import KafkaSupport
import Testing

/// Avro on topics of Kafka.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaAvroTests {
    private func generated(rows: Int = 3000) throws -> TaxiCLI {
        let taxi = try TaxiCLI.onKafka()
        try taxi.succeed(
            "data", "generate", "--rows", "\(rows)", "--seed", "5", "--from", "2024-03-09", "--to", "2024-03-11",
            "trips.csv")
        return taxi
    }

    @Test(arguments: ["decimal", "cents"]) func givesTheTablesOfTripsInJSON(_ money: String) throws {
        let taxi = try generated()
        let other = try TaxiCLI()
        let produce = ["produce", taxi("trips.csv"), "--max", "--clock", "start", "--partitions", "2"]
        for (taxi, more) in [(taxi, ["--format", "avro", "--money", money]), (other, [])] {
            let ending = try taxi.start(produce + more).wait(timeout: 120)
            #expect(ending.code == 0, "\(ending.errors)")
        }
        try taxi.succeed("stream", "--until-end", "--format", "avro")
        try other.succeed("stream", "--until-end")
        try expectSameTables(taxi, other)
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
        #expect(try taxi.messages("ingestData").count == 3000)
        // In the other form behind it, in one topic.
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--again")
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 6000)
        let second = try taxi.run("audit")
        #expect(second.code == 0, "\(second.text) \(second.errors)")
    }

    /// Killed amid a replay and amid a stream, each trip counts once.
    @Test func killsLeaveEachTripOnce() throws {
        let taxi = try generated(rows: 6000)
        let other = try TaxiCLI()
        let replay = [
            "produce", taxi("trips.csv"), "--clock", "start", "--spread", "uniform", "--partitions", "2", "--resume",
        ]
        let produce = replay + ["--format", "avro", "--rate", "3000/s"]
        let stream = ["stream", "--format", "avro", "--epoch-records", "1000", "--idle-timeout", "10m"]
        let topic = "\(taxi.tenant)_ingestData"
        var streaming = try taxi.start(stream + ["--partitions", "2"])
        for _ in 0..<3 {
            let producing = try taxi.start(produce)
            // Before the stream has made the topic there is nothing.
            let before = try taxi.run("topic", "tail", topic, "--from-beginning").lines.count
            // Something of this start is there.
            #expect(
                eventually(within: 60) {
                    let lines = (try? taxi.run("topic", "tail", topic, "--from-beginning"))?.lines.count ?? 0
                    return lines > before || !producing.isRunning
                })
            producing.killAtOnce()
            streaming.killAtOnce()
            streaming = try taxi.start(stream)
        }
        let last = try taxi.start(produce).wait(timeout: 120)
        #expect(last.code == 0, "\(last.errors)")
        streaming.signal(SIGINT)
        #expect(streaming.wait().code == 130)
        try taxi.succeed("stream", "--until-end", "--format", "avro", "--idle-timeout", "10m")
        let undisturbed = try other.start(
            ["produce", taxi("trips.csv"), "--clock", "start", "--spread", "uniform", "--partitions", "2", "--max"]
        ).wait()
        #expect(undisturbed.code == 0)
        try other.succeed("stream", "--until-end")
        #expect(try taxi.messages("ingestData").count == 6000)
        try expectSameTables(taxi, other)
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
    }
}
