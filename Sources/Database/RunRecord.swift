internal import Foundation
import Problems
import SQLite
public import Time

/// One run of a command: what `runs` shows.
public struct RunRecord: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        case running, success, failed
        /// Its process died without saying how the run ended.
        case interrupted
    }

    /// Begins with the start in UTC, so ids sort by time: `20240122T194500123Z-5f3c09aa`.
    public var id: String
    public var command: String
    public var started: EventTime
    /// nil while it runs, and where nobody knows.
    public var ended: EventTime?
    public var outcome: Outcome
    /// JSON; nil until the run has ended.
    public var summary: String?
}

extension RunRecord {
    /// Of a row with its columns first: id, command, started_ms, ended_ms, outcome, summary.
    fileprivate init(_ row: Statement) throws(SQLiteError) {
        guard let outcome = Outcome(rawValue: try row.storedText(4)) else { throw row.damage(4, wanted: "an outcome") }
        self.init(
            id: try row.storedText(0), command: try row.storedText(1), started: try row.integer(2, in: .times),
            ended: try row.optionalInteger(3, in: .times), outcome: outcome, summary: try row.optionalText(5))
    }
}

/// Why a run failed: its summary.
public struct RunFailure: Codable, Sendable {
    public var error: String
    /// The exit code.
    public var exit: String?
    /// What to do.
    public var hint: String?
    /// Where too many records were rejected: of how many, and how many of them by reason.
    public var read: Int?
    public var rejected: [String: Int]?

    public init(_ error: any Error) {
        let problem = error as? Problem
        self.error = problem?.message ?? "\(error)"
        exit = "\((problem?.code ?? .software).rawValue)"
        hint = problem?.hint
        (read, rejected) = (problem?.rejects?.records, problem?.rejects?.byReason)
    }

    /// - Parameter summary: of a run; nil where it does not say why it failed.
    public init?(summary: String?) {
        guard let summary, let read = try? JSONDecoder().decode(RunFailure.self, from: Data(summary.utf8)) else {
            return nil
        }
        self = read
    }

    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

/// Writes the records of runs into `run_records`.
public struct RunLog {
    private let connection: Connection
    private let process: RunningProcess

    public init(_ database: ResultsDatabase) { self.init(database.connection, process: .current) }

    init(_ connection: Connection, process: RunningProcess) {
        (self.connection, self.process) = (connection, process)
    }

    /// Notes that a run begins; runs of the same command whose process is gone become `interrupted`.
    ///
    /// - Returns: the run's id.
    public func begin(_ command: String, at now: EventTime) throws -> String {
        try explaining("noting the beginning of a run") {
            try connection.transaction {
                try interruptDead(command)
                let id = Self.makeID(at: now)
                try connection.execute(
                    """
                    INSERT INTO run_records (id, command, started_ms, outcome, pid, process_start)
                    VALUES (?, ?, ?, 'running', ?, ?)
                    """, .text(id), .text(command), .integer(now), .integer(Int64(process.pid)), .text(process.start))
                return id
            }
        }
    }

    /// Notes how a run ended.
    ///
    /// - Parameter summary: JSON.
    public func end(_ id: String, _ outcome: RunRecord.Outcome, summary: String?, at now: EventTime) throws {
        try explaining("noting the end of a run") {
            try connection.transaction {
                try connection.execute(
                    "UPDATE run_records SET outcome = ?, summary = ?, ended_ms = ? WHERE id = ?",
                    .text(outcome.rawValue), summary.map(SQLValue.text) ?? .null, .integer(now), .text(id))
            }
        }
    }

    /// The latest runs, newest first.
    public func latest(_ limit: Int) throws -> [RunRecord] {
        try explaining("reading the runs") {
            try connection.rows(
                """
                SELECT id, command, started_ms, ended_ms, outcome, summary FROM run_records
                ORDER BY id DESC LIMIT ?
                """, .integer(Int64(limit))
            ) { row throws(SQLiteError) in
                try RunRecord(row)
            }
        }
    }

    /// The newest run of each command, by command; one whose process is gone shows as `interrupted`, though nobody wrote that down.
    public func newestOfEachCommand() throws -> [RunRecord] {
        try explaining("reading the runs") {
            // SQLite takes the other columns of a row with max() from the row that has it.
            try connection.rows(
                """
                SELECT max(id) AS id, command, started_ms, ended_ms, outcome, summary, pid, process_start FROM run_records
                GROUP BY command ORDER BY command
                """
            ) { row throws(SQLiteError) in
                let process = try RunningProcess(row, pid: 6, start: 7)
                var record = try RunRecord(row)
                if record.outcome == .running, !process.isAlive { record.outcome = .interrupted }
                return record
            }
        }
    }

    private func interruptDead(_ command: String) throws {
        let running = try connection.rows(
            "SELECT id, pid, process_start FROM run_records WHERE outcome = 'running' AND command = ?", .text(command)
        ) { row throws(SQLiteError) in
            (
                id: try row.storedText(0), process: try RunningProcess(row, pid: 1, start: 2)
            )
        }
        for run in running where !run.process.isAlive {
            try connection.execute("UPDATE run_records SET outcome = 'interrupted' WHERE id = ?", .text(run.id))
        }
    }

    /// An id of a run that begins at `now`.
    public static func makeID(at now: EventTime) -> String {
        let seconds = floorDivide(now, 1000)
        let (year, month, day) = Calendar.date(ofDay: Int(floorDivide(seconds, 86400)))
        let inDay = seconds - floorDivide(seconds, 86400) * 86400
        func digits(_ number: some BinaryInteger, _ width: Int, radix: Int = 10) -> String {
            let text = String(number, radix: radix)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let date = digits(year, 4) + digits(month, 2) + digits(day, 2)
        let time = digits(inDay / 3600, 2) + digits(inDay / 60 % 60, 2) + digits(inDay % 60, 2)
        return
            "\(date)T\(time)\(digits(now - seconds * 1000, 3))Z-\(digits(UInt32.random(in: 0 ... .max), 8, radix: 16))"
    }
}
