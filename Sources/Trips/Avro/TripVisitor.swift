import Time
import Avro
import Problems

/// Puts the values of one record into a row.
struct TripVisitor: AvroVisitor {
    /// What the values of a type mean for a field.
    private enum Meaning: UInt8 {
        case null, mismatch
        case text, place, wallText, localMillis, localMicros
        /// In the unit of cells, or in the field's own.
        case cells, number, decimal, numberText
        case eventMillis, eventMicros, eventText
    }
    private struct Form {
        var meaning: Meaning
        /// Of a decimal.
        var scale: Int32 = 0
    }

    private static let eventSlot = TripField.count
    /// What is added to a field's number where its money is in cents.
    private static let centsSlots = 32

    /// What a schema's fields mean, where reading it takes no check and no count of references.
    private final class Tables {
        /// For each slot where its forms begin: one for each type that it may have.
        let starts: UnsafeMutableBufferPointer<Int>
        let forms: UnsafeMutableBufferPointer<Form>
        /// Of each field that has bounds.
        let rules: UnsafeMutableBufferPointer<NumberRule?>

        init(starts: [Int], forms: [Form]) {
            func copy<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
                let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
                _ = buffer.initialize(from: elements)
                return buffer
            }
            (self.starts, self.forms, rules) = (
                copy(starts), copy(forms), copy(TripField.allCases.map { NumberRule($0) })
            )
        }

        deinit {
            starts.deallocate()
            forms.deallocate()
            rules.deallocate()
        }
    }

    private let tables: Tables
    private let starts: UnsafePointer<Int>
    private let forms: UnsafePointer<Form>
    private let rules: UnsafePointer<NumberRule?>
    /// Columns that the writer does not have.
    private var missing: [TripField] = []

    private var cells: UnsafeMutablePointer<Int64>
    private var capacity = 0
    private var eventTimes: UnsafeMutablePointer<EventTime>
    private var row = 0
    private var start: UnsafePointer<UInt8> = UnsafePointer(bitPattern: 1)!
    private var slot = 0
    private var form = Form(meaning: .null)
    private var hasEventTime = false
    /// The first fault of the record.
    private var fault: (reason: RejectReason, text: String)?

    static func slot(_ name: String) -> Int? {
        if let field = TripField(name: name) { return Int(field.rawValue) }
        if name == "event_timestamp" { return eventSlot }
        guard name.hasSuffix(TripMoney.centsSuffix),
            let field = TripField(name: String(name.dropLast(TripMoney.centsSuffix.utf8.count))), field.kind == .money
        else { return nil }
        return centsSlots + Int(field.rawValue)
    }

    /// The slot of each of a writer's fields that is a trip's.
    static func slots(of schema: AvroSchema) -> [String: Int] {
        var slots: [String: Int] = [:]
        for field in schema.fields { slots[field.name] = slot(field.name) }
        var taken = Set(slots.values)
        for field in schema.fields where slots[field.name] == nil {
            guard let slot = field.aliases.lazy.compactMap(slot).first(where: { !taken.contains($0) }) else { continue }
            slots[field.name] = slot
            taken.insert(slot)
        }
        return slots
    }

    init(schema: AvroSchema, fields: TripFieldSet) throws(Problem) {
        let slots = Self.slots(of: schema)
        var starts = Array(repeating: 0, count: 2 * Self.centsSlots)
        var forms: [Form] = []
        var found: TripFieldSet = []
        var hasEvent = false
        for field in schema.fields {
            guard let slot = slots[field.name] else { continue }
            starts[slot] = forms.count
            let branches = schema.branches(of: field.type)
            let new = branches.map { Self.form(of: $0, slot) }
            guard new.contains(where: { $0.meaning != .null && $0.meaning != .mismatch }),
                !branches.contains(where: \.kind.isNested)
            else {
                throw Problem(
                    .badData,
                    "field \"\(field.name)\" is of \(branches.map(\.words).joined(separator: " or ")), which no trip's is",
                    hint: "Fields that are no trip's have other names; see \"Trips as Avro\" in docs/FORMATS.md.")
            }
            forms += new
            if slot == Self.eventSlot { hasEvent = true }
            if let field = TripField(rawValue: UInt8(slot % Self.centsSlots)) { found.formUnion(TripFieldSet(field)) }
        }
        guard hasEvent else {
            throw Problem(
                .badData, "the record \(schema.type.name ?? "") has no field \"event_timestamp\"",
                hint: "A trip's record says when it happened: a long of logical type timestamp-millis.")
        }
        missing = fields.subtracting(found).fields
        tables = Tables(starts: starts, forms: forms)
        self.starts = UnsafePointer(tables.starts.baseAddress!)
        self.forms = UnsafePointer(tables.forms.baseAddress!)
        rules = UnsafePointer(tables.rules.baseAddress!)
        // Of the batch that is filled: see `begin`.
        (cells, eventTimes) = (UnsafeMutablePointer(bitPattern: 8)!, UnsafeMutablePointer(bitPattern: 8)!)
    }

    private static func form(of node: AvroSchema.Node, _ slot: Int) -> Form {
        if node.kind == .null { return Form(meaning: .null) }
        if slot == eventSlot {
            switch (node.kind, node.logicalType) {
            case (.long, .timestampMillis): return Form(meaning: .eventMillis)
            case (.long, .timestampMicros): return Form(meaning: .eventMicros)
            case (.string, _): return Form(meaning: .eventText)
            default: return Form(meaning: .mismatch)
            }
        }
        let field = TripField(rawValue: UInt8(slot % centsSlots)) ?? .tripID
        let isCents = slot > centsSlots
        switch (field.kind, node.kind, node.logicalType) {
        case (.string, .string, _): return Form(meaning: field.isPlace ? .place : .text)
        case (.timestamp, .string, _): return Form(meaning: .wallText)
        case (.timestamp, .long, .localTimestampMillis): return Form(meaning: .localMillis)
        case (.timestamp, .long, .localTimestampMicros): return Form(meaning: .localMicros)
        case (.money, .int, nil) where isCents, (.money, .long, nil) where isCents: return Form(meaning: .cells)
        case (.integer, .int, nil), (.integer, .long, nil): return Form(meaning: .cells)
        case (.money, _, _) where isCents: return Form(meaning: .mismatch)
        case (.money, .int, nil), (.money, .long, nil), (.decimal, .int, nil), (.decimal, .long, nil),
            (.money, .float, _), (.money, .double, _), (.decimal, .float, _), (.decimal, .double, _),
            (.integer, .float, _), (.integer, .double, _):
            return Form(meaning: .number)
        case (.money, _, .decimal(_, let scale)), (.decimal, _, .decimal(_, let scale)),
            (.integer, _, .decimal(_, let scale)):
            return Form(meaning: .decimal, scale: Int32(clamping: scale))
        case (.money, .string, _), (.decimal, .string, _), (.integer, .string, _): return Form(meaning: .numberText)
        default: return Form(meaning: .mismatch)
        }
    }

    @inline(__always)
    mutating func begin(_ batch: TripBatch) {
        (cells, capacity, eventTimes) = (batch.cells, batch.capacity, batch.eventTimes)
        (row, start) = (batch.count, batch.source)
        (fault, hasEventTime) = (nil, false)
        for field in missing { batch.column(field)[row] = nullCell }
    }

    @inline(__always)
    mutating func end() -> (reason: RejectReason, text: String)? {
        if fault == nil, !hasEventTime { fault = (.missingEventTime, "event_timestamp is null") }
        return fault
    }

    @inline(__always)
    mutating func field(_ index: Int) {
        slot = index
        form = forms[starts[index]]
    }

    @inline(__always)
    mutating func branch(_ index: Int) { form = forms[starts[slot] + index] }
}

