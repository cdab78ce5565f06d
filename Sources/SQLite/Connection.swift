internal import CSQLite
internal import Glibc
public import Problems

/// One open SQLite database, used by one thread at a time.
///
/// Opened in WAL mode, so that readers never block the one writer; a writer that finds the lock taken waits up to
/// `busyTimeoutMs`, looking again each half millisecond (SQLite's own handler backs off to 100 ms, which would show in latency).
///
/// `@unchecked Sendable`: the handle is opened in serialized mode (`SQLITE_OPEN_FULLMUTEX`); callers hand a connection
/// from thread to thread but do not share statements.
public final class Connection: @unchecked Sendable {
    public enum Access: Sendable {
        case readWrite, readOnly
        /// As `readOnly`, and without making the files that SQLite wants beside a database: what is written meanwhile may be missing.
        case untouched

        /// What this process may do with the database at `path`: SQLite writes into its folder too.
        public static func granted(to path: String) -> Access {
            access(path, W_OK) == 0 && access(Files.folder(of: path), W_OK | X_OK) == 0 ? .readWrite : .readOnly
        }
    }
    public enum Durability: String, Sendable {
        /// A commit is on the disk when it returns (`synchronous=FULL`).
        case full
        /// A commit survives the death of the process, not that of the machine (`synchronous=NORMAL`).
        case normal
    }

    public let path: String
    let raw: OpaquePointer

    /// How long a writer waits for another one: what the environment says in `TAXI_BUSY_TIMEOUT` (ms), else 10 s.
    public static let defaultBusyTimeoutMs = busyTimeout ?? 10_000
    private static let busyTimeout = environmentText.flatMap { Int($0) }.flatMap {
        busyTimeouts.contains($0) ? $0 : nil
    }
    private static let busyTimeouts = 0...3_600_000
    private static var environmentText: String? { getenv("TAXI_BUSY_TIMEOUT").map { String(cString: $0) } }

    /// - Throws: `.usage` where the environment says how long writers wait and says it wrongly.
    public static func checkEnvironment() throws(Problem) {
        // As of other variables, an empty one is none.
        guard let text = environmentText, !text.isEmpty, busyTimeout == nil else { return }
        throw Problem(
            .usage,
            "TAXI_BUSY_TIMEOUT is \"\(text)\", which is no whole number of milliseconds from 0 to \(busyTimeouts.upperBound)",
            hint: "Write 30000 for half a minute, or unset it.")
    }

    /// Opens or creates the database at `path` (`:memory:` for one in memory). For reading alone see `Connection+Reading`.
    ///
    /// - Parameter pageSizeBytes: used when the file is created; ignored afterwards.
    /// - Throws: `SQLiteError`: `.cannotOpen`, `.corrupt`, `.readOnly`, `.busy`.
    public init(
        path: String, access: Access = .readWrite, durability: Durability = .full, pageSizeBytes: Int = 4096,
        busyTimeoutMs: Int = defaultBusyTimeoutMs
    ) throws(SQLiteError) {
        self.path = path
        _ = Self.configuration
        if access == .readWrite { Self.makePrivate(path) }
        raw =
            switch access {
            case .readWrite: try Self.open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            case .readOnly: try Self.openForReading(path)
            case .untouched: try Self.openUntouched(path)
            }
        sqlite3_extended_result_codes(raw, 1)
        // The handler's argument carries the number of half-millisecond waits that are allowed.
        sqlite3_busy_handler(
            raw,
            { limit, attempts in
                guard Int(attempts) < Int(bitPattern: limit) else { return 0 }
                usleep(500)
                return 1
            }, UnsafeMutableRawPointer(bitPattern: busyTimeoutMs * 2))
        if access == .readWrite {
            // SQLite takes what may only be read for reading, and would say so at the first change, half-way through a command.
            guard sqlite3_db_readonly(raw, "main") != 1 else {
                var error = SQLiteError(
                    number: SQLITE_READONLY, message: String(cString: sqlite3_errstr(SQLITE_READONLY)), path: path)
                error.system = Glibc.access(path, W_OK) == 0 ? 0 : errno
                throw error
            }
            try execute("PRAGMA page_size=\(pageSizeBytes)")
            try switchToWAL(busyTimeoutMs: busyTimeoutMs)
            try execute("PRAGMA synchronous=\(durability.rawValue)")
        }
        startPacing()
    }

    deinit { sqlite3_close_v2(raw) }

    /// - Parameters:
    ///   - name: what SQLite opens: `path`, or a URI of it.
    ///   - system: by which of SQLite's ways to the system (VFS); nil for the usual one.
    static func open(
        _ path: String, as name: String? = nil, _ flags: Int32, by system: String? = nil
    ) throws(SQLiteError) -> OpaquePointer {
        // A pipe in the place of a database would hold up whoever opens it, for ever.
        var status = Glibc.stat()
        if !path.isEmpty, stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG,
            status.st_mode & S_IFMT != S_IFDIR
        {
            throw SQLiteError(number: SQLITE_CANTOPEN, message: "it is no plain file", path: path)
        }
        var handle: OpaquePointer?
        let code = (name ?? path).withFileName { sqlite3_open_v2($0, &handle, flags | SQLITE_OPEN_FULLMUTEX, system) }
        guard code == SQLITE_OK, let handle else {
            let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
            var error = SQLiteError(number: code, message: message, path: path)
            error.system = Self.system(code, handle)
            sqlite3_close_v2(handle)
            throw error
        }
        return handle
    }

