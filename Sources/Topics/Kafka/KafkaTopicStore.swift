import Glibc
public import Kafka
public import Problems
import Synchronization

/// A tenant's topics on a Kafka cluster, which other programs and other tenants may use as well.
///
/// Records are JSON there, whatever the embedded store would keep: for everybody else's sake. Topics are made without a limit of
/// age, since Kafka judges age by the records' timestamps, and a replay's are of past years.
public final class KafkaTopicStore: TopicStore {
    public let configuration: KafkaConfiguration
    private let tenant: String
    private let delivery: Delivery
    private let admin: Mutex<Admin>
    /// Names the cluster, so that offsets are not taken for those of another one.
    private let clusterID: String

    /// `@unchecked Sendable`: used inside the mutex only.
    private struct Admin: @unchecked Sendable {
        let kafka: KafkaAdmin
    }

    /// Connects to the cluster.
    ///
    /// - Parameter tenant: whose topics `topics` lists: those whose names begin with it; "" for all.
    /// - Throws: `.unavailable`, `.noPermission`, `.configuration`, within ten seconds.
    public init(
        _ configuration: KafkaConfiguration, tenant: String, delivery: Delivery = .exactlyOnce
    ) throws(Problem) {
        (self.configuration, self.tenant, self.delivery) = (configuration, tenant, delivery)
        let kafka = try KafkaAdmin(configuration)
        try kafka.client.connect()
        clusterID = kafka.client.clusterID
        admin = Mutex(Admin(kafka: kafka))
    }

    public var keepsColumns: Bool { false }
    public var keepsMarksForFree: Bool { false }

    public func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws {
        try TopicName.check(name)
        try TopicName.check(partitions: partitions, retentionMs: retentionMs)
        try withAdmin("creating topic \"\(name)\"") { admin in
            func checkExisting() throws -> Bool {
                guard let found = try admin.client.describe(topic: name) else { return false }
                guard found.partitionCount == partitions else {
                    throw TopicName.hasOtherPartitions(name, found.partitionCount, not: partitions)
                }
                return true
            }
            if try checkExisting() { return }
            var settings = ["retention.ms": "\(retentionMs ?? -1)"]
            // What was set aside may be larger than what is sent on.
            if name.hasSuffix("_deadLetter") {
                settings["max.message.bytes"] = "\(KafkaTopicWriter.largestRecordBytes)"
            }
            do throws(KafkaError) {
                try admin.createTopic(name, partitions: partitions, replication: replication, settings: settings)
            } catch {
                // Somebody else has made it meanwhile.
                guard error.isTopicThere else { throw error }
            }
            // The answer comes before all brokers know it.
            let deadline = ContinuousClock.now + .milliseconds(Int(KafkaClient.connectTimeoutMs))
            while try !checkExisting(), ContinuousClock.now < deadline { usleep(10_000) }
        }
    }

    public func deleteTopic(_ name: String) throws {
        try withAdmin("deleting topic \"\(name)\"") { admin in
            try requireTopic(name, admin)
            try admin.deleteTopic(name)
            let deadline = ContinuousClock.now + .milliseconds(Int(KafkaClient.connectTimeoutMs))
            while try admin.client.describe(topic: name) != nil, ContinuousClock.now < deadline { usleep(10_000) }
        }
    }

    public func topics() throws -> [TopicDescription] {
        try withAdmin("listing the topics") { admin in
            let names = try admin.client.topicNames().filter { tenant.isEmpty || $0.hasPrefix("\(tenant)_") }
            // One may have been deleted since its name came.
            return try names.compactMap { try describe($0, admin) }
        }
    }

    public func topicNames() throws -> [String] {
        try withAdmin("listing the topics") { admin in try admin.client.topicNames() }
    }

    public func partitionCount(of topic: String) throws -> Int? {
        try withAdmin("looking for topic \"\(topic)\"") { admin in
            try admin.client.describe(topic: topic)?.partitionCount
        }
    }

    public func describe(_ topic: String) throws -> TopicDescription {
        try withAdmin("describing topic \"\(topic)\"") { admin in
            guard let description = try describe(topic, admin) else { throw try unknown(topic, admin) }
            return description
        }
    }

    public func makeWriter() throws -> any TopicWriter {
        try KafkaTopicWriter(configuration, namespace: tenant, delivery: delivery)
    }

    public func makeReader(topic: String) throws -> any TopicReader { try makeReader(topic: topic, untilEnd: false) }

    public func makeReader(topic: String, untilEnd: Bool) throws -> any TopicReader {
        let partitions = try withAdmin("opening topic \"\(topic)\"") { admin in
            try requireTopic(topic, admin).partitionCount
        }
        return try KafkaTopicReader(
            configuration, topic: topic, partitionCount: partitions, identity: "kafka \(clusterID)",
            untilEnd: untilEnd)
    }
}

extension KafkaTopicStore {
    private func withAdmin<Result: Sendable>(_ action: String, _ body: (KafkaAdmin) throws -> Result) throws -> Result {
        try admin.withLock { admin in
            do {
                return try body(admin.kafka)
            } catch let error as KafkaError {
                throw error.problem(doing: action, servers: configuration.servers)
            }
        }
    }

    @discardableResult
    private func requireTopic(_ name: String, _ admin: KafkaAdmin) throws -> KafkaClient.TopicMetadata {
        guard let found = try admin.client.describe(topic: name) else { throw try unknown(name, admin) }
        return found
    }

    private func unknown(_ name: String, _ admin: KafkaAdmin) throws -> Problem {
        TopicName.unknown(name, among: try admin.client.topicNames(), code: .unavailable)
    }

    /// Nil where there is no such topic. Kafka does not tell sizes and event times here.
    private func describe(_ name: String, _ admin: KafkaAdmin) throws -> TopicDescription? {
        guard let found = try admin.client.describe(topic: name) else { return nil }
        let starts = try admin.client.offsets(topic: name, partitions: found.partitionCount, time: -2)
        let ends = try admin.client.offsets(topic: name, partitions: found.partitionCount, time: -1)
        let retention = try admin.settings(ofTopic: name)["retention.ms"].flatMap { Int64($0) }
        return TopicDescription(
            name: name,
            partitions: zip(starts, ends).enumerated().map { id, offsets in
                .init(id: id, startOffset: offsets.0, endOffset: max(offsets.0, offsets.1), bytes: 0, times: nil)
            }, retentionMs: retention.flatMap { $0 < 0 ? nil : $0 })
    }
}
