internal import CRdKafka
import Foundation
import Glibc
public import Problems
import Synchronization
import Telemetry

/// Sends records to a cluster, each acknowledged by all replicas in sync, idempotently unless that was given up.
///
/// Payloads are not copied: whoever sends keeps them until `finish`, the second `turn`, or the commit or abort of the transaction, has returned. Used by one
/// thread at a time; a thread of its own polls for delivery reports.
public final class KafkaProducer {
    public let client: KafkaClient
    /// What was sent since the last `turn`, and what before it.
    private var deliveries: DeliveryCount
    private var earlier: DeliveryCount
    private let poller: Poller
    private var topics: [String: (handle: OpaquePointer, partitionCount: Int)] = [:]
    /// Of transactions, ms: what is not committed by then the broker gives up. nil for a producer without transactions.
    public let transactionTimeoutMs: Int64?
    /// Where the calls of transactions are made.
    private let calls = DispatchQueue(label: "kafka-transactions")
    /// Whether a call never came back. The client, and all memory that was lent to it, stays until the process ends.
    public private(set) var isLost = false
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
            for lent: AnyObject in [client, deliveries, earlier] { _ = Unmanaged.passRetained(lent) }
            return
        }
        for topic in topics.values { rd_kafka_topic_destroy(topic.handle) }
    }

    /// How many partitions a topic has, as this client last heard; nil where there is no such topic.
    ///
    /// Makes the client know the topic: the first record to one that it does not know would wait a second.
    public func partitionCount(of topic: String) throws(KafkaError) -> Int? {
        if let known = topics[topic] { return known.partitionCount }
        guard let metadata = try client.describe(topic: topic) else { return nil }
        guard let handle = rd_kafka_topic_new(client.raw, topic, nil) else { throw KafkaError(rd_kafka_last_error()) }
        topics[topic] = (handle, metadata.partitionCount)
        return metadata.partitionCount
    }

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
        if let failure = takeFailure() { throw failure }
    }

    private func requirePatience(since: ContinuousClock.Instant) throws(KafkaError) {
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
    private var settledCount: Int { deliveries.settledCount + earlier.settledCount }
    private func takeFailure() -> KafkaError? {
        let failures = [earlier.takeFailure(), deliveries.takeFailure()]
        return failures.compactMap { $0 }.first
    }

    /// Drops what is not acknowledged yet; some of it may have been stored.
    ///
    /// A request that is being written may refer to its records' memory even afterwards, until the client goes away or something
    /// else was acknowledged.
    public func giveUp() {
        if isLost {
            rd_kafka_purge(client.raw, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING)
            return
        }
        let start = ContinuousClock.now
        // Who wants to end does not wait: a thread of the client that looks up a host's name does not answer before it has done so. Who goes
        // on does, or what it sends next would be purged as well.
        rd_kafka_purge(
            client.raw,
            RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
                | (KafkaPatience.isOver(since: start) ? RD_KAFKA_PURGE_F_NON_BLOCKING : 0))
        while !isEmpty {
            rd_kafka_flush(client.raw, 100)
            let waited = start.duration(to: .now)
            if waited > lostAfter || waited > .milliseconds(500) && KafkaPatience.isOver(since: start) {
                isLost = true
                return
            }
        }
        _ = takeFailure()
    }
}

// MARK: - Transactions

extension KafkaProducer {
    /// Takes over the transactional id: an open transaction of an earlier process is aborted, and that process is fenced.
    public func initTransactions() throws(KafkaError) {
        try retrying(forMs: Int64(KafkaClient.connectTimeoutMs)) {
            rd_kafka_init_transactions($0, Self.callTimeoutMs)
        }
    }

    public func begin() throws(KafkaError) {
        _ = takeEnds()
        if let error = rd_kafka_begin_transaction(client.raw) { throw KafkaError(taking: error) }
    }

