import Foundation
import Problems
import Telemetry
import Topics
import Trips

/// Records on their way from a source to the queries: part of one partition.
enum InputPiece {
    /// A stored batch, of which the records before `firstOffset` were taken before.
    case stored(StoredBatch, firstOffset: Int64)
    /// Trips straight from a file; the batch is lent until the next piece is asked for.
    case trips(TripBatch)
}

/// Where a stream reads: one source of one or more partitions. Used by one thread at a time.
protocol StreamInput: AnyObject {
    /// Names the source in checkpoints: the same source has the same name at the next start.
    var name: String { get }
    var partitionCount: Int { get }
    /// Between epochs: sees that the source is the one that it was.
    ///
    /// - Returns: whether it has more partitions than before.
    /// - Throws: `Problem` where it is gone, or another one by now.
    func look() throws -> Bool
    /// Before anything else: what the clock shows, and how far ahead of it an event time may be.
    func startsAt(nowMs: EventTime, maxAheadMs: Int64)
    /// Goes to where a checkpoint stands; partitions that it does not know start at the beginning.
    ///
    /// - Throws: `Problem(.badData)` where records between the two are gone, unless they are to be passed over.
    func seek(to position: QueryCheckpoint.SourcePosition) throws
    /// Opens what is read from there, so that what is wrong with it shows before anything is done.
    func open() throws
    /// The next records and their partition; nil where nothing more is there now.
    func next() throws -> (partition: Int, piece: InputPiece)?
    /// Next offset of each partition, behind all that `next` gave.
    var offsets: [Int64] { get }
    /// Partitions that a bounded run has read to their end, as of its start.
    var finished: [Bool] { get }
    /// Partitions that had nothing more when they were last looked at: only those can be silent.
    var drained: [Bool] { get }
    /// Rows set aside so far by a reader of files, which gives them again when it starts anew; nil for a topic.
    var rejects: Int64? { get }
    /// Of the topic; nil for files, whose name tells them apart.
    var identity: String? { get }
    /// Of the batch that ends at each partition's offset (`SourcePosition`); nil for files.
    var seals: [Int64?]? { get }
    var sealEnds: [Int64]? { get }
    /// By what the topic is known again, beside the seals; nil where it need not be.
    var anchors: [TopicAnchor]? { get }
    /// The clock by which files are judged, the same for all runs that read them; nil for a topic, whose records are judged as they come.
    var startedMs: EventTime? { get }
    /// By what files are known again (`SourcePosition`); nil for a topic.
    var stamp: String? { get }
    var content: [String]? { get }
    /// - Throws: `Problem(.inputOutput)` where a file has changed since it was opened, so that what was read must not be committed.
    func requireUnchanged() throws
    /// Event times after it say nothing about how far a partition is.
    var latestEvent: EventTime { get set }
    /// What has been passed over since this was last asked, since it was removed before it was read.
    func takeLost() -> [LostRecords]
    /// The offset behind the newest record of each partition, as last heard of; nil for files.
    func newestEnds() throws -> [Int64]?
    /// When the first record at or behind an offset was appended, ms UTC; nil where nobody tells.
    func appendTime(partition: Int, of offset: Int64) throws -> EventTime?
    /// Waits until something may be there, at most `timeoutMs`.
    func wait(timeoutMs: Int) throws
    /// Records that are there and not read yet, as far as known.
    func lag() throws -> Int64
}

extension StreamInput {
    /// What is read, without what stands before it.
    var source: any StreamInput { (self as? SharedInput)?.source ?? self }
    func newestEnds() -> [Int64]? { nil }
    func appendTime(partition: Int, of offset: Int64) -> EventTime? { nil }

    /// What names the source in the account of dead letters: a topic that was made anew has another name where the backend can tell.
    var written: String { identity.map { "\(name) \($0)" } ?? name }
}

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
            let open = try reader.settle()
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

    func newestEnds() throws -> [Int64]? { try ends ?? reader.newestEnds() }

    func appendTime(partition: Int, of offset: Int64) throws -> EventTime? {
        try reader.appendTime(partition: partition, of: offset)
    }

    func wait(timeoutMs: Int) throws { try reader.wait(timeoutMs: timeoutMs) }

    func lag() throws -> Int64 {
        zip(try ends ?? reader.newestEnds(), offsets).reduce(0) { $0 + max(0, $1.0 - $1.1) }
    }
}

/// Reads trip files without any topic: one partition, whose offsets count the trips delivered.
///
/// The next batch is read on another thread while the last one is computed.
final class FileInput: StreamInput {
    let name: String
    let partitionCount = 1
    private(set) var offsets: [Int64] = [0]
    private let openSource: (_ skip: Int, _ ahead: MaxAhead) throws -> TripSource
    private var ahead = MaxAhead(nowMs: .max, aheadMs: 0)
    var latestEvent = EventTime.max
    private let paths: [String]
    private(set) var stamp: String?
    private var knownContent: [String]?
    private var contents: ContentHash?
    var content: [String]? { knownContent ?? contents?.hashes }
    private let log = Logger("stream")
    private let onRejects: (_ rejects: [Reject], _ first: Int) -> Void
    private var reading: Reading?
    private var isAtEnd = false
    /// Rows that the source has set aside since it was opened, and how many of those an earlier run has counted.
    private var rejectsMet = 0
    private var rejectsKnown = 0

