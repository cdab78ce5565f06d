internal import CByteScan
import Glibc
import Problems

/// Where the fields of some rows lie in the bytes of a file: what framing finds and decoding reads.
///
/// The separators of all rows stand in one array; a row's first entry is the separator before its first field, so field j lies
/// between entries j and j + 1, both counted from the row's `base`.
final class CSVRows {
    /// Bytes that are looked at in one go: their separators and columns stay in the second-level cache.
    static let chunkSize = 256 << 10
    /// A longer row is no trip; it is rejected as `oversized`.
    static let maximumRowSize = 1 << 20

    let capacity: Int
    private(set) var count = 0
    private(set) var separators: UnsafeMutablePointer<UInt32>
    private var separatorCapacity: Int
    private var separatorCount = 0
    let first: UnsafeMutablePointer<UInt32>
    let base: UnsafeMutablePointer<Int>
    let line: UnsafeMutablePointer<Int64>
    private let rowEnds: UnsafeMutablePointer<UInt32>
    /// Whether some byte of the rows may be NUL or not ASCII, so that text must be checked to be UTF-8.
    private(set) var hasSpecialBytes = false

    init(capacity: Int) {
        self.capacity = capacity
        separatorCapacity = Self.chunkSize + 64
        separators = .allocate(capacity: separatorCapacity)
        first = .allocate(capacity: capacity)
        base = .allocate(capacity: capacity)
        line = .allocate(capacity: capacity)
        rowEnds = .allocate(capacity: capacity)
    }

    deinit {
        separators.deallocate()
        first.deallocate()
        base.deallocate()
        line.deallocate()
        rowEnds.deallocate()
    }

    func removeAll() {
        count = 0
        separatorCount = 0
        hasSpecialBytes = false
    }

    /// Where a row starts, counted from the source.
    @inline(__always)
    func start(of row: Int) -> Int { base[row] + Int(separators[Int(first[row])] &+ 1) }

    /// The bytes of a row without its line end.
    func bytes(of row: Int, columns: Int, in source: UnsafePointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let from = separators + Int(first[row])
        let start = start(of: row)
        var end = base[row] + Int(from[columns])
        if end > start, source[end - 1] == 0x0d { end -= 1 }
        return UnsafeBufferPointer(start: source + start, count: end - start)
    }

    /// A field's bytes as they are.
    @inline(__always)
    func field(
        _ row: Int, _ index: Int, _ source: UnsafePointer<UInt8>
    ) -> (start: UnsafePointer<UInt8>, length: Int) {
        let separators = separators + Int(first[row]) + index
        return (source + (base[row] &+ Int(separators[0] &+ 1)), Int(separators[1] &- (separators[0] &+ 1)))
    }

    /// From a row's base to the end of its last field, for a row that starts at its base.
    func length(of row: Int, columns: Int) -> Int { Int(separators[Int(first[row]) + columns]) }

    private func makeRoom(for length: Int) {
        guard separatorCount + length + 2 > separatorCapacity else { return }
        let capacity = (separatorCount + length + 2) * 2
        let grown = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
        grown.update(from: separators, count: separatorCount)
        separators.deallocate()
        (separators, separatorCapacity) = (grown, capacity)
    }

    private func append(firstSeparator: Int, base rowBase: Int, line number: Int64) {
        first[count] = UInt32(firstSeparator)
        base[count] = rowBase
        line[count] = number
        count += 1
    }
}

/// Finds rows in a region of bytes, one after the other.
struct CSVFramer {
    private(set) var header: CSVHeader
    let source: UnsafePointer<UInt8>
    /// Where the next row starts, counted from `source`.
    var offset: Int
    /// Line number of the next row, from 1; a row may go over several.
    var line: Int64
    /// Whether `offset` is within a row that was rejected as too long, and that goes on behind the bytes seen so far.
    private var isPassingOver = false
    /// Another header, which stands at `offset`.
    private var nextHeader: CSVHeader?
    /// See `CSVHeader.telltale`.
    fileprivate let telltale: Int

