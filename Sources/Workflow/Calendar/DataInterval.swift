public import Trips

/// The half-open time `[start, end)` that one run covers; the run is due at its end.
public struct DataInterval: Sendable, Hashable {
    public var start: EventTime
    public var end: EventTime

    public init(start: EventTime, end: EventTime) { (self.start, self.end) = (start, end) }

    /// What `{{ interval }}` becomes, by the days on which the interval begins and ends in the zone: `2024` from 1 January to
    /// 1 January, `2024-Q1` for a quarter, `2024-01` for a month, `2024-01-22` from one day to the next, and otherwise its start,
    /// `2024-01-22T13:45-06:00`. The time of day does not matter for the first four, so that a month that is due at three in the
    /// morning is still that month.
    public func name(in zone: ZoneClock) -> String {
        let (firstDay, lastDay) = (zone.localDay(ofMs: start), zone.localDay(ofMs: end))
        if lastDay == firstDay + 1 { return Trips.Calendar.text(ofDay: firstDay) }
        let (first, last) = (Trips.Calendar.date(ofDay: firstDay), Trips.Calendar.date(ofDay: lastDay))
        if first.day == 1, last.day == 1 {
            let text = Trips.Calendar.text(ofDay: firstDay)
            switch (last.year - first.year) * 12 + last.month - first.month {
            case 1: return String(text.prefix(7))
            case 3 where first.month % 3 == 1: return "\(text.prefix(4))-Q\(first.month / 3 + 1)"
            case 12 where first.month == 1: return String(text.prefix(4))
            default: break
            }
        }
        let iso = zone.iso(ms: start)
        return "\(iso.prefix(16))\(iso.suffix(6))"
    }
}

extension Schedule {
    /// The first interval that is due after `time` and does not begin before `earliest`.
    public func interval(dueAfter time: EventTime, from earliest: EventTime? = nil) -> DataInterval? {
        var end = next(after: time)
        while let due = end, let start = previous(before: due) {
            guard let earliest, start < earliest else { return DataInterval(start: start, end: due) }
            // From `earliest` on: its first start may be itself.
            end = next(after: earliest - 1).flatMap { next(after: $0) }
        }
        return nil
    }

    /// The last interval that is due at `time` or before and does not begin before `earliest`; nil where there is none yet.
    public func interval(dueBy time: EventTime, from earliest: EventTime? = nil) -> DataInterval? {
        guard let end = previous(before: time + 1), let start = previous(before: end) else { return nil }
        if let earliest, start < earliest { return nil }
        return DataInterval(start: start, end: end)
    }

    /// The intervals that begin at or after `from` and end at or before `to`, oldest first.
    public func intervals(from: EventTime, to: EventTime) -> [DataInterval] {
        var found: [DataInterval] = []
        guard var start = next(after: from - 1) else { return [] }
        while let end = next(after: start), end <= to {
            found.append(DataInterval(start: start, end: end))
            start = end
        }
        return found
    }
}
