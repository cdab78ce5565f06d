import Basics
import Database
import Problems
import SQLite
import Time

/// Takes back what the epochs of one query have changed since one of them. Inside a transaction.
struct QueryUndo {
    let plan: QueryPlan
    /// Before it is taken back.
    let current: QueryCheckpoint
    let history: StoredHistory
    /// The epoch whose results are there again.
    let target: Int64
    private(set) var report: RewindReport.Query

    private let zone: ZoneClock
    private let connection: Connection
    private let ledger: Ledger
    private var tables: [EpochHistory.Code: Table] = [:]
    /// Rows that were put back: what an epoch before another one took away was there first.
    private var seen: Set<[UInt8]> = []
    private var days: Set<Int64> = []
    private var epochsOfRuns: [String: Int64] = [:]
    private let pruned: [Range<EventTime>]

    /// The statements of a table that goes back.
    private struct Table {
        let name: String
        let columns: Int
        let select: Statement
        let delete: Statement
        let insert: Statement
    }

    init(
        _ plan: QueryPlan, _ current: QueryCheckpoint, _ history: StoredHistory, to target: Int64, zone: ZoneClock,
        on connection: Connection
    ) throws {
        (self.plan, self.current, self.history, self.target) = (plan, current, history, target)
        (self.zone, self.connection) = (zone, connection)
        ledger = try Ledger(connection)
        report = RewindReport.Query(query: plan.name, topic: "", fromEpoch: current.epoch, toEpoch: target)
        pruned =
            try PrunedWindows([plan], zone: zone, on: connection, known: PrunedWindows()).ranges[plan.table] ?? []
        for code in EpochHistory.Code.allCases {
            guard let name = code.table(of: plan), try connection.hasTable(name) else { continue }
            let names = try connection.rows("SELECT name FROM pragma_table_info(?)", .text(name)) {
                row throws(SQLiteError) in SQLText.name(try row.storedText(0))
            }
            let key = names.prefix(code.keyColumns).map { "\($0) = ?" }.joined(separator: " AND ")
            let marks = Array(repeating: "?", count: names.count).joined(separator: ", ")
            tables[code] = Table(
                name: name, columns: names.count,
                select: try connection.prepare("SELECT * FROM \(name) WHERE \(key)"),
                delete: try connection.prepare("DELETE FROM \(name) WHERE \(key)"),
                insert: try connection.prepare("INSERT OR REPLACE INTO \(name) VALUES (\(marks))"))
        }
    }

    /// - Parameter shared: takes what was counted for several queries together.
    mutating func run(_ shared: inout SharedAdditions) throws {
        try noteAlerts()
        let target = target
        try history.forEachSection(after: target) { section in
            epochsOfRuns[section.run, default: 0] += 1
            try undo(section, &shared)
        }
        for (run, epochs) in epochsOfRuns {
            try ledger.add(
                epochs, to: .init(runID: run, kind: Self.kind, source: "", query: plan.name, counter: "epochs"))
        }
        for day in days { try connection.execute("INSERT OR IGNORE INTO changed_days VALUES (?)", .integer(day)) }
        try finishAlerts()
    }

    /// Of entries of the ledger: what a rewind has taken back of what a run had counted.
    static let kind = "rewound"

    /// How far the query has read each source, now or before an earlier rewind.
    func reached() throws -> [String: QueryCheckpoint.SourcePosition] {
        var reached = current.positions
        for (source, before) in try RewoundResults(connection: connection).last(plan.name)?.positions ?? [:] {
            guard var now = reached[source] else {
                reached[source] = before
                continue
            }
            for (partition, offset) in before.offsets.enumerated() where partition < now.offsets.count {
                now.offsets[partition] = max(now.offsets[partition], offset)
            }
            reached[source] = now
        }
        return reached
    }

    // MARK: One epoch

