internal import CSQLite

/// A value that a statement binds or a row holds.
public enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    /// A sentence that may quote what came from outside: a NUL in it, behind which readers of the database would see nothing, stands there as
    /// `\u0000`.
    public static func words(_ text: String) -> SQLValue { .text(text.replacing("\0", with: "\\u0000")) }

    public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    public var text: String? { if case .text(let value) = self { value } else { nil } }
    public var real: Double? {
        switch self {
        case .real(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }
}

extension SQLValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral,
    ExpressibleByFloatLiteral
{
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(stringLiteral value: String) { self = .text(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(floatLiteral value: Double) { self = .real(value) }
}

/// One prepared statement; it keeps its connection open and is finalized with its last owner.
///
/// Parameters and columns count from 0 here (SQLite counts parameters from 1).
public final class Statement {
    public let sql: String
    /// How many bytes of `sql` the statement is; what follows was not looked at.
    public let byteCount: Int
    let raw: OpaquePointer
    let connection: Connection

    init(_ sql: String, on connection: Connection) throws(SQLiteError) {
        var prepared: OpaquePointer?
        var byteCount = 0
        let code = sql.withCString { start in
            var end: UnsafePointer<CChar>?
            let code = sqlite3_prepare_v2(connection.raw, start, -1, &prepared, &end)
            byteCount = end.map { $0 - start } ?? 0
            return code
        }
        guard code == SQLITE_OK, let prepared else { throw connection.error(sql: sql) }
        (self.sql, self.byteCount, raw, self.connection) = (sql, byteCount, prepared, connection)
    }

    /// One that was prepared from a piece of a longer text.
    init(prepared: OpaquePointer, sql: String, byteCount: Int, on connection: Connection) {
        (raw, self.sql, self.byteCount, self.connection) = (prepared, sql, byteCount, connection)
    }

    deinit { sqlite3_finalize(raw) }

    public func bind(_ index: Int, _ value: Int64) { sqlite3_bind_int64(raw, Int32(index) + 1, value) }
    public func bind(_ index: Int, _ value: Double) { sqlite3_bind_double(raw, Int32(index) + 1, value) }
    public func bind(_ index: Int, _ value: String) {
        sqlite3_bind_text64(
            raw, Int32(index) + 1, value, UInt64(value.utf8.count), Self.transient, UInt8(SQLITE_UTF8))
    }
    public func bindNull(_ index: Int) { sqlite3_bind_null(raw, Int32(index) + 1) }

    /// Binds text or a blob without copying it: `bytes` must stay as they are until the statement is reset.
    public func bindBorrowed(_ index: Int, text bytes: UnsafeRawBufferPointer) {
        sqlite3_bind_text64(
            raw, Int32(index) + 1, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), UInt64(bytes.count), nil,
            UInt8(SQLITE_UTF8))
    }
    public func bindBorrowed(_ index: Int, blob bytes: UnsafeRawBufferPointer) {
        if bytes.isEmpty {
            sqlite3_bind_zeroblob(raw, Int32(index) + 1, 0)
        } else {
            sqlite3_bind_blob64(raw, Int32(index) + 1, bytes.baseAddress, UInt64(bytes.count), nil)
        }
    }

    public func bind(_ index: Int, _ value: SQLValue) {
        switch value {
        case .null: bindNull(index)
        case .integer(let value): bind(index, value)
        case .real(let value): bind(index, value)
        case .text(let value): bind(index, value)
        case .blob(let bytes):
            if bytes.isEmpty {
                sqlite3_bind_zeroblob(raw, Int32(index) + 1, 0)
            } else {
                sqlite3_bind_blob64(raw, Int32(index) + 1, bytes, UInt64(bytes.count), Self.transient)
            }
        }
    }

    public func bind(_ values: [SQLValue]) throws(SQLiteError) {
        for (index, value) in values.enumerated() { bind(index, value) }
    }

    /// Moves to the next row; false at the end.
    public func step() throws(SQLiteError) -> Bool {
        switch sqlite3_step(raw) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw connection.error(sql: sql)
        }
    }

    /// Runs a statement that gives no rows and makes it ready for the next values.
    public func run() throws(SQLiteError) {
        defer { sqlite3_reset(raw) }
        while try step() {}
    }

    public func reset() { sqlite3_reset(raw) }

    /// The names of the parameters with their mark (":from"), in order; nil for a bare "?".
    public var parameterNames: [String?] {
        (0..<sqlite3_bind_parameter_count(raw)).map { index in
            sqlite3_bind_parameter_name(raw, index + 1).map { String(cString: $0) }
        }
    }

    public var columnCount: Int { Int(sqlite3_column_count(raw)) }
    public func columnName(_ index: Int) -> String { String(cString: sqlite3_column_name(raw, Int32(index))) }
    /// Whether the statement leaves the database as it is.
    public var isReadOnly: Bool { sqlite3_stmt_readonly(raw) != 0 }

    // As SQLite converts whatever is stored; what is computed with is read through `integer(_:in:)` and its like.
    public func isNull(_ column: Int) -> Bool { sqlite3_column_type(raw, Int32(column)) == SQLITE_NULL }
    public func isInteger(_ column: Int) -> Bool { sqlite3_column_type(raw, Int32(column)) == SQLITE_INTEGER }
    public func isText(_ column: Int) -> Bool { sqlite3_column_type(raw, Int32(column)) == SQLITE_TEXT }
    /// What is stored, before any conversion.
    public enum Kind: UInt8, Sendable { case null, integer, real, text, blob }
    public func kind(_ column: Int) -> Kind {
        switch sqlite3_column_type(raw, Int32(column)) {
        case SQLITE_INTEGER: .integer
        case SQLITE_FLOAT: .real
        case SQLITE_TEXT: .text
        case SQLITE_BLOB: .blob
        default: .null
        }
    }
    public func integer(_ column: Int) -> Int64 { sqlite3_column_int64(raw, Int32(column)) }
    public func real(_ column: Int) -> Double { sqlite3_column_double(raw, Int32(column)) }
    public func text(_ column: Int) -> String {
        guard let bytes = sqlite3_column_text(raw, Int32(column)) else { return "" }
        // By its length: a text may hold zeros, and what follows them belongs to it.
        let count = Int(sqlite3_column_bytes(raw, Int32(column)))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    /// The bytes of a text or blob column; valid inside `body` only.
    public func withBytes<Result, Failure: Error>(
        _ column: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = sqlite3_column_blob(raw, Int32(column))
        return try body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(raw, Int32(column)))))
    }

    public func value(_ column: Int) -> SQLValue {
        switch sqlite3_column_type(raw, Int32(column)) {
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_FLOAT: .real(real(column))
        case SQLITE_TEXT: .text(text(column))
        case SQLITE_BLOB: .blob(withBytes(column) { Array($0) })
        default: .null
        }
    }

    /// SQLITE_TRANSIENT: SQLite makes its own copy before the call returns.
    static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
}
