import Basics
import Problems
import Testing

@testable import Trips

@Suite struct TripJSONReadTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let field: TripField
        let value: String
        let cell: Int64
        init(_ testDescription: String, _ field: TripField, _ value: String, _ cell: Int64) {
            (self.testDescription, self.field, self.value, self.cell) = (testDescription, field, value, cell)
        }
    }

    @Test(arguments: [
        Case("two decimals", .fare, "9.45", 945),
        Case("one decimal", .fare, "9.5", 950),
        Case("whole dollars", .fare, "9", 900),
        Case("negative", .extras, "-0.05", -5),
        Case("minus zero", .tips, "-0.0", 0),
        Case("zeros behind the cents", .fare, "9.4500000000000000000000000", 945),
        Case("an exponent", .fare, "1.5e1", 1500),
        Case("an exponent down", .fare, "945E-2", 945),
        Case("an exponent with a plus", .fare, "1e+2", 10_000),
        Case("zero with a huge exponent", .fare, "0e999999999999", 0),
        Case("a null", .fare, "null", nullCell),
        Case("an integer", .seconds, "1080", 1080),
        Case("an integer as a decimal", .seconds, "1080.0", 1080),
        Case("a tract", .pickupTract, "17031980000", 17_031_980_000),
        Case("first area", .pickupArea, "1", 1),
        Case("last area", .dropoffArea, "77", 77),
        Case("an area as an exponent", .pickupArea, "0.8e1", 8),
        Case("a decimal keeps its digits", .miles, "17.120", PackedDecimal(mantissa: 17120, scale: 3).cell),
        Case("a decimal with an exponent", .miles, "1.5e1", PackedDecimal(mantissa: 15, scale: 0).cell),
        Case("a decimal with zeros added", .miles, "1.5e3", PackedDecimal(mantissa: 1500, scale: 0).cell),
        Case("the smallest decimal", .miles, "1e-6", PackedDecimal(mantissa: 1, scale: 6).cell),
        Case("a decimal too small", .miles, "4e-7", PackedDecimal(mantissa: 0, scale: 0).cell),
        Case(
            "half of the smallest decimal, away from zero", .pickupLatitude, "-5e-11",
            PackedDecimal(mantissa: -1, scale: 10).cell),
        Case(
            "ten decimals are kept", .pickupLongitude, "-87.9030396611",
            PackedDecimal(mantissa: -879_030_396_611, scale: 10).cell),
        Case(
            "further ones are rounded", .pickupLongitude, "-87.90303966115",
            PackedDecimal(mantissa: -879_030_396_612, scale: 10).cell),
        Case(
            "eighteen digits are rounded", .miles, "123.456789012345678",
            PackedDecimal(mantissa: 123_456_789, scale: 6).cell),
        Case(
            "a float's noise", .miles, "0.30000000000000004", PackedDecimal(mantissa: 3, scale: 1).cell),
        Case("noise below", .fare, "11.849999999999999", 1185),
        Case("noise above", .fare, "11.850000000000001", 1185),
        Case("half a cent", .fare, "9.455", 946),
        Case("half a cent less than nothing", .extras, "-9.455", -946),
        Case("less than half a cent", .fare, "9.4549999999999999999999999999", 945),
        Case("a mill", .fare, "1e-3", 0),
        Case("the greatest fare", .fare, "90000", 9_000_000),
        Case("the least fare", .fare, "-90000.00", -9_000_000),
        Case("almost a whole number", .seconds, "1080.0000000001", 1080),
        Case("almost one from below", .seconds, "1079.999999999", 1080),
        Case("a number as a string", .fare, #""9.45""#, 945),
        Case("a number as a string, as a person writes it", .fare, #"" $1,234.50 ""#, 123_450),
        Case("a whole number as a string", .seconds, #""1,560""#, 1560),
        Case("a decimal as a string", .miles, #""17.120""#, PackedDecimal(mantissa: 17120, scale: 3).cell),
        Case("nothing as a string", .tips, #""""#, nullCell),
        Case("NULL for a number", .tips, #""NULL""#, nullCell),
        Case("NaN for a number", .miles, #""NaN""#, nullCell),
        Case("NA for a time", .endTimestamp, #""NA""#, nullCell),
        Case("a dash for an area", .pickupArea, #""-""#, nullCell),
        Case("\\N for a number", .tolls, #""\\N""#, nullCell),
        Case(
            "a time without zeros", .startTimestamp, #""2016-1-3 6:15:00""#,
            WallTime(seconds: 1_451_801_700, form: 0xe0).cell),
        Case("the City's time", .startTimestamp, #""01/19/2024 05:00:00 PM""#, WallTime(seconds: 1_705_683_600).cell),
        Case(
            "the City's time with escaped slashes", .startTimestamp, #""01\/19\/2024 05:00:00 PM""#,
            WallTime(seconds: 1_705_683_600).cell),
        Case("an empty time", .endTimestamp, #""""#, nullCell),
    ])
    func reads(_ c: Case) {
        let reading = read(record(c.field.name, c.value))
        #expect(reading.rejects.isEmpty, "\(reading.rejects)")
        #expect(reading.batch.count == 1)
        #expect(reading.cell(c.field) == c.cell)
    }

    @Test(
        arguments: [
            ("plain", "plain"), ("", nil), (#"a\"b\\c\/d\b\f\n\r\t"#, "a\"b\\c/d\u{8}\u{c}\n\r\t"), (#"\u00e9"#, "é"),
            (#"\uD83D\uDE95"#, "🚕"),
            ("東京 🚕", "東京 🚕"), (#"x\u005Cy"#, "x\\y"), ("null", nil), ("NA", nil), ("-", nil), (#"\\N"#, nil),
            ("NAN", nil), ("Nan2", "Nan2"),
            ("Cash", "Cash"), ("--", "--"),
        ] as [(String, String?)])
    func readsText(json: String, expected: String?) {
        let reading = read(record("company", "\"\(json)\""))
        #expect(reading.rejects.isEmpty, "\(reading.rejects)")
        #expect(reading.batch.string(.company, 0) == expected)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let record: String
        let reason: RejectReason
        let detail: String
        let column: Int
        init(_ testDescription: String, _ record: String, _ reason: RejectReason, _ detail: String, column: Int) {
            (self.testDescription, self.record, self.reason) = (testDescription, record, reason)
            (self.detail, self.column) = (detail, column)
        }
        init(_ field: String, _ value: String, _ reason: RejectReason, _ detail: String) {
            self.init(
                "\(field) \(value)", oneField(field, value), reason, "\(field) \(value) \(detail)",
                column: field.utf8.count + 5)
        }
    }

    @Test(arguments: [
        Fault("fare", "90000.01", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
        Fault("tips", "-90000.005", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
        Fault("fare", "1e300", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
        Fault("fare", "99999999999999999999", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
        Fault("fare", "18446744073709551616.5", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
        Fault("fare", #""9.4.5""#, .badMoney, "is not an amount in dollars and cents"),
        Fault("fare", #""1e1,000""#, .badMoney, "is not an amount in dollars and cents"),
        Fault("trip_miles", #""$5""#, .badNumber, "is not a number"),
        Fault("tips", "true", .schemaMismatch, "is not a number"),
        Fault("trip_seconds", "[1]", .schemaMismatch, "is not a number"),
        Fault("company", "5", .schemaMismatch, "is not a string"),
        Fault("company", "-5", .schemaMismatch, "is not a string"),
        Fault("trip_id", #"{"a":1}"#, .schemaMismatch, "is not a string"),
        Fault("trip_start_timestamp", "1705683600", .schemaMismatch, "is not a string"),
        Fault("trip_seconds", "1.5", .badNumber, "is not a whole number"),
        Fault("trip_seconds", #""8.5""#, .badNumber, "is not a whole number"),
        Fault("pickup_census_tract", "1e40", .outOfRange, "is out of range (0…99,999,999,999)"),
        Fault("pickup_census_tract", "100000000000", .outOfRange, "is out of range (0…99,999,999,999)"),
        Fault("trip_miles", "1e40", .outOfRange, "is out of range (0…9,000 miles)"),
        Fault("trip_miles", "-0.1", .outOfRange, "is out of range (0…9,000 miles)"),
        Fault("trip_miles", "18446744073710", .outOfRange, "is out of range (0…9,000 miles)"),
        Fault("trip_seconds", "-1", .outOfRange, "is out of range (0…9,000,000 seconds)"),
        Fault("trip_seconds", "9000001", .outOfRange, "is out of range (0…9,000,000 seconds)"),
        Fault("pickup_centroid_latitude", "90.0000000001", .outOfRange, "is out of range (-90…90 degrees)"),
        Fault("dropoff_centroid_longitude", "-180.5", .outOfRange, "is out of range (-180…180 degrees)"),
        Fault(
            "pickup_centroid_location", #""POINT (-87.6 91)""#, .outOfRange,
            "is out of range (longitude -180…180, latitude -90…90)"),
        Fault("pickup_community_area", "0", .outOfRange, "is out of range (1…77)"),
        Fault("dropoff_community_area", "78", .outOfRange, "is out of range (1…77)"),
        Fault("trip_start_timestamp", #""13/19/2024 05:00:00 PM""#, .badTimestamp, "is not a time"),
        Fault("trip_end_timestamp", #""01/19/1999 05:00:00 PM""#, .outOfRange, "is out of range (years 2000…2100)"),
        Fault("nothing", "", .malformedJSON, "ends before its closing bracket at byte 1", column: 1),
        Fault("blanks", "  ", .malformedJSON, "ends before its closing bracket at byte 1", column: 1),
        Fault("an array", "[1]", .malformedJSON, "expected \"{\" at byte 1", column: 1),
        Fault("no field name", "{fare:1}", .malformedJSON, "expected a field's name in quotes at byte 2", column: 2),
        Fault("no colon", #"{"fare" 1}"#, .malformedJSON, "expected \":\" after a field's name at byte 9", column: 9),
        Fault("no value", #"{"fare":}"#, .malformedJSON, "expected a value at byte 9", column: 9),
        Fault(
            "no comma", #"{"fare":1 "tips":2}"#, .malformedJSON, "expected \",\" or the closing bracket at byte 11",
            column: 11),
        Fault(
            "a comma too many", #"{"fare":1,}"#, .malformedJSON, "expected a field's name in quotes at byte 11",
            column: 11),
        Fault("a leading zero", #"{"fare":01}"#, .malformedJSON, "unreadable number at byte 9", column: 9),
        Fault("a plus", #"{"fare":+1}"#, .malformedJSON, "expected a value at byte 9", column: 9),
        Fault("no digits after the point", #"{"fare":1.}"#, .malformedJSON, "unreadable number at byte 11", column: 11),
        Fault("no digits in the exponent", #"{"fare":1e}"#, .malformedJSON, "unreadable number at byte 11", column: 11),
        Fault("NaN", #"{"fare":NaN}"#, .malformedJSON, "expected a value at byte 9", column: 9),
        Fault("half a word", #"{"fare":nul}"#, .malformedJSON, "expected true, false or null at byte 9", column: 9),
        Fault(
            "a line end in a string", "{\"company\":\"a\nb\"}", .malformedJSON,
            "control character in a string at byte 14", column: 14),
        Fault(
            "an unknown escape", #"{"company":"a\xb"}"#, .malformedJSON, "unknown escape in a string at byte 14",
            column: 14),
        Fault(
            "an escape that is too short", #"{"company":"\u12"}"#, .malformedJSON,
            "unknown escape in a string at byte 13", column: 13),
        Fault(
            "an escaped NUL", #"{"company":"a\u0000b"}"#, .badUTF8, "NUL in a string at byte 14", column: 14),
        Fault(
            "an escaped NUL in an unknown field", #"{"x":["\u0000"]}"#, .badUTF8, "NUL in a string at byte 8", column: 8
        ),
        Fault("a NUL", "{\"company\":\"a\0b\"}", .badUTF8, "NUL in a string at byte 14", column: 14),
        Fault(
            "half of a pair", #"{"company":"\ud83d"}"#, .malformedJSON,
            "half of a surrogate pair in a string at byte 13", column: 13),
        Fault(
            "the other half", #"{"x":"\ude95"}"#, .malformedJSON, "half of a surrogate pair in a string at byte 7",
            column: 7),
        Fault(
            "an open string", #"{"company":"abc}"#, .malformedJSON, "a string without its closing quote at byte 12",
            column: 12),
        Fault(
            "cut after a value", #"{"fare":9.45"#, .malformedJSON, "ends before its closing bracket at byte 13",
            column: 13),
        Fault(
            "cut in a nested value", #"{"x":{"y":1}"#, .malformedJSON, "ends before its closing bracket at byte 13",
            column: 13),
        Fault(
            "more after the object", #"{"fare":1} {}"#, .malformedJSON, "more text after the object at byte 11",
            column: 11),
        Fault(
            "text after the object", #"{"fare":1} x"#, .malformedJSON, "more text after the object at byte 11",
            column: 11),
    ])
    func setsAside(_ c: Fault) throws {
        // Whoever reads it, and whichever columns.
        for fields in [TripFieldSet.all, [], [.init(.tolls)]] {
            let reading = read(c.record, fields: fields)
            #expect(reading.batch.count == 0)
            let reject = try #require(reading.rejects.first)
            #expect(reject.reason == c.reason)
            #expect(reject.detail == c.detail)
            #expect(reject.location == .init(file: "trips.jsonl", line: 1, column: c.column))
            #expect(reject.bytes == Array(c.record.utf8))
        }
    }

    @Test(arguments: [
        ("company", String(repeating: "x", count: 65_535), true),
        ("company", String(repeating: "x", count: 65_536), false),
        ("company", String(repeating: #"\\"#, count: 65_535), true),
        ("trip_id", String(repeating: #"\\"#, count: 65_536), false),
        ("pickup_centroid_location", #"POINT\u0020(-87.6 91)"#, false),
        ("pickup_centroid_location", #"POINT\u0020(-87.6 89)"#, true),
    ])
    func unreadTextIsAsGoodAsReadText(field: String, text: String, isGood: Bool) {
        for fields in [TripFieldSet.all, []] {
            #expect(read(record(field, "\"\(text)\""), fields: fields).rejects.isEmpty == isGood)
        }
    }

    @Test(arguments: [
        (#"{"fare":1}"#, RejectReason.missingEventTime, "event_timestamp is missing"),
        (#"{}"#, .missingEventTime, "event_timestamp is missing"),
        (#"{"event_timestamp":null}"#, .missingEventTime, "event_timestamp null is no event time"),
        (#"{"event_timestamp":""}"#, .missingEventTime, "event_timestamp \"\" is no event time"),
        (#"{"event_timestamp":"soon"}"#, .badTimestamp, "event_timestamp \"soon\" is not a time"),
        (#"{"event_timestamp":1705952700000}"#, .schemaMismatch, "event_timestamp 1705952700000 is not a string"),
        (
            #"{"event_timestamp":"1999-12-31T23:59:59.999Z"}"#, .outOfRange,
            "event_timestamp \"1999-12-31T23:59:59.999Z\" is out of range (years 2000…2100)"
        ),
        (
            #"{"event_timestamp":"2101-01-01T00:00:00.000Z"}"#, .outOfRange,
            "event_timestamp \"2101-01-01T00:00:00.000Z\" is out of range (years 2000…2100)"
        ),
        (
            #"{"fare":"x","event_timestamp":"soon"}"#, .badMoney, "fare \"x\" is not an amount in dollars and cents"
        ),
        (#"{"event_timestamp":"NULL"}"#, .missingEventTime, "event_timestamp \"NULL\" is no event time"),
        (#"{"fare":"x","event_timestamp":"soon"#, .malformedJSON, "a string without its closing quote at byte 31"),
    ])
    func wantsAnEventTime(record: String, reason: RejectReason, detail: String) {
        let reading = read(record)
        #expect(reading.reasons == [reason])
        #expect(reading.rejects.first?.detail == detail)
    }

    @Test(arguments: [
        "2024-01-22T19:45:00.000Z", "2024-01-22T13:45:00.0009-06:00", "2024-01-22 19:45:00",
        #"2024-01-22\u005419:45:00Z"#,
    ])
    func readsTheEventTime(text: String) {
        let reading = read(#"{"event_timestamp":"\#(text)"}"#)
        #expect(reading.rejects.isEmpty)
        #expect(reading.eventTime() == 1_705_952_700_000)
    }

    @Test(
        arguments: [
            [0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x22, 0xc0, 0xaf, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
            [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22],
            [0x22, 0xe2, 0x82, 0x22], [0xff], [0x80, 0x22],
        ] as [[UInt8]])
    func bytesThatAreNoUTF8(value: [UInt8]) {
        for (field, fields) in [("company", TripFieldSet.all), ("company", []), ("other", .all)] {
            let bytes =
                Array("{\"\(field)\":".utf8) + value + Array(",\"event_timestamp\":\"2024-01-22T19:45:00Z\"}".utf8)
            let reading = read([bytes], fields: fields)
            #expect(reading.reasons == [.badUTF8])
            #expect(reading.rejects.first?.bytes == bytes)
        }
    }

    @Test func recordsLongerThanAMebibyteAreOversized() {
        func bytes(_ length: Int) -> [UInt8] {
            let (head, tail) = (#"{"x":""#, #"","event_timestamp":"2024-01-22T19:45:00Z"}"#)
            return Array((head + String(repeating: "x", count: length - head.count - tail.count) + tail).utf8)
        }
        let reading = read([bytes(1 << 20), bytes(1 << 20 + 1)])
        #expect(reading.batch.count == 1)
        #expect(reading.reasons == [.oversized])
        #expect(reading.rejects.first?.bytes == Array(bytes(1 << 20 + 1).prefix(Reject.keptOfOversized)))
    }

    @Test func missingFieldsAreEmptyEvenWhereTheRowHeldSomething() {
        let batch = TripBatch(capacity: 1)
        for field in TripField.allCases { batch.column(field)[0] = 77 }
        let block = Block(Array(record("fare", "1").utf8))
        var reader = TripJSONReader(fields: .all)
        var rejects: [Reject] = []
        let slices = [RecordSlice(offset: 0, length: block.count, position: 5)]
        _ = reader.decode(slices[...], base: block.start, owner: block, name: "x", into: batch, rejects: &rejects)
        #expect(batch.count == 1 && batch.positions[0] == 5 && batch.fields == .all)
        for field in TripField.allCases where field != .fare {
            #expect(field.kind == .string ? batch.string(field, 0) == nil : batch.column(field)[0] == nullCell)
        }
    }

    @Test func onlyTheNeededColumnsAreFilled() {
        let json = #"{"fare":1.00,"tips":2.00,"company":"A","event_timestamp":"2024-01-22T19:45:00Z"}"#
        let reading = read(json, fields: [.init(.tips)])
        #expect(reading.rejects.isEmpty)
        #expect(reading.cell(.tips) == 200 && reading.cell(.fare) == nullCell)
        #expect(reading.batch.fields == [.init(.tips)])
    }

    @Test func unknownFieldsAreSkippedWhateverTheyHold() {
        let json = """
             { "x" : {"a":[1,-2.5e3,{"b":null},[],{}],"c":"\\u00e9","fare":1} , "y":[[[true]],false], "fa\\u0072e" : 9.45 ,
            "fare2":1,"event_timestamp" : "2024-01-22T19:45:00Z","z":{} }\r\n
            """
        let reading = read(json)
        #expect(reading.rejects.isEmpty, "\(reading.rejects)")
        #expect(reading.cell(.fare) == 945)
    }

    @Test func nestingHasABound() {
        func nested(_ depth: Int) -> String {
            record("x", String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
        }
        #expect(read(nested(JSONCursor.maximumDepth)).rejects.isEmpty)
        #expect(read(nested(JSONCursor.maximumDepth + 1)).reasons == [.malformedJSON])
        #expect(read(nested(100_000)).reasons == [.malformedJSON])
        let objects = String(repeating: #"{"a":"#, count: 64) + "1" + String(repeating: "}", count: 64)
        #expect(read(record("x", objects)).rejects.isEmpty)
    }

    @Test func theLastOfARepeatedFieldCounts() {
        #expect(read(#"{"fare":1,"fare":2,"event_timestamp":"2024-01-22T19:45:00Z"}"#).cell(.fare) == 200)
    }

    @Test func anyOrderOfFieldsIsRead() {
        let names = TripField.allCases.filter { $0.kind == .money }.map(\.name)
        var numbers = SplitMix64(seed: 1)
        let records = (0..<50).map { _ in
            let pairs =
                names.enumerated().map { "\"\($0.element)\":\($0.offset)" } + [
                    #""event_timestamp":"2024-01-22T19:45:00Z""#
                ]
            return Array("{\(pairs.shuffled(using: &numbers).joined(separator: ", "))}".utf8)
        }
        let reading = read(records)
        #expect(reading.rejects.isEmpty)
        for row in 0..<50 {
            for (index, name) in names.enumerated() {
                #expect(reading.cell(TripField(name: name)!, row) == Int64(index * 100))
            }
        }
    }

    @Test func stopsWhereTheBatchIsFullAndGoesOnAfterwards() {
        let records = (0..<5).map { Array(record("fare", $0 == 1 ? "\"x\"" : "\($0)").utf8) }
        let block = Block(Array(records.joined()))
        var offset = 0
        let slices = records.enumerated().map { index, bytes in
            defer { offset += bytes.count }
            return RecordSlice(offset: offset, length: bytes.count, position: Int64(index))
        }
        let batch = TripBatch(capacity: 2)
        var reader = TripJSONReader(fields: [.init(.fare)])
        var rejects: [Reject] = []
        let first = reader.decode(
            slices[...], base: block.start, owner: block, name: "x", into: batch, rejects: &rejects)
        #expect(first == 3 && batch.count == 2 && rejects.count == 1)
        #expect(batch.positions[1] == 2)
        batch.reset()
        let rest = reader.decode(
            slices[first...], base: block.start, owner: block, name: "x", into: batch, rejects: &rejects)
        #expect(rest == 2 && batch.column(.fare)[0] == 300 && batch.column(.fare)[1] == 400)
    }
}

private func oneField(_ field: String, _ value: String) -> String { record(field, value) }
