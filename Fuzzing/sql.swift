// With: Tests/FuzzSupport/Fuzzing.swift

import CSQLite
import Problems

@testable import Batch
@testable import SQLite

/// SQL of users. The first byte says what the others are: h an analysis with its header, s a script of a workflow's step; else a query,
/// which is one statement and no more by what SQLite itself says of it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let (kind, bytes) = kindAndRest(data, size) else { return 0 }
    let text = String(decoding: bytes, as: UTF8.self)
    switch kind {
    case "h": header(bytes)
    case "s": script(text)
    default: query(text)
    }
    return 0
}

private let connection = {
    let connection = try! Connection(path: ":memory:")
    try! connection.execute("CREATE TABLE t (a, b); CREATE TABLE hourofweekbyday (day, hour_of_week, trips, fare)")
    sqlite3_limit(connection.raw, SQLITE_LIMIT_LENGTH, 1 << 20)
    return connection
}()

private func header(_ bytes: [UInt8]) {
    do throws(Problem) {
        let analysis = try DeclaredAnalysis.parse(bytes, file: "f")
        expect(Array(analysis.sql.utf8) == bytes && !analysis.columns.isEmpty && !analysis.kinds.isEmpty)
        expect(AnalysisHeader.isName(analysis.name) && Set(analysis.columns).count == analysis.columns.count)
        expect(Set(analysis.keys).isSubset(of: analysis.columns))
        query(analysis.sql)
    } catch {
        // What is no UTF-8 is shown as such, and up to three times as long.
        let text = Array(String(decoding: bytes, as: UTF8.self).utf8)
        if let fault = fault(in: error, of: text) { fatalError("\(fault): \(error)") }
    }
}

private func query(_ text: String) {
    let first = try? connection.query(text, parameters: nil)
    let statements = statements(of: text)
    if first != nil { expect(statements?.count == 1, "more or less than one statement is taken") }
    if let statements, statements.count == 1, !text.utf8.contains(0) {
        let isQuery = statements[0].isReadOnly && statements[0].columns > 0 && !statements[0].isOfConnection
        expect((first != nil) == isQuery, "a query is refused")
    }
    if (try? connection.query(text, parameters: nil, selects: true)) != nil { expect(first != nil) }
}

private struct Seen {
    var isReadOnly: Bool
    var columns: Int
    /// Whether it is about the connection and not about data, as SQLite's own check of permissions is told.
    var isOfConnection: Bool
}

/// The statements of a text as SQLite sees them, one after the other; nil where it sees something else.
private func statements(of text: String) -> [Seen]? {
    var isOfConnection = false
    return withUnsafeMutablePointer(to: &isOfConnection) { flag in
        sqlite3_set_authorizer(
            connection.raw,
            { flag, action, _, _, _, _ in
                let actions = [SQLITE_TRANSACTION, SQLITE_SAVEPOINT, SQLITE_ATTACH, SQLITE_DETACH, SQLITE_PRAGMA]
                guard actions.contains(action) else { return SQLITE_OK }
                flag?.assumingMemoryBound(to: Bool.self).pointee = true
                // Prepared, and without any effect.
                return SQLITE_IGNORE
            }, flag)
        defer { sqlite3_set_authorizer(connection.raw, nil, nil) }
        return text.withCString { start in
            var (next, found): (UnsafePointer<CChar>?, [Seen]) = (start, [])
            while let place = next, place.pointee != 0 {
                var (raw, end): (OpaquePointer?, UnsafePointer<CChar>?)
                flag.pointee = false
                guard sqlite3_prepare_v2(connection.raw, place, -1, &raw, &end) == SQLITE_OK else { return nil }
                if raw != nil {
                    found.append(
                        Seen(
                            isReadOnly: sqlite3_stmt_readonly(raw) != 0, columns: Int(sqlite3_column_count(raw)),
                            isOfConnection: flag.pointee))
                    sqlite3_finalize(raw)
                }
                next = end
            }
            return found
        }
    }
}

/// A script's statements are in one transaction, whatever they are: all that it did can be taken back, and nothing else is open.
private func script(_ text: String) {
    var steps = 0
    withUnsafeMutablePointer(to: &steps) { steps in
        // No script may take for ever here.
        sqlite3_progress_handler(
            connection.raw, 1000,
            { context in
                let steps = context.unsafelyUnwrapped.assumingMemoryBound(to: Int.self)
                steps.pointee += 1
                return steps.pointee > 200 ? 1 : 0
            }, steps)
        try! connection.execute("BEGIN")
        if (try? connection.run(script: text)) != nil {
            expect(sqlite3_get_autocommit(connection.raw) == 0, "a script has ended its transaction")
        }
        sqlite3_progress_handler(connection.raw, 0, nil, nil)
    }
    try? connection.execute("ROLLBACK")
    let tables = try! connection.rows("SELECT name FROM sqlite_schema ORDER BY name") { $0.text(0) }
    expect(tables == ["hourofweekbyday", "t"], "what a script did is still there")
    expect(try! connection.value("SELECT count(*) FROM t") == 0)
    let databases = try! connection.rows("SELECT name FROM pragma_database_list") { $0.text(0) }
    expect(Set(databases).isSubset(of: ["main", "temp"]), "a script has opened another database")
}
