import Database
import Problems
import SQLite
import Topics
import Time
import Trips

/// One query while a period of it is worked out anew: what all trips of its windows give, beside what is stored of them.
///
/// Trips come in the order of time, so that windows behind them can be compared and put away: memory holds the windows of some minutes,
/// and what has changed.
final class RestatedQuery {
    let plan: QueryPlan
    let checkpoint: QueryCheckpoint
    /// Trips of these times that lie beside the period are in some of its windows or groups; from the source or from files that stand for them.
    let beside: [Range<EventTime>]
    private(set) var difference: RestateDifference
    private(set) var outputs: [QueryOutput] = []
    private(set) var batches: [PendingBatch] = []
    private(set) var closedUntil: EventTime?

    private let zone: ZoneClock
    private let period: Range<EventTime>
    private let topic: String
    /// Of its messages; nil for JSON.
    private let schemaID: UInt32?
    private let query: Int
    private let collecting: QueryState
    private let cutting: QueryState
    private let cutter: QueryOutputBuilder
    private let stored: StoredRowsReader
    /// Where windows start that are affected.
    private let starts: Range<EventTime>
    /// Windows before it are done.
    private var done: EventTime
    /// Whether the stream has come to an end, so that nobody else would close what is new.
    private let closesAll: Bool
    /// Where windows start that were removed by `batch --retain-windows`.
    private let pruned: [Range<EventTime>]
    private var daysWithWindows: Set<Int> = []
    /// The place of the count, and of the sum of fares, among the words.
    private let tripsWord, faresWord: Int?

    /// - Parameters:
    ///   - query: the query's index in the epoch.
    ///   - pruned: where windows of it start that are gone.
    init(
        _ plan: QueryPlan, query: Int, checkpoint: QueryCheckpoint, period: Range<EventTime>,
        pruned: [Range<EventTime>], zone: ZoneClock, topic: String, schemaID: UInt32?, on connection: Connection
    ) throws {
        (self.plan, self.query, self.checkpoint, self.period) = (plan, query, checkpoint, period)
        (self.pruned, self.zone, self.topic, self.schemaID) = (pruned, zone, topic, schemaID)
        difference = RestateDifference(plan.name)
        starts = plan.window.starts(touching: period, zone: zone)
        beside = plan.timesBeside(period, zone: zone)
        done = starts.lowerBound
        cutting = QueryState(plan: plan, zone: zone)
        let loader = StateLoader(connection: connection)
        try loader.loadKeys(into: cutting)
        cutting.alertProgress = try AlertStore(connection: connection).progress(of: plan.alerts)
        collecting = QueryState(plan: plan, zone: zone, keys: cutting.keys)
        stored = try StoredRowsReader(cutting, loader)
        closesAll = try plan.window.isWindowed && !stored.hasOpen
        let bound = max(checkpoint.watermark ?? .min, checkpoint.closedUntil ?? .min)
        cutter = QueryOutputBuilder(
            cutting, query: query, closed: plan.window.isWindowed ? stored : nil, closedBound: bound)
        var word = 0
        var places: (trips: Int?, fares: Int?)
        for aggregate in plan.aggregates {
            if aggregate.function == .count, places.trips == nil { places.trips = word }
            if aggregate.function == .sum, aggregate.field == .fare, places.fares == nil { places.fares = word }
            word += aggregate.words
        }
        (tripsWord, faresWord) = places
        (difference.hasTrips, difference.hasFares) = (tripsWord != nil, faresWord != nil)
        difference.isWindowed = plan.window.isWindowed
    }

    /// Adds trips of the period, or of `beside`.
    func add(_ batch: TripBatch) {
        var lateRows: [Int32] = []
        collecting.add(batch, from: 0, watermarks: nil, lateRows: &lateRows)
    }

