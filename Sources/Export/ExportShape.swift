import Problems
import Topics
import Trips

/// What the records of a topic are, and so what the columns of a table of them.
public enum ExportShape: Sendable, Equatable {
    /// The 23 columns of a trip and its event time.
    case trips
    /// One column a field of the JSON objects that the values are.
    case objects([ObjectColumn])
    /// The records themselves: partition, offset, timestamp, key, headers, value.
    case records

    /// The name that `--as` has for it.
    public enum Name: String, Sendable, CaseIterable { case trips, objects, records }

    public var name: Name {
        switch self {
        case .trips: .trips
        case .objects: .objects
        case .records: .records
        }
    }
}

/// A field of JSON objects; those of an object within are called `outer_inner`, further ones stay JSON text.
public struct ObjectColumn: Sendable, Equatable {
    public enum Kind: Sendable { case integer, number, boolean, text }
    /// The field's name, behind that of the field which holds it.
    public var name: String
    public var kind: Kind
}

/// Learns the fields of JSON objects, and finds them in each.
struct ObjectColumns {
    /// Nobody looks at a table that is wider, and a name for each record would be as many columns.
    static let most = 1000

    private struct Kinds: OptionSet {
        var rawValue: UInt8
        static let integer = Kinds(rawValue: 1)
        static let number = Kinds(rawValue: 2)
        static let boolean = Kinds(rawValue: 4)
        static let text = Kinds(rawValue: 8)
    }

    private struct Field {
        /// Which of `outers` holds it; -1 for the record.
        var outer: Int
        var name: [UInt8]
        var kinds: Kinds = []
    }

    private var fields: [Field] = []
    private var outers: [[UInt8]] = []
    private(set) var isTooWide = false

    var count: Int { fields.count }

    var columns: [ObjectColumn] {
        var taken: Set<String> = []
        return fields.map { field in
            let outer = field.outer < 0 ? "" : String(decoding: outers[field.outer], as: UTF8.self) + "_"
            let name = outer + String(decoding: field.name, as: UTF8.self)
            // Two fields may come to the same name: {"a_b":1,"a":{"b":2}}.
            let free = (1...).lazy.map { $0 == 1 ? name : "\(name)_\($0)" }.first { !taken.contains($0.lowercased()) }!
            taken.insert(free.lowercased())
            return ObjectColumn(name: free, kind: Self.kind(field.kinds))
        }
    }

    private static func kind(_ kinds: Kinds) -> ObjectColumn.Kind {
        switch kinds {
        case .integer: .integer
        case .number, [.integer, .number]: .number
        case .boolean: .boolean
        default: .text
        }
    }

    /// Learns the fields of a record.
    ///
    /// - Returns: false for what is no JSON object.
    mutating func learn(_ record: UnsafeBufferPointer<UInt8>) -> Bool {
        var hint = 0
        return forEachField(record, learning: true, &hint) { columns, field, value in
            guard value.kind != .null else { return }
            columns.fields[field].kinds.formUnion(Self.kinds(value))
        }
    }

    /// Learns the columns that trips have as JSON.
    mutating func learnTrips() {
        for field in TripField.allCases {
            let place = find(-1, Array(field.name.utf8), learning: true, from: 0)
            guard let place else { return }
            switch field.kind {
            case .string, .timestamp: fields[place].kinds.formUnion(.text)
            case .integer: fields[place].kinds.formUnion(.integer)
            case .decimal, .money: fields[place].kinds.formUnion(.number)
            }
        }
        if let place = find(-1, Array("event_timestamp".utf8), learning: true, from: 0) {
            fields[place].kinds.formUnion(.text)
        }
    }

    /// Whether all fields are a trip's, those without which it is none among them.
    ///
    /// - Parameter inCents: whether money may be called what it is called in cents.
    func areTrips(inCents: Bool) -> Bool {
        let names = Set(fields.map { $0.outer < 0 ? String(decoding: $0.name, as: UTF8.self) : "" })
        return names.isSuperset(of: ["trip_id", "event_timestamp"])
            && names.allSatisfy { name in
                name == "event_timestamp" || TripField(name: name) != nil
                    || inCents && TripField.allCases.contains { TripMoney.cents.name(of: $0) == name }
            }
    }

    private static func kinds(_ value: JSONObject.Value) -> Kinds {
        switch value.kind {
        case .null: []
        case .boolean: .boolean
        case .string, .object, .array: .text
        case .number:
            // -0 and what 64 bits do not hold are no integers.
            Int64(String(decoding: value.bytes.prefix(20), as: UTF8.self)).map(String.init)?.utf8
                .elementsEqual(value.bytes) == true ? .integer : .number
        }
    }

    /// Calls `body` with each field of a record that has a column, and its value.
    ///
    /// - Returns: false for what is no JSON object.
    mutating func forEachField(
        _ record: UnsafeBufferPointer<UInt8>, learning: Bool, _ hint: inout Int,
        _ body: (inout ObjectColumns, Int, JSONObject.Value) -> Void
    ) -> Bool {
        var next = 0
        let isWhole = JSONObject.forEachMember(of: record) { name, value in
            if value.kind == .object, let outer = outer(name, learning) {
                var members = 0
                _ = JSONObject.forEachMember(of: value.bytes) { name, value in
                    members += 1
                    guard let place = find(outer, name, learning: learning, from: next) else { return }
                    next = place + 1
                    body(&self, place, value)
                }
                if members > 0 { return }
            }
            guard let place = find(-1, name, learning: learning, from: next) else { return }
            next = place + 1
            body(&self, place, value)
        }
        hint = next
        return isWhole
    }

    private mutating func outer(_ name: UnsafeBufferPointer<UInt8>, _ learning: Bool) -> Int? {
        if let place = outers.firstIndex(where: { $0.elementsEqual(name) }) { return place }
        guard learning, outers.count < Self.most else { return nil }
        outers.append(Array(name))
        return outers.count - 1
    }

    /// The place of a field; objects of one topic have theirs in one order, so that it is as a rule the next.
    private mutating func find(
        _ outer: Int, _ name: some Collection<UInt8>, learning: Bool, from start: Int
    ) -> Int? {
        for step in 0..<fields.count {
            let place = (start + step) % fields.count
            if fields[place].outer == outer, fields[place].name.elementsEqual(name) { return place }
        }
        guard learning else { return nil }
        guard fields.count < Self.most else {
            isTooWide = true
            return nil
        }
        fields.append(Field(outer: outer, name: Array(name)))
        return fields.count - 1
    }
}
