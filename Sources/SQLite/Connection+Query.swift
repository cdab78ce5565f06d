internal import CSQLite

/// What is wrong with SQL that a person wrote.
public struct SQLMistake: Error, Sendable, Equatable {
    /// In SQLite's words where it is SQLite that does not understand.
    public var message: String
    /// The byte of the text where it is, from 0, where that is known.
    public var offset: Int?

    public init(message: String, offset: Int? = nil) { (self.message, self.offset) = (message, offset) }
}

extension Connection {
    /// The statement of a text that a person wrote: one, which gives rows and changes nothing.
    ///
    /// Blanks, comments and semicolons around it are nobody's mistake; another statement is, and so is a NUL, at which SQLite would
    /// have stopped reading, and what is about the connection (a transaction, another database, PRAGMA).
    ///
    /// - Parameter parameters: values by name with its mark (":from"), all that the text may ask for; nil leaves them to the caller.
    /// - Parameter selects: refuses EXPLAIN too, whose rows are none of the data.
    /// - Throws: `SQLMistake`, and `SQLiteError` for what is not the text's fault: a lock, a disk, a damaged file.
    public func query(_ text: String, parameters: [String: SQLValue]? = [:], selects: Bool = false) throws -> Statement
    {
        let (statement, offset) = try only(text)
        guard !selects || ["SELECT", "WITH", "VALUES"].contains(Self.firstWord(of: statement.sql.utf8)) else {
            throw SQLMistake(message: "the statement begins with no SELECT, WITH or VALUES", offset: offset)
        }
        guard statement.isReadOnly, statement.columnCount > 0 else {
            throw SQLMistake(message: "this is no query: it gives no rows, or changes something")
        }
        guard let parameters else { return statement }
        for (index, name) in statement.parameterNames.enumerated() {
            guard let value = name.flatMap({ parameters[$0] }) else {
                throw SQLMistake(message: "there is no value for the parameter \"\(name ?? "?")\"")
            }
            statement.bind(index, value)
        }
        return statement
    }

    /// Runs all statements of a text that a person wrote, one after the other; rows that they give are left unread. Transactions are the
    /// caller's.
    ///
    /// - Throws: as `query`; a text without any statement is a mistake too.
    public func run(script text: String) throws {
        var count = 0
        try forEachStatement(of: text) { statement, _ in
            while try statement.step() {}
            count += 1
        }
        if count == 0 { throw Self.nothing }
    }

    private func only(_ text: String) throws -> (Statement, offset: Int) {
        var found: (Statement, offset: Int)?
        try forEachStatement(of: text) { statement, offset in
            guard found == nil else { throw Self.more(offset) }
            found = (statement, offset)
        } mistake: { error in
            // What follows the first need not even be SQL.
            found == nil ? error : Self.more(error.offset)
        }
        guard let found else { throw Self.nothing }
        return found
    }

    private static let nothing = SQLMistake(message: "there is no SQL in it")
    private static func more(_ offset: Int?) -> SQLMistake {
        SQLMistake(message: "there is more after the statement", offset: offset)
    }

    /// Calls `body` with each statement of a text and where it begins; prepares one only when the ones before have been dealt with.
    private func forEachStatement(
        of text: String, _ body: (Statement, Int) throws -> Void, mistake: (SQLMistake) -> SQLMistake = { $0 }
    ) throws {
        let bytes = Array(text.utf8) + [0]
        if let place = bytes.firstIndex(of: 0), place < bytes.count - 1 {
            throw SQLMistake(message: "there is a NUL in it", offset: place)
        }
        var offset = 0
        while let start = Self.firstOfStatement(bytes[..<(bytes.count - 1)], from: offset) {
            // Before it is prepared: some PRAGMAs act at once.
            let word = Self.firstWord(of: bytes[start...])
            if let reason = Self.refusals[word] {
                throw mistake(SQLMistake(message: "\(word) is not taken: \(reason)", offset: start))
            }
            do {
                let statement = try prepare(bytes, from: start)
                offset = start + statement.byteCount
                try body(statement, start)
            } catch let error as SQLiteError where error.code == .statement || error.code == .constraint {
                throw mistake(SQLMistake(message: error.message, offset: error.offset.map { $0 + start } ?? start))
            }
        }
    }

    /// Statements that are about the connection and not about data, by their first word.
    private static let refusals = {
        let transaction = "the transaction is begun and ended for you"
        let database = "there is this one database"
        var refusals = ["ATTACH": database, "DETACH": database, "VACUUM": "the file is looked after for you"]
        for word in ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"] { refusals[word] = transaction }
        refusals["PRAGMA"] = "ask with SELECT … FROM pragma_table_info('…') and its like"
        return refusals
    }()

    private static func firstWord(of bytes: some Sequence<UInt8>) -> String {
        let letters = bytes.lazy.prefix { $0 | 0x20 >= 97 && $0 | 0x20 <= 122 }
        return String(decoding: letters.map { $0 & 0xDF }, as: UTF8.self)
    }

    /// - Parameter bytes: end with a NUL.
    private func prepare(_ bytes: [UInt8], from start: Int) throws(SQLiteError) -> Statement {
        var prepared: OpaquePointer?
        var count = 0
        let code = bytes.withUnsafeBytes { text in
            let first = (text.baseAddress! + start).assumingMemoryBound(to: CChar.self)
            var end: UnsafePointer<CChar>?
            let code = sqlite3_prepare_v2(raw, first, Int32(clamping: text.count - start), &prepared, &end)
            count = end.map { $0 - first } ?? 0
            return code
        }
        let sql = String(decoding: bytes[start..<start + count], as: UTF8.self)
        guard code == SQLITE_OK, let prepared else { throw error(sql: sql) }
        return Statement(prepared: prepared, sql: sql, byteCount: count, on: self)
    }

    /// The first byte that is no blank, comment or semicolon, as SQLite reads them.
    private static func firstOfStatement(_ bytes: ArraySlice<UInt8>, from start: Int) -> Int? {
        var place = start
        func has(_ text: StaticString, at place: Int) -> Bool {
            place + 1 < bytes.endIndex && bytes[place] == text.utf8Start[0] && bytes[place + 1] == text.utf8Start[1]
        }
        while place < bytes.endIndex {
            if has("--", at: place) {
                while place < bytes.endIndex, bytes[place] != UInt8(ascii: "\n") { place += 1 }
            } else if has("/*", at: place) {
                // SQLite takes one that is not closed for a comment up to the end.
                place += 2
                while place < bytes.endIndex, !has("*/", at: place) { place += 1 }
                place += 2
            } else if bytes[place...].starts(with: "\u{feff}".utf8) {
                place += 3
            } else if " \t\n\u{C}\r;".utf8.contains(bytes[place]) {
                place += 1
            } else {
                return place
            }
        }
        return nil
    }
}

extension Statement {
    /// A name that two of its columns have, where rows become objects with one member a column.
    public var repeatedColumn: String? {
        var names: Set<String> = []
        return (0..<columnCount).map(columnName).first { !names.insert($0).inserted }
    }
}
