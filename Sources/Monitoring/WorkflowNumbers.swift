import SQLite
public import Telemetry
import Time

/// What the tables of workflows say in numbers.
public struct WorkflowNumbers: Sendable {
    public var runs: [(workflow: String, state: String, count: Int64)] = []
    public var durations: [(workflow: String, counts: HistogramCounts)] = []
    /// How long the oldest run that waits has waited; nil where none does.
    public var queueSeconds: Double?

    init() {}

    init(on connection: Connection, nowMs: EventTime) throws {
        runs = try connection.rows(
            """
            SELECT workflow, state, count(*) AS count FROM stored_workflow_runs GROUP BY workflow, state ORDER BY workflow, state
            """
        ) { row throws(SQLiteError) in
            (workflow: try row.storedText(0), state: try row.storedText(1), count: try row.integer(2, in: .counts))
        }
        let ended = try connection.rows(
            """
            SELECT workflow, started_ms, ended_ms FROM stored_workflow_runs
            WHERE started_ms IS NOT NULL AND ended_ms IS NOT NULL ORDER BY workflow
            """
        ) { row throws(SQLiteError) in
            (
                workflow: try row.storedText(0), started: try row.integer(1, in: .times),
                ended: try row.integer(2, in: .times)
            )
        }
        for run in ended {
            if durations.last?.workflow != run.workflow { durations.append((run.workflow, HistogramCounts())) }
            durations[durations.count - 1].counts.observe(seconds: Double(run.ended - run.started) / 1000)
        }
        let oldest = try connection.integer(
            "SELECT min(queued_ms) AS queued_ms FROM stored_workflow_runs WHERE state = 'queued'", in: .times)
        queueSeconds = oldest.map { Double(max(0, nowMs - $0)) / 1000 }
    }
}
