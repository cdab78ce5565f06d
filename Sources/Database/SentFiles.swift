public import SQLite
public import Time

/// Which files a tenant's replays have sent into its topic, so that nobody sends one twice without knowing.
///
///     sent_files(topic, identity, from_ms, to_ms, name, sent_ms, run_id, trips, first_end, last_end)
///
/// A row is written before the first trip of a run goes out, and has its trips when the run has ended. `first_end` and `last_end` say how far
/// the topic reached before and after: one that is shorter now was made anew or is an older copy, and does not hold what was sent.
public struct SentFiles {
    /// A file that a replay reads.
    public struct File: Sendable, Equatable {
        public var name: String
        /// The same for the same file, wherever it lies: `name:size:hash`, and how it is read.
        public var identity: String
        /// Size and hash alone, `:size:hash`: a link, a copy or another name is the same file, whichever of its times were sent.
        public var content: String

        public init(name: String, identity: String, content: String) {
            (self.name, self.identity, self.content) = (name, identity, content)
        }
    }

    /// One that was sent before.
    public struct Sent: Sendable, Equatable {
        public var name: String
        public var sentMs: EventTime
        public var runID: String
        /// How many trips the run sent of all its files; nil where it was killed.
        public var trips: Int64?
    }

    private let connection: Connection
    /// Names the topic and its broker.
    private let topic: String
    private let range: Range<EventTime>
    /// Offsets of all partitions, added up, at which the topic ends now.
    private let topicEnd: Int64

    /// - Parameters:
    ///   - topicEnd: offsets of all partitions, added up, at which the topic ends; 0 where there is none.
    ///   - range: of the event times that are sent.
    ///   - connection: to the tenant's results, for writing.
    public init(
        topic: String, topicEnd: Int64, range: Range<EventTime>, on connection: Connection
    ) throws(SQLiteError) {
        (self.topic, self.topicEnd, self.range, self.connection) = (topic, topicEnd, range, connection)
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS sent_files (topic TEXT NOT NULL, identity TEXT NOT NULL, from_ms INTEGER NOT NULL,
            to_ms INTEGER NOT NULL, name TEXT NOT NULL, sent_ms INTEGER NOT NULL, run_id TEXT NOT NULL, trips INTEGER,
            first_end INTEGER NOT NULL, last_end INTEGER,
            PRIMARY KEY (topic, identity, from_ms, to_ms)) WITHOUT ROWID
            """)
    }

    /// What was sent of a file before, of event times that are to be sent; the newest.
    public func earlier(_ file: File) throws(SQLiteError) -> Sent? {
        try connection.rows(
            """
            SELECT name, sent_ms, run_id, trips FROM sent_files
            WHERE topic = ?1 AND instr(identity || ' ', ?2 || ' ') > 0 AND from_ms < ?3 AND to_ms > ?4 AND first_end < ?5 AND coalesce(last_end, 0) <= ?5
            ORDER BY sent_ms DESC LIMIT 1
            """, .text(topic), .text(file.content), .integer(range.upperBound), .integer(range.lowerBound),
            .integer(topicEnd)
        ) { row throws(SQLiteError) in
            Sent(
                name: try row.storedText(0), sentMs: try row.integer(1, in: .times), runID: try row.storedText(2),
                trips: try row.optionalInteger(3, in: .counts))
        }.first
    }

    /// A file that was sent into a topic, whichever broker's.
    public struct InTopic: Sendable, Equatable {
        public var name: String
        public var topic: String
    }

    /// Whether a file was sent into one of some topics, with event times of a range; the newest.
    ///
    /// - Parameter content: of the file, `:size:hash`.
    public static func sent(
        _ content: String, into topics: [String], _ range: Range<EventTime>, on connection: Connection
    ) throws(SQLiteError) -> InTopic? {
        guard try connection.hasTable("sent_files") else { return nil }
        for topic in topics {
            let found = try connection.rows(
                """
                SELECT name FROM sent_files
                WHERE substr(topic, 1, length(?1)) = ?1 AND instr(identity || ' ', ?2 || ' ') > 0 AND from_ms < ?3 AND to_ms > ?4
                ORDER BY sent_ms DESC LIMIT 1
                """, .text("\(topic) "), .text(content), .integer(range.upperBound), .integer(range.lowerBound)
            ) { row throws(SQLiteError) in
                InTopic(name: try row.storedText(0), topic: topic)
            }.first
            if let found { return found }
        }
        return nil
    }

    public func begin(_ files: [File], runID: String, atMs: EventTime) throws {
        try connection.transaction {
            for file in files {
                try connection.execute(
                    "INSERT OR REPLACE INTO sent_files VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL)", .text(topic),
                    .text(file.identity), .integer(range.lowerBound), .integer(range.upperBound), .text(file.name),
                    .integer(atMs), .text(runID), .integer(topicEnd))
            }
        }
    }

    /// Notes how a run ended that has begun; one that sent nothing is forgotten.
    ///
    /// - Parameter topicEnd: where the topic ends now.
    public func end(runID: String, trips: Int64, topicEnd: Int64) throws(SQLiteError) {
        if trips == 0 {
            try connection.execute("DELETE FROM sent_files WHERE run_id = ?", .text(runID))
        } else {
            try connection.execute(
                "UPDATE sent_files SET trips = ?, last_end = ? WHERE run_id = ?", .integer(trips), .integer(topicEnd),
                .text(runID))
        }
    }
}