    /// Once a process, before the first handle: nobody asks how much memory SQLite has, and counting it takes a lock at each allocation.
    private static let configuration: Int32 = taxi_sqlite_without_memory_statistics()

    /// Sees that nobody else reads what a database holds, whoever made its folder: a new one has mode 0600 from its first moment, one that
    /// everybody may use gets it. That a group may use one is somebody's intention. SQLite gives its other files the mode of the database.
    static func makePrivate(_ path: String) {
        if path == ":memory:" || path.isEmpty { return }
        let file = Problems.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if file >= 0 {
            close(file)
            return
        }
        // Not by a descriptor: closing that would give up the locks that this process has on the file.
        for name in [path, "\(path)-wal", "\(path)-shm"] {
            var status = Glibc.stat()
            guard stat(name, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o007 != 0 else {
                continue
            }
            chmod(name, 0o600)
        }
    }

    /// SQLite does not ask the busy handler where two processes switch a new file at once, so we look again ourselves.
    private func switchToWAL(busyTimeoutMs: Int) throws(SQLiteError) {
        let deadline = ContinuousClock.now + .milliseconds(busyTimeoutMs)
        while true {
            do throws(SQLiteError) {
                return try execute("PRAGMA journal_mode=WAL")
            } catch {
                guard error.code == .busy, ContinuousClock.now < deadline else { throw error }
                usleep(500)
            }
        }
    }

    /// Runs one or more statements that give no rows.
    public func execute(_ sql: String) throws(SQLiteError) {
        let code = sqlite3_exec(raw, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(sql: sql) }
    }

    /// Runs one statement with bound values; rows it may give are left unread.
    public func execute(_ sql: String, _ values: SQLValue...) throws(SQLiteError) {
        let statement = try prepare(sql)
        try statement.bind(values)
        while try statement.step() {}
    }

    public func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        try Statement(sql, on: self)
    }

    /// All rows of a query, each mapped while the statement stands on it.
    public func rows<Row>(
        _ sql: String, _ values: SQLValue..., map: (Statement) throws(SQLiteError) -> Row
    ) throws(SQLiteError) -> [Row] {
        let statement = try prepare(sql)
        try statement.bind(values)
        var rows: [Row] = []
        while try statement.step() { rows.append(try map(statement)) }
        return rows
    }

    /// Whether the database has a table of this name.
    public func hasTable(_ name: String) throws(SQLiteError) -> Bool {
        try value("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", .text(name)) != nil
    }

    /// The first column of the first row, or nil where there is no row.
    public func value(_ sql: String, _ values: SQLValue...) throws(SQLiteError) -> SQLValue? {
        let statement = try prepare(sql)
        try statement.bind(values)
        // Not `? :` with nil: as a literal that would be `SQLValue.null`.
        guard try statement.step() else { return Optional.none }
        return statement.value(0)
    }

    /// Sees that the database's file still has its name: what is written into one that was removed is lost, and SQLite says nothing.
    ///
    /// - Throws: `.gone`.
    public func requireFile() throws(SQLiteError) {
        var hasMoved: Int32 = 0
        sqlite3_file_control(raw, "main", SQLITE_FCNTL_HAS_MOVED, &hasMoved)
        guard hasMoved == 0 else {
            var error = SQLiteError(number: SQLITE_IOERR, message: "the file is gone", path: path)
            error.code = .gone
            throw error
        }
    }

    /// Runs `body` in one transaction that takes the write lock at once (`BEGIN IMMEDIATE`); an error rolls it back.
    ///
    /// - Throws: what `body` throws; `.gone` where the file was removed meanwhile, and what was committed with it.
    public func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        // Held for the whole of it, the handle's lock costs nothing each time that SQLite takes it: for each value that is bound.
        let lock = sqlite3_db_mutex(raw)
        sqlite3_mutex_enter(lock)
        defer { sqlite3_mutex_leave(lock) }
        try execute("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try execute("COMMIT")
            try requireFile()
            return result
        } catch {
            // A full disk may have rolled back already; the first error is the one to tell.
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Runs `body` on one snapshot of the database.
    public func snapshot<Result>(_ body: () throws -> Result) throws -> Result {
        try execute("BEGIN")
        defer { try? execute("ROLLBACK") }
        return try body()
    }

    /// Changes whenever another connection has committed; cheap enough to ask each millisecond.
    public func dataVersion() throws(SQLiteError) -> Int64 {
        try value("PRAGMA data_version")?.integer ?? 0
    }

    public var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(raw) }
    public var changedRows: Int { Int(sqlite3_changes64(raw)) }

    /// Stops the statement that another thread runs on this connection.
    public func interrupt() { sqlite3_interrupt(raw) }

    public static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    func error(sql: String?) -> SQLiteError {
        let offset = Int(sqlite3_error_offset(raw))
        var error = SQLiteError(
            number: sqlite3_extended_errcode(raw), message: String(cString: sqlite3_errmsg(raw)), path: path, sql: sql,
            offset: offset < 0 ? nil : offset)
        error.system = Self.system(error.number, raw)
        return error
    }

    /// What the system said; SQLite keeps an old number where the system was not asked.
    private static func system(_ code: Int32, _ handle: OpaquePointer?) -> Int32 {
        guard let handle, [SQLITE_CANTOPEN, SQLITE_IOERR].contains(code & 0xff) else { return 0 }
        return sqlite3_system_errno(handle)
    }
}
