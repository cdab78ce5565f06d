import Problems
import SchemaRegistry
import Topics
import Time
import Trips

/// Turns pieces of input into batches of trips; one for each worker.
final class PieceDecoder {
    let fields: TripFieldSet
    /// Records of a partition from this offset on are left to others, though their batch is read.
    var endOffset = Int64.max
    /// As large as a piece has needed: one for the most rows is 12 MB, which a stream that waits would keep for nothing.
    private var batch = TripBatch(capacity: 1)
    private var columns = TripColumnsDecoder()
    private var values: TripValueReader

    /// - Parameter schemas: of records that are Avro.
    init(fields: TripFieldSet, schemas: SchemaCache?) {
        self.fields = fields
        values = TripValueReader(fields: fields, schemas: schemas)
    }

    /// The piece's trips, from `first` on; rejected records are added to `rejects`.
    func decode(
        _ piece: InputPiece, topic: String, rejects: inout [Reject]
    ) throws -> (batch: TripBatch, first: Int) {
        switch piece {
        case .trips(let batch): return (batch, 0)
        case .stored(let stored, let firstOffset):
            let skip = Int(min(max(0, firstOffset - stored.baseOffset), Int64(stored.count)))
            switch stored.encoding {
            case .trips:
                // One that says it has more rows is damaged.
                makeRoom(min(stored.count, TripColumnsDecoder.maximumTrips))
                let isWhole = stored.payload.withUnsafeBytes { bytes in
                    (try? columns.decode(bytes, fields: fields, into: batch)) != nil
                }
                guard isWhole, batch.count == stored.count else { throw stored.damage }
                if endOffset < stored.baseOffset + Int64(stored.count) {
                    batch.count = Int(max(0, endOffset - stored.baseOffset))
                }
                return (batch, skip)
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

    /// Rejects the batch's trips from `first` on that are too far ahead, or in whose place others were sent; the others close up.
    ///
    /// - Parameters:
    ///   - piece: where the batch was decoded from, not finished yet.
    ///   - replaced: offsets of records that a replay of dead letters has sent again: the copies count. With why they were passed over.
    func removeAhead(
        of limit: MaxAhead, _ batch: TripBatch, from first: Int, _ piece: InputPiece, topic: String,
        replaced: [Int64: PassedOverReason] = [:], rejects: inout [Reject]
    ) throws {
        guard case .stored(let stored, _) = piece else { return }
        var kept = first
        for row in first..<batch.count {
            let offset = TopicTrips.offset(ofRow: row, of: batch, in: stored)
            let replaced = replaced[offset]
            guard replaced != nil || batch.eventTimes[row] > limit.latest else {
                if kept != row { batch.moveRow(row, to: kept, fields: fields) }
                kept += 1
                continue
            }
            let time = "event_timestamp \"\(RFC3339.string(batch.eventTimes[row]))\""
            let detail =
                switch replaced {
                case nil: "\(time) \(limit.excess(of: batch.eventTimes[row]))"
                case .ahead?: "\(time) was too far ahead, and sent again"
                case .unknownSchema?: "its schema was not known, and it was sent again"
                }
            rejects.append(
                Reject(
                    reason: replaced?.rejectReason ?? .outOfRange, detail: detail,
                    location: InputLocation(
                        file: "\(topic)/\(stored.partition)", line: Int(offset), column: 1),
                    bytes: [], offset: replaced == nil ? Self.isAhead : Self.isReplaced))
        }
        batch.count = kept
    }

    /// The records of a topic that were rejected, as it has them. To be asked before `finish`.
    func originals(of rejects: [Reject], _ piece: InputPiece) throws -> [TopicRecord] {
        guard !rejects.isEmpty, case .stored(let stored, _) = piece else { return [] }
        var loaded: BatchRecords?
        return try rejects.map { reject in
            guard let record = try stored.record(at: Int64(reject.location.line), from: &loaded) else {
                throw stored.damage
            }
            return record
        }
    }

    /// Marks rejects whose event time is too far ahead, by their place in bytes, which a topic's records have not.
    static let isAhead = -2
    /// The same for those that were passed over, for whichever reason, and in whose place a replay of dead letters has sent copies.
    static let isReplaced = -3

    /// The piece's trips are not looked at any more, so that what was lent for them can be given back.
    func finish(_ piece: InputPiece) {
        guard case .stored(let stored, _) = piece, let values = stored.values else { return }
        batch.reset()
        values.giveBack()
    }

    private func makeRoom(_ rows: Int) {
        guard batch.capacity < rows else { return }
        var capacity = 1024
        while capacity < rows { capacity *= 2 }
        batch = TripBatch(capacity: capacity)
    }

    private func decodeRecords(_ stored: StoredBatch, _ skip: Int, _ topic: String, _ rejects: inout [Reject]) throws {
        batch.reset()
        let records = try RecordSlices(stored, skip: skip)
        makeRoom(records.slices.count)
        let slices =
            endOffset < stored.baseOffset + Int64(stored.count)
            ? records.slices.prefix { $0.position < endOffset } : records.slices
        try values.decode(
            slices, base: records.base, owner: records.owner, name: "\(topic)/\(stored.partition)", into: batch,
            rejects: &rejects)
    }
}
