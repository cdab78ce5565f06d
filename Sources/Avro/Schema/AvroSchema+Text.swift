import Basics

extension AvroSchema {
    /// The schema as JSON text, without blanks: names whole, and all that this module knows of it.
    public var text: String { SchemaWriter(schema: self, isCanonical: false).text() }

    /// The Parsing Canonical Form of the specification: what two schemas have in common that read the same bytes alike.
    public var canonicalForm: String { SchemaWriter(schema: self, isCanonical: true).text() }

    /// CRC-64-AVRO of the canonical form.
    public var fingerprint: UInt64 { Self.fingerprint(of: canonicalForm.utf8) }

    /// Source: the specification's "Schema Fingerprints", Rabin's fingerprint of 64 bits.
    static func fingerprint(of bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(emptyFingerprint) {
            ($0 >> 8) ^ fingerprintTable[Int(truncatingIfNeeded: ($0 ^ UInt64($1)) & 0xff)]
        }
    }

    private static let emptyFingerprint: UInt64 = 0xc15d_213a_a4d7_a795
    private static let fingerprintTable: [UInt64] = (0..<256).map { byte in
        (0..<8).reduce(UInt64(byte)) { value, _ in (value >> 1) ^ (emptyFingerprint & (0 &- (value & 1))) }
    }
}

/// Writes each type with a name where it stands first, and its name from then on.
private struct SchemaWriter {
    let schema: AvroSchema
    let isCanonical: Bool
    private var written: Set<String> = []

    init(schema: AvroSchema, isCanonical: Bool) { (self.schema, self.isCanonical) = (schema, isCanonical) }

    func text() -> String {
        var writer = self
        var text = ""
        writer.write(schema.root, to: &text)
        return text
    }

    private mutating func write(_ index: Int, to text: inout String) {
        let node = schema.nodes[index]
        if let name = node.name, !written.insert(name).inserted {
            text += jsonString(name)
            return
        }
        switch node.kind {
        case .union(let branches):
            text += "["
            for (place, branch) in branches.enumerated() {
                if place > 0 { text += "," }
                write(branch, to: &text)
            }
            text += "]"
        case .null, .boolean, .int, .long, .float, .double, .bytes, .string:
            let logical = logicalType(of: node)
            text += logical.isEmpty ? "\"\(node.kind.word)\"" : "{\"type\":\"\(node.kind.word)\"\(logical)}"
        case .array(let items):
            text += "{\"type\":\"array\",\"items\":"
            write(items, to: &text)
            text += "}"
        case .map(let values):
            text += "{\"type\":\"map\",\"values\":"
            write(values, to: &text)
            text += "}"
        case .record, .enumeration, .fixed: writeNamed(node, to: &text)
        }
    }

    private mutating func writeNamed(_ node: AvroSchema.Node, to text: inout String) {
        text += "{\"name\":"
        text += jsonString(node.name ?? "")
        // Read again inside another type, a name without a namespace would get that type's.
        if !isCanonical, !(node.name ?? "").contains("."), written.count > 1 { text += ",\"namespace\":\"\"" }
        text += ",\"type\":\"\(node.kind.word)\""
        write("doc", node.doc, to: &text)
        write("aliases", node.aliases, to: &text)
        switch node.kind {
        case .record(let fields):
            text += ",\"fields\":["
            for (place, field) in fields.enumerated() {
                text += place > 0 ? ",{\"name\":" : "{\"name\":"
                text += jsonString(field.name)
                text += ",\"type\":"
                write(field.type, to: &text)
                write("doc", field.doc, to: &text)
                write("aliases", field.aliases, to: &text)
                write("order", field.order, to: &text)
                if !isCanonical, let value = field.defaultValue {
                    text += ",\"default\":"
                    value.write(to: &text)
                }
                text += "}"
            }
            text += "]"
        case .enumeration(let symbols, let defaultSymbol):
            text += ",\"symbols\":["
            for (place, symbol) in symbols.enumerated() {
                if place > 0 { text += "," }
                text += jsonString(symbol)
            }
            text += "]"
            write("default", defaultSymbol.map { symbols[$0] }, to: &text)
        case .fixed(let size): text += ",\"size\":\(size)\(logicalType(of: node))"
        default: break
        }
        text += "}"
    }

    private func write(_ key: String, _ value: String?, to text: inout String) {
        guard !isCanonical, let value else { return }
        text += ",\"\(key)\":"
        text += jsonString(value)
    }

    private func write(_ key: String, _ values: [String], to text: inout String) {
        guard !isCanonical, !values.isEmpty else { return }
        text += ",\"\(key)\":"
        JSONValue.array(values.map { .string($0) }).write(to: &text)
    }

    private func logicalType(of node: AvroSchema.Node) -> String {
        guard !isCanonical, let logicalType = node.logicalType else { return "" }
        let name =
            switch logicalType {
            case .decimal: "decimal"
            case .uuid: "uuid"
            case .date: "date"
            case .timeMillis: "time-millis"
            case .timeMicros: "time-micros"
            case .timestampMillis: "timestamp-millis"
            case .timestampMicros: "timestamp-micros"
            case .localTimestampMillis: "local-timestamp-millis"
            case .localTimestampMicros: "local-timestamp-micros"
            }
        guard case .decimal(let precision, let scale) = logicalType else { return ",\"logicalType\":\"\(name)\"" }
        return ",\"logicalType\":\"\(name)\",\"precision\":\(precision),\"scale\":\(scale)"
    }
}
