internal import Foundation
internal import Glibc
internal import Problems
internal import Trips

/// The log of one attempt: `<tenant>/workflows/.logs/<run>/<step>.<attempt>.log`, each line behind the time at which it came.
final class StepLog {
    private let file: Int32
    private let secrets: [String]
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
            throw Problem(.cannotCreate, "cannot write \"\(path)\": \(String(cString: strerror(errno)).lowercased())")
        }
        // A longer secret may hold a shorter one.
        self.secrets = secrets.filter { !$0.isEmpty }.sorted { $0.utf8.count > $1.utf8.count }
        self.stamp = stamp
    }

    deinit { close(file) }

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
        var text = String(decoding: pending, as: UTF8.self)
        for secret in secrets { text = text.replacingOccurrences(of: secret, with: "***") }
        if text.contains(where: { !$0.isWhitespace }) { lastLine = text }
        pending.removeAll(keepingCapacity: true)
        let line = Array("\(stamp()) \(text)\n".utf8)
        // A full disk loses the log, not the step.
        _ = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    }
}
