/// What to do with the value of a key.
enum ValuePlan: UInt8 {
    case skip, text, time, integer, seconds, area, decimal, money, eventTime

    init(_ field: TripField) {
        switch field.kind {
        case .string: self = .text
        case .timestamp: self = .time
        case .decimal: self = .decimal
        case .money: self = .money
        case .integer:
            switch field {
            case .seconds: self = .seconds
            case .pickupArea, .dropoffArea: self = .area
            default: self = .integer
            }
        }
    }

    var takesString: Bool { self == .text || self == .time || self == .eventTime }
}

/// What a value can become instead of a cell: the lowest integers, which no cell is.
private enum Outcome {
    static var schemaMismatch: Int64 { .min + 1 }
    static var badNumber: Int64 { .min + 2 }
    static var badMoney: Int64 { .min + 3 }
    static var badTimestamp: Int64 { .min + 4 }
    static var outOfRange: Int64 { .min + 5 }
    /// The greatest of them; `nullCell` is the least.
    static var last: Int64 { outOfRange }

    static func reason(_ outcome: Int64) -> RejectReason {
        switch outcome {
        case nullCell: .missingEventTime
        case badNumber: .badNumber
        case badMoney: .badMoney
        case badTimestamp: .badTimestamp
        case outOfRange: .outOfRange
        default: .schemaMismatch
        }
    }
}

extension TripJSONReader {
    /// Reads the value of a known key into its column; returns what is wrong with it.
    @inline(__always)
    mutating func readValue(
        _ cursor: inout JSONCursor, _ key: Int, _ row: Int, _ batch: TripBatch
    ) throws(JSONFault) -> RejectReason? {
        let plan = plans.withUnsafeBufferPointer { $0.baseAddress.unsafelyUnwrapped[key] }
        if plan == .skip {
            try cursor.skipValue()
            return nil
        }
        let first = cursor.at.pointee
        let outcome: Int64
        if first == UInt8(ascii: "\""), plan.takesString {
            let string = try cursor.string()
            outcome = plan == .text ? text(string, batch) : time(string, plan)
        } else if first &- 48 < 10 || first == UInt8(ascii: "-"), !plan.takesString {
            outcome = number(try JSONNumber(&cursor), plan)
        } else {
            let isNull = first == UInt8(ascii: "n")
            try cursor.skipValue()
            outcome = isNull ? nullCell : Outcome.schemaMismatch
        }
        if outcome <= Outcome.last, outcome != nullCell || plan == .eventTime {
            return Outcome.reason(outcome)
        }
        if plan == .eventTime {
            batch.eventTimes[row] = outcome
        } else {
            batch.cells[key &* batch.capacity &+ row] = outcome
        }
        return nil
    }

    @inline(__always)
    private mutating func text(_ string: JSONString, _ batch: TripBatch) -> Int64 {
        if string.hasEscapes { return escapedText(string, batch) }
        if string.length == 0 { return nullCell }
        return TextCell(offset: string.start - batch.source, length: string.length).cell
    }

    /// Text with escapes goes to the batch's own bytes.
    @inline(never)
    private mutating func escapedText(_ string: JSONString, _ batch: TripBatch) -> Int64 {
        unescape(string)
        return batch.keep(scratch).cell
    }

    @inline(__always)
    private mutating func time(_ string: JSONString, _ plan: ValuePlan) -> Int64 {
        if string.hasEscapes { return escapedTime(string, plan) }
        return Self.time(string.start, string.length, plan)
    }

    /// Some encoders write the slashes of a date as `\/`.
    @inline(never)
    private mutating func escapedTime(_ string: JSONString, _ plan: ValuePlan) -> Int64 {
        unescape(string)
        return scratch.withUnsafeBufferPointer { Self.time($0.baseAddress!, $0.count, plan) }
    }

    @inline(__always)
    private static func time(_ text: UnsafePointer<UInt8>, _ length: Int, _ plan: ValuePlan) -> Int64 {
        if length == 0 { return nullCell }
        if plan == .eventTime {
            guard let time = RFC3339.parse(text, length) else { return Outcome.badTimestamp }
            return years.contains(time) ? time : Outcome.outOfRange
        }
        let cell = WallTime.parse(text, length)
        if cell == WallTime.unreadable { return Outcome.badTimestamp }
        return cell == WallTime.outOfRange ? Outcome.outOfRange : cell
    }

    /// The years 2000 to 2100, in ms UTC.
    private static var years: Range<EventTime> { 946_684_800_000..<4_133_980_800_000 }

    @inline(__always)
    private func number(_ number: JSONNumber, _ plan: ValuePlan) -> Int64 {
        switch plan {
        case .money: return number.scaled(by: 2) ?? Outcome.badMoney
        case .decimal: return number.packed?.cell ?? Outcome.badNumber
        default:
            guard let value = number.scaled(by: 0) else { return Outcome.badNumber }
            if plan == .area, value < 1 || value > 77 { return Outcome.outOfRange }
            return plan == .seconds && value < 0 ? Outcome.outOfRange : value
        }
    }
}