    /// What the reading thread gives: a batch, or the end.
    private struct Read: @unchecked Sendable {  // handed over by the semaphore; the batch has one owner at a time
        var batch: TripBatch
        var hasTrips = false
        var rejects: [Reject] = []
        var failure: (any Error)?
    }

    /// A source and the batch that is being read from it. `@unchecked Sendable`: `next` waits for `isDone` before it looks at anything.
    private final class Reading: @unchecked Sendable {
        let source: TripSource
        private let queue = DispatchQueue(label: "trip files")
        private let isDone = DispatchSemaphore(value: 0)
        private var result: Read?
        private var spare: TripBatch? = TripBatch(capacity: 16384)

        init(_ source: TripSource) {
            self.source = source
            start(TripBatch(capacity: 16384))
        }

        private func start(_ batch: TripBatch) {
            let read = Read(batch: batch)
            queue.async { [self] in
                var read = read
                do {
                    read.hasTrips = try source.next(into: read.batch)
                } catch {
                    read.failure = error
                }
                read.rejects = source.takeRejects()
                result = read
                isDone.signal()
            }
        }

        /// The batch that was read meanwhile; the one given before is read into next.
        func next(returning last: TripBatch?) -> Read {
            isDone.wait()
            let read = result!  // set before the signal
            if read.hasTrips, let free = last ?? spare {
                spare = nil
                start(free)
            }
            return read
        }
    }

    private var last: TripBatch?

    /// - Parameters:
    ///   - name: the files' identity.
    ///   - paths: of files that are to be known again; empty for pipes.
    ///   - open: opens the files, passing over the trips of an earlier run.
    init(
        name: String, paths: [String] = [], open: @escaping (_ skip: Int, _ ahead: MaxAhead) throws -> TripSource,
        onRejects: @escaping (_ rejects: [Reject], _ first: Int) -> Void
    ) {
        (self.name, self.paths, openSource, self.onRejects) = (name, paths, open, onRejects)
        if !paths.isEmpty { stamp = paths.map(InputWatch.stamp).joined(separator: " ") }
    }

    deinit { contents?.stop() }

    func startsAt(nowMs: EventTime, maxAheadMs: Int64) { ahead = MaxAhead(nowMs: nowMs, aheadMs: maxAheadMs) }

    func seek(to position: QueryCheckpoint.SourcePosition) throws {
        try requireSame(as: position)
        // By another clock other trips would be passed over than those that were read.
        if let startedMs = position.startedMs { ahead.nowMs = startedMs }
        offsets = [position.offsets.first ?? 0]
        rejectsKnown = Int(position.rejects ?? 0)
        rejectsMet = 0
        reading = nil
        last = nil
        isAtEnd = false
    }

    /// The name knows a file by its size and its ends; what lies between them may have been edited.
    private func requireSame(as position: QueryCheckpoint.SourcePosition) throws {
        knownContent = position.content
        guard let stamp, let earlier = position.stamp, earlier != stamp else { return }
        guard let content = position.content else {
            log.warning(
                "the files were moved or written to since they were read; make sure that they are what they were")
            return
        }
        for (path, earlier) in zip(paths, content) where try ContentHash.hash(of: path) ?? "" != earlier {
            throw Problem(
                .badData, "\"\(path)\" has other content than when it was read",
                hint: "Bring it back as it was, or compute the results anew from it: taxi-cli stream --from-beginning.")
        }
    }

    func open() throws { _ = try opened() }

    private func opened() throws -> Reading {
        if let reading { return reading }
        let reading = Reading(try openSource(Int(offsets[0]), ahead))
        self.reading = reading
        return reading
    }

    func next() throws -> (partition: Int, piece: InputPiece)? {
        if isAtEnd { return nil }
        if !paths.isEmpty, knownContent == nil, contents == nil {
            contents = ContentHash(paths: paths, isPatient: true)
        }
        let read = try opened().next(returning: last)
        take(read.rejects)
        if let failure = read.failure { throw failure }
        guard read.hasTrips else {
            isAtEnd = true
            return nil
        }
        last = read.batch
        offsets[0] += Int64(read.batch.count)
        return (0, .trips(read.batch))
    }

    /// The trips of an earlier run are passed over by the source; rows that it had set aside come again, and are passed over here.
    private func take(_ rejects: [Reject]) {
        let new = rejects.dropFirst(max(0, rejectsKnown - rejectsMet))
        rejectsMet += rejects.count
        if !new.isEmpty { onRejects(Array(new), rejectsMet - new.count) }
    }

    var rejects: Int64? { Int64(max(rejectsMet, rejectsKnown)) }
    var identity: String? { nil }
    var seals: [Int64?]? { nil }
    var startedMs: EventTime? { ahead.nowMs }
    var sealEnds: [Int64]? { nil }
    var anchors: [TopicAnchor]? { nil }
    func look() -> Bool { false }
    func takeLost() -> [LostRecords] { [] }
    func requireUnchanged() throws { try reading?.source.requireUnchanged() }
    var finished: [Bool] { [isAtEnd] }
    var drained: [Bool] { [isAtEnd] }
    func wait(timeoutMs: Int) throws {}
    func lag() throws -> Int64 { 0 }
}
