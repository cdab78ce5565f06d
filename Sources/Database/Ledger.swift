import Problems
public import SQLite

/// Counts what became of each record, so that the sums can be checked: per run, source, partition and query.
///
/// produce: read = sent + rejected + filtered; stream: consumed = aggregated + late + filtered + skipped + rejected, and beside these `lost`,
/// what was gone before it could be consumed. Entries are added in the transaction that stores what they count, which is why a ledger begins none of its own.
public final class Ledger {
    /// What a counter is about. `partition` is -1 and `query` empty where a count is not of one.
    public struct Key: Sendable, Hashable {
        public var runID: String
        /// `produce` or `stream`.
        public var kind: String
        /// The file or topic.
        public var source: String
        public var partition: Int
        public var query: String
        /// `read`, `sent`, `rejected`, `aggregated`, `late`, `lost`, …
        public var counter: String

        public init(
            runID: String, kind: String, source: String, partition: Int = -1, query: String = "", counter: String
        ) {
            (self.runID, self.kind, self.source) = (runID, kind, source)
            (self.partition, self.query, self.counter) = (partition, query, counter)
        }
    }

    private let connection: Connection
    private let addition: Statement

    public init(_ connection: Connection) throws(SQLiteError) {
        self.connection = connection
        addition = try connection.prepare(
            """
            INSERT INTO ledger (run_id, kind, source, partition, query, counter, value) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET value = value + excluded.value
            """)
    }

    /// Adds to a counter, which begins at 0.
    public func add(_ value: Int64, to key: Key) throws(SQLiteError) {
        addition.bind(0, key.runID)
        addition.bind(1, key.kind)
        addition.bind(2, key.source)
        addition.bind(3, Int64(key.partition))
        addition.bind(4, key.query)
        addition.bind(5, key.counter)
        addition.bind(6, value)
        try addition.run()
    }

    /// All counters of a run.
    public func entries(ofRun runID: String) throws(SQLiteError) -> [Key: Int64] {
        let rows = try connection.rows(
            "SELECT kind, source, partition, query, counter, value FROM ledger WHERE run_id = ?", .text(runID)
        ) { row throws(SQLiteError) in
            (
                Key(
                    runID: runID, kind: try row.storedText(0), source: try row.storedText(1),
                    partition: Int(try row.integer(2, in: -1...9_999)), query: try row.storedText(3),
                    counter: try row.storedText(4)), try row.integer(5, in: .counts)
            )
        }
        return Dictionary(rows, uniquingKeysWith: +)
    }
}
