public import Problems

extension AvroSchema {
    /// Reads a schema's JSON text.
    ///
    /// - Parameter file: what messages call it.
    /// - Throws: `.badData` with line and column: for text that is no JSON, else for all that is wrong with it as a schema at once.
    public init(_ text: String, file: String = "schema") throws(Problem) {
        try self.init(bytes: Array(text.utf8), file: file)
    }

    public init(bytes: [UInt8], file: String = "schema") throws(Problem) {
        var text = JSONText(bytes, file: file)
        let json = try text.read()
        var parser = SchemaParser(text: text)
        let root = parser.type(json, namespace: "")
        try parser.problems.throwIfAny()
        self.init(nodes: parser.nodes, root: root)
        parser.checkDefaults(of: &self)
        try parser.problems.throwIfAny()
    }
}

/// Makes nodes of JSON; goes on after a mistake, with a type that stands for what was meant.
private struct SchemaParser {
    let text: JSONText
    var nodes: [AvroSchema.Node] = []
    var problems = ProblemList()
    /// Types with names, by their whole names and aliases.
    private var named: [String: Int] = [:]
    private var primitives: [String: Int] = [:]
    /// Where defaults stand, by record and field.
    private var defaults: [(record: Int, field: Int, json: JSONNode)] = []

    /// Each type of the writer's may be compared with each of the reader's.
    private static let maximumBranches = 1000

    init(text: JSONText) { self.text = text }

    private typealias Members = [String: JSONNode.Member]

    private mutating func complain(_ at: Int, _ message: String, hint: String? = nil) {
        problems.add(text.problem(at: at, message, hint: hint))
    }

    private mutating func add(_ node: AvroSchema.Node) -> Int {
        nodes.append(node)
        return nodes.count - 1
    }

    private mutating func primitive(_ word: String) -> Int? {
        if let known = primitives[word] { return known }
        guard let kind = AvroSchema.Kind.primitives[word] else { return nil }
        let index = add(.init(kind: kind))
        primitives[word] = index
        return index
    }

    private mutating func anything() -> Int { primitive("null") ?? 0 }

    /// The index of a type; depth is bounded, since that of the text is.
    mutating func type(_ json: JSONNode, namespace: String) -> Int {
        switch json.content {
        case .string(let name): return reference(name, at: json.at, namespace: namespace)
        case .array(let items): return union(items, at: json.at, namespace: namespace)
        case .object(let members):
            let members = Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0) })
            return complex(members, at: json.at, namespace: namespace)
        default:
            complain(json.at, "a type is a name, an object or an array of types, not \(json.kind)")
            return anything()
        }
    }

    private mutating func reference(_ name: String, at: Int, namespace: String) -> Int {
        if let index = primitive(name) { return index }
        let full = name.contains(".") || namespace.isEmpty ? name : "\(namespace).\(name)"
        if let index = named[full] ?? named[name] { return index }
        let known = Array(named.keys) + AvroSchema.Kind.primitives.keys
        complain(
            at, "there is no type \"\(name)\"",
            hint: nearestName(to: name, among: known).map { "Did you mean \"\($0)\"?" }
                ?? "A type with a name has to be defined before it is used.")
        return anything()
    }

    private mutating func union(_ items: [JSONNode], at: Int, namespace: String) -> Int {
        let index = add(.init(kind: .union([])))
        guard items.count <= Self.maximumBranches else {
            complain(at, "a union of more than \(Self.maximumBranches) types")
            return index
        }
        var branches: [Int] = []
        var seen: Set<String> = []
        for item in items {
            let branch = type(item, namespace: namespace)
            let node = nodes[branch]
            if case .union = node.kind { complain(item.at, "a union must not hold a union") }
            if !seen.insert(node.name ?? node.kind.word).inserted {
                complain(item.at, "the union holds \(node.words) twice")
            }
            branches.append(branch)
        }
        nodes[index].kind = .union(branches)
        return index
    }

    private mutating func complex(_ members: Members, at: Int, namespace: String) -> Int {
        guard let type = members["type"]?.value else {
            complain(at, "the type has no \"type\"")
            return anything()
        }
        guard case .string(let word) = type.content else {
            // {"type": {"type": "string"}} and {"type": ["null", "string"]}
            return self.type(type, namespace: namespace)
        }
        switch word {
        case "array":
            let index = add(.init(kind: .null))
            nodes[index].kind = .array(items: inner(members, "items", at, namespace))
            return index
        case "map":
            let index = add(.init(kind: .null))
            nodes[index].kind = .map(values: inner(members, "values", at, namespace))
            return index
        case "record", "error", "enum", "fixed": return definition(word, members, at: at, namespace: namespace)
        default:
            guard let kind = AvroSchema.Kind.primitives[word] else {
                return reference(word, at: type.at, namespace: namespace)
            }
            var node = AvroSchema.Node(kind: kind)
            node.logicalType = logicalType(members, of: kind)
            return node.logicalType == nil ? primitive(word) ?? anything() : add(node)
        }
    }

    private mutating func inner(_ members: Members, _ key: String, _ at: Int, _ namespace: String) -> Int {
        guard let member = members[key] else {
            complain(at, "the type has no \"\(key)\"")
            return anything()
        }
        return type(member.value, namespace: namespace)
    }
}

