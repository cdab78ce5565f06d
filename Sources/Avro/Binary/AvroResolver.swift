import Problems

/// Makes the steps of a plan: schema resolution as the specification has it, and times of different units besides.
struct AvroResolver {
    let writer: AvroSchema
    let reader: AvroSchema
    private(set) var steps: [AvroPlan.Step] = []
    private(set) var fields: [AvroPlan.Field] = []
    private(set) var branches: [Int32] = []
    private(set) var symbols: [Int32] = []
    private(set) var constants: [[UInt8]] = []
    private(set) var messages: [String] = []

    private struct Pair: Hashable {
        var writer: Int
        var reader: Int
    }
    /// Of pairs that were or are being looked at: types that contain themselves end here.
    private var known: [Pair: Int32] = [:]
    /// The keys of `known` in the order in which they came: where one cannot be read, what was found on the way may refer to it.
    private var order: [Pair] = []
    private var attempts = 0
    /// Steps that read types of the writer's and of the reader's as they are.
    private var (skipped, own): ([Pair: Int32], [Pair: Int32]) = ([:], [:])
    /// Names of the fields that lead to where we are, and the depth of types without names.
    private var path: [String] = []
    private var sizes: [Int: Int] = [:]

    /// Schemas that anybody means have some hundred types.
    private static let maximumAttempts = 1 << 20

    init(writer: AvroSchema, reader: AvroSchema) { (self.writer, self.reader) = (writer, reader) }

    private mutating func add(_ step: AvroPlan.Step) -> Int32 {
        steps.append(step)
        return Int32(steps.count - 1)
    }

    mutating func addRecord(_ chosen: [AvroPlan.Field], readersCount: Int) -> Int32 {
        let start = Int32(fields.count)
        fields += chosen
        return add(.init(operation: .record, a: start, b: Int32(chosen.count), c: Int32(readersCount)))
    }

    private func mismatch(_ message: String) -> Problem {
        Problem(
            .badData, (path.isEmpty ? "" : "\(path.joined(separator: ".")): ") + message,
            hint: "The writer's schema and the reader's do not belong together.")
    }

    /// The step that reads a type of the writer's as one of the reader's.
    mutating func resolve(_ writerType: Int, _ readerType: Int) throws(Problem) -> Int32 {
        let pair = Pair(writer: writerType, reader: readerType)
        if let step = known[pair] { return step }
        attempts += 1
        guard attempts <= Self.maximumAttempts else { throw mismatch("the schemas have too many types") }
        let place = add(.init(operation: .null))
        known[pair] = place
        let count = order.count
        order.append(pair)
        do throws(Problem) {
            steps[Int(place)] = try step(writer.nodes[writerType], writerType, reader.nodes[readerType], readerType)
        } catch {
            for pair in order[count...] { known[pair] = nil }
            order.removeLast(order.count - count)
            throw error
        }
        return place
    }

