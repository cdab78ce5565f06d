import Database
import Dispatch
import Foundation
import Problems
package import SQLite
import Synchronization
import Telemetry
package import Topics

/// What a stream writes beside its messages, as the position of its mark: whose they are.
///
///     <identity of results.db> <sequence of the last epoch that sent some> <run that sent it>
struct SentPosition: Equatable {
    var database: String
    var sequence: Int64
    var run: String

    init(database: String, sequence: Int64, run: String) {
        (self.database, self.sequence, self.run) = (database, sequence, run)
    }

    /// nil where an earlier version, which wrote none, or somebody else has written the mark.
    init?(_ bytes: [UInt8]) {
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard parts.count == 3, let sequence = Int64(parts[1]) else { return nil }
        self.init(database: String(parts[0]), sequence: sequence, run: String(parts[2]))
    }

    var bytes: [UInt8] { Array("\(database) \(sequence) \(run)".utf8) }

    func isOf(_ sent: QueryCheckpoint.SentMark) -> Bool { sequence == sent.sequence && run == sent.run }
}

/// Whether the topics hold the messages that the results say were sent, and what is to be done about those in the outbox: see `OutboxRule`.
package struct SentCheck {
    private let queries: [String]
    /// The topic of each query's messages, where those behind the known ones are looked for.
    private let outputs: [String: String]
    private let connection: Connection
    private let store: any TopicStore
    private let outbox: Outbox
    private let checkpoints: CheckpointStore
    private let database: String
    private var marks: [String: ProducerMark] = [:]
    private var streams: [String] = []
    /// What was stored when the others were looked for.
    private var account: [String] = []
    private var topics: (state: OutboxRule.Topics, name: String?)?

    /// - Parameter queries: those that are looked at, with all that was sent of them alone or with others.
    package init(
        _ queries: [String], results connection: Connection, topics store: any TopicStore,
        outputs: [String: String] = [:]
    ) throws {
        (self.queries, self.connection, self.store, self.outputs) = (queries, connection, store, outputs)
        (outbox, checkpoints) = (Outbox(connection: connection), CheckpointStore(connection: connection))
        database = try ResultsDatabase.identity(of: connection)
        try look()
    }

    /// Looks at the outbox and the marks as they are now. Both change while another process runs one of the queries.
    mutating func look() throws {
        account = try presentAccount()
        streams = try outbox.streams
        let sent = try queries.compactMap { try checkpoints.load($0)?.sent?.producer }
        let known = Set(sent + streams + [EpochCommitter.producer(of: queries)])
        let found = try store.marks(ofProducers: CopyCheck.producerPrefix, known: known)
        marks = Dictionary(found.map { ($0.producer, $0) }) { $1 }
    }

    /// Whoever deletes a topic on purpose misses nothing of what was sent to it.
    package static func forget(_ topic: String, in connection: Connection) throws(SQLiteError) {
        try connection.execute("DELETE FROM sent_messages WHERE topic = ?", .text(topic))
    }

    /// Changes nothing. A process that is about to be ended may commit meanwhile: then it is looked again, and some time later left to the next
    /// call.
    ///
    /// - Throws: `.badData` where results and topics differ in a way that no process which died between them can have left.
    package mutating func require() throws {
        for _ in 0..<Self.looks {
            do { return try compare() } catch { guard try presentAccount() != account else { throw error } }
            usleep(20_000)
            try look()
        }
    }

    private static let looks = 25

    /// What changes where one of the queries is at work.
    private func presentAccount() throws -> [String] {
        let epochs = try queries.map { "\($0) \(try checkpoints.load($0)?.epoch ?? 0)" }
        let left = try outbox.streams.filter { !Set(queries).isDisjoint(with: CopyCheck.queries(of: $0)) }
        return try epochs + left.map { "\($0) \(try outbox.sequence(of: $0) ?? 0)" }
    }

    private mutating func compare() throws {
        for stream in streams { _ = try query(of: stream) }
        let topics = try self.topics ?? topicState()
        self.topics = topics
        for query in queries {
            let mark = try mark(of: query)
            let waiting = try waiting(of: query, mark.state, isSettled: false)
            let verdict = OutboxRule.verdict(mark.state, waiting, topics.state, forgets: !store.keepsMarksForFree)
            if case .refuse(let refusal) = verdict {
                throw problem(refusal, query, foreign: mark.foreign, topic: topics.name)
            }
            if waiting == .none, try hasUnknownMessages(query) {
                throw problem(.ahead, query, foreign: nil, topic: nil)
            }
        }
    }

    /// Whether the messages of a query go on behind those that are known. A mark would tell, and where marks stay with the messages there is one.
    private func hasUnknownMessages(_ query: String) throws -> Bool {
        guard !store.keepsMarksForFree, let topic = outputs[query] else { return false }
        if marks.keys.contains(where: { CopyCheck.queries(of: $0).contains(query) }) { return false }
        return try Self.isLonger(topic, than: outbox.ends.map(\.end), in: store)
    }

    /// Sends what earlier processes had committed and perhaps not sent, if they ran one of the queries, alone or with others.
    ///
    /// Called when the queries are taken over: from then on no earlier process commits another epoch of them, which nobody would send.
    /// A process that runs other queries is left alone.
    ///
    /// - Parameter topic: the source, whose offsets are kept with the messages; nil for files.
    mutating func recover(_ writer: any TopicWriter, topic: String?) throws {
        for stream in streams {
            guard let query = try query(of: stream), let sequence = try outbox.sequence(of: stream) else { continue }
            let (epoch, last) = try writer.takeOver(producer: stream)
            marks[stream] = last
            let mark = try mark(of: query)
            let waiting = try waiting(in: stream, mark.state, isSettled: true)
            let ends: [AppendedEnd]
            switch OutboxRule.verdict(mark.state, waiting, .same, forgets: !store.keepsMarksForFree) {
            case .refuse(let refusal): throw problem(refusal, query, foreign: mark.foreign, topic: nil)
            // Who sent them has not heard that they are stored.
            case .done: ends = try storedEnds(of: stream)
            case .send:
                // An outbox is of the newest epoch, where the checkpoints stand.
                let checkpoint = try checkpoints.load(query)
                let offsets = topic.flatMap { checkpoint?.positions[$0]?.offsets }
                let position = SentPosition(database: database, sequence: sequence, run: checkpoint?.sent?.run ?? "-")
                try writer.append(
                    outbox.batches(of: stream),
                    mark: ProducerMark(
                        producer: stream, epoch: epoch, sequence: sequence, position: position.bytes,
                        progress: topic.flatMap { topic in offsets.map { .init(topic: topic, offsets: $0) } }))
                ends = writer.appendedEnds
                Logger("stream").info("sent what an earlier process had committed", ["producer": stream])
            }
            try connection.transaction {
                try outbox.note(ends, of: stream)
                try outbox.remove(stream)
            }
        }
    }
}