    /// Adds a group's offsets to the transaction: they count when it is committed, and only then.
    public func send(
        offsets: [KafkaOffset], group: String, onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }
    ) throws(KafkaError) {
        let lent = GroupOffsets(offsets, group: group)
        try retrying(forMs: transactionTimeoutMs ?? 0, onWaiting: onWaiting) {
            rd_kafka_send_offsets_to_transaction($0, lent.offsets, lent.metadata, Self.callTimeoutMs)
        }
    }

    /// Commits what was sent since `begin`; at return all of it is stored, or none of it ever will be.
    ///
    /// Readers of committed records see it a moment later, when the broker has written the transaction's end to each partition.
    public func commit(onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }) throws(KafkaError) {
        do throws(KafkaError) {
            try retrying(forMs: transactionTimeoutMs ?? 0, onWaiting: onWaiting) {
                rd_kafka_commit_transaction($0, Self.callTimeoutMs)
            }
        } catch {
            // What was wrong with a record says more than that the transaction is lost.
            guard var failure = takeFailure(), failure.isRefusalOfContent else { throw error }
            failure.kind = error.kind
            throw failure
        }
        _ = takeFailure()
    }

    /// Gives up what was sent since `begin`.
    public func abort(onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }) throws(KafkaError) {
        try retrying(forMs: transactionTimeoutMs ?? 0, onWaiting: onWaiting) {
            rd_kafka_abort_transaction($0, Self.callTimeoutMs)
        }
        _ = takeFailure()
    }

    /// Of one call of several: how soon somebody is heard who wants the process to end.
    private static let callTimeoutMs: Int32 = 1000

    /// Repeats a call as long as librdkafka says that it may be.
    private func retrying(
        forMs limitMs: Int64, onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in },
        _ call: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) throws(KafkaError) {
        var since = ContinuousClock.now
        let deadline = since + .milliseconds(limitMs)
        while true {
            let settled = settledCount
            guard let failure = try answer(of: call, onWaiting) else { return }
            var error = KafkaError(taking: failure)
            guard error.kind == .retriable, ContinuousClock.now < deadline, client.events.refusal == nil else {
                if error.isRefusalOfContent { error.topic = client.events.refusedTopic }
                throw error
            }
            if settledCount != settled {
                since = .now
            } else {
                try onWaiting(client.events.last ?? error)
                try requirePatience(since: since)
            }
        }
    }

    /// What a call gives, made on a thread that can be left behind.
    ///
    /// librdkafka does not look at the limit of `send_offsets_to_transaction` while the group's coordinator is away
    /// (confluentinc/librdkafka#5456): the call may never return.
    private func answer(
        of call: @escaping @Sendable (OpaquePointer) -> OpaquePointer?,
        _ onWaiting: (KafkaError?) throws(KafkaError) -> Void
    ) throws(KafkaError) -> OpaquePointer? {
        let answer = Answer()
        calls.async { [client] in answer.give(call(client.raw)) }
        let start = ContinuousClock.now
        while !answer.hasCome(withinMs: 500) {
            let waited = start.duration(to: .now)
            guard waited > .milliseconds(Int(Self.callTimeoutMs)) else { continue }
            try onWaiting(client.events.last)
            if waited > lostAfter || KafkaPatience.isOver(since: start) {
                isLost = true
                throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, client.events.last?.message, kind: .fatal)
            }
        }
        return answer.error
    }
}

/// The error, or none, of a call that another thread makes.
private final class Answer: Sendable {
    private let given = Mutex<UInt?>(nil)
    private let hasBeenGiven = DispatchSemaphore(value: 0)

    func give(_ error: OpaquePointer?) {
        given.withLock { $0 = error.map { UInt(bitPattern: $0) } }
        hasBeenGiven.signal()
    }

    func hasCome(withinMs limit: Int) -> Bool {
        hasBeenGiven.wait(timeout: .now() + .milliseconds(limit)) == .success
    }

    var error: OpaquePointer? { given.withLock { $0.flatMap { OpaquePointer(bitPattern: $0) } } }
}

/// What a group commits, in librdkafka's memory: kept by whoever uses it last.
///
/// `@unchecked Sendable`: nobody changes it.
private final class GroupOffsets: @unchecked Sendable {
    let offsets: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>
    let metadata: OpaquePointer?

    init(_ offsets: [KafkaOffset], group: String) {
        self.offsets = KafkaOffset.list(offsets)
        metadata = rd_kafka_consumer_group_metadata_new(group)
    }
    deinit {
        rd_kafka_topic_partition_list_destroy(offsets)
        rd_kafka_consumer_group_metadata_destroy(metadata)
    }
}

/// A group's offset in one partition, with the text that is kept beside it.
public struct KafkaOffset: Sendable, Equatable {
    public var topic: String
    public var partition: Int
    /// The next one to read.
    public var offset: Int64
    /// At most 4096 bytes, unless the broker is set up otherwise (`offset.metadata.max.bytes`).
    public var metadata: String

    public init(topic: String, partition: Int, offset: Int64, metadata: String = "") {
        (self.topic, self.partition, self.offset, self.metadata) = (topic, partition, offset, metadata)
    }

    /// The caller frees the list, and librdkafka the texts with it.
    static func list(_ offsets: [KafkaOffset]) -> UnsafeMutablePointer<rd_kafka_topic_partition_list_t> {
        let list = rd_kafka_topic_partition_list_new(Int32(offsets.count))!
        for offset in offsets {
            let element = rd_kafka_topic_partition_list_add(list, offset.topic, Int32(offset.partition))!
            element.pointee.offset = offset.offset
            guard !offset.metadata.isEmpty else { continue }
            let text = strdup(offset.metadata)
            element.pointee.metadata = UnsafeMutableRawPointer(text)
            element.pointee.metadata_size = offset.metadata.utf8.count
        }
        return list
    }

    init(_ element: rd_kafka_topic_partition_t) {
        let metadata = element.metadata.map { bytes in
            String(decoding: UnsafeRawBufferPointer(start: bytes, count: element.metadata_size), as: UTF8.self)
        }
        self.init(
            topic: String(cString: element.topic), partition: Int(element.partition), offset: element.offset,
            metadata: metadata ?? "")
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
