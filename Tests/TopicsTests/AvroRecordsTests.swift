import TestSupport
import Basics
import Avro
import Foundation
import Problems
import SchemaRegistry
import Testing
import Time
import Trips

@testable import Topics

/// A registry in a folder, and a topic whose records name its schemas.
private final class Bench {
    let folder = try! TemporaryFolder()
    let registry: LocalRegistry
    let schemas: SchemaCache
    let store: EmbeddedTopicStore

    init() throws {
        registry = LocalRegistry(path: folder("schemas.db"))
        schemas = SchemaCache(registry, place: "the registry of the test")
        store = try EmbeddedTopicStore(path: folder("topics.db"), schemas: schemas)
    }

    func register(_ text: String, under subject: String = "s") throws -> UInt32 {
        UInt32(try registry.register(text, under: subject).id)
    }

    /// A message of a value of a schema.
    static func message(_ id: UInt32, _ text: String, _ value: AvroValue) throws -> [UInt8] {
        var body: [UInt8] = []
        try value.encode(as: AvroSchema(text), into: &body)
        return frame(id) + body
    }

    static func frame(_ id: UInt32) -> [UInt8] { [0] + withUnsafeBytes(of: id.bigEndian) { Array($0) } }

    func append(_ values: [[UInt8]?], to topic: String, partitions: Int = 1) throws {
        try store.createTopic(topic, partitions: partitions)
        let records = values.map { TopicRecord(key: nil, value: $0, timestamp: 1000) }
        try store.makeWriter().append(
            [PendingBatch(topic: topic, partition: 0, records: records)!], mark: nil)
    }
}

private func decode(
    _ values: [[UInt8]], _ schemas: SchemaCache?, fields: TripFieldSet = .all
) throws -> (fares: [Int64], positions: [Int64], rejects: [Reject]) {
    var reader = TripValueReader(fields: fields, schemas: schemas)
    let block = values.flatMap { $0 }
    var (slices, offset): ([RecordSlice], Int) = ([], 0)
    for (index, value) in values.enumerated() {
        slices.append(RecordSlice(offset: offset, length: value.count, position: Int64(index)))
        offset += value.count
    }
    let batch = TripBatch(capacity: max(1, values.count))
    var rejects: [Reject] = []
    try block.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress else { return }
        try reader.decode(slices[...], base: base, owner: nil, name: "t/0", into: batch, rejects: &rejects)
    }
    return (
        (0..<batch.count).map { batch.column(.fare)[$0] }, (0..<batch.count).map { batch.positions[$0] }, rejects
    )
}

