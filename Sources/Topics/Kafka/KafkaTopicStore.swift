import Glibc
public import Kafka
public import Problems
public import SchemaRegistry
import Synchronization
import Telemetry

/// A tenant's topics on a Kafka cluster, which other programs and other tenants may use as well.
///
/// Records are JSON or Avro there, whatever the embedded store would keep: for everybody else's sake. Topics are made without a limit of
/// age, since Kafka judges age by the records' timestamps, and a replay's are of past years.
public final class KafkaTopicStore: TopicStore {
    public let configuration: KafkaConfiguration
    public let schemas: SchemaCache?
    private let tenant: String
    private let otherTenants: [String]
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
    /// - Parameters:
    ///   - tenant: whose topics `topics` lists; "" for all.
    ///   - others: tenants that are known, so that topics of one whose name begins with this one's are told apart (`TopicOwnership`).
    ///   - schemas: of records that are Avro.
    /// - Throws: `.unavailable`, `.noPermission`, `.configuration`, within ten seconds.
    public init(
        _ configuration: KafkaConfiguration, tenant: String, others: [String] = [], delivery: Delivery = .exactlyOnce,
        schemas: SchemaCache? = nil
    ) throws(Problem) {
        (self.configuration, self.tenant, otherTenants, self.schemas) = (configuration, tenant, others, schemas)
        self.delivery = delivery
        let kafka = try KafkaAdmin(configuration)
        try kafka.client.connect()
        clusterID = kafka.client.clusterID
        admin = Mutex(Admin(kafka: kafka))
    }

    public var keepsColumns: Bool { false }
    public var keepsMarksForFree: Bool { false }
    public var identity: String { "kafka \(clusterID)" }

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
                settings["max.message.bytes"] = "\(KafkaRecordSender.largestRecordBytes)"
            }
            // A trip may be of any year, or of tomorrow, and one that the broker does not take would lose those beside it.
            let anyTime = "\(Int64.max)"
            // Kafka 3.6 has two bounds in place of one, which 4.0 no longer knows.
            var bounds = [
                ["message.timestamp.after.max.ms": anyTime, "message.timestamp.before.max.ms": anyTime],
                ["message.timestamp.difference.max.ms": anyTime], [:],
            ]
            settings["message.timestamp.type"] = "CreateTime"
            while !bounds.isEmpty {
                let bound = bounds.removeFirst()
                do throws(KafkaError) {
                    try admin.createTopic(
                        name, partitions: partitions, replication: replication, settings: settings.merging(bound) { $1 }
                    )
                    break
                } catch {
                    // Somebody else has made it meanwhile.
                    if error.isTopicThere { break }
                    guard error.isUnknownSetting, !bounds.isEmpty else { throw error }
                }
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
            let names = try admin.client.topicNames()
            // One may have been deleted since its name came.
            return try names.filter(ownership(among: names).isOwn).compactMap { try describe($0, admin) }
        }
    }

    public func ownership(among names: [String]) -> TopicOwnership {
        TopicOwnership(tenant: tenant, others: otherTenants, among: names)
    }

    public func topicNames() throws -> [String] {
        try withAdmin("listing the topics") { admin in try admin.client.topicNames() }
    }

    /// The groups in which this tenant's producers keep where they are: they outlive its topics.
    public func producerGroups() throws -> [String] {
        try withAdmin("listing the consumer groups") { admin in
            try admin.groupNames().filter {
                ["\(tenant)_produce", LetterJournal.topic(of: tenant)].contains($0) || $0.hasPrefix("\(tenant)_stream:")
            }
        }
    }

    public func marks(ofProducers prefix: String, known: Set<String>) throws -> [ProducerMark] {
        let namespace = tenant.isEmpty ? "" : "\(tenant)_"
        // Who may not see all groups, or cannot while a broker is away, still knows his own.
        var seen: [String] = []
        do {
            seen = try withAdmin("listing the consumer groups") { admin in try admin.groupNames() }
        } catch let problem as Problem {
            Logger("kafka").warning(
                "the consumer groups cannot be listed: streams of this tenant that run other queries, in another home, are not seen",
                ["reason": problem.message])
        }
        let others = seen.filter { $0.hasPrefix(namespace + prefix) }.map { String($0.dropFirst(namespace.count)) }
        let writer = try makeWriter()
        return try known.union(others).sorted().compactMap(writer.lastMark)
    }

    public func deleteGroup(_ name: String) throws {
        try withAdmin("deleting consumer group \"\(name)\"") { admin in try admin.deleteGroup(name) }
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
        try KafkaTopicWriter(configuration, namespace: tenant, delivery: delivery) { [self] topic in
            // Who does not tell is treated as one who takes little.
            (try? withAdmin("describing topic \"\(topic)\"") { admin in try settings(ofTopic: topic, admin) }) ?? nil
        }
    }

    public func makeReader(topic: String) throws -> any TopicReader { try makeReader(topic: topic, untilEnd: false) }

    public func makeReader(topic: String, untilEnd: Bool) throws -> any TopicReader {
        let partitions = try withAdmin("opening topic \"\(topic)\"") { admin in
            try requireTopic(topic, admin).partitionCount
        }
        return try KafkaTopicReader(
            configuration, topic: topic, partitionCount: partitions, identity: identity, schemas: schemas,
            untilEnd: untilEnd)
    }
}

extension KafkaTopicStore {
    private func withAdmin<Result: Sendable>(_ action: String, _ body: (KafkaAdmin) throws -> Result) throws -> Result {
        try admin.withLock { admin in
            do {
                return try body(admin.kafka)
            } catch let error as KafkaError {
                throw error.ending(doing: action, servers: configuration.servers)
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
        let settings = try settings(ofTopic: name, admin)
        let retention = settings?["retention.ms"].flatMap { Int64($0) }
        var description = TopicDescription(
            name: name,
            partitions: zip(starts, ends).enumerated().map { id, offsets in
                .init(id: id, startOffset: offsets.0, endOffset: max(offsets.0, offsets.1), bytes: 0, times: nil)
            }, retentionMs: retention.flatMap { $0 < 0 ? nil : $0 })
        description.isRetentionKnown = settings != nil
        description.isCountExact = false
        return description
    }

    /// nil where this user may not see a topic's settings: reading and writing need no right to.
    private func settings(ofTopic name: String, _ admin: KafkaAdmin) throws -> [String: String]? {
        do throws(KafkaError) { return try admin.settings(ofTopic: name) } catch {
            guard error.isAuthorization else { throw error }
            return nil
        }
    }
}
