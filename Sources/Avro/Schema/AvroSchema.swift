/// A schema of Avro (https://avro.apache.org/docs/1.12.0/specification/): what the bytes of a value mean.
///
/// Its types are nodes of one array, which refer to each other by their index: a record may contain itself, and nothing that walks over a
/// schema needs to follow references between objects.
public struct AvroSchema: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case null, boolean, int, long, float, double, bytes, string
        /// So many bytes.
        case fixed(size: Int)
        case enumeration(symbols: [String], defaultSymbol: Int?)
        case array(items: Int)
        case map(values: Int)
        case union([Int])
        case record([Field])
    }

    /// What a value means beyond its bytes. One that a type cannot have, or that nobody knows, is no mistake: the type is read without it.
    public enum LogicalType: Sendable, Hashable {
        /// A whole number, as bytes in two's complement with the highest first, times 10^-scale.
        case decimal(precision: Int, scale: Int)
        case uuid
        /// Days since 1970.
        case date
        case timeMillis, timeMicros
        /// Since 1970 in UTC.
        case timestampMillis, timestampMicros
        /// Since 1970 on some wall clock.
        case localTimestampMillis, localTimestampMicros
    }

    public struct Node: Sendable, Equatable {
        public internal(set) var kind: Kind
        /// Of records, enums and fixed: with its namespace, such as `taxi.Trip`.
        public internal(set) var name: String?
        /// Whole names.
        public internal(set) var aliases: [String] = []
        public internal(set) var doc: String?
        public internal(set) var logicalType: LogicalType?
    }

    public struct Field: Sendable, Equatable {
        public internal(set) var name: String
        public internal(set) var aliases: [String] = []
        public internal(set) var doc: String?
        /// Index of its type.
        public internal(set) var type: Int
        /// `ascending`, `descending` or `ignore`; nil where nothing was said.
        public internal(set) var order: String?
        var defaultValue: JSONValue?
        /// The default as bytes of its type; nil where there is none.
        public internal(set) var defaultBytes: [UInt8]?
    }

    public internal(set) var nodes: [Node]
    /// Index of the type that the schema is of.
    public internal(set) var root: Int

    /// The type that the schema is of.
    public var type: Node { nodes[root] }
}

extension AvroSchema {
    /// The fields of the record that the schema is of; empty where it is of no record.
    public var fields: [Field] {
        if case .record(let fields) = type.kind { fields } else { [] }
    }

    /// The types that a value of a type can be: those of a union, or it alone.
    public func branches(of node: Int) -> [Node] {
        if case .union(let branches) = nodes[node].kind { branches.map { nodes[$0] } } else { [nodes[node]] }
    }
}

extension AvroSchema.Node {
    /// A type's name without its namespace.
    var shortName: String? {
        name.map { String($0[($0.lastIndex(of: ".").map { $0 } ?? $0.startIndex)...].drop { $0 == "." }) }
    }

    /// What a message calls it: `string`, `record taxi.Trip`.
    public var words: String {
        guard let name else { return kind.word }
        return "\(kind.word) \(name)"
    }
}

extension AvroSchema.Kind {
    /// The word that a schema has for it.
    public var word: String {
        switch self {
        case .null: "null"
        case .boolean: "boolean"
        case .int: "int"
        case .long: "long"
        case .float: "float"
        case .double: "double"
        case .bytes: "bytes"
        case .string: "string"
        case .fixed: "fixed"
        case .enumeration: "enum"
        case .array: "array"
        case .map: "map"
        case .union: "union"
        case .record: "record"
        }
    }

    static let primitives: [String: AvroSchema.Kind] = Dictionary(
        uniqueKeysWithValues: [null, boolean, int, long, float, double, bytes, string].map { ($0.word, $0) })
}
