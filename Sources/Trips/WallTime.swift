internal import Basics
import Time
internal import CByteScan

/// A time as the clock on the wall in Chicago showed it, without an offset, with the form its source wrote it in.
///
/// Layout of the cell: seconds since 1970-01-01T00:00:00 on that wall clock in the upper 56 bits, the written form in the lower 8,
/// so that the very text of the source can be written again:
///
///     US forms   bit 7 = 0: bit 0 month and day padded, 1 twelve hours with AM or PM, 2 hour padded, 3 with seconds
///     ISO forms  bit 7 = 1: bit 0 "T" between date and time, 1-2 what follows (nothing, "Z", " UTC", "+00:00"), 3 ".000", 4 without
///                seconds, 5 month and day not padded, 6 hour not padded
///     0xff       seconds since 1970 as a plain number
///
/// A "Z" or "UTC" does not make it UTC: the exports that write it label local time with it (data/README.md).
public struct WallTime: Sendable, Hashable {
    public var cell: Int64
    @inlinable public init(cell: Int64) { self.cell = cell }
    public init(seconds: Int64, form: UInt8 = WallTime.portalForm) { cell = seconds << 8 | Int64(form) }

    @inlinable public var seconds: Int64 { cell >> 8 }
    public var form: UInt8 { UInt8(truncatingIfNeeded: cell) }

    /// `MM/DD/YYYY hh:mm:ss AM`, the form of the City's own export.
    public static let portalForm: UInt8 = 0b1111
    /// `2024-01-22T19:45:00`
    static let isoForm: UInt8 = 0x81
    /// What `parse` gives for text that is no time.
    @inlinable public static var unreadable: Int64 { Int64.min + 1 }
    /// What `parse` gives for a time outside the years 2000…2100.
    @inlinable public static var outOfRange: Int64 { Int64.min + 2 }

    /// The cells of the years 2000…2100, whatever their form.
    static let cells = validSeconds.lowerBound << 8...validSeconds.upperBound << 8 - 1

    /// Whether some text is read as this cell: its form is one that a source writes, and says all of the time. What is written of any other
    /// is another time, or none.
    var isWritten: Bool {
        if form == 0xff { return true }
        let hasSeconds: Bool
        if form & 0x80 == 0 {
            guard form < 0x10 else { return false }
            hasSeconds = form & 8 != 0
        } else {
            // A fraction follows seconds alone.
            guard form & 0b11000 != 0b11000 else { return false }
            hasSeconds = form & 16 == 0
        }
        return hasSeconds || seconds % 60 == 0
    }

    /// The longest text that `write` makes.
    public static let maximumLength = 32
}