    private mutating func step(
        _ old: AvroSchema.Node, _ oldIndex: Int, _ new: AvroSchema.Node, _ newIndex: Int
    ) throws(Problem) -> AvroPlan.Step {
        if case .union(let types) = old.kind { return try writersUnion(types, newIndex) }
        if case .union(let types) = new.kind { return try readersUnion(old, oldIndex, types) }
        switch (old.kind, new.kind) {
        case (.null, .null): return .init(operation: .null)
        case (.boolean, .boolean): return .init(operation: .boolean)
        case (.int, .int): return .init(operation: .int)
        case (.int, .long): return .init(operation: .intAsLong)
        case (.int, .float): return .init(operation: .intAsFloat)
        case (.int, .double): return .init(operation: .intAsDouble)
        case (.long, .long):
            guard let factor = Self.factor(old.logicalType, new.logicalType) else { return .init(operation: .long) }
            return .init(operation: .scaledLong, a: factor)
        case (.long, .float): return .init(operation: .longAsFloat)
        case (.long, .double): return .init(operation: .longAsDouble)
        case (.float, .float): return .init(operation: .float)
        case (.float, .double): return .init(operation: .floatAsDouble)
        case (.double, .double): return .init(operation: .double)
        case (.bytes, .bytes):
            try requireSameScale(old, new)
            return .init(operation: .bytes)
        case (.bytes, .string): return .init(operation: .bytesAsString)
        case (.string, .string): return .init(operation: .string)
        case (.string, .bytes): return .init(operation: .stringAsBytes)
        case (.fixed(let size), .fixed(let newSize)):
            try requireSameName(old, new)
            guard size == newSize else { throw mismatch("\(old.words) has \(size) bytes, not \(newSize)") }
            try requireSameScale(old, new)
            return .init(operation: .fixed, a: Int32(size))
        case (.enumeration(let oldSymbols, _), .enumeration(let newSymbols, let defaultSymbol)):
            try requireSameName(old, new)
            let start = Int32(symbols.count)
            for symbol in oldSymbols {
                symbols.append(Int32(newSymbols.firstIndex(of: symbol) ?? defaultSymbol ?? -1))
            }
            return .init(operation: .enumeration, a: start, b: Int32(oldSymbols.count))
        case (.array(let items), .array(let newItems)):
            let step = try inner("[]", items, newItems)
            return .init(operation: .array, a: step, b: Int32(clamping: leastSize(of: items)))
        case (.map(let values), .map(let newValues)):
            let step = try inner("{}", values, newValues)
            // The key has its length at least.
            return .init(operation: .map, a: step, b: Int32(clamping: leastSize(of: values) + 1))
        case (.record(let oldFields), .record(let newFields)):
            try requireSameName(old, new)
            return try record(oldFields, newFields)
        default: throw mismatch("\(old.words) cannot be read as \(new.words)")
        }
    }

    private mutating func inner(_ name: String, _ old: Int, _ new: Int) throws(Problem) -> Int32 {
        path.append(name)
        defer { path.removeLast() }
        return try resolve(old, new)
    }

    /// By what times of the writer's unit are multiplied, or negative, divided; nil where they are taken as they are.
    private static func factor(_ old: AvroSchema.LogicalType?, _ new: AvroSchema.LogicalType?) -> Int32? {
        switch (old, new) {
        case (.timestampMillis, .timestampMicros), (.localTimestampMillis, .localTimestampMicros): 1000
        case (.timestampMicros, .timestampMillis), (.localTimestampMicros, .localTimestampMillis): -1000
        default: nil
        }
    }

    /// Decimals of different scales are different numbers of the same bytes: nothing would tell who reads them.
    private func requireSameScale(_ old: AvroSchema.Node, _ new: AvroSchema.Node) throws(Problem) {
        guard case .decimal(_, let scale)? = old.logicalType, case .decimal(_, let newScale)? = new.logicalType,
            scale != newScale
        else { return }
        throw mismatch("a decimal has \(scale) decimals, not \(newScale)")
    }

    /// Names count without their namespaces, as the specification says; an alias of the reader's counts as the writer's name.
    private func requireSameName(_ old: AvroSchema.Node, _ new: AvroSchema.Node) throws(Problem) {
        guard !Self.haveSameName(old, new) else { return }
        throw mismatch("\(old.words) is no \(new.words)")
    }

    private static func haveSameName(_ old: AvroSchema.Node, _ new: AvroSchema.Node) -> Bool {
        old.shortName == new.shortName || new.aliases.contains { $0 == old.name }
    }
}

// MARK: - Unions and records

extension AvroResolver {
    private mutating func writersUnion(_ types: [Int], _ newIndex: Int) throws(Problem) -> AvroPlan.Step {
        var found: [Int32] = []
        var first: Problem?
        var isReadable = types.isEmpty
        for type in types {
            do throws(Problem) {
                found.append(try resolve(type, newIndex))
                isReadable = true
            } catch {
                first = first ?? error
                messages.append(error.message)
                found.append(add(.init(operation: .mismatch, a: Int32(messages.count - 1))))
            }
        }
        if let first, !isReadable { throw first }
        let start = Int32(branches.count)
        branches += found
        return .init(operation: .writersUnion, a: start, b: Int32(found.count))
    }

