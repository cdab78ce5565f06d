import SQLite
import Stream
import Topics
import Trips

extension Auditor {
    func topicEnds() throws -> [String: [Int64]] {
        guard let store else { return [:] }
        let known = Set(try store.topics().map(\.name))
        return try plans.map { "\(options.tenant)_\($0.topicSuffix)" }.filter(known.contains)
            .reduce(into: [:]) { $0[$1] = try store.makeReader(topic: $1).offsets().map(\.upperBound) }
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
        // A run that ended by itself has sent all that it committed, and leaves the last of it in the outbox.
        let last = history?.runs.last
        let hasSentAll = last?.ended != nil && last?.outcome != "failed"
        try TopicComparison(
            audit, reader: store.makeReader(topic: topic), endBefore: before[topic] ?? endAfter, endAfter: endAfter,
            outbox: hasSentAll ? [] : outbox[topic] ?? [], hasOlder: history?.hasEarlier ?? false
        ).run(slice)
    }
}
