internal import Glibc
internal import Problems
internal import Synchronization

/// Signals as bytes of a pipe, so that one `poll` waits for them and for everything else.
enum Signals {
    /// Takes over the signals that serve answers.
    ///
    /// - Returns: the side of the pipe to read from; each byte is a signal's number.
    static func install() throws(Problem) -> Int32 {
        var pipe: [Int32] = [-1, -1]
        guard Glibc.pipe(&pipe) == 0 else {
            throw Problem(Problem.Code(errno, doing: .read), "cannot make a pipe: \(Problem.text(errno))")
        }
        for file in pipe {
            _ = fcntl(file, F_SETFD, FD_CLOEXEC)
            _ = fcntl(file, F_SETFL, O_NONBLOCK)
        }
        written.store(pipe[1], ordering: .relaxed)
        var handled = sigset_t()
        sigemptyset(&handled)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = note
            action.sa_flags = SA_RESTART
            sigemptyset(&action.sa_mask)
            sigaction(number, &action, nil)
            sigaddset(&handled, number)
        }
        pthread_sigmask(SIG_UNBLOCK, &handled, nil)
        return pipe[0]
    }
}

private let written = Atomic<Int32>(-1)

/// Touches an atomic and writes a byte, which is all that a signal handler may do.
private func note(_ signal: Int32) {
    let number = errno
    var byte = UInt8(truncatingIfNeeded: signal)
    _ = write(written.load(ordering: .relaxed), &byte, 1)
    errno = number
}
