import Problems
public import Trips

/// A rejected record on its way to `{tenant}_deadLetter`: unchanged, with the reason and the place in its headers.
public enum DeadLetter {
    public enum Origin: Sendable {
        /// A row of a file; its line is that of the reject's location. `topic` is where it was to go.
        case file(meantFor: String)
        /// A record of a topic; its offset is the line of the reject's location.
        case topic(String, partition: Int)
    }

    public static func record(of reject: Reject, from origin: Origin, atMs timestamp: EventTime = 0) -> TopicRecord {
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
            "reason": reject.reason.rawValue, "detail": reject.detail, "source": source,
            "__connect.errors.topic": topic, "__connect.errors.partition": "\(partition)",
            "__connect.errors.offset": "\(location.line)", "__connect.errors.exception.message": message,
        ]
        return TopicRecord(
            key: nil, value: reject.bytes, headers: headers.map { .init(name: $0, value: Array($1.utf8)) },
            timestamp: timestamp)
    }
}
