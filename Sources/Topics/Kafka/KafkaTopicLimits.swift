import Kafka
import Time

/// What a topic takes of a record. Topics that we make take any time and large dead letters; those that others have made may not, and who
/// may not see their settings learns it from what is refused.
struct KafkaTopicLimits {
    /// Of a batch of records.
    private(set) var bytes: Int
    /// How far a record's timestamp may be ahead of the broker's clock, and behind it, ms.
    private var aheadMs: Int64
    private var behindMs: Int64
    /// How often a timestamp was refused all the same.
    private var refusals = 0

    private static let usualBytes = 1_048_588
    private static let usualAheadMs: Int64 = 3_600_000
    private static let dayMs: Int64 = 86_400_000

    /// - Parameter settings: the topic's configuration; nil where nobody tells it: then those of a broker that was told nothing count.
    init(_ settings: [String: String]?) {
        guard let settings else {
            (bytes, aheadMs, behindMs) = (Self.usualBytes, Self.usualAheadMs, .max)
            return
        }
        bytes = settings["max.message.bytes"].flatMap { Int($0) } ?? Self.usualBytes
        guard settings["message.timestamp.type"] != "LogAppendTime" else {
            (aheadMs, behindMs) = (.max, .max)
            return
        }
        // Before Kafka 3.6 there is one bound for both.
        func bound(_ name: String) -> Int64 {
            settings["message.timestamp.\(name).max.ms"].flatMap { Int64($0) } ?? .max
        }
        aheadMs = min(bound("after"), bound("difference"))
        behindMs = min(bound("before"), bound("difference"))
    }

    /// The timestamps that it takes, with some room for clocks that differ.
    func times(nowMs: EventTime) -> ClosedRange<EventTime> {
        func room(_ ms: Int64) -> Int64 { min(60_000, max(0, ms) / 2) }
        let latest = aheadMs == .max ? .max : nowMs + aheadMs - room(aheadMs)
        let earliest = behindMs == .max ? .min : nowMs - behindMs + room(behindMs)
        return min(earliest, latest)...latest
    }

    /// Takes a refusal for a sign that less is taken than was known.
    ///
    /// - Returns: whether there is less to try.
    mutating func tighten(after error: KafkaError) -> Bool {
        if error.isTooLarge {
            bytes /= 2
            return bytes >= 1000
        }
        guard error.isTimestamp else { return false }
        refusals += 1
        switch refusals {
        case 1: aheadMs = 0
        // The broker's clock is behind ours.
        case 2: aheadMs = -Self.dayMs
        case 3: (aheadMs, behindMs) = (0, 0)
        default: return false
        }
        return true
    }
}

/// A record on its way to a topic that may not take it as it is.
struct KafkaFitting {
    let limits: KafkaTopicLimits
    /// Of the topic's largest record, as the client takes it.
    let clientBytes: Int
    let times: ClosedRange<EventTime>
    /// Whether records may be cut: what was set aside comes in any size.
    let cuts: Bool

    init(_ limits: KafkaTopicLimits, topic: String, clientBytes: Int, nowMs: EventTime) {
        (self.limits, self.clientBytes) = (limits, clientBytes)
        times = limits.times(nowMs: nowMs)
        cuts = topic.hasSuffix("_deadLetter")
    }

    /// The timestamp to send; where it is another than the record's, a header keeps that.
    func timestamp(_ time: EventTime) -> (time: EventTime, headers: [(name: String, value: [UInt8]?)]) {
        if times.contains(time) { return (max(0, time), []) }
        return (
            max(0, min(max(time, times.lowerBound), times.upperBound)),
            [("event_timestamp", Array(RFC3339.string(time).utf8))]
        )
    }

    /// What a batch and a record take beside the bytes of the record itself.
    private static let overhead = 256

    /// The record as the topic takes it, with a header that tells what was left out; nil where it fits.
    func cut(_ record: RecordBatch.Slice) -> (record: TopicRecord, kept: Int)? {
        let most = min(limits.bytes, clientBytes) - Self.overhead
        func size(_ headers: [TopicRecord.Header]) -> Int {
            headers.reduce(0) { $0 + $1.name.utf8.count + ($1.value?.count ?? 0) + 10 }
        }
        let (keyBytes, valueBytes) = (record.key?.count ?? 0, record.value?.count ?? 0)
        guard keyBytes + valueBytes + size(record.headers) > most else { return nil }
        // The newest headers are those that say why it was set aside.
        var headers = record.headers
        while headers.count > DeadLetter.headerCount, size(headers) > most / 2 { headers.removeFirst() }
        for index in headers.indices where size(headers) > most / 2 {
            headers[index].value = headers[index].value.map { Array($0.prefix(max(16, most / 20))) }
        }
        let key = record.key.map { Array($0.prefix(most / 4)) }
        let kept = max(0, min(valueBytes, most - size(headers) - (key?.count ?? 0)))
        let left = record.headers.count - headers.count
        let mark =
            "\(kept) of \(valueBytes) bytes of the value are kept"
            + (keyBytes > key?.count ?? 0 ? ", \(key?.count ?? 0) of \(keyBytes) of the key" : "")
            + (left > 0 ? ", and \(left) headers are left out" : "")
        headers.append(.init(name: DeadLetter.cutHeader, value: Array(mark.utf8)))
        return (
            TopicRecord(
                key: key, value: record.value.map { Array($0.prefix(kept)) }, headers: headers,
                timestamp: record.timestamp),
            kept
        )
    }
}
