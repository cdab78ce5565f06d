import Problems
import SQLite
import Stream
import Topics
import Time

extension Auditor {
    func topicEnds() throws -> [String: [Int64]] {
        guard let store else { return [:] }
        let known = Set(try store.topics().map(\.name))
        let topics = Set((plans + options.besides).map { "\(options.tenant)_\($0.topicSuffix)" })
        return try topics.filter(known.contains)
            .reduce(into: [:]) { $0[$1] = try store.makeReader(topic: $1).offsets().map(\.upperBound) }
    }

    /// Where the topics end that queries have read and that are there.
    func sourceEnds(_ checkpoints: [QueryCheckpoint]) throws -> [String: [Int64]] {
        guard let store else { return [:] }
        let read = Set(checkpoints.flatMap(\.positions.keys))
        return try store.topics().filter { read.contains($0.name) }
            .reduce(into: [:]) { $0[$1.name] = $1.partitions.map(\.endOffset) }
    }

    /// Reads all embedded topics through, those too that no query has to do with.
    func inspectTopics() throws -> Finding? {
        guard let store = store as? EmbeddedTopicStore else { return nil }
        let inspection = try StoreInspection(store, timesOnly: true)
        let finding = Finding("topic", "topics.db")
        for damage in inspection.damages { finding.differ(damage.message) }
        return finding
    }

    /// Batches of the outbox by topic, in their order.
    func readOutbox() throws -> [String: [StoredBatch]] {
        var batches: [String: [StoredBatch]] = [:]
        let statement = try connection.prepare(
            "SELECT topic, partition, count, first_time, last_time, encoding, payload FROM outbox ORDER BY rowid")
        while try statement.step() {
            guard let encoding = BatchEncoding(rawValue: UInt8(truncatingIfNeeded: statement.integer(5))) else {
                continue
            }
            let (first, last) = (statement.integer(3), statement.integer(4))
            batches[statement.text(0), default: []].append(
                StoredBatch(
                    partition: Int(statement.integer(1)), baseOffset: 0, count: Int(statement.integer(2)),
                    times: min(first, last)...max(first, last), encoding: encoding,
                    payload: statement.withBytes(6) { Array($0) }))
        }
        return batches
    }

    /// Topics that hold messages which are no query's results, or results of queries that were not audited.
    ///
    /// - Parameter others: queries that have results and were not audited.
    func topicsLeftOut(_ others: [String]) throws -> [Finding] {
        guard let store else { return [] }
        var reasons = [
            "deadLetter": "records that could not be used, as they came",
            "deadLetterReplay": "which of those were sent again",
            "late": "records that were late, as they came",
            "control": "what was done to the results of the other topics",
            "mlResults": "models have answered so, and nothing else says what they should",
        ]
        let inputs = Set(reasons.keys).subtracting(["mlResults"])
        for query in others { reasons["\(query)Stream"] = "its query was not audited" }
        let known = Set(try store.topicNames())
        return try reasons.sorted { $0.key < $1.key }.compactMap { suffix, reason in
            let topic = "\(options.tenant)_\(suffix)"
            guard known.contains(topic) else { return nil }
            let kept = try store.makeReader(topic: topic).offsets().reduce(0) { $0 + $1.count }
            guard kept > 0 else { return nil }
            let finding = Finding("topic", topic)
            finding.leaveOut(
                Int64(kept), reason + (store.keepsColumns ? "" : " (about so many, by their offsets)"),
                isInput: inputs.contains(suffix))
            return finding
        }
    }

    /// The records of the topic of alerts, one text each; nil where there is no such topic, or it does not keep its first ones any more.
    func alertRecords() throws -> [[UInt8]]? {
        let topic = "\(options.tenant)_alerts"
        guard let store, try store.topicNames().contains(topic) else { return nil }
        let reader = try store.makeReader(topic: topic)
        let records = BatchRecords(schemas: reader.schemas)
        var found: [[UInt8]] = []
        for (partition, kept) in try reader.offsets().enumerated() {
            guard kept.lowerBound == 0 else { return nil }
            var offset = kept.lowerBound
            while offset < kept.upperBound, let batch = try reader.read(partition: partition, from: offset) {
                try records.load(batch, from: offset)
                for index in 0..<records.count {
                    records.withValue(index) { value in if let value { found.append(Array(value)) } }
                }
                offset = TopicTrips.offset(after: batch)
            }
        }
        return found
    }

    /// Whether a stream of these results runs, or was killed, so that a topic may have more or less than the database.
    var isUnderWay: Bool {
        audits.contains { audit in
            let last = histories[audit.plan.name]?.runs.last
            return last != nil && (last?.ended == nil || last?.outcome == "failed")
        }
    }

    func compareTopic(
        _ audit: QueryAudit, _ slice: Range<EventTime>, _ before: [String: [Int64]], _ after: [String: [Int64]],
        _ outbox: [String: [StoredBatch]]
    ) throws {
        let topic = audit.topic.name
        guard let store, let endAfter = after[topic] else {
            if audit.checkpoint.counts.results > 0 { audit.topic.note("not compared: there is no such topic any more") }
            return
        }
        let history = histories[audit.plan.name]
        // A run that ended by itself has sent all that it committed; an earlier version left the last of it in the outbox.
        let last = history?.runs.last
        let hasSentAll = last?.ended != nil && last?.outcome != "failed" && !audit.hasUnsentRestatement
        try TopicComparison(
            audit, reader: store.makeReader(topic: topic), endBefore: before[topic] ?? endAfter, endAfter: endAfter,
            outbox: hasSentAll ? [] : outbox[topic] ?? [],
            hasOlder: history?.hasEarlier ?? false || audit.checkpoint.followsOlder ?? false
        ).run(slice)
    }
}