extension WallTime {
    /// The cell for a text in any of the known forms, or `unreadable`, or `outOfRange`; `nullCell` for a text that means "nothing here".
    /// The text is not empty and has no blanks around it.
    ///
    /// Complexity: O(length), no allocation.
    @inline(__always)
    static func parse(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64 {
        guard length == 22, text[2] == UInt8(ascii: "/"), text[5] == UInt8(ascii: "/") else {
            return parseOther(text, length)
        }
        return taxi_is_plain_time(text) != 0 ? plainCell(text) : parsePortal(text)
    }

    /// The common form, in which nothing is left to check.
    @inline(__always)
    private static func plainCell(_ p: UnsafePointer<UInt8>) -> Int64 {
        @inline(__always) func two(_ i: Int) -> Int { Int(p[i]) &* 10 &+ Int(p[i &+ 1]) &- 48 &* 11 }
        let hour = two(11)
        let hour24 = (hour == 12 ? 0 : hour) &+ (p[20] == UInt8(ascii: "P") ? 12 : 0)
        let days = Calendar.daysBefore(year: 2000 &+ two(8), month: two(0)) &+ two(3) &- 1
        return Int64(days &* 86400 &+ hour24 &* 3600 &+ two(14) &* 60 &+ two(17)) << 8 | Int64(portalForm)
    }

    /// `MM/DD/YYYY hh:mm:ss AM`: fixed places, so all digits are checked at once.
    @inline(never)
    private static func parsePortal(_ p: UnsafePointer<UInt8>) -> Int64 {
        var wrong: UInt32 = 0
        @inline(__always) func digit(_ i: Int) -> UInt32 {
            let value = UInt32(p[i]) &- 48
            wrong |= value | (value &+ 0x7fff_fff6)  // sets the top bit when value > 9, also where it wrapped
            return value
        }
        let month = digit(0) &* 10 &+ digit(1)
        let day = digit(3) &* 10 &+ digit(4)
        let year = digit(6) &* 1000 &+ digit(7) &* 100 &+ digit(8) &* 10 &+ digit(9)
        let hour = digit(11) &* 10 &+ digit(12)
        let minute = digit(14) &* 10 &+ digit(15)
        let second = digit(17) &* 10 &+ digit(18)
        let half = p[20] | 0x20
        guard wrong & 0x8000_0000 == 0, p[10] == 32, p[13] == 58, p[16] == 58, p[19] == 32, p[21] | 0x20 == 0x6d,
            half == 0x61 || half == 0x70, hour &- 1 < 12
        else { return unreadable }
        let hour24 = (hour == 12 ? 0 : hour) &+ (half == 0x70 ? 12 : 0)
        return cell(
            year: Int(year), month: Int(month), day: Int(day), hour: Int(hour24), minute: Int(minute),
            second: Int(second), form: portalForm)
    }

    @inline(__always)
    private static func cell(
        year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, form: UInt8
    ) -> Int64 {
        guard month &- 1 >= 0, month <= 12, day >= 1, day <= 28 || day <= Calendar.days(in: month, of: year),
            hour < 24, minute < 60, second < 60
        else { return unreadable }
        guard year >= 2000, year <= 2100 else { return outOfRange }
        let days = Calendar.daysBefore(year: year, month: month) &+ day &- 1
        return Int64(days &* 86400 &+ hour &* 3600 &+ minute &* 60 &+ second) << 8 | Int64(form)
    }

    /// Every other form; slower, field by field.
    @inline(never)
    private static func parseOther(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64 {
        var scanner = Scanner(text: text, length: length)
        guard let (first, firstLength) = scanner.number() else {
            return NullText.isNull(text, length) ? nullCell : unreadable
        }
        if scanner.isAtEnd { return epochSeconds(first, firstLength) }
        if firstLength == 4, scanner.take("-") { return parseISO(&scanner, year: first) }
        guard firstLength <= 2, scanner.take("/"), let (day, dayLength) = scanner.number(), dayLength <= 2,
            scanner.take("/"), let (year, yearLength) = scanner.number(), yearLength == 4, scanner.take(" "),
            let (hour, hourLength) = scanner.number(), hourLength <= 2, scanner.take(":"),
            let (minute, minuteLength) = scanner.number(), minuteLength == 2
        else { return unreadable }
        var form: UInt8 = firstLength == 2 && dayLength == 2 ? 1 : 0
        if hourLength == 2 { form |= 4 }
        var second = 0
        if scanner.take(":") {
            guard let (value, valueLength) = scanner.number(), valueLength == 2 else { return unreadable }
            (second, form) = (value, form | 8)
        }
        var hour24 = hour
        if scanner.take(" ") {
            guard let afternoon = scanner.takeHalfOfDay(), hour >= 1, hour <= 12 else { return unreadable }
            hour24 = hour % 12 + (afternoon ? 12 : 0)
            form |= 2
        }
        guard scanner.isAtEnd else { return unreadable }
        return cell(year: year, month: first, day: day, hour: hour24, minute: minute, second: second, form: form)
    }

    private static func parseISO(_ scanner: inout Scanner, year: Int) -> Int64 {
        guard let (month, monthLength) = scanner.number(), monthLength <= 2, scanner.take("-"),
            let (day, dayLength) = scanner.number(), dayLength <= 2
        else { return unreadable }
        var form: UInt8 = 0x80
        if monthLength == 1 || dayLength == 1 { form |= 32 }
        if scanner.take("T") { form |= 1 } else if !scanner.take(" ") { return unreadable }
        guard let (hour, hourLength) = scanner.number(), hourLength <= 2, scanner.take(":"),
            let (minute, minuteLength) = scanner.number(), minuteLength == 2
        else { return unreadable }
        if hourLength == 1 { form |= 64 }
        var second = 0
        if scanner.take(":") {
            guard let (value, valueLength) = scanner.number(), valueLength == 2 else { return unreadable }
            second = value
            if scanner.take(".") {
                guard let (fraction, fractionLength) = scanner.number() else { return unreadable }
                if fraction == 0, fractionLength == 3 { form |= 8 }
            }
        } else {
            form |= 16
        }
        if scanner.take("Z") {
            form |= 2
        } else if scanner.take(" UTC") {
            form |= 4
        } else if scanner.take("+00:00") {
            form |= 6
        }
        guard scanner.isAtEnd else { return unreadable }
        return cell(year: year, month: month, day: day, hour: hour, minute: minute, second: second, form: form)
    }

    /// Seconds since 1970 (the machine-learning exports), which lie in the years 2000…2100 with nine or ten digits.
    private static func epochSeconds(_ value: Int, _ length: Int) -> Int64 {
        guard length == 9 || length == 10 else { return unreadable }
        guard value >= 946_684_800, value < 4_133_980_800 else { return outOfRange }
        return Int64(value) << 8 | 0xff
    }

    private struct Scanner {
        var text: UnsafePointer<UInt8>
        var length: Int
        var at = 0
        var isAtEnd: Bool { at == length }

        init(text: UnsafePointer<UInt8>, length: Int) { (self.text, self.length) = (text, length) }

        mutating func number() -> (value: Int, length: Int)? {
            let start = at
            var value = 0
            while at < length, at - start < 10, text[at] >= 48, text[at] <= 57 {
                value = value * 10 + Int(text[at]) - 48
                at += 1
            }
            return at > start ? (value, at - start) : nil
        }

        mutating func take(_ wanted: StaticString) -> Bool {
            let count = wanted.utf8CodeUnitCount
            guard length - at >= count else { return false }
            for i in 0..<count where text[at + i] != wanted.utf8Start[i] { return false }
            at += count
            return true
        }

        mutating func takeHalfOfDay() -> Bool? {
            guard length - at == 2, text[at + 1] | 0x20 == 0x6d else { return nil }
            let letter = text[at] | 0x20
            guard letter == 0x61 || letter == 0x70 else { return nil }
            at += 2
            return letter == 0x70
        }
    }
}

extension WallTime {
    /// The text as its source wrote it.
    public var text: String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.maximumLength) { buffer in
            String(decoding: buffer.prefix(write(to: buffer.baseAddress!)), as: UTF8.self)
        }
    }

