import Foundation
import Kafka
import Problems
import Synchronization
import Telemetry

/// Sees every few seconds, on a thread and a connection of its own, whether a topic that is read is there, is still the same, and how many
/// partitions it has: librdkafka asks for that every five minutes, and goes on in whatever topic has the name.
///
/// The brokers' protocol knows topics by id; librdkafka 2.0 does not tell it. So the last record that was read is read again: while it is
/// there the topic is the one that it was read from. What no broker answers to says nothing.
///
/// `@unchecked Sendable`: what several threads touch is in `state`, the rest is the watching thread's alone.
final class KafkaTopicWatch: @unchecked Sendable {
    private struct State {
        var partitionCount: Int
        var failure: Problem?
        /// The first record that was read, and the newest.
        var first: TopicAnchor?
        var newest: TopicAnchor?
        /// The record that the last look has found again, or that an earlier run knew.
        var known: TopicAnchor?
        /// Looks that have begun, and the last that has found nothing wrong.
        var begun = 0
        var sure = 0
        var isUrgent = false
        var isStopped = false
    }

    private let configuration: KafkaConfiguration
    private let topic: String
    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let hasEnded = DispatchSemaphore(value: 0)
    private var peeker: KafkaConsumer?
    private var misses = 0
    private var hasWarned = false

    /// How long between two looks; while something seems to be wrong, less.
    private static let interval = Duration.seconds(3)
    private static let urgentInterval = Duration.milliseconds(300)
    /// A broker that has just started may not know of a topic yet: it is gone when so many looks in a row, and so far apart, miss it.
    private static let missesUntilGone = 5
    private static let missInterval = Duration.seconds(2)

    init(_ configuration: KafkaConfiguration, topic: String, partitionCount: Int, known: TopicAnchor?) {
        (self.configuration, self.topic) = (configuration, topic)
        state = Mutex(State(partitionCount: partitionCount, known: known))
        let thread = Thread { [self] in work() }
        thread.name = "kafka-watch"
        thread.start()
    }

    /// Notes a record that came from the topic.
    func noteRead(_ record: TopicAnchor) {
        state.withLock { state in
            state.first = state.first ?? record
            state.newest = record
        }
    }

    /// How many partitions the topic has, as of the last look.
    ///
    /// - Throws: what the last look has found to be wrong.
    func requireSame() throws -> Int {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.partitionCount
        }
    }

    /// The last record of which it is known that it is of this topic.
    var anchor: TopicAnchor? { state.withLock { $0.known ?? $0.first } }

    /// Looks at once.
    ///
    /// - Returns: the number of that look, for `isSure`.
    func lookNow() -> Int {
        defer { wake.signal() }
        return state.withLock { state in
            state.isUrgent = true
            return state.begun + 1
        }
    }

    /// Whether that look, or a later one, has found nothing wrong.
    func isSure(since look: Int) -> Bool { state.withLock { $0.sure >= look } }

    /// Waits until it has ended.
    func stop() {
        state.withLock { $0.isStopped = true }
        wake.signal()
        hasEnded.wait()
    }
}

// MARK: - Looking

extension KafkaTopicWatch {
    private func work() {
        while let number = waitForNext() {
            do {
                try look(number)
            } catch let problem as Problem {
                state.withLock { $0.failure = $0.failure ?? problem }
            } catch {
                // No broker answers, or not in time: that says nothing of the topic.
                KafkaConsumer.letGo(of: &peeker)
            }
        }
        KafkaConsumer.letGo(of: &peeker)
        hasEnded.signal()
    }

    /// The number of the next look, when it is due; nil at the end.
    private func waitForNext() -> Int? {
        let start = ContinuousClock.now
        while true {
            let now = state.withLock { $0 }
            if now.isStopped { return nil }
            // Nothing gets better by looking on.
            guard now.failure == nil else {
                wake.wait()
                continue
            }
            var pause = misses > 0 ? Self.missInterval : Self.interval
            if now.isUrgent { pause = min(pause, Self.urgentInterval) }
            let left = pause - start.duration(to: .now)
            if left <= .zero { break }
            _ = wake.wait(timeout: .now() + left / .seconds(1))
        }
        return state.withLock { state in
            state.isUrgent = false
            state.begun += 1
            return state.begun
        }
    }