// MARK: - Values

extension TripVisitor {
    @inline(__always)
    private func set(_ cell: Int64) {
        cells[(slot & 31) &* capacity &+ row] = cell
    }

    /// Takes a cell, or what stands in place of one that cannot be used.
    @inline(__always)
    private mutating func take(_ cell: Int64, _ found: @autoclosure () -> String) {
        if cell <= WallTime.outOfRange, cell != nullCell { return refuse(cell, found()) }
        set(cell)
    }

    @inline(never)
    private mutating func refuse(_ outcome: Int64, _ found: String) {
        let field = TripField(rawValue: UInt8(slot & 31))
        let reason: RejectReason =
            if outcome == WallTime.outOfRange {
                .outOfRange
            } else {
                switch field?.kind {
                case .money: .badMoney
                case .timestamp, nil: .badTimestamp
                default: .badNumber
                }
            }
        refuse(reason, found)
    }

    @inline(never)
    private mutating func refuse(_ reason: RejectReason, _ found: String) {
        guard fault == nil else { return }
        let field = TripField(rawValue: UInt8(slot & 31))
        let name = slot == Self.eventSlot ? "event_timestamp" : field?.name ?? ""
        fault = (reason, "\(name) \(found.prefix(80)) \(FieldFault.words(reason, field))")
    }

    private var rule: NumberRule {
        @inline(__always) get { rules[slot & 31].unsafelyUnwrapped }
    }

    mutating func null() { if slot != Self.eventSlot { set(nullCell) } }

    mutating func int(_ value: Int32) { long(Int64(value)) }

    @inline(__always)
    mutating func long(_ value: Int64) {
        switch form.meaning {
        case .cells: take(rule.checked(value), "\(value)")
        case .eventMillis: eventTime(value)
        default: rareLong(value)
        }
    }

