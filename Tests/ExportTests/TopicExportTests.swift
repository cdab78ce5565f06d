import Avro
import Foundation
import Problems
import PythonSupport
import Testing
import Topics
import Time
import Trips

@testable import Export

/// A topic store in a folder of its own, gone with the value.
final class TestStore: Sendable {
    let folder: String
    let store: EmbeddedTopicStore

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/taxi-export-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        store = try EmbeddedTopicStore(path: "\(folder)/topics.db")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func append(_ batches: PendingBatch?..., to topic: String, partitions: Int = 1) throws {
        try store.createTopic(topic, partitions: partitions)
        let writer = try store.makeWriter()
        for case let batch? in batches { try writer.append([batch], mark: nil) }
    }

    func export(
        _ topic: String, partition: Int? = nil, from: Int64? = nil, limit: Int64? = nil,
        as shape: ExportShape.Name? = nil
    ) throws -> TopicExport {
        let reader = try store.makeReader(topic: topic)
        return TopicExport(
            reader, try ExportSelection(reader, partition: partition, from: from, limit: limit), as: shape)
    }
}

extension TopicExport {
    /// The whole output, and what was said of it.
    func bytes(_ format: Format, money: TripMoney = .decimal) throws -> (bytes: [UInt8], summary: Summary) {
        var bytes: [UInt8] = []
        let summary = try write(format, money: money) {
            bytes.append(contentsOf: $0)
        } progress: { _ in
        }
        return (bytes, summary)
    }

    func text(_ format: Format, money: TripMoney = .decimal) throws -> String {
        String(decoding: try bytes(format, money: money).bytes, as: UTF8.self)
    }

    func values(money: TripMoney = .decimal) throws -> (schema: AvroSchema, values: [AvroValue]) {
        let content = try bytes(.avro, money: money).bytes
        var at = 0
        let reader = try AvroFileReader(name: "export") { buffer in
            let count = min(buffer.count, content.count - at)
            buffer.copyBytes(from: content[at..<at + count])
            at += count
            return count
        }
        let plan = try AvroPlan(reader.schema)
        var values: [AvroValue] = []
        while let block = try reader.next() {
            try block.bytes.withUnsafeBufferPointer { bytes in
                var input = AvroInput(bytes)
                for _ in 0..<block.count { values.append(try plan.value(&input)) }
            }
        }
        return (reader.schema, values)
    }
}

/// RFC 4180, slow and plain to see: nil for a field that is empty and not in quotes.
func csvRows(_ text: String) -> [[String?]] {
    var (rows, row, field, isQuoted): ([[String?]], [String?], String?, Bool) = ([], [], nil, false)
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
        switch (isQuoted, scalar) {
        case (true, "\"") where scalars.first == "\"": field?.unicodeScalars.append(scalars.removeFirst())
        case (true, "\""): isQuoted = false
        case (false, "\""): (isQuoted, field) = (true, field ?? "")
        case (false, ","):
            row.append(field)
            field = nil
        case (false, "\r") where scalars.first == "\n":
            scalars.removeFirst()
            rows.append(row + [field])
            (row, field) = ([], nil)
        default:
            if field == nil { field = "" }
            field?.unicodeScalars.append(scalar)
        }
    }
    return rows
}

func object(_ text: String, at time: EventTime = 1_705_952_700_000, headers: [TopicRecord.Header] = []) -> TopicRecord {
    TopicRecord(key: Array("k".utf8), value: Array(text.utf8), headers: headers, timestamp: time)
}

@Suite struct TopicExportTests {
    let test: TestStore
    init() throws { test = try TestStore() }

