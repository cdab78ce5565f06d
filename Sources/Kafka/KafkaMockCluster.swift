internal import CRdKafka
public import Problems

/// A cluster that librdkafka plays inside this process: for tests that need a broker's answers and none of its promises.
///
/// It knows topics, records, groups and the calls of transactions, but stores aborted records like others and answers no request of
/// administration.
///
/// `@unchecked Sendable`: librdkafka's mock has a thread of its own, which all calls are handed to.
public final class KafkaMockCluster: @unchecked Sendable {
    private let client: KafkaClient
    private let raw: OpaquePointer

    public init(brokers: Int = 1) throws(Problem) {
        client = try KafkaClient(.producer, KafkaConfiguration(servers: ""))
        guard let raw = rd_kafka_mock_cluster_new(client.raw, Int32(brokers)) else {
            throw Problem(.software, "librdkafka's mock cluster cannot be set up")
        }
        self.raw = raw
    }

    deinit { rd_kafka_mock_cluster_destroy(raw) }

    /// `host:port` of all its brokers.
    public var servers: String { String(cString: rd_kafka_mock_cluster_bootstraps(raw)) }

    public func createTopic(_ name: String, partitions: Int) throws(KafkaError) {
        let code = rd_kafka_mock_topic_create(raw, name, Int32(partitions), 1)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
    }
}
