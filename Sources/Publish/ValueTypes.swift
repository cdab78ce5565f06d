import Time
internal import SQLite

/// What the values of a column without a declared type have been so far.
enum ValueTypes: String {
    /// Nothing but NULL; a text until there is something.
    case none
    case integer, real, time, day, text

    /// What holds the values of both.
    func joined(_ other: ValueTypes) -> ValueTypes {
        if self == other || other == .none { return self }
        if self == .none { return other }
        if [self, other].allSatisfy({ $0 == .integer || $0 == .real }) { return .real }
        return .text
    }

    var type: PublishedType {
        switch self {
        case .integer: .bigint
        case .real: .double
        case .time: .timestamptz
        case .day: .date
        case .none, .text: .text
        }
    }

    /// Of the present row's value.
    init(_ row: Statement, _ column: Int) {
        switch row.kind(column) {
        case .null: self = .none
        case .integer: self = .integer
        case .real: self = .real
        case .blob: self = .text
        case .text:
            self = row.withBytes(column) { bytes in
                if ISOText.ms(bytes) != nil { return .time }
                return ISOText.day(bytes) == nil ? .text : .day
            }
        }
    }
}

/// Times and days as the public views write them.
enum ISOText {
    /// `2024-01-22T13:45:00.000-06:00` as ms UTC; nil for anything else.
    static func ms(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count == 29, let day = day(UnsafeRawBufferPointer(rebasing: text[..<10])), text[10] == 0x54,
            let hour = number(text, 11, 2), text[13] == 0x3A, let minute = number(text, 14, 2), text[16] == 0x3A,
            let second = number(text, 17, 2), text[19] == 0x2E, let ms = number(text, 20, 3),
            text[23] == 0x2B || text[23] == 0x2D, let offsetHours = number(text, 24, 2), text[26] == 0x3A,
            let offsetMinutes = number(text, 27, 2), hour < 24, minute < 60, second < 60, offsetMinutes < 60
        else { return nil }
        let offset = (offsetHours * 60 + offsetMinutes) * 60_000 * (text[23] == 0x2D ? -1 : 1)
        return day * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000 + ms - offset
    }

    /// `2024-04-13` as days since 1970; nil for anything else.
    static func day(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count == 10, let year = number(text, 0, 4), text[4] == 0x2D, let month = number(text, 5, 2),
            text[7] == 0x2D, let day = number(text, 8, 2), (1...12).contains(month),
            (1...Int64(Calendar.days(in: Int(month), of: Int(year)))).contains(day)
        else { return nil }
        return Int64(Calendar.day(year: Int(year), month: Int(month), day: Int(day)))
    }

    private static func number(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for place in start..<start + count {
            let digit = text[place] &- 0x30
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }
}
