import Glibc
import Problems
public import SQLite
public import SchemaRegistry
import Synchronization
public import Time

/// Topics in one SQLite file, `topics.db`; any number of processes may append and read at once (layout: `EmbeddedSchema`).
public final class EmbeddedTopicStore: TopicStore {
    public let path: String
    public let schemas: SchemaCache?
    private let access: Connection.Access
    private let now: @Sendable () -> EventTime
    private let connection: Connection
    private let lock = Mutex(())

    /// Opens or creates the topics at `path`.
    ///
    /// - Parameters:
    ///   - access: for reading alone they have to be there.
    ///   - schemas: of records that are Avro.
    ///   - now: processing time for the time of an append, ms UTC.
    /// - Throws: `Problem`: `.cannotCreate`, `.noPermission`, `.badData`, `.configuration` (a newer version), `.tryAgain`.
    public init(
        path: String, access: Connection.Access = .readWrite, schemas: SchemaCache? = nil,
        now: @escaping @Sendable () -> EventTime = { systemTime() }
    ) throws {
        (self.path, self.access, self.schemas, self.now) = (path, access, schemas, now)
        connection = try explaining("opening the topics") { try EmbeddedSchema.open(path, access: access) }
    }

    public var keepsColumns: Bool { true }
    public var keepsMarksForFree: Bool { true }
    public var identity: String { "embedded" }

    public func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws {
        try TopicName.check(name)
        try TopicName.check(partitions: partitions, retentionMs: retentionMs)
        if let replication, replication != 1 {
            throw Problem(
                .usage, "an embedded topic cannot be kept \(replication) times",
                hint: "Leave --replication out: it lies in one file. Kafka keeps copies on several brokers.")
        }
        try withConnection("creating topic \"\(name)\"") { connection in
            // Looked up without the write lock first: most runs find their topics.
            if try Self.exists(name, partitions: partitions, in: connection) { return }
            try connection.transaction {
                if try Self.exists(name, partitions: partitions, in: connection) { return }
                try connection.execute(
                    "INSERT INTO topics (name, retention_ms, partition_count) VALUES (?, ?, ?)", .text(name),
                    retentionMs.map(SQLValue.integer) ?? nil, .integer(Int64(partitions)))
                let id = connection.lastInsertedRow
                for partition in 0..<partitions {
                    try connection.execute(
                        "INSERT INTO partitions (topic_id, partition) VALUES (?, ?)", .integer(id),
                        .integer(Int64(partition)))
                }
            }
        }
    }

    public func deleteTopic(_ name: String) throws {
        try withConnection("deleting topic \"\(name)\"") { connection in
            try connection.transaction {
                let id = try Self.id(of: name, in: connection)
                try connection.execute("DELETE FROM partitions WHERE topic_id = ?", .integer(id))
                try connection.execute("DELETE FROM topics WHERE id = ?", .integer(id))
            }
            try EmbeddedRetention.removeOrphans(from: connection)
        }
    }

    public func topics() throws -> [TopicDescription] {
        try withConnection("listing the topics") { connection in
            try connection.snapshot {
                try Self.names(in: connection).map { try Self.describe($0, in: connection) }
            }
        }
    }

    public func topicNames() throws -> [String] {
        try withConnection("listing the topics") { connection in try Self.names(in: connection) }
    }

    public func partitionCount(of topic: String) throws -> Int? {
        try withConnection("looking for topic \"\(topic)\"") { connection in
            try Self.partitionCount(of: topic, in: connection)
        }
    }

    public func describe(_ topic: String) throws -> TopicDescription {
        try withConnection("describing topic \"\(topic)\"") { connection in
            try connection.snapshot { try Self.describe(topic, in: connection) }
        }
    }

    public func requireThere() throws { try withConnection("looking for the topics") { _ in } }

    public func marks(ofProducers prefix: String, known: Set<String>) throws -> [ProducerMark] {
        try withConnection("looking for what was sent") { connection in
            try connection.rows(
                """
                SELECT \(ProducerMark.columns) FROM producers WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name
                """, .text(prefix)
            ) { row throws(SQLiteError) in try ProducerMark(row) }.compactMap { $0 }
        }
    }

    public func makeWriter() throws -> any TopicWriter {
        try explaining("opening the topics for appending") {
            try EmbeddedTopicWriter(on: EmbeddedSchema.open(path), now: now)
        }
    }

