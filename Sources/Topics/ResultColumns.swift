public import Problems
public import Time
public import Trips

/// Results of a query on their way to a topic: one row a message, held as columns until somebody reads them as JSON.
///
/// A million trips make millions of (window, group) results; as columns they take a tenth of the 130 bytes that each is as JSON.
///
/// Layout, little-endian:
///
///     version (1: 1, or 2 where messages have keys)   rows (4)   columns (1)
///     of version 2: columns of the key (1), the index of each (1)
///     for each column: kind (1), decimals (1), name length (1), name, encoding (1), length in bytes (4), bytes
///
///     kind 0  window start, ms UTC          kind 3  window end's offset, seconds
///          1  window end, ms UTC                 4  number: an integer of `decimals` places
///          2  window start's offset, seconds     5  text: entries (4), lengths (4 each), characters; then indices as a NumberColumn
///                                                6  day: days since 1970, written as 2024-04-13
///                                                7  flag: 1 for true; null, which is left out, for false
///
/// A null is left out of the message, as Spark's `to_json` does.
///
/// The key of one column is its text, as Kafka's own tools write it (`28`, `Flash Cab`, `2024-04-13`); that of several a JSON object.
public struct ResultColumns: Sendable {
    public enum Kind: UInt8, Sendable { case windowStart, windowEnd, startOffset, endOffset, number, text, day, flag }

    public struct Column: Sendable {
        public var name: String
        public var kind: Kind
        public var decimals: Int
        /// One cell a row: numbers as they are, texts as an index into `texts`.
        public var cells: [Int64] = []
        /// The distinct texts of a text column.
        public var texts: [[UInt8]] = []
        public init(name: String = "", kind: Kind, decimals: Int = 0) {
            (self.name, self.kind, self.decimals) = (name, kind, decimals)
        }
    }

    public var columns: [Column]
    /// Indices of the columns that make a message's key, in their order there: of numbers, texts and days. None: there are no keys.
    public private(set) var key: [Int]
    public var count: Int { columns.first?.cells.count ?? 0 }

    public init(columns: [Column], key: [Int] = []) { (self.columns, self.key) = (columns, key) }
}

extension ResultColumns {
    public func encode() -> [UInt8] {
        var out = ByteWriter(capacity: 1024 + count * columns.count * 2)
        var scratch = NumberDictionary()
        out.append(UInt8(key.isEmpty ? 1 : 2))
        out.append(UInt32(count))
        out.append(UInt8(columns.count))
        if !key.isEmpty {
            out.append(UInt8(key.count))
            for index in key { out.append(UInt8(index)) }
        }
        for column in columns {
            out.append(column.kind.rawValue)
            out.append(UInt8(column.decimals))
            out.append(UInt8(column.name.utf8.count))
            for byte in column.name.utf8 { out.append(byte) }
            let head = out.count
            _ = out.extend(5)
            if column.kind == .text {
                out.append(UInt32(column.texts.count))
                for text in column.texts { out.append(UInt32(text.count)) }
                for text in column.texts { text.withUnsafeBufferPointer { out.append($0) } }
            }
            let encoding = column.cells.withUnsafeBufferPointer { cells in
                cells.isEmpty
                    ? NumberColumn.empty
                    : NumberColumn.encode(
                        cells.baseAddress!, count: cells.count,
                        steps: column.kind == .number ? [1] : [900_000, 1000, 1],
                        into: &out, scratch: &scratch)
            }
            out.replace(at: head, with: encoding)
            out.replace(at: head + 1, with: UInt32(out.count - head - 5))
        }
        return out.bytes
    }

    /// - Throws: `Problem(.badData)` for bytes that are no such payload.
    public init(decoding payload: UnsafeRawBufferPointer) throws(Problem) {
        do throws(ByteReader.Truncated) {
            (columns, key) = try Self.decodeColumns(payload)
        } catch {
            throw Problem(.badData, "a stored batch of results is damaged")
        }
    }

