internal import CRdKafka
import Foundation
import Glibc
public import Problems

/// One record as the client lends it; valid inside the call that shows it.
public struct KafkaMessage {
    let raw: UnsafeMutablePointer<rd_kafka_message_t>

    public var offset: Int64 { raw.pointee.offset }
    public var key: UnsafeRawBufferPointer? {
        raw.pointee.key.map { UnsafeRawBufferPointer(start: $0, count: raw.pointee.key_len) }
    }
    public var value: UnsafeRawBufferPointer? {
        raw.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: raw.pointee.len) }
    }
    /// As the record's producer stamped it, ms UTC; 0 where it did not.
    public var timestampMs: Int64 {
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        return max(0, rd_kafka_message_timestamp(raw, &kind))
    }
    /// A value is nil where the header is a null one.
    public var headers: [(name: String, value: [UInt8]?)] {
        var list: OpaquePointer?
        guard rd_kafka_message_headers(raw, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [] }
        var headers: [(String, [UInt8]?)] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while rd_kafka_header_get_all(list, headers.count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            let bytes = value.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: size)) }
            headers.append((name.map { String(cString: $0) } ?? "", bytes))
        }
        return headers
    }
}

/// Records of one partition in the order of their offsets, as the client lends them; valid inside the call that shows them, but for
/// those that a loan keeps.
public struct KafkaMessages {
    fileprivate let raw: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>
    public let count: Int

    /// The record at `index`, which is not kept yet.
    public subscript(index: Int) -> KafkaMessage { KafkaMessage(raw: raw[index].unsafelyUnwrapped) }
}

/// Records that stay where the client put them until they are given back: reading them needs no copy. Used by one thread at a time.
///
/// `@unchecked Sendable`: who fills a loan hands it over, and has no part in it any more.
public final class KafkaLoan: @unchecked Sendable {
    /// The client must be there as long as its records.
    private let client: KafkaClient
    private var messages: [UnsafeMutablePointer<rd_kafka_message_t>] = []

    fileprivate init(_ client: KafkaClient) { self.client = client }
    deinit { giveBack() }

    /// Keeps a record.
    public func keep(_ index: Int, of shown: KafkaMessages) {
        guard let message = shown.raw[index] else { return }
        messages.append(message)
        shown.raw[index] = nil
    }

    /// A record that is kept, in the order in which they were.
    public subscript(index: Int) -> KafkaMessage { KafkaMessage(raw: messages[index]) }

    /// Ends the loan: none of its records may be looked at any more.
    public func giveBack() {
        for message in messages { rd_kafka_message_destroy(message) }
        messages.removeAll()
    }
}

/// Reads partitions of one topic from offsets that the caller names, without any group; committed records only.
///
/// Each partition has a bounded queue of its own: one that nobody reads from does not fill the memory. Used by one thread at a time.
public final class KafkaConsumer {
    public enum Event {
        case messages(KafkaMessages)
        /// Nothing comes before this offset any more: all that lay there was read, or holds no record.
        case end(offset: Int64)
    }

    public let client: KafkaClient
    public let topic: String
    private let handle: OpaquePointer
    /// Partitions that are fetched, with their queues.
    private var started: [Int: OpaquePointer] = [:]
    /// Becomes readable when an empty queue gets something.
    private let wake: Int32
    private var messages: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>

    private let waker: FetchWaker
    /// Bytes taken of each partition since its fetching was last woken, and after how many it is again.
    private var taken: [Int: Int] = [:]
    private let wakeBytes: Int

    private static let messagesPerCall = 4096
    /// Prefetched records of all partitions together.
    private static let prefetchKiB = 48 << 10

