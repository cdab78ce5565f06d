public import Database
import Foundation
public import Problems
import SQLite
public import Telemetry
public import Topics
public import Time

/// Whether a tenant is healthy: what came in, what went out, and what went wrong, read from its database and topics.
public struct StreamStatus: Sendable {
    public enum State: String, Sendable {
        /// Something runs, and nothing is wrong.
        case ok
        /// Nothing runs, and nothing is wrong.
        case idle
        /// See `reasons`.
        case failing
        /// No record has come in yet.
        case empty
    }

    /// The topic that produce writes.
    public struct Ingest: Sendable {
        public var topic: String
        public var records: Int64
        /// See `TopicDescription.isCountExact`.
        public var isCountExact = true
        public var lastEvent: EventTime?
        /// Processing time of the newest append.
        public var lastAppend: EventTime?
    }

    public struct Query: Sendable {
        public var name: String
        public var state: State
        public var watermark: EventTime?
        /// Records in the topic that it has not read; nil where it reads files.
        public var lag: Int64?
        /// Records that it has seen, rejected ones aside.
        public var consumed: Int64
        public var late: Int64
        /// Records without a value to group by.
        public var skipped: Int64
        public var results: Int64
        /// Start of the newest window that went out, or of the newest local day; nil where the query has neither.
        public var newestWindow: EventTime?
    }

    public var tenant: String
    public var state = State.empty
    /// Why it is failing.
    public var findings: [HealthFinding] = []
    /// The same, a sentence each without a period.
    public var reasons: [String] { findings.map(\.what) }
    /// What is not as it should be and may be meant so: trips that were dropped as late.
    public var warnings: [String] = []
    /// The newest run of each command.
    public var runs: [RunRecord] = []
    /// Which times newer files stand for, a sentence each.
    public var restated: [String] = []
    public var ingest: Ingest?
    public var queries: [Query] = []
    /// Records of each partition of the ingest topic that the query which is furthest behind has not read.
    public var partitionLags: [Int64: Int64] = [:]
    /// Of the newest produce and stream runs together, by reason.
    public var rejected: [String: Int64] = [:]

    /// Looks at a tenant, on one snapshot of its database.
    ///
    /// - Parameters:
    ///   - database: nil where there are no results yet.
    ///   - store: nil where there are no topics yet.
    ///   - plans: the declared queries; others that have results are listed too.
    ///   - unreachable: why there is no store, where there should be one.
    /// - Throws: `Problem` where something stored is damaged or cannot be read.
    public init(
        tenant: String, database: ResultsDatabase?, store: (any TopicStore)?, plans: [QueryPlan],
        unreachable: Problem? = nil
    ) throws {
        self.tenant = tenant
        if let unreachable {
            findings.append(
                HealthFinding(
                    .source, "the topics cannot be looked at: \(unreachable.message)", remedy: unreachable.hint))
        }
        let topics = try store?.topics() ?? []
        ingest = topics.first { $0.name == "\(tenant)_ingestData" }.map {
            Ingest(
                topic: $0.name, records: $0.recordCount, isCountExact: $0.isCountExact, lastEvent: $0.times?.upperBound,
                lastAppend: $0.lastAppend)
        }
        if let database {
            try explaining("reading the status") {
                try database.connection.snapshot { try read(database, topics, plans) }
            }
        }
        judge()
    }

    public var isStreamRunning: Bool { isRunning("stream") }

    private func isRunning(_ command: String) -> Bool {
        runs.contains { $0.command == command && $0.outcome == .running }
    }
}

// MARK: - Reading

