internal import Glibc
internal import Synchronization

/// Ctrl-C and its fellows: the first SIGINT or SIGTERM asks the work to stop cleanly, the second ends the process at once with
/// exit code 130; SIGUSR1 is counted (a change of rate).
///
/// The handlers touch only atomics and `_exit`, which is all that a signal handler may do.
public enum Interruption {
    /// Takes over the signals; a command that has something to finish calls it before it begins. Until then Ctrl-C ends the process.
    public static func install() {
        // The first use of a global must not be inside a handler.
        _ = requests.load(ordering: .relaxed) + userSignals.load(ordering: .relaxed)
        // Without SA_RESTART a read that waits for a person returns, and the flag is seen.
        set(SIGINT, flags: 0, requestStop)
        set(SIGTERM, flags: 0, requestStop)
        set(SIGUSR1, flags: SA_RESTART, countUserSignal)
        // A parent that starts us from a worker thread, as a service or a test does, may have left them blocked.
        var handled = sigset_t()
        sigemptyset(&handled)
        for signal in [SIGINT, SIGTERM, SIGUSR1] { sigaddset(&handled, signal) }
        pthread_sigmask(SIG_UNBLOCK, &handled, nil)
    }

    /// Whether the work should come to its clean end.
    public static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 || isAsked.load(ordering: .relaxed) }

    /// How often SIGUSR1 came.
    public static var userSignalCount: Int { userSignals.load(ordering: .relaxed) }

    /// Asks for the same clean end without a signal, such as at a time limit.
    public static func request() { isAsked.store(true, ordering: .relaxed) }

    /// Forgets what was asked; for tests, which share one process.
    static func reset() {
        requests.store(0, ordering: .relaxed)
        userSignals.store(0, ordering: .relaxed)
        isAsked.store(false, ordering: .relaxed)
    }

    private static func set(_ signal: Int32, flags: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        action.sa_flags = flags
        sigemptyset(&action.sa_mask)
        sigaction(signal, &action, nil)
    }
}

private let requests = Atomic<Int>(0)
private let isAsked = Atomic<Bool>(false)
private let userSignals = Atomic<Int>(0)

private func requestStop(_ signal: Int32) {
    if requests.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
}

private func countUserSignal(_ signal: Int32) { userSignals.add(1, ordering: .relaxed) }
