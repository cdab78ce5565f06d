import Glibc
import Problems
import Synchronization

/// How much a line of the log matters.
public enum LogLevel: Int, Comparable, Sendable, CaseIterable {
    case debug, info, warning, error

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
    var name: String { ["debug", "info", "warning", "error"][rawValue] }
}

/// Writes one line an event to stderr: `warning: replay: the topic has 4 partitions asked=8 topic=chicago_ingestData`.
///
/// Library code logs at info or below, and warns where something was done differently from what was asked for; failures are thrown.
/// Below the level nothing is evaluated.
public struct Logger: Sendable {
    public let subsystem: String
    public init(_ subsystem: String) { self.subsystem = subsystem }

    public func debug(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, any Sendable> = [:]
    ) {
        write(.debug, message, fields)
    }
    public func info(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, any Sendable> = [:]
    ) {
        write(.info, message, fields)
    }
    public func warning(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, any Sendable> = [:]
    ) {
        write(.warning, message, fields)
    }
    public func error(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, any Sendable> = [:]
    ) {
        write(.error, message, fields)
    }

    private func write(_ level: LogLevel, _ message: () -> String, _ fields: () -> KeyValuePairs<String, any Sendable>)
    {
        guard level >= LogOutput.level else { return }
        var line = "\(level.name): \(subsystem): \(message())"
        for (name, value) in fields() { line += " \(name)=\(Self.quoted("\(value)"))" }
        LogOutput.write(line)
    }

    /// A value as it is, or in quotes where it would not stay one word of one line.
    static func quoted(_ value: String) -> String {
        guard value.isEmpty || value.contains(where: { $0.isWhitespace || $0 == "\"" || $0 == "=" || $0.isNewline })
        else { return value }
        var text = "\""
        for character in value {
            switch character {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n", "\r\n": text += "\\n"
            case "\r": text += "\\r"
            default: text.append(character)
            }
        }
        return text + "\""
    }
}

/// Where log lines go and from which level on; set once by the command.
public enum LogOutput {
    private static let leastLevel = Atomic<Int>(LogLevel.warning.rawValue)
    private static let sink = Mutex<@Sendable (String) -> Void> { line in
        // A log that cannot be written must not end the work that it is about.
        let bytes = Array((visible(line) + "\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Lines below are dropped: `warning` by default, `error` with `--quiet`, `info` with `-v`.
    public static var level: LogLevel {
        get { LogLevel(rawValue: leastLevel.load(ordering: .relaxed)) ?? .warning }
        set { leastLevel.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Sends lines elsewhere: above a status line on a terminal, or into a test.
    public static func redirect(_ to: @escaping @Sendable (String) -> Void) { sink.withLock { $0 = to } }

    static func write(_ line: String) {
        // Called outside the lock: a sink may log.
        let write = sink.withLock { $0 }
        write(line)
    }
}
