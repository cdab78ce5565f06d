internal import Problems
public import SQLite
public import Time
internal import Workflow

/// What is known of a model that has run.
public struct ModelStatus: Sendable, Equatable {
    public var model: String
    /// When a pass ended last, ms UTC.
    public var passed: EventTime?
    /// Requests and batches in a row that failed.
    public var failures: Int
    public var failingSince: EventTime?
    /// Until when the service is left alone.
    public var openUntil: EventTime?
    public var reason: String?
    public var batchesInDoubt: Int
    public var batchesSetAside: Int

    /// Of all models, by name; none where no model has run.
    public static func all(on connection: Connection) throws -> [ModelStatus] {
        guard try ModelStore.isThere(connection) else { return [] }
        return try connection.rows(
            """
            SELECT model, passed_ms, failures, failing_ms, open_until_ms, reason,
                (SELECT count(*) FROM stored_ml_batches AS b WHERE b.model = m.model AND state = 'sent') AS in_doubt,
                (SELECT count(*) FROM stored_ml_batches AS b WHERE b.model = m.model AND state = 'set aside') AS set_aside
            FROM stored_ml_models AS m ORDER BY model
            """
        ) { row throws(SQLiteError) in
            ModelStatus(
                model: try row.storedText(0), passed: try row.optionalInteger(1, in: .times),
                failures: Int(try row.integer(2, in: .counts)), failingSince: try row.optionalInteger(3, in: .times),
                openUntil: try row.optionalInteger(4, in: .instants), reason: try row.optionalText(5),
                batchesInDoubt: Int(try row.integer(6, in: .counts)),
                batchesSetAside: Int(try row.integer(7, in: .counts)))
        }
    }
}

extension ModelSpec {
    /// When it is due at a time or later; nil for one that waits for results, or for somebody.
    ///
    /// What was missed while nobody served it is made up for at once, by one pass.
    ///
    /// - Parameters:
    ///   - passed: when a pass ended last; nil for never.
    ///   - since: from when on it is looked at, for one that never ran.
    public func due(after passed: EventTime?, since: EventTime) -> EventTime? {
        switch trigger {
        case .byHand, .result: nil
        case .interval(let ms): passed.map { $0 + ms } ?? since
        case .cron(let schedule): schedule.next(after: passed ?? since)
        }
    }

    /// As `ml.yaml` says it.
    public var triggerText: String {
        switch trigger {
        case .cron(let schedule): schedule.cron.text
        case .interval(let ms): "every \(Self.text(ms: ms))"
        case .result(let name): "on \(name)"
        case .byHand: "by hand"
        }
    }

    private static func text(ms: Int64) -> String {
        var (text, rest) = ("", ms)
        for (name, size) in [("d", Int64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
        where rest >= size {
            text += "\(rest / size)\(name)"
            rest %= size
        }
        return text
    }

    public var sourceText: String {
        switch source {
        case .view(let name): name
        case .topic(let name): "topic \(name)"
        case .sql: "SQL"
        }
    }

    public var protocolText: String {
        switch service?.wire {
        case .json?: "json"
        case .kserve?: "kserve-v2"
        case nil: "sql"
        }
    }
}
