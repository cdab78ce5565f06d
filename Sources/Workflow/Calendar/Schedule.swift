public import Time

/// A cron expression in a time zone: the instants at which something is due.
///
/// An expression whose minute or hour begins with `*` goes by real time: every real quarter of an hour, in both of the doubled
/// hours. Any other means the clock on the wall: a time that the clock skips comes once, at the first instant after the gap, and
/// one that comes twice counts at the first.
///
///     Chicago, 30 2 * * *   2024-03-10 -> 03:00 -05:00     Chicago, 30 1 * * *   2024-11-03 -> 01:30 -05:00, once
///
/// Zone rules are known from 2000 to 2101.
public struct Schedule: Sendable {
    public let cron: Cron
    public let zone: ZoneClock

    public init(_ cron: Cron, zone: ZoneClock) { (self.cron, self.zone) = (cron, zone) }

    /// The first instant after `time`; nil where none comes within forty years.
    public func next(after time: EventTime) -> EventTime? {
        cron.goesByRealTime ? nextReal(after: time) : nextWall(after: time)
    }

    /// The last instant before `time`; nil where none came within forty years.
    public func previous(before time: EventTime) -> EventTime? {
        cron.goesByRealTime ? previousReal(before: time) : previousWall(before: time)
    }

    // MARK: by real time: an instant matches if the clock shows a matching time then

    private func nextReal(after time: EventTime) -> EventTime? {
        var (index, after) = (stretch(of: time), time)
        while true {
            let offset = offsetMs(index)
            guard let minute = cron.wallMinute(after: floorDivide(after + offset, 60_000)) else { return nil }
            let found = minute * 60_000 - offset
            if index + 1 == zone.stretches.count || found < zone.stretches[index + 1].fromMs { return found }
            index += 1
            after = zone.stretches[index].fromMs - 1
        }
    }

    private func previousReal(before time: EventTime) -> EventTime? {
        var (index, before) = (stretch(of: time - 1), time)
        while true {
            let offset = offsetMs(index)
            // A minute that has begun before `before` counts: round up.
            guard let minute = cron.wallMinute(before: floorDivide(before + offset + 59_999, 60_000)) else {
                return nil
            }
            let found = minute * 60_000 - offset
            if found >= zone.stretches[index].fromMs { return found }
            before = zone.stretches[index].fromMs
            index -= 1
        }
    }

    // MARK: by the wall clock: instants grow with wall times, though several may share one

    private func nextWall(after time: EventTime) -> EventTime? {
        var minute = floorDivide(time + offsetMs(stretch(of: time)), 60_000)
        while let next = cron.wallMinute(after: minute) {
            let found = instant(ofWallMinute: next)
            if found > time { return found }
            minute = next
        }
        return nil
    }

    private func previousWall(before time: EventTime) -> EventTime? {
        // In the second of two doubled hours the clock has been further already.
        let ahead = max(offsetMs(stretch(of: time)), offsetMs(stretch(of: time - 86_400_000)))
        var minute = floorDivide(time + ahead, 60_000) + 1
        while let previous = cron.wallMinute(before: minute) {
            let found = instant(ofWallMinute: previous)
            if found < time { return found }
            minute = previous
        }
        return nil
    }

    private func instant(ofWallMinute minute: Int64) -> EventTime {
        let found = zone.utcMs(localSeconds: minute * 60)
        let index = stretch(of: found)
        // A skipped time comes out moved by the gap, behind the change of the clock: the change itself is the first instant.
        return found + offsetMs(index) == minute * 60_000 ? found : zone.stretches[index].fromMs
    }

    private func offsetMs(_ index: Int) -> Int64 { Int64(zone.stretches[index].offsetSeconds) * 1000 }

    private func stretch(of ms: EventTime) -> Int {
        var (low, high) = (0, zone.stretches.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if zone.stretches[middle].fromMs <= ms { low = middle } else { high = middle }
        }
        return low
    }
}
