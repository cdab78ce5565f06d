internal import CSQLite
internal import Glibc

/// What SQLite itself finds wrong with a file, for the message about some damage in it.
enum IntegrityCheck {
    /// Large files take minutes; nobody waits so long for the second half of a message.
    private static let timeLimitSeconds = 3

    /// The first thing that `PRAGMA integrity_check` says, `ok` where the pages are sound; nil where it has not come to an end, or cannot
    /// be asked.
    static func firstFinding(in path: String) -> String? {
        guard path != ":memory:" else { return nil }
        do throws(SQLiteError) {
            let connection = try Connection(path: path, access: .readOnly, busyTimeoutMs: 0)
            return try firstFinding(on: connection)
        } catch {
            return error.code == .corrupt ? error.message : nil
        }
    }

    private static func firstFinding(on connection: Connection) throws(SQLiteError) -> String? {
        // Called each 10,000 steps of SQLite's machine; the argument is the second at which to stop.
        let end = monotonicSeconds() + timeLimitSeconds
        sqlite3_progress_handler(
            connection.raw, 10_000, { end in monotonicSeconds() > Int(bitPattern: end) ? 1 : 0 },
            UnsafeMutableRawPointer(bitPattern: end))
        let answer = try connection.value("PRAGMA integrity_check(1)")?.text ?? ""
        // The first line may only name the database.
        let lines = answer.split(separator: "\n").filter { !$0.hasPrefix("***") }
        return lines.first.map { String($0.prefix(200)) } ?? (answer.isEmpty ? nil : String(answer.prefix(200)))
    }
}

private func monotonicSeconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec
}
