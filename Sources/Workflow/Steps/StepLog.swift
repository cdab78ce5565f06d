internal import Foundation
internal import Glibc
internal import Problems

/// The log of one attempt: `<tenant>/workflows/.logs/<run>/<step>.<attempt>.log`, each line behind the time at which it came.
///
/// It is kept to its beginning and its end: a program that writes for ever fills no disk. The end is written when the attempt has ended.
final class StepLog {
    static let headLimitBytes = 8 << 20
    static let tailLimitBytes = 1 << 20
    private static let lineLimitBytes = 1 << 16

    private let file: Int32
    private(set) var mask: SecretMask
    private var stream: SecretStream
    private let stamp: () -> String
    private var pending: [UInt8] = []
    private var writtenBytes = 0
    private var tail = LogTail(limitBytes: tailLimitBytes)
    /// The last line that was not empty.
    private(set) var lastLine = ""

    /// - Parameters:
    ///   - secrets: texts that are written as `***`.
    ///   - stamp: the present time as text.
    init(path: String, secrets: [String], stamp: @escaping () -> String) throws(Problem) {
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw Problem(.create, path, errno)
        }
        self.stamp = stamp
        mask = SecretMask(secrets)
        stream = SecretStream(mask)
    }

    deinit { close(file) }

    /// From here on the text is written as `***`.
    func hide(_ secret: String) {
        guard !secret.isEmpty, !mask.secrets.contains(secret) else { return }
        finish()
        mask = SecretMask(mask.secrets + [secret])
        stream = SecretStream(mask)
    }

    /// The text without what has to stay hidden.
    func masked(_ text: String) -> String { mask.masked(text) }

    /// Adds what a process wrote; a line is written when it is whole, or 64 KiB long.
    func add(_ bytes: UnsafeRawBufferPointer) { stream.add(bytes) { take($0) } }

    func add(line: String) {
        finish()
        var line = line
        line.withUTF8 { add(UnsafeRawBufferPointer($0)) }
        stream.finish { take($0) }
        flush()
    }

    /// Writes what is left of a line without an end.
    func finish() {
        stream.finish { take($0) }
        if !pending.isEmpty { flush() }
    }

    /// Writes the end of what was too long to keep whole; nothing is added afterwards.
    func end() {
        finish()
        if tail.droppedLines > 0 {
            write(
                "\(stamp()) … \(tail.droppedLines) lines, \(tail.droppedBytes) bytes, are left out here: a log keeps its first "
                    + "\(Self.headLimitBytes >> 20) MiB and its last \(Self.tailLimitBytes >> 20) MiB\n")
        }
        for line in tail.take() { write(line) }
    }

    private func take(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while !rest.isEmpty {
            let room = rest.prefix(Self.lineLimitBytes - pending.count)
            if let end = room.firstIndex(of: 0x0A) {
                pending += rest[..<end]
                rest = rest[(end + 1)...]
                flush()
            } else {
                pending += room
                rest = rest[room.endIndex...]
                if pending.count >= Self.lineLimitBytes { flush() }
            }
        }
    }

    private func flush() {
        let text = String(decoding: pending, as: UTF8.self)
        if text.contains(where: { !$0.isWhitespace }) { lastLine = text }
        pending.removeAll(keepingCapacity: true)
        let line = Array("\(stamp()) \(text)\n".utf8)
        guard writtenBytes + line.count <= Self.headLimitBytes, tail.isEmpty else { return tail.add(line) }
        writtenBytes += line.count
        write(line)
    }

    private func write(_ line: String) { write(Array(line.utf8)) }

    private func write(_ line: [UInt8]) {
        var rest = line[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            // A full disk loses the log, not the step.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// The last lines of a log, and how many came before them.
private struct LogTail {
    let limitBytes: Int
    private var lines: [[UInt8]] = []
    /// The first of `lines` that counts.
    private var first = 0
    private var bytes = 0
    private(set) var droppedLines = 0
    private(set) var droppedBytes = 0

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    var isEmpty: Bool { first == lines.count }

    mutating func add(_ line: [UInt8]) {
        lines.append(line)
        bytes += line.count
        while bytes > limitBytes, first < lines.count - 1 {
            bytes -= lines[first].count
            droppedBytes += lines[first].count
            droppedLines += 1
            lines[first] = []
            first += 1
        }
        if first > 4096, first > lines.count / 2 {
            lines.removeFirst(first)
            first = 0
        }
    }

    mutating func take() -> ArraySlice<[UInt8]> {
        defer { (lines, first, bytes) = ([], 0, 0) }
        return lines[first...]
    }
}
