import Synchronization

/// Hands a new pace to a running replay: from a signal handler's thread, or from whoever watches the control file.
public final class RateControl: Sendable {
    private let requested = Mutex<Pace?>(nil)
    public init() {}

    /// The replay takes the pace over within a tenth of a second; a request that was not taken yet is replaced.
    public func request(_ pace: Pace) { requested.withLock { $0 = pace } }

    func take() -> Pace? {
        requested.withLock { pace in
            defer { pace = nil }
            return pace
        }
    }
}
