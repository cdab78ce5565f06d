import Time
internal import CByteScan

/// What to do with the value of a key.
enum ValuePlan: UInt8 {
    case text, place, time, number, eventTime

    init(_ field: TripField) {
        switch field.kind {
        case .string: self = field.isPlace ? .place : .text
        case .timestamp: self = .time
        case .decimal, .money, .integer: self = .number
        }
    }
}

/// What a value can become instead of a cell: the lowest integers, which no cell is.
private enum Outcome {
    static var unreadable: Int64 { WallTime.unreadable }
    static var outOfRange: Int64 { WallTime.outOfRange }
    static var schemaMismatch: Int64 { .min + 3 }
    static var oversized: Int64 { .min + 4 }
    /// The greatest of them; `nullCell` is the least.
    static var last: Int64 { oversized }

    static func reason(_ outcome: Int64, _ kind: FieldKind?) -> RejectReason {
        switch outcome {
        case nullCell: .missingEventTime
        case unreadable: kind == .money ? .badMoney : kind == nil || kind == .timestamp ? .badTimestamp : .badNumber
        case outOfRange: .outOfRange
        case oversized: .oversized
        default: .schemaMismatch
        }
    }
}

extension TripJSONReader {
    /// Reads the value of a known key, into its column where that is wanted; returns what is wrong with it.
    ///
    /// Values that nobody wants are checked like the others: whether a record is good depends on the record alone.
    @inline(__always)
    mutating func readValue(
        _ cursor: inout JSONCursor, _ key: Int, _ row: Int, _ batch: TripBatch
    ) throws(JSONFault) -> RejectReason? {
        let plan = plans.withUnsafeBufferPointer { $0.baseAddress.unsafelyUnwrapped[key] }
        let isWanted = wanted & 1 << UInt32(truncatingIfNeeded: key) != 0
        let first = cursor.at.pointee
        if !isWanted, plan == .number, skipPlainNumber(&cursor, key) { return nil }
        let outcome: Int64
        if first == UInt8(ascii: "\"") {
            let string = try cursor.string()
            switch plan {
            case .text where !isWanted && string.length <= TextCell.maximumLength: return nil
            case .time where !isWanted && string.length == 22 && taxi_is_plain_time(string.start) != 0: return nil
            case .text, .place: outcome = text(string, plan, batch)
            case .number: outcome = number(string, key)
            default: outcome = time(string, plan)
            }
        } else if first &- 48 < 10 || first == UInt8(ascii: "-"), plan == .number {
            outcome = number(try DecimalNumber(&cursor), key)
        } else {
            let isNull = first == UInt8(ascii: "n")
            try cursor.skipValue()
            outcome = isNull ? nullCell : Outcome.schemaMismatch
        }
        if outcome <= Outcome.last, outcome != nullCell || plan == .eventTime {
            return Outcome.reason(outcome, TripField(rawValue: UInt8(truncatingIfNeeded: key))?.kind)
        }
        if plan == .eventTime {
            batch.eventTimes[row] = outcome
        } else if isWanted {
            batch.cells[key &* batch.capacity &+ row] = outcome
        }
        return nil
    }

    /// Passes over a number that nobody reads, where it is seen at once to be within its bounds.
    @inline(__always)
    private func skipPlainNumber(_ cursor: inout JSONCursor, _ key: Int) -> Bool {
        guard cursor.end - cursor.at > 16 else { return false }
        let bounds = plainNumbers.withUnsafeBufferPointer { $0.baseAddress.unsafelyUnwrapped[key] }
        let length = taxi_plain_number_length(cursor.at, bounds)
        let next = cursor.at[length]
        // Not before an exponent, nor where a zero leads.
        guard length > 0, next == UInt8(ascii: ",") || next == UInt8(ascii: "}"),
            cursor.at[0] != UInt8(ascii: "0") || length == 1 || cursor.at[1] == UInt8(ascii: "."),
            cursor.at[0] != UInt8(ascii: "-") || cursor.at[1] != UInt8(ascii: "0") || cursor.at[2] &- 48 > 9
        else { return false }
        cursor.at += length
        return true
    }

    @inline(__always)
    private mutating func text(_ string: JSONString, _ plan: ValuePlan, _ batch: TripBatch) -> Int64 {
        if string.hasEscapes {
            // Text with escapes goes to the batch's own bytes.
            unescape(string)
            return text(batch.keep(scratch), plan, batch)
        }
        if string.length == 0 { return nullCell }
        return text(TextCell(offset: string.start - batch.source, length: string.length), plan, batch)
    }

    @inline(__always)
    private func text(_ cell: TextCell, _ plan: ValuePlan, _ batch: TripBatch) -> Int64 {
        let bytes = batch.bytes(cell)
        let (start, length) = (bytes.baseAddress.unsafelyUnwrapped, bytes.count)
        if NullText.isNull(start, length) { return nullCell }
        if length > TextCell.maximumLength { return Outcome.oversized }
        return plan == .place && PointText.isOutOfRange(start, length) ? Outcome.outOfRange : cell.cell
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
        let (text, length) = trimmed(text, length)
        if length == 0 { return nullCell }
        if plan == .eventTime {
            if NullText.isNull(text, length) { return nullCell }
            guard let time = RFC3339.parse(text, length) else { return Outcome.unreadable }
            return RFC3339.eventTimes.contains(time) ? time : Outcome.outOfRange
        }
        return WallTime.parse(text, length)
    }

    @inline(__always)
    private static func trimmed(
        _ text: UnsafePointer<UInt8>, _ length: Int
    ) -> (text: UnsafePointer<UInt8>, length: Int) {
        var (text, length) = (text, length)
        while length > 0, text[0] == 0x20 { (text, length) = (text + 1, length - 1) }
        while length > 0, text[length - 1] == 0x20 { length -= 1 }
        return (text, length)
    }

    /// A number that its producer wrote as a string, which may be written in any way that a CSV field may be.
    @inline(never)
    private mutating func number(_ string: JSONString, _ key: Int) -> Int64 {
        unescape(string)
        return scratch.withUnsafeBufferPointer { scratch in
            guard let start = scratch.baseAddress else { return nullCell }
            let (text, length) = Self.trimmed(start, scratch.count)
            if length == 0 || NullText.isNull(text, length) { return nullCell }
            guard let number = DecimalNumber(text, length, isMoney: rules[key]?.kind == .money) else {
                return Outcome.unreadable
            }
            return self.number(number, key)
        }
    }

    @inline(__always)
    private func number(_ number: DecimalNumber, _ key: Int) -> Int64 {
        let rule = rules.withUnsafeBufferPointer { $0.baseAddress.unsafelyUnwrapped[key] }.unsafelyUnwrapped
        return rule.commonCell(of: number) ?? Self.rareNumber(number, rule)
    }

    @inline(never)
    private static func rareNumber(_ number: DecimalNumber, _ rule: NumberRule) -> Int64 {
        var isRounded = false
        return rule.cell(of: number, isRounded: &isRounded)
    }
}
