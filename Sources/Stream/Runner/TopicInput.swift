import Problems
import Telemetry
import Topics
import Time

/// Reads a topic; of several partitions the one whose event time is furthest behind comes first, so that they stay together.
final class TopicInput: StreamInput {
    let name: String
    private(set) var partitionCount: Int
    private(set) var offsets: [Int64]
    private let reader: any TopicReader
    /// Where the topic ended when it was opened.
    private(set) var ended: [Int64]
    /// Where a bounded run ends in each partition; nil for a continuous one.
    private let ends: [Int64]?
    /// Newest event time given out of each partition.
    private var progress: [EventTime]
    private(set) var drained: [Bool]
    private(set) var seals: [Int64?]?
    /// Where the last batch of each partition ended; nothing but what holds no record lies between it and the partition's offset.
    private var batchEnds: [Int64]
    var sealEnds: [Int64]? {
        let ends = (0..<partitionCount).map { seals?[$0] == nil ? offsets[$0] : batchEnds[$0] }
        return ends == offsets ? nil : ends
    }
    /// Where the partitions ended when an engine was asked last; nil where the records are read here.
    private var heardEnds: [Int64]?
    private let skipsLost: Bool
    private var lost: [LostRecords] = []
    /// Whether a partition was read before, in this run or an earlier one: one that is new begins with what is there.
    private var isBegun: [Bool]
    private var isCutOff = false
    private let log = Logger("stream")
    var rejects: Int64? { nil }
    var identity: String? { reader.identity }
    var startedMs: EventTime? { nil }
    var stamp: String? { nil }
    var content: [String]? { nil }
    var latestEvent = EventTime.max
    func startsAt(nowMs: EventTime, maxAheadMs: Int64) {}
    /// By which the checkpoint has just been found to be of this topic.
    private var anchor: TopicAnchor?
    var anchors: [TopicAnchor]? { reader.anchor.map { [$0] } }
    func open() { reader.keepWatch(from: anchor) }
    func requireUnchanged() throws { try reader.requireSame() }

    /// - Parameters:
    ///   - untilEnd: stop at what is in the topic now.
    ///   - skipsLost: pass over records that are gone before they are read; else they are an error.
    init(reader: any TopicReader, untilEnd: Bool, skipsLost: Bool) throws {
        (self.reader, self.skipsLost) = (reader, skipsLost)
        reader.readValuesOnly()
        name = reader.topic
        partitionCount = reader.partitionCount
        if untilEnd {
            let open = try reader.awaitAppends()
            if open > 0 {
                log.warning(
                    "about \(open) records of topic \"\(reader.topic)\" belong to a transaction that has not ended; a later run reads them"
                )
            }
        }
        let ranges = try reader.offsets()
        offsets = ranges.map(\.lowerBound)
        ended = ranges.map(\.upperBound)
        ends = untilEnd ? ranges.map(\.upperBound) : nil
        progress = Array(repeating: .min, count: partitionCount)
        drained = Array(repeating: false, count: partitionCount)
        seals = Array(repeating: nil, count: partitionCount)
        batchEnds = Array(repeating: 0, count: partitionCount)
        isBegun = Array(repeating: false, count: partitionCount)
    }

    func seek(to position: QueryCheckpoint.SourcePosition) throws {
        try CopyCheck.require(position, in: reader)
        let ranges = try reader.offsets()
        var gone: [LostRecords] = []
        for (partition, offset) in position.offsets.enumerated() where partition < partitionCount {
            let oldest = ranges[partition].lowerBound
            if offset < oldest { gone.append(LostRecords(partition: partition, offsets: offset..<oldest)) }
            offsets[partition] = max(offset, oldest)
            isBegun[partition] = true
        }
        try passOver(gone)
        anchor = position.anchors?.last
        for (partition, seal) in (position.seals ?? []).enumerated() where partition < partitionCount {
            seals?[partition] = seal
            batchEnds[partition] = position.end(ofSealIn: partition)
            if let seal { anchor = TopicAnchor(partition: partition, end: batchEnds[partition], seal: seal) }
        }
    }

    func next() throws -> (partition: Int, piece: InputPiece)? {
        for partition in (0..<partitionCount).sorted(by: { progress[$0] < progress[$1] }) {
            let first = offsets[partition]
            if let ends, first >= ends[partition] { continue }
            let found = try read(partition, from: first)
            let oldest = try passOverLost(of: partition, from: first)
            drained[partition] = found == nil
            offsets[partition] =
                found.map { $0.baseOffset + Int64($0.count) }
                ?? max(oldest, reader.next(partition: partition, after: first))
            isBegun[partition] = isBegun[partition] || offsets[partition] > first
            if let ends, offsets[partition] >= ends[partition] { reader.stop(partition: partition) }
            guard let batch = found else { continue }
            seals?[partition] = batch.seal
            batchEnds[partition] = offsets[partition]
            let from = max(first, batch.baseOffset)
            progress[partition] = max(progress[partition], min(batch.times.upperBound, latestEvent))
            return (partition, .stored(batch, firstOffset: from))
        }
        return nil
    }

    /// A broker that is away is waited for: what it has is not lost, and the checkpoint stands.
    private func read(_ partition: Int, from offset: Int64) throws -> StoredBatch? {
        do {
            let batch = try reader.read(partition: partition, from: offset)
            if isCutOff { log.info("topic \"\(name)\" can be read again") }
            isCutOff = false
            return batch
        } catch let problem as Problem where problem.code == .unavailable {
            if !isCutOff { log.warning("\(problem.message); waiting for it") }
            isCutOff = true
            return nil
        }
    }

