import Problems
import Synchronization
import Topics
import Time
import Trips

@testable import Replay

/// Topics in memory whose appends can be made slow, and can fail before or after they were stored.
final class MemoryTopicStore: TopicStore {
    enum Fault: Sendable { case before, after }
    struct Crash: Error {}

    struct State {
        var partitions: [String: [[PendingBatch]]] = [:]
        var producers: [String: (epoch: Int64, last: ProducerMark?)] = [:]
        var appends = 0
        var faults: [Int: Fault] = [:]
    }
    private let state = Mutex(State())
    /// Called in each append, with its number from 0.
    let onAppend: @Sendable (Int) -> Void

    init(onAppend: @escaping @Sendable (Int) -> Void = { _ in }) { self.onAppend = onAppend }

    /// The append with this number (from 0, counted over all writers) fails.
    func fail(append: Int, _ fault: Fault) { state.withLock { $0.faults[append] = fault } }
    var appends: Int { state.withLock { $0.appends } }

    func position(of producer: String) -> [UInt8]? { state.withLock { $0.producers[producer]?.last?.position } }
    func setPosition(_ position: [UInt8], of producer: String) {
        state.withLock { $0.producers[producer]?.last?.position = position }
    }

    func batches(_ topic: String, _ partition: Int) -> [PendingBatch] {
        state.withLock { $0.partitions[topic]?[partition] ?? [] }
    }

    /// The trips of each partition, as `lineEncoder` wrote them.
    func lines(_ topic: String) -> [[String]] {
        let partitions = state.withLock { $0.partitions[topic] ?? [] }
        return partitions.map { batches in
            batches.flatMap { String(decoding: $0.payload, as: UTF8.self).split(separator: "\n").map(String.init) }
        }
    }

    func deadLetters(_ topic: String) throws -> [TopicRecord] {
        try batches(topic, 0).flatMap { try RecordBatch.decode($0.payload) }
    }

    var keepsColumns: Bool { true }
    var keepsMarksForFree: Bool { true }
    var identity: String { "memory" }
    func marks(ofProducers prefix: String, known: Set<String>) -> [ProducerMark] { [] }
    func topicNames() -> [String] { topics().map(\.name) }
    func partitionCount(of topic: String) -> Int? { topics().first { $0.name == topic }?.partitions.count }

    func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws {
        try state.withLock { state in
            if let existing = state.partitions[name] {
                guard existing.count == partitions else {
                    throw Problem(.usage, "topic \"\(name)\" has other partitions")
                }
            } else {
                state.partitions[name] = Array(repeating: [], count: partitions)
            }
        }
    }
    func deleteTopic(_ name: String) { state.withLock { $0.partitions[name] = nil } }
    func topics() -> [TopicDescription] {
        state.withLock { state in
            state.partitions.sorted { $0.key < $1.key }.map { name, partitions in
                let described = partitions.enumerated().map { id, batches in
                    let end = Int64(batches.reduce(0) { $0 + $1.count })
                    return TopicDescription.Partition(id: id, startOffset: 0, endOffset: end, bytes: 0, times: nil)
                }
                return TopicDescription(name: name, partitions: described, retentionMs: nil)
            }
        }
    }
    func describe(_ topic: String) throws -> TopicDescription {
        guard let found = topics().first(where: { $0.name == topic }) else {
            throw Problem(.noInput, "no topic \"\(topic)\"")
        }
        return found
    }
    func makeWriter() -> any TopicWriter { Writer(self) }
    func makeReader(topic: String) throws -> any TopicReader { throw Problem(.software, "not read in these tests") }

    private final class Writer: TopicWriter {
        let store: MemoryTopicStore
        init(_ store: MemoryTopicStore) { self.store = store }

        func lastMark(of producer: String) -> ProducerMark? {
            store.state.withLock { $0.producers[producer]?.last }
        }

        func takeOver(producer: String) -> (epoch: Int64, last: ProducerMark?) {
            store.state.withLock { state in
                let before = state.producers[producer]
                let epoch = (before?.epoch ?? 0) + 1
                state.producers[producer] = (epoch, before?.last)
                return (epoch, before?.last)
            }
        }

        func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool {
            let number = store.state.withLock { state in
                defer { state.appends += 1 }
                return state.appends
            }
            store.onAppend(number)
            return try store.state.withLock { state in
                let fault = state.faults[number]
                if fault == .before { throw Crash() }
                if let mark {
                    let known = state.producers[mark.producer]
                    guard mark.epoch >= known?.epoch ?? 0 else {
                        throw Problem(.unavailable, "a newer producer took over")
                    }
                    if let last = known?.last, (mark.epoch, mark.sequence) <= (last.epoch, last.sequence) {
                        return false
                    }
                    state.producers[mark.producer] = (mark.epoch, mark)
                }
                for batch in batches { state.partitions[batch.topic]?[batch.partition].append(batch) }
                if fault == .after { throw Crash() }
                return true
            }
        }
    }
}

