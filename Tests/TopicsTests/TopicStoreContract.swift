import Foundation
import Problems
import Synchronization
import Testing
import Topics

/// One thing that every topic backend must do; run on an open store, under topic names of its own.
struct ContractCheck: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var run: @Sendable (any TopicStore) throws -> Void
}

/// What `TopicStore` promises, whatever lies behind it.
let topicStoreContract: [ContractCheck] = [
    ContractCheck(testDescription: "keeps order within a partition and leaves no gap in the offsets") { store in
        let topic = try newTopic(in: store, partitions: 3)
        let writer = try store.makeWriter()
        for round in 0..<5 {
            try writer.append(
                (0..<3).map { batch(topic, $0, (0...round).map { Int64(round * 10 + $0 + 1) }) }, mark: nil)
        }
        for partition in 0..<3 {
            let read = try readAll(store, topic, partition)
            var expected: [Int64] = []
            for round in 0..<5 as Range<Int64> { expected += (0...round).map { round * 10 + $0 + 1 } }
            #expect(read.map(\.record.timestamp) == expected)
            #expect(read.map(\.offset) == Array(0..<Int64(read.count)), "there is no mark, so there are no gaps")
        }
    },
    ContractCheck(testDescription: "gives records back as they were") { store in
        let topic = try newTopic(in: store, partitions: 1)
        // Kafka has no times before 1970.
        let first: Int64 = store.keepsColumns ? -1 : 1
        let records = [
            TopicRecord(key: nil, value: nil, timestamp: first), TopicRecord(key: [], value: [], timestamp: first + 1),
            TopicRecord(
                key: [0, 255], value: Array("é".utf8),
                headers: [.init(name: "reason", value: [1]), .init(name: "", value: [])], timestamp: 5),
        ]
        let pending = try #require(PendingBatch(topic: topic, partition: 0, records: records))
        try store.makeWriter().append([pending], mark: nil)
        #expect(try readAll(store, topic, 0).map(\.record) == records)
    },
    ContractCheck(testDescription: "appends to all partitions and topics or to none") { store in
        let (first, second) = (try newTopic(in: store, partitions: 1), try newTopic(in: store, partitions: 1))
        let writer = try store.makeWriter()
        let problem = #expect(throws: Problem.self) {
            try writer.append([batch(first, 0, [1]), batch(second, 0, [2]), batch(second, 9, [3])], mark: nil)
        }
        #expect(problem?.code == .usage)
        #expect(try count(store, first) == 0)
        #expect(try count(store, second) == 0)
        try writer.append([batch(first, 0, [1]), batch(second, 0, [2])], mark: nil)
        #expect(try count(store, first) == 1)
        #expect(try count(store, second) == 1)
    },
    ContractCheck(testDescription: "appends what has a mark once") { store in
        let topic = try newTopic(in: store, partitions: 1)
        let producer = topic
        let writer = try store.makeWriter()
        let (epoch, last) = try writer.takeOver(producer: producer)
        #expect(last == nil)
        let mark = ProducerMark(producer: producer, epoch: epoch, sequence: 7, position: [1, 2])
        #expect(try writer.append([batch(topic, 0, [1, 2])], mark: mark))
        #expect(try !writer.append([batch(topic, 0, [1, 2])], mark: mark))
        var earlier = mark
        earlier.sequence = 6
        #expect(try !writer.append([batch(topic, 0, [1, 2])], mark: earlier))
        #expect(try !store.makeWriter().append([batch(topic, 0, [1, 2])], mark: mark), "nor by another writer")
        #expect(try count(store, topic) == 2)
        var next = mark
        next.sequence = 8
        next.position = []
        #expect(try writer.append([], mark: next), "a mark alone is stored as well")
        var found = try store.makeWriter().takeOver(producer: producer).last
        found?.progress = nil
        #expect(found == next)
    },
    ContractCheck(testDescription: "refuses a producer that was taken over") { store in
        let topic = try newTopic(in: store, partitions: 1)
        let (older, newer) = (try store.makeWriter(), try store.makeWriter())
        let first = try older.takeOver(producer: topic)
        try older.append([batch(topic, 0, [1])], mark: ProducerMark(producer: topic, epoch: first.epoch, sequence: 1))
        let second = try newer.takeOver(producer: topic)
        #expect(second.epoch > first.epoch)
        #expect(second.last?.sequence == 1)
        // Also before the newer one has written anything.
        let problem = #expect(throws: Problem.self) {
            try older.append(
                [batch(topic, 0, [2])], mark: ProducerMark(producer: topic, epoch: first.epoch, sequence: 2))
        }
        #expect(problem?.code == .unavailable)
        try newer.append([batch(topic, 0, [3])], mark: ProducerMark(producer: topic, epoch: second.epoch, sequence: 0))
        #expect(try readAll(store, topic, 0).map(\.record.timestamp) == [1, 3])
    },
    ContractCheck(testDescription: "seeks by offset") { store in
        let topic = try newTopic(in: store, partitions: 1)
        let writer = try store.makeWriter()
        for base in [0, 3, 6] as [Int64] {
            try writer.append([batch(topic, 0, [base, base + 1, base + 2])], mark: nil)
        }
        let reader = try store.makeReader(topic: topic)
        #expect(reader.topic == topic)
        #expect(reader.partitionCount == 1)
        for offset in 0..<Int64(9) {
            let found = try #require(try reader.read(partition: 0, from: offset))
            #expect((found.baseOffset..<found.baseOffset + Int64(found.count)).contains(offset))
        }
        #expect(try reader.read(partition: 0, from: -5)?.baseOffset == 0)
        #expect(try reader.read(partition: 0, from: 9) == nil)
        #expect(try reader.read(partition: 0, from: .max) == nil)
        #expect(try reader.offsets() == [0..<9])
        let problem = #expect(throws: Problem.self) { try reader.read(partition: 1, from: 0) }
        #expect(problem?.code == .usage)
    },
    ContractCheck(testDescription: "seeks by time") { store in
        let topic = try newTopic(in: store, partitions: 2)
        let writer = try store.makeWriter()
        try writer.append([batch(topic, 0, [100, 150])], mark: nil)
        try writer.append([batch(topic, 0, [90, 120])], mark: nil)
        try writer.append([batch(topic, 0, [200])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        #expect(try reader.offsets(from: .min) == [0, 0])
        // Embedded batches know their greatest time, Kafka each record's.
        #expect(try reader.offsets(from: 150) == [store.keepsColumns ? 0 : 1, 0])
        #expect(try reader.offsets(from: 151) == [4, 0])
        #expect(try reader.offsets(from: 201) == [5, 0])
    },
    ContractCheck(testDescription: "lets several writers append at once") { store in
        let topic = try newTopic(in: store, partitions: 2)
        let (writers, rounds) = (4, 25)
        let errors = inParallel(writers) { index in
            let writer = try store.makeWriter()
            for round in 0..<rounds {
                let time = Int64(index * 1000 + round + 1)
                try writer.append(
                    [batch(topic, 0, [time, time]), batch(topic, 1, [time])],
                    mark: ProducerMark(producer: "\(topic)-\(index)", epoch: 1, sequence: Int64(round)))
            }
        }
        #expect(errors.isEmpty, "\(errors)")
        for (partition, each) in [(0, 2), (1, 1)] {
            let read = try readAll(store, topic, partition)
            #expect(read.count == writers * rounds * each)
            #expect(zip(read, read.dropFirst()).allSatisfy { $0.offset < $1.offset })
            if store.keepsColumns { #expect(read.map(\.offset) == Array(0..<Int64(read.count))) }
            for index in 0..<writers {
                let own = read.map(\.record.timestamp).filter { $0 / 1000 == Int64(index) }
                #expect(own == own.sorted())
                #expect(own.count == rounds * each)
            }
        }
    },
    ContractCheck(testDescription: "wakes a reader that waits") { store in
        let topic = try newTopic(in: store, partitions: 1)
        let reader = try store.makeReader(topic: topic)
        #expect(try reader.read(partition: 0, from: 0) == nil)
        let errors = inParallel(1) { _ in
            try store.makeWriter().append([batch(topic, 0, [1])], mark: nil)
        }
        #expect(errors.isEmpty)
        // The append came after the last read, so there is nothing to wait for.
        try reader.wait(timeoutMs: 60_000)
        #expect(try reader.read(partition: 0, from: 0)?.count == 1)
        try reader.wait(timeoutMs: 0)
        let (waiting, writing) = (reader, try store.makeWriter())
        nonisolated(unsafe) let writer = writing
        let thread = Thread { _ = try? writer.append([batch(topic, 0, [2])], mark: nil) }
        thread.start()
        while try waiting.read(partition: 0, from: 1) == nil { try waiting.wait(timeoutMs: 60_000) }
    },
    ContractCheck(testDescription: "creates a topic once and describes it") { store in
        let topic = try newTopic(in: store, partitions: 3, retentionMs: 5000)
        try store.createTopic(topic, partitions: 3, retentionMs: nil)
        let problem = #expect(throws: Problem.self) { try store.createTopic(topic, partitions: 4, retentionMs: nil) }
        #expect(problem?.message.contains("has 3 partitions, not 4") == true)
        try store.makeWriter().append([batch(topic, 1, [30, 10, 20])], mark: nil)
        let description = try store.describe(topic)
        #expect(description.name == topic)
        #expect(description.retentionMs == 5000)
        #expect(description.recordCount == 3)
        #expect(description.partitions.map(\.id) == [0, 1, 2])
        #expect(description.partitions.map(\.endOffset) == [0, 3, 0])
        // Kafka does not tell.
        if store.keepsColumns {
            #expect(description.partitions.map(\.times) == [nil, 10...30, nil])
            #expect(description.partitions[1].bytes > 0)
        }
        #expect(try store.topics().contains { $0.name == topic })
    },
    ContractCheck(testDescription: "tells the nearest name where there is no such topic") { store in
        let topic = try newTopic(in: store, partitions: 1)
        let mistyped = topic.replacing("contract", with: "contarct")
        let uses: [@Sendable () throws -> Void] = [
            { _ = try store.describe(mistyped) }, { _ = try store.makeReader(topic: mistyped) },
            { try store.deleteTopic(mistyped) },
            { try store.makeWriter().append([batch(mistyped, 0, [1])], mark: nil) },
        ]
        for use in uses {
            let problem = #expect(throws: Problem.self) { try use() }
            #expect(problem?.code == (store.keepsColumns ? .noInput : .unavailable))
            #expect(problem?.hint?.contains(topic) == true)
        }
    },
    ContractCheck(testDescription: "refuses names and numbers that Kafka would refuse") { store in
        for name in ["", ".", "..", "a b", "é", "a/b", String(repeating: "x", count: 250)] {
            let problem = #expect(throws: Problem.self) { try store.createTopic(name, partitions: 1, retentionMs: nil) }
            #expect(problem?.code == .usage, "\(name)")
        }
        for partitions in [0, -1] {
            #expect(throws: Problem.self) {
                try store.createTopic("contract", partitions: partitions, retentionMs: nil)
            }
        }
        #expect(throws: Problem.self) { try store.createTopic("contract", partitions: 1, retentionMs: 0) }
    },
    ContractCheck(testDescription: "deletes a topic with its records") { store in
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        try store.deleteTopic(topic)
        #expect(try !store.topics().contains { $0.name == topic })
        try store.createTopic(topic, partitions: 1, retentionMs: nil)
        #expect(try count(store, topic) == 0)
        // Kafka's protocol, as far as librdkafka speaks it, does not tell the two topics apart.
        guard store.keepsColumns else { return }
        let problem = #expect(throws: Problem.self, "the reader's topic is gone") {
            try reader.read(partition: 0, from: 0)
        }
        #expect(problem?.code == .noInput)
    },
]

