import CommandSupport
import Foundation
import KafkaSupport
import Testing

/// Brokers that cannot be reached or do not let us in: one line, a hint, and the exit code that says which it is.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaRefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var broker: @Sendable (KafkaBroker) -> String = { $0.servers }
        /// Lines of a `--broker-config` file.
        var properties: @Sendable (KafkaBroker) -> [String] = { _ in [] }
        var environment: [String: String] = [:]
        var arguments = ["topic", "list"]
        var code: Int32
        var error: String
        var hint: String
    }

    private static let secret = "hunter2-is-secret"
    private static let login = ["TAXI_BROKER_USER": "taxi", "TAXI_BROKER_PASSWORD": "taxi-secret"]

    static let cases = [
        Case(
            testDescription: "a wrong password", broker: { $0.saslServers },
            environment: ["TAXI_BROKER_USER": "taxi", "TAXI_BROKER_PASSWORD": secret], code: 77,
            error: "refused the user or the password", hint: "TAXI_BROKER_PASSWORD"),
        Case(
            testDescription: "an unknown user", broker: { $0.saslServers },
            properties: { _ in
                [
                    "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=nobody",
                    "sasl.password=\(secret)",
                ]
            }, code: 77, error: "refused the user or the password", hint: "mode 0600"),
        Case(
            testDescription: "an authority that is not ours", broker: { $0.tlsServers },
            properties: { _ in ["security.protocol=SSL"] }, code: 77, error: "no certificate that is trusted",
            hint: "ssl.ca.location"),
        Case(
            testDescription: "an unknown host", broker: { _ in "broker.invalid:9092" }, code: 69,
            error: "broker.invalid:9092", hint: "--broker"),
        Case(
            testDescription: "a port that refuses", broker: { _ in "127.0.0.1:1" }, code: 69,
            error: "no broker answers at \"127.0.0.1:1\"", hint: "doctor"),
        Case(
            testDescription: "a missing topic to describe", arguments: ["topic", "describe", "nowhere"], code: 69,
            error: "there is no topic \"nowhere\"", hint: "topic"),
        Case(
            testDescription: "a missing topic to stream", arguments: ["stream", "--until-end"], code: 69,
            error: "there is no topic \"chicago_ingestData\"", hint: "produce"),
        Case(
            testDescription: "a missing topic to produce to",
            arguments: ["produce", "trips.csv", "--max", "--no-create"], code: 69,
            error: "there is no topic \"chicago_ingestData\"", hint: "topic create"),
        Case(
            testDescription: "a replay to a port that refuses", broker: { _ in "127.0.0.1:1" },
            arguments: ["produce", "trips.csv", "--max"], code: 69, error: "no broker answers", hint: "--broker"),
        Case(
            testDescription: "a property that nobody knows", properties: { _ in ["linger.mss=5"] }, code: 78,
            error: "linger.mss", hint: "linger.ms"),
    ]

    @Test(arguments: cases) func isOneLineAndAHint(_ testCase: Case) throws {
        let broker = try KafkaBroker.shared()
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "10", "trips.csv")
        var environment = testCase.environment
        environment["TAXI_BROKER"] = testCase.broker(broker)
        let properties = testCase.properties(broker)
        if !properties.isEmpty {
            try Data(properties.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: taxi("broker.conf")))
            chmod(taxi("broker.conf"), 0o600)
            environment["TAXI_BROKER_CONFIG"] = taxi("broker.conf")
        }
        let ending = try taxi.start(testCase.arguments + ["--quiet"], environment: environment).wait(timeout: 60)
        #expect(ending.code == testCase.code, "\(ending.errors)")
        let lines = ending.errors.split(separator: "\n")
        #expect(lines.count == 2, "\(ending.errors)")
        #expect(lines.first?.contains("error: ") == true)
        #expect(lines.first?.contains(testCase.error) == true, "\(ending.errors)")
        #expect(
            lines.last?.hasPrefix("hint: ") == true && lines.last?.contains(testCase.hint) == true, "\(ending.errors)")
        #expect(!ending.errors.contains(Self.secret) && !ending.text.contains(Self.secret))
        #expect(ending.output.isEmpty)
    }

    @Test func letsUsInWithPasswordAndWithCertificate() throws {
        let broker = try KafkaBroker.shared()
        let tls = try TaxiCLI(environment: ["TAXI_BROKER": broker.tlsServers])
        try Data("security.protocol=SSL\nssl.ca.location=\(broker.authorityPath)\n".utf8).write(
            to: URL(fileURLWithPath: tls("broker.conf")))
        try tls.succeed("topic", "list", "--broker-config", "broker.conf")
        let sasl = try TaxiCLI(environment: ["TAXI_BROKER": broker.saslServers].merging(Self.login) { $1 })
        try sasl.succeed("topic", "list")
        let mechanism = try sasl.run("doctor")
        #expect(mechanism.text.contains(broker.saslServers), "\(mechanism.text) \(mechanism.errors)")
    }

    @Test func showsNoSecretAmongTheSettings() throws {
        let taxi = try TaxiCLI(
            environment: [
                "TAXI_BROKER": "127.0.0.1:1", "TAXI_BROKER_USER": "taxi", "TAXI_BROKER_PASSWORD": Self.secret,
                "TAXI_BROKER_KEY_PASSWORD": Self.secret,
            ])
        for arguments in [["config"], ["config", "--changed"], ["topic", "list", "--verbose"], ["doctor"]] {
            let ending = try taxi.start(arguments).wait(timeout: 60)
            #expect(!ending.text.contains(Self.secret), "\(arguments)")
            #expect(!ending.errors.contains(Self.secret), "\(arguments)")
        }
        #expect(try taxi.succeed("config").text.contains("127.0.0.1:1"))
    }
}
