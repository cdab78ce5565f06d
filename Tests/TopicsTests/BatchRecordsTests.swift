import Problems
import Testing
import Time
import Trips

@testable import Topics

@Suite struct BatchRecordsTests {
    @Test func givesRecordsBackAsTheyWere() throws {
        let records = [
            TopicRecord(key: nil, value: nil, timestamp: -5), TopicRecord(key: [], value: [], timestamp: 0),
            TopicRecord(key: [1, 255], value: [0, 10], headers: [.init(name: "a", value: [2])], timestamp: 7),
        ]
        #expect(try stored(records).records() == records)
    }

    @Test func turnsTripsIntoJSONKeyedByTaxi() throws {
        let records = try storedTrips(3).records()
        #expect(records.map { $0.key.map { String(decoding: $0, as: UTF8.self) } } == ["taxi0", "taxi1", nil])
        #expect(records.map(\.timestamp) == [1000, 2000, 3000])
        let text = String(decoding: records[1].value ?? [], as: UTF8.self)
        #expect(text.hasPrefix(#"{"trip_id":null,"taxi_id":"taxi1","#))
        #expect(text.contains(#""fare":1.25,"#))
        #expect(text.hasSuffix(#""event_timestamp":"1970-01-01T00:00:02.000Z"}"#))
    }

    @Test func turnsResultsIntoMessagesWithoutKey() throws {
        let records = try storedResults(starts: [0, 5000], counts: [3, -7]).records()
        #expect(records.map(\.key) == [nil, nil])
        #expect(records.map(\.timestamp) == [0, 5000])
        #expect(
            records.map { String(decoding: $0.value ?? [], as: UTF8.self) } == [
                #"{"window":{"start":"1969-12-31T18:00:00.000-06:00","end":"1969-12-31T18:00:05.000-06:00"},"count":3}"#,
                #"{"window":{"start":"1969-12-31T18:00:05.000-06:00","end":"1969-12-31T18:00:10.000-06:00"},"count":-7}"#,
            ])
    }

    @Test(arguments: [
        (value: Int64(0), decimals: 2, text: "0"), (24200, 2, "242"), (4660, 2, "46.6"), (35_046_695, 2, "350466.95"),
        (-5, 2, "-0.05"), (-1050, 2, "-10.5"), (7, 0, "7"), (Int64.max, 6, "9223372036854.775807"),
        (Int64.min + 1, 2, "-92233720368547758.07"),
    ]) func writesNumbersWithoutNeedlessZeros(_ c: (value: Int64, decimals: Int, text: String)) {
        var column = ResultColumns.Column(name: "n", kind: .number, decimals: c.decimals)
        column.cells = [c.value]
        var out = OutputBuffer()
        ResultColumns(columns: [column]).appendJSON(row: 0, to: &out)
        #expect(String(decoding: out.bytes, as: UTF8.self) == "{\"n\":\(c.text)}")
    }

    @Test func startsAtAnOffsetInsideABatch() throws {
        for batch in [try stored(times: [1, 2, 3]), try storedTrips(3), storedResults(starts: [1, 2, 3])] {
            let records = BatchRecords()
            try records.load(batch, from: batch.baseOffset + 2)
            #expect(records.count == 1 && records.firstOffset == batch.baseOffset + 2)
            #expect(records.record(0) == (try batch.records())[2])
            #expect(try records.times(of: batch) == batch.records().map(\.timestamp))
        }
    }

    @Test func isReusedFromBatchToBatch() throws {
        let records = BatchRecords()
        for _ in 0..<2 {
            for batch in [try storedTrips(3), try stored(times: [5]), storedResults(starts: [9, 8])] {
                try records.load(batch)
                #expect((0..<records.count).map(records.record) == (try batch.records()))
            }
        }
    }

    @Test func refusesAPayloadOfAnotherCountOrKind() throws {
        for good in [try stored(times: [1, 2]), try storedTrips(2), storedResults(starts: [1, 2])] {
            var wrong = good
            wrong.count = 3
            #expect(throws: Problem.self) { try wrong.records() }
            wrong = good
            wrong.payload.removeLast()
            #expect(throws: Problem.self) { try wrong.records() }
            wrong.payload = []
            #expect(throws: Problem.self) { try wrong.records() }
        }
        var huge = try storedTrips(1)
        huge.count = .max
        #expect(throws: Problem.self) { try huge.records() }
    }
}

