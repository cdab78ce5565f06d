import TestSupport
import Basics
import Problems
import Testing
import Time
import Trips

@testable import Topics

@Suite struct TopicTailTests {
    let folder: TemporaryFolder
    let store: EmbeddedTopicStore

    init() throws {
        folder = try TemporaryFolder()
        store = try EmbeddedTopicStore(path: folder("topics.db"), now: { 1_700_000_000_000 })
    }

    /// Appends one batch for each list of times, round the partitions.
    private func fill(_ partitions: [[[EventTime]]]) throws {
        try store.createTopic("t", partitions: partitions.count)
        let writer = try store.makeWriter()
        for (partition, batches) in partitions.enumerated() {
            for times in batches { try writer.append([timed(partition, times)], mark: nil) }
        }
    }

    private func timed(_ partition: Int, _ times: [EventTime]) -> PendingBatch {
        let records = times.map { TopicRecord(key: nil, value: Array("\(partition):\($0)".utf8), timestamp: $0) }
        return PendingBatch(topic: "t", partition: partition, records: records)!
    }

    private func tail(_ start: TopicTail.Start, partition: Int? = nil) throws -> [String] {
        let tail = try TopicTail(
            reader: store.makeReader(topic: "t"), lines: .values(), start: start, partition: partition)
        var text = ""
        try tail.run(following: false) {
            false
        } write: {
            text += String(decoding: $0, as: UTF8.self)
        }
        return text.split(separator: "\n").map(String.init)
    }

    @Test func putsPartitionsTogetherByEventTime() throws {
        try fill([[[1, 4], [9]], [[2, 3, 10]], []])
        #expect(try tail(.beginning) == ["0:1", "1:2", "1:3", "0:4", "0:9", "1:10"])
        #expect(try tail(.beginning, partition: 1) == ["1:2", "1:3", "1:10"])
        #expect(try tail(.beginning, partition: 2) == [])
    }

    @Test func keepsAPartitionsOrderWhateverItsTimes() throws {
        try fill([[[5, 1], [3]], [[2]]])
        #expect(try tail(.beginning) == ["1:2", "0:5", "0:1", "0:3"])
    }

    @Test(
        arguments: [
            (0, []), (1, ["1:10"]), (3, ["0:4", "0:9", "1:10"]), (5, ["1:2", "1:3", "0:4", "0:9", "1:10"]),
            (100, ["0:1", "1:2", "1:3", "0:4", "0:9", "1:10"]),
        ] as [(Int, [String])]) func takesTheLastOfAllPartitions(_ count: Int, _ lines: [String]) throws
    {
        try fill([[[1, 4], [9]], [[2], [3, 10]]])
        #expect(try tail(.last(count)) == lines)
    }

    @Test func takesTheLastOfOnePartition() throws {
        try fill([[[1, 4], [9]]])
        #expect(try tail(.last(2)) == ["0:4", "0:9"])
        #expect(try tail(.last(.max)) == ["0:1", "0:4", "0:9"])
    }

    @Test func startsAtATimeInsideABatch() throws {
        try fill([[[1, 4, 2], [9]], [[2], [3, 10]]])
        #expect(try tail(.time(4)) == ["0:4", "0:2", "0:9", "1:10"])
        #expect(try tail(.time(11)) == [])
    }

    @Test func endsWhereTheTopicEndedAtTheStart() throws {
        try fill([[[1]]])
        let tail = try TopicTail(reader: store.makeReader(topic: "t"), lines: .values(), start: .beginning)
        try store.makeWriter().append([timed(0, [2])], mark: nil)
        var text = ""
        try tail.run(following: false) {
            false
        } write: {
            text += String(decoding: $0, as: UTF8.self)
        }
        #expect(text == "0:1\n")
    }

    @Test func followsWhatComesUntilItIsToldToStop() throws {
        try fill([[[1]], [[2]]])
        let writer = try store.makeWriter()
        let tail = try TopicTail(reader: store.makeReader(topic: "t"), lines: .values(), start: .beginning)
        var text = ""
        var pauses = 0
        try tail.run(following: true) {
            pauses == 3
        } write: { piece in
            text += String(decoding: piece, as: UTF8.self)
            guard piece.isEmpty else { return }
            pauses += 1
            if pauses < 3 { try writer.append([timed(pauses - 1, [EventTime(10 - pauses)])], mark: nil) }
        }
        #expect(text == "0:1\n1:2\n0:9\n1:8\n")
    }

    @Test func refusesAPartitionThatIsNotThere() throws {
        try fill([[[1]]])
        for partition in [-1, 1] {
            let problem = #expect(throws: Problem.self) { try tail(.beginning, partition: partition) }
            #expect(problem?.code == .usage)
        }
    }