extension StreamStatus {
    private mutating func read(_ database: ResultsDatabase, _ topics: [TopicDescription], _ plans: [QueryPlan]) throws {
        let zone = try ZoneClock(identifier: database.zone)
        runs = try RunLog(database).newestOfEachCommand()
        restated = Restatements.sentences(try Restatements.all(on: database.connection), zone: zone)
        warnings = try LateTrips(on: database.connection).warnings
        // Those that a stream runs are on their way.
        if !isStreamRunning, let behind = try StoredQueries.leftBehind(on: database.connection) {
            warnings.append(behind)
        }
        for run in runs where run.command == "produce" || run.command == "stream" {
            let (records, rejected) = try Self.counts(of: run, in: database.connection)
            self.rejected.merge(rejected, uniquingKeysWith: +)
            let rejects = rejected.values.reduce(0, +)
            let worst = rejected.max { ($0.value, $1.key) < ($1.value, $0.key) }
            let text =
                "the last \(run.command) rejected \(rejects) of \(records) records, most with \(worst?.key ?? "")"
            let remedy = "taxi-cli dead-letter show has them, with the reason and the place of each."
            if rejects * 2 > records {
                findings.append(HealthFinding(.rejects, text, remedy: remedy, sinceMs: run.started))
            } else if rejects * 10 > records, rejects >= Self.leastDeadLetters {
                findings.append(HealthFinding(.deadLetters, text, remedy: remedy, sinceMs: run.started))
            }
        }
        findings += try Self.failedWorkflows(in: database.connection)
        for (name, plan, checkpoint) in try CheckpointStore(connection: database.connection).all(plans) {
            let counts = checkpoint.counts
            for (partition, lag) in Self.lags(of: checkpoint, in: topics.first { $0.name == ingest?.topic }) {
                partitionLags[partition] = max(lag, partitionLags[partition] ?? 0)
            }
            var query = Query(
                name: name, state: .empty, watermark: checkpoint.watermark, lag: Self.lag(of: checkpoint, in: topics),
                consumed: counts.aggregated + counts.late + counts.skipped + counts.filtered + (counts.restated ?? 0),
                late: counts.late,
                skipped: counts.skipped, results: counts.results)
            if let plan { query.newestWindow = try Self.newestWindow(of: plan, zone, in: database.connection) }
            if query.consumed > 0 { query.state = isStreamRunning ? .ok : .idle }
            // What a filter leaves out was not meant to give results, and the windows of an append query may all be open yet.
            let isWithoutResult = counts.results == 0 && query.consumed > counts.filtered
            if isWithoutResult, counts.aggregated == 0 || plan?.emit != .append {
                query.state = .failing
                findings.append(
                    HealthFinding(
                        .results,
                        "\(query.consumed) records came to query \"\(name)\" and no result goes out: \(counts.skipped) without a value to group by, \(counts.late) late",
                        remedy:
                            "taxi-cli data profile says which columns of a file have values; taxi-cli stream explain \(name) which the query reads."
                    ))
            }
            if let (late, records) = try Self.lateness(of: name, in: database.connection), late * 2 > records {
                query.state = .failing
                findings.append(
                    HealthFinding(
                        .late,
                        "\(late) of \(records) records that came to query \"\(name)\" in its last run were too late for its windows: a record far ahead of them moved the watermark, or they were streamed after newer ones",
                        remedy: try Self.hasPruned(plan, in: database.connection)
                            ? "Into windows that batch --retain-windows has removed nothing can be merged; --late update merges the others."
                            : "--late update merges them into their windows; --max-ahead keeps far records out."))
            }
            queries.append(query)
        }
    }

    /// A few bad records are nobody's concern, however few there are in all.
    private static let leastDeadLetters: Int64 = 10

    /// Of the last run that gave a query records: how many were late, of those that were not left out otherwise.
    private static func lateness(
        of query: String, in connection: Connection
    ) throws -> (late: Int64, records: Int64)? {
        var counts: [String: Int64] = [:]
        let rows = try connection.rows(
            """
            SELECT counter, sum(value) AS value FROM ledger WHERE kind = 'stream' AND query = ?1 AND counter IN ('aggregated', 'late')
            AND run_id = (SELECT max(run_id) FROM ledger WHERE kind = 'stream' AND query = ?1) GROUP BY counter
            """, .text(query)
        ) { row throws(SQLiteError) in
            (counter: try row.storedText(0), value: try row.integer(1, in: .counts))
        }
        for row in rows { counts[row.counter] = row.value }
        let late = counts["late", default: 0]
        return rows.isEmpty ? nil : (late, late + counts["aggregated", default: 0])
    }

