import CommandSupport
import Foundation
import HTTP
import KafkaSupport
import Testing

/// The folder deploy/, as far as a machine without containers can check it.
@Suite(
    .enabled(
        if: WatchTools.hasPrometheus && WatchTools.hasSystemd,
        "skipped: no promtool or no systemd-analyze (apt-get install prometheus systemd)"))
struct DeployTests {
    private func check(_ taxi: TaxiCLI, folder: String) throws -> Ending? {
        guard let python = WatchTools.python else { return nil }
        return try taxi.start(
            ["\(WatchTools.repository)/scripts/check-deploy", "--folder", folder], executable: python
        ).wait()
    }

    @Test func theFolderIsRight() throws {
        let taxi = try TaxiCLI()
        guard let ending = try check(taxi, folder: "\(WatchTools.repository)/deploy") else { return }
        #expect(ending.code == 0 && ending.text.hasSuffix(" 0 findings\n"), "\(ending.text)\(ending.errors)")
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        var file: String
        var from: String
        var to: String
        var says: String
        var testDescription: String { says }
    }

    /// A check that finds nothing proves something only where it would have found it.
    @Test(arguments: [
        Mistake(
            file: "compose.yaml", from: "read_only: true", to: "readonly: true", says: "extension key `readonly`"),
        Mistake(
            file: "compose.yaml", from: "kafka: {condition: service_healthy}",
            to: "kafke: {condition: service_healthy}",
            says: "depends on kafke which is no service"),
        Mistake(
            file: "compose.yaml", from: "./rules.yml:", to: "./rulez.yml:",
            says: "mounts ./rulez.yml which is not there"),
        Mistake(
            file: "compose.yaml", from: "127.0.0.1:9090:9090", to: "9090:9090",
            says: "publishes 9090:9090 to the whole network"),
        Mistake(
            file: "compose.yaml", from: "secrets: [prometheus_token]", to: "secrets: []",
            says: "prometheus does not get /run/secrets/prometheus_token"),
        Mistake(
            file: "compose.yaml", from: "GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/grafana_password",
            to: "GF_SECURITY_ADMIN_PASSWORD: admin", says: "has a secret: GF_SECURITY_ADMIN_PASSWORD"),
        Mistake(
            file: "compose.yaml", from: "[stream, --queries, analytics]", to: "[stream, --query-set, analytics]",
            says: "gives stream the option --query-set, which it has not"),
        Mistake(
            file: "make-secrets", from: "secret grafana_password", to: "secret grafana_word",
            says: "make-secrets does not make ./secrets/grafana_password"),
        Mistake(
            file: "rules.yml", from: "expr: taxi_health == 0", to: "expr: taxi_health = 0",
            says: "rules.yml: TaxiUnhealthy is no expression"),
        Mistake(
            file: "rules.yml", from: "taxi_workflow_queue_seconds >", to: "taxi_workflow_waiting_seconds >",
            says: "asks for taxi_workflow_waiting_seconds which taxi-cli does not expose"),
        Mistake(
            file: "rules.yml", from: "expr: taxi_stream_lag_clear_seconds == +Inf",
            to: "expr: taxi_stream_lag_clear_seconds > 3600 < +Inf", says: "alertname: TaxiLagGrows"),
        Mistake(
            file: "grafana/dashboards/taxi-cli.json", from: "rate(taxi_stream_skipped_total",
            to: "rate(taxi_stream_open_windows", says: "takes the rate of taxi_stream_open_windows which is a gauge"),
        Mistake(
            file: "grafana/dashboards/taxi-cli.json", from: "sum(taxi_stream_lag_records{tenant=~\\\"$tenant\\\"})",
            to: "sum(taxi_stream_lag_records{tenant=~\\\"$who\\\"})", says: "asks for the variable who"),
        Mistake(
            file: "grafana/dashboards/kafka.json", from: "kafka_log_log_size", to: "kafka_log_size",
            says: "asks for kafka_log_size which nobody exposes"),
        Mistake(
            file: "grafana/provisioning/datasources/prometheus.yaml", from: "uid: taxi-prometheus", to: "uid: other",
            says: "asks another data source than other"),
        Mistake(
            file: "jmx-exporter.yml", from: "type=Log, name=Size", to: "type=Log, name=Bytes",
            says: "no bean of a broker fits"),
        Mistake(
            file: "systemd/taxi-cli-stream.service", from: "ProtectSystem=strict", to: "ProtectSystem=often",
            says: "systemd-analyze verify:"),
        Mistake(
            file: "systemd/taxi-cli-monthly.timer", from: "America/Chicago", to: "America/Chicagoo",
            says: "systemd-analyze verify:"),
    ])
    func aMistakeIsFound(_ mistake: Mistake) throws {
        let taxi = try TaxiCLI()
        let copy = taxi("deploy")
        try FileManager.default.copyItem(atPath: "\(WatchTools.repository)/deploy", toPath: copy)
        for name in ["data", "deploy/Dockerfile"] where !FileManager.default.fileExists(atPath: taxi(name)) {
            try FileManager.default.createSymbolicLink(
                atPath: taxi(name), withDestinationPath: "\(WatchTools.repository)/\(name)")
        }
        let path = "\(copy)/\(mistake.file)"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try #require(text.contains(mistake.from))
        try text.replacing(mistake.from, with: mistake.to).write(toFile: path, atomically: true, encoding: .utf8)
        guard let ending = try check(taxi, folder: copy) else { return }
        #expect(ending.code == 65 && ending.text.contains(mistake.says), "\(ending.text)\(ending.errors)")
        #expect(!ending.errors.contains("Traceback"), "\(ending.errors)")
    }

    /// What the dashboard asks is what a real broker with jmx-exporter.yml exposes.
    @Test(
        .enabled(if: KafkaBroker.isStartable && KafkaBroker.agentPath != nil, "skipped: no Kafka with its JMX agent"))
    func aRealBrokerHasTheMetricsOfItsDashboard() throws {
        guard let python = WatchTools.python else { return }
        let broker = try KafkaBroker(metricsConfiguration: "\(WatchTools.repository)/deploy/jmx-exporter.yml")
        let taxi = try TaxiCLI(environment: ["TAXI_BROKER": broker.servers])
        try taxi.succeed("data", "generate", "--rows", "500", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        let text = try HTTPRequest("GET", broker.metricsURL).send().text
        for sample in [
            #"kafka_server_brokertopicmetrics_messagesin_total{topic="chicago_ingestData"} "#,
            #"kafka_server_brokertopicmetrics_bytesout_total{topic="chicago_ingestData"} "#,
            #"kafka_log_log_size{partition="0",topic="chicago_ingestData"} "#, #"jvm_memory_bytes_used{area="heap"} "#,
            "kafka_controller_kafkacontroller_activecontrollercount 1.0", "process_cpu_seconds_total ",
        ] { #expect(text.contains("\n\(sample)"), "\(sample)") }
        let verdict = try taxi.start(["check", "metrics"], input: text, executable: "/usr/bin/promtool").wait()
        #expect(verdict.code != 1, "\(verdict.errors)")
        let check = try taxi.start(
            ["\(WatchTools.repository)/scripts/check-deploy", "--jmx", broker.metricsURL], executable: python
        ).wait()
        #expect(check.code == 0, "\(check.text)\(check.errors)")
    }
}
