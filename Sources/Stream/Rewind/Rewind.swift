public import Database
import Foundation
import Problems
import SQLite
public import Topics
public import Time

/// Puts results, open windows, watermark and offsets of queries back to an earlier epoch together (`stream rewind`).
///
/// It is an epoch of its own: one transaction of results.db, with a message for `{tenant}_control` in its outbox, whose number is higher than
/// all before. So it happens once or not at all, and what a kill leaves is sent by the next start, as after any epoch (decision 22).
public struct Rewind {
    public enum Target: Sendable, Equatable {
        /// The epoch that was current then, ms UTC.
        case time(EventTime)
        /// Before the last so many epochs of each query.
        case epochs(Int64)
    }

    private let plans: [QueryPlan]
    private let tenant: String
    private let zone: ZoneClock
    private let database: ResultsDatabase
    private let store: any TopicStore
    private let runID: String
    private let nowMs: EventTime

    /// - Parameters:
    ///   - plans: the queries that go back; no stream runs them.
    ///   - runID: of the record of the rewind.
    public init(
        plans: [QueryPlan], tenant: String, zone: ZoneClock, database: ResultsDatabase, store: any TopicStore,
        runID: String, nowMs: EventTime
    ) {
        (self.plans, self.tenant, self.zone, self.database) = (plans, tenant, zone, database)
        (self.store, self.runID, self.nowMs) = (store, runID, nowMs)
    }

    private var connection: Connection { database.connection }
    private var source: String { "\(tenant)_ingestData" }
    private var controlTopic: String { "\(tenant)_control" }

    /// - Parameter isDry: says what would change, and changes nothing.
    /// - Throws: `Problem`: `.noInput` where nothing is kept so far back, `.unavailable` where the source does not have the records any more,
    ///   `.configuration` where a declaration or removed windows are in the way, `.badData` where what is kept is damaged.
    public func run(to target: Target, isDry: Bool = false, createsTopics: Bool = true) throws -> RewindReport {
        try explaining("going back to an earlier epoch") {
            if !isDry {
                try store.checkTopics([controlTopic], creating: createsTopics, tenant: tenant)
                try sendWaiting(requires: true)
                try store.requireTopic(controlTopic, creating: createsTopics)
            }
            var report = RewindReport()
            do {
                try connection.transaction {
                    report = try rewind(to: target)
                    if isDry { throw DryRun() }
                }
            } catch is DryRun {}
            if !isDry, !report.queries.isEmpty { try sendWaiting(requires: false) }
            return report
        }
    }

    /// Ends the transaction of a dry run.
    private struct DryRun: Error {}

    /// Sends what a stream, or a rewind, had committed and perhaps not sent.
    private func sendWaiting(requires: Bool) throws {
        var sent = try SentCheck(plans.map(\.name), results: connection, topics: store)
        if requires { try sent.require() }
        try sent.recover(store.makeWriter(), topic: source)
    }

    /// Inside the transaction.
    private func rewind(to target: Target) throws -> RewindReport {
        let checkpoints = CheckpointStore(connection: connection)
        var report = RewindReport()
        var undos: [QueryUndo] = []
        for plan in plans {
            guard let current = try checkpoints.load(plan.name), current.epoch > 0 else { continue }
            let history = try StoredHistory(plan.name, current: current.epoch, on: connection)
            let epoch = try epoch(target, history, plan.name)
            guard try history.changesSomething(after: epoch) else {
                report.unchanged.append(plan.name)
                continue
            }
            guard current.declaration == "\(plan.schemaFingerprint); table \(plan.table)" else {
                throw Problem(
                    .configuration,
                    "query \"\(plan.name)\" is declared otherwise than its stored results: \"\(current.declaration)\"",
                    hint:
                        "Declare it as it was, or compute it anew: taxi-cli stream --query \(plan.name) --from-beginning."
                )
            }
            undos.append(try QueryUndo(plan, current, history, to: epoch, zone: zone, on: connection))
        }
        guard !undos.isEmpty || !report.unchanged.isEmpty else {
            throw Problem(.noInput, "there are no results that could go back", hint: "Run taxi-cli stream first.")
        }
        guard !undos.isEmpty else { return report }
        report.epoch = (undos.map(\.current.epoch).max() ?? 0) + 1
        let producer = EpochCommitter.producer(of: undos.map(\.plan.name))
        var shared = SharedAdditions()
        for index in undos.indices { try undos[index].run(&shared) }
        try shared.takeBack(on: connection)
        for undo in undos {
            let restored = try checkpoints.load(undo.plan.name)
            guard let restored, restored.declaration == undo.current.declaration else {
                throw connection.damage(
                    "table epoch_history (query \"\(undo.plan.name)\") has a checkpoint of another declaration")
            }
            try requireReadable(undo, restored)
            try report.queries.append(finish(undo, restored, report.epoch, producer))
        }
        try store(report, producer)
        // The next stream says how far it is.
        try connection.execute("DELETE FROM stored_sources")
        return report
    }

    private func epoch(_ target: Target, _ history: StoredHistory, _ query: String) throws -> Int64 {
        let found: Int64? =
            switch target {
            case .time(let time): try history.epoch(at: time)
            case .epochs(let count): try history.epoch(back: count)
            }
        if let found { return found }
        guard let earliest = history.rows.first else {
            throw Problem(
                .noInput,
                history.hasOthers
                    ? "nothing is kept of the last epochs of query \"\(query)\": they were committed by a stream without --keep-history"
                    : "nothing is kept of the epochs of query \"\(query)\"",
                hint:
                    "Run the stream with --keep-history 7d, or set \"keep-history: 7d\" below \"stream:\" in taxi.yaml: from then on it can go back."
            )
        }
        let count = history.rows.reduce(0) { $0 + $1.packed.epochs }
        throw Problem(
            .noInput,
            "what is kept of query \"\(query)\" reaches back over \(count) epochs, to \(zone.iso(ms: earliest.packed.times.lowerBound))",
            hint: "taxi-cli stream rewind --epochs \(count) goes as far as that.")
    }