    /// Compares and puts away windows that end before `time`, behind which no trip comes any more.
    func flush(before time: EventTime) throws {
        guard plan.window.isWindowed, plan.alerts.isEmpty else { return }
        let bound = min(plan.window.lastStart(endingBefore: time, zone: zone), starts.upperBound)
        if bound > done { try cut(until: bound) }
    }

    /// Compares all that is left.
    func finish() throws {
        try collecting.requireNoOverflow()
        if plan.window.isWindowed { try cut(until: starts.upperBound) } else { try cutGroups() }
        guard closesAll, let end = lastEnd else { return }
        closedUntil = end
    }

    private var lastEnd: EventTime?

    /// Why windows that were removed keep this from being right; nil where they do not.
    var reasonOfPruned: String? {
        for range in pruned where range.overlaps(starts) {
            let gone = range.clamped(to: starts)
            for day in zone.localDay(ofMs: gone.lowerBound)...zone.localDay(ofMs: gone.upperBound - 1) {
                let times = zone.startMs(ofLocalDay: day)..<zone.startMs(ofLocalDay: day + 1)
                let isWhole = period.lowerBound <= times.lowerBound && times.upperBound <= period.upperBound
                // A window that begins before the period and does not count in its day's sum may stay gone.
                if !isWhole, times.upperBound <= period.lowerBound, !tiles(in: times.clamped(to: gone)) { continue }
                if isWhole, daysWithWindows.contains(day) { continue }
                return
                    "its windows of \(Calendar.text(ofDay: day)) were removed by --retain-windows, and the files do not hold that day whole"
            }
        }
        return nil
    }

    /// Whether one of the windows that batch adds up for a day starts in these times.
    private func tiles(in times: Range<EventTime>) -> Bool {
        guard case .sliding(let sizeMs, _) = plan.window else { return true }
        return floorDivide(times.upperBound - 1, sizeMs) * sizeMs >= times.lowerBound
    }
}

// MARK: - Windows

extension RestatedQuery {
    /// Windows that start before `bound`.
    private func cut(until bound: EventTime) throws {
        var new: [EventTime: WindowPointer] = [:]
        for (start, window) in collecting.windows.open where start < bound {
            if starts.contains(start), !isGone(start) {
                new[start] = window
            } else {
                collecting.windows.close(window)
            }
        }
        let old = try stored.starts(in: done..<bound)
        done = bound
        for start in Set(new.keys).union(old).sorted() {
            guard let window = try stored.window(from: start) else {
                if let window = new[start] { try compare(window, with: nil) }
                continue
            }
            try compare(new[start], with: window)
            stored.release(window)
        }
        try collecting.requireNoOverflow()
        for window in new.values { collecting.windows.close(window) }
        try cutChanges()
    }

    /// Whether a window was removed, and belongs to a day beside the period, whose others are not made anew.
    private func isGone(_ start: EventTime) -> Bool {
        start < period.lowerBound && pruned.contains { $0.contains(start) }
    }

    /// - Parameters:
    ///   - new: nil where no trip is in the window any more.
    ///   - old: what is stored; without groups where the window was withdrawn, nil where it never was.
    private func compare(_ new: WindowPointer?, with old: WindowPointer?) throws {
        let start = new?.pointee.start ?? old?.pointee.start ?? 0
        if let new {
            collecting.derive(new, onlyChanged: false)
            daysWithWindows.insert(zone.localDay(ofMs: start))
            lastEnd = max(lastEnd ?? .min, new.pointee.end)
        }
        let end = new?.pointee.end ?? old?.pointee.end ?? 0
        let changes = changes(from: old, to: new)
        count(old, new)
        guard changes.isAny else { return }
        let hadRows = (old?.pointee.count ?? 0) > 0
        if new == nil {
            difference.withdrawn += 1
        } else if hadRows {
            difference.changed += 1
        } else {
            difference.new += 1
        }
        let target = cutting.windows.window(start: start, end: end)
        if let new { cutting.merge(new, into: target, ids: nil) }
        target.pointee.withdrawnFrom = target.pointee.count
        for entry in changes.changed { target.pointee.groupChanged[entry] = true }
        for group in changes.gone {
            let entry = target.pointee.entry(of: group, stride: cutting.windows.stride, initial: cutting.initialState)
            target.pointee.groupChanged[entry] = true
        }
        (target.pointee.isChanged, target.pointee.isWhole) = (true, true)
        target.pointee.revision = old?.pointee.revision ?? 0
        if let old { cutter.remember(old) }
    }

