internal import CRdKafka
import Synchronization

/// Where the messages that a producer has delivered to a partition end.
public struct KafkaDelivered: Sendable, Equatable {
    public var topic: String
    public var partition: Int
    /// Behind the last message.
    public var nextOffset: Int64 = 0
    /// What was made of the last message, as the broker keeps it.
    public var seal: Int64 = 0
}

/// Messages that are under way, the memory that they lie in, and the first that failed.
final class DeliveryCount: Sendable {
    private let underWay = Atomic<Int>(0)
    private let settled = Atomic<Int>(0)
    private let failure = Mutex<KafkaError?>(nil)
    /// What keeps the memory of the messages.
    private let loans = Mutex<[any Sendable]>([])
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

    func keep(_ memory: any Sendable) { loans.withLock { $0.append(memory) } }

    /// Lets go of the memory, once all that lies in it was reported on: librdkafka reads a message until its report, and not after it.
    func returnLoans() {
        guard isEmpty else { return }
        loans.withLock { $0.removeAll(keepingCapacity: true) }
    }

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
