import Foundation
import SQLite
import Stream
import Time

/// Compares the alerts that are stored, as the public view shows them, with what their conditions make of the recounted windows.
struct AlertComparison {
    let connection: Connection
    let zone: ZoneClock
    let audits: [QueryAudit]
    /// By query.
    let recounts: [String: AlertRecount]
    /// The topic of alerts, and whether it may have more or less than the database; nil where there is none to be compared.
    let topic: (name: String, records: [[UInt8]], isUnderWay: Bool)?

    /// One row of the view.
    private struct Row {
        var raised: SQLValue
        var query: SQLValue
        var start: SQLValue
        var value: SQLValue
        var run: SQLValue
        /// What only late trips leave behind.
        var isRevised: Bool
        var condition: String?
        var windows: String?
    }

    func run() throws -> [Finding] {
        let columns = try connection.prepare("SELECT * FROM alerts LIMIT 0")
        let names = (0..<columns.columnCount).map(columns.columnName)
        let right = ["raised", "name", "query", "window_start", "value", "run_id"]
        guard names == right else {
            let finding = Finding("alert", "alerts")
            finding.differ(
                "has the columns \(names.joined(separator: ", ")), should have \(right.joined(separator: ", "))")
            return [finding]
        }
        let runs = Set(try connection.rows("SELECT run_id FROM stored_workflow_runs") { $0.value(0) })
        var stored = try read()
        var findings = [compareTopic(stored)].compactMap { $0 }
        for audit in audits {
            for (index, alert) in audit.plan.alerts.enumerated() {
                let finding = Finding("alert", alert.name)
                findings.append(finding)
                let rows = stored.removeValue(forKey: .text(alert.name)) ?? []
                if audit.lateMerged == 0, !audit.isRestated {
                    for row in rows where row.isRevised {
                        finding.differ(
                            "alert of \(CellText.of(row.start)) is marked as changed by late trips, and there were none"
                        )
                    }
                }
                for row in rows where row.run != .null && !runs.contains(row.run) {
                    finding.differ("run_id is \(CellText.of(row.run)), which is no run of a workflow")
                }
                if !audit.isExact {
                    finding.leaveOut(
                        Int64(rows.count), "late trips may be missing from the windows of \(audit.plan.name)")
                } else if audit.isRestated {
                    finding.leaveOut(
                        Int64(rows.count),
                        "restatements have changed windows of \(audit.plan.name) after they were judged")
                } else if audit.lateMerged > 0 {
                    finding.leaveOut(
                        Int64(rows.count),
                        "late trips have changed windows of \(audit.plan.name) after they were judged")
                } else if let recount = recounts[audit.plan.name] {
                    compare(rows, alert, recount, index, finding)
                }
            }
        }
        for (name, rows) in stored.sorted(by: { CellText.of($0.key) < CellText.of($1.key) }) {
            let finding = Finding("alert", name.text ?? CellText.of(name))
            let isQueryKnown = audits.contains { rows.first?.query == .text($0.plan.name) }
            finding.leaveOut(
                Int64(rows.count), isQueryKnown ? "the alert is not declared any more" : "its query was not audited")
            findings.append(finding)
        }
        return findings
    }

    /// The rows of the view, which are in the order in which they were raised, with what the alert was then.
    private func read() throws -> [SQLValue: [Row]] {
        let notes = try connection.rows(
            "SELECT params, revision, withdrawn_by FROM stored_alerts ORDER BY alert_id"
        ) { row in
            (
                params: (try? JSONSerialization.jsonObject(with: Data(row.text(0).utf8))) as? [String: String] ?? [:],
                isRevised: !row.isNull(1) || !row.isNull(2)
            )
        }
        let statement = try connection.prepare("SELECT * FROM alerts")
        var rows: [SQLValue: [Row]] = [:]
        var index = 0
        while try statement.step() {
            let note = index < notes.count ? notes[index] : (params: [:], isRevised: false)
            index += 1
            rows[statement.value(1), default: []].append(
                Row(
                    raised: statement.value(0), query: statement.value(2), start: statement.value(3),
                    value: statement.value(4), run: statement.value(5),
                    isRevised: note.isRevised, condition: note.params["condition"], windows: note.params["windows"]))
        }
        return rows
    }

