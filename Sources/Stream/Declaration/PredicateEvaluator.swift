public import Time
public import Trips

/// Decides for all trips of a batch whether a query's `where` holds, column by column.
///
/// Keeps buffers from batch to batch and allocates nothing per trip. Used by one thread at a time.
public final class PredicateEvaluator {
    private let root: Node
    private let zone: ZoneClock
    private let levels: Int
    private var scratch: [UnsafeMutablePointer<UInt8>] = []
    private var capacity = 0

    /// What loops write: the minimum is `and`, the maximum `or`, two minus it `not`.
    private static let isFalse: UInt8 = 0
    private static let isUnknown: UInt8 = 1
    private static let isTrue: UInt8 = 2

    /// - Parameter zone: the tenant's; `day`, `hour` and `hour_of_week` are those of its wall clock.
    public init(_ predicate: Predicate, zone: ZoneClock) {
        root = Node(predicate)
        levels = root.levels
        self.zone = zone
    }

    deinit { for buffer in scratch { buffer.deallocate() } }

    /// Writes for each of the batch's trips 0 where the predicate is false, 1 where it is true, 2 where it is unknown.
    ///
    /// The batch holds the columns of the predicate's `fields`, and event times.
    /// - Complexity: O(trips × parts of the predicate).
    public func evaluate(_ batch: TripBatch, into selection: UnsafeMutablePointer<UInt8>) {
        if batch.capacity > capacity { growScratch(to: batch.capacity) }
        evaluate(root, batch, selection, level: 0)
        // 0, 1, 2 for false, unknown, true become 0, 2, 1: the two bits change places.
        for row in 0..<batch.count { selection[row] = selection[row] >> 1 | (selection[row] & 1) << 1 }
    }

    private func growScratch(to newCapacity: Int) {
        for buffer in scratch { buffer.deallocate() }
        scratch = (0..<levels).map { _ in .allocate(capacity: newCapacity) }
        capacity = newCapacity
    }

    private func evaluate(_ node: Node, _ batch: TripBatch, _ out: UnsafeMutablePointer<UInt8>, level: Int) {
        let count = batch.count
        switch node {
        case .and(let parts):
            evaluate(parts[0], batch, out, level: level)
            for part in parts.dropFirst() {
                let other = scratch[level]
                evaluate(part, batch, other, level: level + 1)
                for row in 0..<count { out[row] = min(out[row], other[row]) }
            }
        case .or(let parts):
            evaluate(parts[0], batch, out, level: level)
            for part in parts.dropFirst() {
                let other = scratch[level]
                evaluate(part, batch, other, level: level + 1)
                for row in 0..<count { out[row] = max(out[row], other[row]) }
            }
        case .not(let part):
            evaluate(part, batch, out, level: level)
            for row in 0..<count { out[row] = 2 &- out[row] }
        case .compareInteger(let operand, let comparison, let value):
            compare(operand, comparison, value, batch, out)
        case .inIntegers(let operand, let values):
            values.withUnsafeBufferPointer { values in
                withValues(of: operand, batch) { (row: Int, cell: Int64) in
                    out[row] =
                        cell == nullCell ? Self.isUnknown : Self.contains(values, cell) ? Self.isTrue : Self.isFalse
                }
            }
        case .compareString(let field, let comparison, let value):
            compare(field, comparison, value, batch, out)
        case .inStrings(let field, let table):
            let cells = batch.column(field)
            for row in 0..<count {
                let text = TextCell(cell: cells[row])
                out[row] =
                    text.isEmpty ? Self.isUnknown : table.contains(batch.bytes(text)) ? Self.isTrue : Self.isFalse
            }
        case .isNull(let operand): markNulls(operand, batch, out, null: Self.isTrue, value: Self.isFalse)
        case .isNotNull(let operand): markNulls(operand, batch, out, null: Self.isFalse, value: Self.isTrue)
        }
    }

    // MARK: leaves

    /// Gives each row's value in the units of literals, or `nullCell`.
    @inline(__always)
    private func withValues(of operand: Operand, _ batch: TripBatch, _ body: (Int, Int64) -> Void) {
        let count = batch.count
        var cursor = LocalDayCursor(zone)
        switch operand {
        case .day: for row in 0..<count { body(row, cursor.day(of: batch.eventTimes[row])) }
        case .hour:
            for row in 0..<count { body(row, GroupKey.hour(ofLocalMs: cursor.localMs(of: batch.eventTimes[row]))) }
        case .hourOfWeek:
            for row in 0..<count {
                body(row, GroupKey.hourOfWeek(ofLocalMs: cursor.localMs(of: batch.eventTimes[row])))
            }
        case .field(let field):
            let cells = batch.column(field)
            switch field.kind {
            case .integer, .money, .string: for row in 0..<count { body(row, cells[row]) }
            case .timestamp: for row in 0..<count { body(row, cells[row] == nullCell ? nullCell : cells[row] >> 8) }
            case .decimal:
                for row in 0..<count {
                    body(row, cells[row] == nullCell ? nullCell : PackedDecimal(cell: cells[row]).millionths)
                }
            }
        }
    }

