import Glibc
import Kafka
import Problems
import Telemetry

/// Appends to topics of a cluster; an append with a mark is one Kafka transaction that carries the mark as a group's offsets.
///
/// The group of a producer is `<tenant>_<producer>`, and so is the transactional id: a second process of the name fences the first.
/// A broker that is away is waited for. A transaction that was lost meanwhile is sent again as a whole, after a look at the group's
/// offsets: they say whether it had been committed after all.
final class KafkaTopicWriter: TopicWriter {
    /// Each has a thread for each broker, which compresses and is busy all the time; two of them keep up with the one that encodes.
    static let clientsInParallel = 2

    let configuration: KafkaConfiguration
    let delivery: Delivery
    let sender: KafkaRecordSender
    let marks: KafkaMarkStore
    let log = Logger("kafka")
    /// For appends without a mark, and for all where records may come twice: each sends its share of a topic's partitions.
    private var plain: [KafkaProducer] = []
    private var isPrompt = false
    private(set) var appendedEnds: [AppendedEnd] = []
    /// Producers that this process has taken over.
    var sessions: [String: Session] = [:]
    private(set) var wait: KafkaWait
    /// Records that were not acknowledged when nobody waited for a broker any longer.
    private var unacknowledged = 0
    private var hasGivenUp = false
    /// The topics that were written to, those of the last append, and the one that is read where its mark says how far.
    private var everWritten: Set<String> = []
    private var written: Set<String> = [] { didSet { everWritten.formUnion(written) } }
    private var read: String?

    /// - Parameter settings: gives a topic's configuration; nil where this user may not see it.
    init(
        _ configuration: KafkaConfiguration, namespace: String, delivery: Delivery,
        settings: @escaping (_ topic: String) -> [String: String]?
    ) throws(Problem) {
        var configuration = configuration
        if configuration.properties["message.max.bytes"] == nil {
            configuration.properties["message.max.bytes"] = "\(KafkaRecordSender.largestRecordBytes)"
        }
        (self.configuration, self.delivery) = (configuration, delivery)
        sender = KafkaRecordSender(properties: configuration.properties, settings: settings)
        marks = KafkaMarkStore(configuration, namespace: namespace)
        wait = KafkaWait(servers: configuration.servers)
    }

    func lastMark(of producer: String) throws -> ProducerMark? {
        // What a transaction under way will leave is nobody's yet: who has the name may go on for hours.
        try explained("looking for the position of producer \"\(producer)\"") {
            try marks.last(of: producer, isSettled: false)
        }
    }

    func takeOver(producer: String) throws -> (epoch: Int64, last: ProducerMark?) {
        try explained("taking over producer \"\(producer)\"") {
            sessions[producer] = nil
            let session = try open(producer)
            return ((session.last?.epoch ?? 0) + 1, session.last)
        }
    }

    @discardableResult
    func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool {
        try explained(Self.action(batches) ?? "saving a producer's position") {
            // Whoever has given up waiting once does not begin again.
            try KafkaPatience.check(since: .now)
            for batch in batches { precondition(batch.count > 0, "an empty batch has no place in a partition") }
            guard let mark else {
                try append(batches)
                return true
            }
            if sessions[mark.producer] == nil {
                // Who only repeats what is stored takes nothing over.
                guard try isNew(mark, after: marks.last(of: mark.producer, isSettled: true)) else { return false }
                sessions[mark.producer] = try open(mark.producer)
            }
            return try append(batches, mark)
        }
    }

    func submit(_ batches: [PendingBatch], promptly: Bool) throws {
        try explained(Self.action(batches) ?? "appending") {
            guard batches.allSatisfy({ $0.encoding == .records }) else { return try append(batches) }
            if plain.isEmpty || isPrompt != promptly { try makePlain(promptly: promptly) }
            for producer in plain { try sender.check(batches, on: producer) }
            do {
                for producer in plain { try producer.turn(onWaiting: noteWaiting) }
                noteProgress()
                written.formUnion(batches.map(\.topic))
                for batch in batches { try sender.send(batch, with: plain[batch.partition % plain.count]) }
            } catch {
                noteUnacknowledged()
                for producer in plain { producer.giveUp() }
                throw error
            }
        }
    }

    func flush() throws {
        try explained("appending") {
            do {
                for producer in plain { try producer.finish(onWaiting: noteWaiting) }
            } catch {
                noteUnacknowledged()
                throw error
            }
        }
        noteProgress()
    }
}

// MARK: - Appending

extension KafkaTopicWriter {
    /// Without a mark; all of it is stored at return.
    private func append(_ batches: [PendingBatch]) throws {
        // Two clients send to a partition in no order.
        try flush()
        if plain.isEmpty { try makePlain(promptly: true) }
        let producer = plain[0]
        written = Set(batches.map(\.topic))
        try sender.check(batches, on: producer)
        try send(batches, with: producer) { try producer.finish(onWaiting: noteWaiting) }
        noteProgress()
    }

