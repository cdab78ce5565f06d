import Problems
import Testing

@testable import Avro

@Suite struct BinaryTests {
    struct Long: Sendable, CustomTestStringConvertible {
        var value: Int64
        var bytes: [UInt8]
        var testDescription: String { "\(value)" }
    }

    /// The specification's own examples, and the ends.
    @Test(arguments: [
        Long(value: 0, bytes: [0]), Long(value: -1, bytes: [1]), Long(value: 1, bytes: [2]),
        Long(value: -2, bytes: [3]),
        Long(value: -64, bytes: [0x7f]), Long(value: 64, bytes: [0x80, 0x01]),
        Long(value: .max, bytes: [0xfe] + [UInt8](repeating: 0xff, count: 8) + [1]),
        Long(value: .min, bytes: [UInt8](repeating: 0xff, count: 9) + [1]),
    ])
    func writesAndReadsLongs(_ c: Long) throws {
        var bytes: [UInt8] = []
        AvroBinary.append(long: c.value, to: &bytes)
        #expect(bytes == c.bytes)
        #expect(try AvroPlan(AvroSchema("\"long\"")).value(bytes) == .long(c.value))
    }

    struct Decimal: Sendable, CustomTestStringConvertible {
        var value: Int64
        var bytes: [UInt8]
        var testDescription: String { "\(value)" }
    }

    @Test(arguments: [
        Decimal(value: 0, bytes: [0]), Decimal(value: -1, bytes: [0xff]), Decimal(value: 127, bytes: [0x7f]),
        Decimal(value: 128, bytes: [0, 0x80]), Decimal(value: -128, bytes: [0x80]),
        Decimal(value: -129, bytes: [0xff, 0x7f]),
        Decimal(value: 945, bytes: [3, 0xb1]), Decimal(value: .max, bytes: [0x7f] + [UInt8](repeating: 0xff, count: 7)),
        Decimal(value: .min, bytes: [0x80] + [UInt8](repeating: 0, count: 7)),
    ])
    func writesDecimalsAsShortAsTheyCanBe(_ c: Decimal) {
        var room = [UInt8](repeating: 0, count: AvroBinary.maximumDecimalLength)
        let count = room.withUnsafeMutableBufferPointer {
            AvroBinary.write(decimal: c.value, to: $0.baseAddress!) - $0.baseAddress!
        }
        #expect(Array(room[..<count]) == [UInt8(c.bytes.count * 2)] + c.bytes)
        // Longer than it has to be is a decimal as well.
        for pad in [0, 1, 7] {
            let padded = [UInt8](repeating: c.value < 0 ? 0xff : 0, count: pad) + c.bytes
            #expect(padded.withUnsafeBufferPointer { AvroBinary.decimal($0) } == c.value)
        }
    }

    @Test func refusesDecimalsBeyond64Bits() {
        for bytes in [[], [1] + [UInt8](repeating: 0, count: 8), [0, 0x80] + [UInt8](repeating: 0, count: 7)]
            as [[UInt8]]
        {
            #expect(bytes.withUnsafeBufferPointer { AvroBinary.decimal($0) } == nil)
        }
    }

    @Test(arguments: 0..<200) func readsBackWhatItWrites(seed: Int) throws {
        var random = RandomSchemas(seed: UInt64(seed))
        let schema = try AvroSchema(random.record())
        let plan = try AvroPlan(schema)
        for _ in 0..<20 {
            let value = random.value(of: schema, schema.root)
            var bytes: [UInt8] = []
            try value.encode(as: schema, into: &bytes)
            #expect(try plan.value(bytes) == value)
        }
    }

    @Test(arguments: 0..<200) func noBytesMakeItTrap(seed: Int) throws {
        var random = RandomSchemas(seed: UInt64(seed) + 1_000_000)
        let schema = try AvroSchema(random.record())
        let plan = try AvroPlan(schema)
        var bytes: [UInt8] = []
        try random.value(of: schema, schema.root).encode(as: schema, into: &bytes)
        for _ in 0..<100 {
            var damaged = bytes
            for _ in 0..<1 + random.below(3) where !damaged.isEmpty {
                switch random.below(3) {
                case 0: damaged[random.below(damaged.count)] = UInt8(random.below(256))
                case 1: damaged.removeLast(random.below(damaged.count + 1))
                default: damaged.insert(UInt8(random.below(256)), at: random.below(damaged.count + 1))
                }
            }
            // A value that was changed may be one all the same; then its bytes are another's.
            guard let value = try? plan.value(damaged) else { continue }
            var again: [UInt8] = []
            try value.encode(as: schema, into: &again)
            #expect(try plan.value(again) == value || again.contains(0xff))
        }
    }