extension SentCheck {
    /// One of the queries among those whose messages a stream has left; nil where none of them is looked at.
    private func query(of stream: String) throws -> String? {
        guard let query = CopyCheck.queries(of: stream).first(where: queries.contains) else { return nil }
        // The process before us takes out what was acknowledged in its last moment.
        guard let sequence = try outbox.sequence(of: stream) else { return nil }
        let sent = try checkpoints.load(query)?.sent
        guard sent == nil || sent?.producer == stream && sent?.sequence == sequence else {
            throw connection.damage(
                "table outbox has epoch \(sequence) of \(stream), and query \"\(query)\" sent epoch \(sent?.sequence ?? 0) of \(sent?.producer ?? "") last"
            )
        }
        return query
    }
}

// MARK: - Marks

extension SentCheck {
    private typealias FoundMark = (state: OutboxRule.Mark, foreign: ProducerMark?)

    private func mark(of query: String) throws -> FoundMark {
        let checkpoint = try checkpoints.load(query)
        for mark in marks.values.sorted(by: { $0.producer < $1.producer }) {
            let company = CopyCheck.queries(of: mark.producer)
            guard company.contains(query), !isSuperseded(mark, checkpoint) else { continue }
            if let other = SentPosition(mark.position)?.database, other != database { return (.foreign, mark) }
            // Each epoch of theirs has counted up at least one of them to its number.
            guard mark.sequence <= (try company.compactMap { try checkpoints.load($0)?.epoch }.max() ?? 0) else {
                return (.newer, nil)
            }
        }
        guard let sent = checkpoint?.sent else {
            // An earlier version kept no account: its numbers have to do.
            guard let stream = streams.first(where: { CopyCheck.queries(of: $0).contains(query) }) else {
                return (.same, nil)
            }
            guard let mark = marks[stream] else { return (.none, nil) }
            return (try mark.sequence < outbox.sequence(of: stream) ?? 0 ? .older : .same, nil)
        }
        let mark = marks[sent.producer]
        let position = mark.flatMap { SentPosition($0.position) }
        if let position, position.isOf(sent) { return (.same, nil) }
        if let position, position.sequence > sent.sequence { return (.newer, nil) }
        // Its first messages, unless an earlier version has sent some.
        guard let before = checkpoint?.sentBefore else { return (mark == nil ? .none : .older, nil) }
        if let found = marks[before.producer].flatMap({ SentPosition($0.position) }), found.isOf(before) {
            return (.older, nil)
        }
        return (mark == nil ? .none : .stale, nil)
    }

