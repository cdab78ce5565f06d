package import Problems
public import SchemaRegistry
public import Time
import Trips

/// The records of one stored batch, whatever its encoding: each with its key, its headers, its event time and its value as JSON text.
///
/// Trips become the objects of `TripJSON`, keyed by taxi; results become the messages of their query, with its keys; records stay as they are. Where
/// schemas are given, records of Avro become what they say (`FramedJSON`), unless nobody can read them. All values lie in one buffer, a line feed behind each, so that printing a batch is one copy. Reused from batch to batch; one owner at a time.
public final class BatchRecords {
    public private(set) var partition = 0
    /// Offset of the record with index 0.
    public private(set) var firstOffset: Int64 = 0
    /// Event time of each record, ms UTC.
    public private(set) var timestamps: [EventTime] = []
    public var count: Int { timestamps.count }

    private var lines = OutputBuffer(capacity: 1 << 10)
    /// Where each line starts in `lines`, and where the last one ends.
    private var starts: [Int] = [0]
    private var encoding = BatchEncoding.records
    /// Those of a batch of records.
    private var records: [TopicRecord] = []
    /// Those of a batch of trips; the first of them has index `firstTrip` here.
    private var trips = TripBatch(capacity: 1)
    private var firstTrip = 0
    private var decoder = TripColumnsDecoder()
    /// Those of a batch of results; the first of them has index `firstResult` here.
    private var results = ResultColumns(columns: [])
    private var firstResult = 0
    private let framed: FramedJSON?

    /// - Parameter schemas: for who wants to see what records of Avro say; nil leaves their bytes as they are.
    public init(schemas: SchemaCache? = nil) { framed = schemas.map(FramedJSON.init) }

    /// Replaces what it holds by the records of `batch` from `offset` on.
    ///
    /// - Throws: `.badData` for a payload that is none of its encoding, or of another count than the batch says; `.unavailable` where a registry
    ///   does not answer.
    public func load(_ batch: StoredBatch, from offset: Int64 = 0) throws {
        let skipped = Int(min(max(0, offset - batch.baseOffset), Int64(batch.count)))
        (partition, firstOffset, encoding) = (batch.partition, batch.baseOffset + Int64(skipped), batch.encoding)
        timestamps.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        lines.removeAll()
        records = []
        switch batch.encoding {
        case .records: try loadRecords(batch, skipped)
        case .trips: try loadTrips(batch, skipped)
        case .results: try loadResults(batch, skipped)
        }
    }

    /// The records of a batch, of whatever encoding, as the payload of a batch of records.
    ///
    /// - Throws: as `load`.
    static func payload(of batch: StoredBatch) throws -> [UInt8] {
        let records = BatchRecords()
        try records.load(batch)
        var builder = RecordBatchBuilder(capacity: records.lines.count + 32 * records.count)
        for index in 0..<records.count {
            RecordBatch.withBytes(records.key(index)) { key in
                records.withValue(index) { value in
                    builder.append(
                        key: key, value: value.map { UnsafeRawBufferPointer($0) }, headers: records.headers(index),
                        timestamp: records.timestamps[index])
                }
            }
        }
        return builder.finish()
    }

    /// Decodes all of a batch, or of trips only their times.
    ///
    /// - Throws: `.badData` for a payload that is none of its encoding, or has another count or other event times than the batch says.
    public func verify(_ batch: StoredBatch, timesOnly: Bool = false) throws {
        if batch.encoding == .trips, !timesOnly { try decodeTrips(batch, fields: .all) }
        let times = try self.times(of: batch)
        guard times.count == batch.count, times.allSatisfy(batch.times.contains) else { throw batch.damage }
    }

    /// The event times of a batch, without its values.
    public func times(of batch: StoredBatch) throws -> [EventTime] {
        switch batch.encoding {
        case .records: return try RecordBatch.decode(batch.payload).map(\.timestamp)
        case .trips:
            try decodeTrips(batch, fields: [])
            return (0..<trips.count).map { trips.eventTimes[$0] }
        case .results: return try decodeResults(batch).timestamps(newest: batch.times.upperBound)
        }
    }
}

