import Foundation
import Kafka
import KafkaSupport
import Problems
import Testing
import Trips

@testable import Topics

/// Against a real broker: ../shared/kafka, or TAXI_TEST_KAFKA.
@Suite(
    .enabled(if: KafkaServer.isAvailable, "needs a real Kafka: ../shared/kafka/kafka.sh and Java, or TAXI_TEST_KAFKA"))
struct KafkaTopicStoreTests {
    static func store(_ delivery: Delivery = .exactlyOnce) throws -> KafkaTopicStore {
        try KafkaTopicStore(
            KafkaConfiguration(servers: KafkaServer.shared().bootstrap), tenant: "", delivery: delivery)
    }

    @Test(arguments: topicStoreContract) func holdsTheContract(_ check: ContractCheck) throws {
        try check.run(Self.store())
    }

    @Test func listsTheTopicsOfItsTenantOnly() throws {
        let tenant = "t\(UUID().uuidString.prefix(8))"
        let store = try KafkaTopicStore(
            KafkaConfiguration(servers: KafkaServer.shared().bootstrap), tenant: tenant)
        try store.createTopic("\(tenant)_ingestData", partitions: 2)
        let other = try newTopic(in: store, partitions: 1)
        #expect(try store.topics().map(\.name) == ["\(tenant)_ingestData"])
        #expect(try store.topicNames().contains(other))
        #expect(try store.fullName(of: "ingestData", tenant: tenant) == "\(tenant)_ingestData")
        #expect(try store.fullName(of: other, tenant: tenant) == other)
    }

    @Test func topicsKeepRecordsForEverUnlessSaid() throws {
        let store = try Self.store()
        let topic = try newTopic(in: store, partitions: 1)
        #expect(try store.describe(topic).retentionMs == nil)
        // Twenty years ago: with Kafka's usual week it would be deleted at the next look.
        let admin = try KafkaAdmin(KafkaConfiguration(servers: KafkaServer.shared().bootstrap))
        #expect(try admin.settings(ofTopic: topic)["retention.ms"] == "-1")
    }

    @Test func skipsWhatATransactionLeavesBetweenRecords() throws {
        let store = try Self.store()
        let topic = try newTopic(in: store, partitions: 1)
        let writer = try store.makeWriter()
        let (epoch, _) = try writer.takeOver(producer: topic)
        for sequence in 0..<3 as Range<Int64> {
            try writer.append(
                [batch(topic, 0, [sequence * 10 + 1, sequence * 10 + 2])],
                mark: ProducerMark(producer: topic, epoch: epoch, sequence: sequence))
        }
        let read = try readAll(store, topic, 0)
        #expect(read.map(\.record.timestamp) == [1, 2, 11, 12, 21, 22])
        #expect(read.map(\.offset) == [0, 1, 3, 4, 6, 7])
        // The end is behind the last marker, and a reader comes there.
        let reader = try store.makeReader(topic: topic)
        #expect(try reader.offsets() == [0..<9])
        var offset: Int64 = 0
        while offset < 9 {
            if let batch = try reader.read(partition: 0, from: offset) {
                offset = batch.baseOffset + Int64(batch.count)
            } else {
                offset = reader.next(partition: 0, after: offset)
            }
        }
        #expect(offset == 9)
    }

    @Test func readersDoNotSeeWhatWasAborted() throws {
        let store = try Self.store()
        let topic = try newTopic(in: store, partitions: 1)
        let configuration = try KafkaConfiguration(servers: KafkaServer.shared().bootstrap)
        let producer = try KafkaProducer(configuration, transactionalID: topic)
        try producer.initTransactions()
        #expect(try producer.partitionCount(of: topic) == 1)
        let value = Array("aborted".utf8)
        try producer.begin()
        try value.withUnsafeBytes { bytes in
            try producer.send(topic: topic, partition: 0, key: nil, value: bytes, timestampMs: 1)
            try producer.abort()
        }
        try store.makeWriter().append([batch(topic, 0, [7])], mark: nil)
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [7])
    }

    @Test func keepsAPositionBesideTheGroupsOffsets() throws {
        let store = try Self.store()
        let topic = try newTopic(in: store, partitions: 2)
        let writer = try store.makeWriter()
        let (epoch, last) = try writer.takeOver(producer: topic)
        #expect(last == nil)
        let position = (0..<2900).map { UInt8(truncatingIfNeeded: $0) }
        let mark = ProducerMark(
            producer: topic, epoch: epoch, sequence: 41, position: position,
            progress: .init(topic: topic, offsets: [5, 6]))
        try writer.append([batch(topic, 1, [1])], mark: mark)
        let (next, found) = try store.makeWriter().takeOver(producer: topic)
        #expect(next == epoch + 1)
        #expect(found == mark)
        let admin = try KafkaAdmin(KafkaConfiguration(servers: KafkaServer.shared().bootstrap))
        #expect(try admin.offsets(ofGroup: topic).map(\.offset).sorted() == [5, 6])
    }

    @Test func atLeastOnceKeepsMarksWithoutTransactions() throws {
        let store = try Self.store(.atLeastOnce)
        let topic = try newTopic(in: store, partitions: 1)
        let writer = try store.makeWriter()
        let (epoch, _) = try writer.takeOver(producer: topic)
        let mark = ProducerMark(producer: topic, epoch: epoch, sequence: 1, position: [9])
        #expect(try writer.append([batch(topic, 0, [1, 2])], mark: mark))
        #expect(try !writer.append([batch(topic, 0, [1, 2])], mark: mark))
        #expect(try readAll(store, topic, 0).map(\.offset) == [0, 1])
        let next = ProducerMark(producer: topic, epoch: epoch, sequence: 2, position: [10])
        try writer.append([batch(topic, 0, [3])], mark: next)
        #expect(try readAll(store, topic, 0).map(\.offset) == [0, 1, 2], "there is no transaction, so there is no gap")
        #expect(try store.makeWriter().takeOver(producer: topic).last?.position == [10])
    }

    @Test func writesResultsAndTripsAsJSON() throws {
        let store = try Self.store()
        let topic = try newTopic(in: store, partitions: 1)
        var columns = ResultColumns.Column(kind: .number, decimals: 2)
        columns.name = "total_fare"
        columns.cells = [12_30, 5_00]
        let results = ResultColumns(columns: [columns])
        let pending = PendingBatch(
            topic: topic, partition: 0, count: 2, times: 1000...1000, encoding: .results, payload: results.encode())
        try store.makeWriter().append([pending], mark: nil)
        let values = try readAll(store, topic, 0).map { String(decoding: $0.record.value ?? [], as: UTF8.self) }
        #expect(values == [#"{"total_fare":12.3}"#, #"{"total_fare":5}"#])
    }
}