    enum Outcome {
        /// `rows` holds at least one row, or something was rejected, or lines were passed over; `offset` has moved.
        case advanced
        /// At `offset` stands a header whose columns are others: to go on with `goOn(under:)`.
        case header(CSVHeader)
        /// The region ends within a row; more bytes are needed.
        case incomplete
        case end
    }

    init(header: CSVHeader, source: UnsafePointer<UInt8>, offset: Int, line: Int64) {
        (self.header, self.source, self.offset, self.line) = (header, source, offset, line)
        telltale = header.telltale
    }

    /// The framer that goes on in other bytes, of which the first is the one at `offset`.
    func goingOn(in source: UnsafePointer<UInt8>) -> CSVFramer {
        var next = CSVFramer(header: header, source: source, offset: 0, line: line)
        next.isPassingOver = isPassingOver
        return next
    }

    /// The framer of the rows behind a header that `fill` has met.
    func goingOn(under header: CSVHeader) -> CSVFramer {
        CSVFramer(
            header: header, source: source, offset: offset + header.length, line: Int64(header.firstRowLine))
    }

    /// Adds rows from `source[offset..<end]`, at most `limit`; `rows` is empty and has room for them.
    ///
    /// - Parameter isLast: whether the file ends at `end`, so that a row without a line end is a row.
    mutating func fill(
        _ rows: CSVRows, limit: Int, until end: Int, isLast: Bool, rejects: inout [Reject]
    ) -> Outcome {
        if isPassingOver { passOver(until: end, isLast: isLast) }
        guard offset < end else { return .end }
        var size = min(CSVRows.chunkSize, end - offset)
        while true {
            let before = offset
            let found = rows.frame(&self, length: size, limit: limit, rejects: &rejects)
            if found || offset > before { return .advanced }
            if let nextHeader { return .header(nextHeader) }
            if size < end - offset, size <= CSVRows.maximumRowSize {
                size = min(size * 4, end - offset)
                continue
            }
            guard isLast || size > CSVRows.maximumRowSize else { return .incomplete }
            // The last row has no line end, or a quote is never closed, or a line has no end for a megabyte.
            rows.frameTail(&self, end: end, isLast: isLast, rejects: &rejects)
            return nextHeader.map { .header($0) } ?? .advanced
        }
    }

    /// Adds the one row that starts at `start`: for reading rows in another order than the file's.
    mutating func fillOne(_ rows: CSVRows, at start: Int, line number: Int64, end: Int, rejects: inout [Reject]) {
        offset = start
        line = number
        var size = min(1024, end - start)
        while !rows.frame(&self, length: size, limit: 1, rejects: &rejects), offset == start {
            if size < end - start, size <= CSVRows.maximumRowSize {
                size = min(size * 8, end - start)
            } else {
                rows.frameTail(&self, end: end, isLast: true, rejects: &rejects)
                return
            }
        }
    }
}

