import Problems
import Time
import Trips

/// What became of the records that a query was shown: `consumed = aggregated + late + skipped + filtered + restated`.
///
/// A record of overlapping windows is late only where it is late for each of them.
public struct QueryCounts: Sendable, Equatable {
    public var aggregated: Int64 = 0
    public var late: Int64 = 0
    /// Aggregated, and late for a window that they were merged into.
    public var lateMerged: Int64 = 0
    /// Aggregated, and late for some window that they were not merged into.
    public var lateInPart: Int64 = 0
    /// Without a group: the key is null.
    public var skipped: Int64 = 0
    /// Not what `where` asks for.
    public var filtered: Int64 = 0
    /// Of a time that newer files stand for.
    public var restated: Int64 = 0
    public init() {}

    /// The counts by the names that the ledger has for them.
    static let counters: [(name: String, count: any KeyPath<QueryCounts, Int64> & Sendable)] = [
        ("aggregated", \.aggregated), ("late", \.late), ("late_merged", \.lateMerged),
        ("late_in_part", \.lateInPart), ("skipped", \.skipped), ("filtered", \.filtered), ("restated", \.restated),
    ]

    public var consumed: Int64 { aggregated + late + skipped + filtered + restated }

    static func += (sum: inout QueryCounts, other: QueryCounts) {
        sum.aggregated += other.aggregated
        sum.late += other.late
        sum.lateMerged += other.lateMerged
        sum.lateInPart += other.lateInPart
        sum.skipped += other.skipped
        sum.filtered += other.filtered
        sum.restated += other.restated
    }
}

/// One query at work: takes batches, keeps the open windows.
///
/// Partial states of several workers merge (`merge`), so that one worker or eight give the same windows.
final class QueryState {
    let plan: QueryPlan
    let zone: ZoneClock
    let windows: WindowPool
    let keys: GroupKeys
    var counts = QueryCounts()
    /// Windows that end at or before it are closed, whatever the watermark: the end of a bounded run closed them.
    var closedUntil = EventTime.min
    /// Whether trips that are late for a window are merged into it, but for those of `pruned`.
    var mergesLate = false
    /// Where windows start that were stored, and are not any more; in the order of time.
    var pruned: [Range<EventTime>] = []
    /// Times that newer files stand for: trips of the source that lie in them are left out.
    var restated: [Range<EventTime>] = []
    /// A sum that left its words, and the window that it is of; nothing of the state counts then.
    var overflow: (word: Int, window: EventTime)?
    /// How far the conditions of its alerts are, by alert and group, where the state was loaded; from then on the cutter knows.
    var alertProgress: [String: [Int64: AlertProgress]] = [:]

    /// Windows that have gone out as closed ones before a rewind and not since, and how often.
    var sentRevisions: [EventTime: Int64] = [:]
    /// Alerts that have gone out before a rewind and not since.
    var sentAlerts: [AlertIdentity: SentAlert] = [:]
    /// How far each partition of the source was read before a rewind.
    var reachedBefore: [Int64] = []

    let updates: [Update]
    /// Aggregates whose results are kept among the words, with their first words and the numbers of their sketches.
    let derived: [(aggregate: AggregatePlan, word: Int, sketch: Int)]
    let initialWords: UnsafeMutablePointer<Int64>
    /// The words of a group that nothing was added to.
    var initialState: UnsafePointer<Int64> { UnsafePointer(initialWords) }
    let evaluator: PredicateEvaluator?
    var selection: UnsafeMutablePointer<UInt8>
    var groups: UnsafeMutablePointer<Int64>
    /// Where the group of each row of a stretch is in the window at hand; -1 for a row without one.
    var entries: UnsafeMutablePointer<Int>
    /// What is added of the columns of `scratchColumns`.
    private var scratch: [UnsafeMutablePointer<Int64>]
    private let hashes = TextHashes()
    var capacity = 0

