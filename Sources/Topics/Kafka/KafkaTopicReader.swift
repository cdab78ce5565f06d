import Glibc
import Kafka
import Problems
import SchemaRegistry
import Time

/// Reads one topic of a cluster, committed records only; what lies between them (the ends of transactions, aborted records) is skipped.
final class KafkaTopicReader: TopicReader {
    let topic: String
    let schemas: SchemaCache?
    let identity: String?
    private(set) var partitionCount: Int
    private let configuration: KafkaConfiguration
    private var owned: KafkaConsumer?
    private var consumer: KafkaConsumer { owned.unsafelyUnwrapped }  // set until the end
    private var feeds: [Feed]
    private var readsValuesOnly = false
    private var lost: [Int: Range<Int64>] = [:]
    private var watch: KafkaTopicWatch?
    /// While it is not clear whether the topic is still the same: the watch's look that has to say so.
    private var heldUntilLook: Int?
    /// Whether records may go while those before and behind them stay; nil where that is not known yet.
    private var mayHaveGaps: Bool?
    /// What is kept, as last heard, and when.
    private var kept: (offsets: [Range<Int64>], at: ContinuousClock.Instant)?

    /// One partition.
    private struct Feed {
        /// Whether the client fetches it.
        var isStarted = false
        /// Behind the last record that came from the client.
        var fetched: Int64 = 0
        /// Where the caller reads next, if it goes on in order.
        var given: Int64 = 0
        /// Up to here there was something to read when it was started: before that, nothing is not the end.
        var knownEnd: Int64 = 0
        /// Whether the broker has nothing at the offset that it was asked for, nor behind it, and the client has stopped asking.
        var isOutOfRange = false
        /// Batches that wait for the caller, and the one that is being made.
        var ready: [StoredBatch] = []
        var building = RecordBatchBuilder()
        /// Instead of it, where only values are wanted.
        var values: RecordValues?
        var buildingBase: Int64 = 0

        var buildingCount: Int { values?.slices.count ?? building.count }
        var buildingBytes: Int { values?.byteCount ?? building.byteCount }
    }

    /// A batch is cut here at the latest: what a worker takes at once.
    private static let batchRecords = 16_384
    private static let batchBytes = 8 << 20
    /// How long a transaction that was committed may take to show.
    private static let settlingTime = Duration.seconds(5)
    /// How long records that are there may take to come.
    private static let patience = Duration.seconds(10)

    /// - Parameter untilEnd: whether nobody waits for records that are still to come: a broker is not asked to wait for them.
    init(
        _ configuration: KafkaConfiguration, topic: String, partitionCount: Int, identity: String,
        schemas: SchemaCache?, untilEnd: Bool
    ) throws(Problem) {
        self.schemas = schemas
        (self.topic, self.partitionCount, self.identity) = (topic, partitionCount, identity)
        self.configuration = configuration
        owned = try KafkaConsumer(
            configuration, topic: topic, partitionCount: partitionCount, waitMs: untilEnd ? 5 : 100)
        feeds = Array(repeating: Feed(), count: partitionCount)
    }

    deinit {
        watch?.stop()
        KafkaConsumer.letGo(of: &owned)
    }

    func readValuesOnly() { readsValuesOnly = true }

    func keepWatch(from anchor: TopicAnchor?) {
        guard watch == nil else { return }
        watch = KafkaTopicWatch(configuration, topic: topic, partitionCount: partitionCount, known: anchor)
    }

    var anchor: TopicAnchor? { watch?.anchor }

    func requireSame() throws {
        guard let watch else { return }
        let count = try watch.requireSame()
        guard count > partitionCount else { return }
        // The client itself would hear of new partitions after minutes.
        guard let own = try? consumer.client.look(atTopic: topic), own.partitionCount >= count else { return }
        feeds += Array(repeating: Feed(), count: count - partitionCount)
        (partitionCount, kept) = (count, nil)
    }

