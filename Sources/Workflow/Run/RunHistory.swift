internal import Foundation
internal import Glibc
public import Database
internal import Problems
internal import SQLite
public import Trips

/// One run as it is written down.
public struct StoredRun: Sendable {
    public var id: String
    public var workflow: String
    public var interval: DataInterval?
    public var trigger: String
    /// As the database has it: running, success, failed, cancelled.
    public var state: String
    public var started: EventTime?
    public var ended: EventTime?
    public var params: [String: String]
    /// The workflow's file.
    public var file: String
    public var process: RunningProcess

    /// The state to show: a run whose process is gone is not running.
    public var shownState: String { state == "running" && !process.isAlive ? "interrupted" : state }
}

/// One attempt of a step as it is written down.
public struct StoredAttempt: Sendable {
    public var step: String
    public var attempt: Int
    public var state: RunPlan.StepState
    public var started: EventTime?
    public var ended: EventTime?
    public var error: String?
    public var outputs: [String: String]
    /// The process of a shell step that runs.
    var process: RunningProcess?
}

/// What began a run.
public enum RunTrigger: String, Sendable {
    case manual, schedule, catchup, backfill, alert, retry
}

/// The runs of a tenant's workflows in `results.db`; used by one thread at a time.
///
/// A run is claimed in one transaction: of any number of processes that want the same interval one gets it, and there is one record
/// for it ever. A record belongs to the process that claimed it; once that is gone, another may.
public final class RunHistory {
    private let connection: Connection

    /// - Parameter database: opened before, so that the tables are there; read-only will do to look.
    public init(_ database: ResultsDatabase) throws {
        connection = database.connection
    }

    // MARK: looking

    /// The newest runs first, of one workflow or of all.
    public func runs(of workflow: String? = nil, limit: Int = .max) throws -> [StoredRun] {
        try select(
            "WHERE ?1 IS NULL OR workflow = ?1 ORDER BY run_id DESC LIMIT ?2", workflow.map(SQLValue.text) ?? .null,
            .integer(Int64(limit)))
    }

    /// The run with this id, or the only one whose id begins or ends with the text.
    ///
    /// - Throws: `.noInput` where there is none, `.usage` where there are several.
    public func run(_ text: String) throws -> StoredRun {
        let found = try select(
            "WHERE substr(run_id, 1, length(?1)) = ?1 OR substr(run_id, -length(?1)) = ?1", .text(text))
        if let exact = found.first(where: { $0.id == text }) { return exact }
        guard let run = found.first, !text.isEmpty else {
            throw Problem(
                .noInput, "there is no run \"\(text)\"", hint: "taxi-cli workflow runs lists them with their ids.")
        }
        guard found.count == 1 else {
            throw Problem(.usage, "\(found.count) runs have an id like \"\(text)\"", hint: "Give more of the id.")
        }
        return run
    }

    public func run(of workflow: String, _ interval: DataInterval) throws -> StoredRun? {
        try select(
            "WHERE workflow = ? AND interval_start_ms = ? AND interval_end_ms = ?", .text(workflow),
            .integer(interval.start), .integer(interval.end)
        ).first
    }

    /// All attempts of a run's steps, in the order in which they began.
    public func attempts(of runID: String) throws -> [StoredAttempt] {
        try explaining("reading the steps of a run") {
            try connection.rows(
                """
                SELECT step, attempt, state, started_ms, ended_ms, error, outputs, pid, process_start
                FROM stored_workflow_steps WHERE run_id = ? ORDER BY started_ms, step, attempt
                """, .text(runID)
            ) { row throws(SQLiteError) in
                StoredAttempt(
                    step: row.text(0), attempt: Int(row.integer(1)),
                    state: RunPlan.StepState(rawValue: row.text(2)) ?? .interrupted,
                    started: row.isNull(3) ? nil : row.integer(3), ended: row.isNull(4) ? nil : row.integer(4),
                    error: row.isNull(5) ? nil : row.text(5), outputs: Self.object(row.text(6)),
                    process: row.isNull(7)
                        ? nil
                        : RunningProcess(pid: Int32(truncatingIfNeeded: row.integer(7)), start: row.text(8)))
            }
        }
    }

    private func select(_ condition: String, _ values: SQLValue...) throws -> [StoredRun] {
        try explaining("reading the runs of workflows") {
            let statement = try connection.prepare(
                """
                SELECT run_id, workflow, interval_start_ms, interval_end_ms, trigger, state, started_ms, ended_ms, params, file,
                    pid, process_start
                FROM stored_workflow_runs \(condition)
                """)
            try statement.bind(values)
            var runs: [StoredRun] = []
            while try statement.step() {
                runs.append(
                    StoredRun(
                        id: statement.text(0), workflow: statement.text(1),
                        interval: statement.isNull(2)
                            ? nil : DataInterval(start: statement.integer(2), end: statement.integer(3)),
                        trigger: statement.text(4), state: statement.text(5),
                        started: statement.isNull(6) ? nil : statement.integer(6),
                        ended: statement.isNull(7) ? nil : statement.integer(7),
                        params: Self.object(statement.text(8)), file: statement.text(9),
                        process: RunningProcess(
                            pid: Int32(truncatingIfNeeded: statement.integer(10)), start: statement.text(11))))
            }
            return runs
        }
    }

    // MARK: runs

