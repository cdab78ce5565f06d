import Foundation
import Problems
package import SQLite
package import Topics
package import Time

/// Where one query stands: written in each epoch's transaction, beside the results that it explains.
///
/// Each query has its own, so a query that is added later reads from the beginning while the others go on; queries that stand at the
/// same place are run together.
package struct QueryCheckpoint: Codable, Sendable, Equatable {
    /// Counts the processes that have taken the query over; a process whose number is not stored any more stops.
    package var generation: Int64 = 0
    package var epoch: Int64 = 0
    /// Windows that end at or before it are closed for ever; nil before the first.
    package var watermark: EventTime?
    /// The same for the windows that the end of a bounded run closed, before the watermark came there; nil where none was.
    package var closedUntil: EventTime?
    /// What was declared when the results were made (`QueryPlan.schemaFingerprint`).
    package var declaration: String
    /// By the source's name: a topic, or a file's identity.
    package var positions: [String: SourcePosition] = [:]
    package var counts = StoredCounts()
    /// The last messages of the query, alone or with those of others, and the ones before: what the topics have to know as well.
    package var sent: SentMark?
    package var sentBefore: SentMark?
    /// Whether the results were made anew in front of output topics that hold earlier ones; nil for no.
    package var followsOlder: Bool?
    /// The store that the messages go to (`TopicStore.identity`); earlier versions kept none.
    package var target: String?
    /// Positions of the marks, by producer, that were there when the results were made anew: whoever wrote them, these results follow.
    package var superseded: [String: String]?

    /// One append of messages, as the topics note it beside them (`ProducerMark`).
    package struct SentMark: Codable, Sendable, Equatable {
        package var producer: String
        package var sequence: Int64
        package var run: String
    }

    package struct SourcePosition: Codable, Sendable, Equatable {
        /// Next offset of each partition.
        package var offsets: [Int64]
        /// Greatest event time seen in each partition.
        package var newest: [EventTime?]
        /// Rows that a file's reader has set aside so far; nil for a topic.
        package var rejects: Int64?
        /// Of the topic that the offsets count in; nil where it cannot tell.
        package var identity: String?
        /// The seal of the batch that ends at each partition's offset: another copy of the topic has another batch there. Nil where none was
        /// read or the store has no seals; earlier versions kept none.
        package var seals: [Int64?]?
        /// Where those batches end, by partition; nil where that is the partition's offset, in all of them: no ends of transactions follow.
        package var sealEnds: [Int64]?
        /// Records of which it was seen that they are of the topic that was read: one that is made anew while it is read may have given the
        /// records after them. Nil where the topic has an identity of its own.
        package var anchors: [TopicAnchor]?
        /// Of files: the clock when they were first read, by which event times are too far ahead or not; nil for a topic.
        package var startedMs: EventTime?
        /// Of files: what the system said of them, and the hashes of all their bytes, once known. Earlier versions kept neither.
        package var stamp: String?
        package var content: [String]?
        /// Of files whose parts an engine computes, until all was read: how far they are. Nil for what the stream reads itself.
        package var parts: PartProgress?
        /// Whether all of the files was read. Nil for no, for a topic, and from versions that did not note it.
        package var isComplete: Bool?
    }

    package struct StoredCounts: Codable, Sendable, Equatable {
        package var aggregated: Int64 = 0
        package var late: Int64 = 0
        package var skipped: Int64 = 0
        package var filtered: Int64 = 0
        package var results: Int64 = 0
        /// Records that were gone before they could be read; nil for none.
        package var lost: Int64?
        /// Records that were merged into a window which they were late for; nil for none.
        package var lateMerged: Int64?
        /// Records that are missing from some of their windows, which they were late for; nil from versions that did not count them.
        package var lateInPart: Int64? = 0
        /// Records of a time that newer files stand for; nil for none.
        package var restated: Int64?
    }
}

extension QueryCheckpoint.SourcePosition {
    /// Where the batch ends that the seal of a partition is of.
    func end(ofSealIn partition: Int) -> Int64 {
        guard let sealEnds, partition < sealEnds.count else { return offsets[partition] }
        return sealEnds[partition]
    }

