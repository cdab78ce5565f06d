import Foundation
import Glibc
import Problems

/// A command of this very program that runs as a process of its own; what it says on stderr goes where its output goes, unless said.
///
/// Used by one thread.
final class ChildCommand {
    let pid: pid_t
    private var status: Int32?

    /// - Throws: `Problem`: `.tryAgain` where no process can be had, else after the cause.
    init(_ words: [String], environment: [String: String], errors: Int32 = STDOUT_FILENO) throws(Problem) {
        do throws(ChildStart.Refusal) {
            pid = try ChildStart.run(
                "/proc/self/exe", ["taxi-cli"] + words, environment: environment, errors: errors)
        } catch {
            throw Problem(
                Problem.Code(error.number, doing: .read), "cannot start taxi-cli: \(Problem.text(error.number))")
        }
    }

    var isRunning: Bool {
        look(WNOHANG)
        return status == nil
    }

    func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

    /// Waits for its end.
    ///
    /// - Returns: its exit code; of one that a signal ended 128 and the signal's number, as a shell says it.
    @discardableResult
    func wait() -> Int32 {
        while status == nil { look(0) }
        return ChildStart.exitCode(ofStatus: status ?? 0)
    }

    private func look(_ options: Int32) {
        var found: Int32 = 0
        guard status == nil else { return }
        let ended = waitpid(pid, &found, options)
        // Somebody else may have waited for it; then nobody knows how it ended.
        if ended == pid { status = found } else if ended < 0, errno != EINTR { status = 0 }
    }
}
