import SQLite
import Topics

/// Everything that one epoch writes, ready to be committed by another thread.
struct Epoch: Sendable {
    var outputs: [QueryOutput]
    /// Checkpoints by query name, as they are after this epoch.
    var checkpoints: [(query: String, checkpoint: QueryCheckpoint)]
    /// Late records and alerts on their way to their topics.
    var sideBatches: [PendingBatch]
    var deadLetters: [PendingDeadLetter]
    /// Of each partition the offsets that this run has read so far: for files, of how many rows that were rejected.
    var judged: [Range<Int64>]
    /// What became of the records, by partition and query.
    var ledger: [LedgerEntry]
    /// Grows with each epoch of the same queries, whichever of them were run together before.
    var sequence: Int64
    var records: Int
    /// Records of a topic that were rejected and may be good by the next look.
    var passedOver: [PassedOver]
    /// By query: trips that were dropped as late, by local day.
    var lateDays: [Int: [Int64: Int64]]
    /// The windows that had been removed when the epoch began; nil where nothing is merged into closed ones.
    var pruned: PrunedWindows?
    /// The next offset of each partition of the source.
    var progress: ProducerMark.Progress
    /// What is noted of newer files that stand for some time from this epoch on; nil for an epoch of a stream.
    var restated: (@Sendable (Connection) throws -> Void)?
    /// What it took so far.
    var timing: EpochTiming

    struct LedgerEntry: Sendable {
        var partition: Int
        /// Empty for what concerns all queries.
        var query: String
        var counter: String
        var value: Int64
    }
}