    private static func decodeColumns(
        _ payload: UnsafeRawBufferPointer
    ) throws(ByteReader.Truncated) -> (columns: [Column], key: [Int]) {
        var reader = ByteReader(payload)
        let version = try reader.next(UInt8.self)
        guard version == 1 || version == 2 else { throw ByteReader.Truncated() }
        let count = Int(try reader.next(UInt32.self))
        let columnCount = Int(try reader.next(UInt8.self))
        // No two messages of an epoch are alike, so that some column takes a byte at least of each; the others may be constant.
        guard columnCount > 0 || count == 0, count <= max(1, payload.count),
            count * columnCount <= max(1, payload.count) * 64
        else {
            throw ByteReader.Truncated()
        }
        var (columns, key): ([Column], [Int]) = ([], [])
        if version == 2 {
            for _ in 0..<(try reader.next(UInt8.self)) { key.append(Int(try reader.next(UInt8.self))) }
            guard !key.isEmpty, Set(key).count == key.count else { throw ByteReader.Truncated() }
        }
        for _ in 0..<columnCount {
            guard let kind = Kind(rawValue: try reader.next(UInt8.self)) else { throw ByteReader.Truncated() }
            var column = Column(kind: kind, decimals: Int(try reader.next(UInt8.self)))
            let name = try reader.take(Int(try reader.next(UInt8.self)))
            guard column.decimals <= 18, let text = String(validating: name, as: UTF8.self),
                text.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
            else { throw ByteReader.Truncated() }
            column.name = text
            let encoding = try reader.next(UInt8.self)
            var body = ByteReader(try reader.take(Int(try reader.next(UInt32.self))))
            if kind == .text { column.texts = try decodeTexts(&body) }
            try decodeCells(of: &column, count, encoding, body.rest())
            columns.append(column)
        }
        guard reader.isAtEnd, hasWholeWindow(columns), key.allSatisfy({ isField($0, of: columns) }) else {
            throw ByteReader.Truncated()
        }
        return (columns, key)
    }

    /// Whether there is such a column and it is a field of its own in a message.
    private static func isField(_ index: Int, of columns: [Column]) -> Bool {
        index < columns.count && [.number, .text, .day].contains(columns[index].kind)
    }

    private static func decodeTexts(_ body: inout ByteReader) throws(ByteReader.Truncated) -> [[UInt8]] {
        let lengths = try body.take(Int(try body.next(UInt32.self)) * 4)
        var texts: [[UInt8]] = []
        for i in 0..<lengths.count / 4 {
            let length = lengths.loadUnaligned(fromByteOffset: i * 4, as: UInt32.self)
            let text = Array(try body.take(Int(UInt32(littleEndian: length))))
            guard String(validating: text, as: UTF8.self) != nil else { throw ByteReader.Truncated() }
            texts.append(text)
        }
        return texts
    }

    private static func decodeCells(
        of column: inout Column, _ count: Int, _ encoding: UInt8, _ bytes: UnsafeRawBufferPointer
    ) throws(ByteReader.Truncated) {
        guard count > 0 else {
            guard bytes.isEmpty else { throw ByteReader.Truncated() }
            return
        }
        let domain =
            switch column.kind {
            case .windowStart, .windowEnd: NumberColumn.Domain(RFC3339.range, isNullable: false)
            case .startOffset, .endOffset: NumberColumn.Domain(-86_399...86_399, isNullable: false)
            case .number: NumberColumn.Domain.anything
            // Without texts there is only null, which is never in the range.
            case .text: NumberColumn.Domain(0...Int64(max(0, column.texts.count - 1)))
            case .day: NumberColumn.Domain(RFC3339.days)
            case .flag: NumberColumn.Domain(1...1)
            }
        column.cells = Array(repeating: 0, count: count)
        var failure: ByteReader.Truncated?
        column.cells.withUnsafeMutableBufferPointer { cells in
            do throws(ByteReader.Truncated) {
                try NumberColumn.decode(
                    encoding, bytes, count: count, domain: domain, into: cells.baseAddress.unsafelyUnwrapped)
            } catch { failure = error }
        }
        if let failure { throw failure }
        guard column.kind == .text else { return }
        // Without texts index 0 is none. Written out, a long text in each row must still fit into memory.
        let isEmpty = column.texts.isEmpty && column.cells.contains { $0 != nullCell }
        let longest = column.texts.reduce(0) { max($0, $1.count) }
        guard !isEmpty, longest * count <= maximumLength || textLength(column) <= maximumLength else {
            throw ByteReader.Truncated()
        }
    }

    /// Bytes that the texts of all rows have together.
    private static let maximumLength = 1 << 29

    private static func textLength(_ column: Column) -> Int {
        column.cells.reduce(0) { $0 + ($1 == nullCell ? 0 : column.texts[Int($1)].count) }
    }

    /// A window has a start, an end and their offsets, or there is none of these.
    private static func hasWholeWindow(_ columns: [Column]) -> Bool {
        let parts = [Kind.windowStart, .windowEnd, .startOffset, .endOffset].map { kind in
            columns.count { $0.kind == kind }
        }
        return parts == [0, 0, 0, 0] || parts == [1, 1, 1, 1]
    }
}

