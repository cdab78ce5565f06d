import Foundation
import Kafka
import Problems
import Synchronization
import Testing

@testable import Topics

/// The contract as far as librdkafka's own mock cluster has answers: it needs no broker, and so runs everywhere.
@Suite struct KafkaMockTests {
    let mock: KafkaMockCluster
    let store: MockedTopicStore

    init() throws {
        mock = try KafkaMockCluster(brokers: 1)
        store = MockedTopicStore(
            mock: mock, store: try KafkaTopicStore(mock.configuration, tenant: ""))
    }

    /// What the mock of librdkafka 2.0.2 cannot be asked, by what it answers with:
    /// `deletion` and `descriptions`: DeleteTopics and DescribeConfigs are requests it does not know.
    /// `marks`: they are read with an OffsetFetch that waits for stable offsets (version 7), which it does not have.
    /// `timeSeeks`: its ListOffsets knows the beginning and the end, and no times.
    /// `missingTopics`: it makes every topic that it is asked for, whether the request allows that or not.
    static let missing: Set<ContractCheck.Need> = [.deletion, .descriptions, .marks, .timeSeeks, .missingTopics]

    @Test(arguments: topicStoreContract.filter { $0.needs.isDisjoint(with: missing) })
    func holdsTheContract(_ check: ContractCheck) throws {
        try check.run(ContractStore(topics: store, isKafka: true))
    }

    /// Brokers hear of a topic one after the other, and a client asks any of them.
    @Test func aTopicThatNotAllBrokersKnowYetIsThere() throws {
        mock.createTopic("trips", partitions: 3)
        let isDone = Atomic(false)
        let spreads = DispatchSemaphore(value: 0)
        Thread { [mock] in
            var isKnown = false
            while !isDone.load(ordering: .relaxed) {
                mock.set(topic: "trips", isKnown: isKnown)
                isKnown.toggle()
            }
            spreads.signal()
        }.start()
        defer {
            isDone.store(true, ordering: .relaxed)
            spreads.wait()
        }
        for _ in 0..<10 { #expect(try KafkaProducer(mock.configuration).partitionCount(of: "trips") == 3) }
    }

    @Test func aTopicThatIsGoneIsNamedWhateverTheBrokerSays() throws {
        mock.createTopic("trips", partitions: 1)
        let writer = try store.makeWriter()
        let batch = try #require(
            PendingBatch(topic: "trips", partition: 0, records: [TopicRecord(key: nil, value: [1], timestamp: 1)]))
        try writer.append([batch], mark: nil)
        mock.set(topic: "trips", isKnown: false)
        mock.failAppends(count: 1)
        let problem = #expect(throws: Problem.self) { try writer.append([batch], mark: nil) }
        #expect(problem?.code == .unavailable)
        #expect(problem?.message == "topic \"trips\" was deleted while it was written to")
    }
}

/// A store on a mock cluster, which makes topics by other means than a request.
final class MockedTopicStore: TopicStore {
    private let mock: KafkaMockCluster
    private let store: KafkaTopicStore

    init(mock: KafkaMockCluster, store: KafkaTopicStore) { (self.mock, self.store) = (mock, store) }

    var keepsColumns: Bool { store.keepsColumns }
    var keepsMarksForFree: Bool { store.keepsMarksForFree }
    var identity: String { store.identity }
    func marks(ofProducers prefix: String, known: Set<String>) throws -> [ProducerMark] {
        try store.marks(ofProducers: prefix, known: known)
    }

    func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws {
        // What is wrong with a name is found without a broker.
        try TopicName.check(name)
        try TopicName.check(partitions: partitions, retentionMs: retentionMs)
        mock.createTopic(name, partitions: partitions)
    }

    func deleteTopic(_ name: String) throws { try store.deleteTopic(name) }
    func topics() throws -> [TopicDescription] { try store.topics() }
    func topicNames() throws -> [String] { try store.topicNames() }
    func partitionCount(of topic: String) throws -> Int? { try store.partitionCount(of: topic) }
    func describe(_ topic: String) throws -> TopicDescription { try store.describe(topic) }
    func makeWriter() throws -> any TopicWriter { try store.makeWriter() }
    func makeReader(topic: String) throws -> any TopicReader { try store.makeReader(topic: topic) }
}