    /// Whatever is stored: as if all records of the partitions were merged one by one.
    @Test(arguments: 0..<20) func printsWhatASlowMergeDoes(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let partitions = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            (0..<Int.random(in: 0...4, using: &random)).map { _ in
                (0..<Int.random(in: 1...5, using: &random)).map { _ in EventTime.random(in: 0...30, using: &random) }
            }
        }
        try fill(partitions)
        var queues = partitions.map { Array($0.joined()) }
        var merged: [String] = []
        while let next = queues.indices.filter({ !queues[$0].isEmpty }).min(by: { queues[$0][0] < queues[$1][0] }) {
            merged.append("\(next):\(queues[next].removeFirst())")
        }
        let lines = try tail(.beginning)
        #expect(lines.count == merged.count)
        // Records of one time may stand in any order between partitions.
        #expect(lines.map(time) == merged.map(time))
        for count in 0...merged.count { #expect(try tail(.last(count)).count == count) }
    }

    private func time(_ line: String) -> Substring? { line.split(separator: ":").last }
}

@Suite struct TopicNamesTests {
    @Test func takesANameWithOrWithoutTheTenant() throws {
        let folder = try TemporaryFolder()
        let store = try EmbeddedTopicStore(path: folder("topics.db"))
        try store.createTopic("chicago_ingestData", partitions: 1)
        try store.createTopic("other", partitions: 1)
        #expect(try store.fullName(of: "ingestData", tenant: "chicago") == "chicago_ingestData")
        #expect(try store.fullName(of: "chicago_ingestData", tenant: "chicago") == "chicago_ingestData")
        #expect(try store.fullName(of: "other", tenant: "chicago") == "other")
        let problem = #expect(throws: Problem.self) { try store.fullName(of: "ingstData", tenant: "chicago") }
        #expect(problem?.code == .noInput && problem?.hint == "Did you mean \"ingestData\"?")
    }

    @Test func tellsWhenATopicWasAppendedTo() throws {
        let folder = try TemporaryFolder()
        let store = try EmbeddedTopicStore(path: folder("topics.db"), now: { 42 })
        try store.createTopic("t", partitions: 2)
        #expect(try store.describe("t").lastAppend == nil)
        #expect(try store.describe("t").times == nil)
        try store.makeWriter().append([batch("t", 1, [7, 5])], mark: nil)
        #expect(try store.describe("t").lastAppend == 42)
        #expect(try store.describe("t").times == 5...7)
    }
}

@Suite struct DeadLetterLogTests {
    private func log(reason: String? = nil, limit: Int = .max) throws -> DeadLetterLog {
        let folder = try TemporaryFolder()
        let store = try EmbeddedTopicStore(path: folder("topics.db"))
        try store.createTopic("dead", partitions: 1)
        let writer = try store.makeWriter()
        for line in 1...5 {
            let reject = Reject(
                reason: line == 2 ? .badMoney : .malformedRow, detail: "detail \(line)",
                location: InputLocation(file: "trips.csv", line: line, column: 1), bytes: [UInt8(line)])
            let record = DeadLetter.record(of: reject, from: .file(meantFor: "t"))
            try writer.append([PendingBatch(topic: "dead", partition: 0, records: [record])!], mark: nil)
        }
        let foreign = TopicRecord(key: nil, value: nil, timestamp: 0)
        try writer.append([PendingBatch(topic: "dead", partition: 0, records: [foreign])!], mark: nil)
        let filter = try DeadLetterFilter(reason: reason, terms: [], tenant: "chicago") { _ in nil }
        return try DeadLetterLog(store.makeReader(topic: "dead"), filter: filter, limit: limit)
    }

    @Test func countsTheReasonsAndKeepsTheRecords() throws {
        let log = try log()
        #expect(log.reasons.map(\.reason) == ["malformed_row", "bad_money", "unknown"])
        #expect(log.reasons.map(\.count) == [4, 1, 1])
        #expect(log.entries.map(\.offset) == Array(0..<6))
        let second = log.entries[1]
        #expect(second.reason == "bad_money" && second.source == "trips.csv:2")
        #expect(second.detail == "detail 2" && second.bytes == [2])
        #expect(log.entries[5].reason == "unknown" && log.entries[5].bytes == [])
    }

    @Test(arguments: [(0, []), (1, [4]), (3, [2, 3, 4]), (4, [0, 2, 3, 4]), (9, [0, 2, 3, 4])] as [(Int, [Int64])])
    func keepsTheLastOfAReason(_ limit: Int, _ offsets: [Int64]) throws {
        let log = try log(reason: "malformed_row", limit: limit)
        #expect(log.entries.map(\.offset) == offsets)
        #expect(log.reasons.map(\.count) == [4, 1, 1])
    }
}
