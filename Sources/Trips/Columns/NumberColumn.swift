import Basics

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

    /// What a column's cells may be: everything else is damage.
    package struct Domain: Sendable {
        /// Without nulls.
        package var range: ClosedRange<Int64>
        package var isNullable = true
        /// Whether a cell of the range is one, where the range alone cannot say.
        package var isValid: (@Sendable (Int64) -> Bool)?
        /// Of cells that differ by multiples of it, all are valid if the least and the greatest are.
        package var stride: Int64 = 1

        package init(_ range: ClosedRange<Int64>, isNullable: Bool = true) {
            (self.range, self.isNullable) = (range, isNullable)
        }

        package static let anything = Domain(.min + 1 ... .max)

        @inline(__always)
        func contains(_ cell: Int64) -> Bool {
            if cell == nullCell { return isNullable }
            return range.contains(cell) && (isValid?(cell) ?? true)
        }

        /// Whether cells from `base` to `top`, in steps, still have to be looked at one by one.
        func asksEach(_ base: Int64, _ top: Int64, _ step: Int64) -> Bool {
            guard let isValid else { return false }
            return step % stride != 0 || !isValid(base) || !isValid(top)
        }
    }

    /// Fills `count` cells; throws where the bytes do not hold them, hold more, or hold cells outside `domain`.
    ///
    /// Complexity: O(count). Offsets are checked through the least and greatest of them, dictionaries through their entries.
    package static func decode(
        _ encoding: UInt8, _ bytes: UnsafeRawBufferPointer, count: Int, domain: Domain = .anything,
        into cells: UnsafeMutablePointer<Int64>
    ) throws(ByteReader.Truncated) {
        var reader = ByteReader(bytes)
        switch encoding {
        case constant:
            let cell = try reader.next(Int64.self)
            guard count == 0 || domain.contains(cell) else { throw ByteReader.Truncated() }
            cells.update(repeating: cell, count: count)
        case offsets:
            let base = try reader.next(Int64.self)
            let step = try reader.next(Int64.self)
            switch try reader.next(UInt8.self) {
            case 1: try read(reader.take(count), count, base, step, domain, cells, UInt8.self)
            case 2: try read(reader.take(count * 2), count, base, step, domain, cells, UInt16.self)
            case 4: try read(reader.take(count * 4), count, base, step, domain, cells, UInt32.self)
            case 8:
                let source = try reader.take(count * 8)
                for i in 0..<count {
                    cells[i] = Int64(littleEndian: source.loadUnaligned(fromByteOffset: i * 8, as: Int64.self))
                }
                try check(cells, count, domain)
            default: throw ByteReader.Truncated()
            }
        case dictionary:
            let size = Int(try reader.next(UInt16.self))
            let entries = try reader.take(size * 8)
            for i in 0..<size {
                let entry = Int64(littleEndian: entries.loadUnaligned(fromByteOffset: i * 8, as: Int64.self))
                guard domain.contains(entry) else { throw ByteReader.Truncated() }
            }
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
        guard reader.isAtEnd else { throw ByteReader.Truncated() }
    }

    private static func check(
        _ cells: UnsafePointer<Int64>, _ count: Int, _ domain: Domain
    ) throws(ByteReader.Truncated) {
        for i in 0..<count {
            guard domain.contains(cells[i]) else { throw ByteReader.Truncated() }
        }
    }

    @inline(__always)
    private static func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ source: UnsafeRawBufferPointer, _ count: Int, _ base: Int64, _ step: Int64, _ domain: Domain,
        _ cells: UnsafeMutablePointer<Int64>, _: Value.Type
    ) throws(ByteReader.Truncated) {
        guard count > 0, let start = source.baseAddress else { return }
        guard step > 0 else { throw ByteReader.Truncated() }
        @inline(__always) func value(_ i: Int) -> Value {
            Value(littleEndian: start.loadUnaligned(fromByteOffset: i &* MemoryLayout<Value>.size, as: Value.self))
        }
        // All ones, a null, becomes 0 and everything else one more: so the greatest of all is that of the values.
        var (least, greatest) = (Value.max, Value.min)
        for i in 0..<count {
            let next = value(i) &+ 1
            (least, greatest) = (min(least, next), max(greatest, next))
        }
        if step == 1 {
            for i in 0..<count { cells[i] = base &+ Int64(truncatingIfNeeded: value(i)) }
        } else {
            for i in 0..<count { cells[i] = base &+ Int64(truncatingIfNeeded: value(i)) &* step }
        }
        if least == 0 {
            guard domain.isNullable else { throw ByteReader.Truncated() }
            for i in 0..<count where value(i) == Value.max { cells[i] = nullCell }
        }
        guard greatest > 0 else { return }
        let (span, tooFar) = Int64(greatest &- 1).multipliedReportingOverflow(by: step)
        let (top, overflow) = base.addingReportingOverflow(span)
        guard !tooFar, !overflow, domain.range.contains(base), domain.range.contains(top) else {
            throw ByteReader.Truncated()
        }
        if domain.asksEach(base, top, step) { try check(cells, count, domain) }
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
