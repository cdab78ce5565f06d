import CommandSupport
import Foundation
import KafkaSupport
import SQLite
import Testing

/// Alerts of a stream on a real Kafka: on a broker of their own, which dies too.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaAlertTests {
    private static let alerts = """
        alerts:
          - {name: spike, on: sumFareWindow, if: total_fare > 60, run: note}
          - {name: busy, on: hotspotCommunityPickupWindow, if: count >= 1, cooldown: 10m}
        """
    private static let workflow = """
        name: note
        concurrency: 8
        params: {window_start: "", value: ""}
        steps: {say: {sh: "echo {{ params.window_start }} {{ params.value }} >> said"}}
        """
    /// The test holds the lock of the database while it looks at Kafka, on however slow a machine.
    private static let patience = ["TAXI_BUSY_TIMEOUT": "120000"]

    /// `kill -9` of the stream at each place of an epoch: each alert is in the table and on the topic once, and has one run.
    @Test func killsLeaveEachAlertOnTheTopicOnceAndStartItsWorkflowOnce() throws {
        let broker = try KafkaBroker()
        let (taxi, undisturbed) = (try TaxiCLI.onKafka(servers: broker.servers), try TaxiCLI())
        try undisturbed.succeed(
            "data", "generate", "--rows", "4000", "--seed", "9", "--from", "2024-03-08", "--to", "2024-03-12",
            "trips.csv")
        for taxi in [taxi, undisturbed] {
            let folder = "\(taxi.tenantFolder)/workflows"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Self.alerts.write(toFile: "\(taxi.tenantFolder)/queries.yaml", atomically: true, encoding: .utf8)
            try Self.workflow.write(toFile: "\(folder)/note.yaml", atomically: true, encoding: .utf8)
        }
        let replay = ["produce", undisturbed("trips.csv"), "--clock", "start", "--spread", "uniform"]
        #expect(try undisturbed.start(replay + ["--max"]).wait().code == 0)
        try undisturbed.succeed("stream", "--until-end")

        // Slow enough for many epochs, most of which raise something.
        let slowly = replay + ["--resume", "--rate", "300/s"]
        let scheduler = try taxi.start(["workflow", "serve"], environment: Self.patience)
        var producing = try taxi.start(slowly)
        try killBeforeACommit(taxi)
        try killBetweenTableAndTopic(taxi, broker, producing)
        producing = try taxi.start(slowly)
        for _ in 0..<4 { try killAtACommit(taxi) }
        producing.killAtOnce()
        #expect(try taxi.start(replay + ["--resume", "--max"]).wait().code == 0)
        let last = try taxi.start(["stream", "--until-end"]).wait()
        #expect(last.code == 0, "\(last.errors)")

        let sql = "SELECT name, window_start_ms, value, params FROM stored_alerts ORDER BY 1, 2, 4"
        let (found, expected) = (try taxi.query(sql), try undisturbed.query(sql))
        #expect(found == expected)
        #expect(Set(expected.map { $0[0].text }) == ["spike", "busy"])
        try expectTheTopicHasWhatTheCommandsShow(taxi, broker)
        #expect(try taxi.messages("alerts") == undisturbed.messages("alerts"))
        try expectOneRunForEachAlert(taxi, scheduler)
    }

    // MARK: Places to be killed at

    /// An epoch is computed and not committed; the one before is on the topic, and still in the outbox.
    private func killBeforeACommit(_ taxi: TaxiCLI) throws {
        let stream = try taxi.start(["stream"], environment: Self.patience)
        let lock = try hold(taxi, stream)
        #expect(try taxi.number("SELECT count(*) FROM outbox WHERE topic = '\(taxi.tenant)_alerts'") > 0)
        stream.killAtOnce()
        try lock.execute("ROLLBACK")
    }

    /// An epoch is committed to the tables, and there is no broker to take its records.
    private func killBetweenTableAndTopic(_ taxi: TaxiCLI, _ broker: KafkaBroker, _ producing: RunningProgram) throws {
        let stream = try taxi.start(["stream"], environment: Self.patience)
        let lock = try hold(taxi, stream)
        let sent = try taxi.messages("alerts")
        producing.killAtOnce()
        try broker.kill()
        try lock.execute("ROLLBACK")
        #expect(eventually(within: 60) { stream.errors.contains("takes records at present") }, "\(stream.errors)")
        stream.killAtOnce()
        try broker.revive()
        #expect(try taxi.messages("alerts") == sent)
        #expect(alertCount(taxi) > sent.count)
    }

    /// As soon as an epoch is seen in the tables: before its transaction on Kafka, or within it.
    private func killAtACommit(_ taxi: TaxiCLI) throws {
        func epochs() -> Int64 { (try? taxi.number("SELECT max(sequence) FROM outbox")) ?? 0 }
        let before = epochs()
        let stream = try taxi.start(["stream"], environment: Self.patience)
        #expect(eventually(within: 60) { epochs() > before }, "\(stream.errors)")
        stream.killAtOnce()
    }

    /// Keeps a stream from its next commit, and waits until Kafka has all that it has committed, and trips for the next epoch.
    ///
    /// - Returns: the connection with the lock.
    private func hold(_ taxi: TaxiCLI, _ stream: RunningProgram) throws -> Connection {
        let before = alertCount(taxi)
        #expect(eventually(within: 60) { alertCount(taxi) > before }, "\(stream.errors)")
        let lock = try Connection(path: taxi.resultsPath)
        try lock.execute("BEGIN IMMEDIATE")
        let stored = alertCount(taxi)
        #expect(eventually(within: 60) { (try? taxi.messages("alerts").count).map(Int64.init) == stored })
        let trips = try taxi.messages("ingestData").count
        #expect(eventually(within: 60) { ((try? taxi.messages("ingestData").count) ?? 0) > trips + 100 })
        #expect(stream.isRunning, "\(stream.errors)")
        return lock
    }

    /// The tables come with the first start.
    private func alertCount(_ taxi: TaxiCLI) -> Int64 {
        (try? taxi.number("SELECT count(*) FROM stored_alerts")) ?? 0
    }

    // MARK: What has to hold

    /// The committed records, read by Kafka's own consumer, are the lines of `alert history`, each once, and as many as `alert list` says.
    private func expectTheTopicHasWhatTheCommandsShow(_ taxi: TaxiCLI, _ broker: KafkaBroker) throws {
        let count = alertCount(taxi)
        let read = try KafkaBroker.tool(
            "console-consumer",
            [
                "--bootstrap-server", broker.servers, "--topic", "\(taxi.tenant)_alerts", "--from-beginning",
                "--command-property", "isolation.level=read_committed", "--timeout-ms", "10000",
            ])
        let records = try read.split(separator: "\n").map { try jsonObject(String($0)) }
        let history = try taxi.succeed("alert", "history", "--lines", "\(count + 1)").lines.map { try jsonObject($0) }
        #expect(records.count == count && history.count == count)
        func key(_ alert: [String: Any], _ start: Any?, _ group: Any?) -> String {
            "\(alert["name"] ?? "") \(start ?? "") \(group.map { "\($0)" } ?? "-") \(alert["value"] ?? "")"
        }
        #expect(
            records.map {
                key($0, ($0["window"] as? [String: Any])?["start"], $0["pickup_community_area"])
            }.sorted()
                == history.map { key($0, $0["window_start"], ($0["group"] as? String)) }.sorted())
        for alert in try taxi.succeed("alert", "list").lines.map({ try jsonObject($0) }) {
            let name = alert["name"] as? String
            #expect(alert["raised"] as? Int == records.count { $0["name"] as? String == name }, "\(alert)")
        }
    }

    private func expectOneRunForEachAlert(_ taxi: TaxiCLI, _ scheduler: RunningProgram) throws {
        let alerts = try taxi.query(
            "SELECT params ->> 'window_start' || ' ' || (params ->> 'value') FROM stored_alerts WHERE name = 'spike'")
        let runs = "SELECT count(*) FROM workflow_runs WHERE state = 'success'"
        #expect(try eventually(within: 60) { try taxi.number(runs) == alerts.count }, "\(scheduler.errors)")
        scheduler.signal(SIGTERM)
        #expect(scheduler.wait().code == 0)
        #expect(try taxi.number("SELECT count(*) FROM workflow_runs") == alerts.count)
        #expect(
            try taxi.number("SELECT count(DISTINCT run_id) FROM stored_alerts WHERE name = 'spike'") == alerts.count)
        let said = try String(contentsOfFile: "\(taxi.tenantFolder)/workflows/said", encoding: .utf8)
        #expect(said.split(separator: "\n").map(String.init).sorted() == alerts.compactMap { $0[0].text }.sorted())
    }
}
