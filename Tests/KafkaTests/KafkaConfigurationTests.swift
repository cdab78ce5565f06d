import Foundation
import Glibc
import Problems
import Testing

@testable import Kafka

@Suite struct KafkaConfigurationTests {
    private let path = NSTemporaryDirectory() + "/taxi-kafka-\(UUID().uuidString).conf"

    /// What a file gives, laid over `properties`.
    private func read(
        _ text: String, mode: mode_t = 0o600, over properties: [String: String] = [:]
    ) throws -> [String: String] {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        chmod(path, mode)
        var configuration = KafkaConfiguration(servers: "b:9092", properties: properties)
        try configuration.read(file: path)
        return configuration.properties
    }

    @Test func readsPropertiesCommentsAndBlankLines() throws {
        let text = "# the cluster\n\n  security.protocol = SASL_SSL  \r\nclient.id=a=b\n#linger.ms=1\n"
        #expect(try read(text) == ["security.protocol": "SASL_SSL", "client.id": "a=b"])
        #expect(try read("linger.ms=7", over: ["linger.ms": "1", "acks": "all"]) == ["linger.ms": "7", "acks": "all"])
        #expect(try read("") == [:])
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var line: Int
        var message: String
        var hint: String
    }

    @Test(arguments: [
        Fault(
            testDescription: "no value", text: "\nsasl.password hunter2\n", line: 2, message: "this is no property",
            hint: "key=value"),
        Fault(
            testDescription: "no name", text: "=hunter2", line: 1, message: "this is no property", hint: "key=value"),
        Fault(
            testDescription: "an unknown name", text: "acks=all\nsasl.pasword=hunter2", line: 2,
            message: "unknown broker property \"sasl.pasword\"", hint: "Did you mean \"sasl.password\"?"),
        Fault(
            testDescription: "a value that is no number", text: "linger.ms=hunter2", line: 1, message: "\"linger.ms\"",
            hint: "CONFIGURATION.md"),
        Fault(
            testDescription: "a value out of a list", text: "security.protocol=PLAIN", line: 1,
            message: "\"security.protocol\"", hint: "CONFIGURATION.md"),
    ])
    func namesThePlaceOfAFault(_ fault: Fault) {
        let problem = #expect(throws: Problem.self) { try read(fault.text) }
        #expect(problem?.code == .configuration)
        #expect(problem?.location == InputLocation(file: path, line: fault.line, column: 1))
        #expect(problem?.message.contains(fault.message) == true, "\(problem?.message ?? "")")
        #expect(problem?.hint?.contains(fault.hint) == true, "\(problem?.hint ?? "")")
    }

    @Test(arguments: [
        "delivery.report.only.error=true", "enable.auto.commit=true", "transactional.id=x",
        "isolation.level=read_uncommitted",
        "plugin.library.paths=/tmp/x.so", "log.queue=true", "enable.gapless.guarantee=true", "dr_msg_cb=x",
        "queue.buffering.max.kbytes=1", "bootstrap.servers=b:9092", "test.mock.num.brokers=3",
        "enable.idempotence=false", "group.id=x", "internal.termination.signal=15", "partitioner=random", "opaque=1",
    ])
    func refusesWhatWouldNotWork(_ line: String) throws {
        let problem = #expect(throws: Problem.self) { try read(line) }
        #expect(problem?.code == .configuration && problem?.location?.line == 1)
        #expect(problem?.message.contains("cannot be set: ") == true, "\(problem?.message ?? "")")
    }

