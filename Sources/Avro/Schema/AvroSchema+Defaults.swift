// A field's default, which a schema writes as JSON and readers take as bytes of its type.

/// Why JSON is no default of a type.
struct DefaultFault: Error {
    var text: String
}

extension AvroSchema {
    /// Appends the bytes that JSON stands for in a default: bytes as text whose characters are U+0000…U+00FF, a union as any of its branches,
    /// the first that fits.
    func encodeDefault(
        _ json: JSONValue, as index: Int, depth: Int, into bytes: inout [UInt8]
    ) throws(DefaultFault) {
        let node = nodes[index]
        func expected(_ what: String) -> DefaultFault { DefaultFault(text: "expected \(what)") }
        // Defaults of records within records may go round in circles.
        guard depth < JSONText.maximumDepth, bytes.count <= JSONText.maximumBytes else {
            throw DefaultFault(text: "it never ends")
        }
        switch (node.kind, json) {
        case (.null, .null): break
        case (.boolean, .bool(let value)): bytes.append(value ? 1 : 0)
        case (.int, .number(let digits)):
            guard let value = Int32(digits) else { throw expected("a whole number of 32 bits") }
            AvroBinary.append(long: Int64(value), to: &bytes)
        case (.long, .number(let digits)):
            guard let value = Int64(digits) else { throw expected("a whole number of 64 bits") }
            AvroBinary.append(long: value, to: &bytes)
        case (.float, .number(let digits)): AvroBinary.append(float: Float(digits) ?? 0, to: &bytes)
        case (.double, .number(let digits)): AvroBinary.append(double: Double(digits) ?? 0, to: &bytes)
        case (.string, .string(let text)): AvroBinary.append(bytes: text.utf8, to: &bytes)
        case (.bytes, .string(let text)): AvroBinary.append(bytes: try latin(text), to: &bytes)
        case (.fixed(let size), .string(let text)):
            let content = try latin(text)
            guard content.count == size else { throw expected("\(size) bytes") }
            bytes += content
        case (.enumeration(let symbols, _), .string(let text)):
            guard let symbol = symbols.firstIndex(of: text) else {
                throw expected("one of \(symbols.joined(separator: ", "))")
            }
            AvroBinary.append(long: Int64(symbol), to: &bytes)
        case (.array(let items), .array(let values)):
            if !values.isEmpty { AvroBinary.append(long: Int64(values.count), to: &bytes) }
            for value in values { try encodeDefault(value, as: items, depth: depth + 1, into: &bytes) }
            bytes.append(0)
        case (.map(let type), .object(let members)):
            if !members.isEmpty { AvroBinary.append(long: Int64(members.count), to: &bytes) }
            for member in members {
                AvroBinary.append(bytes: member.name.utf8, to: &bytes)
                try encodeDefault(member.value, as: type, depth: depth + 1, into: &bytes)
            }
            bytes.append(0)
        case (.union(let branches), _):
            for (place, branch) in branches.enumerated() {
                var attempt: [UInt8] = []
                AvroBinary.append(long: Int64(place), to: &attempt)
                do throws(DefaultFault) {
                    try encodeDefault(json, as: branch, depth: depth + 1, into: &attempt)
                } catch {
                    continue
                }
                bytes += attempt
                return
            }
            throw expected("a value of one of the union's types")
        case (.record(let fields), .object(let members)):
            for field in fields {
                let given = members.first { $0.name == field.name }?.value ?? field.defaultValue
                guard let given else { throw DefaultFault(text: "it has no \"\(field.name)\"") }
                try encodeDefault(given, as: field.type, depth: depth + 1, into: &bytes)
            }
        default: throw expected(node.words)
        }
    }

    private func latin(_ text: String) throws(DefaultFault) -> [UInt8] {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard scalar.value < 256 else { throw DefaultFault(text: "expected characters of U+0000…U+00FF") }
            bytes.append(UInt8(scalar.value))
        }
        return bytes
    }
}
