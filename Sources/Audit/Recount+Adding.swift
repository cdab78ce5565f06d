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

    /// Adds one aggregate's values to the entries that were found.
    private func apply(_ step: Step, _ batch: TripBatch, _ rows: Range<Int>) {
        let cells = read(step.field, batch, rows)
        let (words, stride, word) = (table.words, table.stride, step.word)
        @inline(__always) func each(_ body: (_ place: Int, _ value: Int64) -> Void) {
            for slot in 0..<windowsATrip {
                let entries = entries + slot * capacity
                for row in rows where entries[row] >= 0 {
                    let value = cells?[row] ?? 0
                    if value != nullCell { body(Int(entries[row]) &* stride &+ word, value) }
                }
            }
        }
        switch step.function {
        case .count, .countField: each { place, _ in words[place] &+= 1 }
        case .sum, .avg:
            each { place, value in
                let (sum, overflow) = words[place].addingReportingOverflow(value)
                words[place] = sum
                words[place &+ 1] &+= 1
                if overflow { overflown(place, value) }
            }
            carryValues(word, stride, rows)
        case .min: each { words[$0] = words[$0] == nullCell ? $1 : min(words[$0], $1) }
        case .max: each { words[$0] = max(words[$0], $1) }
        case .stddev:
            each { place, value in
                words[place &+ 1] &+= 1
                Self.add(Int128(value), to: words + place + 2)
                Self.add(Int128(value) * Int128(value), to: words + place + 4)
            }
        case .distinct:
            guard let field = step.field else { return }
            for slot in 0..<windowsATrip {
                let entries = entries + slot * capacity
                for row in rows where entries[row] >= 0 {
                    guard let hash = Self.hash(field, batch, row) else { continue }
                    tallyBytes += tallies[Self.key(Int(entries[row]), step.sketch), default: DistinctTally()].add(hash)
                }
            }
        case .quantile:
            for slot in 0..<windowsATrip {
                let entries = entries + slot * capacity
                for row in rows where entries[row] >= 0 {
                    guard let value = cells?[row], value != nullCell else { continue }
                    let key = Int64(entries[row]) << 8 | Int64(step.word)
                    // Found first: a table that grows moves its words.
                    let found = buckets.entry(key, FareBucket.index(ofCents: value))
                    buckets.words[found] &+= 1
                }
            }
        }
    }

    private static func hash(_ field: TripField, _ batch: TripBatch, _ row: Int) -> UInt64? {
        let cell = batch.column(field)[row]
        switch field.kind {
        case .string:
            let text = TextCell(cell: cell)
            return text.isEmpty ? nil : DistinctHash.of(text: batch.bytes(text))
        case .decimal: return cell == nullCell ? nil : DistinctHash.of(decimal: PackedDecimal(cell: cell))
        case .integer, .money, .timestamp: return cell == nullCell ? nil : DistinctHash.of(integer: cell)
        }
    }

    /// Adds to a sum whose words are `high · 2^62 + low`.
    private static func add(_ value: Int128, to words: UnsafeMutablePointer<Int64>) {
        let sum = ResultCells.whole(words) + value
        (words[0], words[1]) = (Int64(clamping: sum >> 62), Int64(truncatingIfNeeded: sum & (1 << 62 - 1)))
    }

    /// Works out the results that states keep, once all trips are added.
    func deriveResults() {
        for (step, aggregate) in zip(steps, plan.aggregates)
        where step.function == .stddev || step.function == .distinct {
            for entry in 0..<table.count {
                let words = table.words + entry * table.stride + step.word
                words[0] =
                    step.function == .stddev
                    ? ResultCells.deviation(aggregate, words) ?? nullCell
                    : tallies[Self.key(entry, step.sketch)]?.result ?? 0
            }
        }
    }

    @inline(never)
    private func overflown(_ place: Int, _ value: Int64) { carries[place, default: 0] += value < 0 ? -1 : 1 }

    /// What the words of this batch's values lack.
    private func carryValues(_ word: Int, _ stride: Int, _ rows: Range<Int>) {
        for (row, carry) in valueCarries where rows.contains(row) {
            for slot in 0..<windowsATrip {
                let entry = entries[slot * capacity + row]
                if entry >= 0 { carries[Int(entry) * stride + word, default: 0] += carry }
            }
        }
    }

    /// A column in the unit of sums, `nullCell` for null; nil for `count()`, which looks at no column.
    private func read(_ field: TripField?, _ batch: TripBatch, _ rows: Range<Int>) -> UnsafePointer<Int64>? {
        if !valueCarries.isEmpty { valueCarries.removeAll() }
        guard let field else { return nil }
        let cells = batch.column(field)
        switch field.kind {
        case .decimal:
            for row in rows {
                values[row] =
                    cells[row] == nullCell ? nullCell : millionths(PackedDecimal(cell: cells[row]), field, row)
            }
        case .string: for row in rows { values[row] = TextCell(cell: cells[row]).isEmpty ? nullCell : 1 }
        default: return UnsafePointer(cells)
        }
        return UnsafePointer(values)
    }

    /// A decimal in millionths, half away from zero; what 64 bits cannot hold of it is noted.
    @inline(__always)
    private func millionths(_ decimal: PackedDecimal, _ field: TripField, _ row: Int) -> Int64 {
        let scale = decimal.scale
        guard scale <= 6 else {
            let divisor = Self.powers[scale - 6]
            let half = divisor / 2
            return (decimal.mantissa < 0 ? decimal.mantissa - half : decimal.mantissa + half) / divisor
        }
        let (value, overflow) = decimal.mantissa.multipliedReportingOverflow(by: Self.powers[6 - scale])
        return overflow ? oversizedMillionths(decimal, field, row) : value
    }

    /// As many as the scales of 4 bits ask for.
    private static let powers: [Int64] = (0...9).map(ResultCells.power)

    @inline(never)
    private func oversizedMillionths(_ decimal: PackedDecimal, _ field: TripField, _ row: Int) -> Int64 {
        let whole = Int128(decimal.mantissa) * Int128(Self.powers[6 - decimal.scale])
        let value = Int64(truncatingIfNeeded: whole)
        valueCarries[row] = Int64(truncatingIfNeeded: (whole - Int128(value)) >> 64)
        if isFirstPass { oversized[field, default: 0] += 1 }
        return value
    }
}