    @Test func saysAtWhichByteAValueIsNone() throws {
        let cases: [(String, [UInt8], String)] = [
            ("\"int\"", [0xff, 0xff, 0xff, 0xff, 0x7f], "byte 5: a number does not fit"),
            ("\"long\"", [UInt8](repeating: 0xff, count: 11), "byte 0: a number is longer"),
            ("\"boolean\"", [2], "byte 0: a boolean"), ("\"string\"", [4, 0x61], "byte 1: it ends too early"),
            ("\"string\"", [2, 0xff], "byte 2: a string is not UTF-8"),
            ("\"bytes\"", [1], "byte 1: a length is negative"),
            ("[\"null\",\"int\"]", [4], "byte 1: a union has no such type"), ("\"double\"", [0, 0], "byte 0: it ends"),
            (#"{"type":"enum","name":"E","symbols":["A"]}"#, [2], "byte 1: an enum has no such symbol"),
            (#"{"type":"array","items":"int"}"#, [20, 0], "byte 1: it has more items"),
            ("\"null\"", [0], "byte 0: more follows"),
        ]
        for (schema, bytes, message) in cases {
            let problem = #expect(throws: Problem.self) { try AvroPlan(AvroSchema(schema)).value(bytes) }
            #expect(problem?.message.hasPrefix(message) == true, "\(schema): \(problem?.message ?? "")")
        }
    }

    /// Some bytes that would be more values than any memory holds.
    @Test(arguments: [
        #"{"type":"array","items":"null"}"#, #"{"type":"map","values":"null"}"#,
        #"{"type":"array","items":{"type":"record","name":"N","fields":[]}}"#,
        #"{"type":"array","items":{"type":"array","items":"null"}}"#,
        #"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#,
        #"{"type":"record","name":"R","fields":[{"name":"r","type":["null","R"]}]}"#,
    ])
    func refusesBombs(_ text: String) throws {
        let plan = try AvroPlan(AvroSchema(text))
        for byte in [UInt8(0x02), 0x7e, 0xfe, 0x01, 0xff] {
            for count in [9, 1000, 100_000] {
                let bytes = [UInt8](repeating: byte, count: count) + [UInt8](repeating: 1, count: 3)
                #expect(throws: Problem.self) { try plan.value(bytes) }
            }
        }
    }

    @Test func refusesRecordsThatGrowWithEachLevel() throws {
        var text = #""null""#
        for level in 0..<12 {
            let fields = (0..<20).map { #"{"name":"f\#($0)","type":\#($0 == 0 ? text : "\"L\(level)\"")}"# }
            text =
                level == 0
                ? #"{"type":"record","name":"L1","fields":[{"name":"a","type":"null"}]}"#
                : #"{"type":"record","name":"L\#(level + 1)","fields":[\#(fields.joined(separator: ","))]}"#
        }
        #expect(throws: Problem.self) { try AvroPlan(AvroSchema(text)).value([]) }
    }

    @Test func framesMessagesAsConfluentDoes() throws {
        var message = [UInt8](repeating: 9, count: ConfluentFrame.headerLength + 2)
        message.withUnsafeMutableBufferPointer { _ = ConfluentFrame.write(schemaID: 0x0102_03ff, to: $0.baseAddress!) }
        #expect(message == [0, 1, 2, 3, 0xff, 9, 9])
        try message.withUnsafeBufferPointer { bytes in
            let frame = try #require(ConfluentFrame(bytes))
            #expect(frame.schemaID == 0x0102_03ff)
            #expect(Array(frame.body) == [9, 9])
            #expect(ConfluentFrame(UnsafeBufferPointer(rebasing: bytes[..<4])) == nil)
            #expect(ConfluentFrame(UnsafeBufferPointer(rebasing: bytes[1...])) == nil)
        }
    }
}
