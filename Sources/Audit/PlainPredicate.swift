import Stream
import Time
import Trips

extension Predicate {
    /// Whether it holds for one trip; nil for unknown, SQL's third value.
    ///
    /// Trip by trip and with no preparation: what `PredicateEvaluator` does column by column is checked against this.
    func holds(_ batch: TripBatch, _ row: Int, _ clock: inout LocalDayCursor) -> Bool? {
        switch self {
        case .and(let parts):
            var result: Bool? = true
            for part in parts {
                switch part.holds(batch, row, &clock) {
                case false: return false
                case nil: result = nil
                default: break
                }
            }
            return result
        case .or(let parts):
            var result: Bool? = false
            for part in parts {
                switch part.holds(batch, row, &clock) {
                case true: return true
                case nil: result = nil
                default: break
                }
            }
            return result
        case .not(let part): return part.holds(batch, row, &clock).map { !$0 }
        case .compareInteger(let operand, let comparison, let value):
            return operand.value(batch, row, &clock).map { comparison.holds($0, value) }
        case .compareString(let field, let comparison, let value):
            return Self.text(field, batch, row).map { text in
                if text.elementsEqual(value) { return comparison.holds(0, 0) }
                return comparison.holds(text.lexicographicallyPrecedes(value) ? -1 : 1, 0)
            }
        case .inIntegers(let operand, let values): return operand.value(batch, row, &clock).map(values.contains)
        case .inStrings(let field, let values):
            return Self.text(field, batch, row).map { text in values.contains { text.elementsEqual($0) } }
        case .isNull(let operand): return operand.isNull(batch, row, &clock)
        case .isNotNull(let operand): return !operand.isNull(batch, row, &clock)
        }
    }

    private static func text(_ field: TripField, _ batch: TripBatch, _ row: Int) -> UnsafeBufferPointer<UInt8>? {
        let text = TextCell(cell: batch.column(field)[row])
        return text.isEmpty ? nil : batch.bytes(text)
    }
}

extension Comparison {
    fileprivate func holds(_ a: Int64, _ b: Int64) -> Bool {
        switch self {
        case .equal: a == b
        case .notEqual: a != b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        }
    }
}

extension Operand {
    /// The value in the units of literals; nil for null.
    fileprivate func value(_ batch: TripBatch, _ row: Int, _ clock: inout LocalDayCursor) -> Int64? {
        switch self {
        case .day: return clock.day(of: batch.eventTimes[row])
        case .hour: return GroupKey.hour(ofLocalMs: clock.localMs(of: batch.eventTimes[row]))
        case .hourOfWeek: return GroupKey.hourOfWeek(ofLocalMs: clock.localMs(of: batch.eventTimes[row]))
        case .field(let field):
            let cell = batch.column(field)[row]
            if cell == nullCell { return nil }
            switch field.kind {
            case .integer, .money, .string: return cell
            case .timestamp: return WallTime(cell: cell).seconds
            case .decimal:
                let decimal = PackedDecimal(cell: cell)
                // What 64 bits cannot hold is beyond any literal all the same.
                let (value, overflow) = decimal.mantissa.multipliedReportingOverflow(
                    by: ResultCells.power(max(0, 6 - decimal.scale)))
                if overflow { return decimal.mantissa < 0 ? .min : .max }
                return decimal.scale <= 6 ? value : decimal.millionths
            }
        }
    }

    fileprivate func isNull(_ batch: TripBatch, _ row: Int, _ clock: inout LocalDayCursor) -> Bool {
        if case .field(let field) = self, field.kind == .string {
            return TextCell(cell: batch.column(field)[row]).isEmpty
        }
        return value(batch, row, &clock) == nil
    }
}
