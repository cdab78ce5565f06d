internal import CRdKafka
import Foundation
import Glibc
public import Problems
import Synchronization
import Telemetry

/// One librdkafka client: what producers, consumers and administration have in common.
///
/// `@unchecked Sendable`: librdkafka's handles may be used by any thread; `events` has a lock of its own.
public final class KafkaClient: @unchecked Sendable {
    public enum Role: Sendable { case producer, consumer }

    public let configuration: KafkaConfiguration
    let raw: OpaquePointer
    let events: ClientEvents

    /// - Parameters:
    ///   - settings: what this client needs; the user's properties go over them.
    ///   - fixed: what no property may change.
    ///   - reportsDeliveries: whether each message's `DeliveryCount`, its opaque, is told that it was delivered or given up.
    /// - Throws: `.configuration` for a property that librdkafka does not take.
    init(
        _ role: Role, _ configuration: KafkaConfiguration, settings: [String: String] = [:],
        fixed: [String: String] = [:],
        reportsDeliveries: Bool = false
    ) throws(Problem) {
        self.configuration = configuration
        events = ClientEvents()
        let conf = rd_kafka_conf_new()!
        // One after the other, since a property may have two names: what comes later counts.
        let layers = [
            Self.base, settings, configuration.properties, fixed, ["bootstrap.servers": configuration.servers],
        ]
        for (name, value) in layers.flatMap({ $0.sorted { $0.key < $1.key } }) {
            // What only the other role knows is taken and has no effect, so one file may serve both.
            if let fault = Self.set(name, value, in: conf) {
                rd_kafka_conf_destroy(conf)
                throw Problem(.configuration, fault.message, hint: fault.hint)
            }
        }
        rd_kafka_conf_set_opaque(conf, Unmanaged.passUnretained(events).toOpaque())
        rd_kafka_conf_set_error_cb(conf) { _, code, reason, opaque in
            ClientEvents.of(opaque)?.note(
                KafkaError(rd_kafka_resp_err_t(rawValue: code), reason.map { String(cString: $0) }))
        }
        rd_kafka_conf_set_log_cb(conf) { client, level, facility, text in
            guard let text else { return }
            let line = String(cString: text)
            // Only here librdkafka names the topic that a transaction may not write to: Failed to add partition "x" [0] to …
            if let client, facility.map({ String(cString: $0) }) == "ADDPARTS", line.contains("Failed to add"),
                case let parts = line.split(separator: "\"", omittingEmptySubsequences: false), parts.count > 2
            {
                ClientEvents.of(rd_kafka_opaque(client))?.note(refusedTopic: String(parts[1]))
            }
            // What matters comes as an error as well; the log is for looking closer.
            Logger("kafka").debug(line, ["level": level])
        }
        if reportsDeliveries {
            rd_kafka_conf_set_dr_msg_cb(conf) { _, message, _ in
                guard let message, let count = message.pointee._private else { return }
                // The producer keeps its counts until nothing is under way.
                Unmanaged<DeliveryCount>.fromOpaque(count).takeUnretainedValue().finished(message)
            }
        }
        var text = [CChar](repeating: 0, count: 512)
        let kind = role == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
        guard let raw = rd_kafka_new(kind, conf, &text, text.count) else {
            // Only a client that came into being owns the configuration.
            rd_kafka_conf_destroy(conf)
            throw Problem(
                .configuration, "the broker's client cannot be set up: \(string(text))",
                hint: "Look at the file of --broker-config.")
        }
        self.raw = raw
    }

    deinit { LeavingClient(raw, events).destroy() }

    public var servers: String { configuration.servers }

    private static let base = [
        "client.id": "taxi-cli", "socket.keepalive.enable": "true", "socket.nagle.disable": "true",
        "reconnect.backoff.ms": "50", "reconnect.backoff.max.ms": "1000",
        "topic.metadata.refresh.fast.interval.ms": "50", "broker.address.family": "any",
    ]

    private static func set(
        _ name: String, _ value: String, in conf: OpaquePointer
    ) -> (message: String, hint: String)? {
        var text = [CChar](repeating: 0, count: 512)
        switch rd_kafka_conf_set(conf, name, value, &text, text.count) {
        case RD_KAFKA_CONF_OK: return nil
        case RD_KAFKA_CONF_UNKNOWN:
            let near = nearestName(to: name, among: propertyNames).map { "Did you mean \"\($0)\"? " } ?? ""
            return ("unknown broker property \"\(name)\"", near + "librdkafka's CONFIGURATION.md lists all.")
        default:
            // librdkafka's own words repeat the value, which may be a secret.
            let shown = KafkaConfiguration.secrets.contains(name) ? "its value cannot be used" : string(text)
            return ("broker property \"\(name)\": \(shown)", "librdkafka's CONFIGURATION.md says what it takes.")
        }
    }

