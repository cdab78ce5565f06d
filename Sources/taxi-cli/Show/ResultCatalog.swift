import Batch
import CommandLine
import Database
import Problems
import SQLite
import Stream

/// What a tenant's database has to show.
struct ResultCatalog {
    let connection: Connection
    /// The tenant's own queries; need not exist.
    let queriesPath: String

    /// All views but those that say the same once more, with types for other tools.
    static func names(on connection: Connection) throws -> [String] {
        let names = try all(on: connection)
        let known = Set(names)
        return names.filter { !$0.hasSuffix("_typed") || !known.contains(String($0.dropLast("_typed".count))) }
    }

    private static func all(on connection: Connection) throws -> [String] {
        try connection.rows("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name") { $0.text(0) }
    }

    /// Names and columns of everything there is.
    func table() throws -> Table {
        var table = Table(columns: [Column("table"), Column("columns")])
        for name in try Self.names(on: connection) {
            table.rows.append([.text(name), .text(try columns(of: name).joined(separator: ", "))])
        }
        return table
    }

    /// The view of that name, or of the query of that name, letter case aside.
    ///
    /// - Throws: `Problem(.noInput)` for one that has no results yet, with what to run; `.usage` for a name that means nothing,
    ///   with the nearest.
    func view(named name: String) throws -> ResultView {
        let names = try Self.names(on: connection)
        let lower = name.lowercased()
        if try Self.all(on: connection).contains(lower) {
            return ResultView(name: lower, columns: try columns(of: lower))
        }
        let queries = declaredQueries()
        if let table = queries.first(where: { $0.name.lowercased() == lower || $0.table == lower })?.table {
            if names.contains(table) { return ResultView(name: table, columns: try columns(of: table)) }
            throw Problem(
                .noInput, "query \"\(name)\" has no results yet", hint: "Run taxi-cli stream first; it runs the query.")
        }
        let computed = Analysis.allCases.map(\.view) + [Coverage.view]
        if computed.contains(lower) {
            throw Problem(
                .noInput, "\"\(lower)\" has no results yet", hint: "Run taxi-cli batch first; it computes them.")
        }
        let others = queries.map(\.name).filter { !names.contains($0.lowercased()) }
        let known = Set(names + others + computed).sorted()
        let near = nearestName(to: name, among: known).map { "Did you mean \"\($0)\"? " } ?? ""
        throw Problem(
            .usage, "there is no table or query \"\(name)\"", hint: near + "Known: \(known.joined(separator: ", ")).")
    }

    private func columns(of view: String) throws -> [String] {
        let statement = try connection.prepare("SELECT * FROM \"\(view)\" LIMIT 0")
        return (0..<statement.columnCount).map(statement.columnName)
    }

    /// Queries that are declared now. A file with mistakes in it must not keep anybody from looking at results; stream tells of them.
    private func declaredQueries() -> [QueryPlan] {
        (try? QueryCatalog.load(userFile: queriesPath, analytics: true)) ?? (try? QueryCatalog.load(analytics: true))
            ?? []
    }
}
