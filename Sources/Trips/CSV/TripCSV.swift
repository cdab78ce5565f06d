import Time
public import Problems

/// Trips as rows of CSV (RFC 4180): the fields of `TripJSON` in their order and under their names, CR LF behind each row.
///
/// Nothing stands where a cell is empty. All readers of trip files here take them: headers are found whatever their case and blanks are.
public enum TripCSV {
    /// The names of the columns.
    public static func names(money: TripMoney) -> [String] {
        TripField.allCases.map { money.name(of: $0) } + ["event_timestamp"]
    }

    /// Appends the heading.
    public static func appendHeader(money: TripMoney, to output: inout OutputBuffer) {
        output.append(names(money: money).joined(separator: ",") + "\r\n")
    }

    /// Appends the trips `rows` of a batch.
    ///
    /// - Parameter guarded: as of `csvField`.
    /// - Complexity: O(bytes written); nothing is allocated for a row but where a text has commas, quotes or line ends in it.
    public static func encode(
        _ batch: TripBatch, rows: Range<Int>, money: TripMoney, guarded: Bool, into output: inout OutputBuffer
    ) {
        let columns = TripField.allCases.map { field in
            Column(
                kind: batch.fields.contains(field)
                    ? field.kind == .money && money == .cents ? .integer : field.kind : nil,
                cells: batch.column(field))
        }
        for row in rows {
            for column in columns {
                append(column, row, batch, guarded, to: &output)
                output.append(UInt8(ascii: ","))
            }
            let place = output.reserve(RFC3339.length + 2)
            RFC3339.write(batch.eventTimes[row], to: place)
            place[RFC3339.length] = UInt8(ascii: "\r")
            place[RFC3339.length + 1] = UInt8(ascii: "\n")
            output.advance(by: RFC3339.length + 2)
        }
    }

    private struct Column {
        /// Nil for a field that the batch does not hold.
        let kind: FieldKind?
        let cells: UnsafeMutablePointer<Int64>
    }

    @inline(__always)
    private static func append(
        _ column: Column, _ row: Int, _ batch: TripBatch, _ guarded: Bool, to output: inout OutputBuffer
    ) {
        let cell = column.cells[row]
        guard let kind = column.kind else { return }
        if kind == .string {
            let text = TextCell(cell: cell)
            if !text.isEmpty { output.append(csvField: batch.bytes(text), guarded: guarded) }
            return
        }
        if cell == nullCell { return }
        let place = output.reserve(WallTime.maximumLength)
        let end =
            switch kind {
            case .timestamp: place + WallTime(cell: cell).write(to: place)
            case .decimal: DecimalText.write(PackedDecimal(cell: cell), to: place)
            case .money: DecimalText.writeMoney(cell, to: place)
            default: DecimalText.write(cell, to: place)
            }
        output.advance(by: end - place)
    }
}

extension OutputBuffer {
    /// Appends UTF-8 as a field of CSV: see `csvField`.
    @inlinable
    public mutating func append(csvField text: UnsafeBufferPointer<UInt8>, guarded: Bool) {
        if CSVText.isPlain(text, guarded: guarded) {
            append(text)
        } else {
            append(csvField(String(decoding: text, as: UTF8.self), guarded: guarded))
        }
    }
}

@usableFromInline
enum CSVText {
    /// Whether a text stands in CSV as it is; texts that may be formulas are looked at by `csvField`.
    @usableFromInline
    static func isPlain(_ text: UnsafeBufferPointer<UInt8>, guarded: Bool) -> Bool {
        guard let first = text.first else { return true }
        if guarded, first < 0x41, first == 0x3d || first == 0x2b || first == 0x2d || first == 0x40 || first == 0x09 {
            return false
        }
        let raw = UnsafeRawBufferPointer(text)
        var (found, at): (UInt64, Int) = (0, 0)
        while at &+ 8 <= raw.count {
            let word = raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            found |= zeros(word ^ (JSONWord.ones &* 0x22)) | zeros(word ^ (JSONWord.ones &* 0x2c))
            found |= zeros(word ^ (JSONWord.ones &* 0x0a)) | zeros(word ^ (JSONWord.ones &* 0x0d))
            at &+= 8
        }
        while at < raw.count {
            switch raw[at] {
            case 0x22, 0x2c, 0x0a, 0x0d: return false
            default: at &+= 1
            }
        }
        return found & JSONWord.tops == 0
    }

    /// Sets the top bit of the lowest byte that is zero; see `JSONWord.special`.
    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- JSONWord.ones) & ~word }
}
