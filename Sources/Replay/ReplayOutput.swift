import Topics
import Time
public import Trips

/// What one commit brings: made by the sending thread, stored by the committing one.
struct SealedCommit: Sendable {
    var batches: [PendingBatch] = []
    var mark: ProducerMark?
    /// JSON lines, where they are what goes out.
    var text: [UInt8] = []
    /// Trips in it.
    var count = 0
    /// Rows that were rejected since the commit before, by reason.
    var rejected: [String: Int] = [:]
    /// When the first of its records was due; nil without a pace.
    var firstDueNs: Int64?
}

/// Where a replay's records go: topics, or lines of text.
///
/// `add` and `seal` are called by one thread, `commit` by another; all that passes between them is what was sealed.
protocol ReplayOutput: AnyObject {
    /// Whether positions are stored, so that a later run may go on from them.
    var keepsPositions: Bool { get }
    /// The position that the last run of this producer stored, which goes on if it still runs: nothing is made, and nothing taken over.
    func look() throws -> [UInt8]?
    /// Gets ready; gives the position that the last run of this producer stored.
    func open() throws -> [UInt8]?
    /// Encodes trips; the batch is free again at return. `firstTrip` counts the trips of the pass, from 0.
    func add(_ batch: TripBatch, rows: Range<Int>, firstTrip: Int)
    func add(_ rejects: ArraySlice<Reject>, atMs: EventTime)
    /// Size of what was added since the last `seal`.
    var pendingBytes: Int { get }
    /// Size that makes a commit due: JSON of `ReplayRun.recordsPerCommit` trips would take 90 MB, and several commits are under way.
    var bytesPerCommit: Int { get }
    /// All that was added since the last call, with the position that belongs to it.
    func seal(position: [UInt8]) -> SealedCommit
    /// At return the records are on the disk, or passed on; those of a commit without a mark perhaps only after `finish`.
    func commit(_ commit: SealedCommit) throws
    /// Waits for all that was committed; called when no commit is under way.
    func finish() throws
    /// Asked ten times a second, where nothing may be committed for long.
    ///
    /// - Throws: `.inputOutput` where what records go to was removed meanwhile.
    func requireThere() throws
}

extension ReplayOutput {
    func finish() {}
    func requireThere() {}
}

/// Lines of JSON for a pipe (`--dry-run`): nothing is stored, rejects are only counted.
final class LineOutput: ReplayOutput {
    private let render: LineRenderer
    private let write: (UnsafeRawBufferPointer) throws -> Void
    private var text: [UInt8] = []
    /// Fewer would save nothing: a commit is a write.
    let bytesPerCommit = 1 << 20

    init(render: @escaping LineRenderer, write: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        (self.render, self.write) = (render, write)
    }

    var keepsPositions: Bool { false }
    func look() -> [UInt8]? { nil }
    func open() -> [UInt8]? { nil }
    func add(_ batch: TripBatch, rows: Range<Int>, firstTrip: Int) { render(batch, rows, &text) }
    func add(_ rejects: ArraySlice<Reject>, atMs: EventTime) {}
    var pendingBytes: Int { text.count }

    func seal(position: [UInt8]) -> SealedCommit {
        defer { text.removeAll(keepingCapacity: false) }
        return SealedCommit(text: text)
    }

    func commit(_ commit: SealedCommit) throws {
        try commit.text.withUnsafeBytes { bytes in
            if !bytes.isEmpty { try write(bytes) }
        }
    }
}

/// Appends trips as lines of text, each with its line feed.
public typealias LineRenderer = (_ batch: TripBatch, _ rows: Range<Int>, _ output: inout [UInt8]) -> Void
