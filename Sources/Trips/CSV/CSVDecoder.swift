import Problems

/// Turns framed rows into columns of a batch: one column after the other, so that each loop does one thing.
///
/// A row in which some field cannot be read is rejected with the first such field in the file's order; the others close up.
/// Whether a row is good depends on the row alone, not on who reads it, nor on the rows around it: columns that are not wanted are
/// checked like the others (`check`), and bytes that are no text (not UTF-8, or NUL) are looked for in all of a row.
final class CSVDecoder {
    let header: CSVHeader
    /// The fields that are decoded; others of the file are only checked.
    let fields: TripFieldSet
    /// The column that gives the event time.
    let eventTime: TripField?
    private let columns: [Column]
    private let unread: [Column]
    /// 0 where a row is good, else 1 + the column of its first fault; with the reason beside it.
    private var faultColumns: [UInt16]
    private var faultReasons: [RejectReason]
    private var faultCount = 0
    /// Numbers of these rows that were rounded.
    private var roundedCells: [(row: Int32, field: TripField)] = []

    struct Column {
        let index: Int
        let field: TripField
        /// Nil for texts and times.
        let rule: NumberRule?
    }

    /// - Parameter eventTime: the column that gives the event time; a row that leaves it empty is rejected.
    init(header: CSVHeader, fields: TripFieldSet, eventTime: TripField?, capacity: Int) {
        self.header = header
        self.eventTime = eventTime
        self.fields = fields.intersection(header.present)
        let known = header.fields.enumerated().compactMap { index, field in
            field.map { Column(index: index, field: $0, rule: NumberRule($0)) }
        }
        columns = known.filter { fields.contains($0.field) }
        unread = known.filter { !fields.contains($0.field) }
        faultColumns = Array(repeating: 0, count: capacity)
        faultReasons = Array(repeating: .malformedRow, count: capacity)
    }

    /// Appends the rows to the batch, which has room for them and whose `source` is the rows' source.
    ///
    /// - Parameter lineOf: the line of a row by the number that its framer gave it; only asked for rejects.
    func decode(
        _ rows: CSVRows, into batch: TripBatch, rejects: inout [Reject], lineOf: (Int64) -> Int = { Int($0) }
    ) {
        let start = batch.count
        for row in 0..<rows.count { batch.positions[start + row] = rows.line[row] }
        if rows.hasSpecialBytes { checkText(rows, batch.source) }
        for column in columns {
            let cells = batch.column(column.field) + start
            switch column.field.kind {
            case .string: decodeText(rows, column, batch, cells)
            case .timestamp: decodeTimes(rows, column, batch.source, cells)
            case .money: decodeNumbers(rows, column, batch.source, cells) { FieldParsers.money($0, $1, $2) }
            case .decimal: decodeNumbers(rows, column, batch.source, cells) { FieldParsers.decimal($0, $1, $2) }
            case .integer: decodeNumbers(rows, column, batch.source, cells) { FieldParsers.integer($0, $1, $2) }
            }
        }
        check(unread, of: rows, batch)
        batch.count = start + rows.count
        if !roundedCells.isEmpty { countRounded(batch) }
        if faultCount > 0 { removeFaulty(rows, batch, start, &rejects, lineOf) }
    }
}

/// A field's bytes without the blanks around and without its quotes.
struct FieldText {
    let start: UnsafePointer<UInt8>
    let length: Int
    /// Whether quotes were taken off, so that doubled ones inside are single ones.
    let isQuoted: Bool

    @inline(__always)
    init(_ start: UnsafePointer<UInt8>, _ length: Int, isQuoted: Bool = false) {
        (self.start, self.length, self.isQuoted) = (start, length, isQuoted)
    }

    @inline(never)
    init(trimming start: UnsafePointer<UInt8>, _ length: Int) {
        var (p, n) = (start, length)
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte >= 0x09 && byte <= 0x0d }
        func trim() {
            while n > 0, isBlank(p[0]) { (p, n) = (p + 1, n - 1) }
            while n > 0, isBlank(p[n - 1]) { n -= 1 }
        }
        trim()
        let isQuoted = n >= 2 && p[0] == 0x22 && p[n - 1] == 0x22
        if isQuoted {
            (p, n) = (p + 1, n - 2)
            trim()
        }
        self.init(p, n, isQuoted: isQuoted)
    }

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: length) }
}

extension CSVDecoder {
    @inline(__always)
    func field(_ rows: CSVRows, _ row: Int, _ index: Int, _ source: UnsafePointer<UInt8>) -> FieldText {
        let (start, length) = rows.field(row, index, source)
        if length > 0 {
            let (first, last) = (start[0], start[length &- 1])
            if first <= 0x22 && (first <= 32 || first == 0x22) || last <= 32 {
                return FieldText(trimming: start, length)
            }
        }
        return FieldText(start, length)
    }

