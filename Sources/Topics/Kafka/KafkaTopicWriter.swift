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
    /// Larger ones no topic takes; trips are smaller by far.
    static let largestRecordBytes = 32 << 20

    /// Each has a thread for each broker, which compresses and is busy all the time; two of them keep up with the one that encodes.
    static let clientsInParallel = 2

    private let configuration: KafkaConfiguration
    private let namespace: String
    private let delivery: Delivery
    private let settings: (_ topic: String) -> [String: String]?
    /// What topics take, as far as it was asked.
    private var limits: [String: KafkaTopicLimits] = [:]
    private let log = Logger("kafka")
    private var hasCut = false
    private var admin: KafkaAdmin?
    /// For appends without a mark, and for all where records may come twice: each sends its share of a topic's partitions.
    private var plain: [KafkaProducer] = []
    private(set) var appendedEnds: [AppendedEnd] = []
    private var isPrompt = false
    private var sessions: [String: Session] = [:]
    /// Memory of records that were given up: see `KafkaProducer.giveUp`.
    private var abandoned: [Any] = []
    /// Submitted, and perhaps under way: the newest two.
    private var lent: [[PendingBatch]] = []
    /// Records that were not acknowledged when nobody waited for a broker any longer.
    private var unacknowledged = 0
    private var hasGivenUp = false
    /// Since when a broker was missed, and whether that was said.
    private var waitingSince: ContinuousClock.Instant?
    private var hasWarned = false
    /// The topics that were written to, those of the last append, the one that is read where its mark says how far, and whether they are there.
    private var everWritten: Set<String> = []
    private var written: Set<String> = [] { didSet { everWritten.formUnion(written) } }
    private var read: String?
    private var presence = KafkaTopicPresence()

    /// A producer that this process has taken over.
    private struct Session {
        /// Nil where appends make no transactions.
        var transactions: KafkaProducer?
        /// The newest mark that is stored.
        var last: ProducerMark?
        /// Where marks without a progress of their own are kept.
        var anchor: ProducerMark.Progress?
    }

    /// - Parameter settings: gives a topic's configuration; nil where this user may not see it.
    init(
        _ configuration: KafkaConfiguration, namespace: String, delivery: Delivery,
        settings: @escaping (_ topic: String) -> [String: String]?
    ) throws(Problem) {
        self.settings = settings
        var configuration = configuration
        if configuration.properties["message.max.bytes"] == nil {
            configuration.properties["message.max.bytes"] = "\(Self.largestRecordBytes)"
        }
        (self.configuration, self.namespace, self.delivery) = (configuration, namespace, delivery)
    }

    private func group(of producer: String) -> String { namespace.isEmpty ? producer : "\(namespace)_\(producer)" }

    func lastMark(of producer: String) throws -> ProducerMark? {
        // What a transaction under way will leave is nobody's yet: who has the name may go on for hours.
        try explained("looking for the position of producer \"\(producer)\"") {
            try lastMark(of: producer, isSettled: false)
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
        return try explained(Self.action(batches) ?? "saving a producer's position") {
            // Whoever has given up waiting once does not begin again.
            try KafkaPatience.check(since: .now)
            for batch in batches { precondition(batch.count > 0, "an empty batch has no place in a partition") }
            guard let mark else {
                try append(batches)
                return true
            }
            if sessions[mark.producer] == nil {
                // Who only repeats what is stored takes nothing over.
                guard try isNew(mark, after: lastMark(of: mark.producer, isSettled: true)) else { return false }
                sessions[mark.producer] = try open(mark.producer)
            }
            return try append(batches, mark)
        }
    }
}

// MARK: - Appending

extension KafkaTopicWriter {
    /// What an append does, for where nobody knows which of its topics was refused.
    private static func action(_ batches: [PendingBatch]) -> String? {
        let topics = Set(batches.map(\.topic)).sorted().map { "\"\($0)\"" }
        guard let first = topics.first else { return nil }
        return topics.count == 1
            ? "appending to topic \(first)" : "appending to one of the topics \(topics.joined(separator: ", "))"
    }