/// A topic that no other check uses.
func newTopic(in store: any TopicStore, partitions: Int, retentionMs: Int64? = nil) throws -> String {
    let name = "contract-\(UUID().uuidString)"
    try store.createTopic(name, partitions: partitions, retentionMs: retentionMs)
    return name
}

/// A batch of records with these event times.
func batch(_ topic: String, _ partition: Int, _ times: [Int64]) -> PendingBatch {
    PendingBatch(
        topic: topic, partition: partition,
        records: times.map { TopicRecord(key: Array("k".utf8), value: Array("\($0)".utf8), timestamp: $0) })!
}

/// How many records all partitions of a topic have; offsets may have gaps, so they are read.
func count(_ store: any TopicStore, _ topic: String) throws -> Int {
    try (0..<(store.partitionCount(of: topic) ?? 0)).reduce(0) { try $0 + readAll(store, topic, $1).count }
}

func readAll(_ store: any TopicStore, _ topic: String, _ partition: Int) throws -> [(
    offset: Int64, record: TopicRecord
)] {
    let reader = try store.makeReader(topic: topic)
    var read: [(Int64, TopicRecord)] = []
    while let batch = try reader.read(partition: partition, from: read.last.map { $0.0 + 1 } ?? 0) {
        for (index, record) in try RecordBatch.decode(batch.payload).enumerated() {
            read.append((batch.baseOffset + Int64(index), record))
        }
    }
    return read
}

/// Runs `body` on `count` threads of their own; blocking calls have no place on Swift's pool.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) -> [String] {
    let errors = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: count) { index in
        do { try body(index) } catch { errors.withLock { $0.append("\(error)") } }
    }
    return errors.withLock { $0 }
}
