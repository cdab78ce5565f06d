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

    /// Compares all that has results with its source and with what was sent, for whoever only looks while no stream runs.
    package static func requireAll(results connection: Connection, topics store: any TopicStore) throws {
        let stored = try CheckpointStore(connection: connection).all([])
        for (_, _, checkpoint) in stored {
            for (source, position) in checkpoint.positions where try store.hasTopic(source) {
                try require(position, in: store.makeReader(topic: source))
            }
        }
        try SentCheck(stored.map(\.name), results: connection, topics: store).require()
    }
}
