public import Trips

/// The values of a batch's records, side by side in memory that does not move: what a stream decodes without another copy.
///
/// `@unchecked Sendable`: its reader fills it before it gives it away, and fills it again only when nobody else holds it any more.
public final class RecordValues: @unchecked Sendable {
    /// Where each value lies, from `start`, with its record's offset; of no length where the record has no value.
    public private(set) var slices: [RecordSlice] = []
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    public private(set) var byteCount = 0
    private var least = EventTime.max
    private var greatest = EventTime.min

    init(capacity: Int) {
        self.capacity = capacity
        bytes = .allocate(capacity: capacity)
    }
    deinit { bytes.deallocate() }

    public var start: UnsafePointer<UInt8> { UnsafePointer(bytes) }
    /// Least and greatest time of the records; nil where there is none.
    var times: ClosedRange<EventTime>? { slices.isEmpty ? nil : least...greatest }

    func removeAll() {
        slices.removeAll(keepingCapacity: true)
        (byteCount, least, greatest) = (0, .max, .min)
    }

    func append(_ value: UnsafeRawBufferPointer?, offset: Int64, timestamp: EventTime) {
        (least, greatest) = (min(least, timestamp), max(greatest, timestamp))
        let count = value?.count ?? 0
        if byteCount + count > capacity { grow(by: count) }
        if let source = value?.baseAddress {
            UnsafeMutableRawPointer(bytes + byteCount).copyMemory(from: source, byteCount: count)
        }
        slices.append(RecordSlice(offset: byteCount, length: count, position: offset))
        byteCount += count
    }

    private func grow(by count: Int) {
        capacity = max(capacity * 2, byteCount + count)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: bytes, count: byteCount)
        bytes.deallocate()
        bytes = larger
    }
}

/// Blocks of values that are used again when nobody holds them: fresh memory costs a fault each page.
struct RecordValuesPool {
    private var blocks: [RecordValues] = []
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// An empty block.
    mutating func take() -> RecordValues {
        for index in blocks.indices where isKnownUniquelyReferenced(&blocks[index]) {
            blocks[index].removeAll()
            return blocks[index]
        }
        let block = RecordValues(capacity: capacity)
        if blocks.count < Self.mostBlocks { blocks.append(block) }
        return block
    }

    private static let mostBlocks = 8
}
