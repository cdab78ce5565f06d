import Foundation
import Glibc
import Problems
import Synchronization

/// A command of this program that a button has started: whether it has ended, and what it then said was wrong.
final class BegunCommand: Sendable {
    private struct State {
        var said: [UInt8] = []
        /// nil while it runs.
        var code: Int32?
    }
    private let state = Mutex(State())
    let pid: pid_t

    /// More than any error has to say.
    private static let keptBytes = 64 << 10

    init(_ words: [String], environment: [String: String]) throws(Problem) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            let number = errno
            throw Problem(Problem.Code(number, doing: .read), "cannot start taxi-cli: \(Problem.text(number))")
        }
        // Other commands that are started meanwhile are to have neither end.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let errors = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        defer { close(ends[1]) }
        let child = Waited(try ChildCommand(words, environment: environment, errors: ends[1]))
        pid = child.command.pid
        Thread { [self] in
            while case let piece = errors.availableData, !piece.isEmpty {
                FileHandle.standardOutput.write(piece)
                state.withLock { $0.said += piece.prefix(max(0, Self.keptBytes - $0.said.count)) }
            }
            let code = child.command.wait()
            state.withLock { $0.code = code }
        }.start()
    }

    /// `@unchecked Sendable`: handed to the one thread that waits.
    private struct Waited: @unchecked Sendable {
        let command: ChildCommand
        init(_ command: ChildCommand) { self.command = command }
    }

    /// Waits until it has ended, `hasBegun` holds, or the time is over.
    ///
    /// - Parameter hasBegun: asked some times a second, and once more after its end: what it did counts, and not how that ended.
    /// - Throws: what it said, where it ended with an error and had not begun.
    func isOver(within seconds: Double, hasBegun: () throws -> Bool = { false }) throws -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            let (code, said) = state.withLock { ($0.code, $0.said) }
            if try hasBegun() { return code != nil }
            if let code {
                if code == 0 { return true }
                throw Self.problem(code, String(decoding: said, as: UTF8.self))
            }
            if ContinuousClock.now >= end { return false }
            usleep(30_000)
        }
    }

    /// What a command printed as `error: …` and `hint: …`.
    private static func problem(_ code: Int32, _ said: String) -> Problem {
        let lines = said.split(separator: "\n")
        func text(after word: String) -> String? {
            for line in lines { if let found = line.firstRange(of: word) { return String(line[found.upperBound...]) } }
            return nil
        }
        return Problem(
            Problem.Code(rawValue: code) ?? .software, text(after: "error: ") ?? "taxi-cli ended with \(code)",
            hint: text(after: "hint: "))
    }
}
