/// Where one record lies in a larger block of bytes.
public struct RecordSlice: Sendable, Hashable {
    /// Of the first byte, from the block's base.
    public var offset: Int
    /// In bytes.
    public var length: Int
    /// Line of the record in its file (from 1), or offset in its partition: for messages about it.
    public var position: Int64
    public init(offset: Int, length: Int, position: Int64) {
        (self.offset, self.length, self.position) = (offset, length, position)
    }
}

/// Cuts a JSON-lines file into records, block after block: one record a line, ended by LF or CR LF.
///
/// Lines of nothing but blanks count and are left out; so is a byte order mark at the start of the file. JSON has no line ends
/// inside strings, so no state but the line number is carried from block to block.
public struct JSONLines {
    /// Number of the line that comes next, from 1.
    public private(set) var line: Int64
    private var isAtStart: Bool

    /// - Parameters:
    ///   - line: number of the first line that is given.
    ///   - isAtStart: whether that is the file's first, which a byte order mark may stand before.
    public init(line: Int64 = 1, isAtStart: Bool = true) { (self.line, self.isAtStart) = (line, isAtStart) }

    /// Appends the records of `block` to `records`, at most `limit` of them.
    ///
    /// - Parameters:
    ///   - origin: offset of the block from the base that the records count from.
    ///   - isLast: whether the file ends with this block; then text after the last line end is a record as well.
    /// - Returns: how many bytes of the block were used; the rest belongs before the next block's bytes.
    public mutating func split(
        _ block: UnsafeBufferPointer<UInt8>, origin: Int = 0, isLast: Bool, limit: Int = .max,
        into records: inout [RecordSlice]
    ) -> Int {
        guard let base = block.baseAddress else { return 0 }
        let end = base + block.count
        var at = base
        if isAtStart {
            // Less than three bytes of a file that goes on cannot tell whether they are a byte order mark.
            if block.count < 3, !isLast { return 0 }
            if block.starts(with: [0xef, 0xbb, 0xbf]) { at += 3 }
            isAtStart = false
        }
        var found = 0
        while at < end, found < limit {
            let lineEnd = Self.lineFeed(at, end)
            if lineEnd == nil, !isLast { break }
            let next = lineEnd.map { $0 + 1 } ?? end
            var last = lineEnd ?? end
            while last > at, Self.isBlank(last[-1]) { last -= 1 }
            if last > at {
                records.append(RecordSlice(offset: origin + (at - base), length: last - at, position: line))
                found += 1
            }
            line += 1
            at = next
        }
        return at - base
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0d || byte == 0x09 }

    /// The first line feed, eight bytes at a time.
    @inline(__always)
    private static func lineFeed(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var at = start
        while end - at >= 8 {
            let bytes = UnsafeRawPointer(at).loadUnaligned(as: UInt64.self) ^ (JSONWord.ones &* 0x0a)
            let found = (bytes &- JSONWord.ones) & ~bytes & JSONWord.tops
            if found != 0 { return at + found.trailingZeroBitCount >> 3 }
            at += 8
        }
        while at < end {
            if at.pointee == 0x0a { return at }
            at += 1
        }
        return nil
    }
}
