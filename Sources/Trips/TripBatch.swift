public import Time

/// Up to `capacity` trips as columns: one 64-bit cell a value, column after column, reused from batch to batch.
///
/// What a cell means depends on the field's kind: integers as they are, money in cents, decimals as `PackedDecimal`, times
/// as `WallTime`, strings as `TextCell` into `source` (or into what the batch keeps). Numbers and times use `nullCell` for "empty".
/// Columns outside `fields` hold nothing of use.
///
/// Not thread-safe: one owner at a time. `@unchecked Sendable`, since owners hand it on through queues that synchronise.
public final class TripBatch: @unchecked Sendable {
    public let capacity: Int
    /// How many trips the columns hold.
    public var count = 0
    /// Which columns are filled.
    public var fields: TripFieldSet = []
    /// Event time of each trip, in ms UTC; filled by the replay's clock or from a stored batch.
    public let eventTimes: UnsafeMutablePointer<EventTime>
    /// Line of each trip in its file (from 1), or offset in its partition: for messages about a record.
    public let positions: UnsafeMutablePointer<Int64>
    /// What text cells point into; whoever fills the batch keeps it alive through `owner`.
    public var source: UnsafePointer<UInt8>
    public var owner: AnyObject?
    /// How many numbers of a file's rows had more decimals than their columns have and were rounded.
    public internal(set) var rounded: [TripField: Int] = [:]
    /// Text that could not be a piece of the source: fields with doubled quotes, the texts of a stored batch.
    @usableFromInline private(set) var kept: UnsafeMutablePointer<UInt8>
    private var keptCount = 0
    private var keptCapacity = 4096

    @usableFromInline let cells: UnsafeMutablePointer<Int64>

    public init(capacity: Int) {
        self.capacity = capacity
        cells = .allocate(capacity: capacity * TripField.count)
        cells.initialize(repeating: nullCell, count: capacity * TripField.count)
        eventTimes = .allocate(capacity: capacity)
        eventTimes.initialize(repeating: 0, count: capacity)
        positions = .allocate(capacity: capacity)
        positions.initialize(repeating: 0, count: capacity)
        kept = .allocate(capacity: keptCapacity)
        source = UnsafePointer(Self.nothing)
    }

    deinit {
        kept.deallocate()
        cells.deallocate()
        eventTimes.deallocate()
        positions.deallocate()
    }

    /// The cells of one column; `count` of them are valid.
    @inlinable public func column(_ field: TripField) -> UnsafeMutablePointer<Int64> {
        cells + Int(field.rawValue) * capacity
    }

    /// The bytes of a text cell; valid until the batch is filled again.
    @inlinable public func bytes(_ text: TextCell) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: (text.cell >= 0 ? source : UnsafePointer(kept)) + text.offset, count: text.length)
    }

    /// A string column's value, or nil where it is empty.
    public func string(_ field: TripField, _ row: Int) -> String? {
        let text = TextCell(cell: column(field)[row])
        return text.isEmpty ? nil : String(decoding: bytes(text), as: UTF8.self)
    }

    /// Whether some trip is later than `time`.
    public func hasEvent(after time: EventTime) -> Bool {
        var latest = EventTime.min
        for row in 0..<count { latest = max(latest, eventTimes[row]) }
        return latest > time
    }

    /// Keeps text that is no piece of `source`; returns its cell.
    public func keep(_ bytes: some Collection<UInt8>) -> TextCell {
        let (text, target) = keepSpace(bytes.count)
        _ = target.initialize(fromContentsOf: bytes)
        return text
    }

    /// Room for `count` bytes of kept text, to be written before the next call.
    public func keepSpace(_ count: Int) -> (text: TextCell, target: UnsafeMutableBufferPointer<UInt8>) {
        if keptCount + count > keptCapacity {
            keptCapacity = max(keptCapacity * 2, keptCount + count)
            let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: keptCapacity)
            grown.update(from: kept, count: keptCount)
            kept.deallocate()
            kept = grown
        }
        defer { keptCount += count }
        let cell = TextCell(offset: keptCount, length: count).cell | Int64.min
        return (TextCell(cell: cell), UnsafeMutableBufferPointer(start: kept + keptCount, count: count))
    }

    /// Empties the batch and lets go of what it pointed into.
    public func reset() {
        count = 0
        owner = nil
        keptCount = 0
        if !rounded.isEmpty { rounded = [:] }
        source = UnsafePointer(Self.nothing)
    }

    // One byte that empty text may point to, never freed and never written after this.
    private nonisolated(unsafe) static let nothing: UnsafeMutablePointer<UInt8> = {
        let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return byte
    }()
}
