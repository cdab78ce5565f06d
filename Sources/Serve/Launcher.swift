internal import CParentDeath
internal import Glibc
internal import Problems
internal import Shares

/// The moment between serve and a service: a process of this program that makes itself what the service has to be, and becomes it.
///
/// What has to be done between fork and exec (another user, the folder, a signal when serve dies) a spawned process cannot be asked for.
public enum Launcher {
    /// The first word of its command line; no command has such a name.
    public static let word = "--serve-launch"

    /// The whole command line of a service's process: see `run`.
    static func words(of service: ServiceSpec) -> [String] {
        let user = service.user.map { "\($0.uid):\($0.gid):\($0.name)" } ?? "-"
        var limits: [String] = []
        if let rate = service.limits.recordsPerSecond { limits.append("records=\(rate)") }
        if let bytes = service.limits.diskBytes { limits.append("disk=\(bytes)") }
        return ["taxi-cli", word, "\(getpid())", user, service.folder, limits.joined(separator: " ")] + service.words
    }

    /// Becomes the service.
    ///
    /// - Parameter words: parent, user, folder, limits, and the command line of the service.
    /// - Returns: the exit code, where that did not work; why is said on stderr.
    public static func run(_ words: [String]) -> Int32 {
        guard words.count > 4, let parent = Int32(words[0]) else {
            return fail(.usage, "\(word) is how serve starts a service, and no command")
        }
        let (user, folder, limits) = (words[1], words[2], words[3])
        if user != "-" {
            let parts = user.split(separator: ":", maxSplits: 2)
            guard parts.count == 3, let uid = UInt32(parts[0]), let gid = UInt32(parts[1]) else {
                return fail(.usage, "\"\(user)\" is no user")
            }
            // One that is this user already may not, and need not.
            if uid != geteuid() || gid != getegid() {
                guard initgroups(String(parts[2]), gid) == 0, setgid(gid) == 0, setuid(uid) == 0 else {
                    return fail(.noPermission, "cannot become user \"\(parts[2])\": \(Problem.text(errno))")
                }
            }
        }
        // After the user: the system forgets it where that changes.
        guard taxi_signal_at_parents_death(SIGTERM) == 0 else {
            return fail(.software, "cannot be tied to serve: \(Problem.text(errno))")
        }
        // It may have died before.
        guard getppid() == parent else { return Problem.Code.unavailable.rawValue }
        umask(0o077)
        guard folder.withFileName({ chdir($0) }) == 0 else {
            return fail(.noInput, "cannot change to \"\(folder)\": \(Problem.text(errno))")
        }
        setenv(WorkShare.variable, "\(getpid()) \(limits)", 1)
        var line: [UnsafeMutablePointer<CChar>?] = (["taxi-cli"] + words.dropFirst(4)).map {
            $0.withFileName { strdup($0) }
        }
        line.append(nil)
        execv("/proc/self/exe", &line)
        return fail(.noPermission, "cannot start taxi-cli: \(Problem.text(errno))")
    }

    private static func fail(_ code: Problem.Code, _ message: String) -> Int32 {
        let text = Array("\(Problem(code, message))\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
        return code.rawValue
    }
}
