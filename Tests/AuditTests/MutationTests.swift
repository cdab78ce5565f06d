import Batch
import Database
import Foundation
import Problems
import SQLite
import Stream
import Testing
import Trips

@testable import Audit

/// Whatever changes what people read is found: each column of each table of a results.db is changed in turn, and where a public view then
/// shows anything else, the audit has to say so.
@Suite struct MutationTests {
    /// What a view shows and nothing else knows: the only record of what somebody did, or of what a model said.
    private static let onlyWitnesses: Set<String> = [
        // When a run ended, by the clock of the machine.
        "run_records.ended_ms",
        // What a run says of itself besides the records that it counted, such as how many days a batch had to read.
        "run_records.summary",
        // Whether an alert has begun a run; one that it names has to be there.
        "stored_alerts.run_id",
        // Who ran which workflow when, for which interval, and how it went.
        "stored_workflow_runs.workflow", "stored_workflow_runs.interval_start_ms",
        "stored_workflow_runs.interval_end_ms", "stored_workflow_runs.started_ms", "stored_workflow_runs.ended_ms",
        "stored_workflow_steps.step", "stored_workflow_steps.attempt", "stored_workflow_steps.started_ms",
        "stored_workflow_steps.ended_ms", "stored_workflow_steps.error",
        // What was measured while a stream ran.
        "stored_sources.lag_seconds", "stored_sources.rate_in", "stored_sources.rate_processed",
        "stored_sources.clear_seconds", "stored_sources.trend", "stored_sources.updated_ms",
        // Listed as not compared.
        "stored_ml_results.run_id", "stored_ml_results.step", "stored_ml_results.position", "stored_ml_results.model",
        "stored_ml_results.made_ms", "stored_ml_results.result",
    ]

