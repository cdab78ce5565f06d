internal import Foundation

/// What the threads of steps tell the driver.
final class Mailbox: Sendable {
    struct Message: Sendable {
        enum What: Sendable {
            case started(pid: Int32)
            case ended(AttemptEnd)
        }
        var runID: String
        var step: String
        var what: What
    }

    // `messages` is only touched while `condition` is locked.
    private let condition = NSCondition()
    nonisolated(unsafe) private var messages: [Message] = []

    func send(_ message: Message) {
        condition.withLock {
            messages.append(message)
            // That a step has a process is worth noting only if it goes on: it wakes nobody.
            if case .ended = message.what { condition.signal() }
        }
    }

    /// What came, as soon as a step has ended, and at the latest at `until`.
    func wait(until: ContinuousClock.Instant?) -> [Message] {
        condition.withLock {
            while !messages.contains(where: { if case .ended = $0.what { true } else { false } }) {
                guard let until else {
                    condition.wait()
                    continue
                }
                let left = until - .now
                if left <= .zero { break }
                _ = condition.wait(until: Date(timeIntervalSinceNow: Double(left.wholeMs + 1) / 1000))
            }
            defer { messages = [] }
            return messages
        }
    }
}
