internal import Basics
import Time
internal import Database
internal import Problems
public import SQLite

/// What `results.db` keeps of models, besides their answers, which are rows of `ml_results`:
///
///     stored_ml_models   each model: what it sends next, how far it has read its topic, how its service is
///     stored_ml_rows     each row that was answered or set aside: its contents' hash, and which row of `ml_results` is its answer
///     stored_ml_batches  each batch: what was sent, and what became of it; while it is in doubt also its rows and its request, byte by byte
///     stored_ml_outbox   answers that are stored here and not yet known to be in their topic
///
/// They are in one file with the answers since a batch's answers, the rows that they settle and the next batch's intent are one transaction.
/// Made when the first model runs. Used by one thread at a time.
public struct ModelStore {
    /// Stands in the column `run_id` of `ml_results` for all of them; the model's name is its `step`.
    public static let runID = "ml"
    /// Batches of a model whose history is kept.
    private static let keptBatches: Int64 = 10_000

    let connection: Connection

    public init(_ connection: Connection) { self.connection = connection }

    public static func isThere(_ connection: Connection) throws -> Bool { try connection.hasTable("stored_ml_models") }

    /// Makes the tables where they are not there. Inside a transaction.
    func create() throws {
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS stored_ml_models (
                model TEXT PRIMARY KEY, next_batch INTEGER NOT NULL, next_position INTEGER NOT NULL, offsets TEXT,
                view TEXT, view_sql TEXT, passed_ms INTEGER, failures INTEGER NOT NULL, failing_ms INTEGER, open_until_ms INTEGER,
                reason TEXT) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS stored_ml_rows (
                model TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, digest INTEGER, batch INTEGER NOT NULL,
                PRIMARY KEY (model, key)) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS stored_ml_batches (
                model TEXT NOT NULL, batch INTEGER NOT NULL, idempotency_key TEXT NOT NULL, rows INTEGER NOT NULL,
                first_key TEXT NOT NULL, last_key TEXT NOT NULL, state TEXT NOT NULL, sent_ms INTEGER NOT NULL,
                ended_ms INTEGER, attempts INTEGER NOT NULL, reason TEXT, row_keys BLOB, request BLOB,
                PRIMARY KEY (model, batch));
            CREATE TABLE IF NOT EXISTS stored_ml_outbox (
                model TEXT NOT NULL, batch INTEGER NOT NULL, topic TEXT NOT NULL, count INTEGER NOT NULL,
                made_ms INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (model, batch));
            CREATE VIEW IF NOT EXISTS ml_batches AS
            SELECT model, batch, idempotency_key, rows, first_key, last_key, state, \(ViewSQL.isoTime("sent_ms")) AS sent,
                \(ViewSQL.isoTime("ended_ms")) AS ended, attempts, reason
            FROM stored_ml_batches;
            """)
        try ModelErrors.create(connection)
    }

    /// Sees that a model has its row. Inside a transaction.
    func begin(_ model: String) throws {
        try connection.execute(
            "INSERT OR IGNORE INTO stored_ml_models (model, next_batch, next_position, failures) VALUES (?, 1, 1, 0)",
            .text(model))
    }

    /// Makes the view of a model's answers what its declaration says; one of that name that is something else stays. Inside a transaction.
    ///
    /// - Throws: `.configuration` where the name is taken.
    func declareView(_ spec: ModelSpec) throws {
        let known = try connection.text("SELECT view FROM stored_ml_models WHERE model = ?", .text(spec.name))
        let sql = spec.table.map { Self.viewSQL(spec, $0) }
        let kept = try connection.text("SELECT view_sql FROM stored_ml_models WHERE model = ?", .text(spec.name))
        if known == spec.table, kept == sql { return }
        if let known { try connection.execute("DROP VIEW IF EXISTS \(SQLText.name(known))") }
        if let table = spec.table, let sql {
            let taken = try connection.value("SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?)", .text(table))
            guard taken == nil else {
                throw Problem(
                    .configuration,
                    "the table \"\(table)\" of model \"\(spec.name)\" is there already, as something else",
                    hint: "Choose another name under to: {table: …}.")
            }
            try connection.execute(sql)
        }
        try connection.execute(
            "UPDATE stored_ml_models SET view = ?, view_sql = ? WHERE model = ?",
            spec.table.map(SQLValue.text) ?? .null,
            sql.map(SQLValue.text) ?? .null, .text(spec.name))
    }

    private static func viewSQL(_ spec: ModelSpec, _ table: String) -> String {
        let columns = (spec.keyNames + spec.schema.map(\.name)).map { name in
            "json_extract(result, \(SQLText.literal("$.\(SQLText.name(name))"))) AS \(SQLText.name(name))"
        }
        return """
            CREATE VIEW \(SQLText.name(table)) AS
            SELECT \(columns.joined(separator: ", ")), \(ViewSQL.isoTime("made_ms")) AS made
            FROM stored_ml_results WHERE run_id = '\(runID)' AND step = \(SQLText.literal(spec.name))
            """
    }

    // MARK: batches

    /// Takes a batch's number, and writes down that it will be sent. Inside a transaction.
    func intend(_ rows: BatchRows, key: String, request: [UInt8], model: String, now: EventTime) throws -> Int64 {
        let number = try next("next_batch", of: model, adding: 1)
        try connection.execute(
            "INSERT INTO stored_ml_batches VALUES (?, ?, ?, ?, ?, ?, 'sent', ?, NULL, 0, NULL, ?, ?)", .text(model),
            .integer(number), .text(key), .integer(Int64(rows.count)), .text(rows.first), .text(rows.last),
            .integer(now),
            .blob(rows.encoded), .blob(request))
        return number
    }

    /// The batches of a model that were to be sent and of which nothing is known, oldest first.
    func inDoubt(_ model: String) throws -> [IntendedBatch] {
        try connection.rows(
            """
            SELECT batch, idempotency_key, rows, row_keys, request, attempts FROM stored_ml_batches
            WHERE model = ? AND state = 'sent' ORDER BY batch
            """, .text(model)
        ) { row throws(SQLiteError) in
            guard let rows = BatchRows(try row.blob(3)), Int64(rows.count) == row.integer(2) else {
                throw row.damage(3, wanted: "the keys of the batch's rows")
            }
            return IntendedBatch(
                number: try row.integer(0, in: .ids), key: try row.storedText(1), rows: rows, request: try row.blob(4))
        }
    }

    /// Stores the answers of a batch. Inside a transaction.
    func store(
        _ answers: Answers, of batch: IntendedBatch, _ spec: ModelSpec, attempts: Int, now: EventTime,
        message: (_ key: ArraySlice<UInt8>, _ result: [UInt8]) -> Void
    ) throws {
        let rows = try Settling(connection, spec.name, batch.number)
        let insert = try connection.prepare(
            "INSERT OR REPLACE INTO stored_ml_results VALUES ('\(Self.runID)', ?, ?, ?, ?, ?)")
        insert.bind(0, spec.name)
        insert.bind(2, spec.name)
        insert.bind(3, now)
        var position = try next("next_position", of: spec.name, adding: Int64(batch.rows.count))
        var result: [UInt8] = []
        for index in 0..<batch.rows.count {
            let key = batch.rows.key(index)
            result.removeAll(keepingCapacity: true)
            result.append(contentsOf: key.dropLast())
            result.append(UInt8(ascii: ","))
            result.append(contentsOf: answers[index])
            result.append(UInt8(ascii: "}"))
            insert.bind(1, try rows.settle(key, digest: batch.rows.digest(index), new: position))
            try result.withUnsafeBytes { bytes in
                insert.bindBorrowed(4, text: bytes)
                try insert.run()
            }
            message(key, result)
            position += 1
        }
        try end(batch.number, of: spec.name, "answered", attempts: attempts, reason: nil, now: now)
    }

    /// Sets a batch aside: its rows are not sent again until they change, or somebody says so. Inside a transaction.
    func setAside(_ batch: IntendedBatch, model: String, attempts: Int, reason: String, now: EventTime) throws {
        let rows = try Settling(connection, model, batch.number)
        var position = try next("next_position", of: model, adding: Int64(batch.rows.count))
        for index in 0..<batch.rows.count {
            _ = try rows.settle(batch.rows.key(index), digest: batch.rows.digest(index), new: position)
            position += 1
        }
        try end(batch.number, of: model, "set aside", attempts: attempts, reason: reason, now: now)
    }

    private func end(
        _ batch: Int64, of model: String, _ state: String, attempts: Int, reason: String?, now: EventTime
    ) throws {
        try connection.execute(
            """
            UPDATE stored_ml_batches SET state = ?, ended_ms = ?, attempts = attempts + ?, reason = ?, row_keys = NULL, request = NULL
            WHERE model = ? AND batch = ?
            """, .text(state), .integer(now), .integer(Int64(attempts)), reason.map(SQLValue.words) ?? .null,
            .text(model),
            .integer(batch))
        if batch % 1000 == 0 {
            try connection.execute(
                "DELETE FROM stored_ml_batches WHERE model = ? AND batch < ? AND state = 'answered'", .text(model),
                .integer(batch - Self.keptBatches))
        }
    }

    private func next(_ column: String, of model: String, adding count: Int64) throws -> Int64 {
        let statement = try connection.prepare(
            "UPDATE stored_ml_models SET \(column) = \(column) + ? WHERE model = ? RETURNING \(column)")
        try statement.bind([.integer(count), .text(model)])
        guard try statement.step() else { throw connection.damage("table stored_ml_models lacks model \(model)") }
        let end = try statement.integer(0, in: .ids)
        while try statement.step() {}
        return end - count
    }

    /// Forgets which contents rows had, so that they are sent again.
    ///
    /// - Parameter setAside: only those of batches that were set aside.
    /// - Returns: how many.
    public func forget(_ model: String, setAside: Bool) throws -> Int {
        guard try Self.isThere(connection) else { return 0 }
        return try connection.transaction {
            if setAside { return try takeBack(model, after: 0) }
            try connection.execute(
                "UPDATE stored_ml_rows SET digest = NULL WHERE model = ?1 AND digest IS NOT NULL", .text(model))
            let count = connection.changedRows
            try connection.execute(
                "UPDATE stored_ml_batches SET state = 'sent again' WHERE model = ? AND state = 'set aside'",
                .text(model))
            return count
        }
    }

    /// Has the batches sent again that were set aside since the last one that was answered: where so many fail in a row that the service is left
    /// alone, it is the service's fault and not theirs. Inside a transaction.
    ///
    /// - Returns: how many rows.
    func takeBackLatest(_ model: String) throws -> Int {
        let last = try connection.integer(
            "SELECT max(batch) FROM stored_ml_batches WHERE model = ? AND state = 'answered'", .text(model), in: .ids)
        return try takeBack(model, after: last ?? 0)
    }

    private func takeBack(_ model: String, after batch: Int64) throws -> Int {
        try connection.execute(
            """
            UPDATE stored_ml_rows SET digest = NULL WHERE model = ?1 AND digest IS NOT NULL AND batch IN (
                SELECT batch FROM stored_ml_batches WHERE model = ?1 AND state = 'set aside' AND batch > ?2)
            """, .text(model), .integer(batch))
        let count = connection.changedRows
        try connection.execute(
            "UPDATE stored_ml_batches SET state = 'sent again' WHERE model = ? AND state = 'set aside' AND batch > ?",
            .text(model), .integer(batch))
        return count
    }

    // MARK: how the service is

    func passed(_ model: String, offsets: String?, now: EventTime) throws {
        try connection.execute(
            "UPDATE stored_ml_models SET passed_ms = ?, offsets = coalesce(?, offsets) WHERE model = ?", .integer(now),
            offsets.map(SQLValue.text) ?? .null, .text(model))
    }

    func noteService(_ model: String, _ state: CircuitState, now: EventTime) throws {
        try connection.execute(
            """
            UPDATE stored_ml_models SET failures = ?1, open_until_ms = ?2, reason = ?3,
                failing_ms = CASE WHEN ?1 = 0 THEN NULL ELSE coalesce(failing_ms, ?4) END
            WHERE model = ?5
            """, .integer(Int64(state.failures)), state.openUntil.map(SQLValue.integer) ?? .null,
            state.reason.map(SQLValue.words) ?? .null, .integer(now), .text(model))
    }
}

/// Puts rows of a batch among those that are settled.
private struct Settling {
    private let upsert: Statement

    init(_ connection: Connection, _ model: String, _ batch: Int64) throws {
        upsert = try connection.prepare(
            """
            INSERT INTO stored_ml_rows VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (model, key) DO UPDATE SET digest = excluded.digest, batch = excluded.batch RETURNING position
            """)
        upsert.bind(0, model)
        upsert.bind(4, batch)
    }

    /// - Parameter new: the position of a row that is not known yet.
    /// - Returns: the row's position.
    func settle(_ key: ArraySlice<UInt8>, digest: Int64, new: Int64) throws -> Int64 {
        upsert.bind(2, new)
        upsert.bind(3, digest)
        return try key.withUnsafeBytes { bytes in
            upsert.bindBorrowed(1, text: bytes)
            var position = new
            while try upsert.step() { position = try upsert.integer(0, in: .ids) }
            upsert.reset()
            return position
        }
    }
}
