internal import CRdKafka
import Foundation
import Glibc
import Problems
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

/// A client that goes away, on a thread of its own: `rd_kafka_destroy` waits for all of the client's threads, and one of them may hang.
///
/// It reads no memory of others any more, also where it is left behind: a producer's client goes away when all of its records were reported
/// on, or never (`KafkaProducer.isLost`).
///
/// `@unchecked Sendable`: only the thread that destroys the client uses it.
private final class LeavingClient: @unchecked Sendable {
    private let raw: OpaquePointer
    /// The client's callbacks write to it to the very end.
    private let events: ClientEvents
    private let hasGone = DispatchSemaphore(value: 0)

    /// How long one is waited for that takes its time while nobody wants the process to end.
    private static let limit = Duration.seconds(10)
    /// Each gets as much, whoever waits.
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

func string(_ text: [CChar]) -> String {
    String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
