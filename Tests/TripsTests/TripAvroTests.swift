import Basics
import Avro
import Foundation
import Problems
import PythonSupport
import Testing

@testable import Trips

@Suite struct TripAvroTests {
    /// Trips as values, field by field: slow, and plain to see.
    private func values(_ batch: TripBatch, _ money: TripMoney) -> [AvroValue] {
        (0..<batch.count).map { row in
            var fields = TripField.allCases.map { field -> AvroValue in
                let cell = batch.column(field)[row]
                guard batch.fields.contains(field) else { return .union(0, .null) }
                if field.kind == .string {
                    return batch.string(field, row).map { .union(1, .string($0)) } ?? .union(0, .null)
                }
                if cell == nullCell { return .union(0, .null) }
                switch field.kind {
                case .timestamp: return .union(1, .string(WallTime(cell: cell).text))
                case .integer:
                    return .union(1, [.pickupTract, .dropoffTract].contains(field) ? .long(cell) : .int(Int32(cell)))
                case .decimal:
                    let decimal = PackedDecimal(cell: cell)
                    return .union(1, .double(Double("\(decimal.mantissa)e-\(decimal.scale)")!))
                case .money where money == .cents: return .union(1, .long(cell))
                default:
                    // The shortest two's complement that gives the number back.
                    let bytes = (1...8).lazy.map { count in
                        (0..<count).map { UInt8(truncatingIfNeeded: cell >> Int64(8 * (count - 1 - $0))) }
                    }
                    return .union(
                        1,
                        .bytes(
                            bytes.first {
                                Int64(Int8(bitPattern: $0[0])) << Int64(8 * ($0.count - 1)) | tail($0) == cell
                            }!))
                }
            }
            fields.append(.long(batch.eventTimes[row]))
            return .record(fields)
        }
    }

    private func tail(_ bytes: [UInt8]) -> Int64 { bytes.dropFirst().reduce(0) { $0 << 8 | Int64($1) } }

    private func encode(_ batch: TripBatch, _ money: TripMoney) -> (bytes: [UInt8], records: [RecordSlice]) {
        var output = OutputBuffer(capacity: 64)
        var offsets: [Int] = []
        TripAvro.encode(batch, rows: 0..<batch.count, money: money, into: &output, recordOffsets: &offsets)
        let records = zip(offsets, offsets.dropFirst()).enumerated().map { index, place in
            RecordSlice(offset: place.0, length: place.1 - place.0, position: Int64(index + 1))
        }
        return (Array(output.bytes), records)
    }

    private func decode(
        _ bytes: [UInt8], _ records: [RecordSlice], _ schema: AvroSchema, fields: TripFieldSet = .all
    ) throws -> Reading {
        let block = Block(bytes)
        let batch = TripBatch(capacity: max(records.count, 1))
        var reader = try TripAvroReader(schema: schema, fields: fields)
        var rejects: [Reject] = []
        let count = reader.decode(
            records[...], base: block.start, owner: block, name: "trips.avro", into: batch, rejects: &rejects)
        #expect(count == records.count)
        return Reading(batch: batch, rejects: rejects)
    }

    /// One record, made of values by a schema of its writer's.
    private func decode(_ values: [AvroValue], _ schema: AvroSchema) throws -> Reading {
        var bytes: [UInt8] = []
        try AvroValue.record(values).encode(as: schema, into: &bytes)
        return try decode(bytes, [RecordSlice(offset: 0, length: bytes.count, position: 7)], schema)
    }

    /// A number without needless zeros, as a double has none.
    private func plain(_ field: TripField, _ cell: Int64) -> Int64 {
        guard field.kind == .decimal, cell != nullCell else { return cell }
        var (mantissa, scale) = (PackedDecimal(cell: cell).mantissa, PackedDecimal(cell: cell).scale)
        while scale > 0, mantissa % 10 == 0 { (mantissa, scale) = (mantissa / 10, scale - 1) }
        return PackedDecimal(mantissa: mantissa, scale: scale).cell
    }

