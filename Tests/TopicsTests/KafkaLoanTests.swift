import Glibc
import Testing

@testable import Kafka

/// Who keeps the memory of records while a client may read it.
@Suite struct KafkaLoanTests {
    let mock: KafkaMockCluster

    init() throws {
        mock = try KafkaMockCluster(brokers: 3)
        mock.createTopic("trips", partitions: 1)
        // Each thing has a broker of its own, so that one of them can be silent.
        mock.setLeader(of: "trips", partition: 0, broker: 3)
        mock.setCoordinator(of: .transaction, "replay", broker: 1)
        mock.setCoordinator(of: .group, "replay", broker: 2)
    }

    /// Memory that is gone when nobody keeps it.
    private final class Loan: Sendable {
        static let bytes = 100_000
        nonisolated(unsafe) let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 1)

        init() { memory.initializeMemory(as: UInt8.self, repeating: 7) }
        deinit { memory.deallocate() }
    }

    /// - Returns: the producer, connected to all brokers that it needs; in a transaction where it makes any.
    private func makeProducer(transactional: Bool) throws -> KafkaProducer {
        let producer = try KafkaProducer(
            mock.configuration, transactionalID: transactional ? "replay" : nil,
            lingerMs: KafkaProducer.promptLingerMs)
        try producer.client.connect()
        if transactional {
            try producer.initTransactions()
            try producer.begin()
        }
        #expect(try producer.partitionCount(of: "trips") == 1)
        try producer.sendCopy(topic: "trips", partition: 0, key: nil, value: [1], timestampMs: 1)
        try producer.finish()
        return producer
    }

    /// Sends records from memory that only the producer keeps.
    private func lend(to producer: KafkaProducer) throws -> Weak {
        let loan = Loan()
        producer.lend(loan)
        for first in stride(from: 0, to: Loan.bytes, by: 10_000) {
            try producer.send(
                topic: "trips", partition: 0, key: nil,
                value: UnsafeRawBufferPointer(rebasing: loan.memory[first..<first + 10_000]), timestampMs: 1)
        }
        return Weak(loan: loan)
    }

    private struct Weak {
        weak var loan: Loan?
        var isKept: Bool { loan != nil }
    }

    @Test(arguments: ["finish", "turns", "commit"]) func goesBackWhenItsRecordsAreStored(_ how: String) throws {
        let producer = try makeProducer(transactional: how == "commit")
        mock.set(broker: 3, answers: false)
        let lent = try lend(to: producer)
        #expect(lent.isKept)
        mock.set(broker: 3, answers: true)
        switch how {
        case "finish": try producer.finish()
        case "turns":
            try producer.turn()
            try producer.turn()
        default: try producer.commit()
        }
        #expect(!lent.isKept)
    }

    @Test(arguments: [false, true]) func goesBackWhenItsRecordsAreGivenUp(_ isInTransaction: Bool) throws {
        let producer = try makeProducer(transactional: isInTransaction)
        mock.set(broker: 3, answers: false)
        let lent = try lend(to: producer)
        #expect(lent.isKept)
        producer.giveUp()
        #expect(!lent.isKept)
        #expect(!producer.isLost)
    }

    /// librdkafka sends records once more that were not answered when the connection broke, whoever has forgotten the client by then.
    @Test func staysWithAClientThatIsLeftBehind() throws {
        var producer: KafkaProducer? = try makeProducer(transactional: true)
        producer?.lostAfter = .seconds(2)
        mock.set(broker: 3, answers: false)
        mock.set(broker: 2, isUp: false)
        let lent = try producer.map(lend)
        #expect(throws: KafkaError.self) {
            try producer?.send(offsets: [KafkaOffset(topic: "trips", partition: 0, offset: 7)], group: "replay")
        }
        #expect(producer?.isLost == true)
        producer?.giveUp()
        producer = nil
        #expect(lent?.isKept == true)
    }
}
