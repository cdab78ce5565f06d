internal import Database
internal import Problems
internal import SQLite
public import Time

/// What a scheduler asks.
extension RunHistory {
    /// Queued runs: of each workflow the oldest interval first.
    func queued() throws -> [StoredRun] {
        try select("WHERE state = 'queued' ORDER BY workflow, interval_start_ms, run_id")
    }

    /// Runs that are under way, or look so because their process is gone.
    func open() throws -> [StoredRun] { try select("WHERE state = 'running'") }

    /// When the newest run ended; nil where none has.
    func newestEnd() throws -> EventTime? {
        try explaining("looking for old runs") {
            try connection.integer(
                "SELECT max(ended_ms) AS ended_ms FROM stored_workflow_runs", in: .times)
        }
    }

    /// The runs of these ids that ended before a time.
    func ended(before time: EventTime, among ids: [String]) throws -> [String] {
        try explaining("looking for old runs") {
            let statement = try connection.prepare(
                "SELECT 1 FROM stored_workflow_runs WHERE run_id = ? AND ended_ms < ?")
            return try ids.filter { id in
                defer { statement.reset() }
                statement.bind(0, id)
                statement.bind(1, time)
                return try statement.step()
            }
        }
    }

    /// The time up to which the due intervals of a workflow have been entered, and the earliest start that counted then; nil where it was
    /// never looked at.
    func entered(_ workflow: String) throws -> (until: EventTime, start: EventTime?)? {
        try explaining("looking at a schedule") {
            try connection.rows(
                "SELECT until_ms, start_ms, workflow FROM workflow_schedules WHERE workflow = ?", .text(workflow)
            ) { row throws(SQLiteError) in
                (try row.integer(0, in: .times), try row.optionalInteger(1, in: .times))
            }.first
        }
    }

    /// - Parameter start: noted where it is given, else left as it is.
    func setEntered(_ workflow: String, until time: EventTime, start: EventTime? = nil) throws {
        try group("noting how far a schedule is") {
            try connection.execute(
                """
                INSERT INTO workflow_schedules (workflow, until_ms, start_ms) VALUES (?, ?, ?)
                ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms, start_ms = coalesce(excluded.start_ms, start_ms)
                """, .text(workflow), .integer(time), start.map(SQLValue.integer) ?? .null)
        }
    }

    /// Takes back what a clock that ran ahead has entered of a workflow. Runs of intervals that are still to come and that nobody began
    /// go; those that began keep their records but not their intervals, which run when they are due, and go on no further where they wait.
    ///
    /// - Parameter latest: the time up to which intervals can have been due.
    /// - Returns: the time up to which due intervals count as entered now, and how many runs there were of either kind.
    func takeBack(
        _ workflow: String, after latest: EventTime
    ) throws -> (until: EventTime, removed: Int, early: Int) {
        try group("taking back what a clock that ran ahead has entered") {
            let ours = "workflow = ?1 AND trigger IN ('schedule', 'catchup')"
            try connection.execute(
                """
                DELETE FROM stored_workflow_runs
                WHERE \(ours) AND interval_end_ms > ?2 AND state IN ('queued', 'skipped') AND started_ms IS NULL
                """, .text(workflow), .integer(latest))
            let removed = connection.changedRows
            try connection.execute(
                """
                UPDATE stored_workflow_runs SET interval_start_ms = NULL, interval_end_ms = NULL,
                    state = iif(state = 'queued', 'cancelled', state)
                WHERE \(ours) AND interval_end_ms > ?2
                """, .text(workflow), .integer(latest))
            let early = connection.changedRows
            // What became due since the newest run may not have been entered.
            let newest = try connection.integer(
                "SELECT max(interval_end_ms) AS interval_end_ms FROM stored_workflow_runs WHERE \(ours)",
                .text(workflow), in: .times)
            let until = min(newest ?? latest, latest)
            try connection.execute(
                "UPDATE workflow_schedules SET until_ms = ?2, start_ms = min(start_ms, ?3) WHERE workflow = ?1",
                .text(workflow), .integer(until), .integer(latest + 1))
            return (until, removed, early)
        }
    }

    /// The time up to which a workflow's due intervals count as entered, where a clock that ran ahead has noted it; nil where it stands
    /// as the schedule allows.
    public func enteredAhead(_ spec: WorkflowSpec, now: EventTime) throws -> EventTime? {
        guard let latest = spec.latestEntered(now), let until = try entered(spec.name)?.until else { return nil }
        return until > latest + SteadyTime.slackMs ? until : nil
    }

    /// Alerts that are to start a workflow and have not.
    func waitingAlerts() throws -> [WaitingAlert] {
        try explaining("looking for alerts") {
            let hasAlerts = try connection.value("SELECT 1 FROM sqlite_schema WHERE name = 'stored_alerts'") != nil
            guard hasAlerts else { return [] }
            return try connection.rows(
                """
                SELECT alert_id, workflow, params FROM stored_alerts WHERE workflow IS NOT NULL AND run_id IS NULL
                ORDER BY alert_id
                """
            ) { row throws(SQLiteError) in
                WaitingAlert(
                    id: try row.integer(0, in: .anything), workflow: try row.storedText(1),
                    params: try Self.object(row, 2))
            }
        }
    }

    /// Queues the run of an alert; both are written at once, so there is one run, whoever dies when.
    func enqueue(_ alert: WaitingAlert, params: [String: String], file: String, at now: EventTime) throws {
        try group("queueing the run of an alert") {
            guard let run = try enqueue(alert.workflow, nil, trigger: .alert, params: params, file: file, at: now)
            else { return }
            try connection.execute(
                "UPDATE stored_alerts SET run_id = ? WHERE alert_id = ? AND run_id IS NULL", .text(run.id),
                .integer(alert.id))
        }
    }
}

/// A raised alert that asks for a run.
struct WaitingAlert: Sendable {
    var id: Int64
    var workflow: String
    var params: [String: String]
}
