internal import CRdKafka
import Foundation
import Glibc
public import Problems
import Synchronization
import Telemetry

/// Sends records to a cluster, each acknowledged by all replicas in sync, idempotently unless that was given up.
///
/// Payloads are not copied: what they lie in is lent to the producer, which keeps it until each of them was reported on. Used by one thread at
/// a time; a thread of its own polls for delivery reports.
public final class KafkaProducer {
    public let client: KafkaClient
    /// What was sent since the last `turn`, and what before it.
    private var deliveries: DeliveryCount
    private var earlier: DeliveryCount
    private let poller: Poller
    /// Where calls are made that may not come back.
    let calls = DispatchQueue(label: "kafka-calls", attributes: .concurrent)
    private var topics: [String: (handle: OpaquePointer, partitionCount: Int)] = [:]
    /// Of transactions, ms: what is not committed by then the broker gives up. nil for a producer without transactions.
    public let transactionTimeoutMs: Int64?
    /// Whether a call never came back. The client, and all memory that was lent to it, stays until the process ends.
    public internal(set) var isLost = false
    /// A call that is as late as this never comes back. Much longer than a busy machine delays one.
    var lostAfter = Duration.seconds(10)

    /// - Parameters:
    ///   - transactionalID: nil sends without transactions.
    ///   - isIdempotent: false may send a record twice where an acknowledgement is lost.
    ///   - lingerMs: how long a record waits for a fuller request, unless somebody waits in `finish` or `commit`.
    ///   - seal: makes of a message by what it is known again, for `takeEnds`; nil where that is not asked.
    public init(
        _ configuration: KafkaConfiguration, transactionalID: String? = nil, isIdempotent: Bool = true,
        lingerMs: Int = KafkaProducer.patientLingerMs,
        seal: (@Sendable (KafkaMessage) -> Int64)? = nil
    ) throws(Problem) {
        deliveries = DeliveryCount(seal: seal)
        earlier = DeliveryCount(seal: seal)
        var settings = [
            "acks": "all", "compression.codec": "lz4", "linger.ms": "\(lingerMs)", "batch.num.messages": "50000",
            "queue.buffering.max.kbytes": "65536", "statistics.interval.ms": "0",
            // Nothing is given up while a broker is away; a transaction has its own limit.
            "message.timeout.ms": "0",
        ]
        var fixed = ["enable.idempotence": isIdempotent || transactionalID != nil ? "true" : "false"]
        transactionTimeoutMs = transactionalID.map { _ in
            configuration.properties["transaction.timeout.ms"].flatMap { Int64($0) } ?? Self.defaultTransactionTimeoutMs
        }
        if let transactionalID {
            fixed["transactional.id"] = transactionalID
            settings["transaction.timeout.ms"] = "\(Self.defaultTransactionTimeoutMs)"
            settings["message.timeout.ms"] = nil
        }
        client = try KafkaClient(
            .producer, configuration, settings: settings, fixed: fixed, reportsDeliveries: true)
        poller = Poller(client)
    }

    /// Longer than a busy broker takes to answer. An idempotent client of librdkafka has one request of a partition under way, and while
    /// records that have lingered long enough wait for its answer, the client's thread asks the socket again and again without a pause:
    /// up to 2 million times for a million records, at the cost of the processor that parses, compresses and is the broker.
    public static let patientLingerMs = 200
    /// For records that somebody waits for.
    public static let promptLingerMs = 5

    /// Long enough for a broker that is away for a minute; not so long that readers wait for ever behind a producer that was killed.
    public static let defaultTransactionTimeoutMs: Int64 = 120_000

    deinit {
        giveUp()
        poller.stop()
        if isLost {
            for needed: AnyObject in [client, deliveries, earlier] { _ = Unmanaged.passRetained(needed) }
            return
        }
        for topic in topics.values { rd_kafka_topic_destroy(topic.handle) }
    }

    /// How many partitions a topic has, as this client last heard; nil where there is no such topic.
    ///
    /// Makes the client know the topic: the first record to one that it does not know would wait a second.
    public func partitionCount(of topic: String) throws(KafkaError) -> Int? {
        if let known = topics[topic] { return known.partitionCount }
        guard let metadata = try expect(topic) else { return nil }
        guard let handle = rd_kafka_topic_new(client.raw, topic, nil) else { throw KafkaError(rd_kafka_last_error()) }
        topics[topic] = (handle, metadata.partitionCount)
        return metadata.partitionCount
    }

