internal import CXXHash

/// How a column of texts is stored.
///
///     pool      count n (4), packed (1), n lengths (2 each, in characters), the characters one text behind the other;
///               packed: every text is lower-case hexadecimal of even length, two characters a byte
///     0  dictionary  a pool of the distinct texts, index width w (1: 1 or 2), count × w bytes; an empty text is a null
///     1  plain       a pool of all texts
enum TextColumn {
    static let dictionary: UInt8 = 0
    static let plain: UInt8 = 1

    static func encode(
        _ cells: UnsafePointer<Int64>, count: Int, of batch: TripBatch, into out: inout ByteWriter,
        scratch: TextDictionary
    ) -> UInt8 {
        if scratch.index(cells, count, batch) {
            writePool(scratch.entries, batch, &out)
            let width = scratch.entries.count <= 256 ? 1 : 2
            out.append(UInt8(width))
            let target = out.extend(count * width)
            for i in 0..<count {
                if width == 1 {
                    target.storeBytes(
                        of: UInt8(truncatingIfNeeded: scratch.indexes[i]), toByteOffset: i, as: UInt8.self)
                } else {
                    target.storeBytes(of: scratch.indexes[i].littleEndian, toByteOffset: i * 2, as: UInt16.self)
                }
            }
            return dictionary
        }
        writePool(UnsafeBufferPointer(start: cells, count: count), batch, &out)
        return plain
    }

    private static func writePool(_ cells: some Collection<Int64>, _ batch: TripBatch, _ out: inout ByteWriter) {
        out.append(UInt32(cells.count))
        let packed = cells.allSatisfy { HexText.isHex(batch.bytes(TextCell(cell: $0))) }
        out.append(UInt8(packed ? 1 : 0))
        for cell in cells { out.append(UInt16(TextCell(cell: cell).length)) }
        for cell in cells {
            let bytes = batch.bytes(TextCell(cell: cell))
            guard packed else {
                out.append(bytes)
                continue
            }
            HexText.pack(bytes, to: out.extend(bytes.count / 2))
        }
    }

    /// Fills `count` cells with text that the batch keeps.
    static func decode(
        _ encoding: UInt8, _ bytes: UnsafeRawBufferPointer, count: Int, into cells: UnsafeMutablePointer<Int64>,
        of batch: TripBatch, pool: inout [Int64]
    ) throws(ByteReader.Truncated) {
        var reader = ByteReader(bytes)
        let longest = try readPool(&reader, batch, &pool)
        if encoding == plain {
            guard pool.count == count, reader.isAtEnd else { throw ByteReader.Truncated() }
            for i in 0..<count { cells[i] = pool[i] }
            return
        }
        guard encoding == dictionary else { throw ByteReader.Truncated() }
        let width = Int(try reader.next(UInt8.self))
        guard width == 1 || width == 2 else { throw ByteReader.Truncated() }
        let indexes = try reader.take(count * width)
        guard reader.isAtEnd else { throw ByteReader.Truncated() }
        for i in 0..<count {
            let index =
                width == 1
                ? Int(indexes[i])
                : Int(UInt16(littleEndian: indexes.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)))
            guard index < pool.count else { throw ByteReader.Truncated() }
            cells[i] = pool[index]
        }
        // A few bytes may say that one long text stands in each row; written out it must still fit into memory.
        if longest * count > maximumLength {
            let length = (0..<count).reduce(0) { $0 + TextCell(cell: cells[$1]).length }
            guard length <= maximumLength else { throw ByteReader.Truncated() }
        }
    }

    /// Bytes that the texts of all rows have together.
    private static let maximumLength = 1 << 29

    /// Returns the length of the longest text.
    private static func readPool(
        _ reader: inout ByteReader, _ batch: TripBatch, _ pool: inout [Int64]
    ) throws(ByteReader.Truncated) -> Int {
        pool.removeAll(keepingCapacity: true)
        let count = Int(try reader.next(UInt32.self))
        let form = try reader.next(UInt8.self)
        guard form <= 1 else { throw ByteReader.Truncated() }
        let packed = form == 1
        let lengths = try reader.take(count * 2)
        var (longest, bits) = (0, UInt8(0))
        for i in 0..<count {
            let length = Int(UInt16(littleEndian: lengths.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)))
            guard !packed || length % 2 == 0 else { throw ByteReader.Truncated() }
            longest = max(longest, length)
            let source = try reader.take(packed ? length / 2 : length)
            let (text, target) = batch.keepSpace(length)
            if packed {
                if let start = target.baseAddress { HexText.unpack(source, to: start) }
            } else {
                _ = target.initialize(fromContentsOf: source)
                for byte in source { bits |= byte }
            }
            pool.append(text.cell)
        }
        if bits >= 0x80 {
            for cell in pool where String(validating: batch.bytes(TextCell(cell: cell)), as: UTF8.self) == nil {
                throw ByteReader.Truncated()
            }
        }
        return longest
    }
}

