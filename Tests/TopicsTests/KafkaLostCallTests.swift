import Testing

@testable import Kafka

/// Calls of librdkafka that do not keep to their limit.
@Suite struct KafkaLostCallTests {
    @Test func aCallThatNeverReturnsIsLeftBehind() throws {
        let mock = try KafkaMockCluster(brokers: 2)
        mock.createTopic("trips", partitions: 1)
        mock.setCoordinator(of: .transaction, "replay", broker: 1)
        mock.setCoordinator(of: .group, "replay", broker: 2)
        var producer: KafkaProducer? = try KafkaProducer(mock.configuration, transactionalID: "replay")
        producer?.lostAfter = .seconds(2)
        try producer?.client.connect()
        try producer?.initTransactions()
        try producer?.begin()
        mock.set(broker: 2, isUp: false)
        let offset = KafkaOffset(topic: "trips", partition: 0, offset: 7)
        var waits = 0
        let error = #expect(throws: KafkaError.self) {
            try producer?.send(offsets: [offset], group: "replay") { _ in waits += 1 }
        }
        #expect(error?.kind == .fatal, "\(String(describing: error))")
        #expect(error?.isConnection == true)
        #expect(waits > 0)
        #expect(producer?.isLost == true)
        // Neither waits for the call.
        producer?.giveUp()
        producer = nil

        // Another client takes over, and the transaction that the first had begun is gone.
        mock.set(broker: 2, isUp: true)
        let next = try KafkaProducer(mock.configuration, transactionalID: "replay")
        try next.client.connect()
        try next.initTransactions()
        try next.begin()
        try next.send(offsets: [offset], group: "replay")
        try next.commit()
        #expect(!next.isLost)
    }
}
