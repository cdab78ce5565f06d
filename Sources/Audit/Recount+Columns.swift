import Stream
import Trips

/// How a recount reads columns.
extension Recount {
    /// A column in the unit of sums, `nullCell` for null; nil for `count()`, which looks at no column.
    func read(_ field: TripField?, _ batch: TripBatch, _ rows: Range<Int>) -> UnsafePointer<Int64>? {
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