    /// What is wrong with one property; nil where librdkafka takes it.
    static func fault(ofProperty name: String, value: String) -> (message: String, hint: String)? {
        if let reason = KafkaConfiguration.refusal(of: name, value: value) {
            return (
                "broker property \"\(name)\" cannot be set: \(reason)", "Leave it out of the file of --broker-config."
            )
        }
        let conf = rd_kafka_conf_new()!
        defer { rd_kafka_conf_destroy(conf) }
        return set(name, value, in: conf)
    }

    /// All that librdkafka knows, also those that have no value at first, as secrets do.
    static let propertyNames: [String] = {
        var text: UnsafeMutablePointer<CChar>?
        var size = 0
        guard let stream = open_memstream(&text, &size) else { return [] }
        // A table for people: `name | C/P | range | …`.
        rd_kafka_conf_properties_show(stream)
        fclose(stream)
        guard let text else { return [] }
        defer { free(text) }
        return String(cString: text).split(separator: "\n").compactMap { line in
            let name = line.split(separator: "|", maxSplits: 1).first?.trimmingCharacters(in: .whitespaces) ?? ""
            return line.contains("|") && name.contains(".") ? name : nil
        }
    }()
}

// MARK: - The connection

extension KafkaClient {
    /// How long a broker may take for its first answer.
    public static let connectTimeoutMs: Int32 = 6000

    /// Waits until a broker has answered.
    ///
    /// - Throws: `.unavailable` or `.noPermission` with the reason, within the time; a refusal is told at once.
    public func connect(timeoutMs: Int64 = Int64(connectTimeoutMs)) throws(Problem) {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(timeoutMs)
        while true {
            do throws(KafkaError) {
                _ = try metadata(topic: nil, allTopics: false, timeoutMs: 500)
                return
            } catch {
                rd_kafka_poll(raw, 0)
                if KafkaPatience.isOver(since: start) {
                    throw (events.last ?? error).problem(doing: "connecting", servers: servers)
                }
                if let refusal = events.refusal { throw refusal.problem(doing: "connecting", servers: servers) }
                guard ContinuousClock.now < deadline, error.isConnection else {
                    throw (events.last ?? error).problem(doing: "connecting", servers: servers)
                }
            }
        }
    }

    /// The cluster's own name; empty where it does not tell.
    public var clusterID: String {
        var text: UnsafeMutablePointer<CChar>?
        _ = KafkaPatience.inPieces(limitMs: Self.connectTimeoutMs) { timeoutMs in
            text = rd_kafka_clusterid(raw, timeoutMs)
            return text == nil ? RD_KAFKA_RESP_ERR__TIMED_OUT : RD_KAFKA_RESP_ERR_NO_ERROR
        }
        guard let text else { return "" }
        defer { rd_kafka_mem_free(raw, text) }
        return String(cString: text)
    }

    /// A topic's partitions as the cluster tells them.
    public struct TopicMetadata: Sendable {
        public var name: String
        public var partitionCount: Int
        var error: rd_kafka_resp_err_t
    }

    /// What is known of one topic (`topic`), of all, or of none: then it only shows that a broker answers.
    func metadata(topic: String?, allTopics: Bool, timeoutMs: Int32) throws(KafkaError) -> [TopicMetadata] {
        let handle = topic.map { rd_kafka_topic_new(raw, $0, nil) } ?? nil
        defer { if let handle { rd_kafka_topic_destroy(handle) } }
        var found: UnsafePointer<rd_kafka_metadata>?
        // The client asks one of the brokers that it is connected to; where that one hangs, another may answer.
        let code = KafkaPatience.inPieces(limitMs: timeoutMs) { timeoutMs in
            rd_kafka_metadata(raw, allTopics ? 1 : 0, handle, &found, timeoutMs)
        }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let found else { throw KafkaError(code) }
        defer { rd_kafka_metadata_destroy(found) }
        return (0..<Int(found.pointee.topic_cnt)).map { index in
            let topic = found.pointee.topics[index]
            return TopicMetadata(
                name: String(cString: topic.topic), partitionCount: Int(topic.partition_cnt), error: topic.err)
        }
    }

    /// The topic's partitions; nil where there is no such topic.
    public func describe(topic: String) throws(KafkaError) -> TopicMetadata? {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(Int(Self.connectTimeoutMs))
        while true {
            do throws(KafkaError) { return try look(atTopic: topic, timeoutMs: Self.connectTimeoutMs) } catch {
                guard error.code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, ContinuousClock.now < deadline else {
                    throw error
                }
                try KafkaPatience.check(since: start)
                usleep(20_000)
            }
        }
    }

