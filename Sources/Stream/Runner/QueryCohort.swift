import Database
import Foundation
import Problems
import SQLite
import SchemaRegistry
import Telemetry
import Topics
import Time
import Trips

/// Queries that stand at the same place in the source and are run together: one pass over the records, one epoch for all.
final class QueryCohort {
    let plans: [QueryPlan]
    let input: any StreamInput
    var tracker: WatermarkTracker
    var states: [QueryState]
    var checkpoints: [QueryCheckpoint]
    let options: StreamOptions
    let schemas: SchemaCache?
    /// Of late records and alerts.
    let sideSchemas: SideSchemas
    let committer: EpochCommitter
    let cutters: [QueryOutputBuilder]
    /// The results, for a look at windows that are closed; nil where nothing is merged into them.
    let closedResults: Connection?
    var pruned: PrunedWindows?
    var workers: [RangeWorker]
    private let fields: TripFieldSet
    var sideRecords: [SideRecord] = []
    var deadLetters: [PendingDeadLetter] = []
    /// Where this run began to read each partition: what was rejected from there on has gone to the dead letters.
    var begun: [Int64]
    /// The bytes of both; as many as `bytesAtOnce` end the epoch.
    var sideBytes = 0
    var ledger: [RangeFindings.LedgerKey: Int64] = [:]
    var lateDays: [RangeFindings.LateDay: Int64] = [:]
    /// Records of this epoch that may be good another day.
    var passedOver: [PassedOver] = []
    /// The clock's now of this epoch, and how far ahead of it an event time may be.
    var aheadLimit = MaxAhead(nowMs: .max, aheadMs: 0)
    /// The records that a replay of dead letters has sent again (`LetterJournal.replaced`); set before the first epoch.
    var replaced: [Int: [Int64: LetterJournal.Original]] = [:] {
        didSet { for worker in workers { worker.replaced = replaced } }
    }
    /// Who computes the records, where it is not this process.
    var engine: (any RangeEngine)?
    var recordsInEpoch = 0
    var timing = EpochTiming()
    let clock: any WallClock
    /// Records read in this run, used or rejected.
    var recordsRead: Int64 = 0
    /// Records that were gone before this run could read them.
    var recordsLost: Int64 = 0
    var guards: RejectGuard
    var epochs: Int64 = 0
    var rejected: [RejectReason: Int64] = [:]
    var results: [Int64]
    private let countsAtStart: [QueryCheckpoint.StoredCounts]
    /// Whether this run reads the source from its start, so that its first records are the source's first.
    let beginsSource: Bool

    /// A record on its way to a topic of its own: late, or an alert.
    struct SideRecord: Sendable {
        var topic: String
        var record: TopicRecord
    }

    init(
        plans: [QueryPlan], checkpoints: [QueryCheckpoint], states: [QueryState], input: any StreamInput,
        committer: EpochCommitter, database: ResultsDatabase, options: StreamOptions, schemas: SchemaCache?,
        sideSchemas: SideSchemas = SideSchemas(), clock: any WallClock
    ) throws {
        (self.schemas, self.sideSchemas) = (schemas, sideSchemas)
        self.clock = clock
        (self.plans, self.checkpoints, self.states, self.input) = (plans, checkpoints, states, input)
        (self.committer, self.options) = (committer, options)
        let position = checkpoints[0].positions[input.name]
        beginsSource = position == nil
        begun = input.rejects.map { [$0] } ?? input.offsets
        var newest = Array((position?.newest ?? []).prefix(input.partitionCount))
        newest += Array(repeating: nil, count: max(0, input.partitionCount - newest.count))
        tracker = WatermarkTracker(
            newest: newest, watermark: checkpoints[0].watermark ?? .min, delayMs: options.delayMs,
            idleTimeoutMs: options.idleTimeoutMs, nowMs: clock.monotonicMs)
        for (state, checkpoint) in zip(states, checkpoints) {
            state.closedUntil = checkpoint.closedUntil ?? .min
            state.restated = try Restatements(of: state.plan.name, on: database.connection).times
        }
        closedResults =
            try options.late == .update ? Connection(path: database.connection.path, access: .readOnly) : nil
        cutters = try states.enumerated().map { [closedResults, watermark = tracker.watermark] query, state in
            guard let closedResults, state.plan.window.isWindowed else {
                return QueryOutputBuilder(state, query: query)
            }
            state.mergesLate = true
            let closed = try StoredClosedWindows(of: state, connection: closedResults, committer: committer)
            return QueryOutputBuilder(
                state, query: query, closed: closed, closedBound: max(watermark, state.closedUntil))
        }
        let isTopic = input.rejects == nil
        guards = RejectGuard(
            source: input.name,
            hint: isTopic
                ? "Look at its records with: taxi-cli topic tail \(input.name); those of Avro need their schemas: taxi-cli schema list"
                : nil)
        results = Array(repeating: 0, count: plans.count)
        countsAtStart = checkpoints.map(\.counts)
        var fields = plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        if options.late == .deadLetter { fields = .all }
        self.fields = fields
        workers = []
        workers = [makeWorker(states)]
        addWorkers()
    }

