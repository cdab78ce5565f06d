import Glibc
import Synchronization

/// The time that a replay or a stream lives in; a clock turned by hand makes half a minute of pacing a test of milliseconds.
public protocol WallClock: AnyObject, Sendable {
    /// Milliseconds since 1970, UTC: what a live source would stamp a record with.
    var nowMs: EventTime { get }
    /// Nanoseconds of a clock that never jumps, from an arbitrary start.
    var monotonicNs: Int64 { get }
    /// Returns when `monotonicNs` has reached `untilNs`, or earlier when a signal came in between.
    func sleep(untilNs: Int64)
}

extension WallClock {
    /// Milliseconds of `monotonicNs`.
    public var monotonicMs: Int64 { monotonicNs / 1_000_000 }
}

/// The machine's clocks. A suspended machine's replay goes on where it was: `CLOCK_MONOTONIC` stands still meanwhile.
public final class SystemClock: WallClock {
    public init() {}

    public var nowMs: EventTime { Self.read(CLOCK_REALTIME) / 1_000_000 }
    public var monotonicNs: Int64 { Self.read(CLOCK_MONOTONIC) }

    public func sleep(untilNs: Int64) {
        var time = timespec(tv_sec: Int(untilNs / 1_000_000_000), tv_nsec: Int(untilNs % 1_000_000_000))
        clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// A clock that moves only when somebody sleeps or turns it.
public final class ManualClock: WallClock {
    private let startMs: EventTime
    private let elapsedNs = Atomic<Int64>(0)

    public init(startMs: EventTime = 1_800_000_000_000) { self.startMs = startMs }

    public var nowMs: EventTime { startMs + monotonicNs / 1_000_000 }
    public var monotonicNs: Int64 { elapsedNs.load(ordering: .sequentiallyConsistent) }
    public func sleep(untilNs: Int64) { elapsedNs.max(untilNs, ordering: .sequentiallyConsistent) }
    public func advance(byNs ns: Int64) { elapsedNs.add(ns, ordering: .sequentiallyConsistent) }
}
