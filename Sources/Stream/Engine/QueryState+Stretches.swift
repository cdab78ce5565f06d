import Time
import Trips

/// Rows that follow each other and lie in the same windows, which are late for all of them or for none: whatever depends on the window
/// is looked at once for all of them. Trips come mostly in order, and many have the same event time.
private struct Stretch {
    /// The first one has a group.
    var rows: Range<Int>
    /// How many of them have one.
    var taken: Int
    /// Whether newer files stand for their times.
    var isRestated = false
}

extension QueryState {
    /// Adds the rows that have a group to their windows, stretch by stretch.
    ///
    /// - Parameter ids: the group of each row, `nullCell` for one that is left out; nil where there is one group of all rows.
    func run(
        _ batch: TripBatch, _ first: Int, _ ids: UnsafePointer<Int64>?, _ watermarks: UnsafePointer<Int64>?,
        _ lateRows: inout [Int32], _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>
    ) {
        var cursor = WindowCursor(self)
        var row = first
        while row < batch.count {
            if let ids, ids[row] == nullCell {
                row += 1
                continue
            }
            cursor.move(to: batch.eventTimes[row])
            let stretch = stretch(from: row, of: batch, ids, watermarks, cursor)
            row = stretch.rows.upperBound
            let taken = Int64(stretch.taken)
            if stretch.isRestated {
                counts.restated += taken
                continue
            }
            var (added, merged, dropped) = (false, false, false)
            for slot in 0..<cursor.count {
                let end = cursor.ends[slot]
                var isLate = end <= closedUntil
                if let watermarks, end <= watermarks[stretch.rows.lowerBound] { isLate = true }
                if isLate {
                    guard mergesLate, !isPruned(cursor.starts[slot]) else {
                        dropped = true
                        continue
                    }
                    merged = true
                }
                added = true
                add(stretch, ids, columns, to: cursor.window(slot), isLate: isLate)
            }
            if added {
                counts.aggregated += taken
                if merged { counts.lateMerged += taken }
                if dropped { counts.lateInPart += taken }
            } else {
                counts.late += taken
                for row in stretch.rows where ids.map({ $0[row] != nullCell }) ?? true { lateRows.append(Int32(row)) }
            }
        }
    }

    /// The longest stretch that begins with a row, to whose time the cursor has moved.
    private func stretch(
        from first: Int, of batch: TripBatch, _ ids: UnsafePointer<Int64>?, _ watermarks: UnsafePointer<Int64>?,
        _ cursor: WindowCursor
    ) -> Stretch {
        let times = batch.eventTimes
        var (from, until) = (cursor.times.lowerBound, cursor.times.upperBound)
        var stretch = Stretch(rows: first..<first + 1, taken: 1)
        for range in restated {
            if range.contains(times[first]) {
                stretch.isRestated = true
                (from, until) = (max(from, range.lowerBound), min(until, range.upperBound))
            } else if range.upperBound <= times[first] {
                from = max(from, range.upperBound)
            } else {
                until = min(until, range.lowerBound)
            }
        }
        // Watermarks for which the same windows are late as for that of the first row.
        var (low, high) = (Int64.min, Int64.max)
        if let watermarks {
            for end in cursor.ends {
                if end <= watermarks[first] { low = max(low, end) } else { high = min(high, end) }
            }
        }
        var row = first + 1
        while row < batch.count, times[row] >= from, times[row] < until {
            if let watermarks, watermarks[row] < low || watermarks[row] >= high { break }
            if let ids, ids[row] == nullCell {} else { stretch.taken &+= 1 }
            row &+= 1
        }
        stretch.rows = first..<row
        return stretch
    }

    /// Whether a window was stored, and is not any more.
    private func isPruned(_ start: EventTime) -> Bool {
        // Days that follow each other are one range, so that there are few.
        pruned.contains { $0.contains(start) }
    }

    private func add(
        _ stretch: Stretch, _ ids: UnsafePointer<Int64>?, _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>,
        to window: WindowPointer, isLate: Bool
    ) {
        window.pointee.isChanged = true
        let (rows, stride, initial) = (stretch.rows, windows.stride, initialState)
        let keepsGroupChanges = !plan.window.isWindowed || isLate
        var group = ids.map { $0[rows.lowerBound] } ?? 0
        var entry = window.pointee.entry(of: group, stride: stride, initial: initial)
        if keepsGroupChanges { window.pointee.groupChanged[entry] = true }
        var isOneGroup = stretch.taken == rows.count
        if let ids {
            let entries = entries
            for row in rows {
                if ids[row] != group {
                    guard ids[row] != nullCell else {
                        entries[row] = -1
                        continue
                    }
                    isOneGroup = false
                    group = ids[row]
                    entry = window.pointee.entry(of: group, stride: stride, initial: initial)
                    if keepsGroupChanges { window.pointee.groupChanged[entry] = true }
                }
                entries[row] = entry
            }
        }
        if isOneGroup {
            apply(columns, rows, window, entry)
        } else {
            apply(columns, rows, window)
        }
    }
}
