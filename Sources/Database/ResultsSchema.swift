import Problems
import SQLite
import Trips

/// The tables of `results.db` that are there whatever queries run: an SQLite database in WAL mode, `application_id` "taxR".
///
/// `user_version` counts the migrations below that have been applied. Streams add `stored_<view>`, `keys_<view>` and their public
/// views, and the analytics theirs.
enum ResultsSchema {
    /// "taxR"
    static let applicationID: Int64 = 0x7461_7852
    static var version: Int64 { Int64(migrations.count) }

    /// The version of the tables in a database, 0 for an empty one.
    ///
    /// - Throws: `.badData` for a database of something else, `.configuration` for one of a newer taxi-cli.
    static func found(in connection: Connection) throws -> Int64 {
        let found = try connection.value("PRAGMA user_version")?.integer ?? 0
        if found == 0, try connection.value("SELECT count(*) FROM sqlite_schema")?.integer == 0 { return 0 }
        guard try connection.value("PRAGMA application_id")?.integer == applicationID else {
            throw Problem(
                .badData, "\"\(connection.path)\" is a database, but holds no results",
                hint: "Move it away, or choose another home with --home.")
        }
        guard found >= 0 else { throw connection.damage("its version is \(found)") }
        guard found <= version else {
            throw Problem(
                .configuration, "\"\(connection.path)\" was written by a newer taxi-cli (results version \(found))",
                hint: "Use that newer taxi-cli, or another home with --home.")
        }
        return found
    }

    /// Brings a database to the present version; runs inside a transaction.
    static func migrate(_ connection: Connection, from found: Int64) throws {
        if found == 0 { try connection.execute("PRAGMA application_id=\(applicationID)") }
        for migration in migrations[Int(found)...] { try migration(connection) }
        try connection.execute("PRAGMA user_version=\(version)")
    }

    /// Each brings the tables one version further; never changed once it was released.
    private static let migrations: [@Sendable (Connection) throws -> Void] = [
        { connection in
            try connection.execute(firstTables)
        },
        { connection in try connection.execute(workflowTables) },
        { connection in try connection.execute(alertTables) },
        { connection in try connection.execute(schedulerTables) },
        renewFareBuckets,
        { connection in try connection.execute(scheduleStarts) },
        { connection in try connection.execute(sentMessages) },
        { connection in try connection.execute(alertRevisions) },
        { connection in
            try requireFree("sources", on: connection)
            try connection.execute(sources)
        },
        { connection in
            for name in ["epoch_history", "rewinds", "rewound_windows", "rewound_alerts"] {
                try requireFree(name, on: connection)
            }
            try connection.execute(history)
        },
    ]

    private static let history = """
        -- What epochs of a query have changed, packed, the latest of them last: see EpochHistory.
        CREATE TABLE epoch_history (
            query TEXT NOT NULL, last_epoch INTEGER NOT NULL, before_epoch INTEGER NOT NULL, epochs INTEGER NOT NULL,
            first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, checksum INTEGER NOT NULL, changes BLOB NOT NULL,
            PRIMARY KEY (query, last_epoch));
        CREATE INDEX epoch_history_by_time ON epoch_history (query, last_ms);

        -- A query's way back: from_epoch were its results before, to_epoch those that it has again, epoch the number of the rewind itself.
        -- positions (JSON) is how far it had read its sources, ends (JSON) where its output topic ended.
        CREATE TABLE rewinds (
            run_id TEXT NOT NULL, query TEXT NOT NULL, made_ms INTEGER NOT NULL, from_epoch INTEGER NOT NULL,
            to_epoch INTEGER NOT NULL, epoch INTEGER NOT NULL, positions TEXT NOT NULL, ends TEXT NOT NULL,
            PRIMARY KEY (query, epoch)) WITHOUT ROWID;

        -- Windows that went out as closed ones and are not closed any more, or not so often: their next results follow these.
        CREATE TABLE rewound_windows (
            query TEXT NOT NULL, window_start_ms INTEGER NOT NULL, revision INTEGER NOT NULL,
            PRIMARY KEY (query, window_start_ms)) WITHOUT ROWID;

        -- Alerts that were raised and are withdrawn until the stream comes there again; run_id is of the workflow that they have started.
        CREATE TABLE rewound_alerts (
            name TEXT NOT NULL, window_start_ms INTEGER NOT NULL, group_id INTEGER NOT NULL, query TEXT NOT NULL,
            value REAL NOT NULL, params TEXT NOT NULL, run_id TEXT, PRIMARY KEY (name, window_start_ms, group_id)) WITHOUT ROWID;
        """

