internal import Basics
internal import Database
internal import Problems
internal import SQLite

/// How far a model's answers are from what came, beside those of a simple model: the view `ml_errors`.
///
/// Written anew by each pass where it changed: for all rows together (`dimension` is `all`), and by each column that `compare` names.
struct ModelErrors {
    let spec: ModelSpec
    let compare: ModelSpec.Compare
    let connection: Connection

    /// Inside a transaction.
    static func create(_ connection: Connection) throws {
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS stored_ml_errors (
                model TEXT NOT NULL, dimension TEXT NOT NULL, value TEXT NOT NULL, rows INTEGER NOT NULL, actual REAL NOT NULL,
                mae REAL NOT NULL, wape REAL, baseline TEXT, baseline_mae REAL, baseline_wape REAL,
                PRIMARY KEY (model, dimension, value)) WITHOUT ROWID;
            CREATE VIEW IF NOT EXISTS ml_errors AS
            SELECT model, dimension, value, rows, actual, mae, wape, baseline, baseline_mae, baseline_wape,
                mae > baseline_mae AS worse FROM stored_ml_errors;
            """)
    }

    private typealias Row = [SQLValue]

    /// - Throws: `.configuration` for SQL that cannot be run.
    func update() throws {
        var rows: [Row] = []
        do {
            // One statement, which only reads, before it becomes a part of another.
            _ = try connection.query(compare.actual, selects: true)
            try connection.snapshot {
                for dimension in [nil] + compare.by.map(Optional.init) { rows += try errors(by: dimension) }
            }
        } catch let mistake as SQLMistake {
            throw Problem(
                .configuration,
                "model \"\(spec.name)\": what its answers are compared with is no query: \(mistake.message)")
        } catch let error as SQLiteError where error.code == .statement {
            throw Problem(
                .configuration, "model \"\(spec.name)\": its answers cannot be compared: \(error.message)",
                hint: "The query under compare: has to give the key's columns, \"actual\" and the columns of by:.")
        }
        let before = try connection.rows(
            """
            SELECT dimension, value, rows, actual, mae, wape, baseline, baseline_mae, baseline_wape FROM stored_ml_errors
            WHERE model = ? ORDER BY dimension, value
            """, .text(spec.name)
        ) { row throws(SQLiteError) in (0..<9).map(row.value) }
        rows.sort { ($0[0].text ?? "", $0[1].text ?? "") < ($1[0].text ?? "", $1[1].text ?? "") }
        if Set(before) == Set(rows) { return }
        try connection.transaction {
            try connection.execute("DELETE FROM stored_ml_errors WHERE model = ?", .text(spec.name))
            let insert = try connection.prepare("INSERT INTO stored_ml_errors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            for row in rows {
                try insert.bind([.text(spec.name)] + row)
                try insert.run()
            }
        }
    }

    private func errors(by dimension: String?) throws -> [Row] {
        let path = SQLText.literal("$.\(SQLText.name(compare.field))")
        let key = spec.keyNames.map { "\(SQLText.literal($0)), \(SQLText.name($0))" }.joined(separator: ", ")
        // As `RowWriter` writes keys, so that both tables are asked through their own keys.
        func join(_ model: String, _ rows: String, _ results: String, _ kind: String) -> String {
            """
            \(kind) JOIN stored_ml_rows AS \(rows) ON \(rows).model = \(SQLText.literal(model)) AND \(rows).key = a.ml_key
            \(kind) JOIN stored_ml_results AS \(results) ON \(results).run_id = '\(ModelStore.runID)'
                AND \(results).step = \(SQLText.literal(model)) AND \(results).position = \(rows).position
            """
        }
        var inner = compare.actual[...]
        while let last = inner.last, last == ";" || last.isWhitespace { inner.removeLast() }
        let value = dimension.map { "CAST(\(SQLText.name($0)) AS TEXT)" } ?? "'all'"
        // Both models over the same rows: one that answers fewer is not the better one.
        let sql = """
            WITH a AS MATERIALIZED (SELECT *, json_object(\(key)) AS ml_key FROM (\(inner)
            )), c AS MATERIALIZED (
                SELECT a.*, json_extract(fs.result, \(path)) AS ml_f, json_extract(bs.result, \(path)) AS ml_b FROM a
                \(join(spec.name, "fr", "fs", "CROSS"))
                \(join(compare.baseline ?? "", "br", "bs", compare.baseline == nil ? "LEFT" : "CROSS")))
            SELECT \(value), count(*), CAST(sum(actual) AS REAL), avg(abs(ml_f - actual)),
                sum(abs(ml_f - actual)) * 1.0 / nullif(sum(abs(actual)), 0), avg(abs(ml_b - actual)),
                sum(abs(ml_b - actual)) * 1.0 / nullif(sum(abs(actual)), 0)
            FROM c WHERE actual IS NOT NULL AND ml_f IS NOT NULL GROUP BY 1 HAVING count(*) > 0
            """
        let name = dimension ?? "all"
        return try connection.rows(sql) { row throws(SQLiteError) in
            [
                .text(name), .text(row.text(0)), row.value(1), row.value(2), row.value(3), row.value(4),
                compare.baseline.map(SQLValue.text) ?? .null, row.value(5), row.value(6),
            ]
        }
    }
}
