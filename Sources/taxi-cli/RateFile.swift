import Database
import Foundation
import Glibc
import Problems
import Replay

/// How `produce --set-rate` reaches a running replay: the new pace stands in a file, and SIGUSR1 says so.
///
/// Each replay has two files in the tenant's folder, named after its process:
///
///     produce-<pid>.control   the process number, when the process started, what it replays; a line each
///     produce-<pid>.pace      the pace that was asked for last; only where one was
///
/// The control file is locked (`flock`) as long as the replay lives: what a killed one has left is told by its lock being free, whoever
/// has the number now.
struct RateFile {
    private let path: String
    private let descriptor: Int32

    /// Announces this process as a running replay of the tenant.
    init(folder: String, input: [String]) throws(Problem) {
        path = "\(folder)/produce-\(getpid())"
        unlink("\(path).pace")
        descriptor = try Self.lock("\(path).control")
        let process = RunningProcess.current
        let text = Array("\(process.pid)\n\(process.start)\n\(input.joined(separator: " "))\n".utf8)
        guard ftruncate(descriptor, 0) == 0, write(descriptor, text, text.count) == text.count else {
            throw Problem(.create, "\(path).control", errno)
        }
    }

    private static func lock(_ path: String) throws(Problem) -> Int32 {
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw Problem(.create, path, errno) }
            while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
            // Somebody may have taken the file away between the two, for that of a dead replay with this number.
            var (mine, there) = (stat(), stat())
            if fstat(descriptor, &mine) == 0, stat(path, &there) == 0, mine.st_ino == there.st_ino { return descriptor }
            close(descriptor)
        }
    }

    func remove() {
        unlink("\(path).pace")
        unlink("\(path).control")
        close(descriptor)
    }

    /// The pace that was asked for last; nil where nobody asked or the text is none.
    func read() -> Pace? {
        Self.lines(of: "\(path).pace").first.flatMap { try? Pace.parse($0) }
    }
}

extension RateFile {
    /// A replay that runs.
    private struct Running {
        var process: Int32
        var input: String
        /// Without its ending.
        var path: String
    }

    /// - Parameter process: which replay; nil for the only one.
    /// - Returns: the replay that was asked.
    /// - Throws: `Problem`: `.unavailable` where no replay of the tenant runs, or not this one; `.usage` where several do.
    static func send(_ pace: String, to process: Int32?, folder: String, tenant: String) throws(Problem) -> Int32 {
        let all = running(in: folder)
        let asked = all.filter { process == nil || $0.process == process }
        guard let replay = asked.first else {
            let others = all.map { "\($0.process)" }.joined(separator: ", ")
            throw Problem(
                .unavailable,
                process.map { "process \($0) is no running replay of tenant \"\(tenant)\"" }
                    ?? "no replay of tenant \"\(tenant)\" is running",
                hint: others.isEmpty
                    ? "Start one with taxi-cli produce FILE --rate \(pace)." : "There runs \(others).")
        }
        guard asked.count == 1 else {
            let list = asked.map { "\n  \($0.process), which replays \($0.input)" }.joined()
            throw Problem(
                .usage, "\(asked.count) replays of tenant \"\(tenant)\" are running:\(list)",
                hint: "Say which one: --set-rate \(pace) --process \(replay.process).")
        }
        try replace("\(replay.path).pace", with: "\(pace)\n")
        kill(replay.process, SIGUSR1)
        return replay.process
    }

    /// The replays of a tenant that live, by process; what dead ones have left is taken away.
    private static func running(in folder: String) -> [Running] {
        let names = Files.names(in: folder) ?? []
        return names.sorted().compactMap { name in
            guard name.hasPrefix("produce-"), name.hasSuffix(".control") else { return nil }
            let path = "\(folder)/\(name.dropLast(8))"
            let descriptor = open("\(path).control", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            if flock(descriptor, LOCK_SH | LOCK_NB) == 0 {
                unlink("\(path).pace")
                unlink("\(path).control")
                return nil
            }
            guard errno == EWOULDBLOCK else { return nil }
            let lines = lines(of: "\(path).control")
            // 0 and below would be a group of processes, 1 is everybody's.
            guard lines.count > 1, let number = Int32(lines[0]), number > 1,
                RunningProcess(pid: number, start: lines[1]).isAlive
            else { return nil }
            return Running(process: number, input: lines.count > 2 ? lines[2] : "", path: path)
        }
    }

    private static func lines(of path: String) -> [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Replaces the file in one step, so that nobody reads half of it.
    private static func replace(_ path: String, with text: String) throws(Problem) {
        let temporary = "\(path).\(getpid())"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Problem(.create, temporary, errno) }
        defer { close(file) }
        try Files.write(Array(text.utf8), to: file, of: temporary)
        guard rename(temporary, path) == 0 else { throw Problem(.rename, temporary, errno) }
    }
}
