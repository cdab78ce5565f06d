import SQLite

/// Removal of old records and of what deleted topics left, in pieces short enough for writers to wait for.
enum EmbeddedRetention {
    /// Batches removed in one transaction; some 100 MB.
    private static let pieceSize: Int64 = 128

    /// Removes the oldest batches of each partition whose records all lie further behind the topic's newest event time than its
    /// retention says.
    ///
    /// The newest event time is the clock here, not the system's: a replay of 2013 is not old when it arrives. As with Kafka's
    /// segments, removal stops at the first batch to keep, so that the offsets kept have no gaps.
    ///
    /// - Parameter batchLimit: leaves the rest for another time; it bounds how long an append may be held up.
    /// - Returns: how many records were removed.
    static func apply(to connection: Connection, batchLimit: Int64) throws -> Int64 {
        let limited = try connection.rows(
            """
            SELECT slot, max(newest_time) OVER (PARTITION BY topic_id) AS newest_time, retention_ms, name
            FROM topics JOIN partitions ON topic_id = topics.id WHERE retention_ms IS NOT NULL
            """
        ) { row throws(SQLiteError) -> (slot: Int64, keepFrom: Int64, topic: String)? in
            let slot = try row.integer(0, in: .ids)
            let retention = try row.integer(2, in: EmbeddedSchema.retentions)
            guard let newest = try row.optionalInteger(1, in: .times) else { return nil }
            let (keepFrom, overflow) = newest.subtractingReportingOverflow(retention)
            return overflow ? nil : (slot, keepFrom, try row.storedText(3))
        }

        var (records, batches): (Int64, Int64) = (0, 0)
        var sound: Set<String> = []
        for case (let slot, let keepFrom, let topic)? in limited {
            guard try connection.integer(hasOldBatches, .integer(slot), .integer(keepFrom), in: .flags) == 1 else {
                continue
            }
            if sound.insert(topic).inserted { try requireNewest(of: topic, on: connection) }
            while batches < batchLimit {
                let removed = try removePiece(of: slot, before: keepFrom, on: connection)
                (records, batches) = (records + removed.records, batches + removed.batches)
                if removed.batches < pieceSize { break }
            }
        }
        return records
    }

    private static func removePiece(
        of slot: Int64, before keepFrom: Int64, on connection: Connection
    ) throws -> (records: Int64, batches: Int64) {
        // The first batch to keep, or the end of the piece, or of the partition. Seen without the write lock first.
        func findEnd() throws -> Int64? {
            try connection.integer(
                """
                SELECT min(
                    coalesce((SELECT base_offset FROM batches WHERE slot = ?1 AND last_time >= ?2
                        ORDER BY base_offset LIMIT 1), 9223372036854775807),
                    coalesce((SELECT base_offset FROM batches WHERE slot = ?1 ORDER BY base_offset LIMIT 1 OFFSET ?3),
                        end_offset)) AS base_offset
                FROM partitions WHERE slot = ?1
                """, .integer(slot), .integer(keepFrom), .integer(pieceSize), in: .counts)
        }
        guard let end = try findEnd(), try hasBatches(slot, before: end, connection) else { return (0, 0) }
        return try connection.transaction {
            guard let end = try findEnd() else { return (0, 0) }
            let start = try connection.integer(
                "SELECT start_offset FROM partitions WHERE slot = ?", .integer(slot), in: .counts)
            try connection.execute(
                "DELETE FROM payloads WHERE id IN (SELECT payload_id FROM batches WHERE slot = ? AND base_offset < ?)",
                .integer(slot), .integer(end))
            try connection.execute(
                "DELETE FROM batches WHERE slot = ? AND base_offset < ?", .integer(slot), .integer(end))
            let removed = Int64(connection.changedRows)
            try connection.execute(
                "UPDATE partitions SET start_offset = ? WHERE slot = ?", .integer(end), .integer(slot))
            return (end - (start ?? end), removed)
        }
    }

    /// Sees that the newest time of a topic is that of its batches: another one would take away what nobody has read.
    private static func requireNewest(of topic: String, on connection: Connection) throws {
        try connection.snapshot {
            // Somebody may have deleted it.
            guard try connection.value("SELECT 1 FROM topics WHERE name = ?", .text(topic)) != nil else { return }
            _ = try EmbeddedTopicStore.describe(topic, in: connection)
        }
    }

    /// Whether the oldest batch of a slot is one to remove.
    private static let hasOldBatches =
        "SELECT last_time < ?2 FROM batches WHERE slot = ?1 ORDER BY base_offset LIMIT 1"

    private static func hasBatches(_ slot: Int64, before end: Int64, _ connection: Connection) throws -> Bool {
        let found = try connection.value(
            "SELECT EXISTS (SELECT 1 FROM batches WHERE slot = ? AND base_offset < ?)", .integer(slot), .integer(end))
        return found?.integer == 1
    }

    /// Removes batches whose partition is gone; none while some partition lacks any, which may be those.
    static func removeOrphans(from connection: Connection) throws {
        guard try connection.integer(isWhole, in: .flags) == 1 else { return }
        while let slot = try connection.value(
            "SELECT DISTINCT slot FROM batches WHERE slot NOT IN (SELECT slot FROM partitions) LIMIT 1")?.integer
        {
            try connection.transaction {
                let piece = "(SELECT base_offset FROM batches WHERE slot = ?1 ORDER BY base_offset LIMIT \(pieceSize))"
                try connection.execute(
                    "DELETE FROM payloads WHERE id IN (SELECT payload_id FROM batches WHERE slot = ?1 AND base_offset IN \(piece))",
                    .integer(slot))
                try connection.execute(
                    "DELETE FROM batches WHERE slot = ?1 AND base_offset IN \(piece)", .integer(slot))
            }
        }
    }

    private static let isWhole = """
        SELECT NOT EXISTS (
            SELECT 1 FROM topics WHERE partition_count <> (SELECT count(*) FROM partitions WHERE topic_id = topics.id))
        AND NOT EXISTS (
            SELECT 1 FROM partitions WHERE end_offset - start_offset <>
                (SELECT coalesce(sum(count), 0) FROM batches WHERE slot = partitions.slot))
        """
}
