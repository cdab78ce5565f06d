internal import Basics
internal import CSQLite
internal import Glibc

/// Notes what each change of a row takes away, so that it can be taken back: from `begin` to `end`, on one connection.
///
/// An entry is one change, in the order in which they are made (values as `RowValues` has them):
///
///     code of the table (1) · 0: there was no such row · count of values (1), the key's
///                             1: there was this one    · count of values (1), all of its columns
///                             2: something was added   · count of values (1), the key's; then a signed varint: by how much the last column grew
///
/// Of several changes of a row the first says what was there. It costs an epoch no statement: SQLite shows each row before it changes.
///
/// Source: SQLite's "The pre-update hook".
public final class RowChanges {
    /// A table whose changes are noted.
    public struct Table: Sendable {
        var code: UInt8
        var keyColumns: Int
        var owner: Owner

        /// Whose the rows of a table are, as an index of `entries`.
        public enum Owner: Sendable {
            case one(Int)
            /// By the text of a column. Of rows whose text is empty additions are noted, for `shared`.
            case column(Int, [String: Int], shared: Int? = nil)
        }

        /// - Parameter keyColumns: how many of its first columns tell its rows apart.
        public init(code: UInt8, keyColumns: Int, owner: Owner) {
            (self.code, self.keyColumns, self.owner) = (code, keyColumns, owner)
        }
    }

    private let connection: Connection
    private let tables: [String: Table]
    /// By owner.
    public private(set) var entries: [[UInt8]]
    /// The table of the last change, which the next one is mostly of too.
    private var last: (name: String, table: Table?) = ("", nil)
    /// The row that was taken away last, as REPLACE does before it puts another one there.
    private var removed: (code: UInt8, row: Int64)?
    private var failure: Int32 = SQLITE_OK

    public init(_ connection: Connection, tables: [String: Table], owners: Int) {
        (self.connection, self.tables) = (connection, tables)
        entries = Array(repeating: [], count: owners)
    }

    deinit { end() }

    /// Begins anew; the connection has one observer at most.
    public func begin() {
        for owner in entries.indices { entries[owner].removeAll(keepingCapacity: true) }
        (removed, failure) = (nil, SQLITE_OK)
        sqlite3_preupdate_hook(
            connection.raw,
            { context, _, operation, _, name, old, new in
                guard let context, let name else { return }
                Unmanaged<RowChanges>.fromOpaque(context).takeUnretainedValue().note(operation, name, old, new)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// - Throws: where SQLite could not show a row.
    public func finish() throws(SQLiteError) {
        end()
        guard failure == SQLITE_OK else {
            throw SQLiteError(number: failure, message: String(cString: sqlite3_errstr(failure)), path: connection.path)
        }
    }

    public func end() { sqlite3_preupdate_hook(connection.raw, nil, nil) }

    private func note(_ operation: Int32, _ name: UnsafePointer<CChar>, _ old: Int64, _ new: Int64) {
        guard let table = table(name) else { return }
        let isInsert = operation == SQLITE_INSERT
        // Of tables without a row id the key in its columns tells.
        if isInsert, let removed, removed.code == table.code, removed.row == new, new != 0 { return }
        removed = operation == SQLITE_DELETE ? (table.code, old) : nil
        guard let (owner, isShared) = owner(table, isInsert) else { return }
        func append(_ columns: Int) {
            entries[owner].append(UInt8(truncatingIfNeeded: columns))
            for column in 0..<columns {
                RowValues.append(value: value(column, isNew: isInsert), to: &entries[owner])
            }
        }
        entries[owner].append(table.code)
        if isShared {
            entries[owner].append(2)
            append(table.keyColumns)
            let column = Int(sqlite3_preupdate_count(connection.raw)) - 1
            let before = isInsert ? 0 : sqlite3_value_int64(value(column, isNew: false))
            let after = sqlite3_value_int64(value(column, isNew: true))
            Varint.append(signed: after &- before, to: &entries[owner])
        } else {
            entries[owner].append(isInsert ? 0 : 1)
            append(isInsert ? table.keyColumns : Int(sqlite3_preupdate_count(connection.raw)))
        }
    }

    private func table(_ name: UnsafePointer<CChar>) -> Table? {
        let isSame = last.name.withCString { strcmp($0, name) == 0 }
        if !isSame {
            let text = String(cString: name)
            last = (text, tables[text])
        }
        return last.table
    }

    private func owner(_ table: Table, _ isInsert: Bool) -> (index: Int, isShared: Bool)? {
        switch table.owner {
        case .one(let index): return (index, false)
        case .column(let column, let names, let shared):
            let value = value(column, isNew: isInsert)
            guard let bytes = sqlite3_value_text(value) else { return nil }
            let text = String(
                decoding: UnsafeBufferPointer(start: bytes, count: Int(sqlite3_value_bytes(value))), as: UTF8.self)
            if text.isEmpty, let shared { return (shared, true) }
            return names[text].map { ($0, false) }
        }
    }

    private func value(_ column: Int, isNew: Bool) -> OpaquePointer? {
        var value: OpaquePointer?
        let code =
            isNew
            ? sqlite3_preupdate_new(connection.raw, Int32(column), &value)
            : sqlite3_preupdate_old(connection.raw, Int32(column), &value)
        if code != SQLITE_OK { failure = code }
        return value
    }
}
