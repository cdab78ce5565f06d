import Problems
public import Time
import Trips

/// Prints a topic's records from some place on, and goes on with what comes, if wanted.
///
/// A partition's records come in their order; of several partitions the record with the least event time comes first, among those that
/// are there. Used by one thread at a time.
public final class TopicTail {
    public enum Start: Sendable, Equatable {
        /// The oldest record kept.
        case beginning
        /// So many records before the end, over all partitions.
        case last(Int)
        /// In each partition the first record at or after an event time, ms UTC.
        case time(EventTime)
    }

    /// One partition, and the batch of it that is being printed.
    private final class Cursor {
        let partition: Int
        /// Next offset to read, behind the records held.
        var offset: Int64
        /// Records before it are passed over, until the first that is not; nil afterwards.
        var from: EventTime?
        let records: BatchRecords
        /// Next record to print.
        var row = 0
        init(_ reader: any TopicReader, partition: Int, offset: Int64, from: EventTime?) {
            (self.partition, self.offset, self.from) = (partition, offset, from)
            records = BatchRecords(schemas: reader.schemas)
        }
        var head: EventTime { records.timestamps[row] }
    }

    private let reader: any TopicReader
    private let lines: RecordLines
    private var cursors: [Cursor]
    /// Whether partitions that are added are read as well.
    private let readsAll: Bool
    /// Where each cursor's partition ended when the tail was made.
    private let ends: [Int64]

    /// How much is gathered before it is written.
    private static let pieceBytes = 256 << 10

    /// - Parameter partition: the only one to read; nil for all.
    /// - Throws: `.usage` for a partition that the topic does not have; what the reader throws.
    public init(reader: any TopicReader, lines: RecordLines, start: Start, partition: Int? = nil) throws {
        if let partition, !(0..<reader.partitionCount).contains(partition) {
            throw Problem.noPartition(partition, topic: reader.topic, partitionCount: reader.partitionCount)
        }
        (self.reader, self.lines, readsAll) = (reader, lines, partition == nil)
        let ranges = try reader.offsets()
        let partitions = partition.map { [$0] } ?? Array(ranges.indices)
        ends = partitions.map { ranges[$0].upperBound }
        switch start {
        case .beginning:
            cursors = partitions.map { Cursor(reader, partition: $0, offset: ranges[$0].lowerBound, from: nil) }
        case .time(let time):
            let offsets = try reader.offsets(from: time)
            cursors = partitions.map { Cursor(reader, partition: $0, offset: offsets[$0], from: time) }
        case .last(let count):
            let offsets = try Self.offsets(ofLast: count, in: partitions.map { ($0, ranges[$0]) }, of: reader)
            cursors = zip(partitions, offsets).map { Cursor(reader, partition: $0, offset: $1, from: nil) }
        }
    }

    /// Prints what is there, up to where the topic ended when the tail was made; following, goes on until `shouldStop`.
    ///
    /// - Parameters:
    ///   - shouldStop: asked between pieces and, following, five times a second.
    ///   - write: receives whole lines; an empty piece says that nothing more is there at present.
    public func run(
        following: Bool, shouldStop: () -> Bool, write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var out = OutputBuffer(capacity: Self.pieceBytes * 2)
        if following { reader.keepWatch(from: nil) }
        while !shouldStop() {
            if following { try look() }
            if try print(following: following, to: &out) {
                guard out.count >= Self.pieceBytes else { continue }
                try write(UnsafeRawBufferPointer(out.bytes))
                out.removeAll()
                continue
            }
            if !out.isEmpty { try write(UnsafeRawBufferPointer(out.bytes)) }
            out.removeAll()
            if !following { return }
            try write(UnsafeRawBufferPointer(start: nil, count: 0))
            try reader.wait(timeoutMs: 200)
        }
        if !out.isEmpty { try write(UnsafeRawBufferPointer(out.bytes)) }
    }

    /// Sees that the topic is still the same, and takes partitions in that are new, from their beginning.
    private func look() throws {
        try reader.requireSame()
        guard readsAll else { return }
        for partition in cursors.count..<max(cursors.count, reader.partitionCount) {
            cursors.append(Cursor(reader, partition: partition, offset: 0, from: nil))
        }
    }

    /// Prints the records of one partition that come next; false where nothing is there.
    private func print(following: Bool, to out: inout OutputBuffer) throws -> Bool {
        var next: Cursor?
        // Up to here no other partition has an earlier record.
        var limit = EventTime.max
        for (index, cursor) in cursors.enumerated() where try fill(cursor, end: following ? .max : ends[index]) {
            guard let best = next else {
                next = cursor
                continue
            }
            limit = min(limit, max(best.head, cursor.head))
            if cursor.head < best.head { next = cursor }
        }
        guard let next else { return false }
        var end = next.row + 1
        while end < next.records.count, next.records.timestamps[end] <= limit { end += 1 }
        lines.append(next.records, next.row..<end, to: &out)
        next.row = end
        return true
    }

    /// Sees that the cursor stands on a record; false where its partition has no more.
    private func fill(_ cursor: Cursor, end: Int64) throws -> Bool {
        while cursor.row == cursor.records.count {
            guard cursor.offset < end, let batch = try reader.read(partition: cursor.partition, from: cursor.offset)
            else { return false }
            try cursor.records.load(batch, from: cursor.offset)
            cursor.offset = batch.baseOffset + Int64(batch.count)
            cursor.row = 0
            if let from = cursor.from {
                cursor.row = cursor.records.timestamps.firstIndex { $0 >= from } ?? cursor.records.count
                if cursor.row < cursor.records.count { cursor.from = nil }
            }
        }
        return true
    }

    /// Where the last `count` records begin in each partition: the latest event time goes first, one record after the other.
    private static func offsets(
        ofLast count: Int, in partitions: [(id: Int, kept: Range<Int64>)], of reader: any TopicReader
    ) throws -> [Int64] {
        // Of each partition the last records that are not taken yet, and where those taken begin.
        var tails = partitions.map { (offset: $0.kept.upperBound, records: [Place]()) }
        for _ in 0..<count {
            for index in tails.indices where tails[index].records.isEmpty {
                tails[index].records = try places(before: tails[index].offset, in: partitions[index], of: reader)
            }
            let latest = tails.indices.filter { !tails[$0].records.isEmpty }.max {
                tails[$0].records.last!.time <= tails[$1].records.last!.time
            }
            guard let latest else { break }
            tails[latest].offset = tails[latest].records.removeLast().offset
        }
        return tails.map(\.offset)
    }

    private typealias Place = (offset: Int64, time: EventTime)

    /// The last records of a partition before an offset, some of them at least; empty where there is none.
    ///
    /// Offsets may have gaps, so it goes back further until something is there.
    private static func places(
        before end: Int64, in partition: (id: Int, kept: Range<Int64>), of reader: any TopicReader
    ) throws -> [Place] {
        let records = BatchRecords()
        var (start, step): (Int64, Int64) = (end, 64)
        while start > partition.kept.lowerBound {
            start = max(partition.kept.lowerBound, start - step)
            step *= 4
            var places: [Place] = []
            var offset = start
            while offset < end, let batch = try reader.read(partition: partition.id, from: offset) {
                for (index, time) in try records.times(of: batch).enumerated() {
                    let place = batch.baseOffset + Int64(index)
                    if place < end { places.append((place, time)) }
                }
                offset = batch.baseOffset + Int64(batch.count)
            }
            if !places.isEmpty { return places }
        }
        return []
    }
}
