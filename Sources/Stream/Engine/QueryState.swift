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

    private let updates: [Update]
    /// Aggregates whose results are kept among the words, with their first words and the numbers of their sketches.
    private let derived: [(aggregate: AggregatePlan, word: Int, sketch: Int)]
    private let initialWords: UnsafeMutablePointer<Int64>
    /// The words of a group that nothing was added to.
    var initialState: UnsafePointer<Int64> { UnsafePointer(initialWords) }
    private let evaluator: PredicateEvaluator?
    private var selection: UnsafeMutablePointer<UInt8>
    private var groups: UnsafeMutablePointer<Int64>
    /// What is added of the columns of `scratchColumns`.
    private var scratch: [UnsafeMutablePointer<Int64>]
    private let hashes = TextHashes()
    private var capacity = 0

    /// One aggregate's step for each record.
    private struct Update {
        enum Kind: UInt8 { case count, countField, sum, least, greatest, deviation, distinct, histogram }
        var kind: Kind
        /// Index of the aggregate's first word, of its sketch or of its histogram.
        var word: Int
        var field: TripField?
        /// Index in `scratch` for a column whose cells are not what is added.
        var scratch: Int?
    }

    /// - Parameter keys: of another state of the same query, where their groups are to have the same ids.
    init(plan: QueryPlan, zone: ZoneClock, keys: GroupKeys = GroupKeys()) {
        self.plan = plan
        self.zone = zone
        self.keys = keys
        windows = WindowPool(stride: plan.words, sketches: plan.sketches)
        evaluator = plan.filter.map { PredicateEvaluator($0, zone: zone) }
        var word = 0
        var (histograms, sketches) = (0, 0)
        var scratchColumns: [ScratchColumn] = []
        var derived: [(aggregate: AggregatePlan, word: Int, sketch: Int)] = []
        updates = plan.aggregates.map { aggregate in
            var update = Update(kind: .count, word: word, field: aggregate.field, scratch: nil)
            if aggregate.hasDerivedResult { derived.append((aggregate, word, sketches)) }
            word += aggregate.words
            switch aggregate.function {
            case .count: update.kind = .count
            case .countField: update.kind = .countField
            case .sum, .avg: update.kind = .sum
            case .min: update.kind = .least
            case .max: update.kind = .greatest
            case .stddev: update.kind = .deviation
            case .distinct:
                update.kind = .distinct
                update.word = sketches
                sketches += 1
            case .quantile:
                update.kind = .histogram
                update.word = histograms
                histograms += 1
            }
            if let field = aggregate.field, field.kind == .decimal || aggregate.hasSketch {
                let column = ScratchColumn(field: field, isHashed: aggregate.hasSketch)
                if !scratchColumns.contains(column) { scratchColumns.append(column) }
                update.scratch = scratchColumns.firstIndex(of: column)
            }
            return update
        }
        initialWords = .allocate(capacity: max(1, plan.words))
        initialWords.initialize(repeating: 0, count: max(1, plan.words))
        for update in updates where [.least, .greatest, .deviation].contains(update.kind) {
            initialWords[update.word] = nullCell
        }
        self.scratchColumns = scratchColumns
        self.derived = derived
        scratch = []
        selection = .allocate(capacity: 1)
        groups = .allocate(capacity: 1)
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
        let selected = select(batch, from: first)
        let ids = groupIDs(batch, from: first)
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
        updates.withUnsafeBufferPointer { updates in
            columns.withUnsafeBufferPointer { columns in
                run(batch, first, selected, ids, watermarks, &lateRows, updates, columns)
            }
        }
    }

    private func makeRoom(_ wanted: Int) {
        guard wanted > capacity else { return }
        capacity = wanted
        selection.deallocate()
        groups.deallocate()
        for buffer in scratch { buffer.deallocate() }
        selection = .allocate(capacity: wanted)
        groups = .allocate(capacity: wanted)
        scratch = scratchColumns.map { _ in .allocate(capacity: wanted) }
    }

    /// Which rows pass the filter: 1 for those, nil for all.
    private func select(_ batch: TripBatch, from first: Int) -> UnsafePointer<UInt8>? {
        guard let evaluator else { return nil }
        evaluator.evaluate(batch, into: selection)
        return UnsafePointer(selection)
    }

    /// The group id of each row, `nullCell` for none; nil where there are no groups.
    private func groupIDs(_ batch: TripBatch, from first: Int) -> UnsafePointer<Int64>? {
        guard let group = plan.groups.first else { return nil }
        if plan.groups.count > 1 { return combinedIDs(batch, from: first) }
        switch group {
        case .field(let field) where field.kind == .string:
            let cells = batch.column(field)
            for row in first..<batch.count {
                groups[row] =
                    TextCell(cell: cells[row]).isEmpty
                    ? nullCell : keys.id(ofText: batch.bytes(TextCell(cell: cells[row])))
            }
            return UnsafePointer(groups)
        default:
            return integerKeys(group, batch, from: first, into: groups)
        }
    }

    /// The values of an integer key, as they are in the batch or worked out into `out`.
    private func integerKeys(
        _ group: GroupKey, _ batch: TripBatch, from first: Int, into out: UnsafeMutablePointer<Int64>
    ) -> UnsafePointer<Int64> {
        switch group {
        case .field(let field): return UnsafePointer(batch.column(field))
        case .fareBucket:
            let fares = batch.column(.fare)
            for row in first..<batch.count {
                out[row] = fares[row] == nullCell ? nullCell : FareBucket.index(ofCents: fares[row])
            }
        case .day:
            var cursor = LocalDayCursor(zone)
            for row in first..<batch.count { out[row] = cursor.day(of: batch.eventTimes[row]) }
        case .hour:
            var cursor = LocalDayCursor(zone)
            for row in first..<batch.count {
                out[row] = GroupKey.hour(ofLocalMs: cursor.localMs(of: batch.eventTimes[row]))
            }
        case .hourOfWeek:
            var cursor = LocalDayCursor(zone)
            for row in first..<batch.count {
                out[row] = GroupKey.hourOfWeek(ofLocalMs: cursor.localMs(of: batch.eventTimes[row]))
            }
        }
        return UnsafePointer(out)
    }

    /// Ids of keys of several parts; a trip where one of them is null has no group.
    private func combinedIDs(_ batch: TripBatch, from first: Int) -> UnsafePointer<Int64> {
        let scratch = UnsafeMutablePointer<Int64>.allocate(capacity: batch.count)
        defer { scratch.deallocate() }
        var parts = [[GroupKeys.Part?]](repeating: [], count: batch.count - first)
        for group in plan.groups {
            if case .field(let field) = group, field.kind == .string {
                let cells = batch.column(field)
                for row in first..<batch.count {
                    let text = TextCell(cell: cells[row])
                    parts[row - first].append(text.isEmpty ? nil : .text(Array(batch.bytes(text))))
                }
            } else {
                let values = integerKeys(group, batch, from: first, into: scratch)
                for row in first..<batch.count {
                    parts[row - first].append(values[row] == nullCell ? nil : .integer(values[row]))
                }
            }
        }
        for row in first..<batch.count {
            let known = parts[row - first].compactMap { $0 }
            groups[row] = known.count == plan.groups.count ? keys.id(of: GroupKeys.key(parts: known)) : nullCell
        }
        return UnsafePointer(groups)
    }

    private func run(
        _ batch: TripBatch, _ first: Int, _ selected: UnsafePointer<UInt8>?, _ ids: UnsafePointer<Int64>?,
        _ watermarks: UnsafePointer<Int64>?, _ lateRows: inout [Int32], _ updates: UnsafeBufferPointer<Update>,
        _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>
    ) {
        var cursor = WindowCursor(self)
        var counts = QueryCounts()
        // Locals, since each look at a class's property costs more than what is done here with most of them.
        let keepsGroupChanges = !plan.window.isWindowed
        let (closedUntil, mergesLate) = (closedUntil, mergesLate)
        let (restated, hasRestated) = (restated, !restated.isEmpty)
        let (stride, initial) = (windows.stride, UnsafePointer(initialWords))
        for row in first..<batch.count {
            if let selected, selected[row] != 1 {
                counts.filtered &+= 1
                continue
            }
            let group = ids.map { $0[row] } ?? 0
            if group == nullCell {
                counts.skipped &+= 1
                continue
            }
            if hasRestated, restated.contains(where: { $0.contains(batch.eventTimes[row]) }) {
                counts.restated &+= 1
                continue
            }
            cursor.move(to: batch.eventTimes[row])
            var (added, merged, dropped) = (false, false, false)
            for slot in 0..<cursor.count {
                let end = cursor.ends[slot]
                var isLate = end <= closedUntil
                if let watermarks, end <= watermarks[row] { isLate = true }
                if isLate {
                    guard mergesLate, !isPruned(cursor.starts[slot]) else {
                        dropped = true
                        continue
                    }
                    merged = true
                }
                added = true
                let window = cursor.window(slot)
                window.pointee.isChanged = true
                let entry = window.pointee.entry(of: group, stride: stride, initial: initial)
                if keepsGroupChanges || isLate { window.pointee.groupChanged[entry] = true }
                apply(updates, columns, row, window, entry, stride)
            }
            if added {
                counts.aggregated &+= 1
                if merged { counts.lateMerged &+= 1 }
                if dropped { counts.lateInPart &+= 1 }
            } else {
                counts.late &+= 1
                lateRows.append(Int32(row))
            }
        }
        self.counts += counts
    }

    @inline(__always)
    private func apply(
        _ updates: UnsafeBufferPointer<Update>, _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>, _ row: Int,
        _ window: WindowPointer, _ entry: Int, _ stride: Int
    ) {
        let words = window.pointee.words + entry &* stride
        for index in 0..<updates.count {
            let word = updates[index].word
            switch updates[index].kind {
            case .count: add(1, to: words, word, window)
            case .countField:
                if !isNull(columns[index][row], updates[index]) { add(1, to: words, word, window) }
            case .sum:
                let value = columns[index][row]
                if value != nullCell {
                    add(value, to: words, word, window)
                    // The sum's own check is enough: a count that nears 64 bits is none of ours.
                    words[word &+ 1] &+= 1
                }
            case .least:
                let value = columns[index][row]
                if value != nullCell, words[word] == nullCell || value < words[word] { words[word] = value }
            case .greatest:
                let value = columns[index][row]
                if value != nullCell, value > words[word] { words[word] = value }
            case .deviation:
                let value = columns[index][row]
                if value != nullCell {
                    words[word &+ 1] &+= 1
                    let isOver = SplitSum.add(value, to: words + (word &+ 2))
                    if SplitSum.addSquare(of: value, to: words + (word &+ 4)) || isOver {
                        noteOverflow(of: word, window.pointee.start)
                    }
                }
            case .distinct:
                let hash = UInt64(bitPattern: columns[index][row])
                if hash != 0 { window.pointee.sketches[entry &* window.pointee.sketchStride &+ word].insert(hash) }
            case .histogram:
                let value = columns[index][row]
                if value != nullCell {
                    let bucket = FareBucket.index(ofCents: value)
                    window.pointee.histograms[
                        .init(entry: Int32(entry), histogram: Int32(word), bucket: bucket), default: 0] += 1
                }
            }
        }
    }

    /// Whether a window was stored, and is not any more.
    private func isPruned(_ start: EventTime) -> Bool {
        // Days that follow each other are one range, so that there are few.
        pruned.contains { $0.contains(start) }
    }

    /// Adds to a sum; one that leaves 64 bits is noted, and `EpochCutter` tells of it before anything of the epoch is stored.
    @inline(__always)
    private func add(_ value: Int64, to words: UnsafeMutablePointer<Int64>, _ word: Int, _ window: WindowPointer) {
        let (sum, isOver) = words[word].addingReportingOverflow(value)
        words[word] = sum
        if isOver { noteOverflow(of: word, window.pointee.start) }
    }

    @inline(never)
    private func noteOverflow(of word: Int, _ window: EventTime) {
        if overflow == nil { overflow = (word, window) }
    }

    @inline(__always)
    private func isNull(_ cell: Int64, _ update: Update) -> Bool {
        update.field?.kind == .string ? TextCell(cell: cell).isEmpty : cell == nullCell
    }
}

