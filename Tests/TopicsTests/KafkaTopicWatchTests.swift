import Foundation
import Kafka
import Problems
import Testing

@testable import Topics

/// Topics that change under their reader, as far as librdkafka's own mock cluster can tell of it.
@Suite struct KafkaTopicWatchTests {
    let mock: KafkaMockCluster
    let store: MockedTopicStore

    init() throws {
        mock = try KafkaMockCluster(brokers: 1)
        store = MockedTopicStore(mock: mock, store: try KafkaTopicStore(mock.configuration, tenant: ""))
    }

    private static let patience = Duration.seconds(60)

    /// Reads on until something is met, or the time is over.
    private func problem(_ body: () throws -> Void) -> Problem? {
        let deadline = ContinuousClock.now + Self.patience
        while ContinuousClock.now < deadline {
            do { try body() } catch { return error as? Problem }
        }
        return nil
    }

    private func readAll(_ reader: any TopicReader) throws -> [StoredBatch] {
        var batches: [StoredBatch] = []
        try reader.forEachBatch(of: 0, in: reader.offsets()[0]) { batch in
            batches.append(batch)
            return true
        }
        return batches
    }

    @Test(arguments: [false, true]) func aRecordIsKnownAgainByItsSeal(_ valuesOnly: Bool) throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1, 2, 3])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        reader.readValuesOnly()
        let last = try #require(try readAll(reader).last)
        let seal = try #require(last.seal)
        // Found by whoever reads from it on, in batches of whatever size.
        try store.makeWriter().append([batch(topic, 0, [4, 5])], mark: nil)
        let again = try store.makeReader(topic: topic)
        if valuesOnly { again.readValuesOnly() }
        #expect(try again.seal(partition: 0, endingAt: 3) == .seal(seal))
        #expect(try again.seal(partition: 0, endingAt: 2) != .seal(seal))
        let next = try #require(try again.read(partition: 0, from: 3), "and reading goes on from there")
        #expect(next.baseOffset + Int64(next.count) == 5)
    }

    @Test func sealsTellApartWhatDiffersInAnything() {
        let records = [
            TopicRecord(key: nil, value: [], timestamp: 1), TopicRecord(key: [], value: nil, timestamp: 1),
            TopicRecord(key: nil, value: nil, timestamp: 1), TopicRecord(key: [], value: [], timestamp: 1),
            TopicRecord(key: [1], value: [2], timestamp: 1), TopicRecord(key: [2], value: [1], timestamp: 1),
            TopicRecord(key: [1], value: [2], timestamp: 2),
        ]
        var seals = Set(records.map { KafkaSeal.seal(of: $0, offset: 7) })
        #expect(seals.count == records.count)
        #expect(!seals.insert(KafkaSeal.seal(of: records[3], offset: 7)).inserted)
        #expect(seals.insert(KafkaSeal.seal(of: records[3], offset: 8)).inserted)
    }

    @Test func aTopicThatIsGoneIsNamed() throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        reader.keepWatch(from: nil)
        let offset = try #require(try readAll(reader).last.map { $0.baseOffset + 1 })
        mock.set(topic: topic, isKnown: false)
        let problem = problem {
            try reader.requireSame()
            _ = try reader.read(partition: 0, from: offset)
            try reader.wait(timeoutMs: 50)
        }
        #expect(problem?.code == .noInput, "\(String(describing: problem))")
        #expect(problem?.message == "topic \"\(topic)\" was deleted while it was read")
    }

    @Test func aBrokerThatIsAwayIsNoDeletedTopic() throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        reader.readValuesOnly()
        let seal = try #require(try readAll(reader).last?.seal)
        let anchor = TopicAnchor(partition: 0, end: 1, seal: seal)
        let watch = KafkaTopicWatch(mock.configuration, topic: topic, partitionCount: 1, known: anchor)
        defer { watch.stop() }
        func awaitLook() {
            let look = watch.lookNow()
            let deadline = ContinuousClock.now + Self.patience
            while !watch.isSure(since: look), ContinuousClock.now < deadline { usleep(1000) }
            #expect(watch.isSure(since: look))
        }
        awaitLook()
        mock.set(broker: 1, isUp: false)
        let away = watch.lookNow()
        // It looks, and learns nothing.
        while watch.lookNow() <= away + 1 { usleep(1000) }
        #expect(!watch.isSure(since: away))
        #expect(try watch.requireSame() == 1)
        mock.set(broker: 1, isUp: true)
        awaitLook()
        #expect(try watch.requireSame() == 1)
    }

    @Test func anotherRecordAtTheOffsetIsAnotherTopic() throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1, 2])], mark: nil)
        for (anchor, words) in [
            (TopicAnchor(partition: 0, end: 1, seal: 77), "has another record at offset 0"),
            (TopicAnchor(partition: 0, end: 5, seal: 77), "ends at offset 2, and was read up to 5"),
        ] {
            let reader = try store.makeReader(topic: topic)
            reader.keepWatch(from: anchor)
            let problem = problem {
                try reader.requireSame()
                usleep(1000)
            }
            #expect(
                problem?.code == .badData && problem?.message.contains(words) == true, "\(String(describing: problem))")
        }
    }

    @Test func anOffsetThatTheBrokerDoesNotHaveAnyMoreEndsReading() throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1, 2])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        #expect(try readAll(reader).count == 1)
        let problem = problem {
            // Each time: a real broker has it no more the next time it is asked.
            mock.failFetchesOutOfRange(count: 1)
            _ = try reader.read(partition: 0, from: 2)
            try reader.wait(timeoutMs: 50)
        }
        #expect(problem?.code == .badData, "\(String(describing: problem))")
        #expect(problem?.message.contains("was made anew while it was read") == true)
    }
}
