import Problems
import Topics
import Time
import Trips

/// Trip files whose parts an engine computes: one partition, whose offsets count the trips delivered, as where the stream reads them itself.
///
/// It gives no records: `QueryCohort.readParts` asks the engine for them.
final class PartInput: StreamInput {
    let files: PartFiles
    private let watch: InputWatch
    let partitionCount = 1
    private(set) var offsets: [Int64] = [0]
    private var rejected: Int64 = 0
    private(set) var ahead = MaxAhead(nowMs: .max, aheadMs: 0)
    private var current: PartProgress
    private var wasComplete = false
    var latestEvent = EventTime.max

    /// - Parameter watch: of the files that lie here, since they were first looked at.
    init(_ files: PartFiles, watch: InputWatch) {
        (self.files, self.watch) = (files, watch)
        current = PartProgress(unitBytes: files.unitBytes)
    }

    var name: String { files.identity }

    func startsAt(nowMs: EventTime, maxAheadMs: Int64) { ahead = MaxAhead(nowMs: nowMs, aheadMs: maxAheadMs) }

    func seek(to position: QueryCheckpoint.SourcePosition) throws {
        if let startedMs = position.startedMs { ahead.nowMs = startedMs }
        offsets = [position.offsets.first ?? 0]
        rejected = position.rejects ?? 0
        if position.isComplete == true {
            (wasComplete, current.file) = (true, files.files.count)
            return
        }
        guard let progress = position.parts else {
            if offsets == [0], rejected == 0 { return }
            throw Problem(
                .usage,
                "these files were begun by --engine local, in the order of time over all of them: what is left is no part of a file",
                hint:
                    "Say --engine local once, which reads what is left; further files may go to either engine. --from-beginning computes the results anew from these files alone."
            )
        }
        guard !progress.isWrong(for: files) else {
            throw Problem(
                .badData, "the place where the files are to be read on is none of theirs",
                hint: "Restore a backup, or compute the results anew: taxi-cli stream --from-beginning.")
        }
        current = progress
    }

    // MARK: what is read by others

    /// What an engine is to be asked for: the first begins where the last that was taken has ended, and each of the others where the one before it
    /// would end by its bytes.
    func nextParts(atMost count: Int) -> [(asked: PartProgress, part: TripFilePart, source: PartSource)] {
        var parts: [(asked: PartProgress, part: TripFilePart, source: PartSource)] = []
        var place = current
        while parts.count < count, place.file < files.files.count {
            let next = place.next(in: files, isKnown: parts.isEmpty)
            parts.append((place, next.part, next.source))
            place = next.behind
        }
        return parts
    }

    func isAt(_ asked: PartProgress) -> Bool { current.isAt(asked) }

    /// Takes over what was read of a part; its lines become those of its file.
    ///
    /// - Returns: how many records were rejected before those of this part.
    func take(_ partial: inout RangePartial, first: Int64) throws -> Int64 {
        guard let end = partial.part, !partial.offsets.isEmpty || end.isAtEnd || end.isCut && current.unit != nil else {
            throw Problem(.badData, "a worker has read nothing of a part, and says that there is more")
        }
        let lines = Int(current.take(Int64(partial.offsets.count), end, first: first, files))
        if lines != 0 {
            for index in partial.findings.rejects.indices {
                partial.findings.rejects[index].reject.location.line += lines
            }
            for index in partial.findings.steps.indices { partial.findings.steps[index].reject?.location.line += lines }
        }
        current.newest = [current.newest, partial.newest].compactMap { $0 }.max()
        defer { rejected += Int64(partial.findings.rejects.count) }
        offsets[0] += Int64(partial.findings.records)
        return rejected
    }

    /// Newest event time of all that was read.
    var newest: EventTime? { current.newest }
    private var isAtEnd: Bool { current.file >= files.files.count }

    // MARK: as a source

    func next() -> (partition: Int, piece: InputPiece)? { nil }
    func open() throws { try watch.requireUnchanged() }
    func requireUnchanged() throws { try watch.requireUnchanged() }
    var parts: PartProgress? { isAtEnd ? nil : current }
    var isComplete: Bool? { isAtEnd ? true : nil }
    var rejects: Int64? { rejected }
    var identity: String? { nil }
    var seals: [Int64?]? { nil }
    var sealEnds: [Int64]? { nil }
    var anchors: [TopicAnchor]? { nil }
    var startedMs: EventTime? { ahead.nowMs }
    var stamp: String? { files.stamp }
    var content: [String]? { nil }
    func look() -> Bool { false }
    func takeLost() -> [LostRecords] { [] }
    var finished: [Bool] { [isAtEnd] }
    var drained: [Bool] { [isAtEnd] }
    func wait(timeoutMs: Int) {}
    func lag() -> Int64 { 0 }
}
