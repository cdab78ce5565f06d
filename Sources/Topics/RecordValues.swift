internal import Kafka
import Time
public import Trips

/// The values of a batch's records where the client put them: what a stream decodes without a copy.
///
/// They are found from one address, like text in a block; `@unchecked Sendable`: the reader fills it before it gives it away.
public final class RecordValues: @unchecked Sendable {
    /// Where each value lies, from `start`, with its record's offset; of no length where the record has no value.
    public private(set) var slices: [RecordSlice] = []
    /// Not the address of anything itself.
    public let start: UnsafePointer<UInt8>
    public private(set) var byteCount = 0
    private var least = EventTime.max
    private var greatest = EventTime.min
    private let loan: KafkaLoan

    /// How much of the address space one batch can reach, as a power of two: what the place of a text has bits for.
    private static let reachBits: UInt = 40

    /// - Parameter first: the record that is kept first; it decides which part of the address space the others must lie in.
    init(loan: KafkaLoan, first: KafkaMessage) {
        self.loan = loan
        let address = max(UInt(bitPattern: first.value?.baseAddress), 1 << Self.reachBits)
        // Never nil: some bit above the reach is set.
        start = UnsafePointer(bitPattern: (address >> Self.reachBits) << Self.reachBits).unsafelyUnwrapped
    }

    /// Least and greatest time of the records; nil where there is none.
    var times: ClosedRange<EventTime>? { slices.isEmpty ? nil : least...greatest }

    /// Whether a record's value can be found from `start`.
    func canKeep(_ message: KafkaMessage) -> Bool {
        guard let value = message.value, let address = value.baseAddress else { return true }
        return UInt(bitPattern: address) >> Self.reachBits == UInt(bitPattern: start) >> Self.reachBits
    }

    func keep(_ index: Int, of messages: KafkaMessages) {
        let message = messages[index]
        let (value, time) = (message.value, message.timestampMs)
        (least, greatest) = (min(least, time), max(greatest, time))
        let offset = value?.baseAddress.map { UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) - start } ?? 0
        slices.append(RecordSlice(offset: offset, length: value?.count ?? 0, position: message.offset))
        byteCount += value?.count ?? 0
        loan.keep(index, of: messages)
    }

    /// The whole record with this offset, copied; nil where it is not among them.
    func record(at offset: Int64) -> TopicRecord? {
        guard let first = slices.first?.position, case let index = offset - first, 0..<Int64(slices.count) ~= index
        else {
            return nil
        }
        let message = loan[Int(index)]
        return TopicRecord(
            key: message.key.map { Array($0) }, value: message.value.map { Array($0) },
            headers: message.headers.map { TopicRecord.Header(name: $0.name, value: $0.value) },
            timestamp: message.timestampMs)
    }

    /// Of the last record; nil where there is none.
    var lastSeal: Int64? { slices.isEmpty ? nil : loan[slices.count - 1].seal }

    /// Gives the values back to the client: nobody may look at them any more.
    public func giveBack() { loan.giveBack() }
}