    private func expectSame(_ found: TripBatch, _ expected: TripBatch, fields: TripFieldSet = .all) {
        #expect(found.count == expected.count)
        for row in 0..<min(found.count, expected.count) {
            #expect(found.eventTimes[row] == expected.eventTimes[row])
            for field in fields.fields {
                let held = expected.fields.contains(field)
                if field.kind == .string {
                    #expect(
                        found.string(field, row) == (held ? expected.string(field, row) : nil), "\(field) of \(row)")
                } else {
                    let cell = held ? plain(field, expected.column(field)[row]) : nullCell
                    #expect(plain(field, found.column(field)[row]) == cell, "\(field) of \(row)")
                }
            }
        }
    }

    @Test(arguments: 0..<20, TripMoney.allCases)
    func writesWhatTheSlowWriterWritesAndReadsItBack(seed: Int, money: TripMoney) throws {
        var numbers = SplitMix64(seed: UInt64(seed))
        let fields = seed % 4 == 0 ? TripFieldSet([.fare, .company, .miles, .startTimestamp]) : .all
        let batch = randomBatch(rows: 50, fields: fields, &numbers)
        let schema = TripAvro.schema(money: money)
        let (bytes, records) = encode(batch, money)
        var slow: [UInt8] = []
        for value in values(batch, money) { try value.encode(as: schema, into: &slow) }
        #expect(bytes == slow)
        let reading = try decode(bytes, records, schema)
        #expect(reading.rejects.isEmpty)
        expectSame(reading.batch, batch)
        // Only some columns, from a block without the records' places.
        let some = try #require(
            [TripFieldSet([.fare, .pickupLocation]), TripFieldSet([.seconds])].randomElement(using: &numbers))
        var reader = try TripAvroReader(schema: schema, fields: some)
        let part = TripBatch(capacity: 50)
        var rejects: [Reject] = []
        try bytes.withUnsafeBufferPointer { bytes in
            var input = AvroInput(bytes)
            let count = try reader.decode(
                &input, count: 50, first: 1, owner: nil, name: "x", into: part, rejects: &rejects)
            #expect(count == 50 && input.isAtEnd)
            expectSame(part, batch, fields: some)
        }
    }

    @Test(arguments: 0..<50) func noBytesMakeItTrap(seed: Int) throws {
        var numbers = SplitMix64(seed: UInt64(seed))
        let (bytes, records) = encode(randomBatch(rows: 8, &numbers), .decimal)
        for _ in 0..<50 {
            var damaged = bytes
            for _ in 0..<4 {
                damaged[Int.random(in: 0..<bytes.count, using: &numbers)] = .random(in: 0...255, using: &numbers)
            }
            let reading = try decode(damaged, records, TripAvro.schema(money: .decimal))
            #expect(reading.batch.count + reading.rejects.count == 8)
            // What was taken can be written and read by everybody.
            for line in encoded(reading.batch) { #expect(read(line).rejects.isEmpty, "\(line)") }
        }
    }

    struct Other: Sendable, CustomTestStringConvertible {
        var field: String
        var type: String
        var value: AvroValue
        /// The field's JSON, or the reason of the reject.
        var outcome: String
        var testDescription: String { "\(field) \(type) \(value)" }
        init(_ field: String, _ type: String, _ value: AvroValue, _ outcome: String) {
            (self.field, self.type, self.value, self.outcome) = (field, type, value, outcome)
        }
    }
    static let decimal3 = #"{"type":"bytes","logicalType":"decimal","precision":10,"scale":3}"#

    @Test(arguments: [
        Other("fare", #""double""#, .double(9.45), "9.45"), Other("fare", #""float""#, .float(9.45), "9.45"),
        Other("fare", #""int""#, .int(12), "12.00"), Other("fare", #""long""#, .long(-3), "-3.00"),
        Other("fare", #""string""#, .string("$1,234.50"), "1234.50"),
        Other("fare", #""string""#, .string("NULL"), "null"),
        Other("fare", decimal3, .bytes([0x24, 0xea]), "9.45"), Other("fare", decimal3, .bytes([0x24, 0xef]), "9.46"),
        Other(
            "fare", #"{"type":"fixed","name":"F","size":9,"logicalType":"decimal","precision":18,"scale":2}"#,
            .fixed([0, 0, 0, 0, 0, 0, 0, 3, 0xb1]), "9.45"),
        Other("fare", #""double""#, .double(.nan), "null"),
        Other("fare", #""double""#, .double(.infinity), "bad_money"),
        Other("fare", #""double""#, .double(90_000.01), "out_of_range"),
        Other("fare", #""long""#, .long(.max), "out_of_range"),
        Other("fare", #""long""#, .long(.min), "out_of_range"), Other("fare", decimal3, .bytes([]), "out_of_range"),
        Other("fare", #""string""#, .string("12,50 €"), "bad_money"),
        Other("fare_cents", #""long""#, .long(945), "9.45"), Other("fare_cents", #""int""#, .int(-1), "-0.01"),
        Other("fare_cents", #""long""#, .long(9_000_001), "out_of_range"),
        Other("trip_seconds", #""long""#, .long(720), "720"), Other("trip_seconds", #""double""#, .double(720), "720"),
        Other("trip_seconds", #""double""#, .double(720.5), "bad_number"),
        Other("trip_seconds", #""int""#, .int(-1), "out_of_range"),
        Other("trip_miles", #""int""#, .int(3), "3"), Other("trip_miles", #""double""#, .double(0.1 + 0.2), "0.3"),
        Other("trip_miles", #""double""#, .double(1e-300), "0"),
        Other("trip_miles", #""double""#, .double(1e300), "out_of_range"),
        Other("pickup_community_area", #""string""#, .string("8.0"), "8"),
        Other("pickup_community_area", #""int""#, .int(78), "out_of_range"),
        Other("company", #""string""#, .string("NA"), "null"), Other("company", #""string""#, .string(""), "null"),
        Other("company", #""string""#, .string("a\u{0}b"), "bad_utf8"),
        Other("company", #""string""#, .string(String(repeating: "a", count: 65_536)), "oversized"),
        Other("pickup_centroid_location", #""string""#, .string("POINT (-87.6 141.9)"), "out_of_range"),
        Other("trip_start_timestamp", #""string""#, .string("2024-01-22 05:00:00"), #""2024-01-22 05:00:00""#),
        Other("trip_start_timestamp", #""string""#, .string("yesterday"), "bad_timestamp"),
        Other(
            "trip_start_timestamp", #"{"type":"long","logicalType":"local-timestamp-millis"}"#,
            .long(1_705_899_600_999), #""2024-01-22T05:00:00""#),
        Other(
            "trip_start_timestamp", #"{"type":"long","logicalType":"local-timestamp-micros"}"#, .long(.max),
            "out_of_range"),
        Other("nobodys", #"{"type":"array","items":"string"}"#, .array([.string("x")]), ""),
    ])
    func takesWhatOthersWrite(_ c: Other) throws {
        let schema = try AvroSchema(
            """
            {"type":"record","name":"somebodys.Ride","fields":[{"name":"event_timestamp","type":\
            {"type":"long","logicalType":"timestamp-micros"}},{"name":"\(c.field)","type":\(c.type)}]}
            """)
        let reading = try decode([.long(1_705_952_700_000_999), c.value], schema)
        guard let line = encoded(reading.batch).first else {
            #expect(reading.reasons.map(\.rawValue) == [c.outcome])
            #expect(reading.rejects.first?.location.line == 7)
            return
        }
        #expect(line.hasSuffix(#""event_timestamp":"2024-01-22T19:45:00.000Z"}"#))
        let name = c.field.hasSuffix("_cents") ? String(c.field.dropLast(6)) : c.field
        if !c.outcome.isEmpty { #expect(line.contains("\"\(name)\":\(c.outcome),"), "\(line)") }
        // What the record has not is empty.
        #expect(line.components(separatedBy: "null").count - 1 >= 22)
    }

    @Test func takesEventTimesAsTextAndRefusesThoseThatAreNone() throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"event_timestamp","type":["null","string","int"]}]}"#)
        #expect(try decode([.union(1, .string("2024-01-22T13:45:00-06:00"))], schema).eventTime() == 1_705_952_700_000)
        let refused: [(AvroValue, RejectReason)] = [
            (.union(0, .null), .missingEventTime), (.union(1, .string("")), .missingEventTime),
            (.union(1, .string("now")), .badTimestamp),
            (.union(1, .string("1999-12-31T23:59:59Z")), .outOfRange), (.union(2, .int(5)), .schemaMismatch),
        ]
        for (value, reason) in refused { #expect(try decode([value], schema).reasons == [reason], "\(value)") }
    }

    @Test(arguments: [
        #""string""#, #"{"type":"record","name":"R","fields":[{"name":"fare","type":"double"}]}"#,
        #"{"type":"record","name":"R","fields":[{"name":"event_timestamp","type":"long"}]}"#,
        #"{"type":"record","name":"R","fields":[{"name":"event_timestamp","type":"string"},{"name":"fare","type":{"type":"array","items":"int"}}]}"#,
        #"{"type":"record","name":"R","fields":[{"name":"event_timestamp","type":"string"},{"name":"fare","type":"boolean"}]}"#,
    ])
    func refusesSchemasThatAreNoTrips(_ text: String) {
        let problem = #expect(throws: Problem.self) { try TripAvroReader(schema: AvroSchema(text)) }
        #expect(problem?.code == .badData)
    }

    /// Prints the records of a file as JSON lines of ours, and writes them as another one.
    static let copy = """
        import fastavro, json, sys
        text = []
        with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
            reader = fastavro.reader(source)
            records = list(reader)
            fastavro.writer(target, reader.writer_schema, records, codec="snappy", sync_interval=1 << 24)
            for record in records:
                parts = []
                for name, value in record.items():
                    if name == "event_timestamp": value = value.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (value.microsecond // 1000)
                    shown = str(value) if type(value).__name__ == "Decimal" else json.dumps(value, ensure_ascii=False)
                    parts.append(json.dumps(name) + ":" + shown)
                text.append("{" + ",".join(parts) + "}")
        print(json.dumps(text))
        """

    @Test(.enabled(if: Python.hasPeers)) func fastavroReadsOurTripsAndWeReadItsOwn() throws {
        var numbers = SplitMix64(seed: 99)
        let batch = randomBatch(rows: 400, &numbers)
        let (bytes, records) = encode(batch, .decimal)
        let name = FileManager.default.temporaryDirectory.path + "/taxi-avro-\(UUID().uuidString)"
        let (ours, theirs) = (name + ".ours", name + ".theirs")
        defer { for path in [ours, theirs] { try? FileManager.default.removeItem(atPath: path) } }
        var file: [UInt8] = []
        let writer = try AvroFileWriter(schema: TripAvro.schema(money: .decimal), codec: .zstandard) {
            file.append(contentsOf: $0)
        }
        try bytes.withUnsafeBytes { try writer.append($0, count: records.count) }
        try writer.finish()
        try Data(file).write(to: URL(fileURLWithPath: ours))

        let printed = try JSONDecoder().decode([String].self, from: Data(try Python.run(Self.copy, ours, theirs).utf8))
        let theirReading = read(printed.map { Array($0.utf8) })
        #expect(theirReading.rejects.isEmpty, "\(theirReading.rejects.first?.detail ?? "")")
        expectSame(theirReading.batch, batch)

        let content = Array(try Data(contentsOf: URL(fileURLWithPath: theirs)))
        var at = 0
        let reader = try AvroFileReader(name: theirs) { buffer in
            let count = min(buffer.count, content.count - at)
            buffer.copyBytes(from: content[at..<at + count])
            at += count
            return count
        }
        var trips = try TripAvroReader(schema: reader.schema)
        let again = TripBatch(capacity: 400)
        var rejects: [Reject] = []
        let block = try #require(try reader.next())
        try block.bytes.withUnsafeBufferPointer { bytes in
            var input = AvroInput(bytes)
            _ = try trips.decode(
                &input, count: block.count, first: 1, owner: nil, name: "x", into: again, rejects: &rejects)
            #expect(rejects.isEmpty)
            expectSame(again, batch)
        }
    }
}
