import Glibc
public import SQLite

/// A process that cannot be taken for a later one with the same number.
public struct RunningProcess: Sendable, Equatable {
    public var pid: Int32
    /// When it started, in the kernel's words: the boot's id and clock ticks since that boot.
    public var start: String

    public init(pid: Int32, start: String) { (self.pid, self.start) = (pid, start) }

    /// A process as two columns of a table have it.
    public init(_ row: Statement, pid: Int, start: Int) throws(SQLiteError) {
        self.init(
            pid: Int32(try row.integer(pid, in: 0...Int64(Int32.max))), start: try row.storedText(start))
    }

    /// The process of this number as it is now; nil where there is none.
    public init?(pid: Int32) {
        guard let start = Self.start(of: pid) else { return nil }
        self.init(pid: pid, start: start)
    }

    public static var current: RunningProcess { RunningProcess(pid: getpid(), start: start(of: getpid()) ?? "") }

    public var isAlive: Bool { Self.start(of: pid) == start }

    /// nil where there is no such process, or where the system has no /proc to tell.
    private static func start(of pid: Int32) -> String? {
        // `pid (command) state …`, where the command may hold blanks and brackets; the start is field 22.
        guard let stat = text(of: "/proc/\(pid)/stat"), let bracket = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: bracket)...].split(separator: " ")
        guard fields.count > 19 else { return nil }
        let boot = text(of: "/proc/sys/kernel/random/boot_id")?.split(separator: "\n").first ?? ""
        return "\(boot) \(fields[19])"
    }

    private static func text(of path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