@Suite struct RecordLinesTests {
    private static let record = TopicRecord(
        key: Array("k\"".utf8), value: Array("{\"a\":\n1}".utf8),
        headers: [.init(name: "reason", value: Array("x".utf8)), .init(name: "raw", value: [255])], timestamp: 1)

    @Test(arguments: [
        (lines: RecordLines.values(), text: "{\"a\":\n1}\n"), (.values(keys: true), "k\"\t{\"a\":\n1}\n"),
        (.values(keys: true, headers: true), "reason:x,raw:\u{FFFD}\tk\"\t{\"a\":\n1}\n"),
        (
            .objects,
            #"{"partition":2,"offset":9,"timestamp":"1970-01-01T00:00:00.001Z","key":"k\"","headers":{"reason":"x","raw":{"base64":"/w=="}},"value":{"a": 1}}"#
                + "\n"
        ),
    ]) func printsARecord(_ c: (lines: RecordLines, text: String)) throws {
        #expect(try text([Self.record], c.lines) == c.text)
    }

    @Test(
        arguments: [
            (value: nil, shown: "null"), ("", #""""#), ("plain", #""plain""#), ("[1]", #""[1]""#), (" {} ", " {} "),
            (#"{"a":1"#, #""{\"a\":1""#), (#"{"a":1}}"#, #""{\"a\":1}}""#),
            (#"{"a":{"b":[1,{}]}}"#, #"{"a":{"b":[1,{}]}}"#),
            ("}", #""}""#), ("{", #""{""#),
        ] as [(value: String?, shown: String)]) func embedsOnlyWholeObjects(_ c: (value: String?, shown: String)) throws
    {
        let record = TopicRecord(key: nil, value: c.value.map { Array($0.utf8) }, timestamp: 0)
        #expect(try text([record], .objects).hasSuffix("\"value\":\(c.shown)}\n"))
    }

    private func text(_ list: [TopicRecord], _ lines: RecordLines) throws -> String {
        let records = BatchRecords()
        try records.load(stored(list, partition: 2, baseOffset: 9))
        var out = OutputBuffer()
        lines.append(records, 0..<list.count, to: &out)
        return String(decoding: out.bytes, as: UTF8.self)
    }
}

// MARK: - Batches

func stored(_ records: [TopicRecord], partition: Int = 0, baseOffset: Int64 = 100) -> StoredBatch {
    let pending = PendingBatch(topic: "t", partition: partition, records: records)
    return StoredBatch(
        partition: partition, baseOffset: baseOffset, count: records.count, times: pending?.times ?? 0...0,
        encoding: .records, payload: pending?.payload ?? RecordBatch.encode(records))
}

func stored(times: [EventTime]) throws -> StoredBatch {
    stored(times.map { TopicRecord(key: [1], value: Array("v\($0)".utf8), timestamp: $0) })
}

/// Trips with a taxi and a fare of $1.25; the last one has no taxi.
func storedTrips(_ count: Int) throws -> StoredBatch {
    let batch = TripBatch(capacity: count)
    batch.fields = TripFieldSet(.taxiID).union(TripFieldSet(.fare))
    for row in 0..<count {
        batch.column(.taxiID)[row] = batch.keep(Array((row == count - 1 ? "" : "taxi\(row)").utf8)).cell
        batch.column(.fare)[row] = 125
        batch.eventTimes[row] = EventTime(row + 1) * 1000
    }
    batch.count = count
    var encoder = TripColumnsEncoder()
    return StoredBatch(
        partition: 0, baseOffset: 100, count: count, times: 1000...EventTime(max(1, count)) * 1000, encoding: .trips,
        payload: encoder.encode(batch))
}

/// Counts of windows of five seconds.
func storedResults(starts: [Int64], counts: [Int64]? = nil) -> StoredBatch {
    var columns = [ResultColumns.Kind.windowStart, .windowEnd, .startOffset, .endOffset].map {
        ResultColumns.Column(kind: $0)
    }
    columns.append(ResultColumns.Column(name: "count", kind: .number))
    columns[0].cells = starts
    columns[1].cells = starts.map { $0 + 5000 }
    columns[2].cells = starts.map { _ in -21600 }
    columns[3].cells = starts.map { _ in -21600 }
    columns[4].cells = counts ?? starts.map { _ in 1 }
    return StoredBatch(
        partition: 0, baseOffset: 100, count: starts.count, times: (starts.min() ?? 0)...(starts.max() ?? 0),
        encoding: .results, payload: ResultColumns(columns: columns).encode())
}