    /// Records that a run has read, and those of them that it rejected, by reason.
    private static func counts(
        of run: RunRecord, in connection: Connection
    ) throws -> (records: Int64, rejected: [String: Int64]) {
        let summary = run.summary.flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) } as? [String: Any]
        if let rejected = summary?["rejected"] as? [String: Int64],
            let records = (summary?["read"] ?? summary?["records"]) as? Int64,
            ([records] + rejected.values).allSatisfy(ClosedRange.counts.contains)
        {
            return (records, rejected)
        }
        // While it runs, and where it failed: the ledger, which stands beside what it counts.
        var used: [String: Int64] = [:]
        var rejected: [String: Int64] = [:]
        let rows = try connection.rows(
            "SELECT query, counter, sum(value) AS value FROM ledger WHERE run_id = ? AND kind = ? GROUP BY query, counter",
            .text(run.id), .text(run.command)
        ) { row throws(SQLiteError) in
            (query: try row.storedText(0), counter: try row.storedText(1), value: try row.integer(2, in: .counts))
        }
        for row in rows {
            if row.counter.hasPrefix("rejected:") {
                rejected[String(row.counter.dropFirst(9)), default: 0] += row.value
            } else if row.counter != "lost" {
                used[row.query, default: 0] += row.value
            }
        }
        return (rejected.values.reduce(0, +) + (used.values.max() ?? 0), rejected)
    }

    private static func hasPruned(_ plan: QueryPlan?, in connection: Connection) throws -> Bool {
        guard let plan, try connection.hasTable("pruned_windows") else { return false }
        return try connection.value("SELECT 1 FROM pruned_windows WHERE view = ?", .text(plan.table)) != nil
    }

    static func lag(of checkpoint: QueryCheckpoint, in topics: [TopicDescription]) -> Int64? {
        let known = topics.filter { checkpoint.positions[$0.name] != nil }
        if known.isEmpty { return nil }
        return known.reduce(0) { lags(of: checkpoint, in: $1).reduce($0) { $0 + $1.lag } }
    }

    private static func lags(
        of checkpoint: QueryCheckpoint, in topic: TopicDescription?
    ) -> [(partition: Int64, lag: Int64)] {
        guard let topic, let offsets = checkpoint.positions[topic.name]?.offsets else { return [] }
        return topic.partitions.map { partition in
            let next = partition.id < offsets.count ? offsets[partition.id] : partition.startOffset
            return (Int64(partition.id), max(0, partition.endOffset - max(next, partition.startOffset)))
        }
    }

    /// Workflows whose last run has failed, each with the step and its reason.
    private static func failedWorkflows(in connection: Connection) throws -> [HealthFinding] {
        try connection.rows(
            """
            SELECT r.workflow, r.run_id, r.state, s.step, s.error, max(coalesce(r.started_ms, r.queued_ms, 0)) AS began
            FROM stored_workflow_runs AS r
            LEFT JOIN stored_workflow_steps AS s ON s.run_id = r.run_id AND s.state = 'failed'
                AND instr(s.outputs, '"allow_failure":"true"') = 0
            WHERE r.state IN ('success', 'failed') GROUP BY r.workflow ORDER BY r.workflow
            """
        ) { row throws(SQLiteError) -> HealthFinding? in
            guard try row.storedText(2) == "failed" else { return nil }
            let step = try row.optionalText(3).map { " in step \($0)" } ?? ""
            let error = try row.optionalText(4).map { ": \($0)" } ?? ""
            let (workflow, run) = (try row.storedText(0), try row.storedText(1))
            return HealthFinding(
                .workflows, "the last run of workflow \(workflow), \(run), failed\(step)\(error)",
                remedy:
                    "taxi-cli workflow logs \(run) has what it said; taxi-cli workflow retry \(run) goes on with the failed step.",
                sinceMs: try row.optionalInteger(5, in: .times))
        }.compactMap { $0 }
    }

    private static func newestWindow(
        of plan: QueryPlan, _ zone: ZoneClock, in connection: Connection
    ) throws -> EventTime? {
        guard try connection.hasTable(plan.storageTable) else { return nil }
        if plan.window.isWindowed {
            let condition = plan.emit == .append ? "WHERE closed > 0 " : ""
            return try connection.integer(
                "SELECT window_start_ms FROM \(plan.storageTable) \(condition)ORDER BY window_start_ms DESC LIMIT 1",
                in: .times)
        }
        guard plan.groups == [.day] else { return nil }
        let day = try connection.integer("SELECT max(group_id) AS group_id FROM \(plan.storageTable)", in: .days)
        return day.map { zone.startMs(ofLocalDay: Int($0)) }
    }
}

// MARK: - Judging

extension StreamStatus {
    /// Whether a run failed by what was asked of it, such as a mistyped name, which changes nothing.
    private func isMistake(_ run: RunRecord) -> Bool {
        let codes = [Problem.Code.usage, .noInput].map { "\($0.rawValue)" }
        return RunFailure(summary: run.summary)?.exit.map(codes.contains) ?? false
    }

    private mutating func judge() {
        let hasRead = queries.contains { $0.consumed > 0 }
        for run in runs where run.outcome == .failed && run.command != "rewind" && !isMistake(run) {
            let failure = RunFailure(summary: run.summary)
            let error = failure.map { ": \($0.error)" } ?? ""
            let rule = HealthRule(rawValue: run.command) ?? .runs
            findings.append(
                HealthFinding(
                    rule == .stream ? .runs : rule, "the last \(run.command) failed\(error)", remedy: failure?.hint,
                    sinceMs: run.ended ?? run.started))
        }
        if !isStreamRunning, let ingest, ingest.records > 0 {
            if isRunning("produce") {
                findings.append(
                    HealthFinding(.stream, "records come in and no stream runs", remedy: "Start taxi-cli stream."))
            } else if !hasRead {
                // A tenant may be there for others to read.
                warnings.append("\(ingest.records) records came in, and no stream has read them")
            }
        }
        if !findings.isEmpty {
            state = .failing
        } else if isStreamRunning || isRunning("produce") {
            state = .ok
        } else {
            state = hasRead || (ingest?.records ?? 0) > 0 ? .idle : .empty
        }
    }
}
