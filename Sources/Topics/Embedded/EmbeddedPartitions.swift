import Problems
import SQLite

/// What is looked at whenever a row of `partitions` is read: that a topic has all of its partitions, and that each begins and ends
/// where its batches do.
///
/// Appends leave no gaps, and retention takes batches from the front only: between the partition's ends each offset is in some batch,
/// and nothing lies beyond them.
enum EmbeddedPartitions {
    /// The keys of a topic's partitions, in their order; none where the topic is gone.
    static func slots(ofTopic topic: String, id: Int64, in connection: Connection) throws -> [Int64] {
        // In one statement, since somebody may delete the topic between two.
        let row = try connection.prepare(
            """
            SELECT slot, partition, partition_count, id FROM topics LEFT JOIN partitions ON topic_id = id
            WHERE id = ? ORDER BY partition
            """)
        row.bind(0, id)
        var slots: [Int64] = []
        var wanted: Int64 = 0
        while try row.step() {
            wanted = try row.integer(2, in: EmbeddedSchema.partitionCounts)
            if row.isNull(0) { break }
            _ = try row.integer(1, in: Int64(slots.count)...Int64(slots.count))
            slots.append(try row.integer(0, in: .ids))
        }
        guard slots.count == wanted else {
            throw connection.damage(
                "table partitions has \(slots.count) partitions of topic \"\(topic)\" and not \(wanted)")
        }
        return slots
    }

    /// What `kept` takes, of the table `partitions`.
    static let ends = """
        start_offset, end_offset, slot,
        (SELECT base_offset FROM batches WHERE slot = partitions.slot ORDER BY base_offset LIMIT 1),
        (SELECT base_offset + count FROM batches WHERE slot = partitions.slot ORDER BY base_offset DESC LIMIT 1)
        """

    /// The offsets that a partition keeps, from its row.
    ///
    /// - Throws: `.corrupt` where they are not those of its batches.
    static func kept(_ row: Statement) throws(SQLiteError) -> Range<Int64> {
        let end = try row.integer(1, in: .counts)
        let start = try row.integer(0, in: 0...end)
        let first = try row.optionalInteger(3, in: .anything)
        let last = try row.optionalInteger(4, in: .anything)
        guard first ?? end == start else {
            throw row.damage(0, wanted: "where its first batch begins, \(first ?? end)")
        }
        guard last ?? start == end, start < end || first == nil else {
            throw row.damage(1, wanted: "where its last batch ends, \(last ?? start)")
        }
        return start..<end
    }
}
