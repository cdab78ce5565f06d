import Problems
import Testing

@testable import Avro

@Suite struct ResolutionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var writer: String
        var reader: String
        var written: AvroValue
        /// Nil where the schemas do not belong together.
        var read: AvroValue?

        init(_ testDescription: String, _ writer: String, _ reader: String, _ written: AvroValue, _ read: AvroValue?) {
            (self.testDescription, self.writer, self.reader) = (testDescription, writer, reader)
            (self.written, self.read) = (written, read)
        }
    }

    static func record(_ fields: String, name: String = "R") -> String {
        #"{"type":"record","name":"\#(name)","fields":[\#(fields)]}"#
    }
    static func enumeration(_ symbols: String, _ more: String = "") -> String {
        #"{"type":"enum","name":"E","symbols":[\#(symbols)]\#(more)}"#
    }
    static let intA = #"{"name":"a","type":"int"}"#

    @Test(arguments: [
        Case("a promotion to long", #""int""#, #""long""#, .int(7), .long(7)),
        Case("int to float", #""int""#, #""float""#, .int(7), .float(7)),
        Case("int to double", #""int""#, #""double""#, .int(7), .double(7)),
        Case("long to float", #""long""#, #""float""#, .long(1 << 40), .float(0x1p40)),
        Case("long to double", #""long""#, #""double""#, .long(-5), .double(-5)),
        Case("float to double", #""float""#, #""double""#, .float(1.5), .double(1.5)),
        Case("string to bytes", #""string""#, #""bytes""#, .string("é"), .bytes([0xc3, 0xa9])),
        Case("bytes to string", #""bytes""#, #""string""#, .bytes([0x61]), .string("a")),
        Case("no way back from long", #""long""#, #""int""#, .long(1), nil),
        Case("nor from double", #""double""#, #""long""#, .double(1), nil),
        Case("nor from a number to a string", #""int""#, #""string""#, .int(1), nil),
        Case("a type to a union with it", #""int""#, #"["null","int"]"#, .int(7), .union(1, .int(7))),
        Case("the same type of a union before a wider one", #""int""#, #"["long","int"]"#, .int(7), .union(1, .int(7))),
        Case("the first that takes it", #""int""#, #"["string","double","long"]"#, .int(7), .union(1, .double(7))),
        Case("none that takes it", #""boolean""#, #"["null","int"]"#, .boolean(true), nil),
        Case("a union's value to its type", #"["null","int"]"#, #""long""#, .union(1, .int(7)), .long(7)),
        Case("a union in another order", #"["null","int"]"#, #"["int","null"]"#, .union(0, .null), .union(1, .null)),
        Case(
            "an added field with a default", record(intA),
            record(intA + #",{"name":"b","type":"string","default":"x"}"#),
            .record([.int(1)]), .record([.int(1), .string("x")])),
        Case(
            "an added field without", record(intA), record(intA + #",{"name":"b","type":"string"}"#),
            .record([.int(1)]), nil),
        Case(
            "a removed field", record(#"{"name":"b","type":{"type":"map","values":"string"}},"# + intA), record(intA),
            .record([.map([.init("k", .string("v"))]), .int(1)]), .record([.int(1)])),
        Case(
            "fields in another order", record(intA + #",{"name":"b","type":"string"}"#),
            record(#"{"name":"b","type":"string"},"# + intA),
            .record([.int(1), .string("x")]), .record([.string("x"), .int(1)])),
        Case(
            "a field with another name, by its alias", record(intA),
            record(#"{"name":"z","type":"long","aliases":["a"]}"#),
            .record([.int(1)]), .record([.long(1)])),
        Case("a record with another name", record(intA), record(intA, name: "S"), .record([.int(1)]), nil),
        Case(
            "by its alias", record(intA), #"{"type":"record","name":"S","aliases":["R"],"fields":[\#(intA)]}"#,
            .record([.int(1)]), .record([.int(1)])),
        Case("in another namespace", record(intA), record(intA, name: "x.R"), .record([.int(1)]), .record([.int(1)])),
        Case(
            "symbols in another order", enumeration(#""A","B""#), enumeration(#""B","A""#), .enumeration(0),
            .enumeration(1)),
        Case(
            "a removed symbol with a default", enumeration(#""A","B""#), enumeration(#""X","A""#, #","default":"X""#),
            .enumeration(1), .enumeration(0)),
        Case(
            "fixed of another size", #"{"type":"fixed","name":"F","size":1}"#, #"{"type":"fixed","name":"F","size":2}"#,
            .fixed([1]), nil),
        Case(
            "items", #"{"type":"array","items":"int"}"#, #"{"type":"array","items":["null","double"]}"#,
            .array([.int(1)]), .array([.union(1, .double(1))])),
        Case(
            "values", #"{"type":"map","values":"int"}"#, #"{"type":"map","values":"long"}"#,
            .map([.init("a", .int(1))]), .map([.init("a", .long(1))])),
        Case(
            "micros as millis, towards the past", #"{"type":"long","logicalType":"timestamp-micros"}"#,
            #"{"type":"long","logicalType":"timestamp-millis"}"#, .long(-1), .long(-1)),
        Case(
            "millis as micros", #"{"type":"long","logicalType":"timestamp-millis"}"#,
            #"{"type":"long","logicalType":"timestamp-micros"}"#, .long(5), .long(5000)),
        Case(
            "decimals of another scale", #"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}"#, .bytes([1]), nil),
        Case(
            "decimals of another precision", #"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#, .bytes([1]), .bytes([1])),
        Case(
            "a default that is a record with defaults", record(intA),
            record(
                #"{"name":"b","type":{"type":"record","name":"S","fields":[{"name":"x","type":"int","default":4},{"name":"y","type":["null","S"],"default":null}]},"default":{}}"#
            ),
            .record([.int(1)]), .record([.record([.int(4), .union(0, .null)])])),
        Case(
            "a list of itself", record(intA + #",{"name":"next","type":["null","R"]}"#),
            record(#"{"name":"a","type":"long"},{"name":"next","type":["null","R"]}"#),
            .record([.int(1), .union(1, .record([.int(2), .union(0, .null)]))]),
            .record([.long(1), .union(1, .record([.long(2), .union(0, .null)]))])),
    ])
    func resolves(_ c: Case) throws {
        let writer = try AvroSchema(c.writer)
        let reader = try AvroSchema(c.reader)
        var bytes: [UInt8] = []
        try c.written.encode(as: writer, into: &bytes)
        guard let expected = c.read else {
            #expect(throws: Problem.self) { try AvroPlan(writer: writer, reader: reader) }
            return
        }
        #expect(try AvroPlan(writer: writer, reader: reader).value(bytes) == expected)
    }

    @Test func looksAtAUnionsTypesWhenTheyCome() throws {
        let plan = try AvroPlan(
            writer: AvroSchema(#"["null","int","string"]"#), reader: AvroSchema(#"["null","long"]"#))
        #expect(try plan.value([0]) == .union(0, .null))
        #expect(try plan.value([2, 14]) == .union(1, .long(7)))
        let problem = #expect(throws: Problem.self) { try plan.value([4, 2, 0x61]) }
        #expect(problem?.message == "byte 1: string is none of the union's types: null, long")
    }

    @Test func looksAtAnEnumsSymbolsWhenTheyCome() throws {
        let plan = try AvroPlan(
            writer: AvroSchema(Self.enumeration(#""A","B""#)), reader: AvroSchema(Self.enumeration(#""B""#)))
        #expect(try plan.value([2]) == .enumeration(0))
        #expect(throws: Problem.self) { try plan.value([0]) }
    }

    @Test func saysWhichFieldDoesNotBelong() throws {
        let writer = try AvroSchema(
            Self.record(
                #"{"name":"in","type":{"type":"array","items":{"type":"record","name":"S","fields":[{"name":"x","type":"string"}]}}}"#
            ))
        let reader = try AvroSchema(
            Self.record(
                #"{"name":"in","type":{"type":"array","items":{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]}}}"#
            ))
        let problem = #expect(throws: Problem.self) { try AvroPlan(writer: writer, reader: reader) }
        #expect(problem?.message == "in.[].x: string cannot be read as int")
    }

    /// A type that cannot be read in one place must not be half read in another.
    @Test func forgetsWhatItFoundOnTheWayToAMismatch() throws {
        let inner = #"{"type":"record","name":"I","fields":[{"name":"up","type":["null","O"]}]}"#
        let writer = try AvroSchema(
            #"["null",{"type":"record","name":"O","fields":[{"name":"i","type":\#(inner)},{"name":"bad","type":"string"}]},"I"]"#
        )
        let reader = try AvroSchema(
            #"["null",{"type":"record","name":"O","fields":[{"name":"i","type":\#(inner)},{"name":"bad","type":"int"}]},"I"]"#
        )
        let plan = try AvroPlan(writer: writer, reader: reader)
        // I, whose "up" is an O.
        #expect(throws: Problem.self) { try plan.value([4, 2, 0, 2, 0x61]) }
        #expect(try plan.value([4, 0]) == .union(2, .record([.union(0, .null)])))
    }

    /// Counts what a plan of chosen fields shows.
    private struct Numbers: AvroVisitor {
        var seen: [Int: Int64] = [:]
        var at = -1
        mutating func null() {}
        mutating func boolean(_ value: Bool) {}
        mutating func int(_ value: Int32) { seen[at] = Int64(value) }
        mutating func long(_ value: Int64) { seen[at] = value }
        mutating func float(_ value: Float) {}
        mutating func double(_ value: Double) {}
        mutating func bytes(_ value: UnsafeBufferPointer<UInt8>) {}
        mutating func string(_ value: UnsafeBufferPointer<UInt8>) {}
        mutating func fixed(_ value: UnsafeBufferPointer<UInt8>) {}
        mutating func symbol(_ index: Int) {}
        mutating func field(_ index: Int) { at = index }
    }

    @Test func readsChosenFieldsUnderNumbersOfTheCallers() throws {
        let schema = try AvroSchema(
            Self.record(#"{"name":"x","type":"string"},{"name":"b","type":"long"},"# + Self.intA))
        let plan = try AvroPlan(schema, selecting: { ["a": 10, "b": 11][$0] })
        var numbers = Numbers()
        try ([2, 0x61, 4, 6] as [UInt8]).withUnsafeBufferPointer { bytes in
            var input = AvroInput(bytes)
            try plan.read(&input, into: &numbers)
        }
        #expect(numbers.seen == [10: 3, 11: 2])
        #expect(throws: Problem.self) { try AvroPlan(AvroSchema("\"int\""), selecting: { _ in nil }) }
    }
}
