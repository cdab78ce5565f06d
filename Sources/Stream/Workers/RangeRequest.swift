import Problems
import SQLite
import Topics
import Trips

/// A range of one partition of a topic, and the terms under which its records are judged: the payload of a range's frame.
///
///     partition     number
///     offsets       first, and the one behind the last; batches are read whole, so that the worker may go a little further
///     bytes         of rejects and late records: the worker stops behind the batch with which there are as many
///     floor, limit  the watermark when the epoch began, and what the other partitions allowed then
///     newest        newest event time of the partition before the range, may be missing
///     clock         ms UTC, and how far ahead of it an event time may be, ms
///     replaced      array: offsets of records in whose place others were sent; array: their seals; array: why they
///                 were passed over, 0 ahead of the clock, 1 of an unknown schema
///     queries       their number, and for each
///       closed      windows that end at or before it are closed
///       merges      0 or 1: whether late trips are merged into closed windows
///       pruned      number of ranges, each with its first and the one behind its last: where windows start that are gone
///       restated    the same, of times that newer files stand for
///       reached     how far the partition was read before a rewind
///
/// Which records are late depends on the records before them in their partition, and on nothing else that a worker does not know: that is why a
/// range begins where the one before it has ended, and no two ranges of an epoch are of one partition.
struct RangeRequest: Sendable, Equatable {
    var partition: Int
    var offsets: Range<Int64>
    var maximumSideBytes: Int
    var floor: EventTime
    var limit: EventTime
    var newest: EventTime?
    var ahead: MaxAhead
    var replaced: [Int64: LetterJournal.Original] = [:]
    var queries: [Query]

    struct Query: Sendable, Equatable {
        var closedUntil: EventTime
        var mergesLate: Bool
        var pruned: [Range<EventTime>]
        var restated: [Range<EventTime>]
        var reachedBefore: Int64
    }

    func frame() -> [UInt8] {
        var writer = WireWriter()
        writer.add(partition)
        writer.add(offsets)
        writer.add(maximumSideBytes)
        writer.add(floor)
        writer.add(limit)
        writer.add(newest)
        writer.add(ahead.nowMs)
        writer.add(ahead.aheadMs)
        let sorted = replaced.sorted { $0.key < $1.key }
        sorted.map(\.key).withUnsafeBufferPointer { writer.add(words: $0) }
        sorted.map(\.value.seal).withUnsafeBufferPointer { writer.add(words: $0) }
        let reasons = sorted.map { Int64(PassedOverReason.allCases.firstIndex(of: $0.value.reason) ?? 0) }
        reasons.withUnsafeBufferPointer { writer.add(words: $0) }
        writer.add(queries) { writer, query in
            writer.add(query.closedUntil)
            writer.add(query.mergesLate)
            writer.add(query.pruned) { $0.add($1) }
            writer.add(query.restated) { $0.add($1) }
            writer.add(query.reachedBefore)
        }
        return WireFrame.bytes(.range, writer.bytes)
    }

    init(
        partition: Int, offsets: Range<Int64>, maximumSideBytes: Int, floor: EventTime, limit: EventTime,
        newest: EventTime?, ahead: MaxAhead, replaced: [Int64: LetterJournal.Original] = [:], queries: [Query]
    ) {
        (self.partition, self.offsets, self.maximumSideBytes) = (partition, offsets, maximumSideBytes)
        (self.floor, self.limit, self.newest, self.ahead) = (floor, limit, newest, ahead)
        (self.replaced, self.queries) = (replaced, queries)
    }

    init(payload: [UInt8]) throws(Problem) {
        var reader = WireReader(payload)
        partition = Int(try reader.number(in: 0...9_999))
        offsets = try reader.range(of: 0...(1 << 62))
        maximumSideBytes = Int(try reader.number(in: 0...(1 << 40)))
        (floor, limit) = (try reader.number(), try reader.number())
        newest = try reader.optional { reader throws(Problem) in try reader.number(in: .instants) }
        ahead = MaxAhead(nowMs: try reader.number(), aheadMs: try reader.number())
        let keys = try reader.list(least: 8) { reader throws(Problem) in try reader.number() }
        let seals = try reader.words(keys.count)
        for ((key, seal), reason) in zip(zip(keys, seals), try reader.words(keys.count)) {
            guard PassedOverReason.allCases.indices.contains(Int(clamping: reason)) else {
                throw reader.damage("a record was passed over for reason \(reason)")
            }
            replaced[key] = .init(seal: seal, reason: PassedOverReason.allCases[Int(reason)])
        }
        queries = try reader.list(least: 33) { reader throws(Problem) in
            Query(
                closedUntil: try reader.number(), mergesLate: try reader.flag(),
                pruned: try reader.list(least: 16) { reader throws(Problem) in try reader.range() },
                restated: try reader.list(least: 16) { reader throws(Problem) in try reader.range() },
                reachedBefore: try reader.number())
        }
        try reader.requireEnd()
    }
}