    /// How long a look may take: for who asks often, and can do without an answer.
    public static let lookTimeoutMs: Int32 = 500

    /// The topic's partitions; nil where the broker that was asked knows no such topic.
    public func look(
        atTopic topic: String, timeoutMs: Int32 = KafkaClient.lookTimeoutMs
    ) throws(KafkaError) -> TopicMetadata? {
        let found = try metadata(topic: topic, allTopics: false, timeoutMs: timeoutMs).first
        guard let found else { return nil }
        switch found.error {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return found
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC: return nil
        default: throw KafkaError(found.error)
        }
    }

    /// What `offsets` gives for one partition.
    public func look(atOffsetOf topic: String, partition: Int, time: Int64) throws(KafkaError) -> Int64 {
        try listOffsets(topic: topic, partitions: partition..<partition + 1, time: time, Self.lookTimeoutMs)[0]
    }

    /// The names of all topics that are somebody's, by name.
    public func topicNames() throws(KafkaError) -> [String] { try topics().map(\.name).sorted() }

    func topics() throws(KafkaError) -> [TopicMetadata] {
        try metadata(topic: nil, allTopics: true, timeoutMs: Self.connectTimeoutMs)
            .filter { !$0.name.hasPrefix("__") }
    }

    /// Offsets that `ListOffsets` gives for each partition of a topic.
    ///
    /// - Parameter time: the first offset at or after an event time, ms; or -1 for the end (for readers of committed records: as far
    ///   as they can read), -2 for the oldest kept. Where no record is as late, the offset is -1.
    public func offsets(topic: String, partitions: Int, time: Int64) throws(KafkaError) -> [Int64] {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(Int(Self.connectTimeoutMs))
        while true {
            do throws(KafkaError) {
                return try listOffsets(
                    topic: topic, partitions: 0..<partitions, time: time, Self.connectTimeoutMs)
            } catch {
                // A topic that was just made, or moves to another broker, has no leader for a moment.
                guard error.isConnection, !error.isTimeout, ContinuousClock.now < deadline else { throw error }
                try KafkaPatience.check(since: start)
                usleep(20_000)
            }
        }
    }

    private func listOffsets(
        topic: String, partitions: Range<Int>, time: Int64, _ timeoutMs: Int32
    ) throws(KafkaError) -> [Int64] {
        let list = rd_kafka_topic_partition_list_new(Int32(partitions.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in partitions {
            rd_kafka_topic_partition_list_add(list, topic, Int32(partition)).pointee.offset = time
        }
        let code = KafkaPatience.inPieces(limitMs: timeoutMs) { rd_kafka_offsets_for_times(raw, list, $0) }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
        var offsets: [Int64] = []
        for index in 0..<partitions.count {
            let element = list!.pointee.elems[index]
            guard element.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(element.err) }
            offsets.append(element.offset)
        }
        return offsets
    }
}

/// A client that goes away, on a thread of its own: `rd_kafka_destroy` waits for all of the client's threads, and one of them may hang.
///
/// `@unchecked Sendable`: only the thread that destroys the client uses it.
private final class LeavingClient: @unchecked Sendable {
    private let raw: OpaquePointer
    /// The client's callbacks write to it to the very end.
    private let events: ClientEvents
    private let hasGone = DispatchSemaphore(value: 0)

    /// How long one is waited for that takes its time while nobody wants the process to end.
    private static let limit = Duration.seconds(10)
    /// Each gets as much, whoever waits. After that no thread of the client writes what was lent to it, since its sockets do not block.
    private static let leastMs = 250

    init(_ raw: OpaquePointer, _ events: ClientEvents) { (self.raw, self.events) = (raw, events) }

    /// Returns when the client is no more; or, where it does not come to its end in time, leaves it behind until the process ends.
    func destroy() {
        let thread = Thread { [self] in
            // None of our consumers is a member of its group, so there is none to leave, and no coordinator to wait for.
            rd_kafka_destroy_flags(raw, Int32(RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE))
            hasGone.signal()
        }
        thread.name = "kafka-destroy"
        thread.start()
        let start = ContinuousClock.now
        while hasGone.wait(timeout: .now() + .milliseconds(Self.leastMs)) == .timedOut {
            guard KafkaPatience.isOver(since: start) || start.duration(to: .now) > Self.limit else { continue }
            Logger("kafka").debug("a client does not come to its end; it is left behind")
            return
        }
    }
}

/// What the callbacks of a client record: they run on whichever thread polls, and only write down.
final class ClientEvents: Sendable {
    private struct State {
        var last: KafkaError?
        var refusal: KafkaError?
        var refusedTopic: String?
    }
    private let state = Mutex(State())
    static func of(_ opaque: UnsafeMutableRawPointer?) -> ClientEvents? {
        opaque.map { Unmanaged<ClientEvents>.fromOpaque($0).takeUnretainedValue() }
    }

