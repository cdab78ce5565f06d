/// How a column of 64-bit cells is stored.
///
///     0  constant    the cell (8 bytes)
///     1  offsets     base (8), step (8), width w (1: 1, 2, 4 or 8), then count × w bytes: (cell - base) / step; all ones is a null
///     2  dictionary  entries n (2), n cells (8 each), index width w (1: 1 or 2), then count × w bytes
package enum NumberColumn {
    static let constant: UInt8 = 0
    /// What stands in place of an encoding where there are no cells.
    package static let empty: UInt8 = 255
    static let offsets: UInt8 = 1
    static let dictionary: UInt8 = 2

    /// Appends the column and returns its encoding.
    ///
    /// - Parameter steps: divisors to try, greatest first, the last of them 1: quarter hours, minutes, the form byte of a time.
    package static func encode(
        _ cells: UnsafePointer<Int64>, count: Int, steps: [Int64], into out: inout ByteWriter,
        scratch: inout NumberDictionary
    ) -> UInt8 {
        var low = Int64.max
        var high = Int64.min
        var nulls = 0
        for i in 0..<count {
            let cell = cells[i]
            if cell == nullCell {
                nulls &+= 1
            } else {
                low = min(low, cell)
                high = max(high, cell)
            }
        }
        if nulls == count || (nulls == 0 && low == high) {
            out.append(nulls == count ? nullCell : low)
            return constant
        }
        let (range, overflow) = high.subtractingReportingOverflow(low)
        guard !overflow else {
            writeOffsets(cells, count, base: 0, step: 1, width: 8, &out)
            return offsets
        }
        var step: Int64 = 1
        for candidate in steps where candidate > 1 {
            var isMultiple = true
            for i in 0..<count where cells[i] != nullCell && (cells[i] &- low) % candidate != 0 {
                isMultiple = false
                break
            }
            if isMultiple {
                step = candidate
                break
            }
        }
        let span = UInt64(range / step)
        let width = span < 255 ? 1 : span < 65535 ? 2 : span < 0xffff_ffff ? 4 : 8
        if width >= 4, writeDictionary(cells, count, &out, &scratch) { return dictionary }
        writeOffsets(cells, count, base: width == 8 ? 0 : low, step: width == 8 ? 1 : step, width: width, &out)
        return offsets
    }

    private static func writeOffsets(
        _ cells: UnsafePointer<Int64>, _ count: Int, base: Int64, step: Int64, width: Int, _ out: inout ByteWriter
    ) {
        out.append(base)
        out.append(step)
        out.append(UInt8(width))
        let target = out.extend(count * width)
        switch width {
        case 1: write(cells, count, base, step, target, UInt8.self)
        case 2: write(cells, count, base, step, target, UInt16.self)
        case 4: write(cells, count, base, step, target, UInt32.self)
        default:
            for i in 0..<count { target.storeBytes(of: cells[i].littleEndian, toByteOffset: i * 8, as: Int64.self) }
        }
    }

    @inline(__always)
    private static func write<Value: FixedWidthInteger & UnsignedInteger>(
        _ cells: UnsafePointer<Int64>, _ count: Int, _ base: Int64, _ step: Int64, _ target: UnsafeMutableRawPointer,
        _: Value.Type
    ) {
        let size = MemoryLayout<Value>.size
        for i in 0..<count {
            let cell = cells[i]
            let value = step == 1 ? cell &- base : (cell &- base) / step
            let stored = cell == nullCell ? Value.max : Value(truncatingIfNeeded: value)
            target.storeBytes(of: stored.littleEndian, toByteOffset: i &* size, as: Value.self)
        }
    }

    private static func writeDictionary(
        _ cells: UnsafePointer<Int64>, _ count: Int, _ out: inout ByteWriter, _ scratch: inout NumberDictionary
    ) -> Bool {
        guard scratch.index(cells, count) else { return false }
        out.append(UInt16(scratch.entries.count))
        for entry in scratch.entries { out.append(entry) }
        let width = scratch.entries.count <= 256 ? 1 : 2
        out.append(UInt8(width))
        let target = out.extend(count * width)
        for i in 0..<count {
            if width == 1 {
                target.storeBytes(of: UInt8(truncatingIfNeeded: scratch.indexes[i]), toByteOffset: i, as: UInt8.self)
            } else {
                target.storeBytes(of: scratch.indexes[i].littleEndian, toByteOffset: i * 2, as: UInt16.self)
            }
        }
        return true
    }

    /// Fills `count` cells; throws where the bytes do not hold them.
    package static func decode(
        _ encoding: UInt8, _ bytes: UnsafeRawBufferPointer, count: Int, into cells: UnsafeMutablePointer<Int64>
    ) throws(ByteReader.Truncated) {
        var reader = ByteReader(bytes)
        switch encoding {
        case constant:
            cells.update(repeating: try reader.next(Int64.self), count: count)
        case offsets:
            let base = try reader.next(Int64.self)
            let step = try reader.next(Int64.self)
            switch try reader.next(UInt8.self) {
            case 1: read(try reader.take(count), count, base, step, cells, UInt8.self)
            case 2: read(try reader.take(count * 2), count, base, step, cells, UInt16.self)
            case 4: read(try reader.take(count * 4), count, base, step, cells, UInt32.self)
            case 8:
                let source = try reader.take(count * 8)
                for i in 0..<count {
                    cells[i] = Int64(littleEndian: source.loadUnaligned(fromByteOffset: i * 8, as: Int64.self))
                }
            default: throw ByteReader.Truncated()
            }
        case dictionary:
            let size = Int(try reader.next(UInt16.self))
            let entries = try reader.take(size * 8)
            let width = Int(try reader.next(UInt8.self))
            guard width == 1 || width == 2 else { throw ByteReader.Truncated() }
            let indexes = try reader.take(count * width)
            for i in 0..<count {
                let index =
                    width == 1
                    ? Int(indexes[i])
                    : Int(UInt16(littleEndian: indexes.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)))
                guard index < size else { throw ByteReader.Truncated() }
                cells[i] = Int64(littleEndian: entries.loadUnaligned(fromByteOffset: index * 8, as: Int64.self))
            }
        default: throw ByteReader.Truncated()
        }
    }

    @inline(__always)
    private static func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ source: UnsafeRawBufferPointer, _ count: Int, _ base: Int64, _ step: Int64,
        _ cells: UnsafeMutablePointer<Int64>, _: Value.Type
    ) {
        let size = MemoryLayout<Value>.size
        for i in 0..<count {
            let value = Value(littleEndian: source.loadUnaligned(fromByteOffset: i &* size, as: Value.self))
            cells[i] = value == Value.max ? nullCell : base &+ Int64(truncatingIfNeeded: value) &* step
        }
    }
}

