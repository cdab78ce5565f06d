import Time

/// A calendar of five fields, as in crontab: minute, hour, day of month, month, day of week.
///
/// Names, ranges, lists, steps and the macros `@hourly` to `@yearly` are understood; 0 and 7 are both Sunday. Where the day of the
/// month and the day of the week are both given, either matches; a field that begins with `*` is not "given" (Vixie cron). A pure
/// value: in which zone its times are meant is `Schedule`'s business.
public struct Cron: Sendable, Hashable {
    public let text: String
    // Bit n stands for the value n; the bit of weekday 7 is moved to 0.
    private let minutes, hours, days, months, weekdays: UInt64
    private let daysAreOpen, weekdaysAreOpen: Bool
    /// Whether minute or hour begins with `*`: such a calendar goes by real time, any other by the clock on the wall.
    let goesByRealTime: Bool

    /// The five fields as they are written; a macro's own.
    var fields: [String] { ((try? Self.expand(text)) ?? text).split(whereSeparator: \.isWhitespace).map(String.init) }

    /// The values that match, in ascending order; Sunday is 0.
    var sets: (minutes: [Int], hours: [Int], days: [Int], months: [Int], weekdays: [Int]) {
        func values(_ set: UInt64) -> [Int] { (0..<64).filter { set & (1 << UInt64($0)) != 0 } }
        return (values(minutes), values(hours), values(days), values(months), values(weekdays))
    }

    /// Whether a day matches that is right for the month or for the week; else it has to be right for both.
    var meansEitherDay: Bool { !daysAreOpen && !weekdaysAreOpen }

    /// What is wrong with a text, and at which byte of it.
    public struct Mistake: Error, Sendable, Hashable {
        public var message: String
        public var offset: Int
        public var hint: String?
    }

    /// - Throws: `Mistake` for another number of fields, an unknown name, a value out of range, a range that goes backwards, a step
    ///   of 0, or days that never come, such as 30 February.
    public init(_ text: String) throws(Mistake) {
        self.text = text
        let expanded = try Self.expand(text)
        let isMacro = expanded != text
        let words = Self.words(of: expanded)
        guard words.count == 5 else {
            throw Mistake(
                message: "a schedule has 5 fields, found \(words.count)", offset: 0,
                hint: "Write minute, hour, day of month, month and day of week, such as \"0 3 1 * *\".")
        }
        var sets: [UInt64] = []
        for (field, word) in zip(CronField.all, words) {
            do throws(Mistake) { sets.append(try field.parse(word.text)) } catch {
                throw Mistake(
                    message: error.message, offset: isMacro ? 0 : word.offset + error.offset, hint: error.hint)
            }
        }
        if sets[4] & (1 << 7) != 0 { sets[4] = (sets[4] | 1) & ~(1 << 7) }
        (minutes, hours, days, months, weekdays) = (sets[0], sets[1], sets[2], sets[3], sets[4])
        daysAreOpen = words[2].text.hasPrefix("*")
        weekdaysAreOpen = words[4].text.hasPrefix("*")
        goesByRealTime = words[0].text.hasPrefix("*") || words[1].text.hasPrefix("*")
        guard wallMinute(after: Int64(Time.Calendar.day(year: 2000, month: 1, day: 1)) * 1440) != nil else {
            throw Mistake(
                message: "this day never comes", offset: words[2].offset, hint: "No such month has so many days.")
        }
    }

    private static let macros = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    private static func expand(_ text: String) throws(Mistake) -> String {
        guard text.hasPrefix("@") else { return text }
        guard let fields = macros[text.lowercased()] else {
            throw Mistake(
                message: "unknown schedule \"\(text)\"", offset: 0,
                hint: "Known: \(macros.keys.sorted().joined(separator: ", ")).")
        }
        return fields
    }

    private static func words(of text: String) -> [(text: String, offset: Int)] {
        text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map {
            (String($0), text.utf8.distance(from: text.startIndex, to: $0.startIndex))
        }
    }
}

// Times of the wall clock, in minutes since 1970-01-01T00:00 on that clock; no zone is known here.
extension Cron {
    /// The leap day of one weekday comes back after 40 years at most, across 2100.
    private static let horizonDays: Int64 = 40 * 366 + 31

    /// The first matching minute after `minute`; nil where none comes within forty years.
    func wallMinute(after minute: Int64) -> Int64? {
        let first = minute + 1
        let firstDay = floorDivide(first, 1440)
        var inDay = Int(first - firstDay * 1440)
        var day = firstDay
        while day <= firstDay + Self.horizonDays {
            let (year, month, dayOfMonth) = Time.Calendar.date(ofDay: Int(day))
            if months & (1 << UInt64(month)) == 0 {
                (day, inDay) = (day + Int64(Time.Calendar.days(in: month, of: year) - dayOfMonth + 1), 0)
                continue
            }
            if matches(day: day, dayOfMonth: dayOfMonth), let found = firstMinute(from: inDay) {
                return day * 1440 + Int64(found)
            }
            (day, inDay) = (day + 1, 0)
        }
        return nil
    }

    /// The last matching minute before `minute`; nil where none came within forty years.
    func wallMinute(before minute: Int64) -> Int64? {
        let last = minute - 1
        let lastDay = floorDivide(last, 1440)
        var inDay = Int(last - lastDay * 1440)
        var day = lastDay
        while day >= lastDay - Self.horizonDays {
            let (_, month, dayOfMonth) = Time.Calendar.date(ofDay: Int(day))
            if months & (1 << UInt64(month)) == 0 {
                (day, inDay) = (day - Int64(dayOfMonth), 1439)
                continue
            }
            if matches(day: day, dayOfMonth: dayOfMonth), let found = lastMinute(to: inDay) {
                return day * 1440 + Int64(found)
            }
            (day, inDay) = (day - 1, 1439)
        }
        return nil
    }

    private func matches(day: Int64, dayOfMonth: Int) -> Bool {
        let inMonth = days & (1 << UInt64(dayOfMonth)) != 0
        // Sunday is 0 here and 6 in `Calendar`.
        let inWeek = weekdays & (1 << UInt64((Time.Calendar.weekday(ofDay: Int(day)) + 1) % 7)) != 0
        return meansEitherDay ? inMonth || inWeek : inMonth && inWeek
    }

    private func firstMinute(from start: Int) -> Int? {
        for hour in (start / 60)..<24 where hours & (1 << UInt64(hour)) != 0 {
            let from = hour == start / 60 ? start % 60 : 0
            let left = (minutes >> UInt64(from)) << UInt64(from)
            if left != 0 { return hour * 60 + left.trailingZeroBitCount }
        }
        return nil
    }

    private func lastMinute(to end: Int) -> Int? {
        for hour in stride(from: end / 60, through: 0, by: -1) where hours & (1 << UInt64(hour)) != 0 {
            let to = hour == end / 60 ? end % 60 : 59
            let left = minutes & ((1 << UInt64(to + 1)) - 1)
            if left != 0 { return hour * 60 + 63 - left.leadingZeroBitCount }
        }
        return nil
    }
}
