import Foundation
public import SQLite
public import Trips

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
    }

    private let connection: Connection

    /// - Parameter connection: to a database of the present version; read-only will do.
    public init(_ connection: Connection) { self.connection = connection }

    /// The newest first, of one alert or of all.
    public func entries(of name: String? = nil, limit: Int = .max) throws -> [Entry] {
        try connection.rows(
            """
            SELECT raised_ms, name, query, window_start_ms, value, params, workflow, run_id FROM stored_alerts
            WHERE ?1 IS NULL OR name = ?1 ORDER BY raised_ms DESC, alert_id DESC LIMIT ?2
            """, name.map(SQLValue.text) ?? .null, .integer(Int64(limit))
        ) { row throws(SQLiteError) in
            Entry(
                raised: row.integer(0), name: row.text(1), query: row.text(2), windowStart: row.integer(3),
                value: row.real(4), params: Self.object(row.text(5)), workflow: row.isNull(6) ? nil : row.text(6),
                runID: row.isNull(7) ? nil : row.text(7))
        }
    }

    /// How often each alert was raised, and the last time, by name.
    public func counts() throws -> [String: (count: Int64, last: EventTime)] {
        let rows = try connection.rows(
            "SELECT name, count(*), max(raised_ms) FROM stored_alerts GROUP BY name"
        ) { row throws(SQLiteError) in (row.text(0), (count: row.integer(1), last: row.integer(2))) }
        return Dictionary(uniqueKeysWithValues: rows)
    }

    private static func object(_ text: String) -> [String: String] {
        (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) ?? [:]
    }
}