    /// Trips as JSON: with texts that CSV has to quote, a formula, an empty field, and digits of their own.
    private static let trips = [
        #"{"trip_id":"a1","taxi_id":"t","trip_start_timestamp":"01/22/2024 01:45:00 PM","trip_miles":1.50,"fare":9.45,"tips":-0.05,"company":"Cab \"5\", Inc","event_timestamp":"2024-01-22T19:45:00.000Z"}"#,
        #"{"trip_id":"a2","taxi_id":null,"trip_seconds":720,"pickup_community_area":8,"fare":10,"company":"=1+1","pickup_centroid_latitude":41.8996021110,"event_timestamp":"2024-01-22T19:45:00.123Z"}"#,
    ]

    /// The same as columns.
    private func columns(_ lines: [String], topic: String = "t", partition: Int = 0) throws -> PendingBatch {
        let batch = TripBatch(capacity: lines.count)
        var reader = TripJSONReader(fields: .all)
        var rejects: [Reject] = []
        var (bytes, slices): ([UInt8], [RecordSlice]) = ([], [])
        for line in lines {
            slices.append(RecordSlice(offset: bytes.count, length: line.utf8.count, position: 0))
            bytes += line.utf8
        }
        let payload = bytes.withUnsafeBufferPointer { bytes -> [UInt8] in
            _ = reader.decode(
                slices[...], base: bytes.baseAddress!, owner: nil, name: "x", into: batch, rejects: &rejects)
            var encoder = TripColumnsEncoder()
            return encoder.encode(batch)
        }
        #expect(rejects.isEmpty)
        let times = (0..<batch.count).map { batch.eventTimes[$0] }
        return PendingBatch(
            topic: topic, partition: partition, count: batch.count, times: times.min()!...times.max()!,
            encoding: .trips, payload: payload)
    }

    private func records(_ lines: [String], topic: String = "t", partition: Int = 0) -> PendingBatch? {
        PendingBatch(topic: topic, partition: partition, records: lines.map { object($0) })
    }

