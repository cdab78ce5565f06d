import Time

/// Tells a record of a cluster from every other that a topic of that name may have at its offset, for a client that is not told topics' ids.
enum KafkaSeal {
    static func seal(
        offset: Int64, timestamp: EventTime, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) -> Int64 {
        // A part that is not there is none of any length.
        let hashes = [key, value].map { part in part.map { checksum(of: $0) } ?? 0 }
        let parts: [Int64] = [
            offset, timestamp, Int64(key?.count ?? -1), hashes[0], Int64(value?.count ?? -1), hashes[1],
        ]
        return parts.map(\.littleEndian).withUnsafeBytes { checksum(of: $0) }
    }

    static func seal(of record: TopicRecord, offset: Int64) -> Int64 {
        func withBytes<Result>(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
            bytes.map { $0.withUnsafeBytes { body($0) } } ?? body(nil)
        }
        return withBytes(record.key) { key in
            withBytes(record.value) { value in
                seal(offset: offset, timestamp: record.timestamp, key: key, value: value)
            }
        }
    }
}
