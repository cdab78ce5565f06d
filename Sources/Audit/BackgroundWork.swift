import Dispatch
import Synchronization

/// Runs pieces of work one after the other on a thread of its own; the first failure ends all.
///
/// `@unchecked Sendable`: a piece uses what nobody else touches until `wait` has returned; that is for the caller to see to.
final class BackgroundWork: @unchecked Sendable {
    private struct Piece: @unchecked Sendable { let body: () throws -> Void }

    private let queue: DispatchQueue
    private let failure = Mutex<(any Error)?>(nil)

    init(label: String) { queue = DispatchQueue(label: label) }

    func start(_ body: @escaping () throws -> Void) {
        let piece = Piece(body: body)
        queue.async { [self] in
            guard failure.withLock({ $0 == nil }) else { return }
            do { try piece.body() } catch { failure.withLock { $0 = error } }
        }
    }

    /// Waits for all of it.
    ///
    /// - Throws: what the first piece that failed has thrown.
    func wait() throws {
        queue.sync {}
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// Gives the same trips to all recounts, on several threads where there are many: each recount touches itself only.
func forEachAtOnce(_ recounts: [Recount], trips: Int, _ body: (Recount) -> Void) {
    guard trips >= 1000, recounts.count > 1 else { return recounts.forEach(body) }
    withoutActuallyEscaping(body) { body in
        let work = SharedWork(recounts: recounts, body: body)
        DispatchQueue.concurrentPerform(iterations: recounts.count) { work.body(work.recounts[$0]) }
    }
}

/// `@unchecked Sendable`: the body is called once for each recount, and only reads what it shares.
private struct SharedWork: @unchecked Sendable {
    let recounts: [Recount]
    let body: (Recount) -> Void
}
