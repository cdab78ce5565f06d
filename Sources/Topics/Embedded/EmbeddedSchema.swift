import Problems
import SQLite

/// What `topics.db` holds.
///
/// An SQLite database in WAL mode with pages of 32 KiB, `application_id` "taxT", `user_version` 2:
///
///     topics      one row a topic, with the number of its partitions; ids are never used again, so a reader notices that its topic was
///                 replaced
///     partitions  one row a partition: its slot (the key of its batches; never used again), the offset of the oldest record
///                 kept, the offset that the next record gets, and the greatest event time there ever was
///     batches     one row a batch: offsets base_offset ..< base_offset + count, least and greatest event time (ms UTC), time of
///                 the append (ms UTC), encoding (`BatchEncoding`), size and checksum (XXH3, 64 bits, of the payload's bytes), and
///                 the checksum of these numbers (`BatchRow`)
///     payloads    the batches' bytes
///     producers   one row a producer: the epoch that may append (`fence_epoch`), and the last mark stored
///
/// Payloads have a table of their own, whose key only grows: a blob behind a composite key (`WITHOUT ROWID`) reads at 0.3 GB/s
/// instead of 3, and what looks for offsets, times and sizes does not wade through pages of payload.
///
/// After a crash: an append is one transaction, so all of its batches are there together with its producer's mark, or none is.
/// A commit is on the disk when `append` returns (`synchronous=FULL`). Each payload carries its checksum, since SQLite has none
/// for pages, and so does each row of a batch: bytes that changed on the disk are noticed when they are read. A partition begins
/// with its first batch and ends with its last, and the batches between follow each other without a gap; what is empty has none.
/// Batches of a topic that was being deleted may be left without a partition; nobody finds them, and the next deletion or
/// retention removes them.
enum EmbeddedSchema {
    static let version: Int64 = 2
    /// "taxT"
    static let applicationID: Int64 = 0x7461_7854

    /// 32 KiB: batches of a megabyte are appended some 10 % faster with 64 and 10 % slower with 16, but each commit, however
    /// small, writes a handful of whole pages.
    static let pageSizeBytes = 32 << 10

    static let recordsOfBatch: ClosedRange<Int64> = 1...1 << 28
    static let retentions: ClosedRange<Int64> = 1...Int64.max
    static let partitionCounts: ClosedRange<Int64> = 1...10_000

    /// Opens the database and brings it to the present version; for reading alone it has to be there, and to have that.
    static func open(_ path: String, access: Connection.Access = .readWrite) throws -> Connection {
        let connection = try Connection(path: path, access: access, durability: .full, pageSizeBytes: pageSizeBytes)
        if access != .readWrite {
            guard try found(in: connection) == version else { throw older(path) }
            return connection
        }
        // Copy the log into the database at 32 MiB: its pages are then still in the cache, and are written over instead of
        // being allocated anew, which costs more than the copying. A log that a long reader let grow is cut to 64 MiB.
        try connection.execute("PRAGMA wal_autocheckpoint=\((32 << 20) / pageSizeBytes)")
        try connection.execute("PRAGMA journal_size_limit=\(64 << 20)")
        if try found(in: connection) == version { return connection }
        try connection.transaction {
            // Another process may have been first while we waited for the lock.
            switch try found(in: connection) {
            case 0: try connection.execute(tables)
            case 1: try addChecksums(to: connection)
            default: break
            }
        }
        return connection
    }

    /// From version 1, whose rows of batches had no checksum and whose topics did not know how many partitions they have.
    ///
    /// What was damaged before is taken as it is; that the payload has its own checksum and that batches have no gaps shows much of it.
    private static func addChecksums(to connection: Connection) throws {
        try connection.execute(
            """
            ALTER TABLE topics ADD COLUMN partition_count INTEGER NOT NULL DEFAULT 0;
            UPDATE topics SET partition_count = (SELECT count(*) FROM partitions WHERE topic_id = topics.id);
            ALTER TABLE batches ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
            """)
        let rows = try connection.rows("SELECT \(BatchRow.columns) FROM batches") { row throws(SQLiteError) in
            (0..<10).map { row.integer($0) }
        }
        let update = try connection.prepare("UPDATE batches SET row_checksum = ? WHERE base_offset = ? AND slot = ?")
        for numbers in rows {
            update.bind(0, BatchRow.seal(of: numbers))
            update.bind(1, numbers[0])
            update.bind(2, numbers[1])
            try update.run()
        }
        try connection.execute("PRAGMA user_version=\(version)")
    }

    private static func older(_ path: String) -> Problem {
        Problem(
            .configuration, "\"\(visible(path))\" was made by an older taxi-cli, and may not be written to here",
            hint: "The next taxi-cli produce or taxi-cli stream that may write to it brings it up to date.")
    }

    /// The version of the tables, 0 for an empty database.
    private static func found(in connection: Connection) throws -> Int64 {
        let found = try connection.value("PRAGMA user_version")?.integer ?? 0
        let application = try connection.value("PRAGMA application_id")?.integer ?? 0
        let isEmpty = try found == 0 && connection.value("SELECT count(*) FROM sqlite_schema")?.integer == 0
        if isEmpty { return 0 }
        guard application == applicationID else {
            throw Problem(
                .badData, "\"\(connection.path)\" is a database, but holds no topics",
                hint: "Move it away, or choose another home with --home.")
        }
        guard found >= 0 else { throw connection.damage("its version is \(found)") }
        guard found <= version else {
            throw Problem(
                .configuration, "\"\(connection.path)\" was written by a newer taxi-cli (topics version \(found))",
                hint: "Use that newer taxi-cli, or another home with --home.")
        }
        return found
    }

    private static let tables = """
        PRAGMA application_id=\(applicationID);
        PRAGMA user_version=\(version);
        CREATE TABLE topics (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, retention_ms INTEGER,
            identity TEXT NOT NULL DEFAULT (lower(hex(randomblob(8)))), partition_count INTEGER NOT NULL);
        CREATE TABLE partitions (
            slot INTEGER PRIMARY KEY AUTOINCREMENT, topic_id INTEGER NOT NULL, partition INTEGER NOT NULL,
            start_offset INTEGER NOT NULL DEFAULT 0, end_offset INTEGER NOT NULL DEFAULT 0,
            newest_time INTEGER, UNIQUE (topic_id, partition));
        CREATE TABLE batches (
            slot INTEGER NOT NULL, base_offset INTEGER NOT NULL, count INTEGER NOT NULL,
            first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, append_time INTEGER NOT NULL,
            encoding INTEGER NOT NULL, size_bytes INTEGER NOT NULL, checksum INTEGER NOT NULL, payload_id INTEGER NOT NULL,
            row_checksum INTEGER NOT NULL, PRIMARY KEY (slot, base_offset)) WITHOUT ROWID;
        CREATE TABLE payloads (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
        CREATE TABLE producers (
            name TEXT PRIMARY KEY, fence_epoch INTEGER NOT NULL, epoch INTEGER, sequence INTEGER, position BLOB) WITHOUT ROWID;
        """
}