/// On the cluster that librdkafka brings: what it knows of the contract. It has no administration, so topics are made by its own call,
/// and checks of creating, describing and deleting have nothing to run on; group offsets cannot be listed, so marks cannot be found.
@Suite struct MockedKafkaTopicStoreTests {
    @Test func keepsOrderAndOffsets() throws {
        let cluster = try KafkaMockCluster(brokers: 3)
        cluster.createTopic("trips", partitions: 3)
        let store = try KafkaTopicStore(cluster.configuration, tenant: "")
        let writer = try store.makeWriter()
        for round in 0..<5 {
            try writer.append(
                (0..<3).map { batch("trips", $0, (0...round).map { Int64(round * 10 + $0 + 1) }) }, mark: nil)
        }
        for partition in 0..<3 {
            let read = try readAll(store, "trips", partition)
            var expected: [Int64] = []
            for round in 0..<5 as Range<Int64> { expected += (0...round).map { round * 10 + $0 + 1 } }
            #expect(read.map(\.record.timestamp) == expected)
            #expect(read.map(\.offset) == Array(0..<Int64(read.count)))
        }
    }

    @Test func givesRecordsBackAsTheyWere() throws {
        let cluster = try KafkaMockCluster(brokers: 1)
        cluster.createTopic("trips", partitions: 1)
        let store = try KafkaTopicStore(cluster.configuration, tenant: "")
        let records = [
            TopicRecord(key: nil, value: nil, timestamp: 1), TopicRecord(key: [], value: [], timestamp: 2),
            TopicRecord(
                key: [0, 255], value: Array("é".utf8),
                headers: [.init(name: "reason", value: [1]), .init(name: "b", value: [])], timestamp: 5),
        ]
        let pending = try #require(PendingBatch(topic: "trips", partition: 0, records: records))
        try store.makeWriter().append([pending], mark: nil)
        #expect(try readAll(store, "trips", 0).map(\.record) == records)
    }

    @Test func refusesPartitionsThatAreNotThereBeforeItSends() throws {
        let cluster = try KafkaMockCluster(brokers: 1)
        cluster.createTopic("trips", partitions: 1)
        let store = try KafkaTopicStore(cluster.configuration, tenant: "")
        let problem = #expect(throws: Problem.self) {
            try store.makeWriter().append([batch("trips", 0, [1]), batch("trips", 9, [2])], mark: nil)
        }
        #expect(problem?.code == .usage)
        #expect(try readAll(store, "trips", 0).isEmpty)
    }
}

@Suite struct KafkaMarkTests {
    @Test func isFoundAgainAmongAGroupsOffsets() {
        let mark = ProducerMark(
            producer: "p", epoch: 3, sequence: 9, position: Array("{}".utf8),
            progress: .init(topic: "t", offsets: [4, 5, 6]))
        let offsets = KafkaMark.offsets(mark, progress: .init(topic: "t", offsets: [4, 5, 6]))
        #expect(offsets.map(\.offset) == [4, 5, 6])
        #expect(offsets.map(\.partition) == [0, 1, 2])
        var found = KafkaMark.newest(in: offsets.reversed(), producer: "p")
        found?.progress = mark.progress
        #expect(found == mark)
    }

    @Test func takesTheNewestAndPassesOverOthersTexts() {
        let old = KafkaMark.offsets(
            ProducerMark(producer: "p", epoch: 1, sequence: 90, position: [1]),
            progress: .init(topic: "a", offsets: [0]))
        let new = KafkaMark.offsets(
            ProducerMark(producer: "p", epoch: 2, sequence: 1, position: [2]), progress: .init(topic: "b", offsets: [0])
        )
        let foreign = [
            KafkaOffset(topic: "c", partition: 0, offset: 7, metadata: ""),
            KafkaOffset(topic: "d", partition: 0, offset: 7, metadata: "taxi-cli x y"),
            KafkaOffset(topic: "e", partition: 0, offset: 7, metadata: "somebody else's"),
        ]
        #expect(KafkaMark.newest(in: old + foreign + new, producer: "p")?.position == [2])
        #expect(KafkaMark.newest(in: foreign, producer: "p") == nil)
    }
}