    private func look(_ number: Int) throws {
        // Before the first look the topic may have been made anew: then only what was read first is of the one that was begun with.
        let (newest, known, count) = state.withLock { ($0.newest, $0.known ?? $0.first, $0.partitionCount) }
        let peeker = try self.peeker ?? KafkaConsumer(configuration, topic: topic, partitionCount: 1, isPeeking: true)
        self.peeker = peeker
        guard let found = try peeker.client.look(atTopic: topic) else {
            misses += 1
            if misses >= Self.missesUntilGone { throw Problem.deletedWhileRead(topic) }
            return
        }
        misses = 0
        guard found.partitionCount >= count else {
            throw Problem.madeAnewWhileRead(topic, "it has \(found.partitionCount) partitions, and had \(count)")
        }
        var isKnown = try known.map { try isThere($0, peeker) } ?? false
        // What is gone by now says nothing of the topic, but the newest record does.
        if !isKnown, let newest, newest != known { isKnown = try isThere(newest, peeker) }
        if !isKnown, known != nil, !hasWarned {
            hasWarned = true
            Logger("kafka").warning(
                "the last record that was read of topic \"\(topic)\" is not there any more: whether the topic is still the same cannot be told until more are read"
            )
        }
        state.withLock { state in
            state.partitionCount = found.partitionCount
            state.known = newest ?? known
            state.sure = number
        }
    }

    /// Whether a record is where it was read; false where nobody can tell.
    private func isThere(_ record: TopicAnchor, _ peeker: KafkaConsumer) throws -> Bool {
        switch try peeker.peek(partition: record.partition, at: record.end - 1, isStopped: { self.isEnding }) {
        case .record(let seal) where seal == record.seal: return true
        case .record:
            throw Problem.madeAnewWhileRead(
                topic,
                "partition \(record.partition) has another record at offset \(record.end - 1) than the one that was read there"
            )
        case .beyondEnd(let end):
            throw Problem.madeAnewWhileRead(
                topic, "partition \(record.partition) ends at offset \(end), and was read up to \(record.end)")
        case .gone: return false
        }
    }

    private var isEnding: Bool { state.withLock { $0.isStopped } }
}

// MARK: - One record

/// What lies at an offset.
enum KafkaPeek: Equatable {
    case record(seal: Int64)
    /// No record, though others lie behind it, or before it: it was removed, or is none, such as the end of a transaction.
    case gone
    /// The partition ends before it.
    case beyondEnd(Int64)
}

extension KafkaConsumer {
    /// Carries the last reference to another thread.
    private final class Parcel: @unchecked Sendable {
        // Whoever gives it away has no part in it any more.
        var consumer: KafkaConsumer?
        init(_ consumer: KafkaConsumer?) { self.consumer = consumer }
    }

    /// Ends a consumer without waiting for it: librdkafka 2.0 may not come back from that where the topic was deleted meanwhile.
    static func letGo(of consumer: inout KafkaConsumer?) {
        let parcel = Parcel(consumer)
        consumer = nil
        if parcel.consumer != nil { Thread.detachNewThread { parcel.consumer = nil } }
    }

    private static let peekTime = Duration.milliseconds(1500)

    /// Looks at one record.
    ///
    /// - Throws: `KafkaError` where no broker answers in time.
    func peek(partition: Int, at offset: Int64, isStopped: () -> Bool) throws -> KafkaPeek {
        try start(partition: partition, at: offset)
        defer { stop(partition: partition) }
        let deadline = ContinuousClock.now + Self.peekTime
        var found: KafkaPeek?
        do {
            while found == nil {
                guard !isStopped(), ContinuousClock.now < deadline else { throw KafkaError.noAnswer }
                _ = try poll(partition: partition, timeoutMs: 100) { event in
                    guard found == nil else { return }
                    switch event {
                    case .end(let end): found = end > offset ? .gone : .beyondEnd(end)
                    case .messages(let messages):
                        let first = messages[0]
                        found = first.offset == offset ? .record(seal: first.seal) : .gone
                    }
                }
            }
        } catch let error as KafkaError where error.isOutOfRange {
            if try offset < client.look(atOffsetOf: topic, partition: partition, time: -2) { return .gone }
            return .beyondEnd(try client.look(atOffsetOf: topic, partition: partition, time: -1))
        }
        return found ?? .gone
    }
}

extension KafkaMessage {
    var seal: Int64 { KafkaSeal.seal(offset: offset, timestamp: timestampMs, key: key, value: value) }
}