    private func cutChanges() throws {
        guard !cutting.windows.open.isEmpty else { return }
        let watermark = closesAll ? .max - 1 : max(checkpoint.watermark ?? .min, checkpoint.closedUntil ?? .min)
        var output = try cutter.cut(watermark: watermark)
        cutting.windows.removeAll()
        output.newest = checkpoint.positions.values.flatMap(\.newest).compactMap { $0 }.max() ?? period.upperBound - 1
        if output.messages.count > 0 { batches.append(output.batch(for: topic, schemaID: schemaID)) }
        // Encoded they take a tenth.
        output.messages.columns = []
        outputs.append(output)
    }
}

// MARK: - Groups without windows

extension RestatedQuery {
    private func cutGroups() throws {
        let days = zone.localDay(ofMs: period.lowerBound)...zone.localDay(ofMs: period.upperBound - 1)
        let isText = plan.groups.map(\.isString)
        let dayPart = plan.groups.firstIndex(of: .day)
        func isAffected(_ group: Int64) -> Bool {
            guard let dayPart else { return true }
            if plan.groupIDIsValue { return days.contains(Int(group)) }
            guard case .integer(let day) = GroupKeys.parts(of: cutting.keys.keys[Int(group)], isText: isText)[dayPart]
            else { return false }
            return days.contains(Int(day))
        }
        let old = try stored.allGroups()
        defer { if let old { stored.release(old) } }
        let new = collecting.windows.open.values.first
        if let new { collecting.derive(new, onlyChanged: false) }
        var changes = changes(from: old, to: new)
        changes.gone.removeAll { !isAffected($0) }
        let target = cutting.windows.window(start: .min, end: .max)
        if let new {
            changes.changed.removeAll { !isAffected(new.pointee.groups[$0]) }
            cutting.merge(new, into: target, ids: nil)
            for entry in 0..<target.pointee.count { target.pointee.groupChanged[entry] = false }
            for entry in changes.changed { target.pointee.groupChanged[entry] = true }
        }
        count(old, new, isAffected)
        let known = Set(old.map { old in (0..<old.pointee.count).map { old.pointee.groups[$0] } } ?? [])
        difference.new = Int64(
            changes.changed.count { entry in new.map { !known.contains($0.pointee.groups[entry]) } ?? false })
        difference.changed = Int64(changes.changed.count) - difference.new
        difference.withdrawn = Int64(changes.gone.count)
        target.pointee.withdrawnFrom = target.pointee.count
        for group in changes.gone {
            let entry = target.pointee.entry(of: group, stride: cutting.windows.stride, initial: cutting.initialState)
            target.pointee.groupChanged[entry] = true
        }
        target.pointee.isChanged = changes.isAny
        guard changes.isAny else { return cutting.windows.removeAll() }
        try cutChanges()
    }
}

// MARK: - What differs

extension RestatedQuery {
    private struct Changes {
        /// Entries of the new window.
        var changed: [Int] = []
        /// Groups that are in the old window alone.
        var gone: [Int64] = []
        var isAny: Bool { !changed.isEmpty || !gone.isEmpty }
    }