    /// For the index by event time: calls `body` with each row's time as a cell (`nullCell` for none, at most `WallTime.outOfRange` for
    /// one that cannot be read) and the trip's seconds, 0 where they are not asked for or unreadable.
    func forEachTime(
        _ rows: CSVRows, _ source: UnsafePointer<UInt8>, withSeconds: Bool, _ body: (Int, Int64, Int64) -> Void
    ) {
        let seconds = withSeconds ? columns.first { $0.field == .seconds } : nil
        guard let timeIndex = columns.first(where: { $0.field == eventTime })?.index else { return }
        for row in 0..<rows.count {
            let time = field(rows, row, timeIndex, source)
            let cell = time.length == 0 ? nullCell : WallTime.parse(time.start, time.length)
            var duration: Int64 = 0
            if let seconds, let rule = seconds.rule {
                let text = field(rows, row, seconds.index, source)
                if text.length > 0 {
                    var isRounded = false
                    duration =
                        FieldParsers.integer(text.start, text.length, rule)
                        ?? Self.rareNumber(text, rule, &isRounded)
                    duration = max(0, duration)
                }
            }
            body(row, cell, duration)
        }
    }

    @inline(__always)
    private func decodeNumbers(
        _ rows: CSVRows, _ column: Column, _ source: UnsafePointer<UInt8>, _ cells: UnsafeMutablePointer<Int64>,
        _ parse: (UnsafePointer<UInt8>, Int, NumberRule) -> Int64?
    ) {
        let (index, rule) = (column.index, column.rule.unsafelyUnwrapped)
        for row in 0..<rows.count {
            let text = field(rows, row, index, source)
            if text.length == 0 {
                cells[row] = nullCell
            } else if let cell = parse(text.start, text.length, rule) {
                cells[row] = cell
            } else {
                cells[row] = rareNumber(text, row, column)
            }
        }
    }

    /// A number that is not in its common form, or none.
    @inline(never)
    @discardableResult
    func rareNumber(_ text: FieldText, _ row: Int, _ column: Column) -> Int64 {
        var isRounded = false
        let cell = Self.rareNumber(text, column.rule.unsafelyUnwrapped, &isRounded)
        if cell == WallTime.outOfRange {
            fault(row, column.index, .outOfRange)
        } else if cell == WallTime.unreadable {
            fault(row, column.index, column.field.kind == .money ? .badMoney : .badNumber)
        } else if isRounded, fields.contains(column.field) {
            roundedCells.append((Int32(truncatingIfNeeded: row), column.field))
        }
        return cell
    }

    private static func rareNumber(_ text: FieldText, _ rule: NumberRule, _ isRounded: inout Bool) -> Int64 {
        if NullText.isNull(text.start, text.length) { return nullCell }
        guard let number = DecimalNumber(text.start, text.length, isMoney: rule.kind == .money) else {
            return WallTime.unreadable
        }
        return rule.cell(of: number, isRounded: &isRounded)
    }

    private func decodeTimes(
        _ rows: CSVRows, _ column: Column, _ source: UnsafePointer<UInt8>, _ cells: UnsafeMutablePointer<Int64>
    ) {
        let (index, isNeeded) = (column.index, column.field == eventTime)
        for row in 0..<rows.count {
            let text = field(rows, row, index, source)
            let cell = text.length == 0 ? nullCell : WallTime.parse(text.start, text.length)
            cells[row] = cell
            if cell <= WallTime.outOfRange { noTime(cell, row, index, isNeeded: isNeeded) }
        }
    }

    /// - Parameter cell: `nullCell`, or what says that a text is no time that can be used.
    @inline(never)
    func noTime(_ cell: Int64, _ row: Int, _ index: Int, isNeeded: Bool) {
        if cell == nullCell {
            if isNeeded { fault(row, index, .missingEventTime) }
        } else {
            fault(row, index, cell == WallTime.outOfRange ? .outOfRange : .badTimestamp)
        }
    }

    private func decodeText(
        _ rows: CSVRows, _ column: Column, _ batch: TripBatch, _ cells: UnsafeMutablePointer<Int64>
    ) {
        let (index, isPlace, source) = (column.index, column.field.isPlace, batch.source)
        for row in 0..<rows.count {
            let text = field(rows, row, index, source)
            cells[row] = TextCell(offset: text.start - source, length: text.length).cell
            let isRare =
                text.length <= NullText.maximumLength
                ? text.isQuoted || NullText.mayBeNull(text.start, text.length)
                : text.isQuoted || text.length > TextCell.maximumLength
                    || isPlace && PointText.isOutOfRange(text.start, text.length)
            if isRare { cells[row] = rareText(text, row, column, batch) }
        }
    }

    /// Text that was quoted, may mean "nothing here", or cannot be taken.
    @inline(never)
    @discardableResult
    func rareText(_ text: FieldText, _ row: Int, _ column: Column, _ batch: TripBatch) -> Int64 {
        var cell = TextCell(offset: text.start - batch.source, length: text.length)
        if text.isQuoted, text.bytes.contains(0x22) {
            var wasQuote = false
            cell = batch.keep(
                text.bytes.filter { byte in
                    wasQuote = byte == 0x22 && !wasQuote
                    return byte != 0x22 || wasQuote
                })
        }
        let bytes = batch.bytes(cell)
        guard let start = bytes.baseAddress, !NullText.isNull(start, bytes.count) else {
            return TextCell(offset: 0, length: 0).cell
        }
        if bytes.count > TextCell.maximumLength {
            fault(row, column.index, .oversized)
        } else if column.field.isPlace, PointText.isOutOfRange(start, bytes.count) {
            fault(row, column.index, .outOfRange)
        }
        return cell.cell
    }

