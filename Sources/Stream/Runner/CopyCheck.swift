import Foundation
import Problems
package import SQLite
package import Topics

/// Whether results and topics belong together: of two databases one may have been put back from an older copy, or made anew.
///
/// A checkpoint knows of each partition the batch that ends where it stands, by its seal; and of the query's last messages under which mark they
/// were appended, which the topics note beside them. A copy of both, made while nothing ran, agrees in all of it.
package enum CopyCheck {
    /// Begins the names of the producers of results.
    static let producerPrefix = "stream:"

    /// The queries whose results a producer sends: behind the last colon, since earlier versions had the tenant between.
    static func queries(of producer: String) -> [String] {
        (producer.split(separator: ":").last ?? "").split(separator: "+").map(String.init)
    }

    private static let waysOn =
        "Put results and topics back from one copy; or compute the results anew from what the topic holds: taxi-cli stream --from-beginning."

    /// - Throws: `.badData` where the topic is not the one, or not in the state, that results were computed from up to `position`.
    package static func require(_ position: QueryCheckpoint.SourcePosition, in reader: any TopicReader) throws {
        guard position.identity == nil || position.identity == reader.identity else {
            throw Problem(
                .badData, "results were computed from another topic \"\(reader.topic)\", which was deleted since",
                hint: "Run taxi-cli stream --from-beginning to compute them anew from this one.")
        }
        let kept = try reader.offsets()
        for (partition, offset) in position.offsets.enumerated() where partition < kept.count {
            let place = "offset \(offset) of topic \"\(reader.topic)\" partition \(partition)"
            guard offset <= kept[partition].upperBound else {
                throw Problem(
                    .badData,
                    "results were computed up to \(place), which ends at \(kept[partition].upperBound): it is an older copy, or was made anew",
                    hint: waysOn)
            }
            guard let seals = position.seals, partition < seals.count, let seal = seals[partition],
                kept[partition].lowerBound < offset,
                // One that is damaged was read when it was whole.
                let last = try? reader.read(partition: partition, from: offset - 1), last.baseOffset < offset
            else { continue }
            guard last.seal == seal, last.baseOffset + Int64(last.count) == offset else {
                throw Problem(
                    .badData,
                    "results were computed from other records before \(place) than are there now: an older copy of the topic has been filled again",
                    hint: waysOn)
            }
        }
    }

    /// Sees that the output topics end with the messages that the queries sent last. To be asked when no other process sends any, but for
    /// those of the epoch in the outbox.
    ///
    /// - Throws: `.badData` where the topics know of later messages than the results, or lack some.
    package static func requireSent(
        _ queries: [String], results connection: Connection, topics store: any TopicStore
    ) throws {
        let checkpoints = CheckpointStore(connection: connection)
        guard let marks = try store.marks(ofProducers: producerPrefix) else { return }
        for query in queries {
            for mark in marks {
                let company = Self.queries(of: mark.producer)
                guard company.contains(query) else { continue }
                // Each epoch of theirs has counted up at least one of them to its number.
                guard mark.sequence <= (try company.compactMap { try checkpoints.load($0)?.epoch }.max() ?? 0) else {
                    throw ahead(query)
                }
            }
            guard let checkpoint = try checkpoints.load(query), let sent = checkpoint.sent else { continue }
            let mark = marks.first { $0.producer == sent.producer }
            if let mark, mark.isOf(sent) { continue }
            guard mark?.sequence ?? 0 <= sent.sequence else { throw ahead(query) }
            // Committed and not sent when the process died: the topics are one step behind.
            let isWaiting = try connection.integer(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE stream = ? AND sequence = ?)", .text(sent.producer),
                .integer(sent.sequence), in: .flags)
            guard isWaiting == 1, let before = checkpoint.sentBefore else {
                // Its first messages, unless an earlier version has sent some.
                if isWaiting == 1 { continue }
                throw behind(query)
            }
            guard marks.contains(where: { $0.isOf(before) }) else { throw behind(query) }
        }
    }

    /// The same for all queries that have results, for whoever only looks while no stream runs.
    package static func requireAll(results connection: Connection, topics store: any TopicStore) throws {
        let stored = try CheckpointStore(connection: connection).all([])
        for (_, _, checkpoint) in stored {
            for (source, position) in checkpoint.positions where try store.hasTopic(source) {
                try require(position, in: store.makeReader(topic: source))
            }
        }
        try requireSent(stored.map(\.name), results: connection, topics: store)
    }

    private static func ahead(_ query: String) -> Problem {
        Problem(
            .badData,
            "the output topics hold messages of query \"\(query)\" that the results know nothing of: results.db is an older copy, or was made anew",
            hint:
                "Put results.db and topics.db back from one copy. Or compute the results anew, whose messages then follow those that are there: taxi-cli stream --from-beginning; taxi-cli topic delete removes an output topic first."
        )
    }

    private static func behind(_ query: String) -> Problem {
        Problem(
            .badData,
            "the output topics lack messages of query \"\(query)\" that were sent: topics.db is an older copy than results.db",
            hint:
                "Put results.db and topics.db back from one copy. Or compute the results anew, and send all of them: taxi-cli stream --from-beginning."
        )
    }
}

extension ProducerMark {
    fileprivate func isOf(_ sent: QueryCheckpoint.SentMark) -> Bool {
        producer == sent.producer && sequence == sent.sequence && position == Array(sent.run.utf8)
    }
}
