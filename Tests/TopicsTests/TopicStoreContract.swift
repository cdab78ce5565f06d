import Foundation
import Problems
import Synchronization
import Testing
import Topics

/// One thing that every topic backend must do; run on an open store, under topic names of its own.
struct ContractCheck: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// What a stand-in for a backend may be without; the check is left out there.
    var needs: Set<Need> = []
    var run: @Sendable (ContractStore) throws -> Void

    enum Need: Sendable { case deletion, descriptions, missingTopics, marks, timeSeeks }
}

/// A store under contract, with what its kind legitimately does in its own way.
struct ContractStore: Sendable {
    var topics: any TopicStore
    /// Kafka's offsets have gaps where transactions end, it seeks times to the record, does not tell sizes and event times of a
    /// partition, and needs no topic of ours to be there: that one is missing is for later (`.unavailable`).
    var isKafka: Bool
    var codeOfMissingTopics: Problem.Code { isKafka ? .unavailable : .noInput }
}

/// What `TopicStore` promises, whatever lies behind it.
let topicStoreContract: [ContractCheck] = [
    ContractCheck(testDescription: "keeps order within a partition") { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 3)
        let writer = try store.makeWriter()
        for round in 0..<5 {
            try writer.append(
                (0..<3).map { batch(topic, $0, (1...round + 1).map { Int64(round * 10 + $0) }) }, mark: nil)
        }
        for partition in 0..<3 {
            let read = try readAll(store, topic, partition)
            #expect(
                read.map(\.record.timestamp)
                    == (0..<5).flatMap { round in (1...round + 1).map { Int64(round * 10 + $0) } })
            expectOffsets(read.map(\.offset), backend)
        }
    },
    ContractCheck(testDescription: "gives records back as they were") { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 1)
        // Kafka's clients take a time that is not above 0 for "now".
        let records = [
            TopicRecord(key: nil, value: nil, timestamp: backend.isKafka ? 1 : -1),
            TopicRecord(key: [], value: [], timestamp: backend.isKafka ? 2 : 0),
            TopicRecord(
                key: [0, 255], value: Array("é".utf8),
                headers: [.init(name: "reason", value: [1]), .init(name: "", value: [])], timestamp: 5),
            TopicRecord(
                key: [], value: nil,
                headers: [
                    .init(name: "null", value: nil), .init(name: "empty", value: []), .init(name: "null", value: [0]),
                ],
                timestamp: 6),
        ]
        let pending = try #require(PendingBatch(topic: topic, partition: 0, records: records))
        try store.makeWriter().append([pending], mark: nil)
        #expect(try readAll(store, topic, 0).map(\.record) == records)
    },
    ContractCheck(testDescription: "gives results the keys that their query has declared") { backend in
        var columns = [
            ResultColumns.Column(name: "company", kind: .text), ResultColumns.Column(name: "day", kind: .day),
            ResultColumns.Column(name: "area", kind: .number), ResultColumns.Column(name: "trips", kind: .number),
        ]
        columns[0].texts = ["Flash Cab", "O\"Hare", ""].map { Array($0.utf8) }
        let cells: [[Int64]] = [[0, 1, 2], [19_826, 19_827, 19_828], [28, 8, 77], [1, 2, 3]]
        for (index, cells) in cells.enumerated() { columns[index].cells = cells }
        let cases: [(key: [Int], expected: [String?])] = [
            ([], [nil, nil, nil]), ([0], ["Flash Cab", "O\"Hare", ""]),
            ([1], ["2024-04-13", "2024-04-14", "2024-04-15"]),
            ([2], ["28", "8", "77"]),
            (
                [2, 0],
                [
                    #"{"area":28,"company":"Flash Cab"}"#, #"{"area":8,"company":"O\"Hare"}"#,
                    #"{"area":77,"company":""}"#,
                ]
            ),
        ]
        for (key, expected) in cases {
            let topic = try newTopic(in: backend.topics, partitions: 1)
            let pending = PendingBatch(
                topic: topic, partition: 0, count: 3, times: 1000...1000, encoding: .results,
                payload: ResultColumns(columns: columns, key: key).encode())
            try backend.topics.makeWriter().append([pending], mark: nil)
            var read: [TopicRecord] = []
            try backend.topics.makeReader(topic: topic, untilEnd: true).forEachBatch(of: 0, in: 0..<3) { batch in
                read += try batch.records()
                return read.count < 3
            }
            #expect(read.map { $0.key.map { String(decoding: $0, as: UTF8.self) } } == expected, "\(key)")
            // Inside a batch too.
            let first = read.first.map { String(decoding: $0.value ?? [], as: UTF8.self) }
            #expect(first == #"{"company":"Flash Cab","day":"2024-04-13","area":28,"trips":1}"#)
        }
    },
    ContractCheck(testDescription: "appends to all partitions and topics or to none") { backend in
        let store = backend.topics
        let (first, second) = (try newTopic(in: store, partitions: 1), try newTopic(in: store, partitions: 1))
        let writer = try store.makeWriter()
        let problem = #expect(throws: Problem.self) {
            try writer.append([batch(first, 0, [1]), batch(second, 0, [2]), batch(second, 9, [3])], mark: nil)
        }
        #expect(problem?.code == .usage)
        #expect(try readAll(store, first, 0).isEmpty)
        #expect(try readAll(store, second, 0).isEmpty)
        try writer.append([batch(first, 0, [1]), batch(second, 0, [2])], mark: nil)
        #expect(try readAll(store, first, 0).count == 1)
        #expect(try readAll(store, second, 0).count == 1)
    },
    ContractCheck(testDescription: "keeps the order of what is submitted, in a hurry or not") { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 3)
        let writer = try store.makeWriter()
        for time: Int64 in 1...6 {
            let batches = (0..<3).map { batch(topic, $0, [time, time]) }
            if time == 5 {
                try writer.append(batches, mark: nil)
            } else {
                try writer.submit(batches, promptly: time == 3 || time == 4)
            }
        }
        try writer.flush()
        for partition in 0..<3 {
            let times = try readAll(store, topic, partition).map(\.record.timestamp)
            #expect(times == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
        }
    },
    ContractCheck(testDescription: "appends what has a mark once", needs: [.marks]) { backend in
        let store = backend.topics
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
        var next = mark
        next.sequence = 8
        next.position = []
        #expect(try writer.append([], mark: next), "a mark alone is stored as well")
        // On Kafka another writer takes the producer over, so the first one is done with.
        let other = try store.makeWriter()
        #expect(try !other.append([batch(topic, 0, [1, 2])], mark: mark), "nor by another writer")
        #expect(try readAll(store, topic, 0).count == 2)
        var stored = try #require(try store.makeWriter().takeOver(producer: producer).last)
        // Kafka keeps a mark with the offsets of some topic, whether it came with some or not.
        stored.progress = nil
        #expect(stored == next)
    },
    ContractCheck(testDescription: "refuses a producer that was taken over", needs: [.marks]) { backend in
        let store = backend.topics
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
    ContractCheck(testDescription: "seeks by offset") { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 1)
        let writer = try store.makeWriter()
        for base in [1, 4, 7] as [Int64] {
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
    ContractCheck(testDescription: "seeks by time", needs: [.timeSeeks]) { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 2)
        let writer = try store.makeWriter()
        try writer.append([batch(topic, 0, [100, 150])], mark: nil)
        try writer.append([batch(topic, 0, [90, 120])], mark: nil)
        try writer.append([batch(topic, 0, [200])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        #expect(try reader.offsets(from: .min) == [0, 0])
        #expect(try reader.offsets(from: 150) == [backend.isKafka ? 1 : 0, 0])
        #expect(try reader.offsets(from: 151) == [4, 0])
        #expect(try reader.offsets(from: 201) == [5, 0])
    },
    ContractCheck(testDescription: "lets several writers append at once", needs: [.marks]) { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 2)
        let (writers, rounds) = (4, 25)
        let errors = inParallel(writers) { index in
            let writer = try store.makeWriter()
            for round in 0..<rounds {
                let time = Int64((index + 1) * 1000 + round)
                try writer.append(
                    [batch(topic, 0, [time, time]), batch(topic, 1, [time])],
                    mark: ProducerMark(producer: "\(topic)-\(index)", epoch: 1, sequence: Int64(round)))
            }
        }
        #expect(errors.isEmpty, "\(errors)")
        for (partition, each) in [(0, 2), (1, 1)] {
            let read = try readAll(store, topic, partition)
            expectOffsets(read.map(\.offset), backend)
            for index in 0..<writers {
                let own = read.map(\.record.timestamp).filter { $0 / 1000 == Int64(index + 1) }
                #expect(own == own.sorted())
                #expect(own.count == rounds * each)
            }
        }
    },
    ContractCheck(testDescription: "wakes a reader that waits") { backend in
        let store = backend.topics
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
    ContractCheck(testDescription: "creates a topic once and describes it", needs: [.descriptions]) { backend in
        let store = backend.topics
        // Kafka's broker removes by the clock, and the records here are of 1970.
        let century: Int64 = 100 * 366 * 86_400_000
        let topic = try newTopic(in: store, partitions: 3, retentionMs: century)
        try store.createTopic(topic, partitions: 3, retentionMs: nil)
        let problem = #expect(throws: Problem.self) { try store.createTopic(topic, partitions: 4, retentionMs: nil) }
        #expect(problem?.message.contains("has 3 partitions, not 4") == true)
        try store.makeWriter().append([batch(topic, 1, [30, 10, 20])], mark: nil)
        let description = try store.describe(topic)
        #expect(description.name == topic)
        #expect(description.retentionMs == century)
        #expect(description.recordCount == 3)
        #expect(description.partitions.map(\.id) == [0, 1, 2])
        #expect(description.partitions.map(\.endOffset) == [0, 3, 0])
        #expect(description.partitions.map(\.times) == (backend.isKafka ? [nil, nil, nil] : [nil, 10...30, nil]))
        #expect(description.partitions.map { $0.bytes > 0 } == [false, !backend.isKafka, false])
        #expect(try store.topics().contains { $0.name == topic })
    },
    ContractCheck(testDescription: "tells the nearest name where there is no such topic", needs: [.missingTopics]) {
        backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 1)
        let mistyped = topic.replacing("contract", with: "contarct")
        let uses: [@Sendable () throws -> Void] = [
            { _ = try store.describe(mistyped) }, { _ = try store.makeReader(topic: mistyped) },
            { try store.deleteTopic(mistyped) },
            { try store.makeWriter().append([batch(mistyped, 0, [1])], mark: nil) },
        ]
        for use in uses {
            let problem = #expect(throws: Problem.self) { try use() }
            #expect(problem?.code == backend.codeOfMissingTopics)
            #expect(problem?.hint?.contains(topic) == true)
        }
    },
    ContractCheck(testDescription: "refuses names and numbers that Kafka would refuse") { backend in
        let store = backend.topics
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
    ContractCheck(testDescription: "deletes a topic with its records", needs: [.deletion]) { backend in
        let store = backend.topics
        let topic = try newTopic(in: store, partitions: 1)
        try store.makeWriter().append([batch(topic, 0, [1])], mark: nil)
        let reader = try store.makeReader(topic: topic)
        try store.deleteTopic(topic)
        #expect(try !store.topics().contains { $0.name == topic })
        func expectGone(_ code: Problem.Code, _ comment: Comment) {
            let problem = #expect(throws: Problem.self, comment) { try reader.read(partition: 0, from: 0) }
            #expect(problem?.code == code, comment)
        }
        expectGone(.noInput, "while there is none of its name")
        try store.createTopic(topic, partitions: 1, retentionMs: nil)
        #expect(try readAll(store, topic, 0).isEmpty)
        // Kafka knows topics by their names alone here.
        if !backend.isKafka { expectGone(.badData, "where another one took its name") }
    },
]

/// Offsets grow; embedded they have no gaps.
private func expectOffsets(
    _ offsets: [Int64], _ backend: ContractStore, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(zip(offsets, offsets.dropFirst()).allSatisfy { $0 < $1 }, "\(offsets)", sourceLocation: sourceLocation)
    if !backend.isKafka { #expect(offsets == Array(0..<Int64(offsets.count)), sourceLocation: sourceLocation) }
}

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

func readAll(_ store: any TopicStore, _ topic: String, _ partition: Int) throws -> [(
    offset: Int64, record: TopicRecord
)] {
    let reader = try store.makeReader(topic: topic)
    var read: [(Int64, TopicRecord)] = []
    while let batch = try reader.read(partition: partition, from: read.last.map { $0.0 + 1 } ?? 0) {
        // A batch may begin before what was asked for.
        for (index, record) in try RecordBatch.decode(batch.payload).enumerated()
        where batch.baseOffset + Int64(index) >= (read.last.map { $0.0 + 1 } ?? 0) {
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