    /// Whether nothing is to be read before the watch has looked whether the topic is still the same.
    private var isHeld: Bool {
        guard let look = heldUntilLook else { return false }
        if watch?.isSure(since: look) ?? true { heldUntilLook = nil }
        return heldUntilLook != nil
    }

    func seal(partition: Int, endingAt end: Int64) throws -> SealFinding {
        guard let batch = try read(partition: partition, from: end - 1) else {
            return mayHaveLostOne() ? .unknown : .other
        }
        // Whoever reads on from here, does so without another question to the broker.
        feeds[partition].ready.insert(batch, at: 0)
        feeds[partition].given = batch.baseOffset
        if let record = try record(at: end - 1, of: batch) {
            return .seal(KafkaSeal.seal(of: record, offset: end - 1))
        }
        return mayHaveLostOne() ? .unknown : .other
    }

    private func record(at offset: Int64, of batch: StoredBatch) throws -> TopicRecord? {
        guard offset >= batch.baseOffset else { return nil }
        if let values = batch.values { return values.record(at: offset) }
        let index = Int(offset - batch.baseOffset)
        let records = try RecordBatch.decode(batch.payload)
        return index < records.count ? records[index] : nil
    }

    /// Whether a record that was read may be gone while older ones are there.
    private func mayHaveLostOne() -> Bool {
        if let mayHaveGaps { return mayHaveGaps }
        // Who may not see the topic's settings does not know.
        let policy = try? KafkaAdmin(configuration).settings(ofTopic: topic)["cleanup.policy"]
        let answer = policy.map { $0.contains("compact") } ?? true
        mayHaveGaps = answer
        return answer
    }

    /// A partition that waits at its end would keep the client's next question for the others' records: one answer is waited for at a
    /// time, up to 100 ms where all partitions asked for have nothing and more is waited for.
    func stop(partition: Int) {
        guard feeds[partition].isStarted else { return }
        consumer.stop(partition: partition)
        feeds[partition] = Feed()
    }

    func read(partition: Int, from offset: Int64) throws -> StoredBatch? {
        if isHeld { return nil }
        guard feeds.indices.contains(partition) else {
            throw Problem.noPartition(partition, topic: topic, partitionCount: partitionCount)
        }
        return try explained("reading topic \"\(topic)\"") {
            if !feeds[partition].isStarted || offset < feeds[partition].given
                || offset > max(feeds[partition].fetched, feeds[partition].given)
            {
                guard try start(partition, at: offset) else { return nil }
            }
            return try next(partition, from: offset)
        }
    }

    func takeLost(partition: Int) -> Range<Int64>? { lost.removeValue(forKey: partition) }

    func next(partition: Int, after offset: Int64) -> Int64 {
        let feed = feeds[partition]
        return feed.ready.isEmpty && feed.buildingCount == 0 ? max(offset, feed.fetched) : offset
    }

    func offsets() throws -> [Range<Int64>] {
        try explained("reading the offsets of topic \"\(topic)\"") {
            let starts = try consumer.client.offsets(topic: topic, partitions: partitionCount, time: -2)
            let ends = try consumer.client.offsets(topic: topic, partitions: partitionCount, time: -1)
            let found = zip(starts, ends).map { $0..<max($0, $1) }
            kept = (found, .now)
            return found
        }
    }

    func newestEnds() -> [Int64] {
        feeds.indices.map { max(feeds[$0].fetched, consumer.newestEnd(partition: $0) ?? 0) }
    }

    func awaitAppends() throws -> Int64 {
        let admin = try KafkaAdmin(configuration, seesOpenTransactions: true)
        return try explained("reading the offsets of topic \"\(topic)\"") {
            let ends = try admin.client.offsets(topic: topic, partitions: partitionCount, time: -1)
            let deadline = ContinuousClock.now + Self.settlingTime
            while true {
                let missing = zip(ends, try offsets()).reduce(0) { $0 + max(0, $1.0 - $1.1.upperBound) }
                if missing == 0 || ContinuousClock.now > deadline { return missing }
                usleep(5000)
            }
        }
    }

