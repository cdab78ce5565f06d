internal import CRdKafka
public import Problems

/// librdkafka's own cluster, inside this process: for tests, where nothing is installed.
///
/// It knows producing, fetching and transactions, and no administration: no `CreateTopics`, `DeleteTopics` or `DescribeConfigs`. Fetching
/// does not tell committed records from aborted ones.
public final class KafkaMockCluster: @unchecked Sendable {
    // `@unchecked`: librdkafka serves the cluster on a thread of its own; its calls may come from any.
    private let client: KafkaClient
    private let cluster: OpaquePointer

    public init(brokers: Int) throws(Problem) {
        client = try KafkaClient(.producer, KafkaConfiguration(servers: "127.0.0.1:1"))
        guard let cluster = rd_kafka_mock_cluster_new(client.raw, Int32(brokers)) else {
            throw Problem(.software, "no mock cluster of \(brokers) brokers")
        }
        self.cluster = cluster
    }

    deinit { rd_kafka_mock_cluster_destroy(cluster) }

    public var configuration: KafkaConfiguration {
        KafkaConfiguration(servers: String(cString: rd_kafka_mock_cluster_bootstraps(cluster)))
    }

    public func createTopic(_ name: String, partitions: Int) {
        rd_kafka_mock_topic_create(cluster, name, Int32(partitions), 1)
    }

    /// From now on the brokers say that they know no such topic, or say again that they do.
    public func set(topic: String, isKnown: Bool) {
        rd_kafka_mock_topic_set_error(
            cluster, topic, isKnown ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    }

    /// The next requests for records are answered with: there is no such offset.
    public func failFetchesOutOfRange(count: Int) {
        fail(Self.fetch, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, count: count)
    }

    /// The next requests to append are answered as by a broker that has no word for what went wrong.
    public func failAppends(count: Int) { fail(Self.produce, RD_KAFKA_RESP_ERR_UNKNOWN, count: count) }

    private func fail(_ request: Int16, _ error: rd_kafka_resp_err_t, count: Int) {
        rd_kafka_mock_push_request_errors_array(cluster, request, count, Array(repeating: error, count: count))
    }

    /// The numbers of requests in the brokers' protocol.
    private static let produce: Int16 = 0
    private static let fetch: Int16 = 1

    /// Whom a group's or a transactional id's requests go to.
    public enum Coordinated: String { case group, transaction }

    public func setCoordinator(of kind: Coordinated, _ key: String, broker: Int) {
        rd_kafka_mock_coordinator_set(cluster, kind.rawValue, key, Int32(broker))
    }

    public func setLeader(of topic: String, partition: Int, broker: Int) {
        rd_kafka_mock_partition_set_leader(cluster, topic, Int32(partition), Int32(broker))
    }

    /// From now on a broker takes requests and does not answer them, or does again.
    public func set(broker: Int, answers: Bool) {
        rd_kafka_mock_broker_set_rtt(cluster, Int32(broker), answers ? 0 : 3_600_000)
    }

    /// Whether a broker accepts connections; those that there are end when it goes down.
    public func set(broker: Int, isUp: Bool) {
        if isUp {
            rd_kafka_mock_broker_set_up(cluster, Int32(broker))
        } else {
            rd_kafka_mock_broker_set_down(cluster, Int32(broker))
        }
    }
}
