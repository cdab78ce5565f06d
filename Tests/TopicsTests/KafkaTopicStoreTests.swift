import TestSupport
import Foundation
import Kafka
import KafkaSupport
import Problems
import Testing

@testable import Topics

/// The contract, and what only Kafka does, on a real broker: see `KafkaBroker` for where it comes from.
@Suite(.enabled(if: KafkaBroker.isAvailable, "needs ../shared/kafka/kafka.sh and Java 17, or TAXI_TEST_KAFKA"))
struct KafkaTopicStoreTests {
    let configuration: KafkaConfiguration
    let store: KafkaTopicStore

    init() throws {
        configuration = KafkaConfiguration(servers: try KafkaBroker.sharedServers())
        store = try KafkaTopicStore(configuration, tenant: "")
    }

    @Test(arguments: topicStoreContract) func holdsTheContract(_ check: ContractCheck) throws {
        try check.run(ContractStore(topics: store, isKafka: true))
    }

    @Test func holdsTheContractWhereRecordsMayComeTwice() throws {
        let store = try KafkaTopicStore(configuration, tenant: "", delivery: .atLeastOnce)
        // Nobody is fenced there, and two writers of one name do not see each other's marks.
        let fencing: Set = ["refuses a producer that was taken over", "appends what has a mark once"]
        for check in topicStoreContract where !fencing.contains(check.testDescription) {
            try check.run(ContractStore(topics: store, isKafka: true))
        }
    }

    /// librdkafka goes on trying, with the words that it has for a broker that is away.
    @Test("a topic that is deleted under its writer is named", arguments: ["submitted", "appended", "with a mark"])
    func isMissedByItsWriter(_ how: String) throws {
        let (topic, other) = (try newTopic(in: store, partitions: 1), try newTopic(in: store, partitions: 1))
        let writer = try store.makeWriter()
        let producer = "deleted-\(UUID().uuidString.lowercased())"
        let epoch = how == "with a mark" ? try writer.takeOver(producer: producer).epoch : 0
        func append(_ number: Int64) throws {
            let batches = [batch(other, 0, [number]), batch(topic, 0, [number])]
            switch how {
            case "submitted":
                try writer.submit(batches, promptly: true)
                try writer.flush()
            case "appended": try writer.append(batches, mark: nil)
            default:
                try writer.append(
                    batches, mark: ProducerMark(producer: producer, epoch: epoch, sequence: number, position: [1]))
            }
        }
        try append(1)
        try store.deleteTopic(topic)
        let problem = #expect(throws: Problem.self) { try append(2) }
        #expect(problem?.message == "topic \"\(topic)\" was deleted while it was written to")
        #expect(problem?.code == .unavailable)
    }

    // MARK: What lies between the records

    @Test func readsAcrossAbortedTransactionsAndTheEndsOfAll() throws {
        let topic = try newTopic(in: store, partitions: 1)
        let producer = try KafkaProducer(configuration, transactionalID: topic)
        try producer.initTransactions()
        _ = try producer.partitionCount(of: topic)
        for (round, isCommitted) in [true, false, true, false].enumerated() {
            try producer.begin()
            for index in 1...3 {
                try producer.send(
                    topic: topic, partition: 0, key: nil, value: nil, timestampMs: Int64(round * 10 + index))
            }
            if isCommitted {
                try producer.commit()
            } else {
                try producer.finish()
                try producer.abort()
            }
        }
        // Each transaction takes its three records and one more offset.
        let read = try readAll(store, topic, 0)
        #expect(read.map(\.offset) == [0, 1, 2, 8, 9, 10])
        #expect(read.map(\.record.timestamp) == [1, 2, 3, 21, 22, 23])
        let reader = try store.makeReader(topic: topic)
        #expect(try reader.offsets() == [0..<16])
        #expect(try reader.read(partition: 0, from: 3)?.baseOffset == 8, "from within a gap")
        #expect(try reader.read(partition: 0, from: 11) == nil)
        #expect(reader.next(partition: 0, after: 11) == 16, "an aborted end is passed over")
    }

