import TestSupport
import Database
import SQLite
import Testing
import Trips

/// `distinct_count`, with which stored states are put together in SQL.
@Suite struct DistinctCountTests {
    private func text(_ values: Range<Int>) -> String {
        var sketch = DistinctSketch()
        var out = OutputBuffer()
        for value in values { sketch.insert(DistinctHash.of(integer: Int64(value))) }
        sketch.append(to: &out)
        return String(decoding: out.bytes, as: UTF8.self)
    }

    private func connection(_ rows: [(String, String?)]) throws -> Connection {
        let connection = try Connection(path: ":memory:")
        try connection.addResultFunctions()
        try connection.execute("CREATE TABLE t (g TEXT, x TEXT)")
        for (group, text) in rows {
            try connection.execute("INSERT INTO t VALUES (?, ?)", .text(group), text.map(SQLValue.text) ?? .null)
        }
        return connection
    }

    @Test func statesOfAGroupAreUnited() throws {
        let connection = try connection([
            ("a", text(0..<10)), ("b", text(0..<3)), ("a", text(5..<15)), ("a", nil), ("c", nil), ("d", ""),
            ("e", text(0..<8000)), ("e", text(4000..<12_000)),
        ])
        let counts = try connection.rows("SELECT g, distinct_count(x) FROM t GROUP BY g ORDER BY g") {
            row throws(SQLiteError) in (row.text(0), row.integer(1))
        }
        #expect(counts.map(\.0) == ["a", "b", "c", "d", "e"])
        #expect(counts.prefix(4).map(\.1) == [15, 3, 0, 0])
        #expect(abs(counts[4].1 - 12_000) < 240)
        #expect(try connection.value("SELECT distinct_count(x) FROM t WHERE g = 'none'") == 0)
        #expect(try connection.value("SELECT distinct_count(x) FROM t WHERE g IN ('a', 'b')") == 15)
    }

    /// Also in groups that were begun and not ended.
    @Test(arguments: ["'x'", "5", "x'00'", "x || '-'", "printf('%.*c', 65536, 'z')"])
    func whatIsNoStateEndsTheStatement(value: String) throws {
        let connection = try connection([("a", text(0..<10)), ("b", text(3..<4))])
        let error = #expect(throws: SQLiteError.self) {
            try connection.rows("SELECT g, distinct_count(iif(g = 'b', \(value), x)) FROM t GROUP BY g") {
                $0.integer(1)
            }
        }
        #expect(error?.code == .corrupt)
        #expect(error?.message.hasPrefix("distinct_count: a text of ") == true, "\(error?.message ?? "")")
        #expect(try connection.value("SELECT distinct_count(x) FROM t") == 10)
    }

    @Test func resultsKnowIt() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/results.db"
        #expect(try ResultsDatabase(path: path).connection.value("SELECT distinct_count('')") == 0)
        #expect(try ResultsDatabase.openReadOnly(path: path).connection.value("SELECT distinct_count(NULL)") == 0)
    }
}