    /// The same type, else the first that takes the writer's.
    private mutating func readersUnion(
        _ old: AvroSchema.Node, _ oldIndex: Int, _ types: [Int]
    ) throws(Problem) -> AvroPlan.Step {
        let same = types.firstIndex { type in
            let new = reader.nodes[type]
            return new.kind.word == old.kind.word && (old.name == nil || Self.haveSameName(old, new))
        }
        for place in [same].compactMap({ $0 }) + types.indices.filter({ $0 != same }) {
            do throws(Problem) {
                let step = try resolve(oldIndex, types[place])
                return .init(operation: .readersBranch, a: Int32(place), b: step)
            } catch { continue }
        }
        let words = types.map { reader.nodes[$0].words }.joined(separator: ", ")
        throw mismatch("\(old.words) is none of the union's types: \(words)")
    }

    private mutating func record(
        _ oldFields: [AvroSchema.Field], _ newFields: [AvroSchema.Field]
    ) throws(Problem) -> AvroPlan.Step {
        var chosen: [AvroPlan.Field] = []
        var missing = Set(newFields.indices)
        for field in oldFields {
            let place =
                newFields.firstIndex { $0.name == field.name }
                ?? newFields.firstIndex { $0.aliases.contains(field.name) }
            path.append(field.name)
            defer { path.removeLast() }
            if let place, missing.remove(place) != nil {
                chosen.append(.init(index: Int32(place), step: try resolve(field.type, newFields[place].type)))
            } else {
                chosen.append(.init(index: -1, step: try skip(field.type)))
            }
        }
        for place in newFields.indices where missing.contains(place) {
            let field = newFields[place]
            guard let bytes = field.defaultBytes else {
                throw mismatch("the writer has no field \"\(field.name)\", and the reader no default for it")
            }
            constants.append(bytes)
            chosen.append(
                .init(index: Int32(place), step: try readersOwn(field.type), constant: Int32(constants.count - 1)))
        }
        let start = Int32(fields.count)
        fields += chosen
        return .init(operation: .record, a: start, b: Int32(chosen.count), c: Int32(newFields.count))
    }

    /// The step for what the writer wrote and the reader does not have.
    private mutating func skip(_ type: Int) throws(Problem) -> Int32 {
        var known = skipped
        skipped = [:]
        defer { skipped = known }
        return try addAll(of: writer, type, &known)
    }

    /// The step for a default, whose bytes are the reader's own.
    private mutating func readersOwn(_ type: Int) throws(Problem) -> Int32 {
        var known = own
        own = [:]
        defer { own = known }
        return try addAll(of: reader, type, &known)
    }

    /// Steps that read a type of one schema as it is, beside those that there are.
    private mutating func addAll(
        of schema: AvroSchema, _ type: Int, _ known: inout [Pair: Int32]
    ) throws(Problem) -> Int32 {
        var resolver = AvroResolver(writer: schema, reader: schema)
        exchange(&resolver)
        swap(&resolver.known, &known)
        defer {
            exchange(&resolver)
            swap(&resolver.known, &known)
        }
        return try resolver.resolve(type, type)
    }

    private mutating func exchange(_ other: inout AvroResolver) {
        swap(&steps, &other.steps)
        swap(&fields, &other.fields)
        swap(&branches, &other.branches)
        swap(&symbols, &other.symbols)
        swap(&constants, &other.constants)
        swap(&messages, &other.messages)
        swap(&attempts, &other.attempts)
    }

    /// Bytes that a value of the writer's has at least; of a type that contains itself, what it has without that.
    private mutating func leastSize(of index: Int) -> Int {
        if let size = sizes[index] { return size }
        sizes[index] = 0
        let size: Int
        switch writer.nodes[index].kind {
        case .null: size = 0
        case .boolean, .int, .long, .bytes, .string, .enumeration, .array, .map: size = 1
        case .float: size = 4
        case .double: size = 8
        case .fixed(let bytes): size = bytes
        case .union(let types): size = 1 + (types.map { leastSize(of: $0) }.min() ?? 0)
        case .record(let fields): size = fields.reduce(0) { min($0 + leastSize(of: $1.type), 1 << 30) }
        }
        sizes[index] = size
        return size
    }
}
