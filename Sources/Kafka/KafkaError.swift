internal import CRdKafka
import Foundation
public import Problems

/// What librdkafka or a broker refused, with its own number and words.
public struct KafkaError: Error, Sendable, CustomStringConvertible {
    /// What a caller may do about it.
    public enum Kind: Sendable, Equatable {
        /// May work when it is tried again as it is.
        case retriable
        /// The transaction is lost, and may be tried again as a whole once it was aborted.
        case needsAbort
        /// Another producer of the same transactional id has come.
        case fenced
        /// The client is of no use any more.
        case fatal
        /// Nobody waits any longer for a broker that is away: see `KafkaPatience`.
        case givenUp
        case other
    }

    /// `rd_kafka_resp_err_t`.
    public var number: Int32
    public var message: String
    public var kind: Kind
    /// The topic whose record was refused, where it is known.
    public var topic: String?

    public var description: String { message }

    init(_ code: rd_kafka_resp_err_t, _ message: String? = nil, kind: Kind = .other) {
        number = code.rawValue
        self.message = message ?? String(cString: rd_kafka_err2str(code))
        self.kind = kind
    }

    /// Takes over what a transactional call gave, and frees it.
    init(taking error: OpaquePointer) {
        defer { rd_kafka_error_destroy(error) }
        let code = rd_kafka_error_code(error)
        number = code.rawValue
        message = String(cString: rd_kafka_error_string(error))
        if code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
            || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED
        {
            kind = .fenced
        } else if rd_kafka_error_is_fatal(error) != 0 {
            kind = .fatal
        } else if rd_kafka_error_txn_requires_abort(error) != 0 {
            kind = .needsAbort
        } else {
            kind = rd_kafka_error_is_retriable(error) != 0 ? .retriable : .other
        }
    }

    /// - Parameter last: what is known of why the broker is away.
    init(givingUpAfter last: KafkaError?) {
        self.init(RD_KAFKA_RESP_ERR__DESTROY, last?.message ?? "no broker answers", kind: .givenUp)
    }

    /// Of a topic that is not there any more.
    public static func noTopic(_ topic: String) -> KafkaError {
        var error = KafkaError(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        error.topic = topic
        return error
    }

    /// Thrown where a broker has not answered in time.
    public static var noAnswer: KafkaError { KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT) }

    var code: rd_kafka_resp_err_t { rd_kafka_resp_err_t(rawValue: number) }

    /// Whether there is no such topic or partition.
    public var isUnknownTopic: Bool {
        [
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        ].contains(code)
    }
    /// Whether a partition does not have the offset that it was asked for, nor any behind it to wait for.
    public var isOutOfRange: Bool {
        code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE || code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
    }
    /// Whether a record itself is what the broker does not take: sending it again cannot help.
    public var isRefusalOfContent: Bool {
        [
            RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        ].contains(code) || isRefusal || isUnknownTopic
    }
    /// Whether a record is larger than its topic, or the client, takes.
    public var isTooLarge: Bool {
        [RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE].contains(code)
    }
    /// Whether a record's timestamp is further from the broker's clock than its topic takes.
    public var isTimestamp: Bool { code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP }
    public var isUnknownSetting: Bool { code == RD_KAFKA_RESP_ERR_INVALID_CONFIG }
    /// Whether a group's offsets are those of a transaction that is just ending.
    var isUnstable: Bool { code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT }
    public var isTopicThere: Bool { code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS }
    public var isTimeout: Bool { code == RD_KAFKA_RESP_ERR__TIMED_OUT }

    /// Whether it says that no broker can be reached at present, so that waiting may help.
    public var isConnection: Bool {
        [
            RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TIMED_OUT,
            RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
        ].contains(code)
    }

    private var isAuthentication: Bool {
        code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
    }
    /// Whether the user has no right to do what was asked.
    public var isAuthorization: Bool {
        [
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ].contains(code)
    }

    /// Whether waiting cannot help: the user, the password, the certificate or the rights are not what the broker wants.
    var isRefusal: Bool { isAuthentication || isAuthorization || code == RD_KAFKA_RESP_ERR__SSL }

    /// The failure as a person is told it.
    ///
    /// - Parameters:
    ///   - action: what could not be done, such as `creating topic "chicago_late"`.
    ///   - servers: the brokers asked.
    public func problem(doing action: String, servers: String) -> Problem {
        if isAuthentication {
            return Problem(
                .noPermission, "the broker at \"\(servers)\" refused the user or the password: \(brief)",
                hint:
                    "Set TAXI_BROKER_USER and TAXI_BROKER_PASSWORD, or sasl.username and sasl.password in the file of --broker-config (mode 0600)."
            )
        }
        if code == RD_KAFKA_RESP_ERR__SSL {
            return Problem(
                .noPermission, "the connection to \"\(servers)\" has no certificate that is trusted: \(brief)",
                hint:
                    "Name the file of the authority that signed the broker's certificate: ssl.ca.location=FILE in the file of --broker-config."
            )
        }
        if isAuthorization {
            return Problem(
                .noPermission, "\(action) was refused by the broker: \(brief)",
                hint: "Ask the cluster's administrator for the right, or use another user.")
        }
        if code == RD_KAFKA_RESP_ERR__RESOLVE {
            return Problem(
                .unavailable, "no broker of \"\(servers)\" has a known host name: \(brief)",
                hint: "Check --broker, and the name service of this machine.")
        }
        if isConnection {
            return Problem(
                .unavailable, "\(action) is not possible: no broker answers at \"\(servers)\": \(brief)",
                hint: "See that it runs and that --broker names its host and port; taxi-cli doctor looks closer.")
        }
        return Problem(
            .unavailable, "\(action) failed: \(brief) (broker \"\(servers)\")",
            hint: "The broker's log may say more; taxi-cli doctor looks at the connection.")
    }

    /// The words without librdkafka's prefixes of thread and broker, on one line.
    public var brief: String {
        var text = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        // sasl_plaintext://127.0.0.1:9094/bootstrap: SASL authentication error: …
        if let range = text.range(of: "://"), let end = text[range.upperBound...].range(of: ": ") {
            text = String(text[end.upperBound...])
        }
        // … (after 0ms in state CONNECT, 1 identical error(s) suppressed)
        if let range = text.range(of: " (after ") { text = String(text[..<range.lowerBound]) }
        return text
    }
}