extension BatchRecords {
    /// The values of some records, a line feed behind each; valid inside `body` only.
    public func withLines<Result>(_ range: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows
        -> Result
    {
        try body(UnsafeBufferPointer(rebasing: lines.bytes[starts[range.lowerBound]..<starts[range.upperBound]]))
    }

    /// A record's value; nil where it has none. Valid inside `body` only.
    public func withValue<Result>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>?) throws -> Result) rethrows
        -> Result
    {
        if encoding == .records, records[index].value == nil { return try body(nil) }
        return try body(UnsafeBufferPointer(rebasing: lines.bytes[starts[index]..<starts[index + 1] - 1]))
    }

    /// A record's key: a trip's taxi, a result's as its query declares it; nil where it has none.
    public func key(_ index: Int) -> [UInt8]? {
        switch encoding {
        case .records: return records[index].key
        case .trips:
            let text = TextCell(cell: trips.column(.taxiID)[firstTrip + index])
            return text.isEmpty ? nil : Array(trips.bytes(text))
        case .results: return results.key(row: firstResult + index)
        }
    }

    /// Whether the record's own bytes begin as Confluent's frame does.
    package func isFramed(_ index: Int) -> Bool { encoding == .records && records[index].value?.first == 0 }

    /// Only records that were written as such have any.
    public func headers(_ index: Int) -> [TopicRecord.Header] { encoding == .records ? records[index].headers : [] }

    public func record(_ index: Int) -> TopicRecord {
        TopicRecord(
            key: key(index), value: withValue(index) { $0.map { Array($0) } }, headers: headers(index),
            timestamp: timestamps[index])
    }
}

extension StoredBatch {
    /// The record with this offset, whole; nil where the batch has none.
    ///
    /// - Parameter loaded: the batch's records, of a caller that asks for more than one; filled where it is nil.
    public func record(at offset: Int64, from loaded: inout BatchRecords?) throws -> TopicRecord? {
        if let values { return values.record(at: offset) }
        let records = loaded ?? BatchRecords()
        if loaded == nil { try records.load(self) }
        loaded = records
        guard case let index = offset - records.firstOffset, 0..<Int64(records.count) ~= index else { return nil }
        return records.record(Int(index))
    }

    /// By what the record with this offset is known again; nil where the batch has none. As `record(at:from:)`.
    package func seal(at offset: Int64, from loaded: inout BatchRecords?) throws -> Int64? {
        try record(at: offset, from: &loaded).map { KafkaSeal.seal(of: $0, offset: offset) }
    }

    /// All records of the batch, as a consumer of the topic sees them; see `BatchRecords`.
    public func records() throws -> [TopicRecord] {
        let records = BatchRecords()
        try records.load(self)
        return (0..<records.count).map(records.record)
    }
}

// MARK: - Decoding

extension BatchRecords {
    private func loadRecords(_ batch: StoredBatch, _ skipped: Int) throws {
        let all = try RecordBatch.decode(batch.payload)
        try check(all.count, of: batch)
        records = Array(all.dropFirst(skipped))
        for record in records {
            starts.append(lines.count)
            timestamps.append(record.timestamp)
            try append(record.value ?? [])
            lines.append(UInt8(ascii: "\n"))
        }
        starts.append(lines.count)
    }

    private func append(_ value: [UInt8]) throws {
        if let framed, value.first == 0, try value.withUnsafeBufferPointer({ try framed.append($0, to: &lines) }) {
            return
        }
        lines.append(value)
    }

    private func loadTrips(_ batch: StoredBatch, _ skipped: Int) throws {
        try decodeTrips(batch, fields: .all)
        firstTrip = skipped
        for row in skipped..<trips.count { timestamps.append(trips.eventTimes[row]) }
        TripJSON.encode(trips, rows: skipped..<trips.count, into: &lines, recordOffsets: &starts, lineEnds: true)
    }

    private func decodeTrips(_ batch: StoredBatch, fields: TripFieldSet) throws {
        guard batch.count <= TripColumnsDecoder.maximumTrips else { throw batch.damage }
        if trips.capacity < batch.count { trips = TripBatch(capacity: batch.count) }
        let isWhole = batch.payload.withUnsafeBytes { bytes in
            (try? decoder.decode(bytes, fields: fields, into: trips)) != nil
        }
        guard isWhole else { throw batch.damage }
        try check(trips.count, of: batch)
    }

    private func loadResults(_ batch: StoredBatch, _ skipped: Int) throws {
        (results, firstResult) = (try decodeResults(batch), skipped)
        timestamps += results.timestamps(newest: batch.times.upperBound)[skipped...]
        for row in skipped..<batch.count {
            starts.append(lines.count)
            results.appendJSON(row: row, to: &lines)
            lines.append(UInt8(ascii: "\n"))
        }
        starts.append(lines.count)
    }

    private func decodeResults(_ batch: StoredBatch) throws -> ResultColumns {
        guard let results = batch.payload.withUnsafeBytes({ bytes in try? ResultColumns(decoding: bytes) }) else {
            throw batch.damage
        }
        try check(results.count, of: batch)
        return results
    }

    private func check(_ count: Int, of batch: StoredBatch) throws(Problem) {
        guard count == batch.count else { throw batch.damage }
    }
}

extension StoredBatch {
    /// That its payload is not what its row says.
    package var damage: Problem {
        Problem(
            .badData,
            "a stored batch is damaged: its \(count) records at offset \(baseOffset) of partition \(partition)"
                + (place.map { ", \($0)" } ?? ""),
            hint: "Delete the topic and fill it again from the source, or go on behind the damage with a later offset.")
    }
}