    /// Whether the results were made anew when the mark was as it is.
    private func isSuperseded(_ mark: ProducerMark, _ checkpoint: QueryCheckpoint?) -> Bool {
        checkpoint?.superseded?[mark.producer] == Self.account(of: mark)
    }

    /// A mark as `QueryCheckpoint.superseded` has it.
    static func account(of mark: ProducerMark) -> String {
        "\(mark.epoch) \(mark.sequence) \(String(decoding: mark.position, as: UTF8.self))"
    }
}

// MARK: - Topics

extension SentCheck {
    /// - Parameter isSettled: whether all transactions of earlier processes have ended.
    private func waiting(
        of query: String, _ mark: OutboxRule.Mark, isSettled: Bool
    ) throws -> OutboxRule.Waiting {
        let own = streams.first { CopyCheck.queries(of: $0).contains(query) }
        return try own.map { try waiting(in: $0, mark, isSettled: isSettled) } ?? .none
    }

    private func waiting(
        in stream: String, _ mark: OutboxRule.Mark, isSettled: Bool
    ) throws -> OutboxRule.Waiting {
        // Where marks stay with the records they say all; and what a transaction that has not ended will show is nobody's yet.
        guard !store.keepsMarksForFree, isSettled || mark == .none else { return mark == .same ? .sent : .pending }
        let places = try places(in: stream, isSettled: isSettled).map(\.place)
        if places.allSatisfy({ if case .stored = $0 { true } else { false } }) { return .sent }
        return places.allSatisfy { if case .absent = $0 { true } else { false } } ? .pending : .unknown
    }

    /// Where the messages end that a stream has left in its outbox, and that its topics have.
    private func storedEnds(of stream: String) throws -> [AppendedEnd] {
        guard !store.keepsMarksForFree else { return [] }
        return try places(in: stream, isSettled: true).compactMap { batch, place in
            guard case .stored(let end) = place,
                case .seal(let seal) = try store.makeReader(topic: batch.topic, untilEnd: true)
                    .seal(partition: batch.partition, endingAt: end)
            else { return nil }
            return AppendedEnd(
                topic: batch.topic, anchor: TopicAnchor(partition: batch.partition, end: end, seal: seal))
        }
    }

    /// What a topic has of a batch.
    private enum Place {
        /// All of it; behind its last record.
        case stored(end: Int64)
        case absent
        /// What it would lie among is gone.
        case unknown
    }

    private func places(in stream: String, isSettled: Bool) throws -> [(batch: PendingBatch, place: Place)] {
        let ends = try outbox.ends.filter { $0.stream == stream }.map(\.end)
        return try outbox.batches(of: stream).map { batch in
            let known = ends.first { $0.topic == batch.topic && $0.anchor.partition == batch.partition }
            return (batch, try place(of: batch, behind: known?.anchor.end, isSettled: isSettled))
        }
    }

    /// - Parameter known: behind what was acknowledged before; nil where nobody knows.
    private func place(of batch: PendingBatch, behind known: Int64?, isSettled: Bool) throws -> Place {
        guard let count = try store.partitionCount(of: batch.topic), batch.partition < count else { return .absent }
        let reader = try store.makeReader(topic: batch.topic, untilEnd: true)
        if isSettled { _ = try reader.awaitAppends() }
        let kept = try reader.offsets()[batch.partition]
        var wanted = try AppendedRecords(batch)
        let first = max(known ?? 0, kept.lowerBound)
        try reader.forEachBatch(of: batch.partition, in: first..<max(first, kept.upperBound)) { found in
            try wanted.look(in: found, from: first)
            return !wanted.areAllFound
        }
        if wanted.areAllFound { return .stored(end: wanted.end) }
        return kept.lowerBound > known ?? 0 ? .unknown : .absent
    }