    private mutating func undo(_ section: StoredHistory.Section, _ shared: inout SharedAdditions) throws {
        var reader = section.entries
        var additions: [SharedAdditions.Addition] = []
        while !reader.isAtEnd {
            guard let code = EpochHistory.Code(rawValue: try reader.byte()), let table = tables[code] else {
                throw RowValues.Malformed()
            }
            let kind = try reader.byte()
            let count = Int(try reader.byte())
            guard count == (kind == 1 ? table.columns : code.keyColumns) else { throw RowValues.Malformed() }
            let start = reader.offset
            var values: [SQLValue] = []
            var key: ArraySlice<UInt8> = []
            for index in 0..<count {
                values.append(try reader.value())
                if index + 1 == code.keyColumns { key = reader.bytes(from: start) }
            }
            switch kind {
            case 0, 1:
                guard seen.insert([code.rawValue] + key).inserted else { continue }
                try putBack(values, isThere: kind == 1, code, table)
            case 2 where code == .ledger:
                let delta = try reader.signed()
                guard ClosedRange.counts.contains(delta) else { throw RowValues.Malformed() }
                additions.append(.init(key: values, value: delta))
            default: throw RowValues.Malformed()
            }
        }
        shared.add(additions, of: section)
    }

    /// - Parameter values: of the row as it was, or of its key where it was not there.
    private mutating func putBack(_ values: [SQLValue], isThere: Bool, _ code: EpochHistory.Code, _ table: Table) throws
    {
        guard isOwn(values, code) else { throw RowValues.Malformed() }
        let key = values.prefix(code.keyColumns)
        switch code {
        case .rows: try noteRow(values, isThere: isThere, table)
        case .ledger: try noteLedger(values, isThere: isThere, table)
        case .checkpoint where !isThere: throw RowValues.Malformed()
        default: break
        }
        let statement = isThere ? table.insert : table.delete
        try statement.bind(isThere ? values : Array(key))
        try statement.run()
    }

    /// Whether a row is the query's, where that stands in it.
    private func isOwn(_ values: [SQLValue], _ code: EpochHistory.Code) -> Bool {
        switch code {
        case .checkpoint, .ahead, .unknownSchema: values[0].text == plan.name
        case .late: values[1].text == plan.name
        case .ledger: values[4].text == plan.name
        case .alerts: values.count < 4 || values[3].text == plan.name
        case .rows, .keys: values[0].integer != nil
        case .alertStates: values[0].text != nil
        }
    }

    private mutating func noteRow(_ values: [SQLValue], isThere: Bool, _ table: Table) throws {
        guard let id = values[0].integer else { throw RowValues.Malformed() }
        report.rows += 1
        guard plan.window.isWindowed else {
            if plan.groups == [.day] {
                guard ClosedRange.days.contains(id) else { throw RowValues.Malformed() }
                days.insert(id)
            }
            return
        }
        guard ClosedRange.times.contains(id) else { throw RowValues.Malformed() }
        if let gone = pruned.first(where: { $0.contains(id) }) {
            throw Problem(
                .configuration,
                "windows of \(Calendar.text(ofDay: zone.localDay(ofMs: gone.lowerBound))), which query \"\(plan.name)\" has changed since then, were removed by --retain-windows",
                hint: "Choose a later time: what was removed cannot be put back.")
        }
        days.insert(Int64(zone.localDay(ofMs: id)))
        let before = isThere ? values[1].integer ?? 0 : 0
        table.select.bind(0, id)
        defer { table.select.reset() }
        guard try table.select.step() else { return }
        let revision = try table.select.integer(1, in: .counts)
        guard revision > before else { return }
        report.closedWindows += 1
        try connection.execute(
            """
            INSERT INTO rewound_windows VALUES (?, ?, ?)
            ON CONFLICT (query, window_start_ms) DO UPDATE SET revision = max(revision, excluded.revision)
            """, .text(plan.name), .integer(id), .integer(revision))
    }

    private mutating func noteLedger(_ values: [SQLValue], isThere: Bool, _ table: Table) throws {
        guard let run = values[0].text, values[1].text == "stream", let source = values[2].text,
            let partition = values[3].integer, let counter = values[5].text
        else { throw RowValues.Malformed() }
        for (index, value) in values.prefix(6).enumerated() { table.select.bind(index, value) }
        defer { table.select.reset() }
        let now = try table.select.step() ? try table.select.integer(6, in: .counts) : 0
        let taken = now - (isThere ? values[6].integer ?? 0 : 0)
        guard ClosedRange.counts.contains(taken), (-1...9_999).contains(partition) else { throw RowValues.Malformed() }
        if taken == 0 { return }
        if ["aggregated", "late", "skipped", "filtered"].contains(counter) { report.records += taken }
        try ledger.add(
            taken,
            to: .init(
                runID: run, kind: Self.kind, source: source, partition: Int(partition), query: plan.name,
                counter: counter))
    }