    private func countRounded(_ batch: TripBatch) {
        for cell in roundedCells where faultColumns[Int(cell.row)] == 0 { batch.rounded[cell.field, default: 0] += 1 }
        roundedCells.removeAll(keepingCapacity: true)
    }

    /// Rejects the rows that hold bytes which are no text.
    @inline(never)
    private func checkText(_ rows: CSVRows, _ source: UnsafePointer<UInt8>) {
        for row in 0..<rows.count {
            let bytes = rows.bytes(of: row, columns: header.names.count, in: source)
            guard let start = bytes.baseAddress,
                let place = UTF8Sequence.firstNoText(start, start + bytes.count)
            else { continue }
            let offset = place - source - rows.base[row]
            let separators = rows.separators + Int(rows.first[row])
            var index = 0
            while offset > Int(separators[index + 1]) { index += 1 }
            fault(row, index, .badUTF8)
        }
    }

    @inline(never)
    private func fault(_ row: Int, _ column: Int, _ reason: RejectReason) {
        if faultColumns[row] == 0 {
            faultCount += 1
        } else if Int(faultColumns[row]) <= column + 1 {
            return
        }
        faultColumns[row] = UInt16(clamping: column + 1)
        faultReasons[row] = reason
    }

    private func removeFaulty(
        _ rows: CSVRows, _ batch: TripBatch, _ start: Int, _ rejects: inout [Reject], _ lineOf: (Int64) -> Int
    ) {
        var kept = start
        for row in 0..<rows.count {
            if faultColumns[row] == 0 {
                if kept != start + row { batch.moveRow(start + row, to: kept, fields: fields) }
                kept += 1
                continue
            }
            rejects.append(reject(rows, row, Int(faultColumns[row]) - 1, faultReasons[row], batch.source, lineOf))
            faultColumns[row] = 0
        }
        batch.count = kept
        faultCount = 0
    }

    /// The reject of a row whose event time lies too far ahead, `excess` says how far.
    func rejectAhead(
        _ rows: CSVRows, _ row: Int, _ field: TripField, _ excess: String, _ source: UnsafePointer<UInt8>,
        lineOf: (Int64) -> Int
    ) -> Reject {
        let column = columns.first { $0.field == field }?.index ?? 0
        return reject(rows, row, column, .outOfRange, source, lineOf, wanted: excess)
    }

    private func reject(
        _ rows: CSVRows, _ row: Int, _ column: Int, _ reason: RejectReason, _ source: UnsafePointer<UInt8>,
        _ lineOf: (Int64) -> Int, wanted words: String? = nil
    ) -> Reject {
        let text = field(rows, row, column, source)
        let bytes = rows.bytes(of: row, columns: header.names.count, in: source)
        let field = header.fields[column]
        let wanted =
            switch reason {
            case .badMoney: "is not an amount in dollars and cents"
            case .badTimestamp: "is not a time"
            case .badUTF8: text.bytes.contains(0) ? "holds a NUL byte" : "is not UTF-8"
            case .oversized: "is longer than \(TextCell.maximumLength) bytes"
            case .missingEventTime: "is empty, so the trip has no event time"
            case .outOfRange: "is out of range" + (field.map { " (\($0.rangeText))" } ?? "")
            default:
                field?.kind == .integer && DecimalNumber(text.start, text.length) != nil
                    ? "is not a whole number" : "is not a number"
            }
        // Lines are an editor's: a quoted field may have gone over some before this one.
        let before = UnsafeBufferPointer(
            start: bytes.baseAddress, count: text.start - bytes.baseAddress.unsafelyUnwrapped)
        let lines = before.count { $0 == header.newline }
        let columnInLine = before.count - (before.lastIndex(of: header.newline) ?? -1)
        return Reject(
            reason: reason,
            detail: "\(field?.name ?? header.names[column]) \"\(Self.shown(text.bytes))\" \(words ?? wanted)",
            location: InputLocation(
                file: header.file, line: lineOf(rows.line[row]) + lines, column: columnInLine),
            bytes: Array(bytes), offset: bytes.baseAddress.unsafelyUnwrapped - source, columns: header.text)
    }

    /// The first 80 bytes of a field, with a mark in place of what is no text.
    private static func shown(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let text = String(decoding: bytes.prefix(80), as: UTF8.self)
        return text.contains("\0") ? text.replacing("\0", with: "\u{fffd}") : text
    }
}

extension TripBatch {
    /// Copies a row over another one: all cells of `fields`, its event time and its place.
    public func moveRow(_ row: Int, to target: Int, fields: TripFieldSet) {
        for field in TripField.allCases where fields.contains(field) {
            let cells = column(field)
            cells[target] = cells[row]
        }
        eventTimes[target] = eventTimes[row]
        positions[target] = positions[row]
    }
}
