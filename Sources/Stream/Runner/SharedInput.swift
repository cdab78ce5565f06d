import Shares
import Topics
import Time
import Trips

/// A source whose records are taken in turns with other processes, and not faster than a limit allows.
///
/// The turn is asked for when there is something to compute, and given back before anything is waited for.
final class SharedInput: StreamInput {
    let source: any StreamInput
    private let share: WorkShare
    private let workers: Int
    private let clock: any WallClock
    private(set) var waitedMs: Int64 = 0

    init(_ source: any StreamInput, share: WorkShare, workers: Int, clock: any WallClock) {
        (self.source, self.share, self.workers, self.clock) = (source, share, workers, clock)
    }

    func next() throws -> (partition: Int, piece: InputPiece)? {
        guard share.waitMs() == 0, let found = try source.next() else { return nil }
        switch found.piece {
        case .stored(let batch, let first): share.took(Int(batch.baseOffset) + batch.count - Int(first))
        case .trips(let batch): share.took(batch.count)
        }
        let began = clock.monotonicMs
        share.begin(slots: min(workers, partitionCount))
        waitedMs += clock.monotonicMs - began
        return found
    }

    func wait(timeoutMs: Int) throws {
        share.rest()
        let left = share.waitMs()
        if left > 0 { return share.sleep(ms: min(left, timeoutMs)) }
        try source.wait(timeoutMs: timeoutMs)
    }

    // MARK: as the source has it

    var name: String { source.name }
    var partitionCount: Int { source.partitionCount }
    var offsets: [Int64] { source.offsets }
    var finished: [Bool] { source.finished }
    /// A partition that waits for a limit is none that is silent.
    var drained: [Bool] { share.waitMs() > 0 ? source.drained.map { _ in false } : source.drained }
    var rejects: Int64? { source.rejects }
    var identity: String? { source.identity }
    var seals: [Int64?]? { source.seals }
    var sealEnds: [Int64]? { source.sealEnds }
    var anchors: [TopicAnchor]? { source.anchors }
    var startedMs: EventTime? { source.startedMs }
    var stamp: String? { source.stamp }
    var content: [String]? { source.content }
    var parts: PartProgress? { source.parts }
    var isComplete: Bool? { source.isComplete }
    var latestEvent: EventTime {
        get { source.latestEvent }
        set { source.latestEvent = newValue }
    }
    func look() throws -> Bool { try source.look() }
    func startsAt(nowMs: EventTime, maxAheadMs: Int64) { source.startsAt(nowMs: nowMs, maxAheadMs: maxAheadMs) }
    func seek(to position: QueryCheckpoint.SourcePosition) throws { try source.seek(to: position) }
    func open() throws { try source.open() }
    func requireUnchanged() throws { try source.requireUnchanged() }
    func takeLost() -> [LostRecords] { source.takeLost() }
    func newestEnds() throws -> [Int64]? { try source.newestEnds() }
    func appendTime(partition: Int, of offset: Int64) throws -> EventTime? {
        try source.appendTime(partition: partition, of: offset)
    }
    func lag() throws -> Int64 { try source.lag() }
}
