import Time
internal import Problems
internal import Synchronization

/// The clocks of zones, each made once: a thousand workflows share a few of them.
enum ZoneClocks {
    private static let clocks = Mutex<[String: ZoneClock]>([:])

    /// - Throws: as `ZoneClock.init`.
    static func clock(_ identifier: String) throws(Problem) -> ZoneClock {
        if let clock = clocks.withLock({ $0[identifier] }) { return clock }
        let clock = try ZoneClock(identifier: identifier)
        clocks.withLock { $0[identifier] = clock }
        return clock
    }
}
