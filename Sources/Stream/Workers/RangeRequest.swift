import Problems
import SQLite
import Topics
import Time
import Trips

/// A range of one partition of a topic, or part of a file, and the terms under which its records are judged: the payload of a range's frame.
///
///     partition     number
///     offsets       first, and the one behind the last
///     exact         0 or 1: whether the worker ends there, since another has what follows; else it reads the last batch whole, and goes a little further
///     bytes         of rejects and late records, and of states: the worker stops behind the batch with which there are as many
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
///     part          may be missing: the records are those of part of a file, whose bytes follow on the worker's standard input
///       form        text: csv, jsonl or avro; file: text; skip, line: numbers; header: text, may be missing; first, last: 0 or 1 (`TripFilePart`)
///
/// Which records are late depends on the records before them in their partition, and on nothing else that a worker does not know: that is why a
/// range begins where the one before it has ended, and no two ranges of an epoch are of one partition; but for late trips that are merged, of which
/// it is of no account whether they were late.
struct RangeRequest: Sendable, Equatable {
    var partition: Int
    var offsets: Range<Int64>
    var isExact = false
    var maximumSideBytes: Int
    var maximumStateBytes: Int
    var floor: EventTime
    var limit: EventTime
    var newest: EventTime?
    var ahead: MaxAhead
    var replaced: [Int64: LetterJournal.Original] = [:]
    var queries: [Query]
    var part: TripFilePart?

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
        writer.add(isExact)
        writer.add(maximumSideBytes)
        writer.add(maximumStateBytes)
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
        writer.add(part) { writer, part in
            writer.add(part.form.rawValue)
            writer.add(part.file)
            writer.add(part.skip)
            writer.add(part.line)
            writer.add(part.header.map { Array($0.utf8) })
            writer.add(part.isFirst)
            writer.add(part.isLast)
        }
        return WireFrame.bytes(.range, writer.bytes)
    }

    init(
        partition: Int, offsets: Range<Int64>, isExact: Bool = false, maximumSideBytes: Int, maximumStateBytes: Int,
        floor: EventTime,
        limit: EventTime,
        newest: EventTime?, ahead: MaxAhead, replaced: [Int64: LetterJournal.Original] = [:], queries: [Query],
        part: TripFilePart? = nil
    ) {
        (self.partition, self.offsets, self.isExact) = (partition, offsets, isExact)
        (self.maximumSideBytes, self.maximumStateBytes) = (maximumSideBytes, maximumStateBytes)
        (self.floor, self.limit, self.newest, self.ahead) = (floor, limit, newest, ahead)
        (self.replaced, self.queries, self.part) = (replaced, queries, part)
    }

    init(payload: [UInt8]) throws(Problem) {
        var reader = WireReader(payload)
        partition = Int(try reader.number(in: 0...9_999))
        offsets = try reader.range(of: 0...(1 << 62))
        isExact = try reader.flag()
        maximumSideBytes = Int(try reader.number(in: 0...(1 << 40)))
        maximumStateBytes = Int(try reader.number(in: 0...(1 << 40)))
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
        part = try reader.optional { reader throws(Problem) in
            guard let form = TripFilePartForm(rawValue: try reader.string()) else {
                throw reader.damage("an unknown form of a file")
            }
            var part = TripFilePart(form: form, file: try reader.string())
            part.skip = try reader.number(in: 0...(1 << 62))
            part.line = try reader.number(in: 1...(1 << 62))
            part.header = try reader.optional { reader throws(Problem) in try reader.string() }
            (part.isFirst, part.isLast) = (try reader.flag(), try reader.flag())
            return part
        }
        try reader.requireEnd()
    }
}
