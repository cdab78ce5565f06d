import Time
public import Trips

/// What a trip's record is made of.
public enum TripFormat: Sendable, Equatable {
    /// The objects of `TripJSON`.
    case json
    /// `taxi.Trip`, in Confluent's frame.
    case avro(schemaID: UInt32, money: TripMoney)
}

/// Trips as the records that everybody reads, in memory that stays where it is: what a writer sends without another copy.
///
/// `@unchecked Sendable`: filled by one thread before it is given away, and filled again only when nobody else holds it.
public final class TripRecords: @unchecked Sendable {
    /// Event time of each record, ms UTC.
    private(set) var times: [EventTime] = []
    private var values = OutputBuffer(capacity: 1 << 20)
    /// Where each value starts, and where the last one ends.
    private var starts: [Int] = [0]
    private var keys = OutputBuffer(capacity: 1 << 17)
    /// Where each key ends; one without bytes is none.
    private var keyEnds: [Int] = []

    public init() {}

    var count: Int { times.count }
    public var byteCount: Int { values.count + keys.count }

    /// Replaces what it holds by the chosen rows of a batch.
    ///
    /// - Parameter key: whose text is the records' key; nil for records without keys.
    public func encode(
        _ batch: TripBatch, rows: UnsafeBufferPointer<Int32>, key: TripField?, format: TripFormat = .json
    ) {
        values.removeAll()
        switch format {
        case .json: TripJSON.encode(batch, rows: rows, into: &values, recordOffsets: &starts)
        case .avro(let schemaID, let money):
            TripAvro.encode(
                batch, rows: rows, money: money, schemaID: schemaID, into: &values, recordOffsets: &starts)
        }
        times.removeAll(keepingCapacity: true)
        keys.removeAll()
        keyEnds.removeAll(keepingCapacity: true)
        let cells = key.map { UnsafePointer(batch.column($0)) }
        for row in rows {
            times.append(batch.eventTimes[Int(row)])
            if let cells { keys.append(batch.bytes(TextCell(cell: cells[Int(row)]))) }
            keyEnds.append(keys.count)
        }
    }

    /// The records as the payload of a batch, for a store that keeps payloads.
    public func payload() -> [UInt8] {
        var builder = RecordBatchBuilder(capacity: byteCount + 16 * count + 16)
        for index in 0..<count { builder.append(key: key(index), value: value(index), timestamp: times[index]) }
        return builder.finish()
    }

    /// Valid until the next `encode`.
    func slice(_ index: Int) -> RecordBatch.Slice {
        RecordBatch.Slice(key: key(index), value: value(index), timestamp: times[index])
    }

    /// A record's value; valid until the next `encode`.
    func value(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(values.bytes)[starts[index]..<starts[index + 1]])
    }

    /// A record's key, nil where it has none; valid until the next `encode`.
    func key(_ index: Int) -> UnsafeRawBufferPointer? {
        let start = index == 0 ? 0 : keyEnds[index - 1]
        guard keyEnds[index] > start else { return nil }
        return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(keys.bytes)[start..<keyEnds[index]])
    }
}

/// Records that are used again when nobody holds them any more: fresh memory costs a fault each page.
public struct TripRecordsPool {
    private var free: [TripRecords] = []

    public init() {}

    public mutating func take() -> TripRecords {
        for index in free.indices where isKnownUniquelyReferenced(&free[index]) { return free[index] }
        let records = TripRecords()
        if free.count < Self.most { free.append(records) }
        return records
    }

    private static let most = 64
}
