import Kafka
import Problems
import Telemetry
import Time

/// Hands the records of batches to clients, each as its topic takes it.
final class KafkaRecordSender {
    /// Larger ones no topic takes; trips are smaller by far.
    static let largestRecordBytes = 32 << 20

    private let settings: (_ topic: String) -> [String: String]?
    /// Of the largest record, as clients take it.
    private let clientBytes: Int
    /// What topics take, as far as it was asked.
    private var limits: [String: KafkaTopicLimits] = [:]
    private var hasCut = false
    private let log = Logger("kafka")

    /// - Parameters:
    ///   - properties: those of the clients.
    ///   - settings: gives a topic's configuration; nil where this user may not see it.
    init(properties: [String: String], settings: @escaping (_ topic: String) -> [String: String]?) {
        self.settings = settings
        func property(_ name: String) -> Int? { properties[name].flatMap { Int($0) } }
        clientBytes = min(
            property("message.max.bytes") ?? Self.largestRecordBytes,
            property("queue.buffering.max.kbytes").map { $0 << 10 } ?? .max)
    }

    /// That all topics and partitions are there, before anything is sent.
    func check(_ batches: [PendingBatch], on producer: KafkaProducer) throws {
        for topic in Set(batches.map(\.topic)) {
            guard let count = try producer.partitionCount(of: topic) else {
                throw TopicName.unknown(topic, among: try producer.client.topicNames(), code: .unavailable)
            }
            for batch in batches where batch.topic == topic && !(0..<count).contains(batch.partition) {
                throw Problem.noPartition(batch.partition, topic: topic, partitionCount: count)
            }
        }
    }

    /// Hands over all records of a batch, whose memory is lent to the client.
    func send(_ batch: PendingBatch, with producer: KafkaProducer) throws {
        let limits = self.limits[batch.topic] ?? KafkaTopicLimits(settings(batch.topic))
        self.limits[batch.topic] = limits
        let fitting = KafkaFitting(limits, topic: batch.topic, clientBytes: clientBytes, nowMs: systemTime())
        var failure: KafkaError?
        try batch.forEachRecord(lentTo: producer) { record in
            guard failure == nil else { return }
            do throws(KafkaError) { try send(record, of: batch, fitting, with: producer) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    @inline(__always)
    private func send(
        _ record: RecordBatch.Slice, of batch: PendingBatch, _ fitting: KafkaFitting, with producer: KafkaProducer
    ) throws(KafkaError) {
        let (time, headers) = fitting.timestamp(record.timestamp)
        guard fitting.cuts, let (cut, kept) = fitting.cut(record) else {
            let own = record.headers.map { (name: $0.name, value: $0.value) }
            return try producer.send(
                topic: batch.topic, partition: batch.partition, key: record.key, value: record.value,
                timestampMs: time, headers: own.isEmpty ? headers : own + headers)
        }
        try producer.sendCopy(
            topic: batch.topic, partition: batch.partition, key: cut.key, value: cut.value, timestampMs: time,
            headers: cut.headers.map { ($0.name, $0.value) } + headers)
        guard !hasCut else { return }
        hasCut = true
        log.warning(
            "a dead letter is larger than topic \"\(batch.topic)\" takes; such are cut, with a header that says so",
            ["bytes": record.value?.count ?? 0, "kept": kept])
    }

    /// Takes less for what topics take after a refusal; of a topic that is not named, all may be meant.
    ///
    /// - Returns: whether it is worth another try.
    func tighten(_ batches: [PendingBatch], after error: KafkaError) -> Bool {
        let topics = Set(batches.map(\.topic)).filter { topic in
            (error.topic ?? topic) == topic && (!error.isTooLarge || topic.hasSuffix("_deadLetter"))
        }
        var isLess = false
        for topic in topics { isLess = limits[topic]?.tighten(after: error) == true || isLess }
        return isLess
    }
}

extension PendingBatch {
    /// Shows each record of the batch, in memory that the producer keeps as long as its client may read it.
    ///
    /// - Throws: as `RecordBatch.forEach`; `.badData` for a payload that is none of its encoding.
    fileprivate func forEachRecord(lentTo producer: KafkaProducer, _ body: (RecordBatch.Slice) -> Void) throws {
        if let records {
            producer.lend(records)
            for index in 0..<records.count { body(records.slice(index)) }
            return
        }
        let payload = encoding == .records ? payload : try BatchRecords.payload(of: StoredBatch(self))
        producer.lend(payload)
        // The array stays where it is as long as it is kept, since nobody changes it.
        try payload.withUnsafeBytes { try RecordBatch.forEach(in: $0, body) }
    }
}