    private static let firstTables = """
        -- What the tables were made for; "zone" is the tenant's time zone.
        CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

        -- Offset of the tenant's zone from an instant on; the first row reaches back to the beginning of time.
        CREATE TABLE zone_offsets (from_ms INTEGER PRIMARY KEY, offset_s INTEGER NOT NULL);

        -- Bounds of the log buckets: see renewFareBuckets.
        CREATE TABLE fare_buckets (bucket INTEGER PRIMARY KEY, fare_from REAL, fare_to REAL NOT NULL);

        -- Local days (since 1970) whose windows changed since the last batch run.
        CREATE TABLE changed_days (day INTEGER PRIMARY KEY);

        -- Where each stream is: watermark, next offsets, open windows' bookkeeping; written in each epoch's transaction.
        CREATE TABLE checkpoints (stream TEXT PRIMARY KEY, epoch INTEGER NOT NULL, state BLOB NOT NULL) WITHOUT ROWID;

        -- Output batches of epochs that are stored here and not yet known to be in their topics.
        CREATE TABLE outbox (
            stream TEXT NOT NULL, sequence INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
            count INTEGER NOT NULL, first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, encoding INTEGER NOT NULL,
            payload BLOB NOT NULL);
        CREATE INDEX outbox_order ON outbox (stream, sequence);

        -- What became of each record, counted; see Ledger.
        CREATE TABLE ledger (
            run_id TEXT NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, partition INTEGER NOT NULL,
            query TEXT NOT NULL, counter TEXT NOT NULL, value INTEGER NOT NULL,
            PRIMARY KEY (run_id, kind, source, partition, query, counter)) WITHOUT ROWID;

        -- Every produce, stream, batch and workflow run; times in ms UTC; see RunRecord.
        CREATE TABLE run_records (
            id TEXT PRIMARY KEY, command TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER,
            outcome TEXT NOT NULL, summary TEXT, pid INTEGER NOT NULL, process_start TEXT NOT NULL) WITHOUT ROWID;
        CREATE VIEW runs AS
        SELECT id, command, \(ViewSQL.isoTime("started_ms")) AS started, \(ViewSQL.isoTime("ended_ms")) AS ended,
            outcome, summary
        FROM run_records;
        """

    private static let workflowTables = """
        -- Runs of workflows; times in ms UTC, params and outputs as JSON objects; see RunHistory. At most one run an interval: two
        -- NULLs differ, so a workflow without a schedule may run as often as it likes.
        CREATE TABLE stored_workflow_runs (
            run_id TEXT PRIMARY KEY, workflow TEXT NOT NULL, interval_start_ms INTEGER, interval_end_ms INTEGER,
            trigger TEXT NOT NULL, state TEXT NOT NULL, started_ms INTEGER, ended_ms INTEGER, params TEXT NOT NULL,
            file TEXT NOT NULL, cancel INTEGER NOT NULL DEFAULT 0, pid INTEGER NOT NULL, process_start TEXT NOT NULL,
            UNIQUE (workflow, interval_start_ms, interval_end_ms)) WITHOUT ROWID;
        CREATE TABLE stored_workflow_steps (
            run_id TEXT NOT NULL, step TEXT NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL, started_ms INTEGER,
            ended_ms INTEGER, error TEXT, outputs TEXT NOT NULL DEFAULT '{}', pid INTEGER, process_start TEXT,
            PRIMARY KEY (run_id, step, attempt)) WITHOUT ROWID;
        CREATE VIEW workflow_runs AS
        SELECT run_id, workflow, \(ViewSQL.isoTime("interval_start_ms")) AS interval_start,
            \(ViewSQL.isoTime("interval_end_ms")) AS interval_end, trigger, state,
            \(ViewSQL.isoTime("started_ms")) AS started, \(ViewSQL.isoTime("ended_ms")) AS ended
        FROM stored_workflow_runs;
        CREATE VIEW workflow_steps AS
        SELECT run_id, step, attempt, state, \(ViewSQL.isoTime("started_ms")) AS started,
            \(ViewSQL.isoTime("ended_ms")) AS ended, error
        FROM stored_workflow_steps;
        """

