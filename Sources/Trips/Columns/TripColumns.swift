import Time
public import Problems

/// Trips as stored columns: what a topic keeps instead of 900 bytes of JSON a trip.
///
/// Layout, little-endian:
///
///     version (1: 1)   rows (4)   columns (1)
///     for each column: field (1: TripField's raw value, 255 the event time), encoding (1), length in bytes (4)
///     the columns' bytes, one behind the other: NumberColumn, TextColumn
///
/// A column that is null in each row is left out. A reader looks only at the columns it wants.
public struct TripColumnsEncoder: ~Copyable {
    private var out = ByteWriter(capacity: 2 << 20)
    private var numbers = NumberDictionary()
    private let texts = TextDictionary()
    private var gathered: [Int64] = []
    private static let eventTimeField: UInt8 = 255

    public init() {}

    /// The payload for the trips of a batch, or for some of its rows.
    public mutating func encode(_ batch: TripBatch, rows: UnsafeBufferPointer<Int32>? = nil) -> [UInt8] {
        let count = rows?.count ?? batch.count
        out.removeAll()
        let fields = batch.fields.fields
        out.append(UInt8(1))
        out.append(UInt32(count))
        out.append(UInt8(fields.count + 1))
        let directory = out.count
        _ = out.extend((fields.count + 1) * 6)
        var entry = directory
        for index in 0...fields.count {
            let start = out.count
            let field = index < fields.count ? fields[index] : nil
            let column = field.map { UnsafePointer(batch.column($0)) } ?? UnsafePointer(batch.eventTimes)
            let encoding = gather(column, rows, count) { cells, this in
                this.encode(field, cells, count, batch)
            }
            out.replace(at: entry, with: field?.rawValue ?? Self.eventTimeField)
            out.replace(at: entry + 1, with: encoding)
            out.replace(at: entry + 2, with: UInt32(out.count - start))
            entry += 6
        }
        return out.bytes
    }

    private mutating func gather(
        _ column: UnsafePointer<Int64>, _ rows: UnsafeBufferPointer<Int32>?, _ count: Int,
        _ body: (UnsafePointer<Int64>, inout Self) -> UInt8
    ) -> UInt8 {
        guard let rows else { return body(column, &self) }
        // Taken out of `self`, so that the body may change the rest of it.
        var cells = gathered
        gathered = []
        if cells.count < count { cells = Array(repeating: 0, count: count) }
        for i in 0..<count { cells[i] = column[Int(rows[i])] }
        let encoding = cells.withUnsafeBufferPointer { body($0.baseAddress!, &self) }
        gathered = cells
        return encoding
    }

    private mutating func encode(
        _ field: TripField?, _ cells: UnsafePointer<Int64>, _ count: Int, _ batch: TripBatch
    ) -> UInt8 {
        if field?.kind == .string {
            return TextColumn.encode(cells, count: count, of: batch, into: &out, scratch: texts)
        }
        let steps: [Int64] =
            switch field?.kind {
            case .timestamp: [900 << 8, 60 << 8, 1 << 8, 1]
            case .decimal: [16, 1]
            case nil: [900_000, 1000, 1]
            default: [1]
            }
        return NumberColumn.encode(cells, count: count, steps: steps, into: &out, scratch: &numbers)
    }
}

/// Reads what `TripColumnsEncoder` wrote.
public struct TripColumnsDecoder {
    /// How many trips a batch may hold: what writers make has some ten thousand.
    public static let maximumTrips = 1 << 16
    private var pool: [Int64] = []
    public init() {}

    /// Replaces what the batch holds by the payload's trips: event times and the wanted columns; others of the wanted are null.
    ///
    /// Each cell is one that a trip may have (`TripField.domain`), so that whoever reads them need not look again.
    ///
    /// - Throws: `Problem(.badData)` for bytes that are no such payload; never traps on any bytes.
    public mutating func decode(
        _ payload: UnsafeRawBufferPointer, fields: TripFieldSet, into batch: TripBatch
    ) throws(Problem) {
        do throws(ByteReader.Truncated) {
            try decodeColumns(payload, fields, batch)
        } catch {
            batch.reset()
            throw Problem(.badData, "a stored batch of trips is damaged")
        }
    }

    private mutating func decodeColumns(
        _ payload: UnsafeRawBufferPointer, _ fields: TripFieldSet, _ batch: TripBatch
    ) throws(ByteReader.Truncated) {
        batch.reset()
        var reader = ByteReader(payload)
        guard try reader.next(UInt8.self) == 1 else { throw ByteReader.Truncated() }
        let count = Int(try reader.next(UInt32.self))
        guard count <= batch.capacity else { throw ByteReader.Truncated() }
        let columns = Int(try reader.next(UInt8.self))
        var directory = ByteReader(try reader.take(columns * 6))
        var (seen, hasTimes): (TripFieldSet, Bool) = ([], false)
        for _ in 0..<columns {
            let id = try directory.next(UInt8.self)
            let encoding = try directory.next(UInt8.self)
            let bytes = try reader.take(Int(try directory.next(UInt32.self)))
            guard let field = TripField(rawValue: id) else {
                guard id == 255, !hasTimes else { throw ByteReader.Truncated() }
                hasTimes = true
                try NumberColumn.decode(
                    encoding, bytes, count: count, domain: Self.eventTimes, into: batch.eventTimes)
                continue
            }
            guard !seen.contains(field) else { throw ByteReader.Truncated() }
            seen.formUnion(TripFieldSet(field))
            guard fields.contains(field) else { continue }
            if field.kind == .string {
                try TextColumn.decode(
                    encoding, bytes, count: count, into: batch.column(field), of: batch, pool: &pool)
            } else {
                try NumberColumn.decode(
                    encoding, bytes, count: count, domain: field.domain, into: batch.column(field))
            }
        }
        guard hasTimes || count == 0, reader.isAtEnd else { throw ByteReader.Truncated() }
        for field in fields.subtracting(seen).fields {
            batch.column(field).update(repeating: nullCell, count: count)
        }
        batch.count = count
        batch.fields = fields
    }

    private static let eventTimes = NumberColumn.Domain(RFC3339.range, isNullable: false)
}

extension TripField {
    /// What the cells of a column of numbers or times may be: see `bounds`.
    var domain: NumberColumn.Domain {
        guard let rule = NumberRule(self) else {
            var domain = NumberColumn.Domain(WallTime.cells)
            domain.isValid = { WallTime(cell: $0).isWritten }
            // The form is the lowest byte, and some say whole minutes alone.
            domain.stride = 60 << 8
            return domain
        }
        guard rule.kind == .decimal else { return NumberColumn.Domain(rule.least...rule.greatest) }
        var domain = NumberColumn.Domain.anything
        domain.isValid = { rule.holds(PackedDecimal(cell: $0).mantissa, scale: PackedDecimal(cell: $0).scale) }
        // The scale is the lowest four bits.
        domain.stride = 16
        return domain
    }
}
