import Database
import Problems
import Stream
import Topics
import Time
import Trips

extension Recount {
    /// Trips of one partition, in their order.
    struct Stretch {
        var batch: TripBatch
        var rows: Range<Int>
        var partition: Int
        /// For each row the greatest event time before it in its partition; `Int64.min` for none.
        var newestBefore: UnsafePointer<EventTime>
    }

    /// Passes over trips that lie in no window of the slice.
    func pass(_ trips: Int64, partition: Int) { consumed[partition] += trips }

    func add(_ rejects: [Reject], partition: Int) {
        guard isFirstPass else { return }
        for reject in rejects where Int64(reject.location.line) < ends[partition] {
            // By what it was judged by then.
            let reason = passedOver.reason(partition: partition, offset: Int64(reject.location.line))
            rejected[reason?.rejectReason ?? reject.reason, default: 0] += 1
            if reason == nil, reject.reason == .unknownSchema {
                unreadable = ((unreadable?.count ?? 0) + 1, unreadable?.reason ?? reject.detail)
            }
        }
    }

    /// Counts records that can be read, and that the query has passed over.
    func addPassedOver(_ offsets: [Int64], partition: Int) {
        guard isFirstPass else { return }
        for offset in offsets {
            guard let reason = passedOver.reason(partition: partition, offset: offset) else { continue }
            rejected[reason.rejectReason, default: 0] += 1
            if reason == .unknownSchema { readable[partition, default: []].append(offset) }
        }
    }

    /// Counts the rows that files set aside, where the query has consumed all of their trips.
    func addFileRejects(_ rejects: [RejectReason: Int64], trips: Int64) {
        guard isFirstPass, ends[0] >= trips else { return }
        (rejected, hasAllRejects) = (rejects, true)
    }

    /// Adds trips that the query has consumed.
    func add(_ stretch: Stretch) {
        guard !stretch.rows.isEmpty, isFirstPass || plan.window.isWindowed else { return }
        makeRoom(stretch.batch.capacity)
        readGroups(stretch.batch, stretch.rows)
        var rows = stretch.rows
        while !rows.isEmpty {
            // Up to the next closing all rows find the same windows closed, and up to the end of a stretch of runs all are judged alike.
            let partition = stretch.partition
            let place = consumed[partition]
            let segment = closings.firstIndex { place < $0[partition] } ?? closings.count
            let stretches = merged[partition] ?? []
            let current = stretches.first { $0.contains(place) }
            var end = current?.upperBound ?? stretches.map(\.lowerBound).filter { $0 > place }.min() ?? .max
            if segment < closings.count { end = min(end, closings[segment][partition]) }
            let part = rows.prefix(Int(clamping: end - place))
            find(part, segment, current == nil ? lateness : .none, stretch, from: place)
            for step in steps { apply(step, stretch.batch, part) }
            consumed[partition] += Int64(part.count)
            rows = part.upperBound..<rows.upperBound
        }
    }

    /// Adds trips of files that stand for a time, which no stream has read.
    func addRestated(_ batch: TripBatch, _ rows: Range<Int>) {
        guard !rows.isEmpty, isFirstPass || plan.window.isWindowed else { return }
        makeRoom(batch.capacity)
        readGroups(batch, rows)
        let stretch = Stretch(batch: batch, rows: rows, partition: 0, newestBefore: UnsafePointer(values))
        find(rows, closings.count, .none, stretch, from: nil)
        for step in steps { apply(step, batch, rows) }
    }

    private func makeRoom(_ wanted: Int) {
        guard wanted > capacity else { return }
        capacity = wanted
        groups.deallocate()
        values.deallocate()
        entries.deallocate()
        groups = .allocate(capacity: wanted)
        values = .allocate(capacity: wanted)
        entries = .allocate(capacity: wanted * windowsATrip)
    }

    /// A group's place in `groups` that `where` does not let in.
    private static let filteredOut = Int64.min + 1

    private func readGroups(_ batch: TripBatch, _ rows: Range<Int>) {
        readKeys(batch, rows)
        guard let filter = plan.filter else { return }
        var clock = LocalDayCursor(zone)
        for row in rows where filter.holds(batch, row, &clock) != true { groups[row] = Self.filteredOut }
    }

    private func readKeys(_ batch: TripBatch, _ rows: Range<Int>) {
        switch plan.groups.count {
        case 0: for row in rows { groups[row] = 0 }
        case 1:
            guard case .field(let field) = plan.groups[0], field.kind == .string else {
                return read(plan.groups[0], batch, rows, into: groups)
            }
            var last = (cell: Int64(0), number: nullCell)
            let cells = batch.column(field)
            for row in rows {
                // Texts of a stored batch are shared, so that equal cells are equal texts.
                if cells[row] != last.cell {
                    let text = TextCell(cell: cells[row])
                    last = (cells[row], text.isEmpty ? nullCell : numbers.number(of: batch.bytes(text)))
                }
                groups[row] = TextCell(cell: cells[row]).isEmpty ? nullCell : last.number
            }
        default:
            var parts = [[GroupNumbers.Part]](repeating: [], count: rows.count)
            for group in plan.groups {
                if case .field(let field) = group, field.kind == .string {
                    for row in rows {
                        let text = TextCell(cell: batch.column(field)[row])
                        if !text.isEmpty { parts[row - rows.lowerBound].append(.text(Array(batch.bytes(text)))) }
                    }
                } else {
                    read(group, batch, rows, into: values)
                    for row in rows where values[row] != nullCell {
                        parts[row - rows.lowerBound].append(.integer(values[row]))
                    }
                }
            }
            for row in rows {
                let known = parts[row - rows.lowerBound]
                groups[row] =
                    known.count < plan.groups.count
                    ? nullCell : GroupNumbers.key(known).withUnsafeBufferPointer { numbers.number(of: $0) }
            }
        }
    }

