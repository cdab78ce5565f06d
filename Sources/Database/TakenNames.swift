/// Names that nothing of a user's own may have, since SQL or the results database has them already.
///
/// Letter case makes no difference, as it makes none to SQLite. Names of shipped queries and analyses are taken besides; who
/// knows them says so: `QueryCatalog`, `AnalysisCatalog`.
public enum TakenNames {
    /// Why a table or view cannot have this name; nil where it can.
    public static func reason(_ name: String) -> String? {
        let name = name.lowercased()
        if tables.contains(name) || prefixes.contains(where: name.hasPrefix) { return "is taken in the database" }
        return nil
    }

    /// Whether SQL would take the name for a word of its own unless it stands in quotes.
    public static func isWordOfSQL(_ name: String) -> Bool { words.contains(name.lowercased()) }

    /// What begins the names of tables that come with a query or an analysis, and of SQLite's own.
    private static let prefixes = ["stored_", "keys_", "batch_", "sqlite_"]

    /// Tables, views and indices that are there whatever queries run.
    private static let tables: Set<String> = [
        // The public views, and what the analytics keep.
        "fare_trend", "accumulated_metrics", "area_hotspots", "location_hotspots", "period_coverage", "workflow_runs",
        "workflow_steps",
        "alerts", "runs", "ml_results", "ml_batches", "ml_errors", "vintages", "vintage_now", "day_fare", "day_area",
        "day_location",
        "rolled_days",
        "rolled_months", "rolled_locations", "pruned_windows", "query_windows",
        // ResultsSchema.
        "settings", "zone_offsets", "fare_buckets", "wide_fare_buckets", "changed_days", "checkpoints", "outbox",
        "outbox_order", "sent_messages", "ledger", "ahead_records", "unknown_schema_records", "written_dead_letters",
        "late_days",
        "sent_files", "sources", "epoch_history", "epoch_history_by_time", "rewinds", "rewound_windows",
        "rewound_alerts", "restatements",
        "run_records", "alert_states", "alerts_by_name", "alerts_to_start", "workflow_schedules",
        "workflow_runs_by_parent", "workflow_runs_by_state", "pooled_workflow_steps",
        // Words for what may come to be.
        "areas", "rollups",
    ]

    /// What SQLite 3.40 takes for no name unless it is quoted, or reads as something else: the row's number, true and false.
    private static let words: Set<String> = [
        "add", "all", "alter", "and", "as", "autoincrement", "between", "case", "cast", "check", "collate", "commit",
        "constraint", "create", "current_date", "current_time", "current_timestamp", "default", "deferrable", "delete",
        "distinct", "drop", "else", "escape", "except", "exists", "foreign", "from", "group", "having", "if", "in",
        "index", "insert", "intersect", "into", "is", "isnull", "join", "limit", "not", "nothing", "notnull", "null",
        "on", "or", "order", "primary", "raise", "references", "returning", "select", "set", "table", "then", "to",
        "transaction", "union", "unique", "update", "using", "values", "when", "where", "true", "false", "rowid", "oid",
        "_rowid_",
    ]
}