    /// A broker may not have heard yet of a topic that was made through another one.
    private func expect(_ topic: String) throws(KafkaError) -> KafkaClient.TopicMetadata? {
        let start = ContinuousClock.now
        while true {
            if let found = try client.describe(topic: topic) { return found }
            guard start.duration(to: .now) < Self.spreading else { return nil }
            try KafkaPatience.check(since: start)
            usleep(50_000)
        }
    }

    /// How long the news of a topic may take from broker to broker.
    private static let spreading = Duration.seconds(5)

    /// Keeps what the payloads of the next records lie in for as long as the client may read them: until all that was sent by the same `turn`,
    /// `finish` or transaction was delivered or given up; of a client that is lost, until the process ends.
    public func lend(_ memory: any Sendable) { deliveries.keep(memory) }

    /// Hands one record over; waits while the client's queue is full.
    ///
    /// - Parameters:
    ///   - topic: one that `partitionCount` was asked of.
    ///   - timestampMs: above 0; the client takes others for "now".
    /// - Throws: `KafkaError` where the record is not accepted; it is not sent then.
    public func send(
        topic: String, partition: Int, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, timestampMs: Int64,
        headers: [(name: String, value: [UInt8]?)] = []
    ) throws(KafkaError) {
        try send(topic, partition, key, value, flags: 0, timestampMs, headers)
    }

    /// The same with a payload of which the client makes a copy.
    public func sendCopy(
        topic: String, partition: Int, key: [UInt8]?, value: [UInt8]?, timestampMs: Int64,
        headers: [(name: String, value: [UInt8]?)] = []
    ) throws(KafkaError) {
        try (key ?? []).withUnsafeBufferPointer { keyBytes throws(KafkaError) in
            try (value ?? []).withUnsafeBufferPointer { bytes throws(KafkaError) in
                try send(
                    topic, partition, key == nil ? nil : UnsafeRawBufferPointer(keyBytes),
                    value == nil ? nil : UnsafeRawBufferPointer(bytes), flags: RD_KAFKA_MSG_F_COPY, timestampMs, headers
                )
            }
        }
    }

    private func send(
        _ topic: String, _ partition: Int, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?,
        flags: Int32,
        _ timestampMs: Int64, _ headers: [(name: String, value: [UInt8]?)]
    ) throws(KafkaError) {
        guard let handle = topics[topic]?.handle else { throw KafkaError(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) }
        let list = headers.isEmpty ? nil : rd_kafka_headers_new(headers.count)
        for header in headers {
            guard let value = header.value else {
                rd_kafka_header_add(list, header.name, -1, nil, 0)
                continue
            }
            _ = value.withUnsafeBytes { bytes in
                rd_kafka_header_add(list, header.name, -1, bytes.baseAddress ?? Self.empty, bytes.count)
            }
        }
        deliveries.started()
        var since: ContinuousClock.Instant?
        while true {
            let code = taxi_kafka_produce(
                client.raw, handle, Int32(partition), key.map { $0.baseAddress ?? Self.empty }, key?.count ?? 0,
                value.map { $0.baseAddress ?? Self.empty }, value?.count ?? 0, flags, timestampMs, list,
                Unmanaged.passUnretained(deliveries).toOpaque())
            if code == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            // Backpressure: the poll thread makes room as records are delivered.
            if code == RD_KAFKA_RESP_ERR__QUEUE_FULL {
                rd_kafka_poll(client.raw, 10)
                since = since ?? .now
                if let since, KafkaPatience.isOver(since: since) {
                    deliveries.refused()
                    if let list { rd_kafka_headers_destroy(list) }
                    throw KafkaError(givingUpAfter: client.events.last)
                }
                continue
            }
            deliveries.refused()
            if let list { rd_kafka_headers_destroy(list) }
            var error = KafkaError(code, kind: transactionTimeoutMs == nil ? .other : kindOfRefusal(code))
            error.topic = topic
            throw error
        }
    }

    /// A place that is not null, for empty keys and values.
    private static var empty: UnsafeRawPointer { UnsafeRawPointer(bitPattern: 1)! }

    /// A transaction that failed meanwhile refuses further records.
    private func kindOfRefusal(_ code: rd_kafka_resp_err_t) -> KafkaError.Kind {
        switch code {
        case RD_KAFKA_RESP_ERR__FATAL:
            rd_kafka_fatal_error(client.raw, nil, 0) == RD_KAFKA_RESP_ERR__FENCED ? .fenced : .fatal
        case RD_KAFKA_RESP_ERR__FENCED: .fenced
        case RD_KAFKA_RESP_ERR__STATE: .needsAbort
        default: .other
        }
    }

