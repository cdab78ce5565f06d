import Basics

/// Milliseconds since 1970-01-01T00:00:00Z: when a trip happened, for every window and watermark.
public typealias EventTime = Int64

/// An instant as ISO 8601 text on a wall clock, with the clock's offset.
public enum ZonedTime {
    /// Length of `2024-01-22T13:45:00.000-06:00`.
    public static let length = 29

    public static func text(ms: EventTime, offsetSeconds: Int) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { buffer in
            write(ms: ms, offsetSeconds: offsetSeconds, to: buffer.baseAddress!)
            return String(decoding: buffer, as: UTF8.self)
        }
    }

    /// Writes the `length` bytes of the text; a time outside the years 0000 to 9999 is written as the nearest in them.
    public static func write(ms: EventTime, offsetSeconds offset: Int, to out: UnsafeMutablePointer<UInt8>) {
        let offset = min(max(offset, -86_399), 86_399)
        let range = RFC3339.range
        let local = min(
            max(min(max(ms, range.lowerBound), range.upperBound) + Int64(offset) * 1000, range.lowerBound),
            range.upperBound)
        let day = floorDivide(local, 86_400_000)
        let inDay = Int(local - day * 86_400_000)
        let (year, month, dayOfMonth) = Calendar.date(ofDay: Int(day))
        var writer = DigitWriter(out: out)
        writer.four(year)
        writer.byte("-")
        writer.two(month)
        writer.byte("-")
        writer.two(dayOfMonth)
        writer.byte("T")
        writer.two(inDay / 3_600_000)
        writer.byte(":")
        writer.two(inDay / 60_000 % 60)
        writer.byte(":")
        writer.two(inDay / 1000 % 60)
        writer.byte(".")
        writer.three(inDay % 1000)
        writer.byte(offset < 0 ? "-" : "+")
        writer.two(abs(offset) / 3600)
        writer.byte(":")
        writer.two(abs(offset) / 60 % 60)
    }
}
