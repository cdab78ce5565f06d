import Foundation
import Problems
import Synchronization
import Testing
import Topics
import Time
import Trips

@testable import Replay

/// A store whose appends fail before or after they were made, or let somebody else go first.
private final class FailingStore: TopicStore {
    enum Fault: Sendable, CaseIterable { case before, after }
    struct Crash: Error {}

    let store: EmbeddedTopicStore
    private let number = Mutex(0)
    /// Called with the number of each append that has a mark, from 0; gives how it fails.
    let onAppend: @Sendable (Int) throws -> Fault?

    init(_ store: EmbeddedTopicStore, onAppend: @escaping @Sendable (Int) throws -> Fault? = { _ in nil }) {
        (self.store, self.onAppend) = (store, onAppend)
    }

    var keepsColumns: Bool { true }
    var keepsMarksForFree: Bool { true }
    var identity: String { store.identity }
    func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws {
        try store.createTopic(name, partitions: partitions, replication: replication, retentionMs: retentionMs)
    }
    func deleteTopic(_ name: String) throws { try store.deleteTopic(name) }
    func topics() throws -> [TopicDescription] { try store.topics() }
    func topicNames() throws -> [String] { try store.topicNames() }
    func partitionCount(of topic: String) throws -> Int? { try store.partitionCount(of: topic) }
    func describe(_ topic: String) throws -> TopicDescription { try store.describe(topic) }
    func marks(ofProducers prefix: String, known: Set<String>) throws -> [ProducerMark] { [] }
    func makeReader(topic: String) throws -> any TopicReader { try store.makeReader(topic: topic) }
    func makeWriter() throws -> any TopicWriter { Writer(self, try store.makeWriter()) }

    private final class Writer: TopicWriter {
        let owner: FailingStore
        let writer: any TopicWriter
        init(_ owner: FailingStore, _ writer: any TopicWriter) { (self.owner, self.writer) = (owner, writer) }
        func lastMark(of producer: String) throws -> ProducerMark? { try writer.lastMark(of: producer) }
        func takeOver(producer: String) throws -> (epoch: Int64, last: ProducerMark?) {
            try writer.takeOver(producer: producer)
        }
        func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool {
            let number = owner.number.withLock { number in
                defer { number += 1 }
                return number
            }
            let fault = try owner.onAppend(number)
            if fault == .before { throw Crash() }
            let isNew = try writer.append(batches, mark: mark)
            if fault == .after { throw Crash() }
            return isNew
        }
    }
}

/// A replay of dead letters over embedded topics, in this process.
@Suite struct DeadLetterReplayRunTests {
    private static let letters = DeadLetterReplay.lettersPerAppend * 2 + 100
    private let folder = FileManager.default.temporaryDirectory.path + "/letters-\(UUID().uuidString)"

    /// Letters of which each seventh cannot be read.
    private func store(_ count: Int = letters) throws -> EmbeddedTopicStore {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let store = try EmbeddedTopicStore(path: "\(folder)/\(UUID().uuidString).db")
        try store.createTopic("chicago_ingestData", partitions: 2)
        try store.createTopic("chicago_deadLetter", partitions: 1)
        try write(count, to: store)
        return store
    }

    private func write(_ count: Int, to store: EmbeddedTopicStore, from first: Int = 0) throws {
        let records = (first..<first + count).map { index in
            let time = RFC3339.string(1_710_000_000_000 + EventTime(index))
            let value = index % 7 == 0 ? "junk \(index)" : "{\"trip_id\":\"\(index)\",\"event_timestamp\":\"\(time)\"}"
            let location = InputLocation(file: "chicago_ingestData/\(index % 2)", line: index, column: 1)
            let reject = Reject(reason: .badMoney, detail: "d", location: location, bytes: [])
            return DeadLetter.record(
                of: reject, from: .topic("chicago_ingestData", partition: index % 2),
                original: TopicRecord(key: nil, value: Array(value.utf8), timestamp: EventTime(index)))
        }
        let batch = try #require(PendingBatch(topic: "chicago_deadLetter", partition: 0, records: records))
        try store.makeWriter().append([batch], mark: nil)
    }

    private func options() throws -> DeadLetterReplayOptions {
        var options = DeadLetterReplayOptions(tenant: "chicago", zone: try ZoneClock(identifier: "America/Chicago"))
        options.clock = ManualClock()
        return options
    }

    private func values(_ topic: String, _ store: any TopicStore) throws -> [String] {
        let reader = try store.makeReader(topic: topic)
        var found: [String] = []
        for (partition, kept) in try reader.offsets().enumerated() {
            try reader.forEachBatch(of: partition, in: kept) { batch in
                found += try batch.records().map { String(decoding: $0.value ?? [], as: UTF8.self) }
                return true
            }
        }
        return found
    }