    private func compare(
        _ rows: [Row], _ alert: AlertPlan, _ recount: AlertRecount, _ index: Int, _ finding: Finding
    ) {
        if let row = rows.first(where: {
            $0.condition != nil && ($0.condition != "\(alert.condition)" || $0.windows != "\(alert.windows)")
        }) {
            return finding.leaveOut(
                Int64(rows.count), "some were raised while the alert was declared otherwise: \(row.condition ?? "")")
        }
        var expected = recount.raised(index)
        // Whoever declares an alert later hears nothing of what was before.
        if let first = rows.first?.start.text.flatMap({ RFC3339.parse($0) }), let earliest = expected.first,
            earliest.start < first, rows.count < expected.count
        {
            let later = recount.raised(index, from: recount.beginning(index, firstRaisedBy: first))
            finding.note("\(expected.count - later.count) windows before the first alert were left out")
            expected = later
        } else if rows.isEmpty, !expected.isEmpty {
            finding.note(
                "\(expected.count) windows meet the condition; if it was declared before them, alerts are missing")
            expected = []
        }
        // Within one end of a window the order of groups is the stream's own.
        let order = rows.indices.sorted { (key(rows[$0]), $0) < (key(rows[$1]), $1) }
        if order != Array(rows.indices) { finding.differ("alerts are not in the order of their windows") }
        finding.cells += Int64(rows.count * 6)
        // Groups that raise it in one window have no order among them here.
        var left: [[SQLValue]: Int] = [:]
        for raised in expected {
            let (at, start) = (zone.iso(ms: raised.raised), zone.iso(ms: raised.start))
            left[[.text(at), .text(alert.query), .text(start), .real(raised.value)], default: 0] += 1
        }
        func text(_ cells: [SQLValue]) -> String { cells.map(CellText.of).joined(separator: ", ") }
        for row in rows {
            let cells = [row.raised, row.query, row.start, row.value]
            if let count = left[cells] {
                left[cells] = count > 1 ? count - 1 : nil
            } else {
                finding.differ("there should be no alert \(text(cells))")
            }
        }
        for (cells, count) in left {
            for _ in 0..<count { finding.differ("there is no alert \(text(cells)), and should be") }
        }
    }

    /// Each alert that is stored is in the topic once.
    private func compareTopic(_ stored: [SQLValue: [Row]]) -> Finding? {
        guard let topic else { return nil }
        let finding = Finding("topic", topic.name)
        var left: [[SQLValue]: Int] = [:]
        for (name, rows) in stored {
            for row in rows { left[[name, row.query, row.start, row.raised, row.value], default: 0] += 1 }
        }
        func text(_ cells: [SQLValue]) -> String { cells.map(CellText.of).joined(separator: ", ") }
        var others: [[SQLValue]] = []
        for record in topic.records {
            let object = (try? JSONSerialization.jsonObject(with: Data(record))) as? [String: Any] ?? [:]
            let window = object["window"] as? [String: Any] ?? [:]
            let times = [window["start"], window["end"]].map { time in
                // Avro has instants, without the zone's offset.
                let instant = (time as? String).flatMap { $0.hasSuffix("Z") ? RFC3339.parse($0) : nil }
                return instant.map { zone.iso(ms: $0) as Any } ?? time
            }
            let texts = [object["name"], object["query"]] + times
            let value = (object["value"] as? NSNumber)?.doubleValue
            let cells =
                texts.map { ($0 as? String).map(SQLValue.text) ?? .null } + [value.map(SQLValue.real) ?? .null]
            finding.cells += Int64(cells.count)
            if let count = left[cells] { left[cells] = count > 1 ? count - 1 : nil } else { others.append(cells) }
        }
        // What was computed anew has left its first alerts in the topic; they are before the present ones.
        let older = max(0, topic.records.count - stored.values.reduce(0) { $0 + $1.count })
        if !others.isEmpty, left.isEmpty, others.count == older {
            finding.leaveOut(Int64(older), "they are of earlier results, or newer than what was compared")
        } else {
            for cells in others { finding.differ("there should be no alert \(text(cells))") }
        }
        for (cells, _) in left where !topic.isUnderWay {
            finding.differ("there is no alert \(text(cells)), and should be")
        }
        return finding
    }

    private func key(_ row: Row) -> String {
        row.raised.text.flatMap { RFC3339.parse($0) }.map { Self.digits($0) } ?? ""
    }

    private static func digits(_ time: EventTime) -> String {
        let text = "\(time)"
        return String(repeating: "0", count: max(0, 20 - text.count)) + text
    }
}
