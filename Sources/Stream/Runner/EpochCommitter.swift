import Database
import Foundation
import Problems
import SQLite
import Synchronization
import Telemetry
import Topics
import Time
import Trips

/// Commits epochs in their order on a thread of its own, while the next one is computed.
///
/// An epoch is one SQLite transaction: results, open windows, checkpoints, ledger and the outbox with its messages. After it the messages
/// go to their topics, idempotently by (producer, sequence), and the next epoch's transaction empties the outbox, or `noteSent`. A crash
/// between the two leaves the outbox, which the next start sends (`SentCheck`).
///
/// `@unchecked Sendable`: what changes is used on `queue` only, but for `failure`.
final class EpochCommitter: @unchecked Sendable {
    private let connection: Connection
    private let checkpoints: CheckpointStore
    private let writer: any TopicWriter
    private let plans: [QueryPlan]
    private let zone: ZoneClock
    private let topics: [String]
    /// Of each plan's messages where they are Avro.
    private let schemaIDs: [UInt32]?
    private let producer: String
    private let producerEpoch: Int64
    private let run: (id: String, source: String)
    /// Names the source in the account of dead letters (`WrittenDeadLetters`); set before the first epoch.
    var writtenDeadLetters = ""
    private let deadLetterTopic: String
    /// Whether the source's offsets are those of a topic.
    private let readsTopic: Bool
    private let ledger: Ledger
    private let rows: ResultRowsWriter
    private let insertOutbox: Statement
    private let outbox: Outbox
    /// The epoch whose messages were acknowledged last, and where they end, as long as the outbox does not know.
    private var acknowledged: (sequence: Int64, ends: [AppendedEnd])?
    private let database: String
    /// Whether a commit costs little beside the rows that it stores, since it makes no transaction of a cluster.
    let keepsMarksForFree: Bool
    /// Whether somebody may watch the source's offsets where the messages go.
    private let movesGroups: Bool
    /// What each query has sent in this run; before its first messages its checkpoint knows.
    private var sentMarks: [String: (sent: QueryCheckpoint.SentMark?, before: QueryCheckpoint.SentMark?)] = [:]
    /// Shared by all committers of a run: they use one connection, which has one transaction at a time.
    private let queue: DispatchQueue
    /// How many epochs may wait: the one that is committed and the next.
    private let slots = DispatchSemaphore(value: 2)
    /// Told that `submit` waits for longer than a commit mostly takes: others may compute meanwhile.
    var onWaiting: () -> Void = {}
    private static let shortWait = DispatchTimeInterval.milliseconds(20)
    private let failure = Mutex<(any Error)?>(nil)
    private let metrics: StreamMetrics
    private let clock: any WallClock
    /// What the epochs change, where that is kept.
    private let history: EpochHistory?
    private let committedOffsets: Mutex<[Int64]>
    /// What is to be stored of the source with the next epoch.
    private let pendingSources = Mutex<[SourceRow]?>(nil)

