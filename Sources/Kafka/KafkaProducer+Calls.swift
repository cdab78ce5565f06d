internal import CRdKafka
import Foundation
import Synchronization

extension KafkaProducer {
    /// What a call gives, made on a thread that can be left behind.
    ///
    /// librdkafka does not look at the limit of `send_offsets_to_transaction` while the group's coordinator is away
    /// (confluentinc/librdkafka#5456): the call may never return.
    ///
    /// - Parameter limitMs: by when the call should have come back by itself.
    /// - Throws: where it does not, and where `onWaiting` does, which is told about twice a second from then on.
    func answer(
        limitMs: Int32, _ onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in },
        of call: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) throws(KafkaError) -> OpaquePointer? {
        let answer = Answer()
        calls.async { [client] in answer.give(call(client.raw)) }
        let start = ContinuousClock.now
        while !answer.hasCome(withinMs: 500) {
            let waited = start.duration(to: .now)
            guard waited > .milliseconds(Int(limitMs)) else { continue }
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
