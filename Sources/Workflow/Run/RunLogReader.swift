internal import Foundation
internal import Glibc
internal import Problems

/// Reads the logs of a run's steps, and what is added to them, whole lines at a time.
public struct RunLogReader {
    private let history: RunHistory
    private let logs: RunLogs
    private let runID: String
    private let step: String?
    /// The byte of each log from which on nothing was read yet.
    private var read: [String: off_t] = [:]
    /// Whether no log had anything in it so far.
    public private(set) var isEmpty = true

    /// - Parameter step: nil for all.
    public init(history: RunHistory, logs: RunLogs, runID: String, step: String?) {
        (self.history, self.logs, self.runID, self.step) = (history, logs, runID, step)
    }

    /// Gives each line that has come since the last time: attempts in the order in which they began.
    public mutating func read(_ body: (_ step: String, _ line: String) throws -> Void) throws {
        for attempt in try history.attempts(of: runID) where step == nil || attempt.step == step {
            let path = logs.path(runID, attempt.step, attempt: attempt.attempt)
            try readOn(path) { try body(attempt.step, $0) }
        }
    }

    private mutating func readOn(_ path: String, _ body: (String) throws -> Void) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        lseek(file, read[path] ?? 0, SEEK_SET)
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = Glibc.read(file, &buffer, buffer.count), count > 0 {
            for byte in buffer[..<count] {
                guard byte == UInt8(ascii: "\n") else {
                    pending.append(byte)
                    continue
                }
                isEmpty = false
                read[path, default: 0] += off_t(pending.count + 1)
                try body(String(decoding: pending, as: UTF8.self))
                pending.removeAll(keepingCapacity: true)
            }
        }
    }
}
