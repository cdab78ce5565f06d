internal import CSQLite

/// Values as the tables are meant to hold them.
///
/// SQLite keeps whatever it is given in whatever column, and a damaged file holds anything: so what is read from a table is checked for its
/// type and range here, before anybody computes with it, and what does not fit says where it stands.
extension Statement {
    /// - Throws: `.corrupt` for anything but an integer of this range.
    public func integer(_ column: Int, in range: ClosedRange<Int64>) throws(SQLiteError) -> Int64 {
        let value = integer(column)
        // A text or blob would come as a number too, most as 0.
        guard sqlite3_column_type(raw, Int32(column)) == SQLITE_INTEGER, range.contains(value) else {
            throw damage(column, wanted: range.explanation)
        }
        return value
    }

    /// - Throws: `.corrupt` for anything but NULL and an integer of this range.
    public func optionalInteger(_ column: Int, in range: ClosedRange<Int64>) throws(SQLiteError) -> Int64? {
        isNull(column) ? nil : try integer(column, in: range)
    }

    /// - Throws: `.corrupt` for anything but a number that is finite.
    public func finiteReal(_ column: Int) throws(SQLiteError) -> Double {
        let type = sqlite3_column_type(raw, Int32(column))
        let value = real(column)
        guard type == SQLITE_FLOAT || type == SQLITE_INTEGER, value.isFinite else {
            throw damage(column, wanted: "a number")
        }
        return value
    }

    /// - Throws: `.corrupt` for anything but a text in UTF-8 without zeros.
    public func storedText(_ column: Int) throws(SQLiteError) -> String {
        guard sqlite3_column_type(raw, Int32(column)) == SQLITE_TEXT,
            let text = withBytes(column, { String(validating: $0, as: UTF8.self) }), !text.utf8.contains(0)
        else { throw damage(column, wanted: "a text") }
        return text
    }

    /// - Throws: `.corrupt` for anything but NULL and a text in UTF-8 without zeros.
    public func optionalText(_ column: Int) throws(SQLiteError) -> String? {
        isNull(column) ? nil : try storedText(column)
    }

    /// The bytes of a text, whatever characters it has.
    ///
    /// - Throws: `.corrupt` for anything but a text.
    public func textBytes(_ column: Int) throws(SQLiteError) -> [UInt8] {
        guard sqlite3_column_type(raw, Int32(column)) == SQLITE_TEXT else { throw damage(column, wanted: "a text") }
        return withBytes(column) { Array($0) }
    }

    /// - Throws: `.corrupt` for anything but a blob.
    public func blob(_ column: Int) throws(SQLiteError) -> [UInt8] {
        guard sqlite3_column_type(raw, Int32(column)) == SQLITE_BLOB else { throw damage(column, wanted: "a blob") }
        return withBytes(column) { Array($0) }
    }

    /// That a column of the present row holds what it cannot, for what only the reader can judge.
    ///
    /// - Parameter wanted: what it should hold: `an integer from 0 to 7`.
    public func damage(_ column: Int, wanted: String) -> SQLiteError {
        let table = table(of: column).map { "table \($0), " } ?? ""
        let name = sqlite3_column_origin_name(raw, Int32(column)).map { String(cString: $0) } ?? columnName(column)
        return connection.damage("\(table)column \(name)\(place(of: column)) holds \(shown(column)) and not \(wanted)")
    }

    private func table(of column: Int) -> String? {
        sqlite3_column_table_name(raw, Int32(column)).map { String(cString: $0) }
    }

    /// The row that a column stands in, by the other columns of its table's key that the statement gives: ` (slot 1)`.
    private func place(of column: Int) -> String {
        guard let table = table(of: column) else { return "" }
        let keys = (0..<columnCount).filter { $0 != column && self.table(of: $0) == table && isKey($0, of: table) }
        return keys.isEmpty ? "" : " (\(keys.map { "\(columnName($0)) \(shown($0))" }.joined(separator: ", ")))"
    }

    private func isKey(_ column: Int, of table: String) -> Bool {
        var isKey: Int32 = 0
        let name = sqlite3_column_origin_name(raw, Int32(column))
        return sqlite3_table_column_metadata(connection.raw, nil, table, name, nil, nil, nil, &isKey, nil) == SQLITE_OK
            && isKey != 0
    }

    /// A value for a message: the beginning of what is long, nothing that a terminal would obey.
    private func shown(_ column: Int) -> String {
        switch value(column) {
        case .null: return "NULL"
        case .integer(let value): return "\(value)"
        case .real(let value): return "\(value)"
        case .blob(let bytes): return "a blob of \(bytes.count) bytes"
        case .text(let text):
            let start = text.unicodeScalars.prefix(40).map { $0.properties.generalCategory == .control ? "?" : "\($0)" }
            return "\"\(start.joined())\(text.unicodeScalars.count > 40 ? "…" : "")\""
        }
    }
}

extension Connection {
    /// That the database holds what it cannot: `what` says in which table, row and column.
    public func damage(_ what: String) -> SQLiteError {
        SQLiteError(number: SQLITE_CORRUPT, message: what, path: path)
    }

    /// An integer that a statement gives in its first row; nil where there is no row, or NULL.
    ///
    /// - Throws: `.corrupt` for anything else.
    public func integer(
        _ sql: String, _ values: SQLValue..., in range: ClosedRange<Int64>
    ) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        try statement.bind(values)
        return try statement.step() ? try statement.optionalInteger(0, in: range) : nil
    }

    /// A text that a statement gives in its first row; nil where there is no row, or NULL.
    ///
    /// - Throws: `.corrupt` for anything else.
    public func text(_ sql: String, _ values: SQLValue...) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        try statement.bind(values)
        return try statement.step() ? try statement.optionalText(0) : nil
    }
}

/// What integers of the tables may be. Sums of some thousand of them do not overflow.
extension ClosedRange<Int64> {
    /// Counts, offsets and sizes.
    public static var counts: Self { 0...1 << 48 }
    /// What `INTEGER PRIMARY KEY` gives out.
    public static var ids: Self { 1...Int64.max }
    /// Instants in ms UTC: the years 0000 to 9999.
    public static var times: Self { -62_167_219_200_000...253_402_300_799_999 }
    /// Instants that were computed from such times and durations.
    public static var instants: Self { -1 << 52...1 << 52 }
    /// Days since 1970, of the years 0000 to 9999.
    public static var days: Self { -719_528...2_932_896 }
    public static var flags: Self { 0...1 }
    public static var anything: Self { Int64.min...Int64.max }

    fileprivate var explanation: String {
        self == .anything ? "an integer" : "an integer from \(lowerBound) to \(upperBound)"
    }
}
