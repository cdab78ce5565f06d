import Time

/// Trips as JSON text: one object a trip, on topics, in dead letters and in JSON-lines files.
///
///     {"trip_id":"00a1…","taxi_id":"f538…","trip_start_timestamp":"01/19/2024 05:00:00 PM",…,"trip_seconds":4051,"trip_miles":17.12,
///      …,"fare":45.50,…,"pickup_centroid_location":"POINT (-87.9030396611 41.9790708201)",…,"event_timestamp":"2024-01-22T19:45:00.000Z"}
///
/// The 23 fields of `TripField` in their order, then `event_timestamp` (RFC 3339, milliseconds, UTC), without blanks or a line end.
/// An empty cell and a field that the batch does not hold are `null`, never 0 or "". Money has two decimals, other decimals the
/// digits of their source, times the text of their source.
public enum TripJSON {
    /// Writes the trips `rows` of a batch, one after the other.
    ///
    /// - Parameters:
    ///   - recordOffsets: replaced by where each record starts in `output`, and where the last one ends: `rows.count + 1` offsets.
    ///   - lineEnds: whether a line feed follows each record; it then counts as the record's last byte.
    ///   - money: in cents it has other names, and no decimals.
    /// - Complexity: O(bytes written); nothing is allocated for a record.
    public static func encode(
        _ batch: TripBatch, rows: Range<Int>, into output: inout OutputBuffer, recordOffsets: inout [Int],
        lineEnds: Bool = false, money: TripMoney = .decimal
    ) {
        encodeRows(batch, rows, into: &output, recordOffsets: &recordOffsets, lineEnds: lineEnds, money: money)
    }

    /// Writes the chosen trips of a batch, in the order of `rows`.
    public static func encode(
        _ batch: TripBatch, rows: UnsafeBufferPointer<Int32>, into output: inout OutputBuffer,
        recordOffsets: inout [Int], lineEnds: Bool = false
    ) {
        encodeRows(batch, rows, into: &output, recordOffsets: &recordOffsets, lineEnds: lineEnds, money: .decimal)
    }

    @inline(__always)
    private static func encodeRows<Rows: RandomAccessCollection>(
        _ batch: TripBatch, _ rows: Rows, into output: inout OutputBuffer, recordOffsets: inout [Int], lineEnds: Bool,
        money: TripMoney
    ) where Rows.Element: BinaryInteger {
        recordOffsets.removeAll(keepingCapacity: true)
        recordOffsets.reserveCapacity(rows.count + 1)
        withRecordWriter(of: batch, money) { writer in
            for row in rows {
                recordOffsets.append(output.count)
                writer.write(Int(row), to: &output)
                if lineEnds { output.append(UInt8(ascii: "\n")) }
            }
        }
        recordOffsets.append(output.count)
    }

    @inline(__always)
    private static func withRecordWriter(of batch: TripBatch, _ money: TripMoney, _ body: (RecordWriter) -> Void) {
        let prefixes = money == .cents ? JSONKeys.centsPrefixes : JSONKeys.prefixes
        withUnsafeTemporaryAllocation(of: RecordWriter.Column.self, capacity: TripField.count) { columns in
            for field in TripField.allCases {
                let index = Int(field.rawValue)
                let kind = field.kind == .money && money == .cents ? .integer : field.kind
                columns.initializeElement(
                    at: index,
                    to: RecordWriter.Column(
                        kind: batch.fields.contains(field) ? kind : nil,
                        cells: UnsafePointer(batch.column(field)),
                        prefix: prefixes.bytes + index * JSONKeys.stride,
                        prefixLength: prefixes.lengths[index]))
            }
            let texts = TripField.allCases.filter { $0.kind == .string && batch.fields.contains($0) }
            body(
                RecordWriter(
                    columns: columns.baseAddress!, texts: texts.map { UnsafePointer(batch.column($0)) },
                    eventTimes: UnsafePointer(batch.eventTimes), source: batch.source,
                    kept: UnsafePointer(batch.kept)))
        }
    }
}

