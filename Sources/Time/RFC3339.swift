import Basics

/// Times of RFC 3339 as milliseconds since 1970-01-01T00:00:00Z, without allocation.
///
/// Written: `2024-01-22T19:45:00.000Z`, always 24 bytes. Read: the same with any number of decimals (those after the third are
/// cut off, towards the past), with a blank or "t" for the "T", with an offset (`-06:00`, `-0600`) or without one, which is UTC.
/// Years 0000 to 9999. A second 60 is not read, since nothing here can say which minute had one.
public enum RFC3339 {
    /// The length of what `write` writes.
    public static let length = 24
    /// The times that have a text: 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.
    public static let range: ClosedRange<EventTime> = -62_167_219_200_000...253_402_300_799_999

    /// The days of these times, since 1970.
    public static let days: ClosedRange<Int64> = -719_528...2_932_896

    private static let dayMs: EventTime = 86_400_000

    /// Writes `length` bytes; a time outside `range` is written as the range's end.
    public static func write(_ ms: EventTime, to out: UnsafeMutablePointer<UInt8>) {
        let ms = min(max(ms, range.lowerBound), range.upperBound)
        let day = ms / dayMs - (ms % dayMs < 0 ? 1 : 0)
        let inDay = Int(ms - day * dayMs)
        let (seconds, thousandths) = (inDay / 1000, inDay % 1000)
        let date = Calendar.date(ofDay: Int(day))
        var writer = DigitWriter(out: out)
        writer.four(date.year)
        writer.byte("-")
        writer.two(date.month)
        writer.byte("-")
        writer.two(date.day)
        writer.byte("T")
        writer.two(seconds / 3600)
        writer.byte(":")
        writer.two(seconds / 60 % 60)
        writer.byte(":")
        writer.two(seconds % 60)
        writer.byte(".")
        writer.three(thousandths)
        writer.byte("Z")
    }

    /// The text of a time, for messages and reports.
    public static func string(_ ms: EventTime) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { buffer in
            write(ms, to: buffer.baseAddress!)
            return String(decoding: buffer, as: UTF8.self)
        }
    }

    /// The time that `text` names, or nil where it names none.
    public static func parse(_ text: UnsafeBufferPointer<UInt8>) -> EventTime? {
        guard let start = text.baseAddress else { return nil }
        return parse(start, text.count)
    }

    /// The time that `text` names, or nil where it names none.
    public static func parse(_ text: String) -> EventTime? {
        var text = text
        return text.withUTF8 { parse($0) }
    }

    /// The time that the `length` bytes at `text` name, or nil where they name none.
    public static func parse(_ text: UnsafePointer<UInt8>, _ length: Int) -> EventTime? {
        guard length >= 19 else { return nil }
        var digits = CheckedDigits(text: text)
        let year = digits.two(0) &* 100 &+ digits.two(2)
        let (month, day) = (digits.two(5), digits.two(8))
        let (hour, minute, second) = (digits.two(11), digits.two(14), digits.two(17))
        let separator = text[10]
        guard digits.areDigits, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
            separator | 0x20 == UInt8(ascii: "t") || separator == UInt8(ascii: " "),
            text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"),
            month >= 1, month <= 12, day >= 1, day <= 28 || day <= Calendar.days(in: month, of: year),
            hour < 24, minute < 60, second < 60
        else { return nil }
        let days = Calendar.daysBefore(year: year, month: month) &+ day &- 1
        var ms = Int64(days) &* dayMs &+ Int64((hour &* 60 &+ minute) &* 60 &+ second) &* 1000

        var at = 19
        if at < length, text[at] == UInt8(ascii: ".") {
            at += 1
            let first = at
            var weight: Int64 = 100
            while at < length, text[at] &- 48 < 10 {
                ms &+= Int64(text[at] &- 48) &* weight
                weight /= 10
                at += 1
            }
            if at == first { return nil }
        }
        if at == length { return ms }
        if text[at] | 0x20 == UInt8(ascii: "z") { return at + 1 == length ? ms : nil }
        guard let offset = offsetMinutes(text + at, length - at) else { return nil }
        return ms &- Int64(offset) &* 60_000
    }

    /// Minutes east of UTC of `+hh:mm` or `+hhmm`.
    private static func offsetMinutes(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int? {
        guard length == 5 || (length == 6 && text[3] == UInt8(ascii: ":")) else { return nil }
        guard text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-") else { return nil }
        var digits = CheckedDigits(text: text)
        let (hours, minutes) = (digits.two(1), digits.two(length - 2))
        guard digits.areDigits, hours < 24, minutes < 60 else { return nil }
        let offset = hours * 60 + minutes
        return text[0] == UInt8(ascii: "-") ? -offset : offset
    }
}

/// Pairs of digits at fixed places, checked all at once at the end.
private struct CheckedDigits {
    let text: UnsafePointer<UInt8>
    var wrong: UInt32 = 0
    init(text: UnsafePointer<UInt8>) { self.text = text }

    var areDigits: Bool { wrong & 0x8000_0000 == 0 }

    @inline(__always) mutating func two(_ at: Int) -> Int {
        let (tens, ones) = (UInt32(text[at]) &- 48, UInt32(text[at + 1]) &- 48)
        // Sets the top bit for each value above 9; a byte below "0" has it already.
        wrong |= tens | ones | (tens &+ 0x7fff_fff6) | (ones &+ 0x7fff_fff6)
        return Int(tens &* 10 &+ ones)
    }
}
