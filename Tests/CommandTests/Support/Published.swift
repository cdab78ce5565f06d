import CommandSupport
import Foundation
import PostgresSupport
import SQLite
import Testing

/// A tenant and a database that it is published to.
struct Published {
    let taxi: TaxiCLI
    let server: TestPostgres
    let database: String
    var schema = "chicago"

    init(_ taxi: TaxiCLI, server: TestPostgres? = nil) throws {
        self.taxi = taxi
        self.server = try server ?? TestPostgres.shared.get()
        database = try self.server.makeDatabase()
    }

    var url: String { server.url(database) }

    /// Publishes, and gives for each table how many rows it has, and were written and deleted.
    @discardableResult
    func publish(_ options: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: [Int]] {
        let ending = try taxi.start(["publish", url, "--format", "jsonl"] + options).wait(
            sourceLocation: sourceLocation)
        try #require(ending.code == 0, "\(ending.errors)", sourceLocation: sourceLocation)
        var tables: [String: [Int]] = [:]
        for line in ending.lines {
            let object = try jsonObject(line)
            let numbers = ["rows", "written", "deleted"].map { object[$0] as? Int ?? -1 }
            tables[object["table"] as? String ?? ""] = numbers
        }
        return tables
    }

    func query(_ sql: String) throws -> [String] { try server.query(sql, in: database) }

    /// The names of the views, without those that only have other types.
    func views() throws -> [String] {
        try taxi.query(
            """
            SELECT name FROM sqlite_schema WHERE type = 'view'
            AND NOT (name LIKE '%\\_typed' ESCAPE '\\' AND replace(name, '_typed', '') IN (SELECT name FROM sqlite_schema)) ORDER BY 1
            """
        ).compactMap { $0[0].text }
    }

    /// Sees that each table has the rows of its view: numbers as numbers, times as instants.
    func compare(_ views: [String]? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for view in try views ?? self.views() {
            let types = try query(
                """
                SELECT column_name || '|' || data_type FROM information_schema.columns
                WHERE table_schema = '\(schema)' AND table_name = '\(view)'
                """)
            let typeOf = Dictionary(
                types.map { $0.split(separator: "|").map(String.init) }.map { ($0[0], $0[1]) }
            ) { first, _ in first }
            let columns = try taxi.columns(of: view)
            try #require(Set(columns) == Set(typeOf.keys), "\(view)", sourceLocation: sourceLocation)
            let expected = try taxi.query("SELECT * FROM \"\(view)\"").map { row in
                zip(columns, row).map { Self.shown($1, as: typeOf[$0] ?? "") }.joined(separator: "|")
            }
            let list = columns.map { column in
                switch typeOf[column] {
                case "timestamp with time zone": "(extract(epoch FROM \"\(column)\") * 1000)::bigint"
                case "numeric": "\"\(column)\"::float8"
                case "text": "replace(\"\(column)\", chr(10), ' ')"
                default: "\"\(column)\""
                }
            }
            let found = try query("SELECT \(list.joined(separator: ", ")) FROM \"\(schema)\".\"\(view)\"").map { line in
                // The server may write 1e-05 where Swift does otherwise.
                let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
                return zip(columns, cells).map { column, cell in
                    ["numeric", "double precision"].contains(typeOf[column])
                        ? Double(cell).map { "\($0)" } ?? cell : cell
                }.joined(separator: "|")
            }
            #expect(expected.sorted() == found.sorted(), "\(view)", sourceLocation: sourceLocation)
        }
    }

    private static func shown(_ value: SQLValue, as type: String) -> String {
        switch (value, type) {
        case (.null, _): return ""
        case (.integer(let number), "numeric"), (.integer(let number), "double precision"): return "\(Double(number))"
        case (.integer(let number), _): return "\(number)"
        case (.real(let number), "text"), (.real(let number), _): return "\(number)"
        case (.text(let text), "timestamp with time zone"):
            let formatter = ISO8601DateFormatter()
            formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
            return formatter.date(from: text).map { "\(Int64(($0.timeIntervalSince1970 * 1000).rounded()))" } ?? text
        case (.text(let text), _): return text.replacing("\n", with: " ")
        case (.blob, _): return "a blob"
        }
    }
}