extension CSVRows {
    /// Frames up to `limit` rows in `length` bytes from the framer's offset. Returns whether a row was added.
    fileprivate func frame(_ framer: inout CSVFramer, length: Int, limit: Int, rejects: inout [Reject]) -> Bool {
        makeRoom(for: length)
        let columns = framer.header.names.count
        let start = framer.offset
        let firstIndex = separatorCount
        separators[firstIndex] = .max  // the separator before the first row: &+ 1 gives 0
        let found = taxi_scan(
            framer.source + start, length, framer.header.delimiter, framer.header.newline, separators + firstIndex + 1,
            UInt32(firstIndex + 1), rowEnds, limit)
        if found.special != 0 { hasSpecialBytes = true }
        var previous = firstIndex
        var added = false
        // Asked of the framer itself they would cost a copy of it for each row.
        let (source, telltale) = (framer.source, framer.telltale)
        for row in 0..<found.rows {
            let rowEnd = Int(rowEnds[row])
            let place = start + Int(separators[previous] &+ 1)
            let end = start + Int(separators[rowEnd])
            var isOdd = rowEnd - previous != columns || columns == 1 || end - place > Self.maximumRowSize
            if !isOdd {
                let field = start + Int(separators[previous + telltale] &+ 1)
                isOdd = CSVFramer.mayBeHeader(source, field, end)
            }
            switch isOdd ? framer.judge(from: place, to: end, fields: rowEnd - previous, rejects: &rejects) : .row {
            case .row:
                append(firstSeparator: previous, base: start, line: framer.line)
                added = true
            case .passed: break
            case .stop:
                separatorCount = previous + 1
                return added
            }
            framer.line += found.hidden_lines == 0 ? 1 : framer.lines(from: place, to: end) + 1
            framer.offset = end + 1
            previous = rowEnd
        }
        separatorCount = previous + 1
        return added
    }

    /// Takes what stands between the framer's offset and `end` as one row without a line end, or rejects its first line.
    fileprivate func frameTail(_ framer: inout CSVFramer, end: Int, isLast: Bool, rejects: inout [Reject]) {
        let start = framer.offset
        if end - start <= Self.maximumRowSize {
            makeRoom(for: end - start)
            let firstIndex = separatorCount
            separators[firstIndex] = .max
            let found = taxi_scan(
                framer.source + start, end - start, framer.header.delimiter, framer.header.newline,
                separators + firstIndex + 1, UInt32(firstIndex + 1), rowEnds, 1)
            if found.special != 0 { hasSpecialBytes = true }
            let hasLineEnd = found.rows == 1
            let fields = Int(found.separators) + (hasLineEnd ? 0 : 1)
            let last = firstIndex + fields
            if !hasLineEnd { separators[last] = UInt32(end - start) }
            let rowEnd = start + Int(separators[last])
            if !framer.hasOpenQuote(from: start, to: rowEnd) {
                switch framer.judge(from: start, to: rowEnd, fields: fields, rejects: &rejects) {
                case .row:
                    append(firstSeparator: firstIndex, base: start, line: framer.line)
                    separatorCount = last + 1
                case .passed: break
                case .stop: return
                }
                framer.line += framer.lines(from: start, to: rowEnd) + 1
                framer.offset = rowEnd + 1
                return
            }
        }
        framer.rejectFirstLine(from: start, until: end, isLast: isLast, rejects: &rejects)
    }
}

extension CSVFramer {
    fileprivate enum Judgement {
        /// A row like others.
        case row
        /// A blank line, the header once more, or a row that was rejected.
        case passed
        /// To be framed anew from `offset`: behind the first of several lines that a stray quote held together, or at another header.
        case stop
    }

    /// Whether the telltale field, which starts at `place`, begins with a letter.
    @inline(__always)
    fileprivate static func mayBeHeader(_ source: UnsafePointer<UInt8>, _ place: Int, _ end: Int) -> Bool {
        let byte = source[place]
        return (byte | 0x20) &- 97 < 26 || (byte <= 0x22 || byte >= 0x80) && mayBeQuotedHeader(source, place, end)
    }

    @inline(never)
    private static func mayBeQuotedHeader(_ source: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        var place = start
        // Blanks, quotes, and the byte order mark of a file that was joined to another.
        while place < end, [0x20, 0x09, 0x22, 0xef, 0xbb, 0xbf].contains(source[place]) { place += 1 }
        return place < end && (source[place] | 0x20) &- 97 < 26
    }

