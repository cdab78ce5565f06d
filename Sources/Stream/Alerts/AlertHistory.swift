import Foundation
public import SQLite
public import Time

/// The alerts that streams have raised, as the database has them.
public struct AlertHistory {
    /// One that was raised.
    public struct Entry: Sendable {
        /// The end of its window, in event time.
        public var raised: EventTime
        public var name: String
        public var query: String
        public var windowStart: EventTime
        public var value: Double
        public var params: [String: String]
        public var workflow: String?
        /// Of the workflow's run; nil where none was started, or none is to be.
        public var runID: String?
        /// Of the window, where trips that came late for it made it raise the alert; nil where it had its first results.
        public var revision: Int64?
        /// The revision of the window that does not meet the condition any more; nil where it does.
        public var withdrawnBy: Int64?
    }

    private let connection: Connection

    /// - Parameter connection: to a database of the present version; read-only will do.
    public init(_ connection: Connection) { self.connection = connection }

    /// The newest first, of one alert or of all.
    public func entries(of name: String? = nil, limit: Int = .max) throws -> [Entry] {
        try connection.rows(
            """
            SELECT raised_ms, name, query, window_start_ms, value, params, workflow, run_id, revision, withdrawn_by, alert_id
            FROM stored_alerts
            WHERE ?1 IS NULL OR name = ?1 ORDER BY raised_ms DESC, alert_id DESC LIMIT ?2
            """, name.map(SQLValue.text) ?? .null, .integer(Int64(limit))
        ) { row throws(SQLiteError) in
            Entry(
                raised: try row.integer(0, in: .times), name: try row.storedText(1), query: try row.storedText(2),
                windowStart: try row.integer(3, in: .times), value: try row.finiteReal(4),
                params: try Self.params(row, 5), workflow: try row.optionalText(6), runID: try row.optionalText(7),
                revision: try row.optionalInteger(8, in: .counts), withdrawnBy: try row.optionalInteger(9, in: .counts))
        }
    }

    /// How often each alert was raised, and the last time, by name.
    public func counts() throws -> [String: (count: Int64, last: EventTime)] {
        let rows = try connection.rows(
            "SELECT name, count(*), max(raised_ms) AS raised_ms FROM stored_alerts GROUP BY name"
        ) { row throws(SQLiteError) in
            (try row.storedText(0), (count: try row.integer(1, in: .counts), last: try row.integer(2, in: .times)))
        }
        return Dictionary(uniqueKeysWithValues: rows)
    }

    private static func params(_ row: Statement, _ column: Int) throws(SQLiteError) -> [String: String] {
        let text = try row.storedText(column)
        guard let params = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)) else {
            throw row.damage(column, wanted: "a JSON object of texts")
        }
        return params
    }
}