    /// Writes the text as its source wrote it, at most `maximumLength` bytes; returns how many.
    public func write(to out: UnsafeMutablePointer<UInt8>) -> Int {
        let form = self.form
        var writer = DigitWriter(out: out)
        if form == 0xff {
            writer.number(Int(seconds))
            return writer.count
        }
        let days = Int(seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400)
        let inDay = Int(seconds) - days * 86400
        let (year, month, day) = Calendar.date(ofDay: days)
        let (hour, minute, second) = (inDay / 3600, inDay / 60 % 60, inDay % 60)
        if form & 0x80 != 0 {
            writer.four(year)
            writer.byte("-")
            if form & 32 == 0 { writer.two(month) } else { writer.number(month) }
            writer.byte("-")
            if form & 32 == 0 { writer.two(day) } else { writer.number(day) }
            writer.byte(form & 1 != 0 ? "T" : " ")
            if form & 64 == 0 { writer.two(hour) } else { writer.number(hour) }
            writer.byte(":")
            writer.two(minute)
            if form & 16 == 0 {
                writer.byte(":")
                writer.two(second)
            }
            if form & 8 != 0 { writer.string(".000") }
            switch form & 6 {
            case 2: writer.byte("Z")
            case 4: writer.string(" UTC")
            case 6: writer.string("+00:00")
            default: break
            }
            return writer.count
        }
        let padded = form & 1 != 0
        if padded { writer.two(month) } else { writer.number(month) }
        writer.byte("/")
        if padded { writer.two(day) } else { writer.number(day) }
        writer.byte("/")
        writer.four(year)
        writer.byte(" ")
        let shownHour = form & 2 != 0 ? (hour + 11) % 12 + 1 : hour
        if form & 4 != 0 { writer.two(shownHour) } else { writer.number(shownHour) }
        writer.byte(":")
        writer.two(minute)
        if form & 8 != 0 {
            writer.byte(":")
            writer.two(second)
        }
        if form & 2 != 0 { writer.string(hour < 12 ? " AM" : " PM") }
        return writer.count
    }
}
