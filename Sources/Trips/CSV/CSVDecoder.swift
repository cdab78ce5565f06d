import Problems

/// Turns framed rows into columns of a batch: one column after the other, so that each loop does one thing.
///
/// A row in which some field cannot be read is rejected with the first such field in the file's order; the others close up.
final class CSVDecoder {
    let header: CSVHeader
    /// The fields that are decoded; others of the file are not looked at.
    let fields: TripFieldSet
    /// The column that gives the event time.
    let eventTime: TripField?
    private let columns: [(index: Int, field: TripField)]
    /// 0 where a row is good, else 1 + the column of its first fault; with the reason beside it.
    private var faultColumns: [UInt16]
    private var faultReasons: [RejectReason]
    private var faultCount = 0

    /// - Parameter eventTime: the column that gives the event time; a row that leaves it empty is rejected.
    init(header: CSVHeader, fields: TripFieldSet, eventTime: TripField?, capacity: Int) {
        self.header = header
        self.eventTime = eventTime
        self.fields = fields.intersection(header.present)
        columns = header.fields.enumerated().compactMap { index, field in
            field.flatMap { fields.contains($0) ? (index, $0) : nil }
        }
        faultColumns = Array(repeating: 0, count: capacity)
        faultReasons = Array(repeating: .malformedRow, count: capacity)
    }

    /// Appends the rows to the batch, which has room for them and whose `source` is the rows' source.
    func decode(_ rows: CSVRows, into batch: TripBatch, rejects: inout [Reject]) {
        let start = batch.count
        for row in 0..<rows.count { batch.positions[start + row] = rows.line[row] }
        for (index, field) in columns {
            let cells = batch.column(field) + start
            switch field.kind {
            case .string: decodeText(rows, index, batch, cells)
            case .timestamp: decodeTimes(rows, index, batch.source, cells, isNeeded: field == eventTime)
            case .money:
                decodeNumbers(rows, index, batch.source, cells, .badMoney) { FieldParsers.money($0, $1) }
            case .decimal:
                decodeNumbers(rows, index, batch.source, cells, .badNumber) { FieldParsers.decimalCell($0, $1) }
            case .integer:
                decodeNumbers(rows, index, batch.source, cells, .badNumber) { FieldParsers.integer($0, $1) }
                if let limits = field.limits { checkRange(rows, index, cells, limits) }
            }
        }
        batch.count = start + rows.count
        if faultCount > 0 { removeFaulty(rows, batch, start, &rejects) }
    }
}

extension TripField {
    /// What an integer field may hold; outside it the row is `out_of_range`.
    var limits: ClosedRange<Int64>? {
        switch self {
        case .pickupArea, .dropoffArea: 1...77
        case .seconds: 0...Int64.max
        default: nil
        }
    }
}

extension CSVDecoder {
    /// The trimmed bytes of a field; quotes around it are taken off.
    @inline(__always)
    private func field(
        _ rows: CSVRows, _ row: Int, _ index: Int, _ source: UnsafePointer<UInt8>
    ) -> (start: UnsafePointer<UInt8>, length: Int) {
        let separators = rows.separators + Int(rows.first[row]) + index
        let start = source + (rows.base[row] &+ Int(separators[0] &+ 1))
        let length = Int(separators[1] &- (separators[0] &+ 1))
        if length > 0 {
            let (first, last) = (start[0], start[length &- 1])
            if first <= 0x22 && (first <= 32 || first == 0x22) || last <= 32 { return Self.trimmed(start, length) }
        }
        return (start, length)
    }

    @inline(never)
    private static func trimmed(
        _ start: UnsafePointer<UInt8>, _ length: Int
    ) -> (start: UnsafePointer<UInt8>, length: Int) {
        var (p, n) = (start, length)
        func trim() {
            while n > 0, p[0] <= 32 { (p, n) = (p + 1, n - 1) }
            while n > 0, p[n - 1] <= 32 { n -= 1 }
        }
        trim()
        if n >= 2, p[0] == 0x22, p[n - 1] == 0x22 {
            (p, n) = (p + 1, n - 2)
            trim()
        }
        return (p, n)
    }

    /// For the index by event time: calls `body` with each row's time as a cell (`nullCell` for none, at most `WallTime.outOfRange` for
    /// one that cannot be read) and the trip's seconds, 0 where they are not asked for or unreadable.
    func forEachTime(
        _ rows: CSVRows, _ source: UnsafePointer<UInt8>, withSeconds: Bool, _ body: (Int, Int64, Int64) -> Void
    ) {
        let timeIndex = columns.first { $0.field == eventTime }?.index
        let secondsIndex = withSeconds ? columns.first { $0.field == .seconds }?.index : nil
        guard let timeIndex else { return }
        for row in 0..<rows.count {
            let (start, length) = field(rows, row, timeIndex, source)
            let cell = length == 0 ? nullCell : WallTime.parse(start, length)
            var seconds: Int64 = 0
            if let secondsIndex {
                let (start, length) = field(rows, row, secondsIndex, source)
                if length > 0 { seconds = max(0, FieldParsers.integer(start, length) ?? 0) }
            }
            body(row, cell, seconds)
        }
    }