    /// - Parameter keys: of another state of the same query, where their groups are to have the same ids.
    init(plan: QueryPlan, zone: ZoneClock, keys: GroupKeys = GroupKeys()) {
        self.plan = plan
        self.zone = zone
        self.keys = keys
        windows = WindowPool(stride: plan.words, sketches: plan.sketches)
        evaluator = plan.filter.map { PredicateEvaluator($0, zone: zone) }
        var word = 0
        var (histograms, sketches) = (0, 0)
        var firstNulls: [Int] = []
        var scratchColumns: [ScratchColumn] = []
        var derived: [(aggregate: AggregatePlan, word: Int, sketch: Int)] = []
        updates = plan.aggregates.map { aggregate in
            var update = Update(aggregate, word: word, histogram: histograms, sketch: sketches)
            if aggregate.hasDerivedResult { derived.append((aggregate, word, sketches)) }
            if aggregate.beginsWithNull { firstNulls.append(word) }
            word += aggregate.words
            if aggregate.hasHistogram { histograms += 1 }
            if aggregate.hasSketch { sketches += 1 }
            if let field = aggregate.field, field.kind == .decimal || aggregate.hasSketch {
                let column = ScratchColumn(field: field, isHashed: aggregate.hasSketch)
                if !scratchColumns.contains(column) { scratchColumns.append(column) }
                update.scratch = scratchColumns.firstIndex(of: column)
            }
            return update
        }
        initialWords = .allocate(capacity: max(1, plan.words))
        initialWords.initialize(repeating: 0, count: max(1, plan.words))
        for word in firstNulls { initialWords[word] = nullCell }
        self.scratchColumns = scratchColumns
        self.derived = derived
        scratch = []
        selection = .allocate(capacity: 1)
        groups = .allocate(capacity: 1)
        entries = .allocate(capacity: 1)
    }

    /// A column of which something else is added than its cells.
    private struct ScratchColumn: Equatable {
        var field: TripField
        /// `DistinctHash`es, 0 for null; else millionths, `nullCell` for null.
        var isHashed: Bool
    }
    private let scratchColumns: [ScratchColumn]

    deinit {
        initialWords.deallocate()
        selection.deallocate()
        groups.deallocate()
        entries.deallocate()
        for buffer in scratch { buffer.deallocate() }
    }
}

// MARK: - Taking records

extension QueryState {
    /// Adds rows `first ..< batch.count` of a batch.
    ///
    /// - Parameters:
    ///   - watermarks: for each row the watermark when it came; nil where no row can be late.
    ///   - lateRows: receives the rows that are late for all of their windows.
    func add(_ batch: TripBatch, from first: Int, watermarks: UnsafePointer<Int64>?, lateRows: inout [Int32]) {
        makeRoom(batch.capacity)
        let before = counts
        let ids = leaveOut(select(batch, from: first), groupIDs(batch, from: first), first..<batch.count)
        for (column, out) in zip(scratchColumns, scratch) {
            if column.isHashed {
                hashes.fill(out, column.field, batch, from: first)
                continue
            }
            let cells = batch.column(column.field)
            for row in first..<batch.count {
                out[row] = cells[row] == nullCell ? nullCell : PackedDecimal(cell: cells[row]).millionths
            }
        }
        let columns = updates.map { update -> UnsafePointer<Int64> in
            if let index = update.scratch { return UnsafePointer(scratch[index]) }
            return UnsafePointer(update.field.map(batch.column) ?? batch.eventTimes)
        }
        columns.withUnsafeBufferPointer { run(batch, first, ids, watermarks, &lateRows, $0) }
        // What is left has no group.
        counts.skipped += Int64(batch.count - first) - (counts.consumed - before.consumed)
    }

    /// Takes the groups of rows that are not selected away.
    private func leaveOut(
        _ selected: UnsafePointer<UInt8>?, _ ids: UnsafePointer<Int64>?, _ rows: Range<Int>
    ) -> UnsafePointer<Int64>? {
        guard let selected else { return ids }
        for row in rows {
            let isLeftOut = selected[row] != 1
            groups[row] = isLeftOut ? nullCell : ids.map { $0[row] } ?? 0
            if isLeftOut { counts.filtered &+= 1 }
        }
        return UnsafePointer(groups)
    }

    private func makeRoom(_ wanted: Int) {
        guard wanted > capacity else { return }
        capacity = wanted
        selection.deallocate()
        groups.deallocate()
        entries.deallocate()
        for buffer in scratch { buffer.deallocate() }
        selection = .allocate(capacity: wanted)
        groups = .allocate(capacity: wanted)
        entries = .allocate(capacity: wanted)
        scratch = scratchColumns.map { _ in .allocate(capacity: wanted) }
    }
}
