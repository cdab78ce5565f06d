import Foundation
public import Problems

/// A time zone as a table of its offsets, so that a hot loop asks no calendar.
///
/// The table reaches from 2000 to 2101; before and after, the nearest offset holds. Offsets come from Foundation's own time zone data.
public final class ZoneClock: Sendable {
    /// A stretch of time in which one offset holds.
    public struct Stretch: Sendable, Equatable {
        /// First instant, ms UTC; the first stretch begins with time itself (`Int64.min`).
        public var fromMs: EventTime
        public var offsetSeconds: Int

        public init(fromMs: EventTime, offsetSeconds: Int) {
            (self.fromMs, self.offsetSeconds) = (fromMs, offsetSeconds)
        }
    }

    public let identifier: String
    public let stretches: [Stretch]
    /// For each stretch but the first, the wall time (seconds) from which its offset is used.
    private let wallStarts: [Int64]

    /// - Throws: `Problem(.configuration)` for a name that is no time zone, with the nearest that is.
    public init(identifier: String) throws(Problem) {
        guard let zone = TimeZone(identifier: identifier) else {
            let near = nearestName(to: identifier, among: TimeZone.knownTimeZoneIdentifiers)
            throw Problem(
                .configuration, "unknown time zone \"\(identifier)\"",
                hint: near.map { "Did you mean \"\($0)\"?" } ?? "Use a name such as America/Chicago or UTC.")
        }
        var instant = Date(timeIntervalSince1970: 946_684_800)  // 2000-01-01
        let end = Date(timeIntervalSince1970: 4_133_980_800)  // 2101-01-01
        var stretches = [Stretch(fromMs: .min, offsetSeconds: zone.secondsFromGMT(for: instant))]
        while let next = zone.nextDaylightSavingTimeTransition(after: instant), next < end, next > instant {
            let offset = zone.secondsFromGMT(for: next)
            if offset != stretches[stretches.count - 1].offsetSeconds {
                stretches.append(
                    Stretch(fromMs: Int64(next.timeIntervalSince1970.rounded()) * 1000, offsetSeconds: offset))
            }
            instant = next
        }
        self.identifier = identifier
        self.stretches = stretches
        wallStarts = zip(stretches, stretches.dropFirst()).map { before, after in
            after.fromMs / 1000 + Int64(max(before.offsetSeconds, after.offsetSeconds))
        }
    }

    /// The instant at which the wall clock shows `localSeconds`.
    ///
    /// A time that a clock change makes ambiguous takes the first reading; one that does not exist moves forward by the gap:
    ///
    ///     Chicago 2024-11-03 01:30 -> 06:30Z (daylight time)    2024-03-10 02:30 -> 08:30Z, shown as 03:30
    public func utcMs(localSeconds: Int64) -> EventTime {
        let seconds = localSeconds.subtractingReportingOverflow(
            Int64(stretches[wallStretch(of: localSeconds)].offsetSeconds))
        let ms = seconds.partialValue.multipliedReportingOverflow(by: 1000)
        // Beyond all time there is no clock: its end is the nearest.
        return seconds.overflow || ms.overflow ? (localSeconds < 0 ? .min : .max) : ms.partialValue
    }

    public func offsetSeconds(atMs ms: EventTime) -> Int { stretches[stretch(of: ms)].offsetSeconds }

    /// Days since 1970-01-01 on the zone's wall clock.
    public func localDay(ofMs ms: EventTime) -> Int {
        let (local, overflow) = ms.addingReportingOverflow(Int64(offsetSeconds(atMs: ms)) * 1000)
        return Int(floorDivide(overflow ? ms : local, 86_400_000))
    }

    /// The first instant of a local day.
    public func startMs(ofLocalDay day: Int) -> EventTime {
        let (seconds, overflow) = Int64(day).multipliedReportingOverflow(by: 86400)
        return overflow ? (day < 0 ? .min : .max) : utcMs(localSeconds: seconds)
    }

    /// `2024-01-22T13:45:00.000-06:00`
    public func iso(ms: EventTime) -> String { ZonedTime.text(ms: ms, offsetSeconds: offsetSeconds(atMs: ms)) }

    /// The stretch that an instant lies in, with its end: for loops that stay in one stretch for long.
    @usableFromInline
    func bounds(ofMs ms: EventTime) -> (fromMs: EventTime, untilMs: EventTime, offsetMs: Int64) {
        let index = stretch(of: ms)
        let until = index + 1 < stretches.count ? stretches[index + 1].fromMs : Int64.max
        return (stretches[index].fromMs, until, Int64(stretches[index].offsetSeconds) * 1000)
    }

    /// The wall times (seconds) that share an offset with `localSeconds`, and that offset.
    @usableFromInline
    func wallBounds(of localSeconds: Int64) -> (from: Int64, until: Int64, offsetSeconds: Int64) {
        let index = wallStretch(of: localSeconds)
        return (
            index == 0 ? .min : wallStarts[index - 1], index < wallStarts.count ? wallStarts[index] : .max,
            Int64(stretches[index].offsetSeconds)
        )
    }

    private func stretch(of ms: EventTime) -> Int {
        var (low, high) = (0, stretches.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if stretches[middle].fromMs <= ms { low = middle } else { high = middle }
        }
        return low
    }

    private func wallStretch(of localSeconds: Int64) -> Int {
        var (low, high) = (0, stretches.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if wallStarts[middle - 1] <= localSeconds { low = middle } else { high = middle }
        }
        return low
    }
}

/// Local days of many instants, remembering the stretch of the last one.
public struct LocalDayCursor {
    @usableFromInline let clock: ZoneClock
    @usableFromInline var from: EventTime = 0
    @usableFromInline var until: EventTime = 0
    @usableFromInline var offsetMs: Int64 = 0
    public init(_ clock: ZoneClock) { self.clock = clock }

    /// Milliseconds since 1970 on the zone's wall clock.
    @inlinable @inline(__always)
    public mutating func localMs(of ms: EventTime) -> Int64 {
        if ms < from || ms >= until { (from, until, offsetMs) = clock.bounds(ofMs: ms) }
        return ms &+ offsetMs
    }

    @inlinable @inline(__always)
    public mutating func day(of ms: EventTime) -> Int64 { floorDivide(localMs(of: ms), 86_400_000) }
}

/// Instants of many wall times, remembering the stretch of the last one.
public struct WallTimeCursor {
    @usableFromInline let clock: ZoneClock
    @usableFromInline var from: Int64 = 0
    @usableFromInline var until: Int64 = 0
    @usableFromInline var offsetSeconds: Int64 = 0
    public init(_ clock: ZoneClock) { self.clock = clock }

    @inlinable @inline(__always)
    public mutating func utcMs(of localSeconds: Int64) -> EventTime {
        if localSeconds < from || localSeconds >= until {
            (from, until, offsetSeconds) = clock.wallBounds(of: localSeconds)
        }
        return (localSeconds &- offsetSeconds) &* 1000
    }
}

/// The quotient rounded towards minus infinity; `divisor` is positive.
@inlinable @inline(__always)
public func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient &- 1 : quotient
}