    func offsets(from time: EventTime) throws -> [Int64] {
        try explained("looking for a time in topic \"\(topic)\"") {
            let kept = try offsets()
            let found = try consumer.client.offsets(topic: topic, partitions: partitionCount, time: max(0, time))
            return zip(found, kept).map { $0 < 0 ? $1.upperBound : max($0, $1.lowerBound) }
        }
    }

    func wait(timeoutMs: Int) throws {
        let deadline = ContinuousClock.now + .milliseconds(timeoutMs)
        if isHeld {
            usleep(UInt32(min(timeoutMs, 50)) * 1000)
            return
        }
        while true {
            // The client also wakes us for what is no record.
            for partition in feeds.indices where feeds[partition].isStarted {
                if try !drain(partition, timeoutMs: 0) { continue }
                return
            }
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return }
            consumer.wait(
                timeoutMs: Int(left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000) + 1
            )
        }
    }
}

extension KafkaTopicReader {
    /// Goes to an offset; false where nothing is there and nothing will be at it before somebody appends.
    private func start(_ partition: Int, at offset: Int64) throws -> Bool {
        let kept = try keptOffsets(of: partition, at: offset)
        let first = max(offset, kept.lowerBound)
        if offset < first { lost[partition] = offset..<first }
        feeds[partition] = Feed()
        // Far behind the end there is nothing to wait for.
        guard first <= kept.upperBound else { return false }
        try consumer.start(partition: partition, at: first)
        feeds[partition].isStarted = true
        (feeds[partition].fetched, feeds[partition].given) = (first, min(offset, first))
        feeds[partition].knownEnd = kept.upperBound
        return true
    }

    /// Not asked anew for each partition when all are started: the answer would wait behind the first one's records.
    private func keptOffsets(of partition: Int, at offset: Int64) throws -> Range<Int64> {
        if let kept, kept.at.duration(to: .now) < .seconds(1), offset <= kept.offsets[partition].upperBound {
            return kept.offsets[partition]
        }
        return try offsets()[partition]
    }

    private func next(_ partition: Int, from offset: Int64) throws -> StoredBatch? {
        let deadline = ContinuousClock.now + Self.patience
        while feeds[partition].ready.isEmpty, feeds[partition].buildingCount == 0 {
            if feeds[partition].isOutOfRange { try goOnBehindLost(partition) }
            if try drain(partition, timeoutMs: 0) { break }
            guard feeds[partition].fetched < feeds[partition].knownEnd, !isHeld else { return nil }
            _ = try drain(partition, timeoutMs: 100)
            guard ContinuousClock.now < deadline else { throw silent(partition) }
        }
        finishBatch(partition)
        while !feeds[partition].ready.isEmpty {
            let batch = feeds[partition].ready.removeFirst()
            let end = batch.baseOffset + Int64(batch.count)
            feeds[partition].given = end
            if end > offset { return batch }
        }
        return try next(partition, from: offset)
    }

    /// Goes on with the oldest record kept where retention, or who deletes records, has overtaken the reader.
    ///
    /// - Throws: `.badData` where the partition does not reach to where it was read: an offset that was there once is never gone otherwise.
    private func goOnBehindLost(_ partition: Int) throws {
        let reached = feeds[partition].fetched
        let kept = try offsets()[partition]
        guard reached < kept.lowerBound else {
            throw Problem.madeAnewWhileRead(
                topic,
                "partition \(partition) ended before offset \(reached), up to which it was read, and has \(kept.upperBound) by now"
            )
        }
        guard try start(partition, at: kept.lowerBound) else { return }
        lost[partition] = reached..<feeds[partition].fetched
    }

    private func silent(_ partition: Int) -> Problem {
        let reason = consumer.trouble.map { ": \($0.message)" } ?? ""
        return Problem(
            .unavailable,
            "topic \"\(topic)\" partition \(partition) has records that the broker does not send\(reason)",
            hint: "See that the brokers run; taxi-cli doctor looks at the connection.")
    }