    /// Waits until every record handed over is stored, however long a broker is away.
    ///
    /// - Parameter onWaiting: told about once a second while nothing moves, with what is known of the reason; what it throws ends waiting.
    /// - Throws: the first failure of a record.
    public func finish(onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }) throws(KafkaError) {
        var (settled, since) = (settledCount, ContinuousClock.now)
        while !isEmpty {
            rd_kafka_flush(client.raw, 500)
            if settledCount != settled {
                (settled, since) = (settledCount, .now)
                continue
            }
            try onWaiting(client.events.last)
            try requirePatience(since: since)
        }
        returnLoans()
        if let failure = takeFailure() { throw failure }
    }

    func returnLoans() {
        deliveries.returnLoans()
        earlier.returnLoans()
    }

    func requirePatience(since: ContinuousClock.Instant) throws(KafkaError) {
        if KafkaPatience.isOver(since: since) { throw KafkaError(givingUpAfter: client.events.last) }
    }

    /// Records that were handed over and neither delivered nor given up.
    public var underWay: Int { deliveries.underWayCount + earlier.underWayCount }

    /// Waits until what was sent before the last call is stored; what was sent since goes on.
    ///
    /// So a client always has something to compress and to send while answers are under way.
    public func turn(onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }) throws(KafkaError) {
        var since = ContinuousClock.now
        var told = since
        var settled = settledCount
        while !earlier.isEmpty {
            usleep(500)
            if settledCount != settled {
                settled = settledCount
                (since, told) = (.now, .now)
            } else if told.duration(to: .now) > .milliseconds(500) {
                try onWaiting(client.events.last)
                told = .now
                try requirePatience(since: since)
            }
        }
        earlier.returnLoans()
        swap(&deliveries, &earlier)
        if let failure = takeFailure() { throw failure }
    }

    /// Where the records that were stored since the last call end; of a transaction that is not committed this means nothing.
    public func takeEnds() -> [KafkaDelivered] {
        deliveries.takeEnds().reduce(into: earlier.takeEnds()) { ends, end in
            ends.removeAll { $0.topic == end.topic && $0.partition == end.partition }
            ends.append(end)
        }
    }

    private var isEmpty: Bool { deliveries.isEmpty && earlier.isEmpty }
    var settledCount: Int { deliveries.settledCount + earlier.settledCount }
    func takeFailure() -> KafkaError? {
        let failures = [earlier.takeFailure(), deliveries.takeFailure()]
        return failures.compactMap { $0 }.first
    }

    /// Drops what is not acknowledged yet; some of it may have been stored.
    public func giveUp() {
        let flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
        if isLost {
            rd_kafka_purge(client.raw, flags | RD_KAFKA_PURGE_F_NON_BLOCKING)
            return
        }
        let start = ContinuousClock.now
        while !isEmpty {
            // Waits for all threads of the client, or what is sent next would be purged as well; one that looks up a host's name may hang.
            do throws(KafkaError) {
                _ = try answer(limitMs: 0) {
                    rd_kafka_purge($0, flags)
                    return nil
                }
            } catch { return }
            rd_kafka_flush(client.raw, 100)
            isLost = !isEmpty && (start.duration(to: .now) > lostAfter || KafkaPatience.isOver(since: start))
            if isLost { return }
        }
        returnLoans()
        _ = takeFailure()
    }
}

/// Serves a client's callbacks on a thread of its own, so that reports come while its owner does something else.
///
/// `@unchecked Sendable`: the flag is atomic, the semaphore and the client are thread-safe.
private final class Poller: @unchecked Sendable {
    private let client: KafkaClient
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    init(_ client: KafkaClient) {
        self.client = client
        let thread = Thread { [self] in
            while !isStopped.load(ordering: .acquiring) { rd_kafka_poll(client.raw, 100) }
            hasEnded.signal()
        }
        thread.name = "kafka-poll"
        thread.start()
    }

    /// Returns when the thread has ended.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        // Else the thread would look at the flag when its call has waited to the end.
        let queue = rd_kafka_queue_get_main(client.raw)
        rd_kafka_queue_yield(queue)
        rd_kafka_queue_destroy(queue)
        hasEnded.wait()
    }
}
