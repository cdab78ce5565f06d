import Foundation
import SQLite
import Time

/// Alerts in a tenant's database: what was raised (`stored_alerts`), and how far each condition is (`alert_states`).
struct AlertStore {
    let connection: Connection

    /// How far the conditions of these alerts are, by name and group.
    func progress(of alerts: [AlertPlan]) throws -> [String: [Int64: AlertProgress]] {
        var found: [String: [Int64: AlertProgress]] = [:]
        for alert in alerts {
            let rows = try connection.rows(
                "SELECT group_id, matching, next_start_ms, quiet_until_ms, name FROM alert_states WHERE name = ?",
                .text(alert.name)
            ) { row throws(SQLiteError) in
                (
                    try row.integer(0, in: .anything),
                    AlertProgress(
                        matching: try row.integer(1, in: .counts), nextStartMs: try row.integer(2, in: .anything),
                        quietUntilMs: try row.integer(3, in: .anything))
                )
            }
            found[alert.name] = Dictionary(rows) { $1 }
        }
        return found
    }

    /// Inside the transaction of the epoch that they belong to.
    func save(_ raised: [RaisedAlert], _ progress: [StoredProgress], _ revisions: [AlertRevision] = []) throws {
        for revision in revisions {
            try connection.execute(
                "UPDATE stored_alerts SET withdrawn_by = ? WHERE name = ? AND window_start_ms = ? AND group_id = ?",
                revision.withdrawnBy.map(SQLValue.integer) ?? .null, .text(revision.alert),
                .integer(revision.windowStartMs), .integer(revision.group))
        }
        for alert in raised {
            try connection.execute(
                """
                INSERT INTO stored_alerts
                    (raised_ms, name, query, window_start_ms, value, params, workflow, group_id, revision)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """, .integer(alert.raisedMs), .text(alert.plan.name), .text(alert.plan.query),
                .integer(alert.windowStartMs), .real(alert.value), .text(try Self.json(alert.params)),
                alert.plan.workflow.map(SQLValue.text) ?? .null, .integer(alert.group),
                alert.revision.map(SQLValue.integer) ?? .null)
            try comeBack(alert)
        }
        guard !progress.isEmpty else { return }
        let update = try connection.prepare("INSERT OR REPLACE INTO alert_states VALUES (?, ?, ?, ?, ?)")
        for item in progress {
            update.bind(0, item.alert)
            update.bind(1, item.group)
            update.bind(2, item.progress.matching)
            update.bind(3, item.progress.nextStartMs)
            update.bind(4, item.progress.quietUntilMs)
            try update.run()
        }
    }

    /// An alert that was raised before a rewind has started its workflow already.
    private func comeBack(_ alert: RaisedAlert) throws {
        let key = "name = ? AND window_start_ms = ? AND group_id = ?"
        let values: [SQLValue] = [
            .text(alert.plan.name), .integer(alert.windowStartMs), .integer(alert.group),
        ]
        let row = connection.lastInsertedRow
        let find = try connection.prepare("SELECT run_id FROM rewound_alerts WHERE \(key)")
        try find.bind(values)
        guard try find.step() else { return }
        let run = find.value(0)
        try connection.execute(
            "UPDATE stored_alerts SET run_id = ? WHERE alert_id = ?", run, .integer(row))
        let remove = try connection.prepare("DELETE FROM rewound_alerts WHERE \(key)")
        try remove.bind(values)
        try remove.run()
    }

    /// Whether an alert was raised for a group by a window that ends in `ends`.
    func wasRaised(_ name: String, group: Int64, ends: ClosedRange<EventTime>) throws -> Bool {
        try connection.value(
            "SELECT 1 FROM stored_alerts WHERE name = ? AND group_id = ? AND raised_ms BETWEEN ? AND ? LIMIT 1",
            .text(name), .integer(group), .integer(ends.lowerBound), .integer(ends.upperBound)) != nil
    }

    /// Forgets all alerts of a query whose results are removed, and of the alerts that are on it now.
    func remove(_ plan: QueryPlan) throws {
        try connection.execute(
            "DELETE FROM alert_states WHERE name IN (SELECT name FROM stored_alerts WHERE query = ?)", .text(plan.name))
        for alert in plan.alerts {
            try connection.execute("DELETE FROM alert_states WHERE name = ?", .text(alert.name))
        }
        try connection.execute("DELETE FROM stored_alerts WHERE query = ?", .text(plan.name))
    }

    static func json(_ params: [String: String]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(params), as: UTF8.self)
    }
}
