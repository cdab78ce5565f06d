internal import Foundation
internal import Glibc
public import Database
internal import Problems
internal import SQLite
public import Time

/// One run as it is written down.
public struct StoredRun: Sendable {
    public var id: String
    public var workflow: String
    public var interval: DataInterval?
    public var trigger: String
    /// As the database has it: queued, running, success, failed, cancelled, skipped.
    public var state: String
    /// When it was asked for, or entered by the scheduler.
    public var queued: EventTime?
    public var started: EventTime?
    public var ended: EventTime?
    public var params: [String: String]
    /// The workflow's file.
    public var file: String
    /// `run/step` of the step that began it; nil where none did.
    public var parent: String?
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
    let connection: Connection
    private var isGrouped = false

    /// - Parameter database: opened before, so that the tables are there; read-only will do to look.
    public init(_ database: ResultsDatabase) throws {
        connection = database.connection
    }

    /// Runs `body` in one transaction; inside of another one, as a part of it.
    func group<Result>(_ action: @autoclosure () -> String, _ body: () throws -> Result) throws -> Result {
        if isGrouped { return try body() }
        isGrouped = true
        defer { isGrouped = false }
        return try explaining(action()) { try connection.transaction(body) }
    }

    /// Changes whenever another process, or another history, has written something.
    func version() throws -> Int64 {
        try explaining("looking for changes") {
            try connection.requireFile()
            return try connection.dataVersion()
        }
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

    /// The run of exactly this id; nil where there is none.
    func runIfAny(_ id: String) throws -> StoredRun? { try select("WHERE run_id = ?", .text(id)).first }

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
                SELECT step, attempt, state, started_ms, ended_ms, error, outputs, pid, process_start, run_id
                FROM stored_workflow_steps WHERE run_id = ? ORDER BY started_ms IS NULL, started_ms, step, attempt
                """, .text(runID)
            ) { row throws(SQLiteError) in
                guard let state = RunPlan.StepState(rawValue: try row.storedText(2)) else {
                    throw row.damage(2, wanted: "the state of a step")
                }
                return StoredAttempt(
                    step: try row.storedText(0), attempt: Int(try row.integer(1, in: 0...1 << 31)), state: state,
                    started: try row.optionalInteger(3, in: .times), ended: try row.optionalInteger(4, in: .times),
                    error: try row.optionalText(5), outputs: try Self.object(row, 6),
                    process: row.isNull(7) ? nil : try RunningProcess(row, pid: 7, start: 8))
            }
        }
    }

    func select(_ condition: String, _ values: SQLValue...) throws -> [StoredRun] {
        try explaining("reading the runs of workflows") {
            let statement = try connection.prepare(
                """
                SELECT run_id, workflow, interval_start_ms, interval_end_ms, trigger, state, started_ms, ended_ms, params, file,
                    pid, process_start, queued_ms, parent
                FROM stored_workflow_runs \(condition)
                """)
            try statement.bind(values)
            var runs: [StoredRun] = []
            while try statement.step() {
                runs.append(
                    StoredRun(
                        id: try statement.storedText(0), workflow: try statement.storedText(1),
                        interval: try Self.interval(statement, 2), trigger: try statement.storedText(4),
                        state: try statement.storedText(5), queued: try statement.optionalInteger(12, in: .times),
                        started: try statement.optionalInteger(6, in: .times),
                        ended: try statement.optionalInteger(7, in: .times), params: try Self.object(statement, 8),
                        file: try statement.storedText(9), parent: try statement.optionalText(13),
                        process: try RunningProcess(statement, pid: 10, start: 11)))
            }
            return runs
        }
    }

    // MARK: JSON

    static func json(_ object: [String: String]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    static func object(_ row: Statement, _ column: Int) throws(SQLiteError) -> [String: String] {
        let text = try row.storedText(column)
        guard let object = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)) else {
            throw row.damage(column, wanted: "a JSON object of texts")
        }
        return object
    }

    /// The interval that a column and the next one hold; nil for NULL.
    private static func interval(_ row: Statement, _ column: Int) throws(SQLiteError) -> DataInterval? {
        guard let start = try row.optionalInteger(column, in: .times) else { return nil }
        return DataInterval(start: start, end: try row.integer(column + 1, in: start...ClosedRange.times.upperBound))
    }
}
