internal import CSQLite

/// What SQLite refused, with its own number and text kept and the SQL that was running.
public struct SQLiteError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        /// Another process holds the lock for longer than the busy timeout.
        case busy
        /// The disk is full, or a quota is.
        case full
        /// The file is not a database, or its pages contradict each other.
        case corrupt
        /// The file or its folder cannot be opened or created.
        case cannotOpen
        /// The file, folder or file system may only be read.
        case readOnly
        case inputOutput
        /// The file was removed or replaced while it was open.
        case gone
        case constraint
        /// A statement we or the user wrote is not SQL for this schema.
        case statement
    }

    public var code: Code
    /// SQLite's extended result code.
    public var number: Int32
    public var message: String
    public var path: String
    /// What the system said (`errno`) where that was the cause; 0 where it was not asked.
    public internal(set) var system: Int32 = 0
    public var sql: String?
    /// The byte of `sql` that SQLite stumbled over, from 0, where it knows.
    public var offset: Int?

    init(number: Int32, message: String, path: String, sql: String? = nil, offset: Int? = nil) {
        self.number = number
        self.offset = offset
        self.message = message
        self.path = path
        self.sql = sql
        code =
            switch number & 0xff {
            case SQLITE_BUSY, SQLITE_LOCKED: .busy
            case SQLITE_FULL: .full
            case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
            case SQLITE_CANTOPEN: .cannotOpen
            case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .readOnly
            case SQLITE_IOERR: .inputOutput
            case SQLITE_CONSTRAINT: .constraint
            default: .statement
            }
    }

    /// Whether a statement met tables or values other than those it was written for, rather than being none.
    var contradictsTables: Bool {
        switch number & 0xff {
        case SQLITE_ERROR, SQLITE_INTERNAL, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_CONSTRAINT, SQLITE_FORMAT,
            SQLITE_NOTFOUND:
            true
        default: false
        }
    }

    public var description: String {
        "database \"\(path)\": \(message) (SQLite \(number))" + (sql.map { "\n  in: \($0)" } ?? "")
    }
}
