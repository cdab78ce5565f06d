import Foundation
import Problems

/// Lets one batch run work on a database at a time; a second one waits.
///
/// Without it two runs could each write rollups that the other has read already.
final class BatchLock {
    private let lock: FileLock

    /// - Parameter isStopped: asked a hundred times a second; true ends the wait.
    /// - Throws: `Problem(.tryAgain)` where another run holds the lock for longer than `waitSeconds`, `Problem(.cannotCreate)`
    ///   where the file cannot be made.
    init(databasePath: String, waitSeconds: Double, isStopped: () -> Bool = { false }) throws(Problem) {
        lock = try FileLock(
            path: databasePath + ".batch-lock",
            hint: "Analytics writes beside the database; check the folder's permissions.")
        let deadline = ContinuousClock.now + .seconds(waitSeconds)
        while try !lock.tryHold() {
            guard ContinuousClock.now < deadline, !isStopped() else {
                throw Problem(
                    .tryAgain, "another batch run has been at work on \"\(databasePath)\" for \(Int(waitSeconds)) s",
                    hint: "Wait for it to end, then run this again.")
            }
            usleep(10_000)
        }
    }
}
