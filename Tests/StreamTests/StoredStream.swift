import Database
import Foundation
import Problems
import SQLite
import Topics
import Time
import Trips

@testable import Stream

/// The times of these tests count from here, the beginning of a minute: years before 2000 are rejected.
let origin: EventTime = 1_699_999_980_000

/// A tenant in a folder of its own, with a topic to fill and queries to run over it; removed with it.
final class StoredStream {
    let path: String
    let database: ResultsDatabase
    let store: EmbeddedTopicStore
    let log: RunLog
    let topic = "chicago_ingestData"
    /// Runs are told apart by when they began.
    private var now: EventTime = 1000

    init(partitions: Int = 1) throws {
        path = FileManager.default.temporaryDirectory.path + "/taxi-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        database = try ResultsDatabase(path: path + "/results.db", durability: .normal)
        store = try EmbeddedTopicStore(path: path + "/topics.db", now: { 77 })
        log = RunLog(database)
        try store.createTopic(topic, partitions: partitions)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Appends trips of these event times, in ms from `origin`, to a partition.
    func produce(_ times: [EventTime], partition: Int = 0, fields: String = #""fare":10,"company":"A""#) throws {
        let times = times.map { origin + $0 }
        try append(times.map { "{\(fields),\"event_timestamp\":\"\(RFC3339.string($0))\"}" }, times, partition)
    }

    func append(_ values: [String], _ times: [EventTime], _ partition: Int = 0) throws {
        let records = zip(values, times).map { TopicRecord(key: nil, value: Array($0.utf8), timestamp: $1) }
        guard let batch = PendingBatch(topic: topic, partition: partition, records: records) else { return }
        try store.makeWriter().append([batch], mark: nil)
    }

    /// Runs queries over what is there, as a run of its own; unless until the end, open windows stay open.
    ///
    /// - Parameters:
    ///   - rounds: how often a continuous run looks for records.
    ///   - between: called before each of them, by its number from 1.
    @discardableResult
    func stream(
        _ plans: [QueryPlan], untilEnd: Bool = false, outcome: RunRecord.Outcome? = .success,
        source: StreamRunner.Source? = nil, clock: any WallClock = SystemClock(), rounds: Int = 1,
        _ change: (inout StreamOptions) -> Void = { _ in }, between: @escaping (Int) throws -> Void = { _ in }
    ) throws -> StreamSummary {
        now += 1
        let id = try log.begin("stream", at: now)
        var options = StreamOptions(tenant: "chicago", zone: try ZoneClock(identifier: "America/Chicago"))
        options.untilEnd = untilEnd
        change(&options)
        let runner = StreamRunner(
            plans: plans, options: options, database: database, store: store, source: source ?? .topic(topic),
            runID: id, clock: clock)
        var round = 0
        var failure: (any Error)?
        runner.shouldStop = {
            round += 1
            if !untilEnd, round > rounds { return true }
            do { try between(round) } catch { failure = error }
            return failure != nil
        }
        let summary = try runner.run()
        if let failure { throw failure }
        if let outcome { try log.end(id, outcome, summary: nil, at: 2000) }
        return summary
    }

    func status(_ plans: [QueryPlan]) throws -> StreamStatus {
        try StreamStatus(
            tenant: "chicago", database: ResultsDatabase.openReadOnly(path: path + "/results.db"), store: store,
            plans: plans)
    }

    func explanation(_ plans: [QueryPlan], windows: Int = 5) throws -> StreamExplanation {
        var options = StreamExplanation.Options()
        options.windows = windows
        return try StreamExplanation(
            database: ResultsDatabase.openReadOnly(path: path + "/results.db"), store: store, plans: plans,
            options: options)
    }
}

func plans(_ yaml: String) throws -> [QueryPlan] { try QueryCatalog.parse("queries:\n" + yaml, file: "test.yaml") }
