internal import CRdKafka
import Synchronization
import Telemetry

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
