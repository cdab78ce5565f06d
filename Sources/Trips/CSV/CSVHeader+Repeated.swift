internal import Problems

/// Headers further down in a file, as files that were joined have them.
extension CSVHeader {
    /// The header that a row is; nil for a trip's.
    ///
    /// One it is where a field names a time; and where two fields name columns, and one of them stands where this header has times or
    /// numbers, or half of all fields do and none is a number or a time.
    ///
    /// Not fast but for rows with a number in them and no word of time; for those that look like one.
    ///
    /// - Returns: where a name stands twice, with what is wrong in `fault`.
    func header(in row: UnsafeBufferPointer<UInt8>, line: Int) -> CSVHeader? {
        guard row.count <= Self.sampleSize, !Self.hasPlainNumber(row) || Self.speaksOfTime(row),
            // Rejected rows are many, and words of them none of these.
            Self.namesColumn(row),
            let next = try? CSVHeader(sample: row, file: file, line: line, newline: newline, isFirst: false)
        else { return nil }
        if next.fields.contains(where: { $0?.kind == .timestamp }), !next.hasName(Self.isTime) { return next }
        let known = next.present.fields.count
        guard known >= min(2, names.count) else { return nil }
        if telltale < next.fields.count, next.fields[telltale] != nil,
            fields[telltale].map({ $0.kind != .string }) == true
        {
            return next
        }
        guard known * 2 >= next.names.count else { return nil }
        return next.hasName { DecimalNumber($0, $1) != nil || Self.isTime($0, $1) } ? nil : next
    }

    /// Puts a header that was found in a piece of a file where it stands in the file.
    mutating func moveDown(lines: Int) {
        line += lines
        fault?.location?.line += lines
    }

    private func hasName(_ matches: (_ start: UnsafePointer<UInt8>, _ count: Int) -> Bool) -> Bool {
        names.contains { name in
            var name = name
            return name.withUTF8 { text in text.baseAddress.map { !text.isEmpty && matches($0, text.count) } ?? false }
        }
    }

    private static func isTime(_ start: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        WallTime.parse(start, count) > WallTime.outOfRange
    }

    /// Whether "time" stands in a row, as in the names of all columns of times.
    private static func speaksOfTime(_ row: UnsafeBufferPointer<UInt8>) -> Bool {
        guard row.count >= 4 else { return false }
        for place in 0...row.count - 4
        where row[place] | 0x20 == 0x74 && row[place + 1] | 0x20 == 0x69 && row[place + 2] | 0x20 == 0x6d
            && row[place + 3] | 0x20 == 0x65
        {
            return true
        }
        return false
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