    func submit(_ batches: [PendingBatch], promptly: Bool) throws {
        try explained(Self.action(batches) ?? "appending") {
            guard batches.allSatisfy({ $0.encoding == .records }) else { return try append(batches) }
            if plain.isEmpty || isPrompt != promptly { try makePlain(promptly: promptly) }
            for producer in plain { try check(batches, on: producer) }
            do {
                for producer in plain { try producer.turn(onWaiting: noteWaiting) }
                if lent.count > 1 { lent.removeFirst() }
                noteProgress()
                written.formUnion(batches.map(\.topic))
                lent.append(batches)
                // The arrays stay where they are as long as `lent` has them, since nobody changes them.
                for batch in batches {
                    let producer = plain[batch.partition % plain.count]
                    if let records = batch.records {
                        try send(records, of: batch, with: producer)
                    } else {
                        try batch.payload.withUnsafeBytes { try send($0, of: batch, with: producer) }
                    }
                }
            } catch {
                abandoned += lent as [Any]
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
        lent.removeAll()
        noteProgress()
    }

    /// Without a mark; all of it is stored at return.
    private func append(_ batches: [PendingBatch]) throws {
        // Two clients send to a partition in no order.
        try flush()
        if plain.isEmpty { try makePlain(promptly: true) }
        let producer = plain[0]
        written = Set(batches.map(\.topic))
        try check(batches, on: producer)
        try send(batches[...], with: producer) { try producer.finish(onWaiting: noteWaiting) }
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
            noteEnds(of: plain.first)
            try adminClient().commit(offsets, group: group(of: mark.producer))
        } else {
            guard try commit(batches, offsets, mark) else { return false }
            noteEnds(of: sessions[mark.producer]?.transactions)
        }
        sessions[mark.producer]?.last = mark
        sessions[mark.producer]?.anchor = progress
        return true
    }

    private func noteEnds(of producer: KafkaProducer?) {
        appendedEnds = (producer?.takeEnds() ?? []).map {
            AppendedEnd(
                topic: $0.topic, anchor: TopicAnchor(partition: $0.partition, end: $0.nextOffset, seal: $0.seal))
        }
    }

    /// One transaction, however often it takes.
    ///
    /// - Returns: false where it turns out to have been committed before.
    private func commit(_ batches: [PendingBatch], _ offsets: [KafkaOffset], _ mark: ProducerMark) throws -> Bool {
        var pauseMs: UInt32 = 10
        while true {
            guard let producer = sessions[mark.producer]?.transactions else {
                throw Problem(.software, "producer \"\(mark.producer)\" was not taken over")
            }
            let start = ContinuousClock.now
            do {
                try check(batches, on: producer)
                try producer.begin()
                try send(batches[...], with: producer) {
                    try producer.send(offsets: offsets, group: group(of: mark.producer), onWaiting: noteWaiting)
                    try producer.commit(onWaiting: noteWaiting)
                }
                noteProgress()
                return true
            } catch let error as KafkaError {
                log.debug("transaction failed", ["reason": error.message, "kind": "\(error.kind)"])
                if error.kind == .givenUp { throw error }
                let isLess = tighten(batches, after: error)
                if error.isRefusalOfContent, !isLess { throw error }
                if error.kind == .fenced { try checkOwnership(of: mark, on: producer, since: start) }
                guard error.kind != .other || error.isConnection || isLess else { throw error }
                if !isLess { try noteWaiting(error) }
                let isAborted = error.kind == .needsAbort && (try? producer.abort(onWaiting: noteWaiting)) != nil
                if !isAborted {
                    // Its thread may read the records whenever it wakes up.
                    if producer.isLost { _ = Unmanaged.passRetained(Lost(memory: abandoned)) }
                    // Only a new client can go on. It sees whether the old one's last transaction was committed.
                    sessions[mark.producer] = nil
                    sessions[mark.producer] = try reopen(mark.producer)
                    guard try isNew(mark, after: sessions[mark.producer]?.last) else { return true }
                }
                usleep(pauseMs * 1000)
                pauseMs = min(pauseMs * 2, 1000)
            }
        }
    }

    /// A producer is also fenced where the broker gave up its transaction because of the time that it took: then nobody else has come.
    private func checkOwnership(
        of mark: ProducerMark, on producer: KafkaProducer, since start: ContinuousClock.Instant
    ) throws {
        let limit = Duration.milliseconds(producer.transactionTimeoutMs ?? 0)
        guard start.duration(to: .now) > limit / 2 else { throw takenOver(mark.producer) }
        if let last = try? lastMark(of: mark.producer, isSettled: true), last.epoch > mark.epoch {
            throw takenOver(mark.producer)
        }
    }

    /// Whether what the mark stands for was not appended yet.
    private func isNew(_ mark: ProducerMark, after last: ProducerMark?) throws -> Bool {
        guard let last else { return true }
        guard mark.epoch >= last.epoch else { throw takenOver(mark.producer) }
        return (mark.epoch, mark.sequence) > (last.epoch, last.sequence)
    }

    private func takenOver(_ producer: String) -> Problem {
        Problem(
            .unavailable, "a newer process has taken over as producer \"\(producer)\"; this one stops",
            hint: "Run one at a time. What this process had appended is stored, and the newer one goes on from there.")
    }

    private func progress(of mark: ProducerMark, _ batches: [PendingBatch]) -> ProducerMark.Progress? {
        mark.progress ?? sessions[mark.producer]?.anchor
            ?? batches.first.map { ProducerMark.Progress(topic: $0.topic, offsets: [0]) }
    }

    /// That all topics and partitions are there, before anything is sent.
    private func check(_ batches: [PendingBatch], on producer: KafkaProducer) throws {
        for topic in Set(batches.map(\.topic)) {
            guard let count = try producer.partitionCount(of: topic) else {
                throw TopicName.unknown(topic, among: try producer.client.topicNames(), code: .unavailable)
            }
            for batch in batches where batch.topic == topic && !(0..<count).contains(batch.partition) {
                throw Problem.noPartition(batch.partition, topic: topic, partitionCount: count)
            }
        }
    }

    /// Hands the records of all batches to the client, and calls `body` while their bytes are lent.
    ///
    /// At return the client has no more use for them; where this throws, what it may still write is kept in `abandoned`.
    private func send(
        _ batches: ArraySlice<PendingBatch>, with producer: KafkaProducer, _ body: () throws -> Void
    ) throws {
        guard let batch = batches.first else {
            return try givingUp(producer) { try body() }
        }
        do {
            if let records = batch.records {
                try givingUp(producer) { try send(records, of: batch, with: producer) }
                try send(batches.dropFirst(), with: producer, body)
            } else if batch.encoding == .records {
                try batch.payload.withUnsafeBytes { bytes in
                    try givingUp(producer) { try send(bytes, of: batch, with: producer) }
                    try send(batches.dropFirst(), with: producer, body)
                }
            } else {
                let records = BatchRecords()
                try records.load(StoredBatch(batch))
                // Keys are made for the occasion, and must stay as long as the values.
                let keys = KeyArena(records)
                do {
                    try givingUp(producer) { try send(records, keys, of: batch, with: producer) }
                    try send(batches.dropFirst(), with: producer, body)
                } catch {
                    abandoned += [records, keys] as [Any]
                    throw error
                }
            }
        } catch {
            abandoned.append(batch)
            throw error
        }
    }

    /// Where `body` throws, nothing is left under way.
    private func givingUp(_ producer: KafkaProducer, _ body: () throws -> Void) throws {
        do { try body() } catch {
            producer.giveUp()
            throw error
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer, of batch: PendingBatch, with producer: KafkaProducer) throws {
        let fitting = fitting(batch.topic)
        var failure: KafkaError?
        try RecordBatch.forEach(in: bytes) { record in
            guard failure == nil else { return }
            do throws(KafkaError) {
                let (time, headers) = fitting.timestamp(record.timestamp)
                guard fitting.cuts, let (cut, kept) = fitting.cut(record) else {
                    return try producer.send(
                        topic: batch.topic, partition: batch.partition, key: record.key, value: record.value,
                        timestampMs: time, headers: record.headers.map { ($0.name, $0.value) } + headers)
                }
                try producer.sendCopy(
                    topic: batch.topic, partition: batch.partition, key: cut.key, value: cut.value, timestampMs: time,
                    headers: cut.headers.map { ($0.name, $0.value) } + headers)
                guard !hasCut else { return }
                hasCut = true
                log.warning(
                    "a dead letter is larger than topic \"\(batch.topic)\" takes; such are cut, with a header that says so",
                    ["bytes": record.value?.count ?? 0, "kept": kept])
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func send(_ records: TripRecords, of batch: PendingBatch, with producer: KafkaProducer) throws {
        let fitting = fitting(batch.topic)
        for index in 0..<records.count {
            let (time, headers) = fitting.timestamp(records.times[index])
            try producer.send(
                topic: batch.topic, partition: batch.partition, key: records.key(index), value: records.value(index),
                timestampMs: time, headers: headers)
        }
    }

    private func send(
        _ records: BatchRecords, _ keys: KeyArena, of batch: PendingBatch, with producer: KafkaProducer
    ) throws {
        let fitting = fitting(batch.topic)
        for index in 0..<records.count {
            let (time, headers) = fitting.timestamp(records.timestamps[index])
            try records.withValue(index) { value in
                try producer.send(
                    topic: batch.topic, partition: batch.partition, key: keys[index],
                    value: value.map { UnsafeRawBufferPointer($0) }, timestampMs: time, headers: headers)
            }
        }
    }

    private func fitting(_ topic: String) -> KafkaFitting {
        let limits = self.limits[topic] ?? KafkaTopicLimits(settings(topic))
        self.limits[topic] = limits
        func property(_ name: String) -> Int? { configuration.properties[name].flatMap { Int($0) } }
        let clientBytes = min(
            property("message.max.bytes") ?? Self.largestRecordBytes,
            property("queue.buffering.max.kbytes").map { $0 << 10 } ?? .max)
        return KafkaFitting(limits, topic: topic, clientBytes: clientBytes, nowMs: systemTime())
    }

    /// Takes less for what topics take after a refusal; of a topic that is not named, all may be meant.
    ///
    /// - Returns: whether it is worth another try.
    private func tighten(_ batches: [PendingBatch], after error: KafkaError) -> Bool {
        let topics = Set(batches.map(\.topic)).filter { topic in
            (error.topic ?? topic) == topic && (!error.isTooLarge || topic.hasSuffix("_deadLetter"))
        }
        var isLess = false
        for topic in topics { isLess = limits[topic]?.tighten(after: error) == true || isLess }
        return isLess
    }
}

// MARK: - Clients

extension KafkaTopicWriter {
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

    private func adminClient() throws -> KafkaAdmin {
        if let admin { return admin }
        let made = try KafkaAdmin(configuration)
        admin = made
        return made
    }

    /// Takes a producer's name over from whoever had it, and looks at the mark that it has left.
    private func open(_ producer: String) throws -> Session {
        var session = Session()
        if delivery == .exactlyOnce {
            let transactions = try KafkaProducer(configuration, transactionalID: group(of: producer), seal: \.seal)
            try transactions.client.connect()
            try transactions.initTransactions()
            session.transactions = transactions
        }
        session.last = try lastMark(of: producer, isSettled: true)
        session.anchor = session.last?.progress
        sessions[producer] = session
        return session
    }

    /// The same after a failure: waits for the cluster as long as it takes.
    private func reopen(_ producer: String) throws -> Session {
        while true {
            do {
                return try open(producer)
            } catch let error as KafkaError where error.isConnection || error.kind == .retriable {
                try noteWaiting(error)
            } catch let problem as Problem where problem.code == .unavailable {
                try noteWaiting(nil)
            }
            try KafkaPatience.check(since: waitingSince ?? .now)
            usleep(200_000)
        }
    }

    /// - Parameter isSettled: whether a transaction that carries a mark is waited for.
    private func lastMark(of producer: String, isSettled: Bool) throws -> ProducerMark? {
        let offsets = try adminClient().offsets(ofGroup: group(of: producer), isSettled: isSettled) { topic in
            namespace.isEmpty || topic.hasPrefix("\(namespace)_")
        }
        guard var mark = KafkaMark.newest(in: offsets, producer: producer) else { return nil }
        guard let topic = offsets.first(where: { KafkaMark.isPart($0, of: mark) })?.topic else { return mark }
        let own = offsets.filter { $0.topic == topic }.sorted { $0.partition < $1.partition }
        mark.progress = .init(topic: topic, offsets: own.map(\.offset))
        return mark
    }

    /// Says once that something is waited for, when that takes longer than a moment.
    ///
    /// - Throws: where it is a topic that was deleted: it would be waited for for ever.
    private func noteWaiting(_ error: KafkaError?) throws(KafkaError) {
        let since = waitingSince ?? .now
        waitingSince = since
        guard since.duration(to: .now) > .seconds(3) else { return }
        if let admin = try? adminClient() {
            try presence.look(for: written.union(read.map { [$0] } ?? []), admin.client)
        }
        guard !hasWarned, !presence.missesSome else { return }
        hasWarned = true
        log.warning(
            "no broker of \"\(configuration.servers)\" takes records at present; waiting for one",
            ["reason": error?.message ?? "no answer"])
    }

    private func noteProgress() {
        abandoned.removeAll()
        if hasWarned, !hasGivenUp { log.warning("the broker takes records again") }
        (waitingSince, hasWarned) = (nil, false)
        presence.forget()
    }

    private func noteUnacknowledged() {
        unacknowledged = max(unacknowledged, plain.reduce(0) { $0 + $1.underWay })
    }

    /// Which topic an answer means that says there is none: it may be that of the mark's offsets, which no answer names.
    private func deletedTopic(_ error: KafkaError) -> String? {
        let named = [read, error.topic].compactMap { $0 } + written.sorted()
        guard let admin = try? adminClient() else { return error.topic }
        return named.first { KafkaTopicPresence.isThere($0, admin.client) == false } ?? error.topic
    }

    private func explained<Result>(_ action: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as KafkaError {
            if error.kind == .givenUp {
                hasGivenUp = true
                throw BrokerAway(servers: configuration.servers, reason: error.brief, records: unacknowledged)
            }
            if error.isUnknownTopic, let topic = deletedTopic(error) {
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

/// What a client may read as long as the process lives.
private final class Lost {
    let memory: [Any]
    init(memory: [Any]) { self.memory = memory }
}

/// The keys of some records, in one block that stays where it is.
private final class KeyArena {
    private let block: UnsafeMutableRawPointer
    private var places: [Range<Int>?] = []

    init(_ records: BatchRecords) {
        var bytes: [UInt8] = []
        for index in 0..<records.count {
            let key = records.key(index)
            places.append(key.map { bytes.count..<bytes.count + $0.count })
            if let key { bytes += key }
        }
        block = .allocate(byteCount: max(1, bytes.count), alignment: 1)
        block.copyMemory(from: bytes, byteCount: bytes.count)
    }
    deinit { block.deallocate() }

    subscript(index: Int) -> UnsafeRawBufferPointer? {
        places[index].map { UnsafeRawBufferPointer(start: block + $0.lowerBound, count: $0.count) }
    }
}
