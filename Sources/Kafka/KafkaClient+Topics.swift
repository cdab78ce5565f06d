internal import CRdKafka
import Glibc
public import Problems

// MARK: - The connection

extension KafkaClient {
    /// How long a broker may take for its first answer.
    public static let connectTimeoutMs: Int32 = 6000

    /// Waits until a broker has answered.
    ///
    /// - Throws: `.unavailable` or `.noPermission` with the reason, within the time; a refusal is told at once.
    public func connect(timeoutMs: Int64 = Int64(connectTimeoutMs)) throws(Problem) {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(timeoutMs)
        while true {
            do throws(KafkaError) {
                _ = try metadata(topic: nil, allTopics: false, timeoutMs: 500)
                return
            } catch {
                rd_kafka_poll(raw, 0)
                if KafkaPatience.isOver(since: start) {
                    throw (events.last ?? error).problem(doing: "connecting", servers: servers)
                }
                if let refusal = events.refusal { throw refusal.problem(doing: "connecting", servers: servers) }
                guard ContinuousClock.now < deadline, error.isConnection else {
                    throw (events.last ?? error).problem(doing: "connecting", servers: servers)
                }
            }
        }
    }

    /// The cluster's own name; empty where it does not tell.
    public var clusterID: String {
        var text: UnsafeMutablePointer<CChar>?
        _ = KafkaPatience.inPieces(limitMs: Self.connectTimeoutMs) { timeoutMs in
            text = rd_kafka_clusterid(raw, timeoutMs)
            return text == nil ? RD_KAFKA_RESP_ERR__TIMED_OUT : RD_KAFKA_RESP_ERR_NO_ERROR
        }
        guard let text else { return "" }
        defer { rd_kafka_mem_free(raw, text) }
        return String(cString: text)
    }

    /// A topic's partitions as the cluster tells them.
    public struct TopicMetadata: Sendable {
        public var name: String
        public var partitionCount: Int
        var error: rd_kafka_resp_err_t
    }

    /// What is known of one topic (`topic`), of all, or of none: then it only shows that a broker answers.
    func metadata(topic: String?, allTopics: Bool, timeoutMs: Int32) throws(KafkaError) -> [TopicMetadata] {
        let handle = topic.map { rd_kafka_topic_new(raw, $0, nil) } ?? nil
        defer { if let handle { rd_kafka_topic_destroy(handle) } }
        var found: UnsafePointer<rd_kafka_metadata>?
        // The client asks one of the brokers that it is connected to; where that one hangs, another may answer.
        let code = KafkaPatience.inPieces(limitMs: timeoutMs) { timeoutMs in
            rd_kafka_metadata(raw, allTopics ? 1 : 0, handle, &found, timeoutMs)
        }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let found else { throw KafkaError(code) }
        defer { rd_kafka_metadata_destroy(found) }
        return (0..<Int(found.pointee.topic_cnt)).map { index in
            let topic = found.pointee.topics[index]
            return TopicMetadata(
                name: String(cString: topic.topic), partitionCount: Int(topic.partition_cnt), error: topic.err)
        }
    }

    /// The topic's partitions; nil where there is no such topic.
    public func describe(topic: String) throws(KafkaError) -> TopicMetadata? {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(Int(Self.connectTimeoutMs))
        while true {
            do throws(KafkaError) { return try look(atTopic: topic, timeoutMs: Self.connectTimeoutMs) } catch {
                guard error.code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, ContinuousClock.now < deadline else {
                    throw error
                }
                try KafkaPatience.check(since: start)
                usleep(20_000)
            }
        }
    }

    /// How long a look may take: for who asks often, and can do without an answer.
    public static let lookTimeoutMs: Int32 = 500

    /// The topic's partitions; nil where the broker that was asked knows no such topic.
    public func look(
        atTopic topic: String, timeoutMs: Int32 = KafkaClient.lookTimeoutMs
    ) throws(KafkaError) -> TopicMetadata? {
        let found = try metadata(topic: topic, allTopics: false, timeoutMs: timeoutMs).first
        guard let found else { return nil }
        switch found.error {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return found
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC: return nil
        default: throw KafkaError(found.error)
        }
    }

    /// What `offsets` gives for one partition.
    public func look(atOffsetOf topic: String, partition: Int, time: Int64) throws(KafkaError) -> Int64 {
        try listOffsets(topic: topic, partitions: partition..<partition + 1, time: time, Self.lookTimeoutMs)[0]
    }

    /// The names of all topics that are somebody's, by name.
    public func topicNames() throws(KafkaError) -> [String] { try topics().map(\.name).sorted() }

    func topics() throws(KafkaError) -> [TopicMetadata] {
        try metadata(topic: nil, allTopics: true, timeoutMs: Self.connectTimeoutMs)
            .filter { !$0.name.hasPrefix("__") }
    }

    /// Offsets that `ListOffsets` gives for each partition of a topic.
    ///
    /// - Parameter time: the first offset at or after an event time, ms; or -1 for the end (for readers of committed records: as far
    ///   as they can read), -2 for the oldest kept. Where no record is as late, the offset is -1.
    public func offsets(topic: String, partitions: Int, time: Int64) throws(KafkaError) -> [Int64] {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(Int(Self.connectTimeoutMs))
        while true {
            do throws(KafkaError) {
                return try listOffsets(
                    topic: topic, partitions: 0..<partitions, time: time, Self.connectTimeoutMs)
            } catch {
                // A topic that was just made, or moves to another broker, has no leader for a moment.
                guard error.isConnection, !error.isTimeout, ContinuousClock.now < deadline else { throw error }
                try KafkaPatience.check(since: start)
                usleep(20_000)
            }
        }
    }

    private func listOffsets(
        topic: String, partitions: Range<Int>, time: Int64, _ timeoutMs: Int32
    ) throws(KafkaError) -> [Int64] {
        let list = rd_kafka_topic_partition_list_new(Int32(partitions.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in partitions {
            rd_kafka_topic_partition_list_add(list, topic, Int32(partition)).pointee.offset = time
        }
        let code = KafkaPatience.inPieces(limitMs: timeoutMs) { rd_kafka_offsets_for_times(raw, list, $0) }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
        var offsets: [Int64] = []
        for index in 0..<partitions.count {
            let element = list!.pointee.elems[index]
            guard element.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(element.err) }
            offsets.append(element.offset)
        }
        return offsets
    }
}
