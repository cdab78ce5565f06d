import Problems
public import SQLite
public import Time

/// How far back results can go, and what that takes.
public struct HistoryReach: Sendable, Equatable {
    /// Since when all queries can go back to each of their epochs, ms UTC.
    public var since: EventTime
    public var epochs: Int64
    /// Of what is kept, as it is stored.
    public var bytes: Int64

    /// nil where nothing is kept, and in results of earlier versions.
    ///
    /// - Parameter query: only this one.
    public init?(on connection: Connection, query: String? = nil) throws(SQLiteError) {
        guard try connection.hasTable("epoch_history") else { return nil }
        let statement = try connection.prepare(
            """
            SELECT min(first_ms) AS first_ms, sum(epochs), sum(length(changes)), query FROM epoch_history
            WHERE ?1 IS NULL OR query = ?1 GROUP BY query
            """)
        statement.bind(0, query.map(SQLValue.text) ?? .null)
        (since, epochs, bytes) = (.min, 0, 0)
        while try statement.step() {
            since = max(since, try statement.integer(0, in: .times))
            epochs = max(epochs, try statement.integer(1, in: .counts))
            bytes += try statement.integer(2, in: .counts)
        }
        guard since != .min else { return nil }
    }

    /// Reads all that is kept through.
    ///
    /// - Throws: `Problem(.badData)` where it is damaged, or does not lead to the results that there are.
    public static func inspect(_ connection: Connection) throws {
        guard try connection.hasTable("epoch_history") else { return }
        let queries = try connection.rows("SELECT DISTINCT query FROM epoch_history ORDER BY query") {
            row throws(SQLiteError) in try row.storedText(0)
        }
        try explaining("looking through the history of epochs") {
            for query in queries {
                let current = try CheckpointStore(connection: connection).load(query)?.epoch ?? 0
                let history = try StoredHistory(query, current: current, on: connection)
                guard !history.hasOthers, !history.rows.isEmpty else {
                    throw connection.damage(
                        "table epoch_history (query \"\(query)\"): its epochs do not lead to epoch \(current), of the results"
                    )
                }
                for row in history.rows { _ = try history.sections(of: row) }
            }
        }
    }
}
