public import Problems

/// A value of any schema as an object: for what comes seldom, such as a file's own data, and for tests. Records on their way are read by a
/// visitor instead.
public indirect enum AvroValue: Sendable, Hashable {
    case null
    case boolean(Bool)
    case int(Int32)
    case long(Int64)
    case float(Float)
    case double(Double)
    case bytes([UInt8])
    case string(String)
    case fixed([UInt8])
    /// Which symbol.
    case enumeration(Int)
    case array([AvroValue])
    case map([Entry])
    case union(Int, AvroValue)
    /// The fields in the schema's order.
    case record([AvroValue])

    public struct Entry: Sendable, Hashable {
        public var key: String
        public var value: AvroValue
        public init(_ key: String, _ value: AvroValue) { (self.key, self.value) = (key, value) }
    }
}

extension AvroValue {
    /// Appends the value as bytes.
    ///
    /// - Throws: `.software` where it is none of the schema's.
    public func encode(as schema: AvroSchema, into bytes: inout [UInt8]) throws(Problem) {
        try encode(schema, schema.root, &bytes)
    }

    private func encode(_ schema: AvroSchema, _ index: Int, _ bytes: inout [UInt8]) throws(Problem) {
        switch (schema.nodes[index].kind, self) {
        case (.null, .null): break
        case (.boolean, .boolean(let value)): bytes.append(value ? 1 : 0)
        case (.int, .int(let value)): AvroBinary.append(long: Int64(value), to: &bytes)
        case (.long, .long(let value)): AvroBinary.append(long: value, to: &bytes)
        case (.float, .float(let value)): AvroBinary.append(float: value, to: &bytes)
        case (.double, .double(let value)): AvroBinary.append(double: value, to: &bytes)
        case (.bytes, .bytes(let value)): AvroBinary.append(bytes: value, to: &bytes)
        case (.string, .string(let value)): AvroBinary.append(bytes: value.utf8, to: &bytes)
        case (.fixed(let size), .fixed(let value)) where value.count == size: bytes += value
        case (.enumeration(let symbols, _), .enumeration(let symbol)) where symbols.indices.contains(symbol):
            AvroBinary.append(long: Int64(symbol), to: &bytes)
        case (.array(let type), .array(let items)):
            if !items.isEmpty { AvroBinary.append(long: Int64(items.count), to: &bytes) }
            for item in items { try item.encode(schema, type, &bytes) }
            bytes.append(0)
        case (.map(let type), .map(let entries)):
            if !entries.isEmpty { AvroBinary.append(long: Int64(entries.count), to: &bytes) }
            for entry in entries {
                AvroBinary.append(bytes: entry.key.utf8, to: &bytes)
                try entry.value.encode(schema, type, &bytes)
            }
            bytes.append(0)
        case (.union(let types), .union(let branch, let value)) where types.indices.contains(branch):
            AvroBinary.append(long: Int64(branch), to: &bytes)
            try value.encode(schema, types[branch], &bytes)
        case (.record(let fields), .record(let values)) where fields.count == values.count:
            for (field, value) in zip(fields, values) { try value.encode(schema, field.type, &bytes) }
        default: throw Problem(.software, "a value is no \(schema.nodes[index].words)")
        }
    }
}

extension AvroPlan {
    /// Reads one value of the writer's as an object, and takes its bytes.
    ///
    /// - Throws: `.badData` with what is wrong, and at which byte.
    public func value(_ input: inout AvroInput) throws(Problem) -> AvroValue {
        var builder = ValueBuilder()
        do throws(AvroFault) {
            try read(&input, into: &builder)
        } catch {
            throw Problem(.badData, text(error))
        }
        return builder.result
    }

    /// Reads bytes that are one value, and nothing else.
    public func value(_ bytes: [UInt8]) throws(Problem) -> AvroValue {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in
            var input = AvroInput(bytes)
            let value = try value(&input)
            guard input.isAtEnd else { throw Problem(.badData, "byte \(input.offset): more follows") }
            return value
        }
    }
}

/// Puts what a plan reads together.
private struct ValueBuilder: AvroVisitor {
    private enum Frame {
        case record([AvroValue], at: Int)
        case array([AvroValue])
        case map([AvroValue.Entry], key: String)
        case union(Int)
    }
    private var frames: [Frame] = []
    private(set) var result = AvroValue.null

    private mutating func add(_ value: AvroValue) {
        switch frames.popLast() {
        case nil: result = value
        case .union(let branch): add(.union(branch, value))
        case .array(var items):
            items.append(value)
            frames.append(.array(items))
        case .map(var entries, let key):
            entries.append(.init(key, value))
            frames.append(.map(entries, key: key))
        case .record(var fields, let place):
            fields[place] = value
            frames.append(.record(fields, at: place))
        }
    }

    mutating func null() { add(.null) }
    mutating func boolean(_ value: Bool) { add(.boolean(value)) }
    mutating func int(_ value: Int32) { add(.int(value)) }
    mutating func long(_ value: Int64) { add(.long(value)) }
    mutating func float(_ value: Float) { add(.float(value)) }
    mutating func double(_ value: Double) { add(.double(value)) }
    mutating func bytes(_ value: UnsafeBufferPointer<UInt8>) { add(.bytes(Array(value))) }
    mutating func string(_ value: UnsafeBufferPointer<UInt8>) { add(.string(String(decoding: value, as: UTF8.self))) }
    mutating func fixed(_ value: UnsafeBufferPointer<UInt8>) { add(.fixed(Array(value))) }
    mutating func symbol(_ index: Int) { add(.enumeration(index)) }
    mutating func branch(_ index: Int) { frames.append(.union(index)) }
    mutating func beginRecord(fields: Int) {
        frames.append(.record(Array(repeating: .null, count: fields), at: 0))
    }
    mutating func field(_ index: Int) {
        if case .record(let fields, _)? = frames.popLast() { frames.append(.record(fields, at: index)) }
    }
    mutating func endRecord() { if case .record(let fields, _)? = frames.popLast() { add(.record(fields)) } }
    mutating func beginArray() { frames.append(.array([])) }
    mutating func endArray() { if case .array(let items)? = frames.popLast() { add(.array(items)) } }
    mutating func beginMap() { frames.append(.map([], key: "")) }
    mutating func key(_ name: UnsafeBufferPointer<UInt8>) {
        if case .map(let entries, _)? = frames.popLast() {
            frames.append(.map(entries, key: String(decoding: name, as: UTF8.self)))
        }
    }
    mutating func endMap() { if case .map(let entries, _)? = frames.popLast() { add(.map(entries)) } }
}
