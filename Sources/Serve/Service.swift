internal import Glibc
internal import Problems

/// A service as serve keeps it: what it is to be, and the process that it is now.
final class Service {
    typealias State = ServeState.Service.State

    var spec: ServiceSpec
    let log: ServiceLog
    var rule: RestartRule
    private(set) var state = State.waiting
    /// ms UTC.
    private(set) var sinceMs: Int64
    var why: String?
    var limited: String?
    var restarts = 0

    /// 0 where there is none.
    private(set) var pid: pid_t = 0
    /// A socket of packets to the process, and the pipe that it says everything into; -1 for none.
    private(set) var channel: Int32 = -1
    private(set) var output: Int32 = -1
    private(set) var startedNs: Int64 = 0
    /// When it may be started.
    var dueNs: Int64 = 0
    /// When it is killed, while it is to end.
    var killNs: Int64 = .max
    /// It is to end for good: it is not in the file any more, or serve stops.
    var isLeaving = false
    /// What it has to become when it has ended.
    var next: ServiceSpec?

    init(_ spec: ServiceSpec, log: ServiceLog, restart: RestartSpec, nowMs: Int64) {
        (self.spec, self.log, rule, sinceMs) = (spec, log, RestartRule(restart), nowMs)
    }

    var id: String { spec.id }
    var isRunning: Bool { pid != 0 }

    func become(_ state: State, why: String? = nil, nowMs: Int64) {
        if self.state != state { sinceMs = nowMs }
        (self.state, self.why) = (state, why)
    }

    /// What others see of it.
    var shown: ServeState.Service {
        ServeState.Service(
            tenant: spec.tenant, service: spec.name, state: state, pid: isRunning ? pid : nil, sinceMs: sinceMs,
            restarts: restarts, limited: limited, why: why)
    }

    // MARK: the process

    /// - Throws: `Problem` where no process can be had.
    func start(environment: [String: String], nowNs: Int64) throws(Problem) {
        var (pair, pipe): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        defer { for file in [pair[1], pipe[1]] where file >= 0 { close(file) } }
        func refused() -> Problem {
            Problem(Problem.Code(errno, doing: .read), "cannot start a process: \(Problem.text(errno))")
        }
        guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
            throw refused()
        }
        guard Glibc.pipe(&pipe) == 0 else {
            let problem = refused()
            close(pair[0])
            throw problem
        }
        for file in pipe { _ = fcntl(file, F_SETFD, FD_CLOEXEC) }
        for file in [pipe[0], pair[0]] { _ = fcntl(file, F_SETFL, O_NONBLOCK) }
        let nothing = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { if nothing >= 0 { close(nothing) } }
        do throws(ChildStart.Refusal) {
            pid = try ChildStart.run(
                "/proc/self/exe", Launcher.words(of: spec), environment: environment,
                input: nothing >= 0 ? nothing : STDIN_FILENO, output: pipe[1], errors: pipe[1], leadsGroup: true,
                kept: pair[1])
        } catch {
            close(pair[0])
            close(pipe[0])
            throw Problem(
                Problem.Code(error.number, doing: .read), "cannot start taxi-cli: \(Problem.text(error.number))")
        }
        (channel, output) = (pair[0], pipe[0])
        (startedNs, killNs, limited) = (nowNs, .max, nil)
        log.begin()
    }

    func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

    /// Kills it with all that is in its process group.
    func killAll() {
        guard isRunning else { return }
        kill(-pid, SIGKILL)
        kill(pid, SIGKILL)
    }

    /// Whether it has ended: its exit code, as a shell says it; nil while it runs.
    func reap() -> Int32? {
        guard isRunning else { return nil }
        var information = siginfo_t()
        guard waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | WNOHANG) == 0,
            information.si_signo == SIGCHLD
        else { return nil }
        // Before its number can be another's: what it has left behind in its group ends with it.
        kill(-pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        readOutput()
        log.end()
        for file in [channel, output] where file >= 0 { close(file) }
        (pid, channel, output, killNs) = (0, -1, -1, .max)
        return ChildStart.exitCode(ofStatus: status)
    }

    /// Puts what it has said into its log. Not more than a piece at once: who says much must not keep the others waiting.
    func readOutput() {
        guard output >= 0 else { return }
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(output, &piece, piece.count)
        if count > 0 { log.take(piece[..<count]) }
        if count == 0 {
            close(output)
            output = -1
        }
    }

    /// The next packet that it has sent; nil where there is none.
    func receive() -> [Substring]? {
        guard channel >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = recv(channel, &bytes, bytes.count, 0)
        if count == 0 || count < 0 && ![EAGAIN, EINTR].contains(errno) {
            close(channel)
            channel = -1
        }
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
    }

    func go() {
        guard channel >= 0 else { return }
        _ = send(channel, "go", 2, Int32(MSG_NOSIGNAL))
    }

    /// Memory that is its own, in bytes: what it shares with files does not count.
    var memoryBytes: Int64 {
        guard isRunning, let bytes = try? Files.contents(of: "/proc/\(pid)/statm") else { return 0 }
        let pages = String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int64($0) }
        return pages.count > 2 ? max(0, pages[1] - pages[2]) * Int64(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
