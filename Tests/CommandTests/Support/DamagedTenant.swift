import CommandSupport
import Foundation
import SQLite
import Testing

/// A small tenant in which everything has happened, and copies of it of which something is damaged.
///
/// Default and analytics queries with open windows, messages of the last epoch still in the outbox, dead letters, alerts, months with a
/// vintage, workflow runs that failed and succeeded.
struct DamagedTenant {
    let original: TaxiCLI

    private static let queries = """
        queries:
          - name: paidHours
            window: {tumbling: 1h}
            group: [company, payment_type]
            aggregates: {trips: count(), median: "quantile(fare, 0.5)", least: min(fare), miles: avg(trip_miles), taxis: distinct(taxi_id), spread: stddev(fare)}
        alerts:
          - {name: spike, on: sumFareWindow, if: total_fare > 20, run: note}
          - {name: busy, on: hotspotCommunityPickupWindow, if: count >= 1, cooldown: 10m}
        """
    private static let workflow = """
        name: note
        schedule: "0 3 1 * *"
        start: 2024-01-01
        params: {window_start: "", value: ""}
        steps:
          say: {sh: "echo {{ params.value }}"}
          look: {shell: [sh, -c, "test -e fixed"], needs: [say]}
        """

    init() throws {
        original = try TaxiCLI()
        let taxi = original
        try FileManager.default.createDirectory(
            atPath: "\(taxi.tenantFolder)/workflows", withIntermediateDirectories: true)
        try Self.queries.write(toFile: "\(taxi.tenantFolder)/queries.yaml", atomically: true, encoding: .utf8)
        try Self.workflow.write(
            toFile: "\(taxi.tenantFolder)/workflows/note.yaml", atomically: true, encoding: .utf8)
        try taxi.succeed(
            "data", "generate", "--rows", "400", "--seed", "3", "--from", "2024-01-30", "--to", "2024-02-02",
            "trips.csv")
        let lines = try String(contentsOfFile: taxi("trips.csv"), encoding: .utf8).split(separator: "\n")
        try (lines.prefix(3) + ["\"not\",\"a\",\"trip\""]).joined(separator: "\n").appending("\n")
            .write(toFile: taxi("dirty.csv"), atomically: true, encoding: .utf8)
        try (lines.prefix(2)).joined(separator: "\n").appending("\n")
            .write(toFile: taxi("one.csv"), atomically: true, encoding: .utf8)
        try taxi.succeed("topic", "create", "kept", "--retention", "400d")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        try taxi.succeed("produce", "dirty.csv", "--max", "--clock", "start")
        try streamAndStop(queries: "\(taxi.tenantFolder)/queries.yaml")
        try streamAndStop(queries: "analytics")
        try taxi.succeed("batch", "--vintage", "first", "--quiet")
        _ = try taxi.run("workflow", "run", "note", "--interval", "2024-01")
        _ = try taxi.run("workflow", "trigger", "note")
        try Connection(path: taxi.resultsPath).execute(
            """
            INSERT INTO workflow_schedules VALUES ('note', 1707000000000, 1706000000000);
            INSERT INTO pruned_windows VALUES ('faredistribution', 19700);
            INSERT INTO changed_days VALUES (19753);
            INSERT INTO stored_ml_results VALUES ('20240101T000000000Z-00000000', 's', 0, 'm', 1707000000000, '{}');
            """)
        try leaveMessages()
        try Connection(path: taxi.resultsPath).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try Connection(path: taxi.topicsPath).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// As if the analytics' stream had been killed between the commit of one more epoch and its messages.
    private func leaveMessages() throws {
        let results = try Connection(path: original.resultsPath)
        try results.execute("ATTACH DATABASE ? AS topics", .text(original.topicsPath))
        let stream = "(SELECT json_extract(state, '$.sent.producer') FROM checkpoints WHERE stream = 'taxisOut')"
        try results.execute(
            """
            UPDATE checkpoints SET epoch = epoch + 1, state = json_set(
                state, '$.sentBefore', json(json_extract(state, '$.sent')),
                '$.sent.sequence', json_extract(state, '$.sent.sequence') + 1,
                '$.epoch', json_extract(state, '$.sent.sequence') + 1)
            WHERE json_extract(state, '$.sent.producer') = \(stream)
            """)
        try results.execute(
            """
            INSERT INTO outbox
            SELECT \(stream), (SELECT json_extract(state, '$.sent.sequence') FROM checkpoints WHERE stream = 'taxisOut'),
                name, partition, count, first_time, last_time, encoding, bytes
            FROM topics.batches JOIN topics.partitions USING (slot) JOIN topics.topics ON topics.topics.id = topic_id
                JOIN topics.payloads ON payloads.id = payload_id
            WHERE name LIKE '%taxisOut%' LIMIT 1
            """)
        guard try results.value("SELECT count(*) FROM outbox")?.integer == 1 else {
            throw Unfinished(code: 0, isThere: false, errors: "no message was left")
        }
    }

    /// A continuous stream that is stopped when it has read everything, so that windows stay open.
    private func streamAndStop(queries: String) throws {
        let stream = try original.start(["stream", "--queries", queries, "--epoch-records", "100"])
        let sql = """
            SELECT count(*) FROM checkpoints WHERE json_extract(state, '$.positions.chicago_ingestData.offsets[0]') = 402
            """
        let wanted: Int64 = queries == "analytics" ? 11 : 6
        let isThere = eventually(within: 60) { ((try? original.number(sql)) ?? 0) >= wanted }
        stream.signal(SIGTERM)
        let ending = stream.wait()
        guard isThere, ending.code == 0 || ending.code == 130 else {
            throw Unfinished(code: ending.code, isThere: isThere, errors: ending.errors)
        }
    }

    struct Unfinished: Error { var code: Int32, isThere: Bool, errors: String }

    /// Another home with the same tenant.
    func copy() throws -> TaxiCLI {
        let copy = try TaxiCLI()
        for name in try FileManager.default.contentsOfDirectory(atPath: original.folder) where !name.hasPrefix("run-") {
            try FileManager.default.copyItem(atPath: original(name), toPath: copy(name))
        }
        return copy
    }

    /// Every command that reads or writes what is stored.
    func commands() throws -> [[String]] {
        let views = try original.query("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name").compactMap {
            $0[0].text
        }
        let topics = try original.query("SELECT name FROM topics ORDER BY name", database: original.topicsPath)
            .compactMap {
                $0[0].text
            }
        let run = try original.query("SELECT run_id FROM stored_workflow_runs ORDER BY run_id")[0][0].text ?? ""
        return views.map { ["show", $0] } + topics.map { ["topic", "tail", $0, "--from-beginning"] }
            + topics.prefix(2).map { ["topic", "describe", $0] } + [
                ["status"], ["topic", "list"], ["topic", "tail", "ingestData", "--meta", "-n", "3"], ["show"],
                ["show", "fare_trend", "--format", "table"], ["show", "--diff", "first"],
                ["show", "fare_trend", "--diff", "first"], ["stream", "explain"], ["stream", "--until-end"],
                ["stream", "--until-end", "--queries", "analytics"], ["stream", "--until-end", "--from-beginning"],
                ["produce", "one.csv", "--max", "--clock", "start"],
                ["produce", "dirty.csv", "--max", "--clock", "start", "--resume"], ["batch"],
                ["batch", "--vintage", "second"], ["batch", "--retain-windows", "1d"], ["batch", "--list"],
                ["report", "report.html"], ["audit"], ["audit", "--queries", "analytics"],
                ["dead-letter", "list"], ["dead-letter", "show"], ["alert", "list"], ["alert", "history"],
                ["alert", "test", "spike"], ["alert", "test", "busy"], ["workflow", "list"], ["workflow", "runs"],
                ["workflow", "runs", "note"], ["workflow", "show", "note"], ["workflow", "logs", run, "say"],
                ["workflow", "retry", run], ["workflow", "run", "note", "--interval", "2024-02"],
                ["workflow", "trigger", "note"], ["workflow", "next", "note"], ["workflow", "cancel", run],
                ["workflow", "backfill", "note", "--from", "2024-01-01", "--to", "2024-03-01", "--dry-run"],
                ["tenant", "show", "chicago"], ["tenant", "list"], ["config"], ["doctor"],
                ["topic", "delete", "kept", "--yes"],
                ["topic", "create", "other"],
            ]
    }
}

/// One thing that is damaged, as a change of one of the two databases.
struct Damage: CustomStringConvertible {
    var isTopics: Bool
    var table: String
    var column: String
    /// What the column is set to in each row that can take it: an SQL expression, of the column's own value for instance.
    var value: String

