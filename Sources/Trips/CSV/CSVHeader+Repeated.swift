/// Headers further down in a file, as files that were joined have them.
extension CSVHeader {
    /// Whether a row is a header again: at least half of its fields are names of a trip's columns, and none is a number or a time.
    ///
    /// Not fast but for rows with a number in them; for those that look like one.
    func isHeader(_ row: UnsafeBufferPointer<UInt8>) -> Bool {
        guard row.count <= Self.sampleSize, !Self.hasPlainNumber(row),
            let next = try? CSVHeader(sample: row, file: file, line: 1, newline: newline)
        else { return false }
        let known = next.present.fields.count
        guard known * 2 >= next.names.count, known >= min(2, names.count) else { return false }
        return next.names.allSatisfy { name in
            var name = name
            return name.withUTF8 { text in
                guard let start = text.baseAddress, !text.isEmpty else { return true }
                return DecimalNumber(start, text.count) == nil
                    && WallTime.parse(start, text.count) <= WallTime.outOfRange
            }
        }
    }

    /// Whether some field is a number of nothing but digits, as almost every row of trips has: rejected rows are many, and headers few.
    static func hasPlainNumber(_ row: UnsafeBufferPointer<UInt8>) -> Bool {
        let delimiter = commonestDelimiter(row[...])
        // Digits of a field without anything else; below 0 for other fields. No name of fifteen digits or more is looked at here.
        var (digits, isQuoted) = (0, false)
        for byte in row {
            if byte == delimiter, !isQuoted {
                if (1..<16).contains(digits) { return true }
                digits = 0
            } else if byte &- 48 < 10 {
                digits += 1
            } else {
                if byte == 0x22 { isQuoted.toggle() }
                digits = .min / 2
            }
        }
        return (1..<16).contains(digits)
    }

    /// Whether rows under the other header are read as those under this one.
    func hasColumns(of other: CSVHeader) -> Bool {
        delimiter == other.delimiter && fields == other.fields
    }

    /// The column by whose fields a header's row is told from a trip's with one look: a time or number, which begins with no letter.
    var telltale: Int {
        func index(_ isWanted: (TripField) -> Bool) -> Int? { fields.firstIndex { $0.map(isWanted) ?? false } }
        return index { $0.kind == .timestamp } ?? index { $0.kind != .string } ?? index { _ in true } ?? 0
    }
}
