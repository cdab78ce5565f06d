import Database
import SQLite
import Testing

@testable import Batch

@Suite struct TakenNamesTests {
    /// Whatever taxi-cli makes in a database has a name that nobody else gets.
    @Test func everyTableViewAndIndexIsTaken() throws {
        let database = try ResultsDatabase(path: ":memory:", zone: "America/Chicago")
        try BatchSchema.prepare(database.connection)
        let names = try database.connection.rows("SELECT name FROM sqlite_schema") { $0.text(0) }
        #expect(names.count > 30)
        for name in names { #expect(TakenNames.reason(name.uppercased()) != nil, "\(name)") }
    }

    /// A name that is not taken needs no quotes, and means what it is the name of.
    @Test(arguments: [
        "action", "after", "by", "count", "cross", "day", "end", "filter", "first", "full", "groups", "key", "last",
        "left",
        "like", "match", "natural", "no", "of", "offset", "over", "plan", "query", "range", "replace", "right", "row",
        "rows",
        "temp", "trips", "view", "window", "with", "select", "case", "current_time", "true", "rowid",
    ])
    func wordsOfSQLAreThoseThatNeedQuotes(name: String) throws {
        let connection = try Connection(path: ":memory:")
        let isUsable =
            (try? connection.value("SELECT t.\(name) FROM (SELECT 7 AS \(name)) AS t WHERE \(name) = 7")) == .integer(7)
            && (try? connection.execute("CREATE VIEW \(name) AS SELECT 1; SELECT * FROM \(name); DROP VIEW \(name)"))
                != nil
        // The number of a row can be hidden by a column, but not everywhere.
        if name != "rowid" { #expect(isUsable == !TakenNames.isWordOfSQL(name)) }
        #expect(TakenNames.isWordOfSQL(name.uppercased()) == TakenNames.isWordOfSQL(name))
    }
}
