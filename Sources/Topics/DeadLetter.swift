import Problems
public import Time
public import Trips

/// A rejected record on its way to `{tenant}_deadLetter`: unchanged, with the reason and the place in headers behind its own.
public enum DeadLetter {
    public enum Origin: Sendable {
        /// A row of a file; its line is that of the reject's location.
        ///
        /// - Parameters:
        ///   - meantFor: the topic that it was to go to.
        ///   - reading: how the file was read, for who reads the row again (`RowReading.text`).
        case file(meantFor: String, reading: String? = nil)
        /// A record of a topic; its offset is the line of the reject's location.
        case topic(String, partition: Int)
    }

    /// How many headers `record` and `quarantined` add at most.
    static let headerCount = blockNames.count + 5
    /// The header that says why.
    public static let reasonHeader = "reason"
    static let detailHeader = "detail"
    static let sourceHeader = "source"
    static let connectPrefix = "__connect.errors."
    static let messageHeader = "__connect.errors.exception.message"
    /// Of a row of a file: the header line that it stood under, and how the file was read.
    static let columnsHeader = "columns"
    static let readingHeader = "reading"
    /// How often a record has been sent again, and as which dead letter the last time: `topic/partition/offset`.
    public static let replayCountHeader = "taxi.replay.count"
    public static let replayOfHeader = "taxi.replay.of"
    /// Of a quarantined record: why it was rejected first.
    static let firstReasonHeader = "taxi.replay.reason"
    /// The reason of what was rejected again when it was to be sent again.
    public static let quarantined = "quarantined"
    /// What begins the headers of ours behind a record's own, in this order.
    static let blockNames = [
        reasonHeader, detailHeader, sourceHeader, "__connect.errors.topic", "__connect.errors.partition",
        "__connect.errors.offset", messageHeader,
    ]
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
        var reading: String?
        switch origin {
        case .file(let meantFor, let how):
            // Of where it was in a topic there is nothing to say yet: partition -1 is Kafka's "not assigned".
            source = "\(location.file):\(location.line)"
            (topic, partition, message, reading) = (meantFor, -1, "\(location): \(fault)", how)
        case .topic(let name, let number):
            source = "\(name)/\(number)/\(location.line)"
            (topic, partition, message) = (name, number, fault)
        }
        var record = original ?? TopicRecord(key: nil, value: reject.bytes, timestamp: timestamp)
        // Kafka Connect's own names besides, so that Kafka UIs show them.
        record.headers += block([
            reject.reason.rawValue, reject.detail, source, topic, "\(partition)", "\(location.line)", message,
        ])
        for case (let name, let text?) in [(columnsHeader, reject.columns), (readingHeader, reading)] {
            record.headers.append(.init(name: name, value: Array(text.utf8)))
        }
        // Beyond the year 9999 no store of ours looks.
        record.timestamp = min(record.timestamp, RFC3339.range.upperBound)
        return record
    }

    /// A dead letter that was rejected again when it was to be sent again: as it is, under the reason `quarantined`.
    public static func quarantined(_ letter: StoredLetter, since detail: String) -> TopicRecord {
        var record = letter.record
        record.headers = letter.ownHeaders
        let origin = letter.origin
        let (topic, partition, offset) = (
            origin?.topic ?? "", origin?.partition ?? -1, origin?.line ?? origin?.offset ?? -1
        )
        record.headers += block([
            quarantined, detail, letter.source ?? origin?.place ?? "", topic, "\(partition)", "\(offset)",
            letter.header(messageHeader) ?? detail,
        ])
        for name in [columnsHeader, readingHeader] {
            guard let text = letter.header(name) else { continue }
            record.headers.append(.init(name: name, value: Array(text.utf8)))
        }
        record.headers.append(.init(name: firstReasonHeader, value: Array(letter.reason.utf8)))
        if letter.replayCount > 0 {
            record.headers.append(.init(name: replayCountHeader, value: Array("\(letter.replayCount)".utf8)))
        }
        return record
    }

    /// - Parameter texts: for `blockNames`.
    private static func block(_ texts: [String]) -> [TopicRecord.Header] {
        zip(blockNames, texts).map { .init(name: $0, value: Array($1.utf8)) }
    }
}
