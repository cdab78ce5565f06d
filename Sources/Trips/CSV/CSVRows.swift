internal import CByteScan
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
    /// Whether some byte of the rows is not ASCII, so that text must be checked to be UTF-8.
    private(set) var hasNonASCII = false

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
        hasNonASCII = false
    }

    /// The bytes of a row without its line end.
    func bytes(of row: Int, columns: Int, in source: UnsafePointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let from = separators + Int(first[row])
        let start = base[row] + Int(from[0] &+ 1)
        var end = base[row] + Int(from[columns])
        if end > start, source[end - 1] == 0x0d { end -= 1 }
        return UnsafeBufferPointer(start: source + start, count: end - start)
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
    let header: CSVHeader
    let source: UnsafePointer<UInt8>
    /// Where the next row starts, counted from `source`.
    var offset: Int
    /// Line number of the next row, from 1.
    var line: Int64

    enum Outcome {
        /// `rows` holds at least one row, or something was rejected, or lines were blank; `offset` has moved.
        case advanced
        /// The region ends within a row; more bytes are needed.
        case incomplete
        case end
    }

    /// Adds the rows that start in the next chunk of `source[offset ..< end]`, at most `limit`; `rows` is empty and has room for them.
    ///
    /// - Parameter isLast: whether the file ends at `end`, so that a row without a line end is a row.
    mutating func fill(
        _ rows: CSVRows, limit: Int, until end: Int, isLast: Bool, rejects: inout [Reject]
    ) -> Outcome {
        guard offset < end else { return .end }
        var size = min(CSVRows.chunkSize, end - offset)
        while true {
            let before = offset
            let found = rows.frame(&self, length: size, limit: limit, rejects: &rejects)
            if found || offset > before { return .advanced }
            if size < end - offset, size <= CSVRows.maximumRowSize {
                size = min(size * 4, end - offset)
                continue
            }
            guard isLast || size > CSVRows.maximumRowSize else { return .incomplete }
            // The last row has no line end, or a quote is never closed, or a line has no end for a megabyte.
            rows.frameTail(&self, end: end, rejects: &rejects)
            return .advanced
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
                rows.frameTail(&self, end: end, rejects: &rejects)
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
        if found.non_ascii != 0 { hasNonASCII = true }
        var previous = firstIndex
        var added = false
        for row in 0..<found.rows {
            let rowEnd = Int(rowEnds[row])
            if rowEnd - previous == columns {
                append(firstSeparator: previous, base: start, line: framer.line)
                added = true
            } else if !framer.skipOddRow(
                from: start + Int(separators[previous] &+ 1), to: start + Int(separators[rowEnd]),
                fields: rowEnd - previous, rejects: &rejects)
            {
                // A quote that is not closed has swallowed lines: go on after the first of them.
                separatorCount = previous + 1
                return added
            }
            framer.line += 1
            framer.offset = start + Int(separators[rowEnd]) + 1
            previous = rowEnd
        }
        separatorCount = previous + 1
        return added
    }

    /// Takes what stands between the framer's offset and `end` as one row without a line end, or rejects its first line.
    fileprivate func frameTail(_ framer: inout CSVFramer, end: Int, rejects: inout [Reject]) {
        let start = framer.offset
        let columns = framer.header.names.count
        if end - start <= Self.maximumRowSize {
            makeRoom(for: end - start)
            let firstIndex = separatorCount
            separators[firstIndex] = .max
            let found = taxi_scan(
                framer.source + start, end - start, framer.header.delimiter, framer.header.newline,
                separators + firstIndex + 1, UInt32(firstIndex + 1), rowEnds, 1)
            if found.non_ascii != 0 { hasNonASCII = true }
            let hasLineEnd = found.rows == 1
            let fields = Int(found.separators) + (hasLineEnd ? 0 : 1)
            let last = firstIndex + fields
            if !hasLineEnd { separators[last] = UInt32(end - start) }
            if fields == columns {
                append(firstSeparator: firstIndex, base: start, line: framer.line)
                separatorCount = last + 1
                framer.offset = start + Int(separators[last]) + 1
                framer.line += 1
                return
            }
        }
        framer.rejectFirstLine(from: start, until: end, rejects: &rejects)
    }
}

extension CSVFramer {
    /// Deals with a row that has not as many fields as the header. Returns false where it was not one row but the first
    /// of several lines, held together by a stray quote; `offset` then stands after that line.
    fileprivate mutating func skipOddRow(from start: Int, to end: Int, fields: Int, rejects: inout [Reject]) -> Bool {
        var contentEnd = end
        if contentEnd > start, source[contentEnd - 1] == 0x0d { contentEnd -= 1 }
        let bytes = UnsafeBufferPointer(start: source + start, count: contentEnd - start)
        if bytes.allSatisfy({ $0 == 32 || $0 == 9 }) { return true }  // a blank line is nothing
        if bytes.contains(header.newline) || bytes.count > CSVRows.maximumRowSize {
            rejectFirstLine(from: start, until: end, rejects: &rejects)
            return false
        }
        let columns = header.names.count
        rejects.append(
            Reject(
                reason: fields < columns ? .tooFewFields : .tooManyFields,
                detail: "\(fields) fields where the header has \(columns)",
                location: InputLocation(file: header.file, line: Int(line), column: 1), bytes: Array(bytes),
                offset: start))
        return true
    }

    /// Rejects the bytes up to the next line end, whatever the quotes say, and goes on behind it.
    fileprivate mutating func rejectFirstLine(from start: Int, until end: Int, rejects: inout [Reject]) {
        var stop = start
        while stop < end, source[stop] != header.newline { stop += 1 }
        let isOversized = stop - start > CSVRows.maximumRowSize
        let kept = min(stop - start, CSVRows.maximumRowSize)
        let bytes = Array(UnsafeBufferPointer(start: source + start, count: kept))
        let quote = bytes.firstIndex(of: 0x22)
        let fields = bytes.count { $0 == header.delimiter } + 1
        let location = InputLocation(file: header.file, line: Int(line), column: (quote ?? 0) + 1)
        if isOversized {
            rejects.append(
                Reject(
                    reason: .oversized, detail: "a row of more than \(CSVRows.maximumRowSize) bytes",
                    location: location, bytes: bytes, offset: start))
        } else if quote != nil {
            rejects.append(
                Reject(
                    reason: .malformedRow, detail: "a quote is not closed on this line", location: location,
                    bytes: bytes, offset: start))
        } else {
            rejects.append(
                Reject(
                    reason: fields < header.names.count ? .tooFewFields : .tooManyFields,
                    detail: "\(fields) fields where the header has \(header.names.count)", location: location,
                    bytes: bytes, offset: start))
        }
        offset = min(stop + 1, end)
        line += 1
    }
}
