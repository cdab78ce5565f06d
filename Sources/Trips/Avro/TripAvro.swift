import Time
public import Avro

/// Trips as records of Avro: `taxi.Trip`, the fields of `TripJSON` in their order.
///
/// Strings and times are strings, as their source wrote them; whole numbers are int, or long for census tracts; miles and degrees are
/// double, the nearest to the digits of the source. What is empty is null, each field's default. `event_timestamp` is a `timestamp-millis`,
/// and always there.
public enum TripAvro {
    /// Money is a decimal with two places as bytes, or a long with `_cents` behind its name.
    public static func schema(money: TripMoney) -> AvroSchema { money == .cents ? centsSchema : decimalSchema }

    private static let decimalSchema = makeSchema(.decimal)
    private static let centsSchema = makeSchema(.cents)

    private static func makeSchema(_ money: TripMoney) -> AvroSchema {
        var text = #"{"type":"record","name":"Trip","namespace":"taxi","doc":"A taxi trip in Chicago","fields":["#
        for field in TripField.allCases {
            let type =
                switch field.kind {
                case .string, .timestamp: #""string""#
                case .integer: field.isLong ? #""long""# : #""int""#
                case .decimal: #""double""#
                case .money where money == .cents: #""long""#
                case .money: #"{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}"#
                }
            text += #"{"name":"\#(money.name(of: field))","type":["null",\#(type)],"default":null},"#
        }
        text += #"{"name":"event_timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#
        do { return try AvroSchema(text, file: "taxi.Trip") } catch { preconditionFailure("\(error)") }
    }

    /// Writes the trips `rows` of a batch as records of `schema(money:)`, one behind the other.
    ///
    /// - Parameter recordOffsets: replaced by where each record starts in `output`, and where the last one ends: `rows.count + 1` offsets.
    /// - Complexity: O(bytes written); nothing is allocated for a record.
    public static func encode(
        _ batch: TripBatch, rows: Range<Int>, money: TripMoney, into output: inout OutputBuffer,
        recordOffsets: inout [Int]
    ) {
        encodeRows(batch, rows, RecordWriter(batch: batch, money: money), into: &output, recordOffsets: &recordOffsets)
    }

    /// Writes the chosen trips of a batch as messages, in the order of `rows`: each record with `ConfluentFrame`'s header.
    public static func encode(
        _ batch: TripBatch, rows: UnsafeBufferPointer<Int32>, money: TripMoney, schemaID: UInt32,
        into output: inout OutputBuffer, recordOffsets: inout [Int]
    ) {
        encodeRows(
            batch, rows, RecordWriter(batch: batch, money: money, schemaID: schemaID), into: &output,
            recordOffsets: &recordOffsets)
    }

    @inline(__always)
    private static func encodeRows<Rows: RandomAccessCollection>(
        _ batch: TripBatch, _ rows: Rows, _ writer: RecordWriter, into output: inout OutputBuffer,
        recordOffsets: inout [Int]
    ) where Rows.Element: BinaryInteger {
        recordOffsets.removeAll(keepingCapacity: true)
        recordOffsets.reserveCapacity(rows.count + 1)
        for row in rows {
            recordOffsets.append(output.count)
            writer.write(Int(row), to: &output)
        }
        recordOffsets.append(output.count)
    }
}

extension TripField {
    /// Whether its numbers need more than 32 bits.
    fileprivate var isLong: Bool { (bounds?.greatest ?? 0) > Int64(Int32.max) }
}

private struct RecordWriter {
    struct Column {
        /// Nil for a field that the batch does not hold.
        let kind: FieldKind?
        let cells: UnsafeMutablePointer<Int64>
    }
    let batch: TripBatch
    let columns: [Column]
    let isCents: Bool
    /// Of the frame around each record; nil for records alone.
    let schemaID: UInt32?

    /// Room for everything but text: the frame, for each field its branch, and a length, a number or a time; and the event time.
    private static let fixedRoom =
        ConfluentFrame.headerLength + TripField.count * (1 + WallTime.maximumLength + 2) + AvroBinary.maximumLongLength
    private static var null: UInt8 { 0 }
    /// The second of a union's types.
    private static var value: UInt8 { 2 }

    init(batch: TripBatch, money: TripMoney, schemaID: UInt32? = nil) {
        (self.batch, isCents, self.schemaID) = (batch, money == .cents, schemaID)
        columns = TripField.allCases.map {
            Column(kind: batch.fields.contains($0) ? $0.kind : nil, cells: batch.column($0))
        }
    }

    @inline(__always)
    func write(_ row: Int, to output: inout OutputBuffer) {
        columns.withUnsafeBufferPointer { columns in
            var textLength = 0
            for column in columns where column.kind == .string {
                textLength &+= TextCell(cell: column.cells[row]).length
            }
            let start = output.reserve(Self.fixedRoom &+ textLength)
            var place = schemaID.map { ConfluentFrame.write(schemaID: $0, to: start) } ?? start
            for column in columns { write(column, row, to: &place) }
            place = AvroBinary.write(long: batch.eventTimes[row], to: place)
            output.advance(by: place - start)
        }
    }

    @inline(__always)
    private func write(_ column: Column, _ row: Int, to place: inout UnsafeMutablePointer<UInt8>) {
        let cell = column.cells[row]
        let isNull = column.kind == .string ? TextCell(cell: cell).isEmpty : cell == nullCell || column.kind == nil
        place.pointee = isNull ? Self.null : Self.value
        place += 1
        if isNull { return }
        switch column.kind {
        case .string:
            let bytes = batch.bytes(TextCell(cell: cell))
            place = AvroBinary.write(long: Int64(bytes.count), to: place)
            place.update(from: bytes.baseAddress.unsafelyUnwrapped, count: bytes.count)
            place += bytes.count
        case .timestamp:
            // Its length is below 64, and so one byte of a long.
            let length = WallTime(cell: cell).write(to: place + 1)
            place.pointee = UInt8(truncatingIfNeeded: length << 1)
            place += length + 1
        case .integer: place = AvroBinary.write(long: cell, to: place)
        case .decimal: place = AvroBinary.write(double: PackedDecimal(cell: cell).double, to: place)
        case .money:
            place = isCents ? AvroBinary.write(long: cell, to: place) : AvroBinary.write(decimal: cell, to: place)
        case nil: break
        }
    }
}

extension PackedDecimal {
    /// The nearest double: both numbers are doubles themselves, since no column's have more than 15 digits, and a quotient is rounded once.
    var double: Double { Double(mantissa) / Self.doublePowersOfTen[scale] }

    private static let doublePowersOfTen: [Double] = powersOfTen.map(Double.init)
}
