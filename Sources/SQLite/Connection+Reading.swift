internal import Basics
internal import CSQLite
internal import Glibc
internal import Problems
internal import Synchronization

// A database in WAL mode is read with the help of two files beside it: the log, and an index of it that processes share. SQLite makes what
// is missing, and so cannot read where nothing may be written: on a read-only mount, in a snapshot, in the home of somebody else. Where it
// says so, and no index is there, nobody has the database open, and nothing of it changes. Then
//
// - a log with something in it is read as well, by an index of our own in memory: committed transactions may be in it alone, and a page
//   that a checkpoint was about to copy. For that SQLite wants the lock that keeps all others out, which nobody can give there, hence no
//   locks at all;
// - without one the file is all there is ("immutable").

extension Connection {
    /// What is told, once a process, of the first database that is read so.
    private static let onNote = Mutex<(@Sendable (String) -> Void)?>(nil)

    /// - Parameter body: told what a user should know about how a database is read; once.
    public static func tellOnce(_ body: @escaping @Sendable (_ note: String) -> Void) { onNote.withLock { $0 = body } }

    static func openForReading(_ path: String) throws(SQLiteError) -> OpaquePointer {
        let handle = try open(path, SQLITE_OPEN_READONLY)
        // Only a read shows it; what else that meets shows again at the first statement.
        let code = sqlite3_exec(handle, "PRAGMA schema_version", nil, nil, nil) & 0xff
        guard [SQLITE_CANTOPEN, SQLITE_READONLY].contains(code), !Files.exists("\(path)-shm") else { return handle }
        sqlite3_close_v2(handle)
        note("\"\(visible(path))\" lies where nothing may be written; it is read as it is, without locks")
        return try openWithoutLocks(path)
    }

    static func openUntouched(_ path: String) throws(SQLiteError) -> OpaquePointer {
        // Whoever has the database open has made both files.
        Files.exists("\(path)-shm") && Files.exists("\(path)-wal")
            ? try open(path, SQLITE_OPEN_READONLY) : try openWithoutLocks(path)
    }

    private static func openWithoutLocks(_ path: String) throws(SQLiteError) -> OpaquePointer {
        var log = stat()
        let hasLog = stat("\(path)-wal", &log) == 0 && log.st_size > 0
        guard hasLog else { return try open(path, as: immutable(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI) }
        let unlocked = try open(path, SQLITE_OPEN_READONLY, by: "unix-none")
        sqlite3_exec(unlocked, "PRAGMA locking_mode=EXCLUSIVE", nil, nil, nil)
        return unlocked
    }

    private static func note(_ text: String) {
        let body = onNote.withLock { body in
            defer { body = nil }
            return body
        }
        body?(text)
    }

    private static func immutable(_ path: String) -> String {
        path.withFileName { name in
            let bytes = UnsafeRawBufferPointer(start: name, count: strlen(name))
            return (path.hasPrefix("/") ? "file://" : "file:") + percentEncoded(bytes, keeping: "/") + "?immutable=1"
        }
    }
}
