public import Time

/// The half-open time `[start, end)` that one run covers; the run is due at its end.
public struct DataInterval: Sendable, Hashable {
    public var start: EventTime
    public var end: EventTime

    public init(start: EventTime, end: EventTime) { (self.start, self.end) = (start, end) }

    /// The year, quarter, month or day that the interval stands for, by the days on which it begins and ends in the zone: `2024` from
    /// 1 January to 1 January, `2024-Q1`, `2024-01`, `2024-01-22` from one day to the next; nil for any other. The time of day does
    /// not matter, so that a month that is due at three in the morning is still that month.
    func period(in zone: ZoneClock) -> String? {
        let (firstDay, lastDay) = (zone.localDay(ofMs: start), zone.localDay(ofMs: end))
        if lastDay == firstDay + 1 { return Time.Calendar.text(ofDay: firstDay) }
        let (first, last) = (Time.Calendar.date(ofDay: firstDay), Time.Calendar.date(ofDay: lastDay))
        guard first.day == 1, last.day == 1 else { return nil }
        let text = Time.Calendar.text(ofDay: firstDay)
        switch (last.year - first.year) * 12 + last.month - first.month {
        case 1: return String(text.prefix(7))
        case 3 where first.month % 3 == 1: return "\(text.prefix(4))-Q\(first.month / 3 + 1)"
        case 12 where first.month == 1: return String(text.prefix(4))
        default: return nil
        }
    }

    /// What tells an interval from all others where no schedule does: its period where it is exactly one, else both bounds,
    /// `2024-01-22--2024-01-25` or `2024-01-22T13:45-06:00--2024-01-22T15:00-06:00`.
    public func name(in zone: ZoneClock) -> String { exactPeriod(in: zone) ?? bounds(in: zone) }

    /// The period that begins and ends at the same midnights.
    func exactPeriod(in zone: ZoneClock) -> String? {
        isOfWholeDays(in: zone) ? period(in: zone) : nil
    }

    func bounds(in zone: ZoneClock) -> String {
        [start, end].map { time in
            isOfWholeDays(in: zone)
                ? Time.Calendar.text(ofDay: zone.localDay(ofMs: time)) : Self.text(of: time, in: zone)
        }.joined(separator: "--")
    }

    private func isOfWholeDays(in zone: ZoneClock) -> Bool {
        [start, end].allSatisfy { zone.startMs(ofLocalDay: zone.localDay(ofMs: $0)) == $0 }
    }

    /// An instant with its offset, to the minute where that is all of it: `2024-11-03T01:00-06:00`.
    static func text(of time: EventTime, in zone: ZoneClock) -> String {
        let iso = zone.iso(ms: time)
        return time % 60_000 == 0 ? "\(iso.prefix(16))\(iso.suffix(6))" : iso
    }
}

extension Schedule {
    /// The name of an interval, which no other has: its period (`2024`, `2024-Q1`, `2024-01`, `2024-01-22`) where no other interval of
    /// the schedule begins in that, else the instant at which it begins, `2024-01-22T13:00-06:00`. One that is not of the schedule
    /// is named by both bounds.
    public func name(of interval: DataInterval) -> String {
        guard next(after: interval.start - 1) == interval.start, next(after: interval.start) == interval.end else {
            return interval.bounds(in: zone)
        }
        let day = zone.startMs(ofLocalDay: zone.localDay(ofMs: interval.start))
        if let period = interval.period(in: zone), (previous(before: interval.start) ?? .min) < day { return period }
        return DataInterval.text(of: interval.start, in: zone)
    }

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
