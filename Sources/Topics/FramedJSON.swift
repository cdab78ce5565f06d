internal import Basics
import Time
internal import Avro
internal import Foundation
internal import Problems
internal import SchemaRegistry
internal import Trips

/// Shows Avro in Confluent's frame as JSON, so that people and their tools can read it.
///
/// A record is an object with its fields in the schema's order; a value of a union stands there as such. Decimals are numbers with their
/// digits, timestamps and dates texts (RFC 3339), enums their symbols; bytes, and decimals of more than 64 bits, are `{"base64":"…"}`.
final class FramedJSON {
    private let schemas: SchemaCache
    private var writers: [UInt32: Writer] = [:]
    private let sink = JSONSink()

    private struct Writer {
        var schema: AvroSchema
        var plan: AvroPlan
    }

    init(_ schemas: SchemaCache) { self.schemas = schemas }

    /// Appends what a message says.
    ///
    /// - Returns: false, and nothing is appended, for what is not framed, of a schema that is not known, or not what its schema says.
    /// - Throws: `.unavailable` where the registry does not answer.
    func append(_ message: UnsafeBufferPointer<UInt8>, to out: inout OutputBuffer) throws -> Bool {
        guard let frame = ConfluentFrame(message), let writer = try writer(frame.schemaID) else { return false }
        var input = AvroInput(frame.body)
        var visitor = JSONVisitor(schema: writer.schema, sink: sink)
        sink.text.removeAll()
        do throws(AvroFault) { try writer.plan.read(&input, into: &visitor) } catch { return false }
        guard input.isAtEnd else { return false }
        out.append(sink.text.bytes)
        return true
    }

    private func writer(_ id: UInt32) throws -> Writer? {
        if let writer = writers[id] { return writer }
        guard case .schema(let schema)? = try schemas.entry(id: id), let plan = try? AvroPlan(schema) else {
            return nil
        }
        let writer = Writer(schema: schema, plan: plan)
        writers[id] = writer
        return writer
    }
}

/// The text being written, where a visitor, which is a value, can reach it.
private final class JSONSink {
    var text = OutputBuffer(capacity: 1 << 10)
}

private struct JSONVisitor: AvroVisitor {
    let schema: AvroSchema
    let sink: JSONSink
    /// Of the next value, or of the one that is written.
    private var type: Int
    /// Whether what has to stand before the next value stands there.
    private var isPlaced = true
    private var frames: [Frame] = []

    private struct Frame {
        var type: Int
        var isEmpty = true
    }

    init(schema: AvroSchema, sink: JSONSink) { (self.schema, self.sink, type) = (schema, sink, schema.root) }

    /// Before each value: the comma of an item.
    private mutating func place() {
        if !isPlaced, let frame = frames.last, case .array(let items) = schema.nodes[frame.type].kind {
            separate()
            type = items
        }
        isPlaced = false
    }

    private mutating func separate() {
        if !frames[frames.count - 1].isEmpty { sink.text.append(UInt8(ascii: ",")) }
        frames[frames.count - 1].isEmpty = false
    }

    private mutating func begin(_ byte: UInt8) {
        place()
        frames.append(Frame(type: type))
        sink.text.append(byte)
    }

    private mutating func end(_ byte: UInt8) {
        frames.removeLast()
        sink.text.append(byte)
    }

    private mutating func name(_ name: [UInt8]) {
        separate()
        sink.text.append(jsonString: name)
        sink.text.append(UInt8(ascii: ":"))
        isPlaced = true
    }

    mutating func branch(_ index: Int) {
        place()
        if case .union(let branches) = schema.nodes[type].kind { type = branches[index] }
        isPlaced = true
    }
    mutating func beginRecord(fields: Int) { begin(UInt8(ascii: "{")) }
    mutating func field(_ index: Int) {
        guard let frame = frames.last, case .record(let fields) = schema.nodes[frame.type].kind else { return }
        name(Array(fields[index].name.utf8))
        type = fields[index].type
    }
    mutating func endRecord() { end(UInt8(ascii: "}")) }
    mutating func beginArray() { begin(UInt8(ascii: "[")) }
    mutating func endArray() { end(UInt8(ascii: "]")) }
    mutating func beginMap() { begin(UInt8(ascii: "{")) }
    mutating func key(_ key: UnsafeBufferPointer<UInt8>) {
        name(Array(key))
        if let frame = frames.last, case .map(let values) = schema.nodes[frame.type].kind { type = values }
    }
    mutating func endMap() { end(UInt8(ascii: "}")) }
}

extension JSONVisitor {
    mutating func null() {
        place()
        sink.text.append("null")
    }

    mutating func boolean(_ value: Bool) {
        place()
        if value { sink.text.append("true") } else { sink.text.append("false") }
    }

    mutating func int(_ value: Int32) { long(Int64(value)) }

    mutating func long(_ value: Int64) {
        place()
        guard let text = Self.time(value, schema.nodes[type].logicalType) else {
            return sink.text.append(decimal: value)
        }
        quote(text)
    }

    /// A time or day as text; nil for a number that is none, or none of the years that texts have.
    private static func time(_ value: Int64, _ meaning: AvroSchema.LogicalType?) -> String? {
        func text(_ millis: Int64, _ more: String, isLocal: Bool) -> String? {
            guard RFC3339.range.contains(millis) else { return nil }
            return RFC3339.string(millis).dropLast() + more + (isLocal ? "" : "Z")
        }
        func micros() -> String {
            let rest = String(value - floorDivide(value, 1000) * 1000)
            return String(repeating: "0", count: 3 - rest.count) + rest
        }
        switch meaning {
        case .timestampMillis: return text(value, "", isLocal: false)
        case .localTimestampMillis: return text(value, "", isLocal: true)
        case .timestampMicros: return text(floorDivide(value, 1000), micros(), isLocal: false)
        case .localTimestampMicros: return text(floorDivide(value, 1000), micros(), isLocal: true)
        case .date: return text(value * 86_400_000, "", isLocal: true).map { String($0.prefix(10)) }
        default: return nil
        }
    }

    mutating func float(_ value: Float) { number("\(value)", isFinite: value.isFinite) }
    mutating func double(_ value: Double) { number("\(value)", isFinite: value.isFinite) }

    /// JSON has no words for what is no number.
    private mutating func number(_ text: String, isFinite: Bool) {
        place()
        if isFinite { sink.text.append(text) } else { quote(text) }
    }

    mutating func string(_ value: UnsafeBufferPointer<UInt8>) {
        place()
        sink.text.append(jsonString: Array(value))
    }

    mutating func bytes(_ value: UnsafeBufferPointer<UInt8>) {
        place()
        if case .decimal(_, let scale)? = schema.nodes[type].logicalType, let number = AvroBinary.decimal(value),
            scale < Self.longestScale
        {
            return sink.text.append(decimalText(number, decimals: scale))
        }
        sink.text.append("{\"base64\":\"" + Data(value).base64EncodedString() + "\"}")
    }

    /// More digits behind the point than any amount has would be noughts for the most part.
    private static let longestScale = 100

    mutating func fixed(_ value: UnsafeBufferPointer<UInt8>) { bytes(value) }

    mutating func symbol(_ index: Int) {
        place()
        guard case .enumeration(let symbols, _) = schema.nodes[type].kind else { return }
        quote(symbols[index])
    }

    private func quote(_ text: String) { sink.text.append(jsonString: Array(text.utf8)) }
}
