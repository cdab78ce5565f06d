import Problems
import Topics
import Trips

/// Turns pieces of input into batches of trips; one for each worker.
final class PieceDecoder {
    private let fields: TripFieldSet
    private var batch = TripBatch(capacity: 1 << 16)
    private var columns = TripColumnsDecoder()
    private var json: TripJSONReader

    init(fields: TripFieldSet) {
        self.fields = fields
        json = TripJSONReader(fields: fields)
    }

    /// The piece's trips, from `first` on; rejected records are added to `rejects`.
    func decode(
        _ piece: InputPiece, topic: String, rejects: inout [Reject]
    ) throws -> (batch: TripBatch, first: Int) {
        switch piece {
        case .trips(let batch): return (batch, 0)
        case .stored(let stored, let firstOffset):
            let skip = Int(firstOffset - stored.baseOffset)
            switch stored.encoding {
            case .trips:
                try stored.payload.withUnsafeBytes { bytes in
                    try columns.decode(bytes, fields: fields, into: batch)
                }
                return (batch, min(skip, batch.count))
            case .records:
                try decodeRecords(stored, skip, topic, &rejects)
                return (batch, 0)
            case .results:
                throw Problem(
                    .badData, "topic \"\(topic)\" holds results, not trips",
                    hint: "Streams read the topic that taxi-cli produce writes, {tenant}_ingestData.")
            }
        }
    }

    private func decodeRecords(_ stored: StoredBatch, _ skip: Int, _ topic: String, _ rejects: inout [Reject]) throws {
        let records = try RecordBatch.decode(stored.payload).dropFirst(skip)
        let lines = RecordBytes(capacity: records.reduce(0) { $0 + ($1.value?.count ?? 0) })
        var slices: [RecordSlice] = []
        for (index, record) in records.enumerated() {
            let offset = lines.append(record.value ?? [])
            slices.append(
                RecordSlice(
                    offset: offset, length: record.value?.count ?? 0,
                    position: stored.baseOffset + Int64(skip + index)))
        }
        batch.reset()
        if batch.capacity < slices.count { batch = TripBatch(capacity: slices.count) }
        _ = json.decode(
            slices, base: lines.start, owner: lines, name: "\(topic)/\(stored.partition)", into: batch,
            rejects: &rejects)
    }
}

/// The values of some records in one block, for a batch to point into.
private final class RecordBytes {
    private let bytes: UnsafeMutablePointer<UInt8>
    private var count = 0
    var start: UnsafePointer<UInt8> { UnsafePointer(bytes) }

    init(capacity: Int) { bytes = .allocate(capacity: max(1, capacity)) }
    deinit { bytes.deallocate() }

    func append(_ value: [UInt8]) -> Int {
        defer { count += value.count }
        (bytes + count).update(from: value, count: value.count)
        return count
    }
}
