import CommandLine
import Database
import Foundation
import Glibc
import Problems

/// Says that a process works on a tenant: a file in the tenant's folder, named after the command and the process.
///
///     <command>-<pid>.control   the process number, when the process started, what it works on, its topics; a line each
///
/// The file is locked as long as the process lives: what a killed one has left is told by its lock being free, whoever has the
/// number now. It goes away with the value.
final class ControlFile {
    /// Without its ending.
    let path: String
    private let lock: FileLock

    /// - Parameters:
    ///   - about: what it works on, as a person would say it: "trips.csv".
    ///   - topics: those that it reads and writes, by their full names.
    init(folder: String, command: String, about: String = "", topics: [String] = []) throws(Problem) {
        path = "\(folder)/\(command)-\(getpid())"
        lock = try Self.lock("\(path).control")
        let process = RunningProcess.current
        let line = about.split(separator: "\n").joined(separator: " ")
        let text = Array("\(process.pid)\n\(process.start)\n\(line)\n\(topics.joined(separator: " "))\n".utf8)
        guard ftruncate(lock.descriptor, 0) == 0 else { throw Problem(.write, "\(path).control", errno) }
        try Files.write(text, to: lock.descriptor, of: "\(path).control")
    }

    deinit { unlink("\(path).control") }

    private static func lock(_ path: String) throws(Problem) -> FileLock {
        while true {
            let lock = try FileLock(path: path)
            lock.hold()
            // Somebody may have taken the file away between the two, for that of a dead process with this number.
            var (mine, there) = (stat(), stat())
            if fstat(lock.descriptor, &mine) == 0, stat(path, &there) == 0, mine.st_ino == there.st_ino { return lock }
        }
    }

    static func lines(of path: String) -> [String] {
        guard let bytes = try? Files.contents(of: path, limitBytes: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
    }
}

extension ControlFile {
    /// A process that works on a tenant.
    struct Holder {
        var command: String
        /// nil where it cannot be told from here: in another container, with numbers of its own.
        var process: Int32?
        var about: String
        var topics: [String]
        /// Of its control file, without its ending.
        var path: String

        /// As a line of a message: `stream (process 123)`.
        var text: String {
            "\(command) \(process.map { "(process \($0))" } ?? "(a process that cannot be seen from here)")"
        }
    }

    /// The processes that work on a tenant, by their files; what dead ones have left is taken away.
    static func holders(in folder: String) -> [Holder] {
        (Files.names(in: folder) ?? []).sorted().compactMap { name in
            guard name.hasSuffix(".control"), let dash = name.lastIndex(of: "-") else { return nil }
            let path = "\(folder)/\(name.dropLast(8))"
            guard let lock = FileLock(existing: "\(path).control"), let isFree = try? lock.tryHold(.shared) else {
                return nil
            }
            if isFree {
                // Until it is away, nobody else with this number can lock it.
                withExtendedLifetime(lock) {
                    unlink("\(path).pace")
                    unlink("\(path).control")
                }
                return nil
            }
            let lines = lines(of: "\(path).control")
            func line(_ index: Int) -> String { index < lines.count ? lines[index] : "" }
            // 0 and below would be a group of processes, 1 is everybody's.
            let process = Int32(line(0)).flatMap { number in
                number > 1 && RunningProcess(pid: number, start: line(1)).isAlive ? number : nil
            }
            return Holder(
                command: String(name[..<dash]), process: process, about: line(2),
                topics: line(3).split(separator: " ").map(String.init), path: path)
        }
    }

    /// Sees that nobody works on a tenant, or on one of its topics; ends who does, where that is wanted.
    ///
    /// - Parameters:
    ///   - topic: its full name; nil for all that the tenant has.
    ///   - what: as in `tenant "springfield"`.
    ///   - ending: whether they get SIGTERM, and are waited for.
    /// - Throws: `.tryAgain` where somebody does, or does not end.
    static func requireNone(
        in folder: String, topic: String? = nil, what: String, ending: Bool, say: (String) throws -> Void
    ) throws {
        func found() -> [Holder] {
            holders(in: folder).filter { topic.map($0.topics.contains) ?? true && $0.process != getpid() }
        }
        var present = found()
        if present.isEmpty { return }
        if ending {
            for holder in present {
                guard let process = holder.process else { continue }
                try say("ending \(holder.text)")
                // An error shows as a process that does not end.
                kill(process, SIGTERM)
            }
            let deadline = ContinuousClock.now + patience
            while case _ = (present = found()), !present.isEmpty, ContinuousClock.now < deadline,
                present.contains(where: { $0.process != nil }), !Interruption.isRequested
            {
                usleep(20_000)
            }
            if present.isEmpty { return }
        }
        let list = present.map { "\n  \($0.text)\($0.about.isEmpty ? "" : ", with \($0.about)")" }.joined()
        let numbers = present.compactMap(\.process).map(String.init).joined(separator: " ")
        throw Problem(
            .tryAgain,
            ending
                ? "what uses \(what) has not ended within \(patience.components.seconds) s:\(list)"
                : "\(what) is in use:\(list)",
            hint: !ending
                ? "Stop it first, or let --force end it."
                : numbers.isEmpty ? "Stop it where it runs." : "End it with: kill -9 \(numbers)")
    }

    /// How long processes may take to end: an epoch, and what it has to commit.
    private static let patience = Duration.seconds(30)
}
