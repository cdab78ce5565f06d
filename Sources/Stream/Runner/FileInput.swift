import Foundation
import Problems
import Telemetry
import Topics
import Time
import Trips

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
        if position.parts != nil {
            throw Problem(
                .usage, "these files were begun by --engine spark, part by part, and are read to their end by it alone",
                hint:
                    "Add --engine spark once more; further files may go to either engine. --from-beginning computes the results anew from these files alone."
            )
        }
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

    var isComplete: Bool? { isAtEnd && !paths.isEmpty ? true : nil }
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
