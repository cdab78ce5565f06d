import SQLite
import Time

/// A row of the table `batches`: where a batch lies, what its records are, and what its payload has to be.
struct BatchRow {
    var slot: Int64
    var base: Int64
    var count: Int64
    var times: ClosedRange<EventTime>
    var appended: EventTime
    var encoding: BatchEncoding
    var byteCount: Int64
    /// Of the payload's bytes.
    var checksum: Int64
    var payloadID: Int64

    var end: Int64 { base + count }

    /// The columns that `init(_:)` takes, in its order.
    static let columns =
        "base_offset, slot, count, first_time, last_time, append_time, encoding, size_bytes, checksum, payload_id, row_checksum"

    /// The checksum of the row's own numbers: it tells one that was changed on the disk, and a batch from any other that ever had its place.
    var seal: Int64 {
        Self.seal(of: [
            base, slot, count, times.lowerBound, times.upperBound, appended, Int64(encoding.rawValue), byteCount,
            checksum, payloadID,
        ])
    }

    /// - Parameter numbers: those of `columns` but the last.
    static func seal(of numbers: [Int64]) -> Int64 {
        numbers.map(\.littleEndian).withUnsafeBytes { Topics.checksum(of: $0) }
    }

    /// - Throws: `.corrupt` for numbers that no batch can have, and for those that are not what was written.
    init(_ row: Statement) throws(SQLiteError) {
        base = try row.integer(0, in: .counts)
        slot = try row.integer(1, in: .ids)
        count = try row.integer(2, in: EmbeddedSchema.recordsOfBatch)
        let first = try row.integer(3, in: .times)
        let last = try row.integer(4, in: .times)
        guard first <= last else { throw row.damage(3, wanted: "a time before last_time \(last)") }
        times = first...last
        appended = try row.integer(5, in: .times)
        guard let encoding = BatchEncoding(rawValue: UInt8(try row.integer(6, in: 0...255))) else {
            throw row.damage(6, wanted: "an encoding")
        }
        self.encoding = encoding
        byteCount = try row.integer(7, in: .counts)
        checksum = try row.integer(8, in: .anything)
        payloadID = try row.integer(9, in: .anything)
        guard try row.integer(10, in: .anything) == seal else {
            throw row.damage(10, wanted: "the checksum of its row")
        }
    }
}
