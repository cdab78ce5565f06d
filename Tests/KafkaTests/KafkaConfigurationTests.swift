import Foundation
import Problems
import Testing

@testable import Kafka

@Suite struct KafkaConfigurationTests {
    /// Writes a file of properties and reads it.
    private func read(_ text: String, mode: Int = 0o600) throws -> KafkaConfiguration {
        let path = "\(NSTemporaryDirectory())/properties-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = FileManager.default.createFile(
            atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: mode])
        var configuration = KafkaConfiguration(servers: "a:1")
        try configuration.read(file: path)
        return configuration
    }

    @Test func readsPropertiesAsLibrdkafkaHasThem() throws {
        let configuration = try read("# how to get in\nsecurity.protocol = SSL\r\n\nssl.ca.location=/a=b.pem\n")
        #expect(configuration.properties == ["security.protocol": "SSL", "ssl.ca.location": "/a=b.pem"])
    }

    @Test func namesEachLineThatIsNoProperty() throws {
        let problem = #expect(throws: Problem.self) {
            try read("security.protocl=SSL\nfoo\nacks=all\nlinger.ms=soon\n")
        }
        #expect(problem?.code == .configuration)
        #expect(problem?.location?.line == 1)
        #expect(problem?.hint?.contains("security.protocol") == true)
        #expect(problem?.others.map { $0.location?.line } == [2, 4])
    }

    @Test func neverShowsASecret() throws {
        let problem = #expect(throws: Problem.self) { try read("sasl.password hunter2\nssl.key.pem=hunter2\n") }
        #expect("\(problem.map { "\($0)" } ?? "")".contains("hunter2") == false)
    }

    @Test(arguments: [0o644, 0o640, 0o604]) func refusesASecretThatOthersMayRead(_ mode: Int) throws {
        let problem = #expect(throws: Problem.self) { try read("sasl.password=x\n", mode: mode) }
        #expect(problem?.code == .noPermission)
        #expect(try read("acks=all\n", mode: mode).properties == ["acks": "all"])
    }

    @Test func aMissingFileIsSaid() {
        var configuration = KafkaConfiguration(servers: "a:1")
        let problem = #expect(throws: Problem.self) { try configuration.read(file: "/nonexistent/file") }
        #expect(problem?.code == .noInput)
    }

    @Test func theEnvironmentCountsMoreThanTheFile() throws {
        var configuration = try read("sasl.password=file\nsasl.username=u\nsasl.mechanism=SCRAM-SHA-512\n")
        configuration.read(environment: ["TAXI_BROKER_PASSWORD": "environment", "TAXI_BROKER_USER": ""])
        #expect(configuration.properties["sasl.password"] == "environment")
        #expect(configuration.properties["sasl.username"] == "u")
        #expect(configuration.properties["sasl.mechanism"] == "SCRAM-SHA-512")
    }

    @Test func aUserAloneMeansPlain() {
        var configuration = KafkaConfiguration(servers: "a:1")
        configuration.read(environment: ["TAXI_BROKER_USER": "u", "TAXI_BROKER_PASSWORD": "p"])
        #expect(configuration.properties["sasl.mechanism"] == "PLAIN")
        #expect(configuration.properties["security.protocol"] == "SASL_PLAINTEXT")
        var none = KafkaConfiguration(servers: "a:1")
        none.read(environment: [:])
        #expect(none.properties.isEmpty)
    }
}
