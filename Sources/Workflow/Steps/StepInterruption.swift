internal import Foundation
public import SQLite
internal import Synchronization

/// Ends what a step does in this very process, when it has taken too long or has to stop: statements on its connections are
/// interrupted, again and again, until the step has seen it.
public final class StepInterruption: Sendable {
    private let isStopped: @Sendable () -> Bool
    private let deadline: ContinuousClock.Instant?
    private let connections = Mutex<[Connection]>([])
    private let hasEnded = DispatchSemaphore(value: 0)
    private static let look = DispatchTimeInterval.milliseconds(50)

    package init(isStopped: @escaping @Sendable () -> Bool, deadline: ContinuousClock.Instant? = nil) {
        (self.isStopped, self.deadline) = (isStopped, deadline)
    }

    /// Whether the step has to end.
    public var isDue: Bool { isStopped() || deadline.map { ContinuousClock.now >= $0 } ?? false }

    /// From here on the connection's statements are interrupted when the step has to end.
    public func watch(_ connection: Connection) {
        let isFirst = connections.withLock { list in
            list.append(connection)
            return list.count == 1
        }
        if isFirst { Thread { self.interruptWhenDue() }.start() }
    }

    package func end() {
        connections.withLock { $0 = [] }
        hasEnded.signal()
    }

    private func interruptWhenDue() {
        while hasEnded.wait(timeout: .now() + Self.look) == .timedOut {
            guard isDue else { continue }
            for connection in connections.withLock({ $0 }) { connection.interrupt() }
        }
    }
}
