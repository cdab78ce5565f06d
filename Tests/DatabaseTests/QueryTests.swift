import Foundation
import SQLite
import Testing

/// SQL that a person wrote: one statement that only reads, and what it gives comes back whole.
@Suite struct QueryTests {
    private func connection() throws -> Connection {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
        return connection
    }

    @Test(arguments: [
        "SELECT a FROM t", "SELECT a FROM t;", " ;; SELECT a FROM t ; ;\n-- the end",
        "/* first */ SELECT a FROM t /* and",
        "-- one\n--two\nSELECT a FROM t -- three", "\u{feff}SELECT a FROM t;\r\n",
        "WITH b AS (SELECT a FROM t) SELECT a FROM b",
        "SELECT a FROM t /*/ ; SELECT 2 */",
    ])
    func takesOneStatement(sql: String) throws {
        let statement = try connection().query(sql)
        #expect(try statement.step())
        #expect(statement.value(0) == 7)
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var sql: String
        var message: String
        var offset: Int?
        var testDescription: String { sql.debugDescription }
    }

    @Test(arguments: [
        Wrong(sql: "", message: "there is no SQL in it"),
        Wrong(sql: " \n\t;;", message: "there is no SQL in it"),
        Wrong(sql: "-- SELECT 1", message: "there is no SQL in it"),
        Wrong(sql: "/* SELECT 1", message: "there is no SQL in it"),
        Wrong(sql: "\u{feff}", message: "there is no SQL in it"),
        Wrong(sql: "SELECT 1; SELECT 2", message: "there is more after the statement", offset: 10),
        Wrong(sql: "SELECT 1; DROP TABLE t", message: "there is more after the statement", offset: 10),
        Wrong(sql: "SELECT 1;\n-- x\nnonsense", message: "there is more after the statement", offset: 15),
        Wrong(sql: "SELECT 1\u{0}; DROP TABLE t", message: "there is a NUL in it", offset: 8),
        Wrong(sql: "SELECT 1\u{0}", message: "there is a NUL in it", offset: 8),
        Wrong(sql: "DELETE FROM t", message: "this is no query: it gives no rows, or changes something"),
        Wrong(sql: "DELETE FROM t RETURNING a", message: "this is no query: it gives no rows, or changes something"),
        Wrong(sql: "-- x\nBegin", message: "BEGIN is not taken: the transaction is begun and ended for you", offset: 5),
        Wrong(sql: "ATTACH 'x.db' AS x", message: "ATTACH is not taken: there is this one database", offset: 0),
        Wrong(
            sql: "pragma journal_mode",
            message: "PRAGMA is not taken: ask with SELECT … FROM pragma_table_info('…') and its like", offset: 0),
        Wrong(sql: "SELECT 1; COMMIT", message: "there is more after the statement", offset: 10),
        Wrong(sql: "SELECT ?", message: "there is no value for the parameter \"?\""),
        Wrong(sql: "SELECT :day", message: "there is no value for the parameter \":day\""),
        Wrong(sql: " SELECT b FROM t", message: "no such column: b", offset: 8),
        Wrong(sql: "-- é\nSELEKT", message: "near \"SELEKT\": syntax error", offset: 6),
    ])
    func refusesEverythingElse(_ wrong: Wrong) throws {
        let connection = try connection()
        let mistake = try #require(throws: SQLMistake.self) { try connection.query(wrong.sql) }
        #expect(mistake.message == wrong.message)
        if let offset = wrong.offset { #expect(mistake.offset == offset) }
        #expect(try connection.value("SELECT count(*) FROM t") == 1)
    }

    @Test func onlySelectsWhereThatIsAsked() throws {
        let connection = try connection()
        let mistake = try #require(throws: SQLMistake.self) { try connection.query("EXPLAIN SELECT 1", selects: true) }
        #expect(mistake.message == "the statement begins with no SELECT, WITH or VALUES")
        for sql in ["values (1)", "With a AS (SELECT 1) SELECT * FROM a", "\n-- x\nselect 1"] {
            #expect(try connection.query(sql, selects: true).step())
        }
    }

    /// What a service answers may hold anything; a sentence that quotes it can be read again.
    @Test func wordsHaveNoZeros() throws {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE said (error TEXT)")
        try connection.execute("INSERT INTO said VALUES (?)", .words("answered \"a\0b\""))
        let rows = try connection.rows("SELECT error FROM said") { row throws(SQLiteError) in try row.storedText(0) }
        #expect(rows == ["answered \"a\\u0000b\""])
    }

    @Test func bindsByNameAndGivesTextsBackWhole() throws {
        let text = "a\u{0}b'; DROP TABLE t; --"
        let statement = try connection().query(
            "SELECT :x, length(CAST(:x AS BLOB)), x'0041'", parameters: [":x": .text(text)])
        #expect(try statement.step())
        #expect((0..<3).map(statement.value) == [.text(text), .integer(Int64(text.utf8.count)), .blob([0, 65])])
    }

    @Test func namesTheColumnThatIsThereTwice() throws {
        #expect(try connection().query("SELECT 1 AS a, 2 AS A, 3 AS a").repeatedColumn == "a")
        #expect(try connection().query("SELECT 1 AS a, 2 AS A").repeatedColumn == nil)
    }

    @Test func aScriptIsRunWholeAndKnowsWhereItIsWrong() throws {
        let connection = try connection()
        try connection.run(script: "INSERT INTO t VALUES (8); -- ;\nINSERT INTO t VALUES ('a;b');")
        #expect(try connection.value("SELECT count(*) FROM t") == 3)
        for (script, offset) in [("-- nothing", nil), ("SELECT 1; nonsense", 10), ("DELETE FROM t\u{0};", 13)]
            as [(String, Int?)]
        {
            let mistake = try #require(throws: SQLMistake.self) { try connection.run(script: script) }
            #expect(mistake.offset == offset, "\(script)")
        }
        #expect(try connection.value("SELECT count(*) FROM t") == 3)
    }

    /// What a script does can be taken back whole, and it leaves the connection as it was.
    @Test(arguments: [
        "COMMIT", "END", "rollback", "SAVEPOINT s", "RELEASE s", "BEGIN", "ATTACH ':memory:' AS x", "DETACH x",
        "PRAGMA foreign_keys=ON", "VACUUM",
    ])
    func aScriptIsInOneTransaction(statement: String) throws {
        let connection = try connection()
        let mistake = #expect(throws: SQLMistake.self) {
            try connection.transaction { try connection.run(script: "DELETE FROM t;\n/* */ \(statement); SELECT 1") }
        }
        #expect(mistake?.message.contains("is not taken: ") == true)
        #expect(mistake?.offset == 21)
        #expect(try connection.value("SELECT count(*) FROM t") == 1)
        #expect(try connection.value("SELECT foreign_keys FROM pragma_foreign_keys") == 0)
        // The words themselves are nobody's mistake.
        try connection.run(script: "CREATE TABLE \"commit\" (pragma); INSERT INTO \"commit\" VALUES ('BEGIN; COMMIT')")
    }
}
