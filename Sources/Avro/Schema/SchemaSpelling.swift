public import Problems

extension AvroSchema {
    /// One text for all spellings of a schema: what is equal here is the same schema to a registry.
    ///
    /// White space, the order of keys and the way in which a namespace is written fold away; documentation, defaults, aliases and
    /// properties that nobody knows stay, since readers may go by them. A default order and empty aliases are as good as none.
    ///
    /// - Parameter isNormalized: also folds what means the same, such as a decimal's scale of 0.
    /// - Throws: `.badData` for a text that is no schema.
    public static func spelling(of text: String, isNormalized: Bool, file: String = "schema") throws(Problem) -> String
    {
        _ = try AvroSchema(text, file: file)
        var json = JSONText(Array(text.utf8), file: file)
        var speller = SchemaSpeller(isNormalized: isNormalized)
        var spelled = ""
        speller.type(try json.read().value, namespace: "").write(to: &spelled)
        return spelled
    }
}

/// Rewrites the JSON of a schema, which is known to be one.
private struct SchemaSpeller {
    let isNormalized: Bool
    private var named: Set<String> = []

    init(isNormalized: Bool) { self.isNormalized = isNormalized }

    private typealias Members = [String: JSONValue]

    mutating func type(_ json: JSONValue, namespace: String) -> JSONValue {
        switch json {
        case .string(let name): return .string(reference(name, namespace: namespace))
        case .array(let items):
            var branches: [JSONValue] = []
            for item in items { branches.append(type(item, namespace: namespace)) }
            return .array(branches)
        case .object(let list):
            return complex(Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0.value) }), namespace: namespace)
        default: return json
        }
    }

    private func reference(_ name: String, namespace: String) -> String {
        guard AvroSchema.Kind.primitives[name] == nil else { return name }
        let full = Self.full(name, in: namespace)
        return named.contains(full) ? full : name
    }

    private static func full(_ name: String, in namespace: String) -> String {
        name.contains(".") || namespace.isEmpty ? name : "\(namespace).\(name)"
    }

    private mutating func complex(_ members: Members, namespace: String) -> JSONValue {
        guard case .string(let word)? = members["type"] else {
            let inner = type(members["type"] ?? .null, namespace: namespace)
            return others(members, besides: ["type"]).isEmpty
                ? inner : .object([.init(name: "type", value: inner)] + others(members, besides: ["type"]))
        }
        var spelled: [JSONValue.Member] = [.init(name: "type", value: .string(word))]
        switch word {
        case "array", "map":
            let key = word == "array" ? "items" : "values"
            spelled.append(.init(name: key, value: type(members[key] ?? .null, namespace: namespace)))
            return .object(spelled + others(members, besides: ["type", key]))
        case "record", "error", "enum", "fixed": return definition(word, members, namespace: namespace)
        default:
            let others = others(members, besides: ["type"])
            let name = JSONValue.string(reference(word, namespace: namespace))
            return others.isEmpty ? name : .object([.init(name: "type", value: name)] + others)
        }
    }

    private mutating func definition(_ word: String, _ members: Members, namespace: String) -> JSONValue {
        var inner = namespace
        guard case .string(let name)? = members["name"] else { return .null }
        if let dot = name.lastIndex(of: ".") {
            inner = String(name[..<dot])
        } else if case .string(let given)? = members["namespace"] {
            inner = given
        }
        let full = name.contains(".") ? name : Self.full(name, in: inner)
        named.insert(full)
        var spelled: [JSONValue.Member] = [
            .init(name: "type", value: .string(word)), .init(name: "name", value: .string(full)),
        ]
        // Read again inside another type, a name without a namespace would get that type's.
        if !full.contains("."), !namespace.isEmpty { spelled.append(.init(name: "namespace", value: .string(""))) }
        var known: Set<String> = ["type", "name", "namespace", "doc", "aliases"]
        if let doc = members["doc"] { spelled.append(.init(name: "doc", value: doc)) }
        for key in ["symbols", "size"] {
            guard let value = members[key], key == (word == "enum" ? "symbols" : "size"),
                word == "enum" || word == "fixed"
            else { continue }
            known.insert(key)
            spelled.append(.init(name: key, value: value))
        }
        if case .array(let items)? = members["fields"], word == "record" || word == "error" {
            known.insert("fields")
            var fields: [JSONValue] = []
            for item in items { fields.append(field(item, namespace: inner)) }
            spelled.append(.init(name: "fields", value: .array(fields)))
        }
        if case .array(let aliases)? = members["aliases"], !aliases.isEmpty {
            let whole = aliases.map { alias in
                if case .string(let alias) = alias { JSONValue.string(Self.full(alias, in: inner)) } else { alias }
            }
            spelled.append(.init(name: "aliases", value: .array(whole)))
        }
        return .object(spelled + others(members, besides: known))
    }

    private mutating func field(_ json: JSONValue, namespace: String) -> JSONValue {
        guard case .object(let list) = json else { return json }
        let members = Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0.value) })
        var spelled: [JSONValue.Member] = []
        if let name = members["name"] { spelled.append(.init(name: "name", value: name)) }
        spelled.append(.init(name: "type", value: type(members["type"] ?? .null, namespace: namespace)))
        for key in ["doc", "default", "order", "aliases"] {
            guard let value = members[key], value != .array([]) || key != "aliases",
                key != "order" || value != .string("ascending")
            else { continue }
            spelled.append(.init(name: key, value: value.sorted))
        }
        return .object(spelled + others(members, besides: ["name", "type", "doc", "default", "order", "aliases"]))
    }

    /// What else is said of a type or field, by name.
    private func others(_ members: Members, besides known: Set<String>) -> [JSONValue.Member] {
        members.filter { key, value in
            if known.contains(key) { return false }
            let isScaleOfNothing =
                key == "scale" && value == .number("0") && members["logicalType"] == .string("decimal")
            return !(isNormalized && isScaleOfNothing)
        }
        .map { .init(name: $0.key, value: $0.value.sorted) }.sorted { $0.name < $1.name }
    }
}

extension JSONValue {
    /// The same with all keys in order.
    fileprivate var sorted: JSONValue {
        switch self {
        case .array(let items): .array(items.map(\.sorted))
        case .object(let members):
            .object(
                members.map { .init(name: $0.name, value: $0.value.sorted) }.sorted { $0.name < $1.name })
        default: self
        }
    }
}
