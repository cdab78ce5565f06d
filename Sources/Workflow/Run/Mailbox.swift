internal import Glibc

/// What the threads of steps tell the driver.
final class Mailbox: Sendable {
    struct Message: Sendable {
        enum What: Sendable {
            case started(pid: Int32)
            case ended(AttemptEnd)
        }
        var runID: String
        var step: String
        var attempt: Int
        var what: What

        var isEnd: Bool { if case .ended = what { true } else { false } }
        /// Whether the step came to an end of its own, rather than since somebody ended it.
        var hasOwnEnd: Bool { if case .ended(let end) = what { end.state != .cancelled } else { false } }
    }

    // `messages` is only touched while `lock` is held; both stand at one address until the last thread has let go of the box.
    private nonisolated(unsafe) let lock: UnsafeMutablePointer<pthread_mutex_t>
    private nonisolated(unsafe) let condition: UnsafeMutablePointer<pthread_cond_t>
    private nonisolated(unsafe) var messages: [Message] = []

    /// A longer wait is cut, and whoever waits looks again: a machine that was put back to an earlier state has put `until` far ahead.
    private let longestWaitMs: Int64
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter now: the clock by which waits are over.
    init(longestWaitMs: Int64 = 1000, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        (self.longestWaitMs, self.now) = (longestWaitMs, now)
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        // By the clock that never jumps: a wait of half a second must not become one of a year where somebody sets the other one back.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(lock)
        condition.deallocate()
        lock.deallocate()
    }

    func send(_ message: Message) {
        pthread_mutex_lock(lock)
        messages.append(message)
        // That a step has a process is worth noting only if it goes on: it wakes nobody.
        if message.isEnd { pthread_cond_signal(condition) }
        pthread_mutex_unlock(lock)
    }

    /// What came, as soon as a step has ended, at the latest at `until` or after the longest wait.
    func wait(until: ContinuousClock.Instant?) -> [Message] {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while !messages.contains(where: \.isEnd) {
            guard let until else {
                pthread_cond_wait(condition, lock)
                continue
            }
            let left = until - now()
            if left <= .zero { break }
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let ms = min(left.wholeMs + 1, longestWaitMs)
            let nanoseconds = time.tv_nsec + Int(ms % 1000) * 1_000_000
            time.tv_sec += Int(ms / 1000) + nanoseconds / 1_000_000_000
            time.tv_nsec = nanoseconds % 1_000_000_000
            pthread_cond_timedwait(condition, lock, &time)
            if ms == longestWaitMs { break }
        }
        defer { messages = [] }
        return messages
    }
}
