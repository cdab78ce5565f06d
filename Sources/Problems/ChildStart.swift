public import Glibc

/// Starts programs as processes of their own.
///
/// Foundation's own does not start where a process may open few files (`ulimit -n 64`).
public enum ChildStart {
    /// Why no process could be had, or not with this program: an `errno`.
    public struct Refusal: Error {
        public var number: Int32
    }

    /// - Parameters:
    ///   - program: a path, or a name that is looked for in the folders of PATH.
    ///   - words: all of its arguments; the first is the name that it is called by.
    ///   - input: one of our open files, which becomes its standard input; likewise `output` and `errors`.
    ///   - leadsGroup: whether it is the first of a process group of its own.
    ///   - kept: an open file of ours that becomes its descriptor 3; -1 for none.
    /// - Returns: its number; somebody has to wait for it.
    public static func run(
        _ program: String, _ words: [String], environment: [String: String], input: Int32 = STDIN_FILENO,
        output: Int32 = STDOUT_FILENO, errors: Int32 = STDERR_FILENO, leadsGroup: Bool = false, kept: Int32 = -1
    ) throws(Refusal) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (own, its) in [(input, STDIN_FILENO), (output, STDOUT_FILENO), (errors, STDERR_FILENO)] where own != its {
            posix_spawn_file_actions_adddup2(&actions, own, its)
        }
        // Of a descriptor that has the number already this takes away that it closes at the start of another program.
        if kept >= 0 { posix_spawn_file_actions_adddup2(&actions, kept, STDERR_FILENO + 1) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What this process passes over or holds back is meant for no other; only what `nohup` asked for holds for all that it starts.
        var (none, usual) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&usual)
        sigdelset(&usual, SIGHUP)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (leadsGroup ? POSIX_SPAWN_SETPGROUP : 0)))
        posix_spawnattr_setpgroup(&attributes, 0)
        var words: [UnsafeMutablePointer<CChar>?] = words.map { $0.withFileName { strdup($0) } } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.map { "\($0.key)=\($0.value)".withFileName { strdup($0) } } + [nil]
        defer { for word in words + variables { free(word) } }
        var pid: pid_t = 0
        let code = program.withFileName { posix_spawnp(&pid, $0, &actions, &attributes, &words, &variables) }
        guard code == 0 else { throw Refusal(number: code) }
        return pid
    }

    /// The same, and waits for its end.
    ///
    /// - Returns: its exit code, as `exitCode(ofStatus:)` says it.
    public static func runToEnd(
        _ program: String, _ words: [String], environment: [String: String], input: Int32 = STDIN_FILENO,
        output: Int32 = STDOUT_FILENO, errors: Int32 = STDERR_FILENO
    ) throws(Refusal) -> Int32 {
        let pid = try run(program, words, environment: environment, input: input, output: output, errors: errors)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return exitCode(ofStatus: status)
    }

    /// What a shell says of a process that ended with this status: its exit code; of one that a signal ended 128 and the signal's number.
    public static func exitCode(ofStatus status: Int32) -> Int32 {
        status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }
}
