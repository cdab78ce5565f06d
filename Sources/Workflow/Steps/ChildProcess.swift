internal import Foundation
internal import Glibc
internal import Problems
internal import Synchronization

/// Runs a program in a process group of its own, with what it writes on stdout and stderr going to a log.
struct ChildProcess {
    enum End: Equatable {
        case exit(Int32), signal(Int32)
        case timedOut, stopped
    }

    var arguments: [String]
    var environment: [String: String]
    var folder: String

    /// Runs it to its end. The whole group is ended (SIGTERM, five seconds later SIGKILL) at `deadline` or when `isStopped`.
    ///
    /// - Parameters:
    ///   - deadline: of the clock that never jumps; nil for none.
    ///   - started: told the process's number.
    /// - Throws: `.noInput` where there is no such program, `.unavailable` where no process can be had.
    func run(
        deadline: ContinuousClock.Instant?, isStopped: () -> Bool, log: StepLog, started: (Int32) throws -> Void
    ) throws -> End {
        let (pid, output) = try Self.spawning.withLock { _ in
            Self.keepInherited
            return try spawn()
        }
        defer { close(output) }
        var status: Int32 = 0
        do { try started(pid) } catch {
            kill(-pid, SIGKILL)
            waitpid(pid, &status, 0)
            throw error
        }
        var reason: End?
        var (killAt, giveUpAt, lastReadAt):
            (
                ContinuousClock.Instant?, ContinuousClock.Instant?, ContinuousClock.Instant?
            )
        // A process mostly ends right after it has closed its output.
        var pauseMicroseconds: UInt32 = 100
        var (hasExited, isOpen) = (false, true)
        while !hasExited || isOpen {
            var count = -1
            if isOpen {
                count = Self.read(output, into: log)
                if count == 0 { isOpen = false }
            } else if !hasExited {
                usleep(pauseMicroseconds)
                pauseMicroseconds = min(pauseMicroseconds * 2, 50_000)
            }
            if !hasExited { hasExited = Self.hasExited(pid) }
            let now = ContinuousClock.now
            if hasExited {
                // A process left in the background may hold the pipe for ever, or fill it for ever.
                let lastRead = lastReadAt ?? now + .seconds(1)
                lastReadAt = lastRead
                if count < 0 || now >= lastRead { break }
            } else if reason == nil {
                if let deadline, now >= deadline { reason = .timedOut }
                if isStopped() { reason = .stopped }
                if reason != nil {
                    kill(-pid, SIGTERM)
                    killAt = now + .seconds(5)
                }
            } else if let at = killAt, now >= at {
                kill(-pid, SIGKILL)
                // One that waits for a disk that does not answer cannot be waited for.
                let giveUp = giveUpAt ?? now + .seconds(5)
                giveUpAt = giveUp
                if now >= giveUp { break }
            }
        }
        // Others of its group may not have heard; before the process is waited for, its number is nobody else's.
        if reason != nil { kill(-pid, SIGKILL) }
        waitpid(pid, &status, hasExited ? 0 : WNOHANG)
        log.finish()
        if let reason { return reason }
        return status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
    }

    /// Whether it has ended; it is still there to be waited for.
    private static func hasExited(_ pid: pid_t) -> Bool {
        var info = siginfo_t()
        return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo != 0
    }

    /// Bytes read: 0 at the end, -1 where nothing came for a tenth of a second.
    private static func read(_ file: Int32, into log: StepLog) -> Int {
        var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 100) > 0 else { return -1 }
        return withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 1) { buffer in
            let count = Glibc.read(file, buffer.baseAddress, buffer.count)
            if count > 0 { log.add(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])) }
            return count < 0 ? -1 : count
        }
    }

    /// One at a time: between the making of a pipe and its mark as ours another child would get it too.
    private static let spawning = Mutex<Void>(())

    /// Once: what this process has inherited goes no further. A step may outlive us, and somebody may wait for the end of a pipe.
    private static let keepInherited: Void = {
        for name in Files.names(in: "/proc/self/fd") ?? [] {
            if let descriptor = Int32(name), descriptor > 2 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
    }()

    /// - Returns: the child, and the end of the pipe at which its output comes.
    private func spawn() throws -> (pid: pid_t, output: Int32) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Self.refused("make a pipe", errno) }
        defer { close(ends[1]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        do { return (try spawn(output: ends[1]), ends[0]) } catch {
            close(ends[0])
            throw error
        }
    }

    private func spawn(output: Int32) throws -> pid_t {
        let nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard nothing >= 0 else { throw Self.refused("open /dev/null", errno) }
        defer { close(nothing) }
        // POSIX's spawn changes no folder; a shell does, and then becomes the program.
        let program = folder.isEmpty ? arguments : ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder] + arguments
        do throws(ChildStart.Refusal) {
            return try ChildStart.run(
                program[0], program, environment: environment, input: nothing, output: output, errors: output,
                leadsGroup: true)
        } catch {
            throw Self.refused("run \"\(arguments[0])\"", error.number)
        }
    }

    private static func refused(_ action: String, _ number: Int32) -> Problem {
        let isPlain = [ENOENT, EACCES, EPERM].contains(number)
        return Problem(
            isPlain ? Problem.Code(number, doing: .read) : .unavailable, "cannot \(action): \(Problem.text(number))")
    }
}
