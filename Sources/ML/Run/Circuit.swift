import Time
internal import Synchronization

/// How a model's service is, as far as the last requests tell.
struct CircuitState: Sendable, Equatable {
    /// In a row.
    var failures = 0
    /// Until when it is not asked; ms UTC.
    var openUntil: EventTime?
    /// Of the last failure.
    var reason: String?
}

/// Stops asking a service that fails again and again: after some failures in a row it is left alone for a while, and then asked once.
final class Circuit: Sendable {
    private let rule: ModelService.Circuit
    private let state: Mutex<CircuitState>

    init(_ rule: ModelService.Circuit, _ state: CircuitState = .init()) {
        self.rule = rule
        self.state = Mutex(state)
    }

    var current: CircuitState { state.withLock { $0 } }

    /// Whether no more is to be asked in this pass.
    var isOpen: Bool { state.withLock { $0.openUntil != nil } }

    /// Whether it has yet to be seen that the service answers again.
    var isProbing: Bool { state.withLock { $0.failures >= rule.failures } }

    /// Asks again, whatever was before.
    func halfOpen() { state.withLock { $0.openUntil = nil } }

    func succeed() { state.withLock { $0 = CircuitState() } }

    /// - Parameter isFinal: whether asking again would give the same.
    func fail(_ reason: String, isFinal: Bool = false, now: EventTime) {
        state.withLock { state in
            state.failures += 1
            state.reason = reason
            if isFinal || state.failures >= rule.failures { state.openUntil = now + rule.coolDownMs }
        }
    }
}