// MARK: - Merging

extension QueryState {
    /// Adds what another worker's state of the same query holds, and empties that.
    func merge(_ other: QueryState) {
        if overflow == nil { overflow = other.overflow }
        counts += other.counts
        other.counts = QueryCounts()
        let translated = plan.keysTable == nil ? nil : other.keys.keys.map(keys.id)
        for source in other.windows.open.values {
            let target = windows.window(start: source.pointee.start, end: source.pointee.end)
            target.pointee.isChanged = true
            merge(source, into: target, ids: translated)
        }
        other.windows.removeAll()
    }

    /// Adds a window of another state of the same query to one of this.
    ///
    /// - Parameter ids: what the other's ids of groups are here; nil where they are the same.
    func merge(_ source: WindowPointer, into target: WindowPointer, ids: [Int64]?) {
        var entries: [Int] = []
        for index in 0..<source.pointee.count {
            let group = source.pointee.groups[index]
            let id = ids.map { $0[Int(group)] } ?? group
            let entry = target.pointee.entry(of: id, stride: windows.stride, initial: initialWords)
            if !plan.window.isWindowed || source.pointee.groupChanged[index] {
                target.pointee.groupChanged[entry] = true
            }
            entries.append(entry)
            add(
                source.pointee.words + index * windows.stride, to: target.pointee.words + entry * windows.stride,
                target)
            let sketches = windows.sketches
            for sketch in 0..<sketches {
                target.pointee.sketches[entry * sketches + sketch].formUnion(
                    source.pointee.sketches[index * sketches + sketch])
            }
        }
        for (key, count) in source.pointee.histograms {
            let entry = Int32(entries[Int(key.entry)])
            target.pointee.histograms[
                .init(entry: entry, histogram: key.histogram, bucket: key.bucket), default: 0] += count
        }
    }