    @Test func seesNothingOfAnOpenTransaction() throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1])], mark: nil)
        let producer = try KafkaProducer(configuration, transactionalID: topic)
        try producer.initTransactions()
        _ = try producer.partitionCount(of: topic)
        try producer.begin()
        try producer.send(topic: topic, partition: 0, key: nil, value: nil, timestampMs: 2)
        try producer.finish()
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [1])
        #expect(try store.makeReader(topic: topic).offsets() == [0..<1])
        try producer.commit()
        // The commit is sure by now; the broker marks its end in the partition a moment later.
        let reader = try store.makeReader(topic: topic)
        while try reader.read(partition: 0, from: 1) == nil { try reader.wait(timeoutMs: 60_000) }
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [1, 2])
    }

    @Test func readsOnWhereRecordsWereRemoved() throws {
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1, 2, 3, 4, 5])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        let folder = try TemporaryFolder()
        let request = #"{"partitions": [{"topic": "\#(topic)", "partition": 0, "offset": 3}], "version": 1}"#
        try Data(request.utf8).write(to: URL(fileURLWithPath: folder("delete.json")))
        try KafkaBroker.tool(
            "delete-records",
            ["--bootstrap-server", configuration.servers, "--offset-json-file", folder("delete.json")])
        #expect(try reader.offsets() == [3..<5])
        #expect(try reader.read(partition: 0, from: 0)?.baseOffset == 3)
        #expect(try reader.offsets(from: .min) == [3])
        #expect(try store.describe(topic).partitions.map(\.startOffset) == [3])
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [4, 5])
    }

    // MARK: Marks

    @Test(arguments: [0, 1, 3000])
    func keepsAPositionWithTheRecords(_ bytes: Int) throws {
        let topic = try newTopic(in: store, partitions: 3)
        let writer = try store.makeWriter()
        let epoch = try writer.takeOver(producer: topic).epoch
        let position = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let mark = ProducerMark(
            producer: topic, epoch: epoch, sequence: 5, position: position,
            progress: .init(topic: topic, offsets: [4, 0, 9]))
        #expect(try writer.append([batch(topic, 2, [1])], mark: mark))
        #expect(try store.makeWriter().takeOver(producer: topic).last == mark)
    }

    @Test func saysThatAPositionIsTooLargeAndLosesNothing() throws {
        let topic = try newTopic(in: store, partitions: 1)
        let writer = try store.makeWriter()
        let epoch = try writer.takeOver(producer: topic).epoch
        func mark(_ sequence: Int64, _ bytes: Int) -> ProducerMark {
            ProducerMark(
                producer: topic, epoch: epoch, sequence: sequence, position: Array(repeating: 7, count: bytes))
        }
        #expect(try writer.append([batch(topic, 0, [1])], mark: mark(1, 10)))
        #expect(throws: Problem.self) { try writer.append([batch(topic, 0, [2])], mark: mark(2, 4000)) }
        let next = try store.makeWriter()
        #expect(try next.takeOver(producer: topic).last?.sequence == 1)
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [1])
    }

    @Test func keepsTheMarksOfTenantsApart() throws {
        let topic = try newTopic(in: store, partitions: 1)
        let (first, second) = (
            try KafkaTopicStore(configuration, tenant: "\(topic)-a"),
            try KafkaTopicStore(configuration, tenant: "\(topic)-b")
        )
        let mark = ProducerMark(producer: "produce", epoch: 1, sequence: 3)
        let writer = try first.makeWriter()
        #expect(try writer.append([batch(topic, 0, [1])], mark: mark))
        #expect(try second.makeWriter().append([batch(topic, 0, [2])], mark: mark))
        var next = mark
        next.sequence = 4
        #expect(try writer.append([batch(topic, 0, [3])], mark: next), "the other tenant has fenced nobody")
    }

    @Test func listsTheTenantsTopicsOnly() throws {
        let tenant = "tenant-\(UUID().uuidString)"
        let own = try KafkaTopicStore(configuration, tenant: tenant)
        for name in ["\(tenant)_b", "\(tenant)_a", "\(tenant)2_c"] { try own.createTopic(name, partitions: 1) }
        #expect(try own.topics().map(\.name) == ["\(tenant)_a", "\(tenant)_b"])
        #expect(try own.topicNames().contains("\(tenant)2_c"))
    }

    @Test func listsTopicsWhileOthersDeleteTheirs() throws {
        let errors = inParallel(3) { index in
            for _ in 0..<6 {
                if index == 0 {
                    _ = try store.topics()
                } else {
                    try store.deleteTopic(
                        try newTopic(in: try KafkaTopicStore(configuration, tenant: ""), partitions: 1))
                }
            }
        }
        #expect(errors.isEmpty, "\(errors)")
    }

    @Test func keepsMarksWithoutTransactionsWhereRecordsMayComeTwice() throws {
        let store = try KafkaTopicStore(configuration, tenant: "", delivery: .atLeastOnce)
        let topic = try newTopic(in: store, partitions: 1)
        let writer = try store.makeWriter()
        let epoch = try writer.takeOver(producer: topic).epoch
        let mark = ProducerMark(producer: topic, epoch: epoch, sequence: 1, position: [9])
        #expect(try writer.append([batch(topic, 0, [1, 2])], mark: mark))
        #expect(try !writer.append([batch(topic, 0, [1, 2])], mark: mark))
        let next = ProducerMark(producer: topic, epoch: epoch, sequence: 2, position: [10])
        try writer.append([batch(topic, 0, [3])], mark: next)
        #expect(try readAll(store, topic, 0).map(\.offset) == [0, 1, 2], "there is no transaction, so there is no gap")
        #expect(try store.makeWriter().takeOver(producer: topic).last?.position == [10])
    }

    @Test func writesResultsAsJSON() throws {
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

    // MARK: The topics' settings

    @Test func makesTopicsForTimesLongPast() throws {
        let topic = try newTopic(in: store, partitions: 1)
        #expect(try store.describe(topic).retentionMs == nil)
        let deadLetter = "\(topic)_deadLetter"
        try store.createTopic(deadLetter, partitions: 1)
        let large = TopicRecord(key: nil, value: Array(repeating: 65, count: 3 << 20), timestamp: 1)
        let pending = try #require(PendingBatch(topic: deadLetter, partition: 0, records: [large]))
        try store.makeWriter().append([pending], mark: nil)
        #expect(try readAll(store, deadLetter, 0).map(\.record) == [large])
    }

    // MARK: What topics of others do not take

    /// A topic that somebody else has made.
    private func foreign(_ ending: String, _ settings: [String: String]) throws -> String {
        let topic = "foreign-\(UUID().uuidString)\(ending)"
        try KafkaAdmin(configuration).createTopic(topic, partitions: 1, replication: nil, settings: settings)
        while try store.partitionCount(of: topic) == nil {}
        return topic
    }

    /// Through a writer that may see the topics' settings, and through one that may not; in a transaction, or not.
    private func append(_ records: [TopicRecord], to topic: String, sees: Bool, marked: Bool) throws -> [TopicRecord] {
        let writer: any TopicWriter =
            sees
            ? try store.makeWriter()
            : try KafkaTopicWriter(configuration, namespace: "", delivery: .exactlyOnce) { _ in nil }
        let batch = try #require(PendingBatch(topic: topic, partition: 0, records: records))
        let mark = ProducerMark(
            producer: topic, epoch: marked ? try writer.takeOver(producer: topic).epoch : 0, sequence: 1,
            progress: .init(topic: topic, offsets: [1]))
        try writer.append([batch], mark: marked ? mark : nil)
        // A commit is acknowledged before its records are shown; who takes over waits until they are.
        if marked { _ = try store.makeWriter().takeOver(producer: topic) }
        return try readAll(store, topic, 0).map(\.record)
    }

    @Test(arguments: [(true, true), (true, false), (false, true), (false, false)])
    func aTimeTooFarAheadIsClampedAndKept(sees: Bool, marked: Bool) throws {
        let topic = try foreign("", ["message.timestamp.after.max.ms": "3600000"])
        let times = [systemTime() + 7_200_000, systemTime(), 1000]
        let records = times.map { TopicRecord(key: nil, value: [1], timestamp: $0) }
        let read = try append(records, to: topic, sees: sees, marked: marked)
        #expect(read.map(\.timestamp).dropFirst() == times.dropFirst() && read[0].timestamp < times[0])
        #expect(read.map { $0.headers.map(\.name) } == [["event_timestamp"], [], []])
    }

    @Test(arguments: [true, false]) func aClockThatDiffersIsFoundOutByWhatIsRefused(old: Bool) throws {
        // As if the broker's clock were far behind ours, or the writer knew nothing of the bounds.
        let topic = try foreign(
            "", old ? ["message.timestamp.before.max.ms": "3600000"] : ["message.timestamp.after.max.ms": "1000"])
        let times = old ? [1000] : [systemTime() + 1_800_000]
        let records = times.map { TopicRecord(key: nil, value: [1], timestamp: $0) }
        let read = try append(records, to: topic, sees: false, marked: true)
        #expect(read.map { $0.headers.map(\.name) } == [["event_timestamp"]])
    }

    @Test(arguments: [(true, true), (true, false), (false, true)])
    func aDeadLetterIsCutToWhatItsTopicTakes(sees: Bool, marked: Bool) throws {
        let topic = try foreign("_deadLetter", ["max.message.bytes": "100000"])
        let large = TopicRecord(
            key: Array("k".utf8), value: (0..<3 << 20).map { _ in UInt8.random(in: 0...255) },
            headers: [.init(name: "own", value: [7])], timestamp: 5)
        let small = TopicRecord(key: nil, value: nil, timestamp: 6)
        let read = try append([large, small], to: topic, sees: sees, marked: marked)
        try #require(read.count == 2)
        #expect(read[1] == small)
        #expect(read[0].key == large.key && read[0].timestamp == 5)
        #expect(large.value?.starts(with: try #require(read[0].value)) == true)
        #expect(read[0].value.map { $0.count > 20_000 && $0.count < 100_000 } == true)
        #expect(read[0].headers.map(\.name) == ["own", "cut"])
    }

    @Test func topicsOfOursTakeAnyTime() throws {
        let topic = try newTopic(in: store, partitions: 1)
        let times: [Int64] = [1, systemTime() + 400 * 86_400_000]
        try store.makeWriter().append([batch(topic, 0, times)], mark: nil)
        let read = try readAll(store, topic, 0).map(\.record)
        #expect(read.map(\.timestamp) == times && read.allSatisfy { $0.headers.isEmpty })
    }

    @Test func saysThatARecordIsTooLargeForItsTopic() throws {
        let topic = try newTopic(in: store, partitions: 1)
        let large = TopicRecord(key: nil, value: (0..<3 << 20).map { _ in UInt8.random(in: 0...255) }, timestamp: 1)
        let pending = try #require(PendingBatch(topic: topic, partition: 0, records: [large]))
        let writer = try store.makeWriter()
        let problem = #expect(throws: Problem.self) { try writer.append([pending], mark: nil) }
        #expect(problem?.code == .unavailable)
        #expect(problem?.message.contains(topic) == true)
        try writer.append([batch(topic, 0, [2])], mark: nil)
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [2])
    }
}