    /// What is the same for whoever computes the records.
    var setting: WorkSetting {
        WorkSetting(
            topic: input.name, tenant: options.tenant, zone: options.zone,
            keepsLateRecords: options.late == .deadLetter, lateSchemaID: sideSchemas.late)
    }

    private func makeWorker(_ states: [QueryState]) -> RangeWorker {
        let worker = RangeWorker(
            decoder: PieceDecoder(fields: fields, schemas: schemas), states: states,
            setting: setting,
            clock: clock, reachedBefore: self.states.map(\.reachedBefore))
        worker.replaced = replaced
        return worker
    }

    /// As many as the options say, and one a partition at most.
    private func addWorkers() {
        while workers.count < min(options.workers, input.partitionCount) {
            let partials = states.map { state in
                let partial = QueryState(plan: state.plan, zone: state.zone)
                partial.closedUntil = state.closedUntil
                partial.mergesLate = state.mergesLate
                partial.restated = state.restated
                return partial
            }
            workers.append(makeWorker(partials))
        }
    }

    /// Takes partitions in that the source has got since: until something of each is read, or it has been silent, the watermark waits for it.
    func addPartitions(nowMs: Int64) {
        for partition in tracker.partitions.count..<input.partitionCount {
            tracker.addPartition(nowMs: nowMs)
            begun.append(input.offsets[partition])
        }
        addWorkers()
    }

    /// Open windows of all queries.
    var openWindows: Int {
        states.reduce(0) { $0 + $1.windows.open.values.count { $0.pointee.revision == 0 } }
    }
    /// Windows that end at or before it take no more records, of any query.
    var closedUntil: EventTime { max(tracker.watermark, states.map(\.closedUntil).min() ?? .min) }
    /// The partition that holds the watermark back; nil where none is read at the moment.
    func holder(nowMs: Int64) -> Int? { tracker.holder(nowMs: nowMs) }
    var watermark: EventTime? { tracker.watermark == .min ? nil : tracker.watermark }

    /// Shows how much is open, and how far event time has come.
    func show(on metrics: StreamMetrics) {
        for (state, query) in zip(states, metrics.queries) {
            query.openWindows.set(Double(state.windows.open.values.count { $0.pointee.revision == 0 }))
            query.stateBytes.set(Double(state.windows.byteCount))
            if let newest, let watermark { query.watermarkLag.set(Double(max(0, newest - watermark)) / 1000) }
        }
    }

    var newest: EventTime? { tracker.partitions.compactMap(\.newest).max() }
    var late: [Int64] { zip(checkpoints, countsAtStart).map { $0.counts.late - $1.late } }
    var restated: [Int64] {
        zip(checkpoints, countsAtStart).map { ($0.counts.restated ?? 0) - ($1.restated ?? 0) }
    }
    var lateMerged: [Int64] {
        zip(checkpoints, countsAtStart).map { ($0.counts.lateMerged ?? 0) - ($1.lateMerged ?? 0) }
    }
}