    @Test(arguments: [
        "isolation.level=read_committed", "enable.auto.commit=false", "enable.idempotence=true", "acks=all",
    ])
    func takesWhatIsSoAnyway(_ line: String) throws { #expect(try read(line).count == 1) }

    /// A client with a property sends records and reads them again.
    private func sendsAndReads(_ properties: [String: String], on mock: KafkaMockCluster, _ topic: String) throws {
        mock.createTopic(topic, partitions: 1)
        var configuration = mock.configuration
        configuration.properties = properties
        let producer = try KafkaProducer(configuration, lingerMs: KafkaProducer.promptLingerMs)
        #expect(try producer.partitionCount(of: topic) == 1)
        let value = Array(repeating: UInt8(65), count: 500)
        try value.withUnsafeBytes { bytes in
            for time in 1...3 {
                try producer.send(topic: topic, partition: 0, key: nil, value: bytes, timestampMs: Int64(time))
            }
            try producer.finish()
        }
        let consumer = try KafkaConsumer(configuration, topic: topic, partitionCount: 1)
        try consumer.start(partition: 0, at: 0)
        var count = 0
        let deadline = ContinuousClock.now + .seconds(20)
        while count < 3, ContinuousClock.now < deadline {
            _ = try consumer.poll(partition: 0, timeoutMs: 100) { event in
                if case .messages(let messages) = event { count += messages.count }
            }
        }
        #expect(count == 3, "\(properties)")
    }

    @Test(arguments: [
        ["queue.buffering.max.messages": "1"], ["queue.buffering.max.kbytes": "1024"], ["queue.buffering.max.ms": "1"],
        ["batch.num.messages": "1"], ["batch.size": "1"],
        ["message.max.bytes": "1000"], ["delivery.timeout.ms": "60000"], ["compression.type": "gzip"], ["retries": "5"],
        ["fetch.min.bytes": "100000"], ["queued.max.messages.kbytes": "1"], ["queued.min.messages": "1"],
        ["message.copy.max.bytes": "0"], ["socket.max.fails": "0"], ["max.in.flight": "1"],
        ["topic.metadata.refresh.interval.ms": "-1"], ["client.id": "x"], ["check.crcs": "true"],
    ])
    func whatIsTakenWorks(_ properties: [String: String]) throws {
        try sendsAndReads(properties, on: KafkaMockCluster(brokers: 1), "t")
    }

    @Test func theUsersPropertyCountsByWhicheverOfItsNames() throws {
        // Ours is message.timeout.ms: 0, which would wait for ever.
        var configuration = KafkaConfiguration(servers: "127.0.0.1:1")
        configuration.properties = ["delivery.timeout.ms": "500"]
        let mock = try KafkaMockCluster(brokers: 1)
        mock.createTopic("t", partitions: 1)
        configuration.servers = mock.configuration.servers
        let producer = try KafkaProducer(configuration)
        _ = try producer.partitionCount(of: "t")
        mock.set(broker: 1, isUp: false)
        try producer.send(topic: "t", partition: 0, key: nil, value: nil, timestampMs: 1)
        let error = #expect(throws: KafkaError.self) { try producer.finish() }
        #expect(error?.topic == "t")
    }

    @Test func tellsAllFaultsAtOnceAndNoSecret() {
        let problem = #expect(throws: Problem.self) {
            try read("sasl.password hunter2\nsasl.pasword=hunter2\nacks=all\nnonsense=1\n")
        }
        let all = [problem].compactMap { $0 } + (problem?.others ?? [])
        #expect(all.map(\.location?.line) == [1, 2, 4])
        #expect(all.allSatisfy { !"\($0.message) \($0.hint ?? "")".contains("hunter2") })
    }

    @Test func saysThatThereIsNoFile() {
        var configuration = KafkaConfiguration(servers: "b:9092")
        let problem = #expect(throws: Problem.self) { try configuration.read(file: "/nowhere/broker.conf") }
        #expect(problem?.code == .noInput)
        #expect(problem?.message.contains("/nowhere/broker.conf") == true)
    }

    @Test(arguments: ["sasl.password=x", "ssl.key.password=x", "ssl.keystore.password=x"])
    func takesASecretFromAFileThatItsOwnerAloneReads(_ line: String) throws {
        for mode in [0o600, 0o400] as [mode_t] { #expect(try read(line, mode: mode).count == 1) }
        for mode in [0o644, 0o640, 0o604] as [mode_t] {
            let problem = #expect(throws: Problem.self) { try read(line, mode: mode) }
            #expect(problem?.code == .noPermission)
            #expect(problem?.hint?.contains("chmod 600") == true)
        }
        #expect(try read("sasl.username=x", mode: 0o644) == ["sasl.username": "x"], "no secret")
    }

    @Test func takesWhatTheEnvironmentSaysOverTheFile() {
        func properties(_ environment: [String: String], over file: [String: String] = [:]) -> [String: String] {
            var configuration = KafkaConfiguration(servers: "b:9092", properties: file)
            configuration.read(environment: environment)
            return configuration.properties
        }
        #expect(properties([:]) == [:])
        #expect(
            properties(["TAXI_BROKER_USER": "u", "TAXI_BROKER_PASSWORD": "p"]) == [
                "sasl.username": "u", "sasl.password": "p", "sasl.mechanism": "PLAIN",
                "security.protocol": "SASL_PLAINTEXT",
            ])
        #expect(
            properties(
                ["TAXI_BROKER_PASSWORD": "p"],
                over: [
                    "sasl.username": "u", "sasl.password": "old", "sasl.mechanisms": "SCRAM-SHA-512",
                    "security.protocol": "SASL_SSL",
                ]) == [
                    "sasl.username": "u", "sasl.password": "p", "sasl.mechanisms": "SCRAM-SHA-512",
                    "security.protocol": "SASL_SSL",
                ])
        #expect(properties(["TAXI_BROKER_KEY_PASSWORD": "k"]) == ["ssl.key.password": "k"])
        #expect(properties(["TAXI_BROKER_PASSWORD": ""], over: ["sasl.password": "p"]) == ["sasl.password": "p"])
    }
}
