import Time
internal import Database
internal import Problems
internal import SQLite

/// How steps begin and end.
extension RunHistory {
    func begin(_ runID: String, _ step: String, attempt: Int, pool: String? = nil, at now: EventTime) throws {
        try group("noting the beginning of a step") {
            try connection.execute(
                """
                INSERT INTO stored_workflow_steps (run_id, step, attempt, state, started_ms, pool)
                VALUES (?, ?, ?, 'running', ?, ?)
                """, .text(runID), .text(step), .integer(Int64(attempt)), .integer(now),
                pool.map(SQLValue.text) ?? .null)
        }
    }

    func note(_ process: RunningProcess, of runID: String, _ step: String, attempt: Int) throws {
        try group("noting the process of a step") {
            try connection.execute(
                """
                UPDATE stored_workflow_steps SET pid = ?, process_start = ? WHERE run_id = ? AND step = ? AND attempt = ?
                """, .integer(Int64(process.pid)), .text(process.start), .text(runID), .text(step),
                .integer(Int64(attempt)))
        }
    }

    /// Notes how an attempt ended; one that never began is entered with its end alone.
    func end(
        _ runID: String, _ step: String, attempt: Int, _ state: RunPlan.StepState, error: String?,
        outputs: [String: String], at now: EventTime
    ) throws {
        try group("noting the end of a step") {
            try connection.execute(
                """
                INSERT INTO stored_workflow_steps (run_id, step, attempt, state, ended_ms, error, outputs)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET state = excluded.state, ended_ms = excluded.ended_ms, error = excluded.error,
                    outputs = excluded.outputs
                """, .text(runID), .text(step), .integer(Int64(attempt)), .text(state.rawValue), .integer(now),
                error.map(SQLValue.words) ?? .null, .text(Self.json(outputs)))
        }
    }

    /// How many steps hold a slot of a pool; those of a process that is gone hold none.
    func slotsTaken(of pool: String) throws -> Int {
        try explaining("looking at a pool") {
            try connection.rows(
                """
                SELECT r.pid, r.process_start, count(*)
                FROM stored_workflow_steps AS s JOIN stored_workflow_runs AS r ON r.run_id = s.run_id
                WHERE s.pool = ? AND s.state = 'running' GROUP BY r.pid, r.process_start
                """, .text(pool)
            ) { row throws(SQLiteError) in
                let process = try RunningProcess(row, pid: 0, start: 1)
                return process.isAlive ? Int(try row.integer(2, in: .counts)) : 0
            }.reduce(0, +)
        }
    }
}