    /// Takes what the client has of a partition.
    ///
    /// - Returns: whether a record came.
    private func drain(_ partition: Int, timeoutMs: Int32) throws -> Bool {
        // What the client has may be another topic's.
        if isHeld { return false }
        var hasCome = false
        do {
            _ = try consumer.poll(partition: partition, timeoutMs: timeoutMs) { event in
                switch event {
                case .end(let offset): feeds[partition].fetched = max(feeds[partition].fetched, offset)
                case .messages(let messages):
                    hasCome = true
                    if let watch {
                        let last = messages[messages.count - 1]
                        watch.noteRead(TopicAnchor(partition: partition, end: last.offset + 1, seal: last.seal))
                    }
                    if readsValuesOnly {
                        takeValues(of: messages, partition)
                    } else {
                        for index in 0..<messages.count { take(messages[index], partition) }
                    }
                }
            }
        } catch let error as KafkaError where error.isConnection {
            // The client goes on trying; who waits too long is told.
        } catch let error as KafkaError where error.isOutOfRange {
            // What came before it is given first.
            feeds[partition].isOutOfRange = true
        } catch let error as KafkaError where error.isUnknownTopic {
            // The client would go on by itself where the topic is there again, whichever it is.
            guard let watch else { throw Problem.deletedWhileRead(topic) }
            heldUntilLook = watch.lookNow()
        }
        return hasCome
    }

    private func take(_ message: KafkaMessage, _ partition: Int) {
        if endsBatch(message, partition) { finishBatch(partition) }
        if feeds[partition].buildingCount == 0 { feeds[partition].buildingBase = message.offset }
        feeds[partition].fetched = message.offset + 1
        feeds[partition].building.append(
            key: message.key, value: message.value,
            headers: message.headers.map { TopicRecord.Header(name: $0.name, value: $0.value) },
            timestamp: message.timestampMs)
    }

    private func takeValues(of messages: KafkaMessages, _ partition: Int) {
        feeds[partition].fetched = messages[messages.count - 1].offset + 1
        var values = feeds[partition].values
        for index in 0..<messages.count {
            let message = messages[index]
            if let full = values, endsBatch(message, partition) || !full.canKeep(message) {
                finishBatch(partition)
                values = nil
            }
            if values == nil {
                values = RecordValues(loan: consumer.makeLoan(), first: message)
                feeds[partition].values = values
                feeds[partition].buildingBase = message.offset
            }
            values?.keep(index, of: messages)
        }
    }

    /// Whether a message does not go to the batch that is being made.
    private func endsBatch(_ message: KafkaMessage, _ partition: Int) -> Bool {
        let count = feeds[partition].buildingCount
        return count > 0
            && (message.offset != feeds[partition].buildingBase + Int64(count) || count >= Self.batchRecords
                || feeds[partition].buildingBytes + (message.value?.count ?? 0) > Self.batchBytes)
    }

    private func finishBatch(_ partition: Int) {
        if let values = feeds[partition].values {
            guard let times = values.times else { return }
            feeds[partition].values = nil
            feeds[partition].ready.append(
                StoredBatch(
                    partition: partition, baseOffset: feeds[partition].buildingBase, count: values.slices.count,
                    times: times, encoding: .records, payload: [], values: values))
            feeds[partition].ready[feeds[partition].ready.count - 1].seal = values.lastSeal
            return
        }
        guard let times = feeds[partition].building.times else { return }
        let count = feeds[partition].building.count
        feeds[partition].ready.append(
            StoredBatch(
                partition: partition, baseOffset: feeds[partition].buildingBase, count: count, times: times,
                encoding: .records, payload: feeds[partition].building.finish()))
    }

    private func explained<Result>(_ action: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as KafkaError {
            if error.isUnknownTopic { throw Problem.deletedWhileRead(topic) }
            throw error.ending(doing: action, servers: consumer.client.servers)
        }
    }
}