    @inline(never)
    private mutating func rareLong(_ value: Int64) {
        switch form.meaning {
        case .eventMicros: eventTime(floorDivide(value, 1000))
        case .localMillis: localTime(floorDivide(value, 1000))
        case .localMicros: localTime(floorDivide(value, 1_000_000))
        case .number: take(rule.cell(of: DecimalNumber(value, scale: 0)), "\(value)")
        default: refuse(.schemaMismatch, "\(value)")
        }
    }

    @inline(__always)
    private mutating func eventTime(_ time: EventTime) {
        hasEventTime = true
        guard RFC3339.eventTimes.contains(time) else { return refuse(.outOfRange, "\(time)") }
        eventTimes[row] = time
    }

    private mutating func localTime(_ seconds: Int64) {
        guard WallTime.validSeconds.contains(seconds) else { return refuse(.outOfRange, "\(seconds)") }
        set(WallTime(seconds: seconds, form: WallTime.isoForm).cell)
    }

    mutating func float(_ value: Float) { number(Double(value), "\(value)") }

    @inline(__always)
    mutating func double(_ value: Double) {
        if form.meaning == .number, let cell = rule.commonCell(of: value) { return set(cell) }
        number(value, "\(value)")
    }

    /// - Parameter text: the shortest that means the value: of a float another one than of the same double.
    @inline(never)
    private mutating func number(_ value: Double, _ text: String) {
        guard form.meaning == .number else { return refuse(.schemaMismatch, text) }
        if value.isNaN { return set(nullCell) }
        var copy = text
        let rule = rule
        let cell = copy.withUTF8 { Self.number($0, rule) }
        take(cell, text)
    }

    private static func number(_ text: UnsafeBufferPointer<UInt8>, _ rule: NumberRule) -> Int64 {
        guard let number = DecimalNumber(text.baseAddress.unsafelyUnwrapped, text.count, isMoney: rule.kind == .money)
        else { return WallTime.unreadable }
        return rule.cell(of: number)
    }

    @inline(__always)
    mutating func bytes(_ value: UnsafeBufferPointer<UInt8>) {
        guard form.meaning == .decimal else { return refuse(.schemaMismatch, "\(value.count) bytes") }
        guard let number = AvroBinary.decimal(value) else { return refuse(.outOfRange, "of \(value.count) bytes") }
        if form.scale == 2, rule.kind == .money { return take(rule.checked(number), "\(number)e-2") }
        let scale = Int(form.scale)
        take(rule.cell(of: DecimalNumber(number, scale: scale)), "\(number)e-\(scale)")
    }

    mutating func fixed(_ value: UnsafeBufferPointer<UInt8>) { bytes(value) }

    @inline(__always)
    mutating func string(_ value: UnsafeBufferPointer<UInt8>) {
        guard let text = value.baseAddress, !value.isEmpty else {
            if slot != Self.eventSlot { set(nullCell) }
            return
        }
        switch form.meaning {
        case .text, .place:
            if value.count <= NullText.maximumLength, NullText.isNull(text, value.count) { return set(nullCell) }
            if value.count > TextCell.maximumLength { return refuse(.oversized, "of \(value.count) bytes") }
            if UTF8Sequence.firstNoText(text, text + value.count) != nil { return refuse(.badUTF8, "with a NUL byte") }
            if form.meaning == .place, PointText.isOutOfRange(text, value.count) {
                return refuse(.outOfRange, String(decoding: value, as: UTF8.self))
            }
            set(TextCell(offset: text - start, length: value.count).cell)
        case .wallText: take(WallTime.parse(text, value.count), String(decoding: value, as: UTF8.self))
        default: rareString(value)
        }
    }

    @inline(never)
    private mutating func rareString(_ value: UnsafeBufferPointer<UInt8>) {
        let text = value.baseAddress.unsafelyUnwrapped
        let shown = String(decoding: value.prefix(100), as: UTF8.self)
        switch form.meaning {
        case .numberText where NullText.isNull(text, value.count): set(nullCell)
        case .numberText: take(Self.number(value, rule), shown)
        case .eventText:
            guard let time = RFC3339.parse(text, value.count) else { return refuse(.badTimestamp, shown) }
            eventTime(time)
        default: refuse(.schemaMismatch, shown)
        }
    }

    mutating func boolean(_ value: Bool) { refuse(.schemaMismatch, "\(value)") }
    mutating func symbol(_ index: Int) { refuse(.schemaMismatch, "of an enum") }
}

extension AvroSchema.Kind {
    /// Whether a value has others in it.
    fileprivate var isNested: Bool {
        switch self {
        case .array, .map, .record, .union: true
        default: false
        }
    }
}
