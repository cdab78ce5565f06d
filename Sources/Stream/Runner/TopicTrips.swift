package import Topics
package import Trips

/// The trips of a topic, decoded as a stream decodes them, from any offset on: for whoever reads again what a stream has read.
///
/// Used by one thread at a time.
package final class TopicTrips {
    private let reader: any TopicReader
    private let decoder: PieceDecoder

    /// - Parameter fields: the columns to decode, besides event times.
    package init(reader: any TopicReader, fields: TripFieldSet) {
        self.reader = reader
        decoder = PieceDecoder(fields: fields, schemas: reader.schemas)
    }

    /// The stored batch that holds `offset`, or the first one after it; nil at the partition's end.
    package func stored(partition: Int, from offset: Int64) throws -> StoredBatch? {
        try reader.read(partition: partition, from: offset)
    }

    /// The trips of a stored batch from `offset` on, valid until the next call: rows `first ..< batch.count`.
    ///
    /// - Parameter rejects: receives the records that cannot be used; their location's line is the offset.
    package func decode(
        _ stored: StoredBatch, from offset: Int64, rejects: inout [Reject]
    ) throws -> (batch: TripBatch, first: Int) {
        try decoder.decode(
            .stored(stored, firstOffset: max(offset, stored.baseOffset)), topic: reader.topic, rejects: &rejects)
    }

    /// Where to read on behind a batch.
    package static func offset(after stored: StoredBatch) -> Int64 { stored.baseOffset + Int64(stored.count) }

    /// The offset of one of a batch's trips; a batch of records may have lost some to rejection, one of columns has none.
    package static func offset(ofRow row: Int, of batch: TripBatch, in stored: StoredBatch) -> Int64 {
        stored.encoding == .trips ? stored.baseOffset + Int64(row) : batch.positions[row]
    }
}
