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
    /// All of a process's looks at the clock on the wall are one, so that none of them sees a jump before the others.
    private static let wall = Mutex(SteadyTime())

    public static let shared = SystemClock()

    public init() {}

    /// By how much the clock on the wall has just been set, forward (above 0) or back; nil where it stands as it did, and where the new
    /// time is believed.
    public static var heldJumpMs: Int64? { wall.withLock(\.heldJumpMs) }

    public var nowMs: EventTime {
        Self.wall.withLock { wall in
            // Unlike `CLOCK_MONOTONIC` this one goes on while the machine sleeps: waking up is no jump.
            wall.now(wallMs: Self.read(CLOCK_REALTIME) / 1_000_000, elapsedMs: Self.read(CLOCK_BOOTTIME) / 1_000_000)
        }
    }
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

/// The time on the wall, which no jump moves at once: a value without clock.
///
/// A clock that was set, forward or back, is believed when it has stood there for a minute. Until then time goes on as if nobody had set
/// it, so that one that runs ahead for a moment moves no watermark, stamps no trip, uses up no interval of a schedule and makes no log old.
/// What a time server corrects is less than `slackMs`, and believed at once.
public struct SteadyTime: Sendable {
    public static let slackMs: Int64 = 60_000
    static let holdMs: Int64 = 60_000

    /// What the wall is ahead of the clock that never jumps; nil before the first look, which is believed.
    private var aheadMs: Int64?
    /// Where the wall has jumped to, and when that was seen.
    private var jump: (aheadMs: Int64, seenMs: Int64)?

    public init() {}

    /// By how much the wall was set where that is not believed yet.
    var heldJumpMs: Int64? { jump.flatMap { jump in aheadMs.map { jump.aheadMs - $0 } } }

    /// The time to go by.
    ///
    /// - Parameters:
    ///   - wallMs: what the wall shows.
    ///   - elapsedMs: of a clock that never jumps and goes on while the machine sleeps, from an arbitrary start.
    public mutating func now(wallMs: EventTime, elapsedMs: Int64) -> EventTime {
        let found = wallMs - elapsedMs
        guard let aheadMs, abs(found - aheadMs) > Self.slackMs else {
            (self.aheadMs, jump) = (found, nil)
            return wallMs
        }
        if let jump, abs(found - jump.aheadMs) <= Self.slackMs {
            guard elapsedMs - jump.seenMs >= Self.holdMs else { return aheadMs + elapsedMs }
            (self.aheadMs, self.jump) = (found, nil)
            return wallMs
        }
        jump = (found, elapsedMs)
        return aheadMs + elapsedMs
    }
}
