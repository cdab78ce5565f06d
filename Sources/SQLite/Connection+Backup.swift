internal import CSQLite

extension Connection {
    /// Writes what this connection sees of the database into a file of its own, whatever others write meanwhile: inside a transaction
    /// that is what it saw when that began.
    ///
    /// - Parameter path: of a file that is not there.
    /// - Throws: `SQLiteError`, also where the disk is full.
    /// Source: SQLite's Online Backup API.
    public func copy(to path: String) throws(SQLiteError) {
        // Not a `Connection`: in its WAL mode a database takes no pages of another size, and has two more files beside it.
        Self.makePrivate(path)
        let target = try Self.open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
        defer { sqlite3_close_v2(target) }
        func failure() -> SQLiteError {
            SQLiteError(
                number: sqlite3_extended_errcode(target), message: String(cString: sqlite3_errmsg(target)), path: path,
                sql: nil, offset: nil)
        }
        guard let backup = sqlite3_backup_init(target, "main", raw, "main") else { throw failure() }
        sqlite3_backup_step(backup, -1)
        guard sqlite3_backup_finish(backup) == SQLITE_OK,
            sqlite3_exec(target, "PRAGMA journal_mode=DELETE", nil, nil, nil) == SQLITE_OK
        else { throw failure() }
    }
}