    private func compare(
        _ operand: Operand, _ comparison: Comparison, _ value: Int64, _ batch: TripBatch,
        _ out: UnsafeMutablePointer<UInt8>
    ) {
        @inline(__always) func fill(_ holds: (Int64) -> Bool) {
            withValues(of: operand, batch) { row, cell in
                out[row] = cell == nullCell ? Self.isUnknown : holds(cell) ? Self.isTrue : Self.isFalse
            }
        }
        switch comparison {
        case .equal: fill { $0 == value }
        case .notEqual: fill { $0 != value }
        case .less: fill { $0 < value }
        case .lessOrEqual: fill { $0 <= value }
        case .greater: fill { $0 > value }
        case .greaterOrEqual: fill { $0 >= value }
        }
    }

    private func compare(
        _ field: TripField, _ comparison: Comparison, _ value: [UInt8], _ batch: TripBatch,
        _ out: UnsafeMutablePointer<UInt8>
    ) {
        let cells = batch.column(field)
        value.withUnsafeBufferPointer { value in
            @inline(__always) func fill(_ holds: (UnsafeBufferPointer<UInt8>) -> Bool) {
                for row in 0..<batch.count {
                    let text = TextCell(cell: cells[row])
                    out[row] = text.isEmpty ? Self.isUnknown : holds(batch.bytes(text)) ? Self.isTrue : Self.isFalse
                }
            }
            switch comparison {
            case .equal: fill { StringTable.isEqual($0, value) }
            case .notEqual: fill { !StringTable.isEqual($0, value) }
            case .less: fill { StringTable.order($0, value) < 0 }
            case .lessOrEqual: fill { StringTable.order($0, value) <= 0 }
            case .greater: fill { StringTable.order($0, value) > 0 }
            case .greaterOrEqual: fill { StringTable.order($0, value) >= 0 }
            }
        }
    }

    private func markNulls(
        _ operand: Operand, _ batch: TripBatch, _ out: UnsafeMutablePointer<UInt8>, null: UInt8, value: UInt8
    ) {
        guard case .field(let field) = operand else {
            out.update(repeating: value, count: batch.count)
            return
        }
        let cells = batch.column(field)
        if field.kind == .string {
            for row in 0..<batch.count { out[row] = TextCell(cell: cells[row]).isEmpty ? null : value }
        } else {
            for row in 0..<batch.count { out[row] = cells[row] == nullCell ? null : value }
        }
    }

    @inline(__always)
    private static func contains(_ sorted: UnsafeBufferPointer<Int64>, _ value: Int64) -> Bool {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && sorted[low] == value
    }
}

extension PredicateEvaluator {
    /// A predicate with its lists laid out for looking up.
    private indirect enum Node {
        case and([Node])
        case or([Node])
        case not(Node)
        case compareInteger(Operand, Comparison, Int64)
        case compareString(TripField, Comparison, [UInt8])
        case inIntegers(Operand, [Int64])
        case inStrings(TripField, StringTable)
        case isNull(Operand)
        case isNotNull(Operand)

        init(_ predicate: Predicate) {
            self =
                switch predicate {
                case .and(let parts): .and(parts.map(Node.init))
                case .or(let parts): .or(parts.map(Node.init))
                case .not(let part): .not(Node(part))
                case .compareInteger(let operand, let comparison, let value):
                    .compareInteger(operand, comparison, value)
                case .compareString(let field, let comparison, let value): .compareString(field, comparison, value)
                case .inIntegers(let operand, let values): .inIntegers(operand, values.sorted())
                case .inStrings(let field, let values): .inStrings(field, StringTable(values))
                case .isNull(let operand): .isNull(operand)
                case .isNotNull(let operand): .isNotNull(operand)
                }
        }

        /// How many buffers are in use at once below this node.
        var levels: Int {
            switch self {
            case .and(let parts), .or(let parts): 1 + (parts.map(\.levels).max() ?? 0)
            case .not(let part): part.levels
            default: 0
            }
        }
    }
}
