import Foundation
import Problems

/// Lets one batch run work on a database at a time; a second one waits.
///
/// An advisory lock (`flock`) on a file beside the database, which the kernel lets go of when the process dies. Without it
/// two runs could each write rollups that the other has read already.
final class BatchLock {
    private let descriptor: Int32

    /// - Parameter isStopped: asked a hundred times a second; true ends the wait.
    /// - Throws: `Problem(.tryAgain)` where another run holds the lock for longer than `waitSeconds`, `Problem(.cannotCreate)`
    ///   where the file cannot be made.
    init(databasePath: String, waitSeconds: Double, isStopped: () -> Bool = { false }) throws(Problem) {
        let path = databasePath + ".batch-lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Problem(
                .create, path, errno, hint: "Analytics writes beside the database; check the folder's permissions.")
        }
        let deadline = ContinuousClock.now + .seconds(waitSeconds)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, ContinuousClock.now < deadline, !isStopped()
            else {
                close(descriptor)
                throw Problem(
                    .tryAgain, "another batch run has been at work on \"\(databasePath)\" for \(Int(waitSeconds)) s",
                    hint: "Wait for it to end, then run this again.")
            }
            usleep(10_000)
        }
    }

    deinit { close(descriptor) }
}
