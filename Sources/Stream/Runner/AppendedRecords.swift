import Topics

/// The records of a batch of the outbox, which are looked for in a topic in their order; those of others may lie between them.
struct AppendedRecords {
    private var values: [[UInt8]?] = []
    /// Of what is kept as it was; its key and headers belong to it.
    private var records: [TopicRecord] = []
    private var found = 0
    /// Behind the last one that was found.
    private(set) var end: Int64 = 0

    init(_ batch: PendingBatch) throws {
        if batch.encoding == .records {
            records = try RecordBatch.decode(batch.payload)
        } else {
            let decoded = BatchRecords()
            try decoded.load(StoredBatch(batch))
            values = (0..<decoded.count).map { index in decoded.withValue(index) { $0.map(Array.init) } }
        }
    }

    var areAllFound: Bool { found == max(values.count, records.count) }

    mutating func look(in batch: StoredBatch, from offset: Int64) throws {
        for (index, record) in try RecordBatch.decode(batch.payload).enumerated()
        where batch.baseOffset + Int64(index) >= offset && !areAllFound {
            guard isNext(record) else { continue }
            found += 1
            end = batch.baseOffset + Int64(index) + 1
        }
    }

    private func isNext(_ record: TopicRecord) -> Bool {
        guard !records.isEmpty else { return values[found] == record.value }
        let own = records[found]
        // One that was too large for its topic was cut, and headers that say so were added.
        let isValue = own.value == record.value || record.value.map { own.value?.starts(with: $0) ?? false } ?? false
        return isValue && own.key == record.key && record.headers.starts(with: own.headers)
    }
}
