import CommandSupport
import Foundation
import KafkaSupport
import Testing

/// A cluster on which others have topics too: nothing goes to the wrong place, and nobody is disturbed by what is refused.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaSharedClusterTests {
    private func topics() throws -> Set<String> {
        let listed = try KafkaBroker.tool(
            "topics", ["--bootstrap-server", try KafkaBroker.sharedServers(), "--list"])
        return Set(listed.split(separator: "\n").map(String.init))
    }

    private func createForeign(_ name: String) throws {
        try KafkaBroker.tool(
            "topics",
            ["--bootstrap-server", try KafkaBroker.sharedServers(), "--create", "--topic", name, "--partitions", "1"])
    }

    /// Another tenant of the same home.
    private func other(_ taxi: TaxiCLI, _ tenant: String) throws -> TaxiCLI {
        let other = try TaxiCLI(
            home: "\(taxi.folder)/data/taxi-cli", tenant: tenant,
            environment: ["TAXI_BROKER": try KafkaBroker.sharedServers()])
        try other.succeed("tenant", "create", tenant)
        return other
    }

    @Test func topicCommandsLeaveOthersTopicsAlone() throws {
        let taxi = try TaxiCLI.onKafka()
        let longer = try other(taxi, "\(taxi.tenant)_b")
        let foreign = "orders-\(taxi.tenant)"
        try createForeign(foreign)
        try longer.succeed("topic", "create", "ingestData")
        try taxi.succeed("topic", "create", "notes")
        for name in [foreign, "b_ingestData", longer.tenant + "_ingestData"] {
            for command in [["delete", name, "--yes"], ["describe", name], ["tail", name]] {
                let ending = try taxi.start(["topic"] + command).wait()
                #expect(ending.code == 64 && ending.errors.contains("--foreign"), "\(command): \(ending.errors)")
            }
        }
        let named = try taxi.run("topic", "create", "b_notes")
        #expect(named.code == 64 && named.errors.contains(longer.tenant), "\(named.errors)")
        #expect(try topics().isSuperset(of: [foreign, "\(longer.tenant)_ingestData"]))
        #expect(
            try taxi.succeed("topic", "list", "--format", "jsonl").lines.map { try jsonObject($0)["topic"] as? String }
                == ["\(taxi.tenant)_notes"])
        let all = try taxi.succeed("topic", "list", "--foreign", "--format", "jsonl").text
        #expect(all.contains("\"\(foreign)\"") && all.contains("\"\(longer.tenant)_ingestData\""))
        // Said aloud, it is done.
        try taxi.succeed("topic", "describe", foreign, "--foreign")
        try taxi.succeed("topic", "delete", foreign, "--foreign", "--yes")
        #expect(try !topics().contains(foreign))
    }

    @Test func aRemovedTenantsTopicsStayOrGoAsIsSaid() throws {
        let taxi = try TaxiCLI.onKafka()
        let longer = try other(taxi, "\(taxi.tenant)_b")
        try taxi.succeed("data", "generate", "--rows", "50", "--seed", "3", "trips.csv")
        for tenant in [taxi, longer] {
            try tenant.succeed("produce", taxi("trips.csv"), "--max", "--clock", "start")
            try tenant.succeed("stream", "--until-end", "--query", "tripsTotal")
        }
        let (own, others) = ("\(taxi.tenant)_ingestData", "\(longer.tenant)_ingestData")
        let kept = try taxi.succeed("tenant", "remove", taxi.tenant, "--yes")
        #expect(kept.errors.contains("what stays") && kept.errors.contains(own), "\(kept.errors)")
        #expect(kept.errors.contains("\(taxi.tenant)_stream:tripsTotal") && !kept.errors.contains(others))
        #expect(try topics().contains(own))
        // Its broker stands in its settings, as a rule.
        try taxi.succeed("tenant", "create", taxi.tenant)
        let settings = "\(taxi.tenantFolder)/taxi.yaml"
        try Data("broker: \(try KafkaBroker.sharedServers())\n".utf8).write(to: URL(fileURLWithPath: settings))
        let gone = try taxi.succeed(
            "tenant", "remove", taxi.tenant, "--yes", "--topics", environment: ["TAXI_BROKER": ""])
        #expect(gone.errors.contains("deleted the topics") && gone.errors.contains(own), "\(gone.errors)")
        let left = try topics()
        #expect(!left.contains { $0.hasPrefix("\(taxi.tenant)_") && !$0.hasPrefix("\(longer.tenant)_") })
        #expect(left.contains(others))
        #expect(!FileManager.default.fileExists(atPath: taxi.tenantFolder))
    }

    @Test func aTenantWhoseClusterIsAwayKeepsItsFolder() throws {
        let taxi = try TaxiCLI(tenant: "away", environment: ["TAXI_BROKER": "127.0.0.1:1"])
        try taxi.succeed("tenant", "create", "away")
        let refused = try taxi.run("tenant", "remove", "away", "--yes", "--topics")
        #expect(refused.code == 69, "\(refused.errors)")
        #expect(FileManager.default.fileExists(atPath: taxi.tenantFolder))
        let removed = try taxi.succeed("tenant", "remove", "away", "--yes")
        #expect(removed.errors.contains("cannot be listed"), "\(removed.errors)")
    }

    @Test func aRefusedResumptionEndsNobodyElsesReplay() throws {
        let taxi = try TaxiCLI.onKafka()
        try taxi.succeed("data", "generate", "--rows", "3000", "--seed", "4", "a.csv")
        try taxi.succeed("data", "generate", "--rows", "200", "--seed", "5", "b.csv")
        let second = try TaxiCLI(
            tenant: taxi.tenant, environment: ["TAXI_BROKER": try KafkaBroker.sharedServers()])
        try second.succeed("tenant", "create", taxi.tenant)
        let running = try taxi.start(["produce", "a.csv", "--rate", "300/s", "--resume", "-q"])
        #expect(
            eventually(within: 60) {
                (try? taxi.run("topic", "tail", "ingestData", "--from-beginning").lines.count) ?? 0 > 0
            })
        let refused = try second.run("produce", taxi("b.csv"), "--resume", "-q")
        #expect(refused.code == 64 && refused.errors.contains("cannot resume"), "\(refused.code) \(refused.errors)")
        let schema = try second.shell("printf 'Trip ID,Fare\\nx,1.00\\n' > c.csv; $TAXI produce c.csv -q --clock start")
        #expect(schema.code == 65, "\(schema.code) \(schema.errors)")
        let before = try taxi.run("topic", "tail", "ingestData", "--from-beginning").lines.count
        #expect(
            eventually(within: 60) {
                !running.isRunning
                    || (try? taxi.run("topic", "tail", "ingestData", "--from-beginning").lines.count) ?? 0 > before
            })
        #expect(running.isRunning, "\(running.errors)")
        running.signal(SIGINT)
        #expect(running.wait().code == 130)
    }

    @Test func oneRecordStopsNobody() throws {
        let taxi = try TaxiCLI.onKafka()
        let servers = try KafkaBroker.sharedServers()
        func make(_ name: String, _ settings: String...) throws {
            try KafkaBroker.tool(
                "topics",
                ["--bootstrap-server", servers, "--create", "--topic", "\(taxi.tenant)_\(name)", "--partitions", "1"]
                    + settings.flatMap { ["--config", $0] })
        }
        // As an operator makes them: with Kafka's own bounds of size and time.
        try make(
            "ingestData", "max.message.bytes=5000000", "retention.ms=-1",
            "message.timestamp.after.max.ms=9223372036854775807")
        for name in ["deadLetter", "tripsTotalStream", "sumFareWindowStream"] { try make(name, "retention.ms=-1") }
        let later = Date(timeIntervalSinceNow: 7200).formatted(.iso8601)
        // The latest one last: what comes behind it would be late.
        let values = [
            #"{"fare":2.00,"event_timestamp":"2024-05-01T12:00:00Z"}"#,
            "{\"p\":\"" + String(repeating: "x", count: 2_000_000) + "\"}",
            #"{"fare":1.00,"event_timestamp":"\#(later)"}"#,
        ]
        for value in values {
            try KafkaBroker.tool(
                "console-producer",
                [
                    "--bootstrap-server", servers, "--topic", "\(taxi.tenant)_ingestData", "--producer-property",
                    "max.request.size=5000000",
                ], input: value + "\n")
        }
        for _ in 0..<2 {
            let ending = try taxi.run(
                "stream", "--until-end", "--query", "tripsTotal", "--query", "sumFareWindow", "-q")
            #expect(ending.code == 0, "\(ending.errors)")
        }
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 2)
        let letters = try taxi.succeed("dead-letter", "list", "--format", "jsonl")
        #expect(letters.lines.count == 1 && letters.errors.contains("were cut"), "\(letters.errors)")
        let results = try taxi.succeed("topic", "tail", "sumFareWindowStream", "--from-beginning", "--meta").lines
        #expect(results.count == 2 && results.count { $0.contains("event_timestamp") } == 1, "\(results)")
    }
}
