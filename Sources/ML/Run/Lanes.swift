internal import Foundation

/// Threads that send batches, each one at a time; their outcomes are taken in the order in which the batches were given.
///
/// `@unchecked Sendable`: everything that changes is used under the condition's lock.
final class Lanes: @unchecked Sendable {
    private let call: ServiceCall
    private let condition = NSCondition()
    private var waiting: [IntendedBatch] = []
    private var outcomes: [Int64: Outcome] = [:]
    private var isEnding = false
    private var running: Int

    /// - Parameter isStopped: asked while a service is waited for.
    init(_ count: Int, _ call: ServiceCall, isStopped: @escaping @Sendable () -> Bool) {
        (self.call, running) = (call, count)
        for index in 0..<count {
            let thread = Thread { [self] in
                run { self.isCut || isStopped() }
            }
            thread.name = "model \(call.spec.name) \(index)"
            thread.start()
        }
    }

    private var isCut: Bool {
        condition.lock()
        defer { condition.unlock() }
        return isEnding
    }

    func give(_ batch: IntendedBatch) {
        condition.lock()
        waiting.append(batch)
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for the outcome of a batch that was given.
    func outcome(of batch: Int64) -> Outcome {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let outcome = outcomes.removeValue(forKey: batch) { return outcome }
            condition.wait()
        }
    }

    /// Ends what is under way, and waits for that.
    func end() {
        condition.lock()
        isEnding = true
        condition.broadcast()
        while running > 0 { condition.wait() }
        condition.unlock()
    }

    private func run(_ isStopped: @escaping @Sendable () -> Bool) {
        while let batch = next() {
            let outcome = call.send(batch, isStopped: isStopped)
            condition.lock()
            outcomes[batch.number] = outcome
            condition.broadcast()
            condition.unlock()
        }
        condition.lock()
        running -= 1
        condition.broadcast()
        condition.unlock()
    }

    private func next() -> IntendedBatch? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty, !isEnding { condition.wait() }
        return isEnding ? nil : waiting.removeFirst()
    }
}
