public import Problems

/// Whether everything that a store keeps can be read: of each partition the chain of offsets from its start to its end, and of each batch
/// its row, its payload, and the records in it.
public struct StoreInspection: Sendable {
    public private(set) var records: Int64 = 0
    /// The first thing that is wrong with each topic, or each of its partitions.
    public private(set) var damages: [Problem] = []

    /// Reads all topics to where they end now.
    ///
    /// - Parameters:
    ///   - timesOnly: of trips decodes only when they were, for whoever decodes the rest anyway; their checksums are looked at all the same.
    ///   - onProgress: told how many records have been read, after each batch.
    /// - Throws: what is no damage: a store that cannot be opened, read or locked.
    public init(_ store: any TopicStore, timesOnly: Bool = false, onProgress: (Int64) -> Void = { _ in }) throws {
        let decoder = BatchRecords()
        var records: Int64 = 0
        for topic in try store.topicNames() {
            var reader: (any TopicReader)?
            var kept: [Range<Int64>] = []
            try collect {
                _ = try store.describe(topic)
                reader = try store.makeReader(topic: topic)
                kept = try reader?.offsets() ?? []
            }
            guard let reader else { continue }
            for (partition, kept) in kept.enumerated() {
                var offset = kept.lowerBound
                var count: Int64 = 0
                try collect {
                    while offset < kept.upperBound, let batch = try reader.read(partition: partition, from: offset) {
                        try decoder.verify(batch, timesOnly: timesOnly)
                        offset = batch.baseOffset + Int64(batch.count)
                        count += Int64(batch.count)
                        onProgress(records + count)
                    }
                }
                records += count
            }
        }
        self.records = records
    }

    private mutating func collect(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let problem as Problem where problem.code == .badData {
            damages.append(problem)
        } catch let problem as Problem where problem.code == .noInput {
            // Somebody has deleted the topic meanwhile.
        }
    }
}