/// Finds the distinct cells of a column, up to a bound; reused from column to column.
package struct NumberDictionary {
    package init() {}

    private static let slots = 16384
    static let maximumEntries = 4096
    private(set) var entries: [Int64] = []
    private(set) var indexes: [UInt16] = []
    private var table = [Int16](repeating: -1, count: slots)

    /// Returns false where there are too many distinct cells for a dictionary to pay.
    mutating func index(_ cells: UnsafePointer<Int64>, _ count: Int) -> Bool {
        for i in table.indices { table[i] = -1 }
        entries.removeAll(keepingCapacity: true)
        if indexes.count < count { indexes = Array(repeating: 0, count: count) }
        let limit = min(Self.maximumEntries, max(16, count / 4))
        for i in 0..<count {
            let cell = cells[i]
            var slot = Int(truncatingIfNeeded: splitMix64(UInt64(bitPattern: cell)) & UInt64(Self.slots - 1))
            while true {
                let entry = table[slot]
                if entry < 0 {
                    if entries.count == limit { return false }
                    table[slot] = Int16(entries.count)
                    indexes[i] = UInt16(entries.count)
                    entries.append(cell)
                    break
                }
                if entries[Int(entry)] == cell {
                    indexes[i] = UInt16(entry)
                    break
                }
                slot = (slot + 1) & (Self.slots - 1)
            }
        }
        return true
    }
}
