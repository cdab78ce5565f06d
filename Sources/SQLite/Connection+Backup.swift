internal import CSQLite

extension Connection {
    /// Writes what this connection sees of the database into a file of its own, whatever others write meanwhile: inside a transaction
    /// that is what it saw when that began.
    ///
    /// - Parameter path: of a file that is not there.
    /// - Throws: `SQLiteError`, also where the disk is full.
    /// Source: SQLite's Online Backup API.
    public func copy(to path: String) throws(SQLiteError) {
        let target = try Connection(path: path)
        // A copy in WAL mode would leave two more files beside it.
        guard let backup = sqlite3_backup_init(target.raw, "main", raw, "main") else {
            throw target.error(sql: nil)
        }
        sqlite3_backup_step(backup, -1)
        guard sqlite3_backup_finish(backup) == SQLITE_OK else { throw target.error(sql: nil) }
        try target.execute("PRAGMA journal_mode=DELETE")
    }
}