/// Finds the distinct texts of a column, up to a bound; reused from column to column.
final class TextDictionary {
    private static let slots = 32768
    private static let maximumEntries = 8192
    /// Cells of the distinct texts, in the order of their first rows.
    var entries: UnsafeBufferPointer<Int64> { UnsafeBufferPointer(start: cellOfEntry, count: entryCount) }
    /// For each row the place of its text in `entries`.
    private(set) var indexes: UnsafeMutablePointer<UInt16>
    private var entryCount = 0
    private var capacity = 0
    private let cellOfEntry: UnsafeMutablePointer<Int64>
    private let hashOfEntry: UnsafeMutablePointer<UInt32>
    /// Entry + 1 by hash, 0 for free.
    private let table: UnsafeMutablePointer<UInt16>

    init() {
        indexes = .allocate(capacity: 1)
        cellOfEntry = .allocate(capacity: Self.maximumEntries)
        hashOfEntry = .allocate(capacity: Self.maximumEntries)
        table = .allocate(capacity: Self.slots)
    }

    deinit {
        indexes.deallocate()
        cellOfEntry.deallocate()
        hashOfEntry.deallocate()
        table.deallocate()
    }

    /// Returns false where there are too many distinct texts for a dictionary to pay.
    func index(_ cells: UnsafePointer<Int64>, _ count: Int, _ batch: TripBatch) -> Bool {
        if capacity < count {
            indexes.deallocate()
            indexes = .allocate(capacity: count)
            capacity = count
        }
        table.update(repeating: 0, count: Self.slots)
        let (table, cellOfEntry, hashOfEntry, indexes) = (table, cellOfEntry, hashOfEntry, indexes)
        let (source, kept) = (batch.source, UnsafePointer(batch.kept))
        var used = 0
        for row in 0..<count {
            // A column in which nearly each of the first texts is new will not get better.
            if row == 1024, used > 960 { return false }
            let text = TextCell(cell: cells[row])
            let start = (text.cell >= 0 ? source : kept) + text.offset
            let hash = UInt32(truncatingIfNeeded: taxi_hash64(start, text.length))
            var slot = Int(hash) & (Self.slots - 1)
            while true {
                let found = Int(table[slot])
                if found == 0 {
                    if used == Self.maximumEntries { return false }
                    cellOfEntry[used] = text.cell
                    hashOfEntry[used] = hash
                    indexes[row] = UInt16(truncatingIfNeeded: used)
                    used &+= 1
                    table[slot] = UInt16(truncatingIfNeeded: used)
                    break
                }
                let entry = found &- 1
                if hashOfEntry[entry] == hash {
                    let other = TextCell(cell: cellOfEntry[entry])
                    if other.length == text.length,
                        taxi_equal((other.cell >= 0 ? source : kept) + other.offset, start, text.length)
                    {
                        indexes[row] = UInt16(truncatingIfNeeded: entry)
                        break
                    }
                }
                slot = (slot &+ 1) & (Self.slots - 1)
            }
        }
        entryCount = used
        return true
    }
}