    init(
        database: ResultsDatabase, writer: any TopicWriter, plans: [QueryPlan], zone: ZoneClock, tenant: String,
        runID: String, source: String, readsTopic: Bool, store: any TopicStore, queue: DispatchQueue,
        metrics: StreamMetrics, clock: any WallClock, offsets: [Int64], schemaIDs: [UInt32]? = nil,
        keepHistoryMs: Int64? = nil
    ) throws {
        self.schemaIDs = schemaIDs
        (self.metrics, self.clock) = (metrics, clock)
        committedOffsets = Mutex(offsets)
        self.zone = zone
        connection = database.connection
        self.queue = queue
        checkpoints = CheckpointStore(connection: connection)
        self.writer = writer
        self.plans = plans
        topics = plans.map { "\(tenant)_\($0.topicSuffix)" }
        deadLetterTopic = "\(tenant)_deadLetter"
        producer = Self.producer(of: plans.map(\.name))
        producerEpoch = try writer.takeOver(producer: producer).epoch
        run = (runID, source)
        self.readsTopic = readsTopic
        keepsMarksForFree = store.keepsMarksForFree
        movesGroups = readsTopic && !store.keepsColumns
        ledger = try Ledger(connection)
        rows = try ResultRowsWriter(connection, plans)
        insertOutbox = try connection.prepare("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        outbox = Outbox(connection: connection)
        self.database = try ResultsDatabase.identity(of: connection)
        history = try keepHistoryMs.map { [producer, connection] in
            try EpochHistory(connection, plans: plans, producer: producer, run: runID, keepMs: $0)
        }
    }

    /// The name under which the messages of some queries are sent together.
    static func producer(of queries: [String]) -> String {
        CopyCheck.producerPrefix + queries.sorted().joined(separator: "+")
    }

    /// Whether `submit` would return at once. To be asked by the thread that submits.
    var hasRoom: Bool {
        guard slots.wait(timeout: .now()) == .success else { return false }
        slots.signal()
        return true
    }

    /// Hands an epoch over; waits while two are under way.
    ///
    /// - Throws: what an earlier epoch failed with; nothing is committed after a failure.
    func submit(_ epoch: Epoch) throws {
        // Who would only wait encodes: the committing thread has enough to do.
        let encoded = hasRoom ? nil : batches(of: epoch)
        if slots.wait(timeout: .now() + Self.shortWait) == .timedOut {
            onWaiting()
            slots.wait()
        }
        if let error = failure.withLock({ $0 }) {
            slots.signal()
            throw error
        }
        queue.async { [self] in
            defer { slots.signal() }
            guard failure.withLock({ $0 == nil }) else { return }
            do { try commit(epoch, encoded ?? batches(of: epoch)) } catch { failure.withLock { $0 = error } }
        }
    }

    /// Ends the stream: waits until all epochs are committed, and leaves nothing in the outbox that was sent, whatever had failed.
    func finish() throws {
        queue.sync {
            do { try removeSent() } catch { failure.withLock { $0 = $0 ?? error } }
        }
        try check()
    }

    /// The next offset of each partition of the source, behind all that is committed.
    var offsets: [Int64] { committedOffsets.withLock { $0 } }

    /// Stores how far the source is read: with the next epoch, or at once where none may come.
    func save(_ rows: [SourceRow], atOnce: Bool) {
        pendingSources.withLock { $0 = rows }
        guard atOnce else { return }
        queue.async { [self] in
            guard failure.withLock({ $0 == nil }) else { return }
            // Nobody's results depend on it: the next look tries again.
            try? connection.transaction { try storeSources() }
        }
    }

    private func storeSources() throws {
        guard
            let rows = pendingSources.withLock({ rows in
                defer { rows = nil }
                return rows
            })
        else { return }
        try SourceRow.replace(rows, on: connection)
    }

    /// - Throws: what an epoch failed with.
    func check() throws {
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Waits until all epochs that were submitted are committed.
    ///
    /// - Throws: what one of them failed with.
    func waitForCommits() throws {
        queue.sync {}
        try check()
    }

    private func batches(of epoch: Epoch) -> [PendingBatch] {
        epoch.sideBatches + epoch.outputs.filter { $0.messages.count > 0 }.map(batch)
    }

    private func commit(_ epoch: Epoch, _ others: [PendingBatch]) throws {
        var batches = others
        var deadLetters: [TopicRecord] = []
        let beganNs = clock.monotonicNs
        do {
            try committing(epoch) {
                let letters = try WrittenDeadLetters.take(
                    epoch.deadLetters, judged: epoch.judged, of: writtenDeadLetters, ahead: run.source, on: connection)
                deadLetters = letters
                if let letters = PendingBatch(topic: deadLetterTopic, partition: 0, records: letters) {
                    batches = [letters] + others
                }
                for (query, checkpoint) in epoch.checkpoints {
                    try checkpoints.requireGeneration(checkpoint.generation, of: query)
                    try checkpoints.save(
                        marked(checkpoint, of: query, epoch.sequence, sends: !batches.isEmpty), of: query)
                }
                try epoch.pruned?.requireKept(epoch.outputs, of: plans, zone: zone, on: connection)
                try epoch.restated?(connection)
                for output in epoch.outputs { try rows.store(output) }
                for output in epoch.outputs {
                    try AlertStore(connection: connection).save(
                        output.alerts, output.alertProgress, output.alertRevisions)
                    try RewoundResults(connection: connection).remove(
                        windows: output.followed, of: plans[output.query].name)
                }
                for entry in epoch.ledger {
                    try ledger.add(
                        entry.value,
                        to: Ledger.Key(
                            runID: run.id, kind: "stream", source: run.source, partition: entry.partition,
                            query: entry.query, counter: entry.counter))
                }
                if !epoch.passedOver.isEmpty {
                    for plan in plans {
                        try PassedOver.save(epoch.passedOver, query: plan.name, source: run.source, on: connection)
                    }
                }
                for (query, days) in epoch.lateDays {
                    try LateTrips.add(days, query: plans[query].name, view: plans[query].table, on: connection)
                }
                try outbox.note(acknowledged?.ends ?? [], of: producer)
                try outbox.remove(producer)
                for batch in batches { try store(batch, epoch.sequence) }
                try storeSources()
            }
        } catch let error as SQLiteError {
            throw Problem(error, doing: "committing an epoch")
        }
        acknowledged = nil
        let endedNs = clock.monotonicNs
        metrics.count(epoch, deadLetters: deadLetters, beganNs: beganNs, endedNs: endedNs, nowMs: clock.nowMs)
        committedOffsets.withLock { $0 = epoch.progress.offsets }
        // Where groups are watched, an epoch without messages moves the group's offsets all the same.
        guard !batches.isEmpty || movesGroups else { return }
        try writer.append(
            batches,
            mark: ProducerMark(
                producer: producer, epoch: producerEpoch, sequence: epoch.sequence, position: position.bytes,
                progress: readsTopic ? epoch.progress : nil))
        metrics.countPublish(ns: clock.monotonicNs - endedNs)
        acknowledged = (epoch.sequence, writer.appendedEnds)
    }

    /// One transaction, with what it changes where that is kept.
    private func committing(_ epoch: Epoch, _ body: () throws -> Void) throws {
        try connection.transaction {
            guard let history else { return try body() }
            try history.record(epoch.checkpoints, sequence: epoch.sequence, nowMs: clock.nowMs, body)
        }
    }

    /// Whose messages the mark stands beside: an epoch without any repeats what was said of the last.
    private var position: SentPosition {
        let sent = plans.first.flatMap { sentMarks[$0.name]?.sent }
        guard let sent, sent.producer == producer else {
            return SentPosition(database: database, sequence: 0, run: run.id)
        }
        return SentPosition(database: database, sequence: sent.sequence, run: sent.run)
    }

    /// Takes out of the outbox what was acknowledged, behind all epochs that were submitted.
    func noteSent() {
        queue.async { [self] in
            guard failure.withLock({ $0 == nil }) else { return }
            do { try removeSent() } catch { failure.withLock { $0 = error } }
        }
    }

    private func removeSent() throws {
        guard let acknowledged else { return }
        do {
            try connection.transaction {
                try outbox.note(acknowledged.ends, of: producer)
                try outbox.remove(producer, upTo: acknowledged.sequence)
            }
        } catch let error as SQLiteError {
            throw Problem(error, doing: "noting what was sent")
        }
        self.acknowledged = nil
    }

    /// A checkpoint with what its query sends under which mark; nothing is committed after a failure, so that no mark is noted too early.
    private func marked(
        _ checkpoint: QueryCheckpoint, of query: String, _ sequence: Int64, sends: Bool
    ) -> QueryCheckpoint {
        var marks = sentMarks[query] ?? (sent: checkpoint.sent, before: checkpoint.sentBefore)
        if sends {
            let mark = QueryCheckpoint.SentMark(producer: producer, sequence: sequence, run: run.id)
            marks = (sent: mark, before: marks.sent)
        }
        sentMarks[query] = marks
        var checkpoint = checkpoint
        (checkpoint.sent, checkpoint.sentBefore) = (marks.sent, marks.before)
        return checkpoint
    }

    private func batch(of output: QueryOutput) -> PendingBatch {
        output.batch(for: topics[output.query], schemaID: schemaIDs?[output.query])
    }

    private func store(_ batch: PendingBatch, _ sequence: Int64) throws {
        insertOutbox.bind(0, producer)
        insertOutbox.bind(1, sequence)
        insertOutbox.bind(2, batch.topic)
        insertOutbox.bind(3, Int64(batch.partition))
        insertOutbox.bind(4, Int64(batch.count))
        insertOutbox.bind(5, batch.times.lowerBound)
        insertOutbox.bind(6, batch.times.upperBound)
        insertOutbox.bind(7, Int64(batch.encoding.rawValue))
        try batch.payload.withUnsafeBytes { bytes in
            insertOutbox.bindBorrowed(8, blob: bytes)
            try insertOutbox.run()
        }
    }
}
