import Testing

@testable import Avro

/// Schemas and values of them that nobody thought of.
struct RandomSchemas {
    private var state: UInt64
    private var names = 0
    /// Whether only what Python tells apart comes: unions of null and one type, times that a calendar has, decimals within their precision.
    let isPlain: Bool

    init(seed: UInt64, isPlain: Bool = false) { (state, self.isPlain) = (seed &* 0x9e37_79b9_7f4a_7c15 | 1, isPlain) }

    /// xorshift64*
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

    private mutating func name(_ prefix: String) -> String {
        names += 1
        return "\(prefix)\(names)"
    }

    /// A record's text.
    mutating func record(depth: Int = 0) -> String {
        let fields = (0..<1 + below(6)).map { _ in #"{"name":"\#(name("f"))","type":\#(type(depth: depth + 1))}"# }
        return #"{"type":"record","name":"\#(name("R"))","fields":[\#(fields.joined(separator: ","))]}"#
    }

    private mutating func type(depth: Int) -> String {
        let simple = [
            "\"null\"", "\"boolean\"", "\"int\"", "\"long\"", "\"float\"", "\"double\"", "\"bytes\"", "\"string\"",
            #"{"type":"int","logicalType":"date"}"#, #"{"type":"long","logicalType":"timestamp-millis"}"#,
            #"{"type":"long","logicalType":"timestamp-micros"}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}"#,
        ]
        switch below(depth > 3 ? 14 : 20) {
        case 12: return #"{"type":"fixed","name":"\#(name("F"))","size":\#(below(20))}"#
        case 13: return #"{"type":"enum","name":"\#(name("E"))","symbols":["A","B","C"]}"#
        case 14, 15: return #"{"type":"array","items":\#(type(depth: depth + 1))}"#
        case 16: return #"{"type":"map","values":\#(type(depth: depth + 1))}"#
        case 17: return record(depth: depth)
        case 18, 19:
            let other =
                isPlain ? simple[1 + below(11)] : [record(depth: depth), simple[1 + below(7)]].joined(separator: ",")
            return #"["null",\#(other)]"#
        case let place: return simple[place]
        }
    }

    mutating func value(of schema: AvroSchema, _ index: Int) -> AvroValue {
        let node = schema.nodes[index]
        switch node.kind {
        case .null: return .null
        case .boolean: return .boolean(below(2) == 1)
        case .int:
            if isPlain, node.logicalType == .date { return .int(Int32(below(40_000))) }
            return .int(Int32(truncatingIfNeeded: next() >> UInt64(below(64))))
        case .long:
            if isPlain, node.logicalType != nil { return .long(Int64(below(4_000_000_000_000))) }
            return .long(Int64(bitPattern: next()) >> Int64(below(64)))
        case .float: return .float(Float(Int32(truncatingIfNeeded: next())) / 16)
        case .double: return .double(Double(Int64(bitPattern: next())) / 1024)
        case .bytes:
            guard isPlain, node.logicalType != nil else { return .bytes(bytes(below(20))) }
            var bytes = [UInt8](repeating: 0, count: AvroBinary.maximumDecimalLength)
            let cents = Int64(below(2_000_000_000)) - 1_000_000_000
            let count = bytes.withUnsafeMutableBufferPointer {
                AvroBinary.write(decimal: cents, to: $0.baseAddress!) - $0.baseAddress!
            }
            return .bytes(Array(bytes[1..<count]))
        case .string: return .string(String((0..<below(12)).map { _ in ["a", "é", "\"", "\n", "旅", "😀"][below(6)] }))
        case .fixed(let size): return .fixed(bytes(size))
        case .enumeration(let symbols, _): return .enumeration(below(symbols.count))
        case .array(let items): return .array((0..<below(4)).map { _ in value(of: schema, items) })
        case .map(let values):
            return .map((0..<below(4)).map { .init("k\($0)", value(of: schema, values)) })
        case .union(let types):
            let branch = below(types.count)
            return .union(branch, value(of: schema, types[branch]))
        case .record(let fields): return .record(fields.map { value(of: schema, $0.type) })
        }
    }

    private mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(below(256)) } }
}