    /// What becomes of a row that has not as many fields as the header, or looks like one.
    @inline(never)
    fileprivate mutating func judge(
        from start: Int, to end: Int, fields: Int, rejects: inout [Reject]
    ) -> Judgement {
        var contentEnd = end
        if contentEnd > start, source[contentEnd - 1] == 0x0d { contentEnd -= 1 }
        let bytes = UnsafeBufferPointer(start: source + start, count: contentEnd - start)
        if bytes.allSatisfy(CSVHeader.isBlank) { return .passed }
        if let judgement = judgeHeader(bytes, length: end - start + 1) { return judgement }
        let columns = header.names.count
        let isOversized = bytes.count > CSVRows.maximumRowSize
        if fields == columns, !isOversized { return .row }
        if isOversized || bytes.contains(header.newline) {
            rejectFirstLine(from: start, until: end, isLast: true, rejects: &rejects)
            return .stop
        }
        rejects.append(
            Reject(
                reason: fields < columns ? .tooFewFields : .tooManyFields,
                detail: "\(fields) fields where the header has \(columns)",
                location: InputLocation(file: header.file, line: Int(line), column: 1), bytes: Array(bytes),
                offset: start, columns: header.text))
        return .passed
    }

    private mutating func judgeHeader(_ row: UnsafeBufferPointer<UInt8>, length: Int) -> Judgement? {
        guard var next = header.header(in: row, line: Int(line)) else { return nil }
        if next.fault == nil, next.hasColumns(of: header) { return .passed }
        next.length = length
        nextHeader = next
        return .stop
    }

    fileprivate func hasOpenQuote(from start: Int, to end: Int) -> Bool {
        UnsafeBufferPointer(start: source + start, count: end - start).count { $0 == 0x22 } % 2 == 1
    }

    /// How many lines end within some bytes.
    fileprivate func lines(from start: Int, to end: Int) -> Int64 {
        Int64(UnsafeBufferPointer(start: source + start, count: end - start).count { $0 == header.newline })
    }

    private func lineEnd(from start: Int, until end: Int) -> Int? {
        memchr(source + start, Int32(header.newline), end - start).map {
            UnsafeRawPointer($0) - UnsafeRawPointer(source)
        }
    }

    /// Goes on behind the line end of a row that was rejected, or to the end where it is not there.
    private mutating func passOver(until end: Int, isLast: Bool) {
        let stop = lineEnd(from: offset, until: end)
        offset = stop.map { $0 + 1 } ?? end
        isPassingOver = stop == nil && !isLast
    }

    /// Rejects the bytes up to the next line end, whatever the quotes say, and goes on behind it.
    ///
    /// - Parameter isLast: whether there is nothing behind `end` that the line might go on with.
    fileprivate mutating func rejectFirstLine(
        from start: Int, until end: Int, isLast: Bool, rejects: inout [Reject]
    ) {
        let found = lineEnd(from: start, until: end)
        let stop = found ?? end
        let isOversized = stop - start > CSVRows.maximumRowSize
        let kept = isOversized ? Reject.keptOfOversized : stop - start
        let bytes = Array(UnsafeBufferPointer(start: source + start, count: kept))
        let quote = bytes.firstIndex(of: 0x22)
        let fields = bytes.count { $0 == header.delimiter } + 1
        let location = InputLocation(file: header.file, line: Int(line), column: (quote ?? 0) + 1)
        if isOversized {
            rejects.append(
                Reject(
                    reason: .oversized,
                    detail: "a row of more than \(CSVRows.maximumRowSize) bytes, of which the first \(kept) are kept",
                    location: location, bytes: bytes, offset: start, columns: header.text))
        } else if quote != nil {
            rejects.append(
                Reject(
                    reason: .malformedRow, detail: "a quote is not closed on this line", location: location,
                    bytes: bytes, offset: start, columns: header.text))
        } else {
            rejects.append(
                Reject(
                    reason: fields < header.names.count ? .tooFewFields : .tooManyFields,
                    detail: "\(fields) fields where the header has \(header.names.count)", location: location,
                    bytes: bytes, offset: start, columns: header.text))
        }
        offset = min(stop + 1, end)
        isPassingOver = found == nil && !isLast
        line += 1
    }
}