    /// - Parameters:
    ///   - waitMs: how long a broker keeps a question for records when it has none. Other questions wait behind it.
    ///   - isPeeking: whether it is to fetch no more than somebody needs who looks at one record.
    public init(
        _ configuration: KafkaConfiguration, topic: String, partitionCount: Int, waitMs: Int = 100,
        isPeeking: Bool = false
    ) throws(Problem) {
        let perPartition = max(1024, Self.prefetchKiB / max(1, partitionCount))
        wakeBytes = perPartition << 9
        client = try KafkaClient(
            .consumer, configuration,
            settings: [
                "fetch.wait.max.ms": "\(waitMs)", "queued.max.messages.kbytes": "\(perPartition)",
                "queued.min.messages": "50000", "fetch.message.max.bytes": "2097152", "fetch.error.backoff.ms": "100",
                "statistics.interval.ms": "0",
            ],
            fixed: [
                "enable.partition.eof": "true", "isolation.level": "read_committed", "enable.auto.commit": "false",
                // Reading without a group; the client wants a name all the same.
                "group.id": "taxi-cli",
                // Where an offset is gone, only the reader can say what that means.
                "auto.offset.reset": "error",
            ].merging(isPeeking ? ["fetch.message.max.bytes": "1024", "queued.min.messages": "1"] : [:]) { $1 })
        self.topic = topic
        wake = taxi_kafka_wakefd()
        guard wake >= 0, let handle = rd_kafka_topic_new(client.raw, topic, nil) else {
            if wake >= 0 { close(wake) }
            throw Problem(.inputOutput, "cannot read topic \"\(topic)\": \(Problem.text(errno))")
        }
        self.handle = handle
        waker = FetchWaker(client, topic: topic)
        messages = .allocate(capacity: Self.messagesPerCall)
    }

    deinit {
        waker.stop()
        for partition in started.keys { stop(partition: partition) }
        rd_kafka_topic_destroy(handle)
        messages.deallocate()
        close(wake)
    }

    /// Reads a partition from here on; where it was read from elsewhere, what was fetched is dropped.
    public func start(partition: Int, at offset: Int64) throws(KafkaError) {
        stop(partition: partition)
        guard let queue = rd_kafka_queue_get_partition(client.raw, topic, Int32(partition)),
            rd_kafka_consume_start(handle, Int32(partition), offset) == 0
        else { throw KafkaError(rd_kafka_last_error()) }
        started[partition] = queue
        var one: UInt64 = 1
        withUnsafeBytes(of: &one) { rd_kafka_queue_io_event_enable(queue, wake, $0.baseAddress, $0.count) }
    }

    /// Fetches a partition no more; does nothing where it is not fetched.
    public func stop(partition: Int) {
        guard let queue = started.removeValue(forKey: partition) else { return }
        // The client must not write to the descriptor any more: the number may soon be another file's.
        rd_kafka_queue_io_event_enable(queue, -1, nil, 0)
        rd_kafka_queue_destroy(queue)
        rd_kafka_consume_stop(handle, Int32(partition))
    }

    public func makeLoan() -> KafkaLoan { KafkaLoan(client) }

