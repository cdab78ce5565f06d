import Foundation
import Problems
package import SQLite
import Time
import Trips

/// What went out before a rewind, and stays where it went: so that the stream does not repeat it when it goes over the same records again.
///
/// Nothing of this goes back with another rewind.
struct RewoundResults {
    let connection: Connection

    /// The windows of a query that went out as closed ones, and how often.
    func windows(of query: String) throws -> [EventTime: Int64] {
        let rows = try connection.rows(
            "SELECT window_start_ms, revision, query FROM rewound_windows WHERE query = ?", .text(query)
        ) { row throws(SQLiteError) in (try row.integer(0, in: .times), try row.integer(1, in: .counts)) }
        return Dictionary(rows) { $1 }
    }

    /// Windows that have gone out again. Inside the transaction that stores them.
    func remove(windows: [EventTime], of query: String) throws {
        guard !windows.isEmpty else { return }
        let remove = try connection.prepare("DELETE FROM rewound_windows WHERE query = ? AND window_start_ms = ?")
        for start in windows {
            remove.bind(0, query)
            remove.bind(1, start)
            try remove.run()
        }
    }

    /// How far a query had read the partitions of a source before its last rewind; empty where there was none.
    func reached(_ query: String, source: String) throws -> [Int64] {
        try last(query)?.positions[source]?.offsets ?? []
    }

    /// The last rewind of a query: how far it had read its sources before, and where its output topic ended.
    func last(
        _ query: String
    ) throws -> (positions: [String: QueryCheckpoint.SourcePosition], ends: [Int64], epoch: Int64)? {
        let statement = try connection.prepare(
            "SELECT positions, ends, epoch, query FROM rewinds WHERE query = ? ORDER BY epoch DESC LIMIT 1")
        statement.bind(0, query)
        guard try statement.step() else { return nil }
        func decoded<Value: Decodable>(_ column: Int, _ type: Value.Type, _ wanted: String) throws -> Value {
            let text = try statement.storedText(column)
            guard let value = try? JSONDecoder().decode(type, from: Data(text.utf8)) else {
                throw statement.damage(column, wanted: wanted)
            }
            return value
        }
        return (
            try decoded(0, [String: QueryCheckpoint.SourcePosition].self, "the JSON of positions"),
            try decoded(1, [Int64].self, "a JSON array of offsets"), try statement.integer(2, in: .counts)
        )
    }

    /// Alerts of a query that were raised and sent.
    func alerts(of query: String) throws -> [AlertIdentity: SentAlert] {
        let rows = try connection.rows(
            "SELECT window_start_ms, group_id, value, params, name FROM rewound_alerts WHERE query = ?", .text(query)
        ) { row throws(SQLiteError) in
            (
                AlertIdentity(
                    name: try row.storedText(4), windowStartMs: try row.integer(0, in: .times),
                    group: try row.integer(1, in: .anything)),
                SentAlert(value: try row.finiteReal(2), params: try row.storedText(3))
            )
        }
        return Dictionary(rows) { $1 }
    }

    /// Forgets all of a query whose results are made anew.
    func remove(_ query: String) throws {
        for table in ["rewinds", "rewound_windows", "rewound_alerts"] {
            try connection.execute("DELETE FROM \(table) WHERE query = ?", .text(query))
        }
    }
}

/// What tells an alert from all others.
struct AlertIdentity: Hashable, Sendable {
    var name: String
    var windowStartMs: EventTime
    var group: Int64
}

/// What of an alert has gone out.
struct SentAlert: Equatable, Sendable {
    var value: Double
    /// As JSON.
    var params: String

    /// Whether an alert is the same, whichever revision of its window raises it.
    func says(_ alert: RaisedAlert) -> Bool {
        guard alert.value == value,
            var params = (try? JSONSerialization.jsonObject(with: Data(params.utf8))) as? [String: String]
        else { return false }
        var raised = alert.params
        (params["revision"], raised["revision"]) = (nil, nil)
        return params == raised
    }
}

extension RaisedAlert {
    var identity: AlertIdentity { AlertIdentity(name: plan.name, windowStartMs: windowStartMs, group: group) }
}

/// A rewind as the audit looks at it.
package struct PendingRewind: Sendable {
    /// Where the query's output topic ended, by partition: messages before were sent before the rewind.
    package var ends: [Int64]

    /// How often a query was rewound.
    package static func count(of query: String, on connection: Connection) throws(SQLiteError) -> Int64 {
        guard try connection.hasTable("rewinds") else { return 0 }
        return try connection.integer("SELECT count(*) FROM rewinds WHERE query = ?", .text(query), in: .counts) ?? 0
    }

    /// nil where a query was never rewound, or its stream has come again as far as it was.
    package init?(of query: String, _ checkpoint: QueryCheckpoint, on connection: Connection) throws {
        guard try connection.hasTable("rewinds"),
            let last = try RewoundResults(connection: connection).last(query)
        else { return nil }
        let isPending = last.positions.contains { source, before in
            let now = checkpoint.positions[source]?.offsets ?? []
            return before.offsets.enumerated().contains { $1 > ($0 < now.count ? now[$0] : 0) }
        }
        let isOpen = try connection.value("SELECT 1 FROM rewound_windows WHERE query = ? LIMIT 1", .text(query)) != nil
        guard isPending || isOpen else { return nil }
        ends = last.ends
    }
}
