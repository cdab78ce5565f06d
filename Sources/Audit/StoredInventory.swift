import Basics
import SQLite
import Stream

/// Goes through all that is stored, for what nothing has compared.
struct StoredInventory {
    let connection: Connection
    /// The queries that have a checkpoint, by their tables' name: those that are not audited have been told of as well.
    let queries: [(plan: QueryPlan?, table: String)]
    /// Views of analyses.
    let analyses: [String]

    /// What is stored for the program's own use. Nobody reads it as a result; what is computed from it is compared, or says so itself.
    ///
    ///     settings, zone_offsets, fare_buckets    compared: LookupComparison
    ///     checkpoints, ahead_records, unknown_schema_records, ledger, outbox
    ///                                             compared with the source and with each other: LedgerComparison, TopicComparison
    ///     run_records, stored_workflow_…          compared with each other: RecordComparison
    ///     changed_days, rolled_…, day_…           what the next batch has to do, and sums that it need not do again: a mistake in
    ///                                             them shows in the rows that it computes
    ///     written_dead_letters                    which rejected records need not be sent again
    ///     sent_messages                           where a stream goes on in its topics, which it compares at its start
    ///     late_days                               which days lack trips that were late, of which the ledger has the sum
    ///     sent_files                              which files need not be sent again
    ///     restatements                            which files stand for which time: all that is recounted goes by them
    ///     stored_withdrawn                        how often windows that are gone were sent
    ///     sources                                 compared with the checkpoints: SourcesComparison
    ///     query_windows, pruned_windows           how long windows are, and which are gone
    ///     alert_states, workflow_schedules        how far alerts and schedules are
    ///     stored_ml_models, …_rows, …_batches, …_outbox
    ///                                             which rows models have answered, of which nothing follows
    private static let ownUse: Set<String> = [
        "settings", "zone_offsets", "fare_buckets", "wide_fare_buckets", "checkpoints", "ahead_records",
        "unknown_schema_records", "ledger",
        "outbox", "sent_messages", "written_dead_letters", "late_days", "sent_files", "stored_sources", "sources",
        "epoch_history", "rewinds", "rewound_windows", "rewound_alerts",
        "stored_restatements", "restatements", "stored_withdrawn",
        "run_records", "runs",
        "changed_days",
        "query_windows", "rolled_days", "rolled_months", "rolled_locations", "day_fare", "day_area", "day_location",
        "pruned_windows",
        "alert_states", "stored_alerts", "alerts", "workflow_schedules", "stored_workflow_runs", "workflow_runs",
        "stored_workflow_steps", "workflow_steps", "batch_analyses", "batch_vintages", "batch_vintage_views",
        "batch_vintage_rows", "vintages",
        "stored_ml_models", "stored_ml_rows", "stored_ml_batches", "stored_ml_outbox", "ml_batches",
        "stored_ml_errors", "ml_errors",
    ]

    private static let reasons = [
        "stored_ml_results": "", "ml_results": "models have answered so, and nothing else says what they should",
    ]

    func run() throws -> [Finding] {
        var known = Self.ownUse
        for (plan, table) in queries {
            known.formUnion([table, "stored_\(table)", "keys_\(table)"])
            if let plan { known.formUnion([plan.table, plan.storageTable]) }
        }
        for analysis in analyses { known.formUnion([analysis, "batch_\(analysis)"]) }
        let names = try connection.rows(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        ) { $0.text(0) }
        // Over each public view there may be one with types for other tools: the same cells, if it is what batch makes.
        let typed = Set(names.map { "\($0)_typed" }.filter(names.contains))
        return names.filter { !known.contains($0) && !typed.contains($0) && Self.reasons[$0] != "" }.compactMap {
            name in
            let finding = Finding("view", name)
            // A view that cannot be read says so by itself.
            let count = try? connection.value("SELECT count(*) FROM \(SQLText.name(name))")?.integer
            guard count != 0 else { return nil }
            finding.leaveOut(
                count ?? 0, Self.reasons[name] ?? "it is none of the tables that a query or an analysis has now")
            return finding
        }
    }
}