    /// Whether the next record to read is the same, whatever else is known of the topic.
    func isSamePlace(as other: Self) -> Bool {
        var (own, others) = (self, other)
        (own.anchors, others.anchors) = (nil, nil)
        return own == others
    }
}

extension QueryCheckpoint {
    /// The first number that no stream has written, by its name; nil where all may stand. Whoever has a checkpoint may compute with it.
    fileprivate var firstWrong: String? {
        func isWrong(_ range: ClosedRange<Int64>, _ numbers: Int64?...) -> Bool { isWrong(range, numbers) }
        func isWrong(_ range: ClosedRange<Int64>, _ numbers: [Int64?]) -> Bool {
            numbers.contains { $0.map { !range.contains($0) } ?? false }
        }
        if isWrong(.counts, generation) { return "generation" }
        if isWrong(.counts, epoch) { return "epoch" }
        if isWrong(.instants, watermark) { return "watermark" }
        if isWrong(.instants, closedUntil) { return "closedUntil" }
        if isWrong(
            .counts, counts.aggregated, counts.late, counts.skipped, counts.filtered, counts.results, counts.lost,
            counts.lateMerged, counts.lateInPart, counts.restated)
        {
            return "counts"
        }
        if isWrong(.counts, sent?.sequence, sentBefore?.sequence) { return "sent" }
        for (source, position) in positions.sorted(by: { $0.key < $1.key }) {
            if position.offsets.contains(where: { isWrong(.counts, $0) }) { return "positions of \(source): offsets" }
            if position.newest.contains(where: { isWrong(.times, $0) }) { return "positions of \(source): newest" }
            if isWrong(.counts, position.anchors?.map(\.end) ?? []) || isWrong(.counts, position.sealEnds ?? []) {
                return "positions of \(source): anchors"
            }
            if isWrong(.counts, position.rejects) { return "positions of \(source): rejects" }
            if isWrong(.times, position.startedMs) { return "positions of \(source): startedMs" }
            if max(position.offsets.count, position.newest.count) > 10_000 { return "positions of \(source)" }
        }
        return nil
    }
}

/// The checkpoints in a tenant's database, by query name.
package struct CheckpointStore {
    let connection: Connection

    package init(connection: Connection) { self.connection = connection }

    func load(_ query: String) throws -> QueryCheckpoint? {
        let statement = try connection.prepare("SELECT state, stream FROM checkpoints WHERE stream = ?")
        statement.bind(0, query)
        guard try statement.step() else { return nil }
        let text = try statement.storedText(0)
        guard let checkpoint = try? JSONDecoder().decode(QueryCheckpoint.self, from: Data(text.utf8)) else {
            throw statement.damage(0, wanted: "the JSON of a checkpoint")
        }
        if let wrong = checkpoint.firstWrong {
            throw connection.damage("table checkpoints, column state (stream \"\(query)\"): \(wrong) is out of range")
        }
        return checkpoint
    }

    /// All checkpoints, the queries of `plans` first and in their order; a query that is not declared any more has no plan.
    package func all(_ plans: [QueryPlan]) throws -> [(name: String, plan: QueryPlan?, checkpoint: QueryCheckpoint)] {
        let stored = try StoredQueries.names(on: connection)
        let declared = plans.map(\.name)
        let names = declared.filter(stored.contains) + stored.filter { !declared.contains($0) }
        return try names.compactMap { name in
            try load(name).map { (name, plans.first { $0.name == name }, $0) }
        }
    }

    func save(_ checkpoint: QueryCheckpoint, of query: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(checkpoint), as: UTF8.self)
        try connection.execute(
            "INSERT OR REPLACE INTO checkpoints (stream, epoch, state) VALUES (?, ?, ?)", .text(query),
            .integer(checkpoint.epoch), .text(text))
    }

    /// Inside an epoch's transaction: stops a process whose query another one has taken over.
    func requireGeneration(_ generation: Int64, of query: String) throws {
        let found = try connection.value(
            "SELECT json_extract(state, '$.generation') FROM checkpoints WHERE stream = ?", .text(query))
        guard found?.integer == generation else {
            throw Problem(
                .unavailable, "a newer process has taken over query \"\(query)\"; this one stops",
                hint:
                    "Run one stream of a tenant's query at a time. Nothing is lost: the newer one goes on where this one was."
            )
        }
    }
}