    /// Whether the topics still have the messages that were acknowledged.
    private func topicState() throws -> (state: OutboxRule.Topics, name: String?) {
        let names = Set(queries)
        var newest: [String: AppendedEnd] = [:]
        for (stream, end) in try outbox.ends where !names.isDisjoint(with: CopyCheck.queries(of: stream)) {
            let place = "\(end.topic)/\(end.anchor.partition)"
            if newest[place]?.anchor.end ?? 0 < end.anchor.end { newest[place] = end }
        }
        let ends = newest.sorted { $0.key < $1.key }.map(\.value)
        // Each question takes a client of its own, and a moment.
        let states = Mutex(Array<Result<OutboxRule.Topics, any Error>?>(repeating: nil, count: ends.count))
        let store = store
        DispatchQueue.concurrentPerform(iterations: ends.count) { index in
            let state = Result { try Self.state(of: ends[index], in: store) }
            states.withLock { $0[index] = state }
        }
        for (end, state) in zip(ends, states.withLock { $0 }) {
            if let state = try state?.get(), state != .same { return (state, end.topic) }
        }
        return (.same, nil)
    }

    private static func state(of end: AppendedEnd, in store: any TopicStore) throws -> OutboxRule.Topics {
        let anchor = end.anchor
        guard let count = try store.partitionCount(of: end.topic), anchor.partition < count else { return .recreated }
        let reader = try store.makeReader(topic: end.topic, untilEnd: true)
        let kept = try reader.offsets()[anchor.partition]
        if kept.upperBound < anchor.end { return .shorter }
        // What is gone by age tells nothing.
        if kept.lowerBound >= anchor.end { return .same }
        return switch try reader.seal(partition: anchor.partition, endingAt: anchor.end) {
        case .seal(anchor.seal), .unknown: .same
        case .seal, .other: .recreated
        }
    }
}

// MARK: - Words

extension SentCheck {
    private func problem(
        _ refusal: OutboxRule.Refusal, _ query: String, foreign: ProducerMark?, topic: String?
    ) -> Problem {
        let anew =
            "compute the results anew, whose messages then follow those that are there: taxi-cli stream --from-beginning"
        let oneCopy =
            store.keepsMarksForFree
            ? "Put results.db and topics.db back from one copy." : "Put the newest results.db back."
        switch refusal {
        case .foreign:
            let other = foreign.flatMap { SentPosition($0.position) }
            return Problem(
                .badData,
                "another results.db (\(other?.database ?? "unknown"), run \(other?.run ?? "unknown")) sends messages of query \"\(query)\" to these topics; this one is \(database)",
                hint:
                    "Run the stream in the home that has that results.db; or give this one a tenant of its own with --tenant. If that one is lost, or is to end: \(anew)."
            )
        case .ahead:
            return Problem(
                .badData,
                "the output topics hold messages of query \"\(query)\" that the results know nothing of: results.db is an older copy, or was made anew",
                hint: "\(oneCopy) Or \(anew); taxi-cli topic delete removes an output topic first.")
        case .behind:
            if let topic {
                return Problem(
                    .badData,
                    "topic \"\(topic)\" does not have messages any more that were sent to it: it was deleted, made anew, or put back from an older copy",
                    hint:
                        "To go on with later messages only, remove what is there: taxi-cli topic delete \(topic). To send all of them again, \(anew)."
                )
            }
            return Problem(
                .badData,
                "the output topics lack messages of query \"\(query)\" that were sent: they are an older copy than results.db",
                hint: "\(oneCopy) Or compute the results anew, and send all of them: taxi-cli stream --from-beginning.")
        case .unclear:
            return Problem(
                .badData,
                "nobody can tell whether the last messages of query \"\(query)\" were sent: the cluster has forgotten the stream's group, and what the topics held then is gone",
                hint: "Compute the results anew, and send all of them: taxi-cli stream --from-beginning.")
        }
    }
}