    // MARK: Alerts

    /// Keeps all alerts aside; those that are there in the end are not withdrawn.
    private func noteAlerts() throws {
        try connection.execute("DROP TABLE IF EXISTS temp.alerts_before")
        try connection.execute(
            "CREATE TEMP TABLE alerts_before AS SELECT * FROM main.stored_alerts WHERE query = ?", .text(plan.name))
    }

    private mutating func finishAlerts() throws {
        // What has started a workflow has, whatever the row said when it was changed.
        try connection.execute(
            """
            UPDATE stored_alerts SET run_id = (SELECT run_id FROM temp.alerts_before AS b WHERE b.alert_id = stored_alerts.alert_id)
            WHERE query = ? AND run_id IS NULL AND EXISTS (SELECT 1 FROM temp.alerts_before AS b
                WHERE b.alert_id = stored_alerts.alert_id AND b.run_id IS NOT NULL)
            """, .text(plan.name))
        let withdrawn =
            "FROM temp.alerts_before AS b WHERE NOT EXISTS (SELECT 1 FROM main.stored_alerts AS a WHERE a.alert_id = b.alert_id)"
        report.alerts = try connection.integer("SELECT count(*) \(withdrawn)", in: .counts) ?? 0
        report.workflowRuns = try connection.rows("SELECT run_id \(withdrawn) AND run_id IS NOT NULL ORDER BY run_id") {
            row throws(SQLiteError) in try row.storedText(0)
        }
        try connection.execute(
            """
            INSERT OR REPLACE INTO rewound_alerts (name, window_start_ms, group_id, query, value, params, run_id)
            SELECT name, window_start_ms, coalesce(group_id, 0), query, value, params, run_id \(withdrawn)
            """)
        try connection.execute("DROP TABLE temp.alerts_before")
    }
}

/// What was counted once for several queries that ran together: it is taken back where all of them go back.
struct SharedAdditions {
    struct Addition {
        /// Of the ledger's row.
        var key: [SQLValue]
        var value: Int64
    }

    private struct Epoch: Hashable {
        var producer: String
        var sequence: Int64
    }

    private var found: [Epoch: (queries: Int, additions: [Addition])] = [:]

    mutating func add(_ additions: [Addition], of section: StoredHistory.Section) {
        guard !additions.isEmpty else { return }
        let epoch = Epoch(producer: section.producer, sequence: section.sequence)
        found[epoch, default: (0, additions)].queries += 1
    }

    func takeBack(on connection: Connection) throws {
        let ledger = try Ledger(connection)
        for (epoch, (queries, additions)) in found where CopyCheck.queries(of: epoch.producer).count == queries {
            for addition in additions {
                guard let run = addition.key[0].text, addition.key[1].text == "stream",
                    let source = addition.key[2].text,
                    let partition = addition.key[3].integer, (-1...9_999).contains(partition),
                    addition.key[4].text == "", let counter = addition.key[5].text
                else { throw connection.damage("table epoch_history: an entry of the ledger is malformed") }
                let row =
                    "run_id = ? AND kind = 'stream' AND source = ? AND partition = ? AND query = '' AND counter = ?"
                let values: [SQLValue] = [.text(run), .text(source), .integer(partition), .text(counter)]
                let take = try connection.prepare("UPDATE ledger SET value = value - ? WHERE \(row)")
                try take.bind([.integer(addition.value)] + values)
                try take.run()
                let remove = try connection.prepare("DELETE FROM ledger WHERE \(row) AND value <= 0")
                try remove.bind(values)
                try remove.run()
                try ledger.add(
                    addition.value,
                    to: .init(
                        runID: run, kind: QueryUndo.kind, source: source, partition: Int(partition), counter: counter))
            }
        }
    }
}