    private func append(_ batches: [PendingBatch], _ mark: ProducerMark) throws -> Bool {
        guard try isNew(mark, after: sessions[mark.producer]?.last) else { return false }
        guard let progress = progress(of: mark, batches) else {
            throw Problem(.software, "producer \"\(mark.producer)\" has no topic to keep its mark with")
        }
        let offsets = KafkaMark.offsets(mark, progress: progress)
        written = Set(batches.map(\.topic))
        read = mark.progress?.topic
        appendedEnds = []
        if delivery == .atLeastOnce {
            try append(batches)
            note(plain.first?.takeEnds() ?? [])
            try marks.commit(offsets, of: mark.producer)
        } else {
            try commit(batches, offsets, mark)
        }
        sessions[mark.producer]?.last = mark
        sessions[mark.producer]?.anchor = progress
        return true
    }

    private func progress(of mark: ProducerMark, _ batches: [PendingBatch]) -> ProducerMark.Progress? {
        mark.progress ?? sessions[mark.producer]?.anchor
            ?? batches.first.map { ProducerMark.Progress(topic: $0.topic, offsets: [0]) }
    }

    func note(_ ends: [KafkaDelivered]) {
        appendedEnds = ends.map {
            AppendedEnd(
                topic: $0.topic, anchor: TopicAnchor(partition: $0.partition, end: $0.nextOffset, seal: $0.seal))
        }
    }

    /// Hands the records of all batches to a client, and calls `body` to have them stored. Where this throws, nothing is left under way.
    func send(_ batches: [PendingBatch], with producer: KafkaProducer, _ body: () throws -> Void) throws {
        do {
            for batch in batches { try sender.send(batch, with: producer) }
            try body()
        } catch {
            producer.giveUp()
            throw error
        }
    }

    /// Makes the clients for appends without a mark, in place of those that there are.
    private func makePlain(promptly: Bool) throws {
        try flush()
        plain.removeAll()
        isPrompt = promptly
        for _ in 0..<(promptly ? 1 : Self.clientsInParallel) {
            let made = try KafkaProducer(
                configuration, isIdempotent: delivery == .exactlyOnce,
                lingerMs: promptly ? KafkaProducer.promptLingerMs : KafkaProducer.patientLingerMs,
                seal: promptly ? \.seal : nil)
            try made.client.connect()
            plain.append(made)
        }
    }
}

// MARK: - Waiting, and what is said

extension KafkaTopicWriter {
    /// - Throws: where it is a topic that was deleted: it would be waited for for ever.
    func noteWaiting(_ error: KafkaError?) throws(KafkaError) {
        try wait.goOn(
            after: error, topics: written.union(read.map { [$0] } ?? []), (try? marks.connectedAdmin())?.client)
    }

    func noteProgress() { wait.end(isSaid: !hasGivenUp) }

    private func noteUnacknowledged() {
        unacknowledged = max(unacknowledged, plain.reduce(0) { $0 + $1.underWay })
    }

    /// What an append does, for where nobody knows which of its topics was refused.
    private static func action(_ batches: [PendingBatch]) -> String? {
        let topics = Set(batches.map(\.topic)).sorted().map { "\"\($0)\"" }
        guard let first = topics.first else { return nil }
        return topics.count == 1
            ? "appending to topic \(first)" : "appending to one of the topics \(topics.joined(separator: ", "))"
    }

    /// The topic that is not there any more, where that is behind a failure. It may be that of the mark's offsets, which no answer names; and
    /// a broker that is just deleting one may have other words for it.
    private func deletedTopic(_ error: KafkaError) -> String? {
        guard error.isUnknownTopic || error.topic != nil else { return nil }
        let named = [read, error.topic].compactMap { $0 } + written.sorted()
        let admin = try? marks.connectedAdmin()
        let gone = admin.flatMap { admin in
            named.first { KafkaTopicPresence.isThere($0, admin.client) == false }
        }
        return gone ?? (error.isUnknownTopic ? error.topic : nil)
    }

    private func explained<Result>(_ action: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as KafkaError {
            if error.kind == .givenUp {
                hasGivenUp = true
                throw BrokerAway(servers: configuration.servers, reason: error.brief, records: unacknowledged)
            }
            if let topic = deletedTopic(error) {
                // A replay says how far it has come in the topic that it writes.
                let isSource = topic == read && !everWritten.contains(topic)
                throw isSource ? Problem.deletedWhileRead(topic) : .deletedWhileWritten(topic)
            }
            let place = error.topic.map { "appending to topic \"\($0)\"" }
            throw error.ending(doing: place ?? action, servers: configuration.servers)
        } catch let problem as Problem where problem.code == .unavailable && KafkaPatience.isOver {
            throw BrokerAway(servers: configuration.servers, reason: problem.message, records: unacknowledged)
        }
    }
}
