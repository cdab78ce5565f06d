import Foundation
import Problems
package import SQLite
import Telemetry
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
        guard position.offsets.count <= kept.count else {
            throw Problem(
                .badData,
                "results were computed from \(position.offsets.count) partitions of topic \"\(reader.topic)\", which has \(kept.count) now: it was made anew",
                hint: waysOn)
        }
        for anchor in position.anchors ?? [] where kept.indices.contains(anchor.partition) {
            try require(anchor, kept[anchor.partition], in: reader)
        }
        for (partition, offset) in position.offsets.enumerated() where partition < kept.count {
            let place = "offset \(offset) of topic \"\(reader.topic)\" partition \(partition)"
            guard offset <= kept[partition].upperBound else {
                throw Problem(
                    .badData,
                    "results were computed up to \(place), which ends at \(kept[partition].upperBound): it is an older copy, or was made anew",
                    hint: waysOn)
            }
            guard let seals = position.seals, partition < seals.count, let seal = seals[partition] else { continue }
            let anchor = TopicAnchor(partition: partition, end: position.end(ofSealIn: partition), seal: seal)
            try require(anchor, kept[partition], in: reader)
        }
    }

    /// - Throws: `.badData` where the topic has something else than what was read there.
    private static func require(
        _ anchor: TopicAnchor, _ kept: Range<Int64>, in reader: any TopicReader
    ) throws {
        guard kept.lowerBound < anchor.end else { return }
        let place = "offset \(anchor.end) of topic \"\(reader.topic)\" partition \(anchor.partition)"
        let finding =
            anchor.end > kept.upperBound ? .other : try reader.seal(partition: anchor.partition, endingAt: anchor.end)
        switch finding {
        case .seal(anchor.seal): return
        case .seal, .other:
            throw Problem(
                .badData,
                "results were computed from other records before \(place) than are there now: it was made anew, or is an older copy that has been filled again",
                hint: waysOn)
        case .unknown:
            Logger("stream").warning(
                "the record before \(place) that was read is not there any more: whether the topic is the same cannot be told from it"
            )
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
        var sent = try SentCheck(stored.map(\.name), results: connection, topics: store)
        try sent.require()
    }
}