    /// The values of an integer key.
    private func read(
        _ group: GroupKey, _ batch: TripBatch, _ rows: Range<Int>, into out: UnsafeMutablePointer<Int64>
    ) {
        var clock = LocalDayCursor(zone)
        switch group {
        case .field(let field): for row in rows { out[row] = batch.column(field)[row] }
        case .day: for row in rows { out[row] = clock.day(of: batch.eventTimes[row]) }
        case .hour: for row in rows { out[row] = GroupKey.hour(ofLocalMs: clock.localMs(of: batch.eventTimes[row])) }
        case .hourOfWeek:
            for row in rows { out[row] = GroupKey.hourOfWeek(ofLocalMs: clock.localMs(of: batch.eventTimes[row])) }
        case .fareBucket:
            let fares = batch.column(.fare)
            for row in rows { out[row] = fares[row] == nullCell ? nullCell : FareBucket.index(ofCents: fares[row]) }
        }
    }

    /// Finds the entries of each row's windows, -1 for a window that does not count, and says what became of the row.
    ///
    /// - Parameter place: how many trips of the partition come before the first row; nil for trips of files that stand for their time, which
    ///   count nowhere else.
    private func find(
        _ rows: Range<Int>, _ segment: Int, _ lateness: Lateness, _ stretch: Stretch, from place: Int64?
    ) {
        let restated = place == nil ? [] : restated
        var counts = RecordCounts()
        let closedUntil = reached[..<segment].max() ?? .min
        var reachedHere = reached[segment]
        var window = (from: EventTime.max, until: EventTime.min)
        let times = stretch.batch.eventTimes
        let (size, every) = sizes
        for row in rows {
            for slot in 0..<windowsATrip { entries[slot &* capacity &+ row] = -1 }
            if groups[row] == Self.filteredOut {
                counts.filtered &+= 1
                continue
            }
            if groups[row] == nullCell {
                counts.skipped &+= 1
                continue
            }
            let time = times[row]
            let own = (place ?? 0) &+ Int64(row - rows.lowerBound)
            let part = restated.isEmpty ? nil : restated.first { $0.part.times.contains(time) }
            if let part, own >= part.since[stretch.partition] {
                counts.restated &+= 1
                continue
            }
            if time < window.from || time >= window.until {
                switch plan.window {
                case .tumbling, .sliding:
                    window.from = floorDivide(time, every) &* every
                    window.until = window.from &+ every
                case .localDay:
                    let day = zone.localDay(ofMs: time)
                    window = (zone.startMs(ofLocalDay: day), zone.startMs(ofLocalDay: day + 1))
                case .none: window = (.min, .max)
                }
            }
            var (isTaken, mayBeTaken) = (false, false)
            for slot in 0..<windowsATrip {
                let start = window.from &- Int64(slot) &* every
                let end = size > 0 ? start &+ size : window.until
                // Nothing is late for a window that was worked out anew with all that had been read by then.
                let isWhole =
                    !restated.isEmpty
                    && restated.contains {
                        own < $0.made[stretch.partition] && $0.part.times.lowerBound < end
                            && start < $0.part.times.upperBound
                    }
                var mayBeLate = false
                defer {
                    if isWhole, part == nil, slice.contains(start) || start == .min {
                        entries[slot &* capacity &+ row] = Int32(truncatingIfNeeded: table.entry(start, groups[row]))
                    }
                }
                if lateness != .none, end < .max {
                    if end <= closedUntil { continue }
                    switch lateness {
                    case .none: break
                    case .replayed(let delayMs):
                        let newest = stretch.newestBefore[row]
                        if newest != .min, end <= newest &- delayMs { continue }
                    case .unknown:
                        if end <= stretch.newestBefore[row] {
                            if !isWhole { touched.insert(start) }
                            mayBeLate = true
                        }
                    }
                }
                if mayBeLate { mayBeTaken = true } else { isTaken = true }
                if end < .max { reachedHere = max(reachedHere, end) }
                guard part == nil, !isWhole, slice.contains(start) || start == .min else { continue }
                entries[slot &* capacity &+ row] = Int32(truncatingIfNeeded: table.entry(start, groups[row]))
            }
            if isTaken || mayBeTaken { counts.aggregated &+= 1 } else { counts.late &+= 1 }
            if !isTaken, mayBeTaken, isFirstPass { possiblyLate &+= 1 }
        }
        guard isFirstPass, place != nil else { return }
        reached[segment] = reachedHere
        self.counts[stretch.partition] = self.counts[stretch.partition] + counts
    }

    /// Size and distance of windows of fixed length; 0 for others.
    private var sizes: (size: Int64, every: Int64) {
        switch plan.window {
        case .tumbling(let sizeMs): (sizeMs, sizeMs)
        case .sliding(let sizeMs, let everyMs): (sizeMs, everyMs)
        case .localDay, .none: (0, 0)
        }
    }
}
