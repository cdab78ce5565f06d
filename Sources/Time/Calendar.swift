/// The Gregorian calendar in whole days since 1970-01-01, without a time zone.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil, civil_from_days).
public enum Calendar {
    public static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// Days of `month`, 1…12.
    public static func days(in month: Int, of year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : 30 + ((month + month >> 3) & 1)
    }

    /// Days from 1970-01-01 to the first of `month`; a table for the years 2000…2100, computed elsewhere.
    public static func daysBefore(year: Int, month: Int) -> Int {
        let index = (year &- 2000) &* 12 &+ month &- 1
        if index >= 0, index < 101 * 12 { return Int(firstDays[index]) }
        return day(year: year, month: month, day: 1)
    }

    /// The day's number, negative before 1970.
    public static func day(year: Int, month: Int, day: Int) -> Int {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The date of a day; beyond some millions of millions of years, the nearest that there is.
    public static func date(ofDay number: Int) -> (year: Int, month: Int, day: Int) {
        let z = min(max(number, -1 << 50), 1 << 50) + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    /// Monday is 0.
    public static func weekday(ofDay number: Int) -> Int { ((number % 7) + 10) % 7 }

    /// `2024-04-13`
    public static func text(ofDay number: Int) -> String {
        let (year, month, day) = date(ofDay: number)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    private static let firstDays: [Int32] = (0..<101 * 12).map {
        Int32(day(year: 2000 + $0 / 12, month: $0 % 12 + 1, day: 1))
    }
}