    private static let sentMessages = """
        -- Tells this database from every other one; a copy of it has the same.
        INSERT INTO settings VALUES ('identity', lower(hex(randomblob(8))));

        -- Where the messages of each stream end in topics that cannot tell themselves: the offset behind the last one that was acknowledged, and
        -- the hash by which it is known again.
        CREATE TABLE sent_messages (
            stream TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
            seal INTEGER NOT NULL, PRIMARY KEY (stream, topic, partition)) WITHOUT ROWID;
        """

    /// - Throws: `.configuration` where a query of the user's has a name that is taken from here on.
    private static func requireFree(_ name: String, on connection: Connection) throws {
        let found = try connection.value(
            "SELECT 1 FROM sqlite_schema WHERE name IN (?, ?)", .text(name), .text("stored_\(name)"))
        guard found != nil else { return }
        throw Problem(
            .configuration,
            "\"\(connection.path)\" has results of a query with the table \"\(name)\", which is a name of taxi-cli's own by now",
            hint:
                "Begin another tenant, give the query another name or \"table:\" there, and compute its results anew from the topic or the files."
        )
    }

    private static let sources = """
        -- How far the partitions of the source are read that the stream reads, or has read last: see SourceRow. Infinite is NULL.
        CREATE TABLE stored_sources (
            partition INTEGER PRIMARY KEY, source TEXT NOT NULL, records INTEGER NOT NULL, lag_records INTEGER,
            lag_seconds REAL, rate_in REAL, rate_processed REAL NOT NULL, clear_seconds REAL, trend TEXT,
            watermark_ms INTEGER, holds_back INTEGER NOT NULL, updated_ms INTEGER NOT NULL);
        CREATE VIEW sources AS
        SELECT partition, records, lag_records, lag_seconds, rate_in, rate_processed, clear_seconds, trend,
            \(ViewSQL.isoTime("watermark_ms")) AS watermark, holds_back, \(ViewSQL.isoTime("updated_ms")) AS updated
        FROM stored_sources;
        """

    private static let alertRevisions = """
        ALTER TABLE stored_alerts ADD COLUMN group_id INTEGER;
        -- Of the window, where trips that came late for it made it raise the alert; NULL where it had its first results.
        ALTER TABLE stored_alerts ADD COLUMN revision INTEGER;
        -- The revision of the window that does not meet the condition any more; NULL where it does.
        ALTER TABLE stored_alerts ADD COLUMN withdrawn_by INTEGER;
        """

    private static let scheduleStarts = """
        -- The earliest start (ms UTC) that the workflow has had; NULL from versions that did not note it.
        ALTER TABLE workflow_schedules ADD COLUMN start_ms INTEGER;
        """

    private static let schedulerTables = """
        ALTER TABLE stored_workflow_runs ADD COLUMN queued_ms INTEGER;
        -- run/step of the step that began it, NULL where none did
        ALTER TABLE stored_workflow_runs ADD COLUMN parent TEXT;
        CREATE INDEX workflow_runs_by_parent ON stored_workflow_runs (parent) WHERE parent IS NOT NULL;
        ALTER TABLE stored_workflow_steps ADD COLUMN pool TEXT;
        CREATE INDEX workflow_runs_by_state ON stored_workflow_runs (state);
        CREATE INDEX pooled_workflow_steps ON stored_workflow_steps (pool, state) WHERE pool IS NOT NULL;

        -- Up to which time (ms UTC) the due intervals of a workflow have become runs, or were left out as its catchup says.
        CREATE TABLE workflow_schedules (workflow TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;

        DROP VIEW runs;
        CREATE VIEW runs AS
        SELECT id, command, \(ViewSQL.isoTime("started_ms")) AS started, \(ViewSQL.isoTime("ended_ms")) AS ended,
            outcome, summary
        FROM run_records
        UNION ALL
        SELECT run_id, 'workflow', \(ViewSQL.isoTime("started_ms")), \(ViewSQL.isoTime("ended_ms")), state,
            json_object('workflow', workflow, 'interval_start', \(ViewSQL.isoTime("interval_start_ms")),
                'interval_end', \(ViewSQL.isoTime("interval_end_ms")), 'trigger', trigger)
        FROM stored_workflow_runs WHERE started_ms IS NOT NULL;
        """