    /// Shows what has come of a partition, waiting up to `timeoutMs` for the first of it.
    ///
    /// - Returns: whether more may be there already.
    /// - Throws: what the client met; reading may go on where it is a matter of the connection.
    public func poll(partition: Int, timeoutMs: Int32, _ body: (Event) throws -> Void) throws -> Bool {
        rd_kafka_poll(client.raw, 0)
        // The call that takes many waits for all of them, so it does not wait at all, and one that takes one does.
        var count = rd_kafka_consume_batch(handle, Int32(partition), 0, messages, Self.messagesPerCall)
        if count == 0, timeoutMs > 0, let first = rd_kafka_consume(handle, Int32(partition), timeoutMs) {
            messages[0] = first
            count =
                1 + max(0, rd_kafka_consume_batch(handle, Int32(partition), 0, messages + 1, Self.messagesPerCall - 1))
        }
        guard count >= 0 else { throw KafkaError(rd_kafka_last_error()) }
        defer {
            // What a loan keeps is gone from here.
            for index in 0..<count { if let message = messages[index] { rd_kafka_message_destroy(message) } }
        }
        noteTaken(partition, count)
        var index = 0
        while index < count {
            let first = index
            while index < count, messages[index].unsafelyUnwrapped.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                index += 1
            }
            if index > first { try body(.messages(KafkaMessages(raw: messages + first, count: index - first))) }
            guard index < count else { break }
            let other = messages[index].unsafelyUnwrapped
            guard other.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF else {
                throw KafkaError(other.pointee.err, rd_kafka_message_errstr(other).map { String(cString: $0) })
            }
            try body(.end(offset: other.pointee.offset))
            index += 1
        }
        return count == Self.messagesPerCall
    }

    private func noteTaken(_ partition: Int, _ count: Int) {
        let bytes = (0..<count).reduce(0) { $0 + messages[$1].unsafelyUnwrapped.pointee.len }
        taken[partition, default: 0] += bytes
        guard taken[partition, default: 0] >= wakeBytes else { return }
        taken[partition] = 0
        waker.wake(partition)
    }

    /// Waits until some partition has got something since the last call, at most `timeoutMs`.
    public func wait(timeoutMs: Int) {
        rd_kafka_poll(client.raw, 0)
        var waiting = pollfd(fd: wake, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&waiting, 1, Int32(clamping: timeoutMs)) > 0 else { return }
        var count: UInt64 = 0
        _ = Glibc.read(wake, &count, MemoryLayout<UInt64>.size)
    }

    /// The offset behind the newest record of a partition, as of the last answer with records of it; nil before there was one.
    public func newestEnd(partition: Int) -> Int64? {
        var (low, high) = (Int64(-1), Int64(-1))
        guard
            rd_kafka_get_watermark_offsets(client.raw, topic, Int32(partition), &low, &high)
                == RD_KAFKA_RESP_ERR_NO_ERROR
        else { return nil }
        return high < 0 ? nil : high
    }

    /// What the client last met that kept it from reading; nil where all is well.
    public var trouble: KafkaError? { client.events.last }
}

/// Makes a client fetch on as soon as its queue has room again.
///
/// librdkafka stops fetching a partition whose queue is full, and looks again when its broker's thread next has something to do, or
/// after a second (before its version 2.2 there is no property for that): a reader that is slower than the network would spend most
/// of the second waiting. Asking the partition's leader for an offset gives that thread something to do.
///
/// `@unchecked Sendable`: what both threads touch is used under the condition's lock.
private final class FetchWaker: @unchecked Sendable {
    private let client: KafkaClient
    private let topic: String
    private let condition = NSCondition()
    private var wanted: Set<Int> = []
    private var isStopped = false
    private var hasEnded = false

    init(_ client: KafkaClient, topic: String) {
        (self.client, self.topic) = (client, topic)
        let thread = Thread { [self] in work() }
        thread.name = "kafka-waker"
        thread.start()
    }

    func wake(_ partition: Int) {
        condition.withLock {
            wanted.insert(partition)
            condition.broadcast()
        }
    }

    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
            while !hasEnded { condition.wait() }
        }
    }

    private func work() {
        while let partitions = next() {
            for partition in partitions where !condition.withLock({ isStopped }) {
                let list = rd_kafka_topic_partition_list_new(1)
                rd_kafka_topic_partition_list_add(list, topic, Int32(partition)).pointee.offset = -2
                // The answer does not matter.
                rd_kafka_offsets_for_times(client.raw, list, 500)
                rd_kafka_topic_partition_list_destroy(list)
            }
        }
        condition.withLock {
            hasEnded = true
            condition.broadcast()
        }
    }

    private func next() -> Set<Int>? {
        condition.withLock {
            while wanted.isEmpty, !isStopped { condition.wait() }
            guard !isStopped else { return nil }
            defer { wanted.removeAll() }
            return wanted
        }
    }
}
