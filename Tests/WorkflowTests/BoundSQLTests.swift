import SQLite
import Testing

@testable import Workflow

/// What is filled into SQL stays a value.
@Suite struct BoundSQLTests {
    /// Parts with `{…}` for values.
    private func bound(_ text: String) -> BoundSQL {
        var parts: [(text: String, isValue: Bool)] = []
        for (index, piece) in text.split(separator: "{", omittingEmptySubsequences: false).enumerated() {
            let halves = piece.split(separator: "}", maxSplits: 1, omittingEmptySubsequences: false)
            if index > 0 { parts.append((String(halves[0]), true)) }
            if let rest = index > 0 ? halves.dropFirst().first : piece { parts.append((String(rest), false)) }
        }
        return BoundSQL(parts)
    }

    private static let hostile = "x' OR 1=1; DROP TABLE t; --\"`/*"

    struct Case: Sendable, CustomTestStringConvertible {
        var sql: String
        var gives: SQLValue
        var testDescription: String { sql }
    }

    @Test(arguments: [
        Case(sql: "SELECT '{\(hostile)}'", gives: .text(hostile)),
        Case(sql: "SELECT {\(hostile)}", gives: .text(hostile)),
        Case(sql: "SELECT 'it''s {a} and {b''}!'", gives: "it's a and b''!"),
        Case(sql: "SELECT '{2024-01-01}' || 'it''s'", gives: "2024-01-01it's"),
        Case(sql: "SELECT {7}", gives: 7),
        Case(sql: "SELECT {-0.5}", gives: -0.5),
        Case(sql: "SELECT '{7}'", gives: "7"),
        Case(sql: "SELECT {007}", gives: "007"),
        Case(sql: "SELECT {2024-01}", gives: "2024-01"),
        Case(sql: "SELECT {nan}", gives: "nan"),
        Case(sql: "SELECT {}", gives: ""),
        Case(sql: "SELECT 1 -- {\(hostile)}\n + 1", gives: 2),
        Case(sql: "SELECT 1 /*/ {*/ 5} ' */ + 1", gives: 2),
        Case(sql: "SELECT \"{a\"b}\" FROM (SELECT 3 AS \"a\"\"b\")", gives: 3),
        Case(sql: "SELECT 'a' || '--' || {b} -- '", gives: "a--b"),
    ])
    func aValueIsNeverSQL(_ c: Case) throws {
        let sql = bound(c.sql)
        let statement = try Connection(path: ":memory:").query(sql.text, parameters: sql.parameters)
        #expect(try statement.step())
        #expect(statement.value(0) == c.gives)
    }

    @Test func aLiteralWithoutAnEndIsRefused() throws {
        let sql = bound("SELECT 'a{b}")
        #expect(throws: SQLMistake.self) {
            try Connection(path: ":memory:").query(sql.text, parameters: sql.parameters)
        }
    }
}