    @Test func whatPeopleReadIsCompared() throws {
        let tenant = try AuditedTenant()
        let plans = try Self.fill(tenant)
        let original = try Self.copy(of: tenant)
        let right = try Self.audit(original, plans, tenant)
        #expect(right.first == [])
        #expect(right.leftOut.map(\.name) == ["ml_results"])
        let connection = try Connection(path: original)
        let before = try Self.dump(connection)
        var (changed, unseen): (Int, Set<String>) = (0, [])
        for change in try Self.changes(of: connection) {
            // What a table's own constraints refuse nobody can read.
            try connection.execute("SAVEPOINT change")
            let isSeen = try change.apply(to: connection) && Self.dump(connection) != before
            try connection.execute("ROLLBACK TO change")
            try connection.execute("RELEASE change")
            guard isSeen else { continue }
            let path = tenant.path + "/changed.db"
            try? FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: original, toPath: path)
            defer {
                for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
            }
            _ = try change.apply(to: Connection(path: path))
            changed += 1
            do {
                if try Self.audit(path, plans, tenant).differences == 0 { unseen.insert(change.column) }
            } catch let problem as Problem {
                #expect(problem.code == .badData, "\(change): \(problem.message)")
            }
        }
        // Of each table that people see something.
        #expect(changed > 100)
        #expect(unseen == Self.onlyWitnesses)
    }

    // MARK: a tenant with some of everything

    private static func fill(_ tenant: AuditedTenant) throws -> [QueryPlan] {
        let file = tenant.path + "/queries.yaml"
        try """
        queries:
          - name: cashByCompany
            where: company is not null and fare > 2.00
            group: [company, pickup_community_area]
            window: {sliding: 10m, every: 2m}
            aggregates: {trips: count(), dearest: max(fare), least: min(tips), miles: avg(trip_miles), p90: quantile(fare, 0.9), uneven: stddev(trip_miles), places: distinct(pickup_centroid_location)}
            emit: append
          - name: days
            window: {tumbling: day}
            aggregates: {trips: count(), p10: quantile(fare, 0.1), known: count(tips), spread: stddev(fare), companies: distinct(company)}
            emit: update
        alerts:
          - {name: busy, on: sumFareWindow, if: total_fare > 20, for: 1 windows, cooldown: 20s, run: look}
        """.write(toFile: file, atomically: true, encoding: .utf8)
        // Of the four that come with taxi-cli one by a text and one by a number.
        let plans = try QueryCatalog.load(userFile: file, analytics: true)
            .filter { !["companyByDay", "pickupAreaByDay"].contains($0.name) }
        let own = try DeclaredAnalysis.parse(
            """
            -- name: companies
            -- by: month, year
            -- columns: company, trips, dearest, fare, median, companies
            SELECT company, sum(c.trips) AS trips, max(dearest) AS dearest,
              (SELECT sum(fare_total) FROM tripstotal WHERE day >= :from AND day < :until) AS fare,
              (SELECT fare_p50 FROM fare_trend WHERE period_kind = :kind AND period = :period) AS median,
              (SELECT distinct_count(companies_sketch) FROM stored_days) AS companies
            FROM cashbycompany AS c WHERE window_start >= :from AND window_start < :until GROUP BY company ORDER BY company
            """, file: "companies.sql")
        var declared = [own]
        for text in ShippedAnalyses.texts {
            let shipped = try DeclaredAnalysis.parse(text, file: "shipped")
            if ["payment_mix", "hour_mix", "taxis_out"].contains(shipped.name) { declared.append(shipped) }
        }
        try tenant.produce(
            Trip.random(30, spanMs: 150_000, seed: 40)
                + Trip.random(30, from: origin + 86_400_000, spanMs: 150_000, seed: 41))
        try tenant.stream(plans)
        try tenant.batch(declared, vintage: "first")
        let instants = "\(origin), \(origin + 1000)"
        try tenant.execute(
            """
            INSERT INTO stored_workflow_runs
              (run_id, workflow, interval_start_ms, interval_end_ms, trigger, state, started_ms, ended_ms, params, file, pid, process_start)
            VALUES ('r1', 'look', \(instants), 'alert', 'success', \(instants), '{}', 'look.yaml', 1, '');
            INSERT INTO stored_workflow_steps (run_id, step, attempt, state, started_ms, ended_ms, error)
            VALUES ('r1', 'one', 1, 'failed', \(instants), 'broken');
            INSERT INTO stored_ml_results VALUES ('r1', 'two', 1, 'model', \(origin), '{}');
            UPDATE stored_alerts SET run_id = 'r1' WHERE alert_id = 1;
            """)
        return plans
    }

    private static func copy(of tenant: AuditedTenant) throws -> String {
        let path = tenant.path + "/original.db"
        try tenant.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try FileManager.default.copyItem(atPath: tenant.path + "/results.db", toPath: path)
        return path
    }

    private static func audit(_ path: String, _ plans: [QueryPlan], _ tenant: AuditedTenant) throws -> AuditReport {
        try Auditor(
            plans: plans, options: AuditOptions(tenant: "chicago", zone: tenant.zone),
            database: ResultsDatabase.openReadOnly(path: path), store: tenant.store,
            source: .topic(AuditedTenant.topic, from: nil)
        ).run()
    }

    /// All that the public views show, as SQLite writes it, or why they show nothing.
    private static func dump(_ connection: Connection) throws -> [String: String] {
        let views = try connection.rows("SELECT name FROM sqlite_schema WHERE type = 'view'") { $0.text(0) }
        return views.reduce(into: [:]) { dump, view in
            do throws(SQLiteError) {
                let columns = try connection.rows("SELECT name FROM pragma_table_info(?)", .text(view)) {
                    row throws(SQLiteError) in "quote(\"\(row.text(0))\")"
                }
                let row = columns.joined(separator: " || ',' || ")
                dump[view] = try connection.value("SELECT group_concat(\(row), char(10)) FROM \"\(view)\"")?.text
            } catch {
                dump[view] = error.message
            }
        }
    }

    // MARK: changes

    private struct Change: CustomStringConvertible {
        var table: String
        var name: String
        /// What singles the row out, and by which values.
        var condition: String
        var key: [SQLValue]
        var value: SQLValue

        var column: String { "\(table).\(name)" }
        var description: String { "\(column) = \(value) where \(condition) \(key)" }

        /// False where a constraint does not let it.
        func apply(to connection: Connection) throws -> Bool {
            let statement = try connection.prepare("UPDATE \(table) SET \"\(name)\" = ? WHERE \(condition)")
            try statement.bind([value] + key)
            do throws(SQLiteError) { try statement.run() } catch { return false }
            return connection.changedRows > 0
        }
    }

    /// For each column of each table: of the first and of the last row a near value, one of another type, and none.
    private static func changes(of connection: Connection) throws -> [Change] {
        let tables = try connection.rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        ) { $0.text(0) }
        return try tables.flatMap { table in
            let columns = try connection.rows(
                "SELECT name, pk FROM pragma_table_info(?)", .text(table)
            ) { (name: $0.text(0), isKey: $0.integer(1) > 0) }
            let keys = columns.filter(\.isKey).map { "\"\($0.name)\"" }
            let key = keys.isEmpty ? ["rowid"] : keys
            let list = (key + columns.map { "\"\($0.name)\"" }).joined(separator: ", ")
            return try ["ASC", "DESC"].flatMap { direction -> [Change] in
                let order = key.map { "\($0) \(direction)" }.joined(separator: ", ")
                let rows = try connection.rows("SELECT \(list) FROM \(table) ORDER BY \(order) LIMIT 1") { row in
                    (0..<row.columnCount).map(row.value)
                }
                guard let row = rows.first else { return [] }
                return columns.enumerated().flatMap { index, column -> [Change] in
                    let others: [SQLValue] = direction == "ASC" ? [.text("x"), .null] : []
                    return ([near(row[key.count + index])] + others).map { value in
                        Change(
                            table: table, name: column.name,
                            condition: key.map { "\($0) IS ?" }.joined(separator: " AND "),
                            key: Array(row[..<key.count]), value: value)
                    }
                }
            }
        }
    }

    private static func near(_ value: SQLValue) -> SQLValue {
        switch value {
        case .null: .integer(1)
        case .integer(let value): .integer(value == .min ? value + 1 : value < .max ? value + 1 : value - 1)
        case .real(let value): .real(value.nextUp == value ? 0 : value * 1.0001 + 0.01)
        // Another digit or letter at the end, which keeps JSON what it is where it can.
        case .text(let text) where text.hasSuffix("}"): .text(nearJSON(text))
        case .text(let text): .text(text + "1")
        case .blob(let bytes): .blob(bytes + [0])
        }
    }

    /// The first number of a JSON text, one more.
    private static func nearJSON(_ text: String) -> String {
        guard let colon = text.firstIndex(of: ":"),
            let start = text[colon...].firstIndex(where: { $0.isNumber }),
            let end = text[start...].firstIndex(where: { !$0.isNumber }), let number = Int(text[start..<end])
        else { return text + " " }
        return text[..<start] + "\(number + 1)" + text[end...]
    }
}