    private func expectEachOnce(
        _ store: any TopicStore, letters: Int = letters, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let sent = try values("chicago_ingestData", store)
        let hopeless = (letters + 6) / 7
        #expect(sent.count == letters - hopeless && Set(sent).count == sent.count, sourceLocation: sourceLocation)
        let kept = try values("chicago_deadLetter", store)
        #expect(kept.count == letters + hopeless, sourceLocation: sourceLocation)
        #expect(
            Set(kept[letters...]) == Set(kept[..<letters].filter { $0.hasPrefix("junk") }),
            sourceLocation: sourceLocation)
    }

    @Test(arguments: [0, 1, 2], [false, true]) func aCrashAtAnyAppendLosesAndRepeatsNothing(
        _ append: Int, _ isStored: Bool
    ) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store()
        let failing = FailingStore(embedded) { $0 == append ? isStored ? .after : .before : nil }
        #expect(throws: FailingStore.Crash.self) {
            try DeadLetterReplay(options: options(), store: failing).run { false }
        }
        let summary = try DeadLetterReplay(options: options(), store: embedded).run { false }
        let stored = min(Self.letters, (append + (isStored ? 1 : 0)) * DeadLetterReplay.lettersPerAppend)
        #expect(summary.count(.settled) == stored)
        try expectEachOnce(embedded)
        let third = try DeadLetterReplay(options: options(), store: embedded).run { false }
        #expect(third.count(.sent) == 0 && third.count(.settled) == Self.letters)
    }

    @Test func whoWasTakenOverStops() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store()
        let options = try options()
        let failing = FailingStore(embedded) { number in
            guard number == 1 else { return nil }
            // Another process does all that is left while this one is about to append.
            _ = try DeadLetterReplay(options: options, store: embedded).run { false }
            return nil
        }
        let problem = #expect(throws: Problem.self) {
            try DeadLetterReplay(options: options, store: failing).run { false }
        }
        #expect(problem?.code == .unavailable)
        try expectEachOnce(embedded)
    }

    @Test func aStopLosesNothing() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store()
        var asked = 0
        let stopped = try DeadLetterReplay(options: options(), store: embedded).run {
            asked += 1
            return asked > 800
        }
        #expect(stopped.wasStopped && stopped.count(.sent) + stopped.count(.quarantined) == 500)
        _ = try DeadLetterReplay(options: options(), store: embedded).run { false }
        try expectEachOnce(embedded)
    }

    @Test func theRateIsKept() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store(100)
        var options = try options()
        options.rate = 10
        let clock = ManualClock()
        options.clock = clock
        let summary = try DeadLetterReplay(options: options, store: embedded).run { false }
        #expect(summary.count(.sent) + summary.count(.quarantined) == 100)
        #expect(clock.monotonicNs == 9_900_000_000, "the last is due after 9.9 s")
    }

    @Test func lettersOfATopicThatWasMadeAnewAreOthers() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store(10)
        _ = try DeadLetterReplay(options: options(), store: embedded).run { false }
        try embedded.deleteTopic("chicago_deadLetter")
        try embedded.createTopic("chicago_deadLetter", partitions: 1)
        try write(10, to: embedded, from: 100)
        let summary = try DeadLetterReplay(options: options(), store: embedded).run { false }
        #expect(summary.count(.settled) == 0 && summary.count(.sent) == 9)
        #expect(try Set(values("chicago_ingestData", embedded)).count == 17)
    }

    @Test func aDryRunStoresNothing() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store(70)
        var options = try options()
        options.isDryRun = true
        let summary = try DeadLetterReplay(options: options, store: embedded).run { false }
        #expect(summary.fates == ["bad_money": [.sent: 60, .quarantined: 10]])
        #expect(try embedded.topicNames() == ["chicago_deadLetter", "chicago_ingestData"])
        #expect(try values("chicago_ingestData", embedded).isEmpty)
    }

    @Test(arguments: [
        "", "{}", "[1]", #"{"partition":-1,"outcome":"sent","offsets":[],"seals":[]}"#,
        #"{"partition":0,"outcome":"sent","offsets":[1],"seals":[]}"#,
        #"{"partition":0,"outcome":"lost","offsets":[],"seals":[]}"#,
        #"{"partition":0,"outcome":"sent","offsets":[-5],"seals":[1]}"#,
        #"{"partition":0,"outcome":"sent","offsets":[5],"seals":[1],"replaced":[{"topic":"t","partition":0,"offset":-1,"seal":0}]}"#,
        #"{"partition":0,"outcome":"sent","offsets":[99999999999999999999],"seals":[1]}"#,
    ]) func aJournalOfSomebodyElsesIsRefused(_ text: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let embedded = try store(10)
        try embedded.createTopic("chicago_deadLetterReplay", partitions: 1)
        let record = TopicRecord(key: nil, value: Array(text.utf8), timestamp: 0)
        let batch = try #require(PendingBatch(topic: "chicago_deadLetterReplay", partition: 0, records: [record]))
        try embedded.makeWriter().append([batch], mark: nil)
        let problem = #expect(throws: Problem.self) {
            try DeadLetterReplay(options: options(), store: embedded).run { false }
        }
        #expect(problem?.code == .badData)
        #expect(try values("chicago_ingestData", embedded).isEmpty)
    }
}