    var description: String { "\(isTopics ? "topics" : "results").db: \(table).\(column) = \(value)" }

    /// Changes the database of a copy.
    func apply(to taxi: TaxiCLI) throws {
        let connection = try Connection(path: isTopics ? taxi.topicsPath : taxi.resultsPath)
        // What a damaged file holds asks for no constraint.
        try connection.execute(
            """
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table' AND name = '\(table)';
            PRAGMA writable_schema = RESET;
            """)
        do throws(SQLiteError) {
            try connection.execute("UPDATE OR IGNORE \"\(table)\" SET \"\(column)\" = \(value)")
        } catch {
            // An integer key takes integers alone.
            guard error.code == .constraint || error.message.contains("mismatch") else { throw error }
        }
        try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    static func all(of original: TaxiCLI) throws -> [Damage] {
        var all: [Damage] = []
        for isTopics in [false, true] {
            let path = isTopics ? original.topicsPath : original.resultsPath
            let columns = try original.query(
                """
                SELECT t.name, c.name, c.type, t.sql LIKE '%' || c.name || ' INTEGER PRIMARY KEY%'
                FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
                WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid
                """, database: path)
            for row in columns {
                let (table, column) = (row[0].text ?? "", row[1].text ?? "")
                var values = ["-9223372036854775808", "9223372036854775807", "0", "-1"]
                if row[3] != 1 { values += ["NULL", "'damaged'", "x'00ff80'", "1.5", "'9'"] }
                if row[2] == "TEXT" || column == "state" {
                    values += texts
                    let isJSON =
                        try original.number(
                            "SELECT count(*) FROM \"\(table)\" WHERE json_valid(\"\(column)\") AND substr(\"\(column)\", 1, 1) = '{'",
                            database: path) > 0
                    if isJSON { values += try jsonValues(table, column, original, path) }
                }
                all += values.map { Damage(isTopics: isTopics, table: table, column: column, value: $0) }
            }
        }
        return all
    }

    private static let texts = [
        "''", "'{'", "'{}'", "'[]'", "'{\"1\":\"x\"}'", "'{\"x\":1}'", "'{\"9223372036854775807\":1}'",
        "'{\"0\":9223372036854775807}'", "'{\"0\":-9223372036854775808}'", "'{\"0\":1e300}'",
        "'{\"0\":[9223372036854775807,9223372036854775807,9223372036854775807]}'", "'{\"999999\":[1,1,1]}'",
        "'{\"-9223372036854775808\":1}'",
    ]

    /// Each number of a JSON text at the ends of its range, and as a text.
    private static func jsonValues(
        _ table: String, _ column: String, _ original: TaxiCLI, _ path: String
    ) throws -> [String] {
        let paths = try original.query(
            """
            SELECT DISTINCT j.fullkey FROM (SELECT "\(column)" AS text FROM "\(table)" WHERE json_valid("\(column)") LIMIT 3) AS t,
            json_tree(t.text) AS j WHERE j.atom IS NOT NULL LIMIT 12
            """, database: path
        ).compactMap { $0[0].text }
        return paths.flatMap { path in
            ["9223372036854775807", "-9223372036854775808", "'x'"].map { value in
                "iif(json_valid(\"\(column)\"), json_set(\"\(column)\", '\(path.split(separator: "'").joined(separator: "''"))', \(value)), \"\(column)\")"
            }
        }
    }
}
