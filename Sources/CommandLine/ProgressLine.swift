internal import Glibc
internal import Synchronization

/// One line at the bottom of a terminal that is written over and over; nothing at all where stderr is no terminal.
///
/// Any thread may call it.
public final class ProgressLine: Sendable {
    private struct State {
        var lastMs: Int64?
        var isShown = false
    }

    private let writer: TextWriter
    private let width: Int?
    private let nowMs: @Sendable () -> Int64
    private let state = Mutex(State())
    /// A job in the background must not write over what somebody types: `stream &`.
    private let isForeground: @Sendable () -> Bool
    /// At most ten lines a second: more nobody can read.
    private static let intervalMs: Int64 = 100

    /// - Parameters:
    ///   - isQuiet: `--quiet`: show nothing.
    ///   - nowMs: a clock that never goes back.
    ///   - isForeground: whether the terminal belongs to this job, as it is at each look.
    public init(
        terminal: Terminal, isQuiet: Bool, to writer: TextWriter = .standardError,
        nowMs: @escaping @Sendable () -> Int64 = monotonicMs,
        isForeground: @escaping @Sendable () -> Bool = ownsTerminal
    ) {
        self.isForeground = isForeground
        self.writer = writer
        self.nowMs = nowMs
        width = terminal.errorIsTerminal && !isQuiet ? terminal.width : nil
    }

    /// Shows `text` in place of what was shown before; `text` is only asked for when it is time to.
    public func update(_ text: () -> String) {
        guard let width else { return }
        let now = nowMs()
        state.withLock { state in
            if let last = state.lastMs, now - last < Self.intervalMs { return }
            state.lastMs = now
            guard isForeground() else { return }
            state.isShown = true
            // A progress line that cannot be written must not end the work it is about.
            try? writer.control("\r" + truncated(printable(text()), toWidth: width - 1) + Self.clearToEnd)
        }
    }

    /// Takes the line away, so that what follows begins at the left; call before any other talk and at the end.
    public func clear() {
        state.withLock { state in
            guard state.isShown else { return }
            state.isShown = false
            state.lastMs = nil
            guard isForeground() else { return }
            try? writer.control("\r" + Self.clearToEnd)
        }
    }

    private static let clearToEnd = "\u{1B}[K"
}

/// Whether this process is of the job that the terminal on stderr belongs to; true where that is no terminal of its session.
@Sendable public func ownsTerminal() -> Bool {
    let group = tcgetpgrp(STDERR_FILENO)
    return group < 0 || group == getpgrp()
}

/// Milliseconds of a clock that never goes back.
@Sendable public func monotonicMs() -> Int64 {
    let elapsed = ContinuousClock.now - processStart
    return elapsed.components.seconds * 1000 + elapsed.components.attoseconds / 1_000_000_000_000_000
}

private let processStart = ContinuousClock.now
