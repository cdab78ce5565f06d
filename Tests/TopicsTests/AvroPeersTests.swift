import TestSupport
import Avro
import Foundation
import Problems
import PythonSupport
import SchemaRegistry
import Testing
import Time
import Trips

@testable import Topics

/// fastavro writes what we read, by schemas that others have made of ours, and reads what we write.
@Suite(.enabled(if: Python.hasPeers, "needs fastavro")) struct AvroPeersTests {
    private static let event =
        #"{"name": "event_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}"#
    private static let decimal = #"{"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}"#

    struct Writer: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Its fields, beside the event time.
        var fields: String
        /// A value of theirs, in Python.
        var value: String
        var fare: Int64?
        var company: String?
    }

    static let writers = [
        Writer(
            testDescription: "a field added, in front",
            fields: """
                {"name": "driver", "type": {"type": "map", "values": ["null", "string"]}},
                {"name": "fare", "type": ["null", \(decimal)], "default": null},
                {"name": "company", "type": ["null", "string"], "default": null},
                """, value: #"{"driver": {"a": None, "b": "x"}, "fare": Decimal("12.34"), "company": "Flash Cab"}"#,
            fare: 1234, company: "Flash Cab"),
        Writer(
            testDescription: "a field removed",
            fields: #"{"name": "fare", "type": ["null", \#(decimal)], "default": null},"#,
            value: #"{"fare": Decimal("0.05")}"#, fare: 5, company: nil),
        Writer(
            testDescription: "numbers of other types",
            fields: """
                {"name": "fare", "type": "int"}, {"name": "tips", "type": "float"},
                {"name": "trip_miles", "type": "long"}, {"name": "company", "type": "string"},
                """, value: #"{"fare": 7, "tips": 1.5, "trip_miles": 3, "company": "Ü"}"#, fare: 700, company: "Ü"),
        Writer(
            testDescription: "another scale",
            fields: """
                {"name": "fare", "type": {"type": "fixed", "name": "F", "size": 6, "logicalType": "decimal", "precision": 12, "scale": 4}},
                """, value: #"{"fare": Decimal("-3.2500")}"#, fare: -325, company: nil),
        Writer(
            testDescription: "an alias",
            fields: """
                {"name": "amount", "aliases": ["cost", "fare"], "type": ["null", \(decimal)]},
                {"name": "carrier", "aliases": ["company"], "type": "string"},
                """, value: #"{"amount": Decimal("9.99"), "carrier": "Sun Taxi"}"#, fare: 999, company: "Sun Taxi"),
        Writer(
            testDescription: "the union's order",
            fields: """
                {"name": "fare", "type": [\(decimal), "null"]}, {"name": "company", "type": ["string", "null"]},
                """, value: #"{"fare": Decimal("1.00"), "company": None}"#, fare: 100, company: nil),
    ]

    @Test(arguments: Self.writers) func readsWhatIsWrittenByAnotherSchema(_ writer: Writer) throws {
        let text =
            #"{"type": "record", "name": "Trip", "namespace": "theirs", "fields": [\#(writer.fields) \#(Self.event)]}"#
        let program = """
            import fastavro, io, json, sys
            from datetime import datetime, timezone
            from decimal import Decimal
            schema = fastavro.parse_schema(json.loads(sys.argv[1]))
            value = \(writer.value)
            value["event_timestamp"] = datetime(2024, 1, 22, 19, 45, 0, 123000, tzinfo=timezone.utc)
            out = io.BytesIO()
            fastavro.schemaless_writer(out, schema, value)
            print(out.getvalue().hex())
            """
        let hex = try Python.run(program, text).trimmingCharacters(in: .whitespacesAndNewlines)
        let folder = try TemporaryFolder()
        let registry = LocalRegistry(path: folder("schemas.db"))
        let id = UInt32(try registry.register(text, under: "s").id)
        let body = stride(from: 0, to: hex.count, by: 2).compactMap { start in
            UInt8(hex.dropFirst(start).prefix(2), radix: 16)
        }
        let message = [0] + withUnsafeBytes(of: id.bigEndian) { Array($0) } + body
        var reader = TripValueReader(fields: .all, schemas: SchemaCache(registry, place: "here"))
        let batch = TripBatch(capacity: 1)
        var rejects: [Reject] = []
        try message.withUnsafeBufferPointer { bytes in
            try reader.decode(
                [RecordSlice(offset: 0, length: bytes.count, position: 0)][...], base: bytes.baseAddress!, owner: nil,
                name: "t", into: batch, rejects: &rejects)
            #expect(rejects.map(\.detail) == [])
            try #require(batch.count == 1)
            #expect(batch.column(.fare)[0] == writer.fare ?? nullCell)
            #expect(batch.string(.company, 0) == writer.company)
            #expect(RFC3339.string(batch.eventTimes[0]) == "2024-01-22T19:45:00.123Z")
        }
    }

    /// Ours, read by readers whose schemas have gone on.
    @Test(arguments: TripMoney.allCases) func isReadByOtherSchemas(_ money: TripMoney) throws {
        let batch = TripBatch(capacity: 1)
        batch.count = 1
        batch.fields = [TripFieldSet(.fare), TripFieldSet(.seconds)]
        batch.eventTimes[0] = 1_705_952_700_123
        (batch.column(.fare)[0], batch.column(.seconds)[0]) = (-1205, 600)
        var output = OutputBuffer()
        var offsets: [Int] = []
        [Int32(0)].withUnsafeBufferPointer {
            TripAvro.encode(batch, rows: $0, money: money, schemaID: 7, into: &output, recordOffsets: &offsets)
        }
        let hex = output.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let program = """
            import fastavro, io, json, sys
            written = json.loads(sys.argv[1])
            wanted = json.loads(sys.argv[1])
            bytes_ = bytes.fromhex(sys.argv[2])
            assert bytes_[:5] == b"\\0\\0\\0\\0\\7", bytes_[:5]
            wanted["fields"] = [field for field in wanted["fields"] if field["name"] not in ("tips", "trip_id")]
            for field in wanted["fields"]:
                if field["name"] == "trip_seconds":
                    field["type"] = ["null", "double"]
                    field["name"], field["aliases"] = "duration", ["trip_seconds"]
            wanted["fields"].append({"name": "added", "type": "string", "default": "here"})
            value = fastavro.schemaless_reader(io.BytesIO(bytes_[5:]), written, wanted)
            print(value["duration"], value["added"], value[sys.argv[3]], value["event_timestamp"].isoformat())
            """
        let found = try Python.run(
            program, TripAvro.schema(money: money).text, hex, money.name(of: .fare)
        ).trimmingCharacters(in: .whitespacesAndNewlines)
        let fare = money == .cents ? "-1205" : "-12.05"
        #expect(found == "600.0 here \(fare) 2024-01-22T19:45:00.123000+00:00")
    }
}
