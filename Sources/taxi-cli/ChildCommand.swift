import Foundation
import Glibc
import Problems

/// A command of this very program that runs as a process of its own; what it says on stderr goes where its output goes.
///
/// Foundation's own does not start where a process may open few files (`ulimit -n 64`). Used by one thread.
final class ChildCommand {
    private let pid: pid_t
    private var status: Int32?

    /// - Throws: `Problem`: `.tryAgain` where no process can be had, else after the cause.
    init(_ words: [String], environment: [String: String]) throws(Problem) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What this process passes over or holds back is meant for no other.
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var words: [UnsafeMutablePointer<CChar>?] =
            (["taxi-cli"] + words).map { $0.withFileName { strdup($0) } } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.map { "\($0.key)=\($0.value)".withFileName { strdup($0) } } + [nil]
        defer { for word in words + variables { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &words, &variables)
        guard code == 0 else {
            throw Problem(Problem.Code(code, doing: .read), "cannot start taxi-cli: \(Problem.text(code))")
        }
        self.pid = pid
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
        let status = status ?? 0
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    private func look(_ options: Int32) {
        var found: Int32 = 0
        guard status == nil else { return }
        let ended = waitpid(pid, &found, options)
        // Somebody else may have waited for it; then nobody knows how it ended.
        if ended == pid { status = found } else if ended < 0, errno != EINTR { status = 0 }
    }
}
