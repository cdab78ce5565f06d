import Database
import Foundation
import SQLite

/// Looks whether what is stored of runs agrees with itself: nothing in the source says when somebody ran what, so that the times and texts of
/// runs are their only witness.
struct RecordComparison {
    let connection: Connection

    /// Rows of a table with times in ms, each with a name, checked one by one.
    private func forEach(_ sql: String, _ body: ([SQLValue]) -> Void) throws {
        let statement = try connection.prepare(sql)
        while try statement.step() { body((0..<statement.columnCount).map(statement.value)) }
    }

    /// Runs of produce, stream and batch.
    func compareRuns(_ finding: Finding) throws {
        try forEach("SELECT id, command, started_ms, ended_ms, outcome, summary FROM run_records") { row in
            let id = row[0].text ?? CellText.of(row[0])
            finding.cells += 1
            // An id begins with the time at which the run began.
            let started = row[2].integer.flatMap { QueryAudit.times.contains($0) ? $0 : nil }
            let time = started.map { RunLog.makeID(at: $0).prefix(20) }
            let number = id.utf8.dropFirst(20)
            if number.count != 8 || !number.allSatisfy({ 48...57 ~= $0 || 97...102 ~= $0 }) {
                finding.differ("\(id): is no id of a run")
            } else if time.map({ id.hasPrefix($0) }) != true {
                finding.differ("\(id): started_ms is \(CellText.of(row[2])), which is not when it began")
            }
            if !["produce", "stream", "restate", "batch", "rewind", "ml"].contains(row[1].text) {
                finding.differ("\(id): command is \(CellText.of(row[1])), which is none that notes runs")
            }
            let outcome = row[4].text.flatMap(RunRecord.Outcome.init)
            if outcome == nil { finding.differ("\(id): outcome is \(CellText.of(row[4])), which is none") }
            if let outcome { compareEnd(id, row[3], hasToBeThere: [.success, .failed].contains(outcome), finding) }
            guard row[5] != .null else { return }
            let summary = row[5].text.map { try? JSONSerialization.jsonObject(with: Data($0.utf8)) }
            if summary as? [String: Any] == nil { finding.differ("\(id): summary is no JSON object") }
        }
    }

    private func compareEnd(_ id: String, _ ended: SQLValue, hasToBeThere: Bool, _ finding: Finding) {
        switch ended {
        case .integer(let time) where QueryAudit.times.contains(time): break
        case .null where !hasToBeThere: break
        default: finding.differ("\(id): ended_ms is \(CellText.of(ended)), which is no time")
        }
    }

    private static let triggers = ["schedule", "catchup", "backfill", "manual", "alert", "retry"]
    private static let runStates = ["queued", "running", "success", "failed", "cancelled", "skipped"]
    private static let stepStates =
        ["waiting", "running", "success", "failed", "skipped", "cancelled", "upstream_failed", "interrupted"]

    /// Runs of workflows and their steps; nil where there are none.
    func compareWorkflows() throws -> Finding? {
        let finding = Finding("ledger", "workflow_runs")
        var ids: Set<SQLValue> = []
        let times = ["interval_start_ms", "interval_end_ms", "started_ms", "ended_ms"]
        try forEach(
            "SELECT run_id, trigger, state, \(times.joined(separator: ", ")), workflow FROM stored_workflow_runs"
        ) { row in
            let id = row[0].text ?? CellText.of(row[0])
            finding.cells += 1
            ids.insert(row[0])
            requireOne(of: Self.triggers, row[1], "\(id): trigger", finding)
            requireOne(of: Self.runStates, row[2], "\(id): state", finding)
            for (column, value) in zip(times, row[3...]) { requireTime(value, "\(id): \(column)", finding) }
            if row[7].text?.isEmpty ?? true { finding.differ("\(id): workflow is \(CellText.of(row[7]))") }
            if let start = row[3].integer, let end = row[4].integer, start > end {
                finding.differ("\(id): its interval ends before it begins")
            }
        }
        try forEach("SELECT run_id, step, attempt, state, started_ms, ended_ms FROM stored_workflow_steps") { row in
            let id = "\(row[0].text ?? CellText.of(row[0])) \(row[1].text ?? CellText.of(row[1]))"
            finding.cells += 1
            if !ids.contains(row[0]) { finding.differ("\(id): a step of a run that there is not") }
            requireOne(of: Self.stepStates, row[3], "\(id): state", finding)
            requireTime(row[4], "\(id): started_ms", finding)
            requireTime(row[5], "\(id): ended_ms", finding)
        }
        return finding.cells > 0 ? finding : nil
    }

    private func requireOne(of known: [String], _ value: SQLValue, _ name: String, _ finding: Finding) {
        if !known.contains(value.text ?? "") { finding.differ("\(name) is \(CellText.of(value)), which is none") }
    }

    private func requireTime(_ value: SQLValue, _ name: String, _ finding: Finding) {
        switch value {
        case .null: break
        case .integer(let time) where QueryAudit.times.contains(time): break
        default: finding.differ("\(name) is \(CellText.of(value)), which is no time")
        }
    }
}