/// Writes records of one batch through raw pointers: room is reserved once a record, for the longest that it can become.
private struct RecordWriter {
    struct Column {
        /// Nil for a field that the batch does not hold.
        let kind: FieldKind?
        let cells: UnsafePointer<Int64>
        let prefix: UnsafePointer<UInt8>
        let prefixLength: Int
    }

    let columns: UnsafePointer<Column>
    /// Cells of the string columns, whose lengths decide how much room a record needs.
    let texts: [UnsafePointer<Int64>]
    let eventTimes: UnsafePointer<EventTime>
    let source: UnsafePointer<UInt8>
    let kept: UnsafePointer<UInt8>

    /// Room for everything but text: each key, copied 32 bytes at a time, each number, time and pair of quotes.
    private static let fixedRoom = JSONKeys.count * (JSONKeys.stride + WallTime.maximumLength + 2) + 16

    @inline(__always)
    func write(_ row: Int, to output: inout OutputBuffer) {
        var textLength = 0
        for cells in texts { textLength &+= TextCell(cell: cells[row]).length }
        let start = output.reserve(Self.fixedRoom &+ textLength &* JSONEscape.maximumGrowth)
        var place = start
        for index in 0..<TripField.count {
            let column = columns[index]
            Self.copyKey(column.prefix, to: place)
            place += column.prefixLength
            let cell = column.cells[row]
            switch column.kind {
            case .string:
                let text = TextCell(cell: cell)
                if text.isEmpty { Self.null(&place) } else { write(text, to: &place) }
            case .timestamp:
                if cell == nullCell { Self.null(&place) } else { Self.write(WallTime(cell: cell), to: &place) }
            case .integer:
                if cell == nullCell { Self.null(&place) } else { place = DecimalText.write(cell, to: place) }
            case .decimal:
                if cell == nullCell {
                    Self.null(&place)
                } else {
                    place = DecimalText.write(PackedDecimal(cell: cell), to: place)
                }
            case .money:
                if cell == nullCell { Self.null(&place) } else { place = DecimalText.writeMoney(cell, to: place) }
            case nil:
                Self.null(&place)
            }
        }
        writeEventTime(eventTimes[row], to: &place)
        output.advance(by: place - start)
    }

    @inline(__always)
    private func write(_ text: TextCell, to place: inout UnsafeMutablePointer<UInt8>) {
        Self.put("\"", to: &place)
        place = JSONEscape.write((text.cell >= 0 ? source : kept) + text.offset, text.length, to: place)
        Self.put("\"", to: &place)
    }

    @inline(__always)
    private static func write(_ time: WallTime, to place: inout UnsafeMutablePointer<UInt8>) {
        put("\"", to: &place)
        place += time.write(to: place)
        put("\"", to: &place)
    }

    @inline(__always)
    private func writeEventTime(_ time: EventTime, to place: inout UnsafeMutablePointer<UInt8>) {
        Self.copyKey(JSONKeys.prefixes.bytes + JSONKeys.eventTimestamp * JSONKeys.stride, to: place)
        place += JSONKeys.prefixes.lengths[JSONKeys.eventTimestamp]
        if time == nullCell {
            Self.null(&place)
        } else {
            Self.put("\"", to: &place)
            RFC3339.write(time, to: place)
            place += RFC3339.length
            Self.put("\"", to: &place)
        }
        Self.put("}", to: &place)
    }

    @inline(__always)
    private static func copyKey(_ key: UnsafePointer<UInt8>, to place: UnsafeMutablePointer<UInt8>) {
        let text = UnsafeRawPointer(key).loadUnaligned(as: SIMD4<UInt64>.self)
        UnsafeMutableRawPointer(place).storeBytes(of: text, as: SIMD4<UInt64>.self)
    }

    @inline(__always)
    private static func null(_ place: inout UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(place).storeBytes(of: UInt32(littleEndian: 0x6c6c_756e), as: UInt32.self)
        place += 4
    }

    @inline(__always)
    private static func put(_ character: Unicode.Scalar, to place: inout UnsafeMutablePointer<UInt8>) {
        place.pointee = UInt8(truncatingIfNeeded: character.value)
        place += 1
    }
}
