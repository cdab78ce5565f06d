import Foundation
import Synchronization
import Time

/// Stores sealed commits one after the other, on a thread of its own: parsing goes on while a disk syncs.
///
/// At most `depth` commits wait; who submits one more is held up until there is room. With a depth of 0 commits are stored by
/// the submitting thread, which makes a replay under a manual clock the same every time.
///
/// `@unchecked Sendable`: what both threads touch is used under `condition`, or in `report`'s mutex; `store` is called by the
/// committing thread alone.
final class Committer: @unchecked Sendable {
    /// What has been stored so far.
    struct Report: Sendable {
        /// Trips.
        var count = 0
        var behindNs: Int64 = 0
        var maxBehindNs: Int64 = 0
    }

    private let depth: Int
    private let clock: any WallClock
    private let allowanceNs: Int64
    private let store: (SealedCommit) throws -> Void
    private let currentReport = Mutex(Report())

    private let condition = NSCondition()
    private var waiting: [SealedCommit] = []
    private var isClosed = false
    private var hasEnded = true
    private var failure: (any Error)?

    /// - Parameter allowanceNs: what a record may wait for its commit; later counts as behind schedule.
    init(depth: Int, clock: any WallClock, allowanceNs: Int64, store: @escaping (SealedCommit) throws -> Void) {
        (self.depth, self.clock, self.allowanceNs, self.store) = (depth, clock, allowanceNs, store)
        guard depth > 0 else { return }
        hasEnded = false
        let thread = Thread { [self] in work() }
        thread.name = "replay-commit"
        thread.start()
    }

    var report: Report { currentReport.withLock { $0 } }

    /// Whether `submit` would return at once.
    var hasRoom: Bool {
        guard depth > 0 else { return true }
        return condition.withLock { waiting.count < depth || failure != nil }
    }

    /// - Throws: what storing a commit threw.
    func check() throws {
        try condition.withLock { if let failure { throw failure } }
    }

    /// - Throws: what storing this commit or an earlier one threw; nothing is stored after a failure.
    func submit(_ commit: SealedCommit) throws {
        guard depth > 0 else { return try performAtOnce(commit) }
        try condition.withLock {
            while waiting.count >= depth, failure == nil { condition.wait() }
            if let failure { throw failure }
            waiting.append(commit)
            condition.broadcast()
        }
    }

    /// Waits until everything submitted is stored, and ends the thread. To be called once, whatever happened.
    func finish() throws {
        try condition.withLock {
            isClosed = true
            condition.broadcast()
            while !hasEnded { condition.wait() }
            if let failure { throw failure }
        }
    }

    /// A failure counts for what comes later here as well, or the next commit's position would pass over what this one lost.
    private func performAtOnce(_ commit: SealedCommit) throws {
        if let failure { throw failure }
        do {
            try perform(commit)
        } catch {
            failure = error
            throw error
        }
    }

    private func work() {
        while let commit = next() {
            do {
                try perform(commit)
            } catch {
                condition.withLock {
                    failure = error
                    waiting.removeAll()
                    condition.broadcast()
                }
                break
            }
        }
        condition.withLock {
            hasEnded = true
            condition.broadcast()
        }
    }

    /// The next commit; nil when there will be none.
    private func next() -> SealedCommit? {
        condition.withLock {
            while waiting.isEmpty, !isClosed { condition.wait() }
            guard !waiting.isEmpty else { return nil }
            defer { condition.broadcast() }
            return waiting.removeFirst()
        }
    }

    private func perform(_ commit: SealedCommit) throws {
        try store(commit)
        let now = clock.monotonicNs
        currentReport.withLock { report in
            report.count += commit.count
            guard let due = commit.firstDueNs else { return }
            report.behindNs = max(0, now - due - allowanceNs)
            report.maxBehindNs = max(report.maxBehindNs, report.behindNs)
        }
    }
}