    public func makeReader(topic: String) throws -> any TopicReader {
        try explaining("opening topic \"\(topic)\"") {
            let connection = try EmbeddedSchema.open(path, access: access)
            return try EmbeddedTopicReader(
                topic: topic, id: Self.id(of: topic, in: connection), on: connection, schemas: schemas)
        }
    }

    /// Removes what each topic's retention no longer keeps; writers do so as well, now and then.
    ///
    /// - Returns: how many records went.
    @discardableResult
    public func applyRetention() throws -> Int64 {
        try withConnection("removing old records") { connection in
            try EmbeddedRetention.removeOrphans(from: connection)
            return try EmbeddedRetention.apply(to: connection, batchLimit: .max)
        }
    }

    private func withConnection<Result: Sendable>(
        _ action: String, _ body: (Connection) throws -> Result
    ) throws -> Result {
        // Statements live inside `body`, so no two threads meet on the connection.
        try lock.withLock { _ in
            try explaining(action) {
                try connection.requireFile()
                return try body(connection)
            }
        }
    }
}

extension EmbeddedTopicStore {
    static func names(in connection: Connection) throws -> [String] {
        try connection.rows("SELECT name FROM topics ORDER BY name") { row throws(SQLiteError) in
            try row.storedText(0)
        }
    }

    static func id(of name: String, in connection: Connection) throws -> Int64 {
        if let id = try connection.integer("SELECT id FROM topics WHERE name = ?", .text(name), in: .ids) { return id }
        throw TopicName.unknown(name, among: try names(in: connection))
    }

    private static func partitionCount(of name: String, in connection: Connection) throws -> Int? {
        guard let id = try connection.integer("SELECT id FROM topics WHERE name = ?", .text(name), in: .ids) else {
            return nil
        }
        let count = try EmbeddedPartitions.slots(ofTopic: name, id: id, in: connection).count
        return count > 0 ? count : nil
    }

    /// Whether the topic is there; with another number of partitions that is an error.
    private static func exists(_ name: String, partitions: Int, in connection: Connection) throws -> Bool {
        guard let count = try partitionCount(of: name, in: connection) else { return false }
        guard count == partitions else { throw TopicName.hasOtherPartitions(name, count, not: partitions) }
        return true
    }

    static func describe(_ name: String, in connection: Connection) throws -> TopicDescription {
        let id = try id(of: name, in: connection)
        let retention = try connection.integer(
            "SELECT retention_ms FROM topics WHERE id = ?", .integer(id), in: EmbeddedSchema.retentions)
        let slots = try EmbeddedPartitions.slots(ofTopic: name, id: id, in: connection)
        let row = try connection.prepare(
            "SELECT \(EmbeddedPartitions.ends), newest_time FROM partitions WHERE topic_id = ? ORDER BY partition")
        let sums = try connection.prepare(
            """
            SELECT coalesce(sum(size_bytes), 0) AS size_bytes, min(first_time) AS first_time, max(last_time) AS last_time,
                max(append_time) AS append_time, slot
            FROM batches WHERE slot = ?
            """)
        row.bind(0, id)
        var partitions: [TopicDescription.Partition] = []
        var newest: EventTime?
        while try row.step() {
            let kept = try EmbeddedPartitions.kept(row)
            newest = try [newest, row.optionalInteger(5, in: .times)].compactMap { $0 }.max()
            sums.bind(0, slots[partitions.count])
            defer { sums.reset() }
            _ = try sums.step()
            var times: ClosedRange<EventTime>?
            if let first = try sums.optionalInteger(1, in: .times), let last = try sums.optionalInteger(2, in: .times) {
                guard first <= last else { throw sums.damage(1, wanted: "a time before last_time \(last)") }
                times = first...last
            }
            partitions.append(
                TopicDescription.Partition(
                    id: partitions.count, startOffset: kept.lowerBound, endOffset: kept.upperBound,
                    bytes: try sums.integer(0, in: .counts), times: times,
                    lastAppend: try sums.optionalInteger(3, in: .times)))
        }
        let description = TopicDescription(name: name, partitions: partitions, retentionMs: retention)
        // Retention goes by it, and never removes the batch that has it.
        guard newest == description.times?.upperBound else {
            throw connection.damage(
                "table partitions, column newest_time: the newest of topic \"\(name)\" is \(shown(newest)), and that of its batches is \(shown(description.times?.upperBound))"
            )
        }
        return description
    }

    private static func shown(_ time: EventTime?) -> String { time.map { "\($0)" } ?? "none" }
}

/// The system's clock, ms UTC; what a jump does to it `SteadyTime` says.
public func systemTime() -> EventTime { SystemClock.shared.nowMs }
