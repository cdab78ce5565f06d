public import Problems

/// How to read what one schema wrote as another one means it: found out once, so that reading a record takes a few steps a field and makes
/// no object.
///
/// `@unchecked Sendable`: nothing is written after the initializer.
public final class AvroPlan: @unchecked Sendable {
    @usableFromInline
    enum Operation: UInt8 {
        case null, boolean, int, long, float, double, bytes, string
        case intAsLong, intAsFloat, intAsDouble, longAsFloat, longAsDouble, floatAsDouble, bytesAsString, stringAsBytes
        /// Times whose units differ: `a` multiplies, or where it is negative, divides towards the past.
        case scaledLong
        /// `a` bytes.
        case fixed
        /// Symbols `a ..< a + b` of `symbols`.
        case enumeration
        /// Items as step `a`, of at least `b` bytes.
        case array, map
        /// Fields `a ..< a + b` of `fields`; the reader has `c`.
        case record
        /// Steps `a ..< a + b` of `branches`.
        case writersUnion
        /// Type `a` of the reader's union, read as step `b`.
        case readersBranch
        /// Not to be read: message `a`.
        case mismatch
    }

    @usableFromInline
    struct Step {
        @usableFromInline var operation: Operation
        @usableFromInline var a: Int32 = 0
        @usableFromInline var b: Int32 = 0
        @usableFromInline var c: Int32 = 0
    }

    @usableFromInline
    struct Field {
        /// The reader's; -1 for one that it does not have.
        @usableFromInline var index: Int32
        @usableFromInline var step: Int32
        /// Which of `constants` it is read from; -1 for the input.
        @usableFromInline var constant: Int32 = -1
    }

    @usableFromInline let steps: UnsafeMutableBufferPointer<Step>
    @usableFromInline let fields: UnsafeMutableBufferPointer<Field>
    @usableFromInline let branches: UnsafeMutableBufferPointer<Int32>
    /// The reader's symbol for each of the writer's; -1 for one that it does not have, nor a default.
    @usableFromInline let symbols: UnsafeMutableBufferPointer<Int32>
    @usableFromInline let constants: [UnsafeMutableBufferPointer<UInt8>]
    private let messages: [String]
    @usableFromInline let root: Int32

    /// - Throws: `.badData` where some value that the writer may have written is none of the reader's, whichever it is; with the path to it.
    ///   A union of which only some types can be read is no such case: its values are looked at when they come.
    public convenience init(writer: AvroSchema, reader: AvroSchema) throws(Problem) {
        var resolver = AvroResolver(writer: writer, reader: reader)
        let root = try resolver.resolve(writer.root, reader.root)
        self.init(resolver, root: root)
    }

    /// Reads what the schema wrote as it is.
    public convenience init(_ schema: AvroSchema) throws(Problem) { try self.init(writer: schema, reader: schema) }

    /// Reads some fields of a record as they are, under the numbers that `number` gives their names, and passes over the others.
    ///
    /// - Throws: `.badData` for a schema that is of no record.
    public convenience init(_ schema: AvroSchema, selecting number: (String) -> Int?) throws(Problem) {
        guard case .record = schema.type.kind else {
            throw Problem(.badData, "the schema is of \(schema.type.words), not of a record")
        }
        var resolver = AvroResolver(writer: schema, reader: schema)
        var chosen: [Field] = []
        for field in schema.fields {
            chosen.append(
                Field(index: Int32(number(field.name) ?? -1), step: try resolver.resolve(field.type, field.type)))
        }
        let root = resolver.addRecord(chosen, readersCount: schema.fields.count)
        self.init(resolver, root: root)
    }

    private init(_ resolver: AvroResolver, root: Int32) {
        func copy<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
            let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
            _ = buffer.initialize(from: elements)
            return buffer
        }
        (steps, fields) = (copy(resolver.steps), copy(resolver.fields))
        (branches, symbols) = (copy(resolver.branches), copy(resolver.symbols))
        constants = resolver.constants.map(copy)
        messages = resolver.messages
        self.root = root
    }

    deinit {
        steps.deallocate()
        fields.deallocate()
        branches.deallocate()
        symbols.deallocate()
        for constant in constants { constant.deallocate() }
    }

    /// What is wrong with bytes that were refused, and where in them.
    public func text(_ fault: AvroFault) -> String {
        let text = fault.kind == .mismatch ? messages[Int(fault.detail)] : fault.text
        return "byte \(fault.offset): \(text)"
    }
}

// MARK: - Reading

extension AvroPlan {
    /// Reads one value of the writer's.
    ///
    /// - Throws: `AvroFault` for bytes that are no such value; never traps, whatever the bytes, and takes no memory of its own.
    @inlinable
    public func read<Visitor: AvroVisitor>(
        _ input: inout AvroInput, into visitor: inout Visitor
    ) throws(AvroFault) {
        input.depth = 0
        input.fuel = 1 << 16 &+ input.left &* 4
        try read(root, &input, &visitor)
    }

