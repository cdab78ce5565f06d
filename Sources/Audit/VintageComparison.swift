import Batch
import Database
import Foundation
import SQLite

/// Compares the answers that were kept under a name with what the recount gives, where no stream has changed anything since they were kept.
struct VintageComparison {
    let batch: BatchComparison
    private var connection: Connection { batch.connection }

    func run() throws -> [Finding] {
        guard try connection.value("SELECT 1 FROM sqlite_schema WHERE name = 'batch_vintages'") != nil else {
            return []
        }
        let vintages = try connection.rows("SELECT vintage, made_ms FROM batch_vintages ORDER BY vintage") {
            (name: $0.text(0), made: $0.value(1))
        }
        let known = try batch.views()
        var findings: [Finding] = []
        for (name, made) in vintages {
            let finding = Finding("vintage", name)
            try compare(name, made, known, finding)
            findings.append(finding)
        }
        for table in ["batch_vintage_views", "batch_vintage_rows"] {
            let lost = try connection.rows(
                "SELECT DISTINCT vintage FROM \(table) WHERE vintage NOT IN (SELECT vintage FROM batch_vintages)"
            ) { $0.text(0) }
            for name in lost {
                let finding = Finding("vintage", name)
                finding.differ("\(table) has rows of a vintage that there is not")
                findings.append(finding)
            }
        }
        return findings
    }

    private func compare(_ name: String, _ made: SQLValue, _ known: [PeriodView], _ finding: Finding) throws {
        let count = try connection.value("SELECT count(*) FROM batch_vintage_rows WHERE vintage = ?", .text(name))
        let all = count?.integer ?? 0
        if let kept = try Restatements.all(on: batch.connection).first(where: { $0.vintage == name }) {
            finding.cells += 1
            if made != .integer(kept.madeMs) {
                finding.differ("made_ms is \(CellText.of(made)), should be \(kept.madeMs)")
            }
            return finding.leaveOut(
                all, "they were kept by a restatement, and what they answered was computed from other trips")
        }
        guard
            let run = batch.history.runs.last(where: {
                $0.command == "batch" && $0.outcome == "success" && $0.summary["vintage"] as? String == name
            })
        else {
            // Of one that was forgotten since the run's record alone may tell.
            let isOfRestatement = batch.history.runs.contains {
                $0.command == "restate" && ($0.outcome != "success" || $0.summary["vintage"] as? String == name)
            }
            if isOfRestatement {
                return finding.leaveOut(all, "a restatement has kept it that does not stand any more")
            }
            guard batch.unfinishedRun != nil else { return finding.differ("no batch run has kept it") }
            return finding.leaveOut(all, "the batch run that kept it may not have come to its end")
        }
        finding.cells += 1
        if let noted = (run.summary["vintage_made_ms"] as? NSNumber)?.int64Value, made != .integer(noted) {
            finding.differ("made_ms is \(CellText.of(made)), should be \(noted)")
        }
        let held = try connection.rows(
            "SELECT view, keys, object FROM batch_vintage_views WHERE vintage = ? ORDER BY view", .text(name)
        ) { row in (0..<3).map(row.value) }
        var rows: Int64 = 0
        for entry in held {
            let view = entry[0].text ?? ""
            rows +=
                try connection.value(
                    "SELECT count(*) FROM batch_vintage_rows WHERE vintage = ? AND view = ?", .text(name), .text(view))?
                .integer ?? 0
            guard let known = known.first(where: { $0.name == view }) else {
                finding.differ("holds a view \(CellText.of(entry[0])) that there is not")
                continue
            }
            try compare(name, known, entry, run, finding)
        }
        if rows != all { finding.differ("\(all - rows) rows are of views that it does not hold") }
        for view in known where (run.summary["rows"] as? [String: Any])?[view.name] != nil {
            if !held.contains(where: { $0[0] == .text(view.name) }) { finding.differ("\(view.name) is missing") }
        }
    }