    /// Trips are trips, whether the store keeps columns or, as Kafka does, JSON.
    @Test(arguments: [true, false]) func writesTrips(asColumns: Bool) throws {
        try test.append(asColumns ? columns(Self.trips) : records(Self.trips), to: "t")
        let export = try test.export("t")
        let rows = csvRows(try export.text(.csv))
        #expect(rows.count == 3)
        let names = rows[0].compactMap { $0 }
        #expect(names == TripField.allCases.map(\.name) + ["event_timestamp"])
        func row(_ index: Int) -> [String: String] {
            Dictionary(
                uniqueKeysWithValues: zip(names, rows[index]).compactMap { name, value in value.map { (name, $0) } })
        }
        #expect(
            row(1) == [
                "trip_id": "a1", "taxi_id": "t", "trip_start_timestamp": "01/22/2024 01:45:00 PM", "trip_miles": "1.50",
                "fare": "9.45", "tips": "-0.05", "company": "Cab \"5\", Inc",
                "event_timestamp": "2024-01-22T19:45:00.000Z",
            ])
        #expect(
            row(2) == [
                "trip_id": "a2", "trip_seconds": "720", "pickup_community_area": "8", "fare": "10.00",
                "company": "'=1+1",
                "pickup_centroid_latitude": "41.8996021110", "event_timestamp": "2024-01-22T19:45:00.123Z",
            ])
        let lines = try export.text(.jsonl).split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[1].contains(#""fare":10.00,"tips":null"#) && lines[1].contains(#""company":"=1+1""#))
        let (schema, values) = try export.values()
        #expect(schema == TripAvro.schema(money: .decimal))
        guard case .record(let fields) = values[0] else { return #expect(Bool(false)) }
        #expect(fields[Int(TripField.fare.rawValue)] == .union(1, .bytes([0x03, 0xb1])))
        #expect(fields.last == .long(1_705_952_700_000))
        #expect(try export.bytes(.csv).summary == .init(rows: 2, shape: .trips))
    }

    @Test func writesMoneyInCents() throws {
        try test.append(columns(Self.trips), to: "t")
        let export = try test.export("t")
        let rows = csvRows(try export.text(.csv, money: .cents))
        #expect(rows[0][10...14] == ["fare_cents", "tips_cents", "tolls_cents", "extras_cents", "trip_total_cents"])
        #expect(rows[1][10...14] == ["945", "-5", nil, nil, nil])
        #expect(
            try export.text(.jsonl, money: .cents).contains(#""fare_cents":945,"tips_cents":-5,"tolls_cents":null,"#))
        let (schema, values) = try export.values(money: .cents)
        #expect(schema.fields[10].name == "fare_cents")
        guard case .record(let fields) = values[0] else { return #expect(Bool(false)) }
        #expect(fields[10] == .union(1, .long(945)))
    }

    @Test func writesObjectsAColumnAField() throws {
        try test.append(
            records([
                #"{"window":{"start":"a","end":"b"},"n":1,"x":1,"ok":true,"s":"","mixed":1}"#,
                #"{"n":null,"window":{"end":"c","start":"d"},"x":2.5,"list":[1, 2],"mixed":"text"}"#,
            ]),
            records([#"{"late":{"a":{"b":1}},"é \"q\"":9007199254740993,"s":"v, w","huge":123456789012345678901}"#]),
            to: "t")
        let export = try test.export("t")
        let rows = csvRows(try export.text(.csv))
        #expect(
            rows[0] == [
                "window_start", "window_end", "n", "x", "ok", "s", "mixed", "list", "late_a", "é \"q\"", "huge",
            ])
        #expect(rows[1] == ["a", "b", "1", "1", "true", "", "1", nil, nil, nil, nil])
        #expect(rows[2] == ["d", "c", nil, "2.5", nil, nil, "text", "[1, 2]", nil, nil, nil])
        #expect(
            rows[3] == [
                nil, nil, nil, nil, nil, "v, w", nil, nil, #"{"b":1}"#, "9007199254740993", "123456789012345678901",
            ])
        let (schema, values) = try export.values()
        #expect(schema.fields.map(\.name)[9] == "____q_")
        #expect(
            schema.fields.map { schema.branches(of: $0.type)[1].kind.word } == [
                "string", "string", "long", "double", "boolean", "string", "string", "string", "string", "long",
                "double",
            ])
        #expect(
            values[0]
                == .record(
                    [
                        .union(1, .string("a")), .union(1, .string("b")), .union(1, .long(1)), .union(1, .double(1)),
                        .union(1, .boolean(true)), .union(1, .string("")), .union(1, .string("1")),
                    ] + Array(repeating: .union(0, .null), count: 4)))
        #expect(try export.bytes(.jsonl).summary == .init(rows: 3, shape: .objects))
        #expect(throws: Problem.self) { try export.text(.csv, money: .cents) }
    }

    @Test func keepsFieldsApartThatComeToOneName() throws {
        try test.append(records([#"{"a_b":1,"a":{"b":2},"A_B":3}"#]), to: "t")
        #expect(csvRows(try test.export("t").text(.csv)) == [["a_b", "a_b_2", "A_B_3"], ["1", "2", "3"]])
    }

    @Test func writesRecordsAsTheyAreWhereTheyHaveHeadersOrAreNoObjects() throws {
        let headers = [
            TopicRecord.Header(name: "reason", value: Array("bad_money".utf8)), .init(name: "none", value: nil),
        ]
        try test.append(
            PendingBatch(
                topic: "t", partition: 0,
                records: [
                    object(#"{"a":1}"#), object("x,\"y\"", headers: headers),
                    TopicRecord(key: nil, value: nil, timestamp: 1_705_952_700_001),
                    TopicRecord(key: [0xff], value: [], timestamp: 1_705_952_700_002),
                ]), to: "t")
        let export = try test.export("t")
        #expect(
            csvRows(try export.text(.csv)) == [
                ["partition", "offset", "timestamp", "key", "headers", "value"],
                ["0", "0", "2024-01-22T19:45:00.000Z", "k", nil, #"{"a":1}"#],
                ["0", "1", "2024-01-22T19:45:00.000Z", "k", #"{"reason":"bad_money","none":null}"#, "x,\"y\""],
                ["0", "2", "2024-01-22T19:45:00.001Z", nil, nil, nil],
                ["0", "3", "2024-01-22T19:45:00.002Z", #"{"base64":"/w=="}"#, nil, ""],
            ])
        #expect(
            try export.text(.jsonl).split(separator: "\n")[1].hasSuffix(
                #""headers":{"reason":"bad_money","none":null},"value":"x,\"y\""}"#))
        let values = try export.values().values
        #expect(
            values[1]
                == .record([
                    .int(0), .long(1), .long(1_705_952_700_000), .union(1, .bytes([0x6b])),
                    .array([
                        .record([.string("reason"), .union(1, .bytes(Array("bad_money".utf8)))]),
                        .record([.string("none"), .union(0, .null)]),
                    ]),
                    .union(1, .bytes(Array("x,\"y\"".utf8))),
                ]))
        #expect(
            values[2]
                == .record([
                    .int(0), .long(2), .long(1_705_952_700_001), .union(0, .null), .array([]), .union(0, .null),
                ]))
    }

    @Test func takesWhatIsAskedForOrSaysWhyNot() throws {
        try test.append(records([Self.trips[0], #"{"a":1}"#, "no object"]), to: "t")
        #expect(try test.export("t").bytes(.csv).summary.shape == .records)
        let trips = try test.export("t", as: .trips).bytes(.csv).summary
        #expect(trips.rows == 1)
        #expect(trips.rejected == [.missingEventTime: 1, .malformedJSON: 1])
        let problem = #expect(throws: Problem.self) { try test.export("t", as: .objects).text(.csv) }
        #expect(problem?.message == "the record at offset 2 of partition 0 is no JSON object")
        #expect(csvRows(try test.export("t", limit: 2, as: .objects).text(.csv)).count == 3)
        #expect(try test.export("t", limit: 1).bytes(.csv).summary.shape == .trips)
    }

    @Test func refusesTablesThatNobodyCouldRead() throws {
        try test.append(records((0..<1100).map { #"{"f\#($0)":1}"# }), to: "t")
        let problem = #expect(throws: Problem.self) { try test.export("t").text(.csv) }
        #expect(problem?.hint?.contains("--as records") == true)
        #expect(try test.export("t", as: .records).bytes(.csv).summary.rows == 1100)
    }

    @Test func choosesPartitionsOffsetsAndNumbers() throws {
        func lines(_ numbers: Range<Int>, _ partition: Int) -> PendingBatch? {
            records(numbers.map { #"{"n":\#($0)}"# }, partition: partition)
        }
        try test.append(lines(0..<3, 0), lines(10..<14, 1), lines(3..<6, 0), to: "t", partitions: 3)
        func numbers(_ partition: Int? = nil, _ from: Int64? = nil, _ limit: Int64? = nil) throws -> [String] {
            csvRows(try test.export("t", partition: partition, from: from, limit: limit, as: .objects).text(.csv))
                .dropFirst().compactMap { $0.first ?? nil }
        }
        #expect(try numbers() == ["0", "1", "2", "3", "4", "5", "10", "11", "12", "13"])
        #expect(try numbers(0, 2, 2) == ["2", "3"])
        #expect(try numbers(1, 3) == ["13"])
        #expect(try numbers(1, 99) == [])
        #expect(try numbers(nil, nil, 7) == ["0", "1", "2", "3", "4", "5", "10"])
        #expect(try numbers(nil, nil, 0) == [])
        #expect(throws: Problem.self) { try numbers(nil, 3) }
        #expect(throws: Problem.self) { try numbers(3) }
    }

    @Test func ofNothingWritesTheHeading() throws {
        try test.append(to: "chicago_ingestData")
        try test.append(to: "other")
        #expect(csvRows(try test.export("chicago_ingestData").text(.csv)).map(\.count) == [24])
        #expect(csvRows(try test.export("other").text(.csv)).map(\.count) == [6])
        #expect(try test.export("other").text(.jsonl) == "")
        #expect(try test.export("chicago_ingestData").values().values.isEmpty)
    }

    @Test func endsWhereTheTopicEndedWhenItBeganAndWhenItIsStopped() throws {
        try test.append(records([#"{"n":1}"#]), to: "t")
        let export = try test.export("t")
        try test.append(records([#"{"n":2}"#]), to: "t")
        #expect(csvRows(try export.text(.csv)).count == 2)
        #expect(throws: TopicExport.Stopped.self) {
            try export.write(.csv, money: .decimal) { _ in
            } progress: {
                if $0 > 0 { throw TopicExport.Stopped() }
            }
        }
    }

    /// Each format holds the same, however many batches and pieces it is made of.
    @Test func allFormatsHoldTheSame() throws {
        let lines = (0..<6000).map {
            #"{"id":\#($0),"text":"number \#($0 % 977), \#(String(repeating: "x", count: $0 % 50))"}"#
        }
        for start in stride(from: 0, to: lines.count, by: 1700) {
            try test.append(records(Array(lines[start..<min(start + 1700, lines.count)])), to: "t")
        }
        let export = try test.export("t")
        #expect(try export.text(.jsonl) == lines.joined(separator: "\n") + "\n")
        let rows = csvRows(try export.text(.csv)).dropFirst()
        let values = try export.values().values
        #expect(rows.count == lines.count && values.count == lines.count)
        for (index, (row, value)) in zip(rows, values).enumerated() {
            #expect(row[0] == "\(index)" && lines[index].contains("\"\(row[1] ?? "")\""))
            #expect(value == .record([.union(1, .long(Int64(index))), .union(1, .string(row[1] ?? ""))]))
        }
    }
}

/// What DuckDB makes of the rows, by the program and by Python's module.
@Suite(.enabled(if: Python.hasPeers)) struct ParquetTests {
    @Test func duckDBWritesWhatWasGiven() throws {
        let folder = try #require(Python.folder)
        let test = try TestStore()
        let lines = [
            #"{"a":1,"b":2.5,"c":true,"d":"x, \"y\"","e":"=1"}"#, #"{"a":null,"d":"","e":"line\nbreak"}"#,
        ]
        try test.append(PendingBatch(topic: "t", partition: 0, records: lines.map { object($0) }), to: "t")
        try test.append(
            PendingBatch(topic: "d", partition: 0, records: [object("7", headers: [.init(name: "h", value: [0xff])])]),
            to: "d")
        for engine in [
            ParquetEngine(kind: .program, command: "\(folder)/duckdb"),
            ParquetEngine(kind: .python, command: "\(folder)/python3"),
        ] {
            for (topic, expected) in [
                ("t", #"[[1,2.5,true,"x, \"y\"","=1"],[null,null,null,"","line\nbreak"]]"#),
                ("d", #"[[0,0,1705952700000,"k","{\"h\":{\"base64\":\"/w==\"}}","7"]]"#),
            ] {
                let path = "\(test.folder)/\(topic).parquet"
                let target = try FileReplacement(path)
                let summary = try test.export(topic).writeParquet(engine, money: .decimal, to: target) { _ in }
                #expect(!FileManager.default.fileExists(atPath: path))
                try target.finish()
                let query =
                    """
                    import duckdb, json, sys
                    at = "epoch_ms(timestamp) AS timestamp" if sys.argv[2] == "d" else "a AS a"
                    rows = duckdb.sql("SELECT * REPLACE (%s) FROM read_parquet('%s')" % (at, sys.argv[1])).fetchall()
                    print(json.dumps(rows, separators=(",", ":")))
                    """
                #expect(try Python.run(query, path, topic).trimmingCharacters(in: .newlines) == expected)
                #expect(summary.rows == (topic == "t" ? 2 : 1))
                try FileManager.default.removeItem(atPath: path)
            }
        }
    }
}
