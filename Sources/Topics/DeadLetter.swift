import Problems
public import Trips

/// A rejected record on its way to `{tenant}_deadLetter`: unchanged, with the reason and the place in its headers.
public enum DeadLetter {
    /// - Parameters:
    ///   - topic: where the record came from; nil for a file.
    ///   - partition: its partition there; its offset is the line of the reject's location.
    public static func record(of reject: Reject, topic: String?, partition: Int, timestamp: EventTime = 0)
        -> TopicRecord
    {
        let line = reject.location.line
        let source = topic.map { "\($0)/\(partition)/\(line)" } ?? "\(reject.location.file):\(line)"
        // Where in a topic it was, other headers say; in a file the column is still to be told.
        let place = topic == nil ? "\(reject.location): " : ""
        // Kafka Connect's own names besides, so that Kafka UIs show them.
        let headers: [(String, String)] = [
            ("reason", reject.reason.rawValue), ("detail", reject.detail), ("source", source),
            ("__connect.errors.topic", topic ?? reject.location.file),
            ("__connect.errors.partition", "\(partition)"), ("__connect.errors.offset", "\(line)"),
            ("__connect.errors.exception.message", place + "\(reject.reason.rawValue): \(reject.detail)"),
        ]
        return TopicRecord(
            key: nil, value: reject.bytes, headers: headers.map { .init(name: $0, value: Array($1.utf8)) },
            timestamp: timestamp)
    }
}
