internal import Foundation
internal import Glibc
internal import Problems
internal import Trips

/// The log of one attempt: `<tenant>/workflows/.logs/<run>/<step>.<attempt>.log`, each line behind the time at which it came.
final class StepLog {
    private let file: Int32
    private var secrets: [String] = []
    private let stamp: () -> String
    private var pending: [UInt8] = []
    /// The last line that was not empty.
    private(set) var lastLine = ""

    /// - Parameters:
    ///   - secrets: texts that are written as `***`; values of the environment that the step's templates name.
    ///   - stamp: the present time as text.
    init(path: String, secrets: [String], stamp: @escaping () -> String) throws(Problem) {
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw Problem(.create, path, errno)
        }
        self.stamp = stamp
        for secret in secrets { hide(secret) }
    }

    deinit { close(file) }

    /// From here on the text is written as `***`.
    func hide(_ secret: String) {
        guard !secret.isEmpty, !secrets.contains(secret) else { return }
        // A longer secret may hold a shorter one.
        secrets = (secrets + [secret]).sorted { $0.utf8.count > $1.utf8.count }
    }

    /// The text without what has to stay hidden.
    func masked(_ text: String) -> String {
        secrets.reduce(text) { $0.replacingOccurrences(of: $1, with: "***") }
    }

    /// Adds what a process wrote; a line is written when it is whole, or 64 KiB long.
    func add(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") { flush() } else { pending.append(byte) }
            if pending.count >= 1 << 16 { flush() }
        }
    }

    func add(line: String) {
        finish()
        line.utf8.withContiguousStorageIfAvailable { add(UnsafeRawBufferPointer($0)) }
        flush()
    }

    /// Writes what is left of a line without an end.
    func finish() { if !pending.isEmpty { flush() } }

    private func flush() {
        let text = masked(String(decoding: pending, as: UTF8.self))
        if text.contains(where: { !$0.isWhitespace }) { lastLine = text }
        pending.removeAll(keepingCapacity: true)
        let line = Array("\(stamp()) \(text)\n".utf8)
        // A full disk loses the log, not the step.
        _ = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    }
}
