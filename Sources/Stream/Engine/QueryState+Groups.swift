import Time
import Trips

/// Which rows a query takes, and the group of each.
extension QueryState {
    /// Which rows pass the filter: 1 for those, nil for all.
    func select(_ batch: TripBatch, from first: Int) -> UnsafePointer<UInt8>? {
        guard let evaluator else { return nil }
        evaluator.evaluate(batch, into: selection)
        return UnsafePointer(selection)
    }

    /// The group id of each row, `nullCell` for none; nil where there are no groups.
    func groupIDs(_ batch: TripBatch, from first: Int) -> UnsafePointer<Int64>? {
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
}
