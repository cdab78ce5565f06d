import Time

extension WindowSpec {
    /// Where the windows start that hold some instant of a period; all times where there are no windows.
    func starts(touching period: Range<EventTime>, zone: ZoneClock) -> Range<EventTime> {
        switch self {
        case .tumbling(let everyMs), .sliding(_, let everyMs):
            let size = end(ofWindowFrom: 0, zone: zone)
            // The first multiple whose window ends behind the period's beginning.
            return (floorDivide(period.lowerBound - size, everyMs) + 1) * everyMs..<floorDivide(
                period.upperBound - 1, everyMs) * everyMs + 1
        case .localDay:
            return zone.startMs(ofLocalDay: zone.localDay(ofMs: period.lowerBound))..<zone.startMs(
                ofLocalDay: zone.localDay(ofMs: period.upperBound - 1)) + 1
        case .none: return .min ..< .max
        }
    }

    /// Windows that start before it end at or before `time`.
    func lastStart(endingBefore time: EventTime, zone: ZoneClock) -> EventTime {
        switch self {
        case .tumbling(let sizeMs), .sliding(let sizeMs, _): time - sizeMs + 1
        case .localDay: zone.startMs(ofLocalDay: zone.localDay(ofMs: time))
        case .none: .min
        }
    }
}

extension QueryPlan {
    /// Times beside a period whose trips share a window, or a group, with trips of the period.
    func timesBeside(_ period: Range<EventTime>, zone: ZoneClock) -> [Range<EventTime>] {
        var times: Range<EventTime>
        if window.isWindowed {
            let starts = window.starts(touching: period, zone: zone)
            let end = window.end(ofWindowFrom: starts.upperBound - 1, zone: zone)
            times = min(starts.lowerBound, period.lowerBound)..<max(period.upperBound, end)
        } else if groups.contains(.day) {
            times =
                zone.startMs(
                    ofLocalDay: zone.localDay(ofMs: period.lowerBound))..<zone.startMs(
                    ofLocalDay: zone.localDay(ofMs: period.upperBound - 1) + 1)
        } else {
            times = .min ..< .max
        }
        return [times.lowerBound..<period.lowerBound, period.upperBound..<times.upperBound].filter { !$0.isEmpty }
    }
}
