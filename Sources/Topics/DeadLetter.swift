import Problems
public import Trips

/// A rejected record on its way to `{tenant}_deadLetter`: unchanged, with the reason and the place in headers behind its own.
public enum DeadLetter {
    public enum Origin: Sendable {
        /// A row of a file; its line is that of the reject's location. `topic` is where it was to go.
        case file(meantFor: String)
        /// A record of a topic; its offset is the line of the reject's location.
        case topic(String, partition: Int)
    }

    /// How many headers `record` adds.
    static let headerCount = 7
    /// The header that says why.
    public static let reasonHeader = "reason"
    /// The header of a record that its topic would not take whole: what of it is kept.
    public static let cutHeader = "cut"

    /// - Parameters:
    ///   - original: the record as its topic has it; nil for a row of a file, which becomes a record without a key.
    ///   - timestamp: of a row of a file, ms UTC.
    public static func record(
        of reject: Reject, from origin: Origin, original: TopicRecord? = nil, atMs timestamp: EventTime = 0
    ) -> TopicRecord {
        let location = reject.location
        let fault = "\(reject.reason.rawValue): \(reject.detail)"
        let (source, topic, partition, message): (String, String, Int, String)
        switch origin {
        case .file(let meantFor):
            // Of where it was in a topic there is nothing to say yet: partition -1 is Kafka's "not assigned".
            source = "\(location.file):\(location.line)"
            (topic, partition, message) = (meantFor, -1, "\(location): \(fault)")
        case .topic(let name, let number):
            source = "\(name)/\(number)/\(location.line)"
            (topic, partition, message) = (name, number, fault)
        }
        // Kafka Connect's own names besides, so that Kafka UIs show them.
        let headers: KeyValuePairs<String, String> = [
            reasonHeader: reject.reason.rawValue, "detail": reject.detail, "source": source,
            "__connect.errors.topic": topic, "__connect.errors.partition": "\(partition)",
            "__connect.errors.offset": "\(location.line)", "__connect.errors.exception.message": message,
        ]
        var record = original ?? TopicRecord(key: nil, value: reject.bytes, timestamp: timestamp)
        record.headers += headers.map { .init(name: $0, value: Array($1.utf8)) }
        // Beyond the year 9999 no store of ours looks.
        record.timestamp = min(record.timestamp, RFC3339.range.upperBound)
        return record
    }
}
