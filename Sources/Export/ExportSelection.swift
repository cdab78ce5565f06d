import Problems
public import Topics

/// Which records of a topic leave it: ranges of offsets that were there when the export began, partition after partition.
public struct ExportSelection: Sendable {
    public struct Part: Sendable, Equatable {
        public var partition: Int
        public var offsets: Range<Int64>
    }

    public var parts: [Part]
    /// So many records at most; nil for all.
    public var limit: Int64?

    /// - Parameters:
    ///   - partition: the only one; nil for all.
    ///   - from: an offset of that partition; earlier records stay.
    /// - Throws: `.usage` for a partition that the topic does not have, and for an offset where several partitions are meant; what the
    ///   reader throws.
    public init(_ reader: any TopicReader, partition: Int?, from: Int64?, limit: Int64?) throws {
        let ranges = try reader.offsets()
        if let partition, !ranges.indices.contains(partition) {
            throw Problem.noPartition(partition, topic: reader.topic, partitionCount: ranges.count)
        }
        if from != nil, partition == nil, ranges.count > 1 {
            throw Problem(
                .usage, "topic \"\(reader.topic)\" has \(ranges.count) partitions, and each has offsets of its own",
                hint: "Say which with --partition.")
        }
        parts = (partition.map { [$0] } ?? Array(ranges.indices)).map { partition in
            let kept = ranges[partition]
            let first = min(max(kept.lowerBound, from ?? 0), kept.upperBound)
            return Part(partition: partition, offsets: first..<kept.upperBound)
        }
        self.limit = limit
    }

    /// Shows the batches that hold selected records, each with which of its records are.
    ///
    /// - Parameter body: gives false where it has seen enough.
    func forEachBatch(_ reader: any TopicReader, _ body: (StoredBatch, Range<Int>) throws -> Bool) throws {
        var left = limit ?? .max
        for part in parts where left > 0 {
            var isDone = false
            try reader.forEachBatch(of: part.partition, in: part.offsets) { batch in
                let first = max(0, part.offsets.lowerBound - batch.baseOffset)
                let end = min(Int64(batch.count), part.offsets.upperBound - batch.baseOffset)
                guard first < end else { return true }
                let rows = Int(first)..<Int(min(end, first &+ min(left, Int64(batch.count))))
                left -= Int64(rows.count)
                isDone = try !body(batch, rows)
                return left > 0 && !isDone
            }
            if isDone { return }
        }
    }
}