    /// Notes what the reader did not find any more; gives where the partition begins by now, as far as that matters.
    private func passOverLost(of partition: Int, from first: Int64) throws -> Int64 {
        guard let gone = reader.takeLost(partition: partition), gone.upperBound > first else { return first }
        if isBegun[partition] {
            try passOver([LostRecords(partition: partition, offsets: max(first, gone.lowerBound)..<gone.upperBound)])
        }
        return gone.upperBound
    }

    private func passOver(_ gone: [LostRecords]) throws {
        if gone.isEmpty { return }
        guard skipsLost else { throw LostRecords.problem(gone, topic: name) }
        log.warning(
            "records of topic \"\(name)\" were removed before they were read, and are left out: \(LostRecords.text(gone))"
        )
        lost += gone
    }

    func look() throws -> Bool {
        try reader.requireSame()
        // A bounded run ends where the topic ended when it began.
        guard ends == nil, reader.partitionCount > partitionCount else { return false }
        let ranges: [Range<Int64>]
        do { ranges = try reader.offsets() } catch let problem as Problem where problem.code == .unavailable {
            // The next look finds them.
            return false
        }
        let new = ranges[partitionCount...]
        offsets += new.map(\.lowerBound)
        ended += new.map(\.upperBound)
        for _ in new {
            progress.append(.min)
            drained.append(false)
            seals?.append(nil)
            batchEnds.append(0)
            isBegun.append(false)
        }
        log.info(
            "topic \"\(name)\" has \(ranges.count) partitions now, \(partitionCount) before; the new ones are read as well"
        )
        partitionCount = ranges.count
        return true
    }

    func takeLost() -> [LostRecords] {
        defer { lost.removeAll() }
        return lost
    }

    var finished: [Bool] {
        guard let ends else { return Array(repeating: false, count: partitionCount) }
        return zip(offsets, ends).map { $0 >= $1 }
    }

    func newestEnds() throws -> [Int64]? { try ends ?? heardEnds ?? reader.newestEnds() }

    func appendTime(partition: Int, of offset: Int64) throws -> EventTime? {
        try reader.appendTime(partition: partition, of: offset)
    }

    func wait(timeoutMs: Int) throws { try reader.wait(timeoutMs: timeoutMs) }

    func lag() throws -> Int64 {
        zip(try ends ?? heardEnds ?? reader.newestEnds(), offsets).reduce(0) { $0 + max(0, $1.0 - $1.1) }
    }

    // MARK: read by others

    /// What an engine is to be asked for: of each partition that has something the next offsets, of those first whose event time is furthest behind.
    ///
    /// - Parameters:
    ///   - atMost: so many ranges; nil for one of each partition, and more of some where `cores` are left.
    ///   - cores: that may compute several ranges of one partition; nil for one range a partition.
    /// - Returns: ranges of one partition in their order, each beginning where the one before it ends.
    func nextRanges(records: Int, atMost: Int?, cores: Int?) throws -> [(partition: Int, offsets: Range<Int64>)] {
        let known: [Int64]
        if let ends {
            known = ends
        } else {
            do { known = try reader.offsets().map(\.upperBound) } catch let problem as Problem
                where problem.code == .unavailable
            {
                if !isCutOff { log.warning("\(problem.message); waiting for it") }
                isCutOff = true
                return []
            }
            if isCutOff { log.info("topic \"\(name)\" can be read again") }
            isCutOff = false
            heardEnds = known
        }
        var asked: [(partition: Int, offsets: Range<Int64>)] = []
        for partition in (0..<partitionCount).sorted(by: { (progress[$0], $0) < (progress[$1], $1) }) {
            let first = offsets[partition]
            let end = partition < known.count ? known[partition] : first
            drained[partition] = first >= end
            guard first < end, asked.count < atMost ?? .max else { continue }
            asked.append((partition, first..<min(end, first + Int64(records))))
        }
        guard !asked.isEmpty, let cores else { return asked }
        let each = min(cores, atMost ?? .max) / asked.count
        return asked.flatMap { partition, first in
            let end = known[partition]
            return (0..<max(1, each)).compactMap { number in
                let start = first.lowerBound + Int64(number) * Int64(records)
                return start < end ? (partition, start..<min(end, start + Int64(records))) : nil
            }
        }
    }

    /// Takes over up to where somebody else has read a partition.
    ///
    /// - Parameters:
    ///   - seal, sealEnd: of the last batch; nil where there was none.
    ///   - lost: offsets that were gone.
    func take(
        _ partition: Int, upTo offset: Int64, seal: Int64?, sealEnd: Int64, newest: EventTime?, lost gone: Range<Int64>?
    ) throws {
        let first = offsets[partition]
        if let gone, gone.upperBound > first, isBegun[partition] {
            try passOver([LostRecords(partition: partition, offsets: max(first, gone.lowerBound)..<gone.upperBound)])
        }
        offsets[partition] = max(first, offset)
        isBegun[partition] = isBegun[partition] || offset > first
        if let newest { progress[partition] = max(progress[partition], min(newest, latestEvent)) }
        guard sealEnd > first else { return }
        seals?[partition] = seal
        batchEnds[partition] = sealEnd
    }
}