    private func compare(
        _ name: String, _ view: PeriodView, _ entry: [SQLValue], _ run: RunHistory.Run, _ finding: Finding
    ) throws {
        let (keys, object) = (Self.keys(view), Self.object(view))
        let rows = try connection.rows(
            "SELECT period_kind, period, key, row FROM batch_vintage_rows WHERE vintage = ? AND view = ? ORDER BY period_kind, period, key",
            .text(name), .text(view.name)
        ) { row in (0..<4).map(row.value) }
        guard entry[1] == .text(keys("\"")), entry[2] == .text(object("\"")) else {
            let wasRedeclared =
                view.analysis == nil
                && batch.history.runs.contains {
                    $0.id > run.id && ($0.summary["rows"] as? [String: Any])?[view.name] != nil
                }
            guard wasRedeclared else { return finding.differ("\(view.name): is told to have other columns") }
            return finding.leaveOut(Int64(rows.count), "\(view.name) is declared otherwise by now")
        }
        if let reason = try batch.reasonNotToCompare(view) { return finding.leaveOut(Int64(rows.count), reason) }
        let runs = batch.lastRuns(of: view, until: run.id)
        let text = try connection.prepare("SELECT \(keys("?")), \(object("?"))")
        var left = BatchComparison.LeftPeriods()
        let byPeriod = Dictionary(grouping: rows) { [$0[0], $0[1]] }
        var seen: Set<Period> = []
        for (key, rows) in byPeriod {
            guard let period = BatchComparison.period(key, view), let computed = runs[period] ?? batch.unfinishedRun
            else {
                let words = key.map(CellText.of).joined(separator: " ")
                finding.differ("\(view.name) \(words): no batch run has computed it")
                continue
            }
            seen.insert(period)
            guard try batch.verdict(period, computed, view) == .fresh else {
                left.stale.periods += 1
                left.stale.rows += rows.count
                continue
            }
            try compare(period, view, rows, text, finding)
        }
        for (period, computed) in runs where !seen.contains(period) {
            guard try batch.verdict(period, computed, view) == .fresh else { continue }
            try compare(period, view, [], text, finding)
        }
        if left.stale.rows > 0 {
            finding.leaveOut(
                Int64(left.stale.rows),
                "\(view.name): results have changed since, and what they were cannot be computed")
        }
    }

    private func compare(
        _ period: Period, _ view: PeriodView, _ found: [[SQLValue]], _ text: Statement, _ finding: Finding
    ) throws {
        var expected: [SQLValue: SQLValue] = [:]
        for row in try batch.rows(of: period, view) {
            let keys = view.keys.map { key in view.columns.firstIndex(of: key).map { row[$0] } ?? .null }
            try text.bind(keys + row)
            if try text.step() { expected[text.value(0)] = text.value(1) }
            text.reset()
        }
        let at = batch.start(of: period)
        for row in found {
            finding.cells += Int64(view.columns.count)
            let name = "\(view.name) \(period) \(row[2].text ?? CellText.of(row[2]))"
            guard let right = expected.removeValue(forKey: row[2]) else {
                finding.differ(at, "\(name): there should be no such row")
                continue
            }
            if row[3] != right {
                finding.differ(at, "\(name): is \(row[3].text ?? CellText.of(row[3])), should be \(right.text ?? "")")
            }
        }
        for key in expected.keys {
            finding.differ(at, "\(view.name) \(period) \(key.text ?? ""): the row is missing")
        }
    }

    /// The SQL that makes a row's key, and the row, with a column's name between quotes or a mark in its place.
    private static func keys(_ view: PeriodView) -> (String) -> String {
        { mark in "json_array(\(view.keys.map { mark == "?" ? mark : mark + $0 + mark }.joined(separator: ", ")))" }
    }

    private static func object(_ view: PeriodView) -> (String) -> String {
        { mark in
            let members = view.columns.map { "'\($0)', " + (mark == "?" ? mark : mark + $0 + mark) }
            return "json_object(\(members.joined(separator: ", ")))"
        }
    }
}