    /// Begins the run of an interval, or of none.
    ///
    /// - Throws: `.usage` where the interval has a run that has ended, `.tryAgain` where it has one that is under way.
    func begin(
        _ workflow: String, _ interval: DataInterval?, trigger: RunTrigger, params: [String: String], file: String,
        process: RunningProcess, at now: EventTime
    ) throws -> StoredRun {
        try explaining("beginning a run") {
            try connection.transaction {
                if let interval, let there = try run(of: workflow, interval) {
                    try refuseIfRunning(there)
                    throw Problem(
                        .usage, "this interval of \"\(workflow)\" has a run already: \(there.id), \(there.shownState)",
                        hint: there.state == "success"
                            ? "taxi-cli workflow retry \(there.id) --all runs it again."
                            : "taxi-cli workflow retry \(there.id) goes on with it.")
                }
                let id = RunLog.makeID(at: now)
                try connection.execute(
                    """
                    INSERT INTO stored_workflow_runs (run_id, workflow, interval_start_ms, interval_end_ms, trigger, state,
                        started_ms, params, file, pid, process_start)
                    VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)
                    """, .text(id), .text(workflow), (interval?.start).map(SQLValue.integer) ?? .null,
                    (interval?.end).map(SQLValue.integer) ?? .null, .text(trigger.rawValue), .integer(now),
                    .text(Self.json(params)), .text(file), .integer(Int64(process.pid)), .text(process.start))
                return StoredRun(
                    id: id, workflow: workflow, interval: interval, trigger: trigger.rawValue, state: "running",
                    started: now, ended: nil, params: params, file: file, process: process)
            }
        }
    }

    /// Takes over a run that has ended, or whose process is gone; steps that ran become `interrupted`.
    ///
    /// - Returns: processes of its steps that are still there and have to end before the steps may run again.
    /// - Throws: `.tryAgain` where it is under way.
    func takeOver(
        _ run: StoredRun, trigger: RunTrigger? = nil, process: RunningProcess
    ) throws -> [RunningProcess] {
        try explaining("taking over a run") {
            try connection.transaction {
                try refuseIfRunning(try self.run(run.id))
                let left = try attempts(of: run.id).filter { $0.state == .running }.compactMap(\.process)
                try connection.execute(
                    """
                    UPDATE stored_workflow_steps SET state = 'interrupted', error = 'the process that ran it was gone'
                    WHERE run_id = ? AND state = 'running'
                    """, .text(run.id))
                try connection.execute(
                    """
                    UPDATE stored_workflow_runs SET state = 'running', ended_ms = NULL, cancel = 0,
                        trigger = coalesce(?, trigger), pid = ?, process_start = ?
                    WHERE run_id = ?
                    """, trigger.map { .text($0.rawValue) } ?? .null, .integer(Int64(process.pid)),
                    .text(process.start), .text(run.id))
                return left.filter(\.isAlive)
            }
        }
    }

    private func refuseIfRunning(_ run: StoredRun) throws {
        guard run.shownState == "running" else { return }
        throw Problem(
            .tryAgain, "run \(run.id) of \"\(run.workflow)\" is under way, in process \(run.process.pid)",
            hint: "Wait for its end, or taxi-cli workflow cancel \(run.id).")
    }

    func end(_ runID: String, state: String, at now: EventTime) throws {
        try explaining("noting the end of a run") {
            try connection.execute(
                "UPDATE stored_workflow_runs SET state = ?, ended_ms = ? WHERE run_id = ?", .text(state), .integer(now),
                .text(runID))
        }
    }

    /// Asks the process of a run to stop it.
    ///
    /// - Throws: `.usage` where it is not under way.
    public func cancel(_ run: StoredRun) throws {
        guard run.shownState == "running" else {
            throw Problem(.usage, "run \(run.id) is not under way: \(run.shownState)")
        }
        try explaining("cancelling a run") {
            try connection.execute("UPDATE stored_workflow_runs SET cancel = 1 WHERE run_id = ?", .text(run.id))
        }
    }

    func isCancelled(_ runID: String) throws -> Bool {
        try explaining("looking whether a run was cancelled") {
            try connection.value("SELECT cancel FROM stored_workflow_runs WHERE run_id = ?", .text(runID))?.integer == 1
        }
    }

    // MARK: steps

    func begin(_ runID: String, _ step: String, attempt: Int, at now: EventTime) throws {
        try explaining("noting the beginning of a step") {
            try connection.execute(
                """
                INSERT INTO stored_workflow_steps (run_id, step, attempt, state, started_ms)
                VALUES (?, ?, ?, 'running', ?)
                """, .text(runID), .text(step), .integer(Int64(attempt)), .integer(now))
        }
    }

    func note(_ process: RunningProcess, of runID: String, _ step: String, attempt: Int) throws {
        try explaining("noting the process of a step") {
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
        try explaining("noting the end of a step") {
            try connection.execute(
                """
                INSERT INTO stored_workflow_steps (run_id, step, attempt, state, ended_ms, error, outputs)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET state = excluded.state, ended_ms = excluded.ended_ms, error = excluded.error,
                    outputs = excluded.outputs
                """, .text(runID), .text(step), .integer(Int64(attempt)), .text(state.rawValue), .integer(now),
                error.map(SQLValue.text) ?? .null, .text(Self.json(outputs)))
        }
    }

    // MARK: JSON

    private static func json(_ object: [String: String]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private static func object(_ text: String) -> [String: String] {
        (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) ?? [:]
    }
}