    private func add(
        _ source: UnsafePointer<Int64>, to target: UnsafeMutablePointer<Int64>, _ window: WindowPointer
    ) {
        for update in updates {
            switch update.kind {
            case .count, .countField: add(source[update.word], to: target, update.word, window)
            case .sum:
                add(source[update.word], to: target, update.word, window)
                add(source[update.word + 1], to: target, update.word + 1, window)
            case .least:
                let (value, old) = (source[update.word], target[update.word])
                if value != nullCell, old == nullCell || value < old { target[update.word] = value }
            case .greatest: target[update.word] = max(target[update.word], source[update.word])
            case .deviation:
                add(source[update.word + 1], to: target, update.word + 1, window)
                for word in [update.word + 2, update.word + 4]
                where SplitSum.add(source[word], source[word + 1], to: target + word) {
                    noteOverflow(of: word, window.pointee.start)
                }
            case .distinct, .histogram: break
            }
        }
    }
}

// MARK: - Results among the words

extension QueryState {
    /// Works out the results of a window that are kept among its words: of all groups, or of those that changed since the last epoch.
    func derive(_ window: WindowPointer, onlyChanged: Bool) {
        guard !derived.isEmpty else { return }
        for entry in 0..<window.pointee.count where !onlyChanged || window.pointee.groupChanged[entry] {
            let words = window.pointee.words + entry * windows.stride
            for (aggregate, word, sketch) in derived {
                if aggregate.hasSketch {
                    words[word] = window.pointee.sketches[entry * windows.sketches + sketch].count
                } else {
                    aggregate.derive(words + word)
                }
            }
        }
    }
}

// MARK: - Sums that leave their words

extension QueryState {
    /// - Throws: `Problem(.badData)` that names query, aggregate and window where a sum left its words.
    func requireNoOverflow() throws(Problem) {
        guard let overflow else { return }
        var word = 0
        let aggregate = plan.aggregates.first { aggregate in
            defer { word += aggregate.words }
            return word + aggregate.words > overflow.word
        }
        let name = aggregate?.name ?? ""
        let bits = aggregate?.function == .stddev ? 128 : 64
        let column = aggregate?.field?.name
        let window = plan.window.isWindowed ? ", in the window from \(zone.iso(ms: overflow.window))" : ""
        throw Problem(
            .badData, "query \"\(plan.name)\": the sums of \"\(name)\" leave \(bits) bits\(window)",
            hint: (column.map { "Look for values of \($0) that no trip has, and leave them out with \"where\". " } ?? "")
                + "Nothing of this epoch is stored; stream --from-beginning computes the query anew.")
    }
}
