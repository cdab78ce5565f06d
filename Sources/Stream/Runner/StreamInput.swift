import Foundation
import Problems
import Telemetry
import Topics
import Time
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
    /// How far files are read whose parts others compute; nil for what is read here, and at the end.
    var parts: PartProgress? { get }
    /// True where all of some files was read; nil before, and for a topic.
    var isComplete: Bool? { get }
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
    /// How long it has waited for its turn to compute, on the monotonic clock, since it was opened; 0 where nobody else computes.
    var waitedMs: Int64 { get }
}

extension StreamInput {
    /// What is read, without what stands before it.
    var source: any StreamInput { (self as? SharedInput)?.source ?? self }
    var waitedMs: Int64 { 0 }
    func newestEnds() -> [Int64]? { nil }
    var parts: PartProgress? { nil }
    var isComplete: Bool? { nil }
    func appendTime(partition: Int, of offset: Int64) -> EventTime? { nil }

    /// What names the source in the account of dead letters: a topic that was made anew has another name where the backend can tell.
    var written: String { identity.map { "\(name) \($0)" } ?? name }
}