    func note(_ error: KafkaError) {
        Logger("kafka").debug("client error", ["number": error.number, "reason": error.message])
        state.withLock { state in
            // "All brokers down" follows each failure and says less than it.
            if state.last == nil || error.code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN { state.last = error }
            if error.isRefusal { state.refusal = error }
        }
    }

    func note(refusedTopic: String) { state.withLock { $0.refusedTopic = refusedTopic } }

    /// The topic that a transaction was last refused to write to.
    var refusedTopic: String? { state.withLock { $0.refusedTopic } }
    var last: KafkaError? { state.withLock { $0.last } }
    /// A refusal that waiting cannot help.
    var refusal: KafkaError? { state.withLock { $0.refusal } }
    func clear() { state.withLock { $0 = State() } }
}

/// Where the messages that a producer has delivered to a partition end.
public struct KafkaDelivered: Sendable, Equatable {
    public var topic: String
    public var partition: Int
    /// Behind the last message.
    public var nextOffset: Int64 = 0
    /// What was made of the last message, as the broker keeps it.
    public var seal: Int64 = 0
}

/// Messages that are under way, and the first that failed.
final class DeliveryCount: Sendable {
    private let underWay = Atomic<Int>(0)
    private let settled = Atomic<Int>(0)
    private let failure = Mutex<KafkaError?>(nil)
    /// Makes of a message by what it is known again; nil where nobody asks where messages end.
    private let seal: (@Sendable (KafkaMessage) -> Int64)?
    /// Where what was delivered ends.
    private let ends = Mutex<[End]>([])

    /// A partition, by the address of librdkafka's handle of its topic, and its last message that was delivered.
    private struct End {
        var handle: UInt
        var end: KafkaDelivered
    }

    init(seal: (@Sendable (KafkaMessage) -> Int64)?) { self.seal = seal }

    func started() { underWay.add(1, ordering: .relaxed) }
    /// Takes back a message that the client did not accept.
    func refused() { underWay.subtract(1, ordering: .relaxed) }

    func finished(_ message: UnsafePointer<rd_kafka_message_t>) {
        let code = message.pointee.err
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            failure.withLock { failure in
                if failure != nil { return }
                failure = KafkaError(code)
                failure?.topic = message.pointee.rkt.flatMap { rd_kafka_topic_name($0) }.map { String(cString: $0) }
            }
        } else if let seal {
            noteEnd(KafkaMessage(raw: UnsafeMutablePointer(mutating: message)), seal)
        }
        settled.add(1, ordering: .relaxed)
        underWay.subtract(1, ordering: .releasing)
    }

    private func noteEnd(_ message: KafkaMessage, _ seal: (KafkaMessage) -> Int64) {
        guard let topic = message.raw.pointee.rkt else { return }
        let (handle, partition) = (UInt(bitPattern: topic), Int(message.raw.pointee.partition))
        let (offset, seal) = (message.offset, seal(message))
        ends.withLock { ends in
            let found = ends.firstIndex { $0.handle == handle && $0.end.partition == partition }
            let index = found ?? ends.count
            if found == nil { ends.append(End(handle: handle, end: KafkaDelivered(topic: "", partition: partition))) }
            guard offset >= ends[index].end.nextOffset else { return }
            (ends[index].end.nextOffset, ends[index].end.seal) = (offset + 1, seal)
        }
    }

    /// Where what was delivered since the last call ends.
    func takeEnds() -> [KafkaDelivered] {
        ends.withLock { ends in
            defer { ends = [] }
            return ends.map { end in
                var named = end.end
                named.topic =
                    OpaquePointer(bitPattern: end.handle).map { String(cString: rd_kafka_topic_name($0)) } ?? ""
                return named
            }
        }
    }

    /// How many were delivered or given up so far: where it stands still, nothing moves.
    var settledCount: Int { settled.load(ordering: .relaxed) }
    var isEmpty: Bool { underWay.load(ordering: .acquiring) == 0 }
    var underWayCount: Int { max(0, underWay.load(ordering: .relaxed)) }
    /// The first failure since the last call.
    func takeFailure() -> KafkaError? {
        failure.withLock { failure in
            defer { failure = nil }
            return failure
        }
    }
}

func string(_ text: [CChar]) -> String {
    String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