    @inline(__always)
    private func decodeNumbers(
        _ rows: CSVRows, _ index: Int, _ source: UnsafePointer<UInt8>, _ cells: UnsafeMutablePointer<Int64>,
        _ reason: RejectReason, _ parse: (UnsafePointer<UInt8>, Int) -> Int64?
    ) {
        for row in 0..<rows.count {
            let (start, length) = field(rows, row, index, source)
            if length == 0 {
                cells[row] = nullCell
            } else if let cell = parse(start, length) {
                cells[row] = cell
            } else {
                fault(row, index, reason)
            }
        }
    }

    private func decodeTimes(
        _ rows: CSVRows, _ index: Int, _ source: UnsafePointer<UInt8>, _ cells: UnsafeMutablePointer<Int64>,
        isNeeded: Bool
    ) {
        for row in 0..<rows.count {
            let (start, length) = field(rows, row, index, source)
            guard length > 0 else {
                cells[row] = nullCell
                if isNeeded { fault(row, index, .missingEventTime) }
                continue
            }
            let cell = WallTime.parse(start, length)
            cells[row] = cell
            if cell <= WallTime.outOfRange {
                fault(row, index, cell == WallTime.outOfRange ? .outOfRange : .badTimestamp)
            }
        }
    }

    /// Stored columns give a text's length two bytes.
    private static let maximumTextLength = 65535

    private func decodeText(
        _ rows: CSVRows, _ index: Int, _ batch: TripBatch, _ cells: UnsafeMutablePointer<Int64>
    ) {
        let source = batch.source
        for row in 0..<rows.count {
            let (start, length) = field(rows, row, index, source)
            cells[row] = TextCell(offset: start - source, length: length).cell
            if length > Self.maximumTextLength { fault(row, index, .oversized) }
        }
        // Quoted text stands right behind its quote; only there a doubled quote can be.
        for row in 0..<rows.count where cells[row] >> 40 != 0 {
            let text = TextCell(cell: cells[row])
            guard text.offset > 0, source[text.offset - 1] == 0x22 else { continue }
            let bytes = UnsafeBufferPointer(start: source + text.offset, count: text.length)
            guard bytes.contains(0x22) else { continue }
            var wasQuote = false
            cells[row] =
                batch.keep(
                    bytes.filter { byte in
                        wasQuote = byte == 0x22 && !wasQuote
                        return byte != 0x22 || wasQuote
                    }
                ).cell
        }
        guard rows.hasNonASCII else { return }
        for row in 0..<rows.count
        where String(validating: batch.bytes(TextCell(cell: cells[row])), as: UTF8.self) == nil {
            fault(row, index, .badUTF8)
        }
    }

    private func checkRange(
        _ rows: CSVRows, _ index: Int, _ cells: UnsafeMutablePointer<Int64>, _ limits: ClosedRange<Int64>
    ) {
        for row in 0..<rows.count where cells[row] != nullCell && !limits.contains(cells[row]) {
            fault(row, index, .outOfRange)
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

    private func removeFaulty(_ rows: CSVRows, _ batch: TripBatch, _ start: Int, _ rejects: inout [Reject]) {
        var kept = start
        for row in 0..<rows.count {
            if faultColumns[row] == 0 {
                if kept != start + row { batch.moveRow(start + row, to: kept, fields: fields) }
                kept += 1
                continue
            }
            rejects.append(reject(rows, row, Int(faultColumns[row]) - 1, faultReasons[row], batch.source))
            faultColumns[row] = 0
        }
        batch.count = kept
        faultCount = 0
    }

    /// The reject of a row whose event time lies too far ahead, `excess` says how far.
    func rejectAhead(
        _ rows: CSVRows, _ row: Int, _ field: TripField, _ excess: String, _ source: UnsafePointer<UInt8>
    ) -> Reject {
        let column = columns.first { $0.field == field }?.index ?? 0
        return reject(rows, row, column, .outOfRange, source, wanted: excess)
    }

    private func reject(
        _ rows: CSVRows, _ row: Int, _ column: Int, _ reason: RejectReason, _ source: UnsafePointer<UInt8>,
        wanted words: String? = nil
    ) -> Reject {
        let (start, length) = field(rows, row, column, source)
        let bytes = rows.bytes(of: row, columns: header.names.count, in: source)
        let found = String(decoding: UnsafeBufferPointer(start: start, count: min(length, 80)), as: UTF8.self)
        let name = header.fields[column]?.name ?? header.names[column]
        let wanted =
            switch reason {
            case .badMoney: "is not an amount in dollars and cents"
            case .badTimestamp: "is not a time"
            case .badUTF8: "is not UTF-8"
            case .oversized: "is longer than \(Self.maximumTextLength) bytes"
            case .missingEventTime: "is empty, so the trip has no event time"
            case .outOfRange: "is out of range"
            default: "is not a number"
            }
        let columnInLine = bytes.baseAddress.map { start - $0 + 1 } ?? 1
        return Reject(
            reason: reason, detail: "\(name) \"\(found)\" \(words ?? wanted)",
            location: InputLocation(file: header.file, line: Int(rows.line[row]), column: columnInLine),
            bytes: Array(bytes), offset: bytes.baseAddress.map { $0 - source } ?? 0)
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