@Suite struct TripValueReaderTests {
    private static let trip = #"""
        {"type":"record","name":"Ride","fields":[{"name":"fare_cents","type":"long"},\#
        {"name":"event_timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}]}
        """#
    private static func ride(_ id: UInt32, _ cents: Int64) throws -> [UInt8] {
        try Bench.message(id, trip, .record([.long(cents), .long(1_700_000_000_000)]))
    }
    private static func json(_ dollars: Int) -> [UInt8] {
        Array(#"{"fare":\#(dollars).00,"event_timestamp":"2024-01-22T19:45:00.000Z"}"#.utf8)
    }

    @Test func tellsEachRecordByItsFirstByte() throws {
        let bench = try Bench()
        let id = try bench.register(Self.trip)
        let values = try (0..<600).map { index in
            index % 7 < 3 ? try Self.ride(id, Int64(index * 100)) : Self.json(index)
        }
        let found = try decode(values, bench.schemas)
        #expect(found.rejects.isEmpty)
        #expect(found.fares == (0..<600).map { $0 * 100 })
        #expect(found.positions == Array(0..<600))
    }

    @Test func setsAsideWhatNobodyRegisteredAndWhatIsNoTrip() throws {
        let bench = try Bench()
        let id = try bench.register(Self.trip)
        let other = try bench.register(
            #"{"type":"record","name":"O","fields":[{"name":"x","type":"int"}]}"#, under: "o")
        let good = try Self.ride(id, 5)
        let values = [
            good, Bench.frame(77) + [2, 4], Bench.frame(other) + [2], Bench.frame(id) + [2],
            good + [0], Bench.frame(.max) + [1], [0, 0, 0], [], good,
        ]
        let found = try decode(values, bench.schemas)
        #expect(found.fares == [5, 5])
        #expect(found.positions == [0, 8])
        #expect(
            found.rejects.map(\.reason) == [
                .unknownSchema, .schemaMismatch, .schemaMismatch, .schemaMismatch, .unknownSchema, .schemaMismatch,
                .malformedJSON,
            ])
        #expect(found.rejects.map(\.location.line) == Array(1...7))
        #expect(found.rejects[0].detail == "schema 77 is not in the registry of the test")
        #expect(found.rejects[1].detail.contains("no field \"event_timestamp\""))
        #expect(found.rejects[0].bytes == values[1])
        let without = try decode([good], nil)
        #expect(without.rejects.map(\.reason) == [.unknownSchema])
    }

    /// A schema that is registered after its first record was met is found by the next batch.
    @Test func looksAgainForWhatWasUnknown() throws {
        let bench = try Bench()
        var reader = TripValueReader(fields: .all, schemas: bench.schemas)
        let bytes = try Self.ride(1, 300)
        let batch = TripBatch(capacity: 4)
        var rejects: [Reject] = []
        func read() throws {
            try bytes.withUnsafeBufferPointer { bytes in
                batch.reset()
                try reader.decode(
                    [RecordSlice(offset: 0, length: bytes.count, position: 0)][...], base: bytes.baseAddress!,
                    owner: nil, name: "t", into: batch, rejects: &rejects)
            }
        }
        try read()
        #expect(batch.count == 0 && rejects.map(\.reason) == [.unknownSchema])
        #expect(try bench.register(Self.trip) == 1)
        try read()
        #expect(batch.count == 1 && rejects.count == 1)
    }

    private final class Away: SchemaRegistry {
        private func away() -> Problem { Problem(.unavailable, "nobody answers") }
        func register(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema { throw away() }
        func find(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema? { throw away() }
        func schema(id: Int32) throws(Problem) -> String? { throw away() }
        func latest(of subject: String) throws(Problem) -> RegisteredSchema? { throw away() }
        func incompatibilities(of schema: String, under subject: String) throws(Problem) -> [String] { throw away() }
    }

    @Test func doesNotTakeARegistryThatIsAwayForABadRecord() throws {
        let schemas = SchemaCache(Away(), place: "nowhere")
        let problem = #expect(throws: Problem.self) { try decode([try Self.ride(1, 1)], schemas) }
        #expect(problem?.code == .unavailable)
        #expect(try decode([Self.json(3)], schemas).fares == [300])
    }

    @Test func readsARenamedFieldByItsAlias() throws {
        let bench = try Bench()
        let text = #"""
            {"type":"record","name":"R","fields":[{"name":"amount","aliases":["fare"],"type":["null","double"]},\#
            {"name":"extra","type":{"type":"array","items":"string"}},\#
            {"name":"event_timestamp","type":["string","null"]}]}
            """#
        let id = try bench.register(text)
        let value = AvroValue.record([
            .union(1, .double(12.5)), .array([.string("a")]), .union(0, .string("2024-01-22T19:45:00Z")),
        ])
        #expect(try decode([Bench.message(id, text, value)], bench.schemas).fares == [1250])
    }

    /// Whatever happens to the bytes: each record is a trip, or is set aside with its bytes; none goes away, nothing traps.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func survivesDamagedRecords(_ seed: UInt64) throws {
        let bench = try Bench()
        let ids = [
            try bench.register(TripAvro.schema(money: .decimal).text),
            try bench.register(TripAvro.schema(money: .cents).text),
        ]
        var random = SplitMix64(seed: seed)
        let batch = TripBatch(capacity: 64)
        let text = "2024-01-22T19:45:00.000Z"
        batch.count = 64
        batch.fields = [TripFieldSet(.fare), TripFieldSet(.seconds), TripFieldSet(.miles)]
        for row in 0..<64 {
            batch.eventTimes[row] = RFC3339.parse(text)! + Int64(row)
            batch.column(.fare)[row] = Int64.random(in: -5000...500_000, using: &random)
            batch.column(.seconds)[row] = Int64.random(in: 0...9000, using: &random)
            batch.column(.miles)[row] = nullCell
        }
        var (good, offsets): ([[UInt8]], [Int]) = ([], [])
        for (id, money) in zip(ids, TripMoney.allCases) {
            var output = OutputBuffer()
            let rows = (0..<64).map(Int32.init)
            rows.withUnsafeBufferPointer {
                TripAvro.encode(batch, rows: $0, money: money, schemaID: id, into: &output, recordOffsets: &offsets)
            }
            good += (0..<64).map { Array(output.bytes[offsets[$0]..<offsets[$0 + 1]]) }
        }
        let whole = try decode(good, bench.schemas)
        #expect(whole.rejects.isEmpty && whole.fares.count == 128)
        for _ in 0..<50 {
            let damaged = (0..<500).map { _ in Self.damage(good.randomElement(using: &random)!, &random) }
            let found = try decode(damaged, bench.schemas)
            #expect(found.fares.count + found.rejects.count == damaged.count)
            let places = Set(found.positions).union(found.rejects.map { Int64($0.location.line) })
            #expect(places.count == damaged.count)
            for reject in found.rejects {
                #expect(reject.bytes == damaged[reject.location.line])
                #expect(!reject.detail.isEmpty)
            }
            // What is still a trip has the bytes of one: they mean the same when they are shown.
            for position in found.positions {
                let value = damaged[Int(position)]
                guard value.first == 0 else { continue }
                let stored = StoredBatch(
                    PendingBatch(
                        topic: "t", partition: 0, records: [TopicRecord(key: nil, value: value, timestamp: 0)])!)
                let shown = BatchRecords(schemas: bench.schemas)
                try shown.load(stored)
                #expect(shown.withValue(0) { $0?.first } == UInt8(ascii: "{"))
            }
        }
    }

    private static func damage(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var bytes = bytes
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
        case 2: bytes.append(UInt8.random(in: 0...255, using: &random))
        case 3: bytes.remove(at: Int.random(in: 0..<bytes.count, using: &random))
        default:
            bytes =
                Bench.frame(UInt32.random(in: 1...2, using: &random))
                + (0..<Int.random(in: 0..<120, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        return bytes
    }
}

@Suite struct FramedJSONTests {
    private static let schema = #"""
        {"type":"record","name":"All","fields":[{"name":"b","type":"boolean"},{"name":"i","type":"int"},\#
        {"name":"d","type":{"type":"int","logicalType":"date"}},\#
        {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}},\#
        {"name":"u","type":{"type":"long","logicalType":"timestamp-micros"}},\#
        {"name":"m","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},\#
        {"name":"x","type":"bytes"},{"name":"f","type":"double"},\#
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},\#
        {"name":"a","type":{"type":"array","items":["null","string"]}},\#
        {"name":"o","type":{"type":"map","values":{"type":"array","items":"int"}}},\#
        {"name":"n","type":["null",{"type":"record","name":"In","fields":[{"name":"s","type":"string"}]}]}]}
        """#

    @Test func showsEachTypeAsPeopleReadIt() throws {
        let bench = try Bench()
        let id = try bench.register(Self.schema)
        let value = AvroValue.record([
            .boolean(true), .int(-3), .int(19744), .long(1_705_952_700_000), .long(-1),
            .bytes([0xff, 0x85]), .bytes([0, 255]), .double(1.5), .enumeration(1),
            .array([.union(0, .null), .union(1, .string("q\"\n"))]),
            .map([.init("k", .array([.int(1), .int(2)])), .init("l", .array([]))]),
            .union(1, .record([.string("in")])),
        ])
        try bench.append(
            [try Bench.message(id, Self.schema, value), Bench.frame(9) + [1], Array("plain".utf8), nil], to: "t")
        let reader = try bench.store.makeReader(topic: "t")
        let records = BatchRecords(schemas: reader.schemas)
        try records.load(#require(try reader.read(partition: 0, from: 0)))
        func text(_ index: Int) -> String? {
            records.withValue(index) { $0.map { String(decoding: $0, as: UTF8.self) } }
        }
        #expect(
            text(0)
                == #"{"b":true,"i":-3,"d":"2024-01-22","t":"2024-01-22T19:45:00.000Z","u":"1969-12-31T23:59:59.999999Z","m":-1.23,"x":{"base64":"AP8="},"f":1.5,"e":"B","a":[null,"q\"\n"],"o":{"k":[1,2],"l":[]},"n":{"s":"in"}}"#
        )
        // What nobody can read stays as it came.
        #expect(records.record(1).value == Bench.frame(9) + [1])
        #expect(text(2) == "plain")
        #expect(records.record(3).value == nil)
        let raw = BatchRecords()
        try raw.load(#require(try reader.read(partition: 0, from: 0)))
        #expect(raw.record(0).value?.first == 0)
    }
}

@Suite struct SchemaTrialTests {
    private static let event = #"{"name":"event_timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}"#
    private static func trip(_ fields: String) -> String {
        #"{"type":"record","name":"Trip","namespace":"taxi","fields":[\#(fields)\#(event)]}"#
    }
    private static func json(_ fare: String) -> [UInt8] {
        Array(#"{"fare":\#(fare),"event_timestamp":"2024-01-22T19:45:00.000Z"}"#.utf8)
    }

    private func run(_ schema: String, on topic: String, _ bench: Bench, limit: Int = 10) throws -> SchemaTrial.Outcome
    {
        try SchemaTrial(AvroSchema(schema), on: bench.store.makeReader(topic: topic), limit: limit).run()
    }

    @Test func saysWhichRecordsOfWhichWriterCannotBeRead() throws {
        let bench = try Bench()
        let first = Self.trip(#"{"name":"fare","type":["null","double"]},"#)
        let second = Self.trip(#"{"name":"fare","type":"double"},{"name":"tips","type":"double"},"#)
        let (a, b) = (try bench.register(first, under: "a"), try bench.register(second, under: "b"))
        let values = [
            try Bench.message(a, first, .record([.union(1, .double(1)), .long(1)])),
            try Bench.message(b, second, .record([.double(1), .double(2), .long(1)])),
            try Bench.message(a, first, .record([.union(0, .null), .long(1)])),
            Bench.frame(99) + [1], Bench.frame(b) + [1],
        ]
        try bench.append(values, to: "x_ingestData", partitions: 2)
        // What both have, and may be missing.
        let loose = try run(Self.trip(#"{"name":"fare","type":["null","double"]},"#), on: "x_ingestData", bench)
        #expect(loose.records == 5 && loose.failed == 2)
        #expect(loose.first.map(\.offset) == [3, 4])
        #expect(loose.first[0].reason == "schema 99 is not in the registry of the test")
        // One that wants what the first writer has no value for.
        let strict = try run(second, on: "x_ingestData", bench, limit: 1)
        #expect(strict.records == 5 && strict.failed == 4)
        #expect(strict.first.map(\.offset) == [0])
        #expect(strict.first[0].reason.contains("tips"))
        let other = try run(Self.trip(#"{"name":"fare","type":"double"},"#), on: "x_ingestData", bench)
        #expect(other.first.map(\.offset) == [2, 3, 4])
    }

    @Test func takesTripsInJSONForTaxiTrip() throws {
        let bench = try Bench()
        let values = [Self.json("1.50"), Self.json("null"), Array("{".utf8), Self.json("2")]
        try bench.append(values, to: "x_ingestData")
        let decimal = #"{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}"#
        #expect(
            try run(Self.trip(#"{"name":"fare","type":["null",\#(decimal)]},"#), on: "x_ingestData", bench).first
                .map(\.offset) == [2])
        let strict = try run(Self.trip(#"{"name":"fare","type":\#(decimal)},"#), on: "x_ingestData", bench)
        #expect(strict.records == 4 && strict.failed == 2 && strict.first.map(\.offset) == [1, 2])
        let cents = try run(Self.trip(#"{"name":"fare_cents","type":["null","long"]},"#), on: "x_ingestData", bench)
        #expect(cents.failed == 1)
        // JSON of other topics is nobody's record.
        try bench.append(values, to: "other")
        #expect(try run(Self.trip(""), on: "other", bench) == SchemaTrial.Outcome(leftOut: 4))
    }
}
