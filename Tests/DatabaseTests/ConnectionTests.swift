import TestSupport
import Foundation
import Problems
import SQLite
import Synchronization
import Testing

/// The thin layer over SQLite that topics and results stand on.
@Suite struct ConnectionTests {
    let folder = try! TemporaryFolder()

    @Test func givesValuesBackAsTheyWere() throws {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        let values: [SQLValue] = [
            .null, .integer(.min), .integer(.max), .real(-0.5), .text(""), .text("é \"quoted\""), .blob([]),
            .blob([0, 255]),
        ]
        for value in values { try connection.execute("INSERT INTO t (v) VALUES (?)", value) }
        #expect(
            try connection.rows("SELECT v FROM t ORDER BY id") { row throws(SQLiteError) in row.value(0) } == values)
        #expect(connection.lastInsertedRow == Int64(values.count))
    }

    @Test func tellsNoRowFromARowOfNull() throws {
        let connection = try Connection(path: ":memory:")
        let none = try connection.value("SELECT 1 WHERE 0")
        let null = try connection.value("SELECT NULL")
        #expect(none == Optional<SQLValue>.none)
        #expect(null == Optional.some(.null))
    }

    @Test func readsBlobsWhole() throws {
        let connection = try Connection(path: folder("blobs.db"))
        try connection.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, bytes BLOB)")
        let blobs: [[UInt8]] = [[], [7], (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 31) }]
        for (id, blob) in blobs.enumerated() {
            try connection.execute("INSERT INTO b VALUES (?, ?)", .integer(Int64(id)), .blob(blob))
        }
        for (id, blob) in blobs.enumerated() {
            #expect(try connection.blob(table: "b", column: "bytes", row: Int64(id)) == blob)
        }
        let error = #expect(throws: SQLiteError.self) { try connection.blob(table: "b", column: "bytes", row: 99) }
        #expect(error?.code == .statement)
    }

    @Test func borrowedBytesAreStoredAsTheyAre() throws {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE t (a BLOB, b TEXT)")
        let insert = try connection.prepare("INSERT INTO t VALUES (?, ?)")
        for bytes in [Array("abc".utf8), []] as [[UInt8]] {
            try bytes.withUnsafeBytes { bytes in
                insert.bindBorrowed(0, blob: bytes)
                insert.bindBorrowed(1, text: bytes)
                try insert.run()
            }
        }
        let lengths = try connection.rows("SELECT length(a), coalesce(length(b), 0), typeof(a) FROM t") {
            row throws(SQLiteError) in "\(row.integer(0)) \(row.integer(1)) \(row.text(2))"
        }
        #expect(lengths == ["3 3 blob", "0 0 blob"])
    }

    @Test func aFailedTransactionLeavesNothing() throws {
        let connection = try Connection(path: folder("t.db"))
        try connection.execute("CREATE TABLE t (v UNIQUE)")
        let error = #expect(throws: SQLiteError.self) {
            try connection.transaction {
                try connection.execute("INSERT INTO t VALUES (1)")
                try connection.execute("INSERT INTO t VALUES (1)")
            }
        }
        #expect(error?.code == .constraint)
        #expect(try connection.value("SELECT count(*) FROM t") == .integer(0))
        try connection.transaction { try connection.execute("INSERT INTO t VALUES (2)") }
        #expect(try connection.value("SELECT count(*) FROM t") == .integer(1))
    }

    @Test func aSnapshotStaysAsItIs() throws {
        let (reader, writer) = (try Connection(path: folder("t.db")), try Connection(path: folder("t.db")))
        try writer.execute("CREATE TABLE t (v)")
        try reader.snapshot {
            #expect(try reader.value("SELECT count(*) FROM t") == .integer(0))
            try writer.execute("INSERT INTO t VALUES (1)")
            #expect(try reader.value("SELECT count(*) FROM t") == .integer(0))
        }
        #expect(try reader.value("SELECT count(*) FROM t") == .integer(1))
    }

    @Test func noticesCommitsOfOthers() throws {
        let (reader, writer) = (try Connection(path: folder("t.db")), try Connection(path: folder("t.db")))
        try writer.execute("CREATE TABLE t (v)")
        let before = try reader.dataVersion()
        #expect(try reader.dataVersion() == before)
        try writer.execute("INSERT INTO t VALUES (1)")
        #expect(try reader.dataVersion() != before)
    }

    /// Switching a new file to WAL is where SQLite itself would not wait.
    @Test func opensANewFileFromManyThreadsAtOnce() throws {
        for round in 0..<20 {
            let path = folder("new-\(round).db")
            let errors = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 8) { _ in
                do { _ = try Connection(path: path) } catch { errors.withLock { $0.append("\(error)") } }
            }
            #expect(errors.withLock { $0 } == [])
        }
    }

    @Test func readingOnlyRefusesToWrite() throws {
        try Connection(path: folder("t.db")).execute("CREATE TABLE t (v)")
        let connection = try Connection(path: folder("t.db"), access: .readOnly)
        let error = #expect(throws: SQLiteError.self) { try connection.execute("INSERT INTO t VALUES (1)") }
        #expect(error?.code == .readOnly)
        let missing = #expect(throws: SQLiteError.self) { try Connection(path: folder("none.db"), access: .readOnly) }
        #expect(missing?.code == .cannotOpen)
    }

    @Test func anErrorKeepsNumberTextAndSQL() throws {
        let connection = try Connection(path: ":memory:")
        let error = try #require(#expect(throws: SQLiteError.self) { try connection.execute("SELEKT 1") })
        #expect(error.code == .statement)
        #expect(error.sql == "SELEKT 1")
        #expect(error.message.contains("SELEKT"))
        #expect(error.number == 1)
    }

    struct Meaning: Sendable, CustomTestStringConvertible {
        var sqlite: SQLiteError.Code
        var problem: Problem.Code
        var testDescription: String { "\(sqlite) is \(problem)" }
    }

    @Test(arguments: [
        Meaning(sqlite: .full, problem: .inputOutput), Meaning(sqlite: .corrupt, problem: .badData),
        Meaning(sqlite: .cannotOpen, problem: .cannotCreate), Meaning(sqlite: .readOnly, problem: .noPermission),
        Meaning(sqlite: .busy, problem: .tryAgain), Meaning(sqlite: .inputOutput, problem: .inputOutput),
        Meaning(sqlite: .constraint, problem: .software), Meaning(sqlite: .statement, problem: .software),
    ])
    func eachRefusalMeansOneProblem(_ meaning: Meaning) throws {
        var error = try #require(
            #expect(throws: SQLiteError.self) { try Connection(path: "/dev/null/x", access: .readOnly) })
        error.code = meaning.sqlite
        let problem = #expect(throws: Problem.self) { try explaining("counting trips") { throw error } }
        #expect(problem?.code == meaning.problem)
        #expect(problem?.message.contains("counting trips") == true)
        #expect(problem?.message.contains("/dev/null/x") == true || meaning.sqlite == .full)
    }

    /// `pace` is the process's own: what other tests do on their threads is counted for them.
    @Test func aLongStatementIsPacedUnlessItHoldsTheWriteLock() throws {
        let calls = Calls()
        Connection.pace { calls.byThread.withLock { $0[UInt(pthread_self()), default: 0] += 1 } }
        // Connections of other tests are not to be asked for ever.
        defer { Connection.pace(nil) }
        let connection = try Connection(path: folder.path + "/paced.db")
        try connection.execute("CREATE TABLE t (v)")
        func own() -> Int { calls.byThread.withLock { $0[UInt(pthread_self())] ?? 0 } }
        let long =
            "SELECT count(*) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000) SELECT x FROM c)"
        _ = try connection.value(long)
        let read = own()
        #expect(read > 5)
        try connection.transaction {
            try connection.execute("INSERT INTO t VALUES (1)")
            _ = try connection.value(long)
        }
        #expect(own() == read)
        _ = try connection.value(long)
        #expect(own() > read)
    }

    private final class Calls: Sendable { let byThread = Mutex<[UInt: Int]>([:]) }
}