extension ResultColumns {
    /// Event times of the rows' messages: their windows' starts. Where there is no window they carry no time of their own, and
    /// that of the batch's newest record stands for all.
    public func timestamps(newest: EventTime) -> [EventTime] {
        columns.first { $0.kind == .windowStart }?.cells ?? Array(repeating: newest, count: count)
    }

    /// One row as the JSON message that consumers see.
    public func appendJSON(row: Int, to out: inout OutputBuffer) {
        out.append("{")
        var isFirst = true
        var window: (start: Int64, end: Int64, startOffset: Int64, endOffset: Int64) = (nullCell, 0, 0, 0)
        for column in columns {
            switch column.kind {
            case .windowStart: window.start = column.cells[row]
            case .windowEnd: window.end = column.cells[row]
            case .startOffset: window.startOffset = column.cells[row]
            case .endOffset: window.endOffset = column.cells[row]
            default: break
            }
        }
        if window.start != nullCell {
            isFirst = false
            out.append("\"window\":{\"start\":\"")
            Self.append(time: window.start, Int(window.startOffset), to: &out)
            out.append("\",\"end\":\"")
            Self.append(time: window.end, Int(window.endOffset), to: &out)
            out.append("\"}")
        }
        for column in columns { Self.append(fieldOf: column, row, &isFirst, to: &out) }
        out.append("}")
    }

    /// The key of a row's message; nil where messages have none.
    public func key(row: Int) -> [UInt8]? {
        guard let first = key.first else { return nil }
        var out = OutputBuffer(capacity: 64)
        if key.count == 1 {
            let column = columns[first]
            // A text goes as it is, without quotes and escapes.
            if column.kind == .text, column.cells[row] != nullCell { return column.texts[Int(column.cells[row])] }
            Self.append(valueOf: column, row, to: &out, quotes: false)
        } else {
            var isFirst = true
            out.append("{")
            for index in key { Self.append(fieldOf: columns[index], row, &isFirst, to: &out) }
            out.append("}")
        }
        return Array(out.bytes)
    }

    /// Nothing where it is null.
    private static func append(fieldOf column: Column, _ row: Int, _ isFirst: inout Bool, to out: inout OutputBuffer) {
        switch column.kind {
        case .number, .text, .day, .flag: if column.cells[row] == nullCell { return }
        case .windowStart, .windowEnd, .startOffset, .endOffset: return
        }
        out.append(isFirst ? "\"" : ",\"")
        out.append(column.name)
        out.append("\":")
        isFirst = false
        append(valueOf: column, row, to: &out, quotes: true)
    }

    private static func append(valueOf column: Column, _ row: Int, to out: inout OutputBuffer, quotes: Bool) {
        let cell = column.cells[row]
        if cell == nullCell { return }
        switch column.kind {
        case .number: append(number: cell, decimals: column.decimals, to: &out)
        case .text: out.append(jsonString: column.texts[Int(cell)])
        case .day:
            let day = Calendar.text(ofDay: Int(cell))
            out.append(quotes ? "\"\(day)\"" : day)
        case .flag: out.append("true")
        case .windowStart, .windowEnd, .startOffset, .endOffset: break
        }
    }

    private static func append(time ms: EventTime, _ offsetSeconds: Int, to out: inout OutputBuffer) {
        ZonedTime.write(ms: ms, offsetSeconds: offsetSeconds, to: out.reserve(ZonedTime.length))
        out.advance(by: ZonedTime.length)
    }

    /// A decimal without needless zeros, as the seed's messages show money: 242, 46.6, 350466.95.
    private static func append(number value: Int64, decimals: Int, to out: inout OutputBuffer) {
        guard decimals > 0 else { return out.append(decimal: value) }
        if value < 0 { out.append("-") }
        var digits = value.magnitude
        var fractionDigits = min(decimals, 19)
        while fractionDigits > 0, digits % 10 == 0 { (digits, fractionDigits) = (digits / 10, fractionDigits - 1) }
        var scale: UInt64 = 1
        for _ in 0..<fractionDigits { scale *= 10 }
        // At most 19 digits: `Int64` holds the magnitude of every number but its least, which is null here.
        out.append(decimal: Int64(truncatingIfNeeded: digits / scale))
        if fractionDigits == 0 { return }
        out.append(".")
        for _ in 0..<fractionDigits {
            scale /= 10
            out.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digits / scale % 10))
        }
    }
}