    private static let alertTables = """
        -- Alerts as streams raised them; params is a JSON object of texts. A scheduler that starts the workflow notes its run.
        CREATE TABLE stored_alerts (
            alert_id INTEGER PRIMARY KEY, raised_ms INTEGER NOT NULL, name TEXT NOT NULL, query TEXT NOT NULL,
            window_start_ms INTEGER NOT NULL, value REAL NOT NULL, params TEXT NOT NULL, workflow TEXT, run_id TEXT);
        CREATE INDEX alerts_by_name ON stored_alerts (name, alert_id);
        CREATE INDEX alerts_to_start ON stored_alerts (alert_id) WHERE workflow IS NOT NULL AND run_id IS NULL;
        CREATE VIEW alerts AS
        SELECT \(ViewSQL.isoTime("raised_ms")) AS raised, name, query, \(ViewSQL.isoTime("window_start_ms")) AS window_start,
            value, run_id
        FROM stored_alerts;

        -- How far the condition of each alert is, by group: written in the transaction of the epoch that it belongs to.
        CREATE TABLE alert_states (
            name TEXT NOT NULL, group_id INTEGER NOT NULL, matching INTEGER NOT NULL, next_start_ms INTEGER NOT NULL,
            quiet_until_ms INTEGER NOT NULL, PRIMARY KEY (name, group_id)) WITHOUT ROWID;

        -- What models answered to the ml steps of workflows, one row a result, which is JSON.
        CREATE TABLE stored_ml_results (
            run_id TEXT NOT NULL, step TEXT NOT NULL, position INTEGER NOT NULL, model TEXT NOT NULL,
            made_ms INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (run_id, step, position)) WITHOUT ROWID;
        CREATE VIEW ml_results AS
        SELECT run_id, step, position, model, \(ViewSQL.isoTime("made_ms")) AS made, result FROM stored_ml_results;
        """

    /// Makes the buckets a quarter as wide: a number means other amounts from here on.
    ///
    /// What was counted in the wide ones stays, and the views over it go on reading their bounds, since SQLite renames a table in
    /// views too; a stream tells what to do with it by the declaration that it was made under. Sums of days that `batch` made of it
    /// are made anew.
    private static func renewFareBuckets(_ connection: Connection) throws {
        let bounds = try connection.value("SELECT 1 FROM fare_buckets LIMIT 1")
        try connection.execute(
            bounds == nil
                ? "DROP TABLE fare_buckets" : "ALTER TABLE fare_buckets RENAME TO \(ResultsDatabase.wideFareBuckets)")
        try connection.execute(
            """
            -- Bounds of the log buckets in dollars, and what stands for their amounts, in cents; see FareBucket.
            CREATE TABLE fare_buckets (
                bucket INTEGER PRIMARY KEY, fare_from REAL NOT NULL, fare_to REAL NOT NULL, middle_cents REAL NOT NULL);
            """)
        let insert = try connection.prepare("INSERT INTO fare_buckets VALUES (?, ?, ?, ?)")
        for bucket in FareBucket.all {
            let (from, to) = FareBucket.dollars(of: bucket)
            insert.bind(0, bucket)
            insert.bind(1, from)
            insert.bind(2, to)
            insert.bind(3, FareBucket.middle(of: bucket))
            try insert.run()
        }
        for (table, change) in [
            ("day_fare", "DELETE FROM day_fare"), ("rolled_months", "DELETE FROM rolled_months WHERE source = 'fares'"),
            ("rolled_days", "UPDATE rolled_days SET fresh = 0"),
        ] where try connection.value("SELECT 1 FROM sqlite_schema WHERE name = ?", .text(table)) != nil {
            try connection.execute(change)
        }
    }
}