/// Writes a trip as `trip_id@event time`, one a line.
func encodeLines(_ batch: TripBatch, _ rows: UnsafeBufferPointer<Int32>) -> [UInt8] {
    rows.flatMap { row in Array("\(batch.string(.tripID, Int(row)) ?? "?")@\(batch.eventTimes[Int(row)])\n".utf8) }
}

/// An input of trips, rejects and filtered rows, read a few at a time.
final class ScriptedFeed: TripFeed {
    enum Row: Sendable { case trip(id: Int, time: EventTime), reject, filtered }
    private(set) var counts = TripCounts()
    private let rows: [Row]
    private let skip: Int
    private let limit: Int
    private let chunk: Int
    private var next = 0
    private var rejects: [Reject] = []

    init(_ rows: [Row], skip: Int, limit: Int?, chunk: Int) {
        (self.rows, self.skip, self.limit, self.chunk) = (rows, skip, limit ?? .max, chunk)
    }

    func next(into batch: TripBatch) -> Bool {
        repeat {
            batch.reset()
            batch.fields = TripFieldSet([.tripID, .taxiID])
            let end = min(rows.count, next + chunk)
            if next == end || counts.delivered == limit { return false }
            while next < end, counts.delivered < limit { take(rows[next], into: batch) }
        } while batch.count == 0
        return true
    }

    private func take(_ row: Row, into batch: TripBatch) {
        next += 1
        counts.read += 1
        switch row {
        case .filtered: counts.filtered["fare", default: 0] += 1
        case .reject:
            counts.rejected[.badMoney, default: 0] += 1
            let location = InputLocation(file: "trips.csv", line: next + 1, column: 5)
            rejects.append(
                Reject(reason: .badMoney, detail: "\"x\"", location: location, bytes: Array("row \(next)".utf8)))
        case .trip(let id, let time):
            counts.delivered += 1
            guard counts.delivered > skip else { return }
            batch.column(.tripID)[batch.count] = batch.keep(Array("\(id)".utf8)).cell
            batch.column(.taxiID)[batch.count] = id % 11 == 0 ? 0 : batch.keep(Array("taxi \(id % 7)".utf8)).cell
            batch.eventTimes[batch.count] = time
            batch.count += 1
        }
    }

    func takeRejects() -> [Reject] {
        defer { rejects = [] }
        return rejects
    }
}

/// Everything a replay test needs, with a clock turned by hand and appends that take 3 ms.
final class Bench {
    let clock = ManualClock()
    let store: MemoryTopicStore
    let rows: [ScriptedFeed.Row]
    let chunk: Int
    var options: ReplayOptions
    static let ingest = "chicago_ingestData"
    static let deadLetter = "chicago_deadLetter"

    init(
        rows: [ScriptedFeed.Row], pace: Pace, clockKind: EventClock = .start, limit: Int? = nil, key: RecordKey = .taxi,
        partitions: Int = 3, chunk: Int = 50, appendNs: @escaping @Sendable (Int) -> Int64 = { _ in 3_000_000 }
    ) throws {
        (self.rows, self.chunk) = (rows, chunk)
        let zone = try ZoneClock(identifier: "America/Chicago")
        options = ReplayOptions(
            paths: ["trips.csv"], source: TripSourceOptions(clock: clockKind, limit: limit, zone: zone), pace: pace,
            key: key,
            partitions: partitions)
        let clock = clock
        store = MemoryTopicStore { clock.advance(byNs: appendNs($0)) }
    }

    /// Another process over the same topics.
    init(of other: Bench) {
        (store, rows, chunk, options) = (other.store, other.rows, other.chunk, other.options)
    }

    /// - Parameter failure: what opening the input meets.
    func replayer(depth: Int = 0, failing failure: Problem? = nil) -> Replayer {
        let output = TopicOutput(store: store, options: options, encode: encodeLines)
        let (rows, chunk) = (rows, chunk)
        return Replayer(options: options, output: output, clock: clock, commitDepth: depth) { skip, limit in
            if let failure { throw failure }
            return ScriptedFeed(rows, skip: skip, limit: limit, chunk: chunk)
        }
    }
}

/// `count` trips a second apart, from 2024-01-01T06:00:00Z.
func trips(_ count: Int) -> [ScriptedFeed.Row] {
    (0..<count).map { .trip(id: $0, time: 1_704_088_800_000 + Int64($0) * 1000) }
}