    /// Sees that the stream can go on from where a query would stand.
    private func requireReadable(_ undo: QueryUndo, _ restored: QueryCheckpoint) throws {
        for (name, before) in undo.current.positions.sorted(by: { $0.key < $1.key }) {
            let now = restored.positions[name]?.offsets ?? []
            let again = before.offsets.indices.filter { before.offsets[$0] > ($0 < now.count ? now[$0] : 0) }
            if again.isEmpty { continue }
            guard name == source else {
                guard name.contains(" in run ") else { continue }
                throw Problem(
                    .unavailable,
                    "query \"\(undo.plan.name)\" has read trips from a pipe since then, which cannot be read again",
                    hint: "Choose a later time, or compute the results anew from files: --from-beginning.")
            }
            guard try store.hasTopic(name) else {
                throw Problem(
                    .unavailable,
                    "the records of topic \"\(name)\" would be read again, and there is no such topic any more",
                    hint: "Choose a later time.")
            }
            let reader = try store.makeReader(topic: name, untilEnd: true)
            if let position = restored.positions[name] { try CopyCheck.require(position, in: reader) }
            let kept = try reader.offsets()
            for partition in again where partition < kept.count {
                let wanted = partition < now.count ? now[partition] : 0
                guard kept[partition].lowerBound > wanted else { continue }
                throw Problem(
                    .unavailable,
                    "query \"\(undo.plan.name)\" would read topic \"\(name)\" partition \(partition) again from offset \(wanted), and it begins at \(kept[partition].lowerBound) now",
                    hint:
                        "Choose a later time: taxi-cli stream rewind --epochs N --dry-run says how far it can go back.")
            }
        }
    }

    /// Writes the checkpoint of a query that stands at an earlier epoch again.
    private func finish(
        _ undo: QueryUndo, _ restored: QueryCheckpoint, _ epoch: Int64, _ producer: String
    ) throws -> RewindReport.Query {
        let current = undo.current
        var checkpoint = restored
        (checkpoint.generation, checkpoint.epoch) = (current.generation + 1, epoch)
        (checkpoint.sentBefore, checkpoint.followsOlder) = (current.sent, current.followsOlder)
        (checkpoint.target, checkpoint.superseded) = (store.identity, current.superseded)
        checkpoint.sent = QueryCheckpoint.SentMark(producer: producer, sequence: epoch, run: runID)
        // Messages stay in their topic, and it counts them.
        checkpoint.counts.results = current.counts.results
        try CheckpointStore(connection: connection).save(checkpoint, of: undo.plan.name)
        let topic = "\(tenant)_\(undo.plan.topicSuffix)"
        let ends = try store.hasTopic(topic) ? store.makeReader(topic: topic).offsets().map(\.upperBound) : []
        try connection.execute(
            "INSERT INTO rewinds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", .text(runID), .text(undo.plan.name), .integer(nowMs),
            .integer(current.epoch), .integer(undo.target), .integer(epoch), .text(try Self.json(undo.reached())),
            .text(try Self.json(ends)))
        let toMs = try undo.history.committedMs(of: undo.target)
        try undo.history.cut(after: undo.target, to: epoch, nowMs: nowMs)
        var query = undo.report
        (query.topic, query.ends) = (topic, ends)
        query.toTime = toMs.map { zone.iso(ms: $0) }
        query.watermarkBefore = current.watermark.map { zone.iso(ms: $0) }
        query.watermark = checkpoint.watermark.map { zone.iso(ms: $0) }
        query.sources = current.positions.keys.sorted().map { source in
            RewindReport.Source(
                source: source, before: current.positions[source]?.offsets ?? [],
                offsets: checkpoint.positions[source]?.offsets ?? [])
        }
        return query
    }

    /// Puts the record of the rewind where the stream's messages wait.
    private func store(_ report: RewindReport, _ producer: String) throws {
        let record = ControlRecord(
            type: "rewind", run: runID, at: zone.iso(ms: nowMs), epoch: report.epoch, queries: report.queries)
        let value = try Self.json(record)
        guard
            let batch = PendingBatch(
                topic: controlTopic, partition: 0,
                records: [TopicRecord(key: Array("rewind".utf8), value: Array(value.utf8), timestamp: nowMs)])
        else { return }
        try connection.execute(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", .text(producer), .integer(report.epoch),
            .text(batch.topic), .integer(Int64(batch.partition)), .integer(Int64(batch.count)),
            .integer(batch.times.lowerBound), .integer(batch.times.upperBound),
            .integer(Int64(batch.encoding.rawValue)),
            .blob(batch.payload))
    }

    /// A record of `{tenant}_control`.
    private struct ControlRecord: Encodable {
        var type, run, at: String
        var epoch: Int64
        var queries: [RewindReport.Query]
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = value is ControlRecord ? .convertToSnakeCase : .useDefaultKeys
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

extension StoredHistory {
    /// Whether epochs, and not rewinds alone, lie behind one of them.
    fileprivate func changesSomething(after epoch: Int64) throws -> Bool {
        rows.contains { $0.packed.last > epoch && $0.packed.epochs > 0 }
    }
}