// MARK: - Types with names

extension SchemaParser {
    private mutating func definition(_ word: String, _ members: Members, at: Int, namespace: String) -> Int {
        var inner = namespace
        let index = add(.init(kind: .null))
        if let full = fullName(members, at: at, namespace: &inner) {
            nodes[index].name = full
            if named[full] != nil || AvroSchema.Kind.primitives[full] != nil {
                complain(members["name"]?.value.at ?? at, "there is a type \"\(full)\" already")
            }
            named[full] = index
            for alias in aliases(members) {
                let whole = alias.contains(".") || inner.isEmpty ? alias : "\(inner).\(alias)"
                nodes[index].aliases.append(whole)
            }
        }
        nodes[index].doc = string(members, "doc")
        switch word {
        case "enum": nodes[index].kind = enumeration(members, at: at)
        case "fixed":
            nodes[index].kind = fixed(members, at: at)
            nodes[index].logicalType = logicalType(members, of: nodes[index].kind)
        default: nodes[index].kind = record(index, members, at: at, namespace: inner)
        }
        return index
    }

    private mutating func fullName(_ members: Members, at: Int, namespace: inout String) -> String? {
        guard let member = members["name"], case .string(let name) = member.value.content else {
            complain(members["name"]?.value.at ?? at, "the type needs a \"name\", which is a string")
            return nil
        }
        if let dot = name.lastIndex(of: ".") {
            namespace = String(name[..<dot])
        } else if let member = members["namespace"], case .string(let text) = member.value.content {
            namespace = text
        }
        let last = name.split(separator: ".", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        let full = namespace.isEmpty ? last : "\(namespace).\(last)"
        guard full.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ isName($0) }) else {
            complain(
                member.value.at, "\"\(full)\" cannot be a name",
                hint: "Each part begins with a letter or _ and goes on with letters, digits and _.")
            return nil
        }
        return full
    }

    private func isName(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, first < 48 || first > 57 else { return false }
        return text.utf8.allSatisfy { byte in
            (byte | 0x20) &- 97 < 26 || byte &- 48 < 10 || byte == UInt8(ascii: "_")
        }
    }

    private mutating func aliases(_ members: Members) -> [String] {
        guard let member = members["aliases"] else { return [] }
        guard case .array(let items) = member.value.content else {
            complain(member.value.at, "aliases are an array of names, not \(member.value.kind)")
            return []
        }
        return items.compactMap { item in
            guard case .string(let alias) = item.content,
                alias.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ isName($0) })
            else {
                complain(item.at, "an alias is a name")
                return nil
            }
            return alias
        }
    }

    private func string(_ members: Members, _ key: String) -> String? {
        if case .string(let text)? = members[key]?.value.content { text } else { nil }
    }

    private mutating func enumeration(_ members: Members, at: Int) -> AvroSchema.Kind {
        guard let member = members["symbols"], case .array(let items) = member.value.content else {
            complain(members["symbols"]?.value.at ?? at, "an enum needs \"symbols\", an array of names")
            return .null
        }
        var symbols: [String] = []
        for item in items {
            guard case .string(let symbol) = item.content, isName(symbol), !symbols.contains(symbol) else {
                complain(item.at, "a symbol is a name that no other symbol has")
                continue
            }
            symbols.append(symbol)
        }
        var defaultSymbol: Int?
        if let member = members["default"] {
            if case .string(let symbol) = member.value.content { defaultSymbol = symbols.firstIndex(of: symbol) }
            if defaultSymbol == nil { complain(member.value.at, "an enum's default is one of its symbols") }
        }
        return .enumeration(symbols: symbols, defaultSymbol: defaultSymbol)
    }

    private mutating func fixed(_ members: Members, at: Int) -> AvroSchema.Kind {
        guard let member = members["size"], case .number(let digits) = member.value.content, let size = Int(digits),
            0...Int(Int32.max) ~= size
        else {
            complain(members["size"]?.value.at ?? at, "a fixed needs a \"size\", which is a number of bytes")
            return .null
        }
        return .fixed(size: size)
    }

    private mutating func record(
        _ index: Int, _ members: Members, at: Int, namespace: String
    ) -> AvroSchema.Kind {
        guard let member = members["fields"], case .array(let items) = member.value.content else {
            complain(members["fields"]?.value.at ?? at, "a record needs \"fields\", an array")
            return .null
        }
        var fields: [AvroSchema.Field] = []
        var taken: Set<String> = []
        for item in items {
            guard case .object(let list) = item.content else {
                complain(item.at, "a field is an object, not \(item.kind)")
                continue
            }
            let members = Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0) })
            guard let name = string(members, "name"), isName(name) else {
                complain(members["name"]?.value.at ?? item.at, "a field needs a \"name\" of letters, digits and _")
                continue
            }
            guard let type = members["type"] else {
                complain(item.at, "field \"\(name)\" has no \"type\"")
                continue
            }
            // A field's own logicalType and the like are none of its type's: {"name": "a", "type": "int", "logicalType": "date"} is an int.
            var field = AvroSchema.Field(name: name, type: self.type(type.value, namespace: namespace))
            field.aliases = aliases(members)
            for name in [name] + field.aliases where !taken.insert(name).inserted {
                complain(members["name"]?.value.at ?? item.at, "the record has two fields \"\(name)\"")
            }
            field.doc = string(members, "doc")
            field.order = string(members, "order")
            if let order = field.order, !["ascending", "descending", "ignore"].contains(order) {
                complain(members["order"]?.value.at ?? item.at, "an order is ascending, descending or ignore")
            }
            if let member = members["default"] {
                field.defaultValue = member.value.value
                defaults.append((index, fields.count, member.value))
            }
            fields.append(field)
        }
        return .record(fields)
    }

    /// One that the type can have; anything else is passed over, as the specification asks.
    private func logicalType(_ members: Members, of kind: AvroSchema.Kind) -> AvroSchema.LogicalType? {
        func integer(_ key: String) -> Int? {
            if case .number(let digits)? = members[key]?.value.content { Int(digits) } else { nil }
        }
        switch (string(members, "logicalType"), kind) {
        case ("decimal", .bytes), ("decimal", .fixed):
            guard let precision = integer("precision"), precision > 0 else { return nil }
            let scale = members["scale"] == nil ? 0 : integer("scale") ?? -1
            if case .fixed(let size) = kind {
                // 10^precision - 1 has to fit; log10(2) is 0.30103.
                guard size > 0, Double(precision) <= (Double(size) * 8 - 1) * 0.301_029_995_663_981_2 else {
                    return nil
                }
            }
            return 0...precision ~= scale ? .decimal(precision: precision, scale: scale) : nil
        case ("uuid", .string), ("uuid", .fixed(size: 16)): return .uuid
        case ("date", .int): return .date
        case ("time-millis", .int): return .timeMillis
        case ("time-micros", .long): return .timeMicros
        case ("timestamp-millis", .long): return .timestampMillis
        case ("timestamp-micros", .long): return .timestampMicros
        case ("local-timestamp-millis", .long): return .localTimestampMillis
        case ("local-timestamp-micros", .long): return .localTimestampMicros
        default: return nil
        }
    }
}

// MARK: - Defaults

extension SchemaParser {
    /// Gives each field with a default its bytes; types that are used before they are whole could not be asked earlier.
    mutating func checkDefaults(of schema: inout AvroSchema) {
        for (record, place, json) in defaults {
            guard case .record(var fields) = schema.nodes[record].kind else { continue }
            var bytes: [UInt8] = []
            do throws(DefaultFault) {
                try schema.encodeDefault(json.value, as: fields[place].type, depth: 0, into: &bytes)
            } catch {
                complain(
                    json.at, "the default of field \"\(fields[place].name)\" is no value of its type: \(error.text)")
                continue
            }
            fields[place].defaultBytes = bytes
            schema.nodes[record].kind = .record(fields)
        }
    }
}
