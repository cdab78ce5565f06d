import Time

/// The quarter-hours of a range of Chicago days as they pass, each with what the clock on the wall shows.
///
/// The day on which the clocks go forward has 92 quarter-hours, the one on which they go back 100, with 01:00 to 01:45 twice.
/// The rules are the United States' own, of 1987 and (from 2007) of the Energy Policy Act of 2005, and not a time-zone database's,
/// so that the same arguments give the same bytes on any machine.
struct QuarterHours: Sendable {
    let firstDay: Int
    /// Quarter-hours in which a trip may start.
    let count: Int
    /// Of each quarter-hour, and of those of some days on for trips to end in: quarter-hours on the wall since the first day began.
    let onTheWall: [Int32]

    /// A trip ends at most so many days after the last day.
    static let daysToEndIn = 4

    /// - Parameter days: days since 1970-01-01.
    init(days: ClosedRange<Int>) {
        firstDay = days.lowerBound
        var onTheWall: [Int32] = []
        onTheWall.reserveCapacity((days.count + Self.daysToEndIn) * 96 + 4)
        var count = 0
        for day in days.lowerBound...days.upperBound + Self.daysToEndIn {
            let start = Int32(day - firstDay) * 96
            switch ClockChange(onDay: day) {
            case .none: onTheWall += start..<start + 96
            case .forward: onTheWall += [start..<start + 8, start + 12..<start + 96].joined()
            case .back: onTheWall += [start..<start + 8, start + 4..<start + 96].joined()
            }
            if day == days.upperBound { count = onTheWall.count }
        }
        (self.onTheWall, self.count) = (onTheWall, count)
    }

    /// The day, since 1970-01-01, and the quarter-hour within it, 0…95, that the wall shows.
    func wall(_ quarter: Int) -> (day: Int, quarter: Int) {
        let (day, inDay) = Int(onTheWall[quarter]).quotientAndRemainder(dividingBy: 96)
        return (firstDay + day, inDay)
    }
}

/// What Chicago's clocks do at two in the morning of a day.
enum ClockChange {
    case none, forward, back

    init(onDay day: Int) {
        let (year, month, dayOfMonth) = Calendar.date(ofDay: day)
        self = .none
        guard Calendar.weekday(ofDay: day) == 6 else { return }
        let isNew = year >= 2007
        if month == (isNew ? 3 : 4), (isNew ? 8...14 : 1...7).contains(dayOfMonth) { self = .forward }
        if month == (isNew ? 11 : 10), (isNew ? 1...7 : 25...31).contains(dayOfMonth) { self = .back }
    }
}
