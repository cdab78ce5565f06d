import CommandSupport
import Foundation
import Glibc
import KafkaSupport
import Testing

/// Other programs on the same topics: kcat, and Kafka's own tools.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaInteropTests {
    private static let hasKcat: Bool = {
        if access("/usr/bin/kcat", X_OK) == 0 { return true }
        print("skipped: there is no kcat to test with (apt install kcat)")
        return false
    }()

    private func kcat(_ arguments: String..., input: String? = nil) throws -> String {
        try runProgram(
            "/usr/bin/kcat", ["-b", try KafkaBroker.sharedServers()] + arguments, input: input.map { Data($0.utf8) })
    }

    /// A home with a hundred trips in its topic.
    private func produced(_ arguments: String...) throws -> TaxiCLI {
        let taxi = try TaxiCLI.onKafka()
        try taxi.succeed("data", "generate", "--rows", "100", "--seed", "3", "trips.csv")
        let ending = try taxi.start(["produce", "trips.csv", "--max", "--clock", "start"] + arguments).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        return taxi
    }

    @Test(.enabled(if: hasKcat, "needs kcat")) func kcatReadsKeysTimesAndValues() throws {
        let taxi = try produced()
        let topic = "\(taxi.tenant)_ingestData"
        let lines = try kcat("-C", "-t", topic, "-e", "-q", "-f", "%k|%T|%s\n").split(separator: "\n")
        #expect(lines.count == 100)
        for (line, own) in zip(
            lines, try taxi.succeed("topic", "tail", "ingestData", "--from-beginning", "--meta").lines)
        {
            let parts = line.split(separator: "|", maxSplits: 2).map(String.init)
            let trip = try jsonObject(parts[2])
            #expect(trip["taxi_id"] as? String == parts[0])
            let record = try jsonObject(own)
            #expect(record["key"] as? String == parts[0])
            let time = try Date(try #require(record["timestamp"] as? String), strategy: .iso8601WithFraction)
            #expect(Int64((time.timeIntervalSince1970 * 1000).rounded()) == Int64(parts[1]))
        }
    }

    @Test(.enabled(if: hasKcat, "needs kcat")) func weReadWhatOthersWriteAndSetAsideWhatIsNoTrip() throws {
        let taxi = try produced("--limit", "60")
        let topic = "\(taxi.tenant)_ingestData"
        // The other forty come from kcat, with a key, a header and a time of its own.
        let rest = try produced().messages("ingestData")
        let sent = Set(try taxi.messages("ingestData"))
        let missing = rest.filter { !sent.contains($0) }
        #expect(missing.count == 40)
        _ = try kcat(
            "-P", "-t", topic, "-K", "\t", "-H", "from=kcat", input: missing.map { "k\t\($0)\n" }.joined())
        _ = try kcat("-P", "-t", topic, input: "not json\n{\"trip_id\":\n[]\n")
        try KafkaBroker.tool(
            "verifiable-producer",
            ["--bootstrap-server", try KafkaBroker.sharedServers(), "--topic", topic, "--max-messages", "5"])
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 100)
        let deadLetters = try taxi.succeed("topic", "tail", "deadLetter", "--from-beginning").lines
        #expect(deadLetters.sorted() == ["0", "1", "2", "3", "4", "[]", "not json", "{\"trip_id\":"].sorted())
        let headers = try kcat("-C", "-t", "\(taxi.tenant)_deadLetter", "-e", "-q", "-f", "%h\n")
        #expect(headers.split(separator: "\n").allSatisfy { $0.contains("reason=") }, "\(headers)")
    }

    @Test func kafkasToolsShowOurGroupAtTheEnd() throws {
        let taxi = try produced()
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal")
        let servers = try KafkaBroker.sharedServers()
        let shown = try KafkaBroker.tool(
            "consumer-groups",
            ["--bootstrap-server", servers, "--describe", "--group", "\(taxi.tenant)_stream:tripsTotal"])
        // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
        let rows = shown.split(separator: "\n").map { $0.split(separator: " ") }.filter {
            $0.count > 5 && $0[1] == "\(taxi.tenant)_ingestData"
        }
        #expect(rows.map { $0[3...5] } == [["100", "100", "0"]], "\(shown)")
    }

    @Test func aConsumerOfCommittedRecordsSeesNoneOfAKilledReplayTwice() throws {
        let taxi = try TaxiCLI.onKafka()
        try taxi.succeed("data", "generate", "--rows", "3000", "--seed", "3", "trips.csv")
        let replay = ["produce", "trips.csv", "--clock", "start", "--resume"]
        let killed = try taxi.start(replay + ["--rate", "1500/s"])
        #expect(
            eventually(within: 60) {
                (try? taxi.run("topic", "tail", "ingestData", "-n", "1").lines.count) == 1
            })
        killed.killAtOnce()
        #expect(try taxi.start(replay + ["--max"]).wait().code == 0)
        let servers = try KafkaBroker.sharedServers()
        let read = try KafkaBroker.tool(
            "console-consumer",
            [
                "--bootstrap-server", servers, "--topic", "\(taxi.tenant)_ingestData", "--from-beginning",
                "--command-property", "isolation.level=read_committed", "--max-messages", "3000", "--timeout-ms",
                "60000",
            ])
        let lines = read.split(separator: "\n").map(String.init)
        #expect(lines.count == 3000)
        #expect(Set(lines).count == 3000)
        #expect(lines.sorted() == (try taxi.messages("ingestData")))
    }
}

extension ParseStrategy where Self == Date.ISO8601FormatStyle {
    fileprivate static var iso8601WithFraction: Date.ISO8601FormatStyle {
        Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    }
}
