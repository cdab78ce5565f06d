import Foundation
import Glibc
import Synchronization
import Telemetry

/// What Spark says on its standard error: into the log, and its last lines kept for a message.
final class SparkTalk: Sendable {
    private let lines = Mutex<[String]>([])
    /// Spark says it each 15 seconds.
    private let wasWaiting = Atomic(false)
    private static let kept = 20

    var lastLines: [String] { lines.withLock { $0 } }

    /// Reads until the other end is closed, on a thread of its own.
    func listen(_ descriptor: Int32) {
        let thread = Thread { [self] in
            let log = Logger("spark")
            var rest: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 14)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                rest += buffer[..<count]
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    take(String(decoding: rest[..<end], as: UTF8.self), log)
                    rest.removeSubrange(...end)
                }
                // One line is never more than this to anybody.
                if rest.count > 1 << 16 { rest.removeAll() }
            }
            close(descriptor)
        }
        thread.start()
    }

    private func take(_ line: String, _ log: Logger) {
        let line = line.trimmingCharacters(in: .whitespaces)
        if line.isEmpty { return }
        let isWaiting = line.contains("has not accepted any resources")
        if isWaiting, !wasWaiting.exchange(true, ordering: .relaxed) {
            log.warning(
                "Spark has no executor for the tasks yet; taxi-cli doctor --engine spark says what may be wrong")
        }
        log.info(line)
        lines.withLock { lines in
            lines.append(line)
            if lines.count > Self.kept { lines.removeFirst() }
        }
    }
}
