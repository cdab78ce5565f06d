import Database
import Problems
import Topics

/// Messages that the results know nothing of, where no mark tells of them: results.db is lost, or was put back from an older copy, and the
/// cluster has forgotten the stream's group meanwhile.
extension SentCheck {
    /// Where the messages of some topics end by now: for results that are made anew, and take what is there for their own past.
    ///
    /// A topic whose last record cannot be told is left out.
    static func ends(of topics: [String], in store: any TopicStore) throws -> [AppendedEnd] {
        try topics.flatMap { topic in
            guard let count = try store.partitionCount(of: topic) else { return [AppendedEnd]() }
            let reader = try store.makeReader(topic: topic, untilEnd: true)
            let kept = try reader.offsets()
            return try (0..<min(count, kept.count)).compactMap { partition in
                guard let end = try lastEnd(of: partition, in: kept[partition], reader),
                    case .seal(let seal) = try reader.seal(partition: partition, endingAt: end)
                else { return nil }
                return AppendedEnd(topic: topic, anchor: TopicAnchor(partition: partition, end: end, seal: seal))
            }
        }
    }

    /// Behind the last record; the end of a transaction, which lies behind it as a rule, is none.
    private static func lastEnd(
        of partition: Int, in kept: Range<Int64>, _ reader: any TopicReader
    ) throws -> Int64? {
        var (count, last) = (Int64(16), Int64?.none)
        while true {
            let first = max(kept.lowerBound, kept.upperBound - count)
            try reader.forEachBatch(of: partition, in: first..<kept.upperBound) { batch in
                last = batch.baseOffset + Int64(batch.count)
                return true
            }
            if last != nil || first == kept.lowerBound { return last }
            count *= 8
        }
    }

    /// Whether a topic holds messages behind those that are known to have been acknowledged.
    ///
    /// - Parameter known: of all topics.
    static func isLonger(_ topic: String, than known: [AppendedEnd], in store: any TopicStore) throws -> Bool {
        try ends(of: [topic], in: store).contains { end in
            let reached = known.filter { $0.topic == topic && $0.anchor.partition == end.anchor.partition }
            return end.anchor.end > reached.map(\.anchor.end).max() ?? 0
        }
    }
}