    @inlinable
    func read<Visitor: AvroVisitor>(
        _ step: Int32, _ input: inout AvroInput, _ visitor: inout Visitor
    ) throws(AvroFault) {
        let step = steps.baseAddress.unsafelyUnwrapped[Int(step)]
        switch step.operation {
        case .null: visitor.null()
        case .boolean: visitor.boolean(try input.boolean())
        case .int: visitor.int(try input.int())
        case .long: visitor.long(try input.long())
        case .float: visitor.float(try input.float())
        case .double: visitor.double(try input.double())
        case .bytes, .stringAsBytes: visitor.bytes(try input.bytes())
        case .string, .bytesAsString: visitor.string(try input.string())
        case .intAsLong: visitor.long(Int64(try input.int()))
        case .intAsFloat: visitor.float(Float(try input.int()))
        case .intAsDouble: visitor.double(Double(try input.int()))
        case .longAsFloat: visitor.float(Float(try input.long()))
        case .longAsDouble: visitor.double(Double(try input.long()))
        case .floatAsDouble: visitor.double(Double(try input.float()))
        case .scaledLong: visitor.long(try scaled(try input.long(), step.a, input))
        case .fixed: visitor.fixed(try input.take(Int(step.a)))
        case .enumeration:
            let symbol = try input.int()
            guard symbol >= 0, symbol < step.b else { throw input.fault(.noSymbol) }
            let index = symbols.baseAddress.unsafelyUnwrapped[Int(step.a &+ symbol)]
            guard index >= 0 else { throw input.fault(.noSymbol) }
            visitor.symbol(Int(index))
        case .record: try readRecord(step, &input, &visitor)
        case .array, .map: try readItems(step, &input, &visitor)
        case .writersUnion:
            let branch = try input.long()
            guard branch >= 0, branch < Int64(step.b) else { throw input.fault(.noBranch) }
            var target = branches.baseAddress.unsafelyUnwrapped[Int(step.a) &+ Int(branch)]
            // A union read as a union is the common case; taken here, it is one step less.
            let inner = steps.baseAddress.unsafelyUnwrapped[Int(target)]
            if inner.operation == .readersBranch {
                visitor.branch(Int(inner.a))
                target = inner.b
                if steps.baseAddress.unsafelyUnwrapped[Int(target)].operation == .null { return visitor.null() }
            }
            try read(target, &input, &visitor)
        case .readersBranch:
            visitor.branch(Int(step.a))
            try read(step.b, &input, &visitor)
        case .mismatch: throw AvroFault(kind: .mismatch, offset: input.offset, detail: step.a)
        }
    }

    @inlinable
    func readRecord<Visitor: AvroVisitor>(
        _ step: Step, _ input: inout AvroInput, _ visitor: inout Visitor
    ) throws(AvroFault) {
        try input.enter(Int(step.b))
        visitor.beginRecord(fields: Int(step.c))
        for place in step.a..<step.a &+ step.b {
            let field = fields.baseAddress.unsafelyUnwrapped[Int(place)]
            if field.index < 0 {
                var skipper = AvroSkipper()
                try read(field.step, &input, &skipper)
                continue
            }
            visitor.field(Int(field.index))
            if field.constant < 0 {
                try read(field.step, &input, &visitor)
            } else {
                var constant = AvroInput(UnsafeBufferPointer(constants[Int(field.constant)]))
                (constant.fuel, constant.depth) = (input.fuel, input.depth)
                try read(field.step, &constant, &visitor)
                input.fuel = constant.fuel
            }
        }
        visitor.endRecord()
        input.depth &-= 1
    }

    @inlinable
    func readItems<Visitor: AvroVisitor>(
        _ step: Step, _ input: inout AvroInput, _ visitor: inout Visitor
    ) throws(AvroFault) {
        let isMap = step.operation == .map
        try input.enter(0)
        if isMap { visitor.beginMap() } else { visitor.beginArray() }
        while case let count = try input.block(itemSize: Int(step.b)), count > 0 {
            for _ in 0..<count {
                if isMap { visitor.key(try input.string()) }
                try read(step.a, &input, &visitor)
            }
        }
        if isMap { visitor.endMap() } else { visitor.endArray() }
        input.depth &-= 1
    }

    @inlinable
    func scaled(_ value: Int64, _ factor: Int32, _ input: AvroInput) throws(AvroFault) -> Int64 {
        let unit = Int64(factor.magnitude)
        if factor < 0 { return value / unit - (value % unit < 0 ? 1 : 0) }
        let (product, overflow) = value.multipliedReportingOverflow(by: unit)
        guard !overflow else { throw input.fault(.outOfRange) }
        return product
    }
}