    private func changes(from old: WindowPointer?, to new: WindowPointer?) -> Changes {
        var changes = Changes()
        var entries: [Int64: Int] = [:]
        if let old { for entry in 0..<old.pointee.count { entries[old.pointee.groups[entry]] = entry } }
        let histograms = (old: old.map(WindowHistograms.init), new: new.map(WindowHistograms.init))
        for entry in 0..<(new?.pointee.count ?? 0) {
            guard let new else { break }
            let group = new.pointee.groups[entry]
            let before = entries.removeValue(forKey: group)
            if let before, let old, let ours = histograms.new, let theirs = histograms.old,
                isSame(new, entry, ours, old, before, theirs)
            {
                continue
            }
            changes.changed.append(entry)
        }
        changes.gone = entries.keys.sorted()
        return changes
    }

    private func isSame(
        _ a: WindowPointer, _ i: Int, _ aHistograms: WindowHistograms, _ b: WindowPointer, _ j: Int,
        _ bHistograms: WindowHistograms
    ) -> Bool {
        let stride = cutting.windows.stride
        for word in 0..<stride where a.pointee.words[i * stride + word] != b.pointee.words[j * stride + word] {
            return false
        }
        var histogram = 0
        for aggregate in plan.aggregates where aggregate.hasHistogram {
            guard aHistograms.buckets(i, histogram).elementsEqual(bHistograms.buckets(j, histogram), by: ==) else {
                return false
            }
            histogram += 1
        }
        for sketch in 0..<cutting.windows.sketches {
            var ours = OutputBuffer(capacity: 256)
            var theirs = OutputBuffer(capacity: 256)
            a.pointee.sketches[i * cutting.windows.sketches + sketch].append(to: &ours)
            b.pointee.sketches[j * cutting.windows.sketches + sketch].append(to: &theirs)
            guard ours.bytes.elementsEqual(theirs.bytes) else { return false }
        }
        return true
    }

    /// Counts the rows of both, and notes those that change most.
    private func count(_ old: WindowPointer?, _ new: WindowPointer?, _ isAffected: (Int64) -> Bool = { _ in true }) {
        var counts: [Int64: (before: Int64?, after: Int64?)] = [:]
        func add(_ window: WindowPointer?, to totals: inout RestateDifference.Totals, _ isAfter: Bool) {
            guard let window, window.pointee.count > 0 else { return }
            if plan.window.isWindowed { totals.windows += 1 }
            for entry in 0..<window.pointee.count {
                let group = window.pointee.groups[entry]
                guard isAffected(group) else { continue }
                totals.rows += 1
                let words = window.pointee.words + entry * cutting.windows.stride
                if let faresWord { totals.fareCents &+= words[faresWord] }
                guard let tripsWord else { continue }
                totals.trips &+= words[tripsWord]
                if isAfter {
                    counts[group, default: (nil, nil)].after = words[tripsWord]
                } else {
                    counts[group, default: (nil, nil)].before = words[tripsWord]
                }
            }
        }
        add(old, to: &difference.before, false)
        add(new, to: &difference.after, true)
        let start = new?.pointee.start ?? old?.pointee.start ?? 0
        for (group, count) in counts.sorted(by: { $0.key < $1.key }) where count.before != count.after {
            let change = {
                RestateDifference.Change(row: self.row(start, group), before: count.before, after: count.after)
            }
            difference.note(
                change(),
                size: (count.before ?? 0).subtractingReportingOverflow(count.after ?? 0).partialValue.magnitude)
        }
    }

    private func row(_ start: EventTime, _ group: Int64) -> String {
        var parts = plan.window.isWindowed ? [zone.iso(ms: start)] : []
        let values =
            plan.groups.isEmpty
            ? []
            : plan.groupIDIsValue
                ? [.integer(group)]
                : GroupKeys.parts(of: cutting.keys.keys[Int(group)], isText: plan.groups.map(\.isString))
        for (key, value) in zip(plan.groups, values) {
            switch value {
            case .integer(let day) where key == .day: parts.append(Calendar.text(ofDay: Int(day)))
            case .integer(let number): parts.append("\(number)")
            case .text(let text): parts.append(String(decoding: text, as: UTF8.self))
            }
        }
        return parts.isEmpty ? "all" : parts.joined(separator: " ")
    }
}
