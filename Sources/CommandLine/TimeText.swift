public import Problems

/// A point in time as somebody wrote it: `2024-01-22`, `2024-01-22T13:45`, `2024-01-22T13:45:00.250-06:00`, `…Z`.
///
/// Without an offset it is wall time of the tenant's zone and becomes UTC only when the zone is known.
public struct TimeText: Sendable, Hashable {
    /// Seconds from 1970-01-01T00:00:00 to the date and time as written, as if they were UTC.
    public let wallSeconds: Int64
    /// 0…999.
    public let milliseconds: Int64
    /// Seconds east of UTC; nil where none was written.
    public let offsetSeconds: Int64?

    /// Reads ISO 8601 dates (midnight) and times of the years 1 to 9999; seconds and milliseconds may be left out.
    ///
    /// - Throws: `Problem(.usage)` for another form, and for a date that no calendar has.
    public init(_ text: String) throws(Problem) {
        let hint = "Write 2024-01-22, 2024-01-22T13:45 or 2024-01-22T13:45:00-06:00."
        let notATime = Problem(.usage, "\"\(text)\" is not a time", hint: hint)
        var reader = DigitReader(text)
        guard let year = reader.digits(4), reader.skip("-"), let month = reader.digits(2), reader.skip("-"),
            let day = reader.digits(2)
        else { throw notATime }
        var (hour, minute, second, millis) = (Int64(0), Int64(0), Int64(0), Int64(0))
        var offset: Int64?
        if reader.skip("T") || reader.skip(" ") {
            guard let hours = reader.digits(2), reader.skip(":"), let minutes = reader.digits(2) else { throw notATime }
            (hour, minute) = (hours, minutes)
            if reader.skip(":") {
                guard let seconds = reader.digits(2) else { throw notATime }
                second = seconds
                if reader.skip(".") {
                    guard let fraction = reader.digits(3) else { throw notATime }
                    millis = fraction
                }
            }
            if reader.skip("Z") {
                offset = 0
            } else if let sign: Int64 = reader.skip("+") ? 1 : reader.skip("-") ? -1 : nil {
                guard let hours = reader.digits(2) else { throw notATime }
                _ = reader.skip(":")
                guard let minutes = reader.digits(2), hours < 24, minutes < 60 else { throw notATime }
                offset = sign * (hours * 3600 + minutes * 60)
            }
        }
        guard reader.isAtEnd else { throw notATime }
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1, day <= Self.days(inMonth: month, of: year),
            hour < 24, minute < 60, second < 60
        else { throw Problem(.usage, "no calendar has \"\(text)\"", hint: hint) }
        wallSeconds = Self.days(toYear: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second
        milliseconds = millis
        offsetSeconds = offset
    }

    /// Milliseconds since 1970, UTC.
    ///
    /// - Parameter zone: UTC milliseconds of wall seconds in the tenant's zone; asked only where no offset was written.
    public func utcMs(zone: (_ wallSeconds: Int64) -> Int64) -> Int64 {
        if let offsetSeconds { return (wallSeconds - offsetSeconds) * 1000 + milliseconds }
        return zone(wallSeconds) + milliseconds
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar.
    ///
    /// Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013 (days_from_civil).
    static func days(toYear year: Int64, month: Int64, day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// Takes fixed numbers of digits off the front of a text.
private struct DigitReader {
    private var rest: Substring.UTF8View
    init(_ text: String) { rest = text[...].utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func digits(_ count: Int) -> Int64? {
        guard rest.count >= count else { return nil }
        var number: Int64 = 0
        for byte in rest.prefix(count) {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        rest = rest.dropFirst(count)
        return number
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }
}
