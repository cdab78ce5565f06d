internal import CRdKafka
import Synchronization

/// How long a broker that is away is waited for: as long as it takes, unless somebody wants the process to end.
///
/// One for the process, since its end is one for all clients: whoever has given up once gives up at once everywhere.
public enum KafkaPatience {
    private static let isStopAsked = Mutex<@Sendable () -> Bool>({ false })
    private static let hasGivenUp = Atomic(false)

    /// An answer on its way is worth this much, when nothing has moved before.
    private static let grace = Duration.milliseconds(1500)

    /// Waits no longer than a moment when `isStopAsked` says so.
    public static func endsWhen(_ isStopAsked: @escaping @Sendable () -> Bool) {
        self.isStopAsked.withLock { $0 = isStopAsked }
    }

    /// - Throws: `KafkaError` of the kind `givenUp` where nobody waits any longer for what has not moved since `since`.
    public static func check(since: ContinuousClock.Instant) throws(KafkaError) {
        if isOver(since: since) { throw KafkaError(givingUpAfter: nil) }
    }

    /// Whether to give up what has not moved since `since`.
    static func isOver(since: ContinuousClock.Instant) -> Bool {
        guard isStopAsked.withLock({ $0 })() else { return false }
        if hasGivenUp.load(ordering: .relaxed) { return true }
        guard since.duration(to: .now) >= grace else { return false }
        hasGivenUp.store(true, ordering: .relaxed)
        return true
    }

    /// Makes a call that waits for a broker, in pieces: between them somebody is heard who wants the process to end.
    ///
    /// - Parameters:
    ///   - limitMs: how long the call may take in all.
    ///   - call: what to do within so many ms; asked again as long as it has timed out.
    static func inPieces(limitMs: Int32, _ call: (Int32) -> rd_kafka_resp_err_t) -> rd_kafka_resp_err_t {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(Int(limitMs))
        while true {
            let code = call(min(limitMs, pieceMs))
            guard code == RD_KAFKA_RESP_ERR__TIMED_OUT, ContinuousClock.now < deadline, !isOver(since: start) else {
                return code
            }
        }
    }

    private static let pieceMs: Int32 = 1500
}
