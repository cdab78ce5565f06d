import Database
import Foundation
import Problems
import SQLite
import SchemaRegistry
import Telemetry
import Topics
import Trips

/// Queries that stand at the same place in the source and are run together: one pass over the records, one epoch for all.
final class Cohort {
    let plans: [QueryPlan]
    let input: any StreamInput
    private(set) var tracker: WatermarkTracker
    private(set) var states: [QueryState]
    private var checkpoints: [QueryCheckpoint]
    private let options: StreamOptions
    private let schemas: SchemaCache?
    private let committer: EpochCommitter
    private let cutters: [EpochCutter]
    /// The results, for a look at windows that are closed; nil where nothing is merged into them.
    private let closedResults: Connection?
    private var pruned: PrunedWindows?
    private var workers: [Worker]
    private let fields: TripFieldSet
    private var sideRecords: [SideRecord] = []
    private var deadLetters: [PendingDeadLetter] = []
    /// Where this run began to read each partition: what was rejected from there on has gone to the dead letters.
    private var begun: [Int64]
    /// The bytes of both; as many as `bytesAtOnce` end the epoch.
    private var sideBytes = 0
    private var ledger: [LedgerKey: Int64] = [:]
    private var lateDays: [LateDay: Int64] = [:]
    /// Records of this epoch that were too far ahead.
    private var ahead: [AheadRecords] = []
    /// The clock's now of this epoch, and how far ahead of it an event time may be.
    private var aheadLimit = MaxAhead(nowMs: .max, aheadMs: 0)
    /// The records that a replay of dead letters has sent again (`LetterJournal.replaced`); set before the first epoch.
    var replaced: [Int: [Int64: Int64]] = [:]
    private(set) var recordsInEpoch = 0
    private var timing = EpochTiming()
    private let clock: any WallClock
    /// Records read in this run, used or rejected.
    private(set) var recordsRead: Int64 = 0
    /// Records that were gone before this run could read them.
    private(set) var recordsLost: Int64 = 0
    private var guards: RejectGuard
    private(set) var epochs: Int64 = 0
    private(set) var rejected: [RejectReason: Int64] = [:]
    private(set) var results: [Int64]
    private let countsAtStart: [QueryCheckpoint.StoredCounts]
    /// Whether this run reads the source from its start, so that its first records are the source's first.
    private let beginsSource: Bool

    private struct LedgerKey: Hashable {
        var partition: Int
        var query: Int
        var counter: String
    }

    private struct LateDay: Hashable {
        var query: Int
        var day: Int64
    }

    /// A record on its way to a topic of its own: late, or an alert.
    struct SideRecord: Sendable {
        var topic: String
        var record: TopicRecord
    }

    /// What one thread needs to take pieces: a decoder and partial states. The first worker adds to the cohort's own states.
    private final class Worker {
        let decoder: PieceDecoder
        let states: [QueryState]
        var watermarks: UnsafeMutablePointer<EventTime>
        var capacity = 0
        var rejects: [(partition: Int, reject: Reject, original: TopicRecord)] = []
        /// How its accepted and rejected records follow each other.
        var steps: [(accepted: Int, reject: Reject?)] = []
        var lateRecords: [SideRecord] = []
        /// Trips that were dropped as late, by query and local day.
        var lateDays: [LateDay: Int64] = [:]
        var counts: [LedgerKey: Int64] = [:]
        var records = 0
        var timing = EpochTiming()
        var failure: (any Error)?

        init(decoder: PieceDecoder, states: [QueryState]) {
            (self.decoder, self.states) = (decoder, states)
            watermarks = .allocate(capacity: 1)
        }
        deinit { watermarks.deallocate() }

        func makeRoom(_ count: Int) {
            guard count > capacity else { return }
            capacity = count
            watermarks.deallocate()
            watermarks = .allocate(capacity: count)
        }
    }

    init(
        plans: [QueryPlan], checkpoints: [QueryCheckpoint], states: [QueryState], input: any StreamInput,
        committer: EpochCommitter, database: ResultsDatabase, options: StreamOptions, schemas: SchemaCache?,
        clock: any WallClock
    ) throws {
        self.schemas = schemas
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
            guard let closedResults, state.plan.window.isWindowed else { return EpochCutter(state, query: query) }
            state.mergesLate = true
            let closed = try StoredClosedWindows(of: state, connection: closedResults, committer: committer)
            return EpochCutter(
                state, query: query, closed: closed, closedBound: max(watermark, state.closedUntil))
        }
        guards = RejectGuard(source: input.name)
        results = Array(repeating: 0, count: plans.count)
        countsAtStart = checkpoints.map(\.counts)
        var fields = plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        if options.late == .deadLetter { fields = .all }
        self.fields = fields
        workers = [Worker(decoder: PieceDecoder(fields: fields, schemas: schemas), states: states)]
        addWorkers()
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
            workers.append(Worker(decoder: PieceDecoder(fields: fields, schemas: schemas), states: partials))
        }
    }

    /// Takes partitions in that the source has got since: until something of each is read, or it has been silent, the watermark waits for it.
    private func addPartitions(nowMs: Int64) {
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

// MARK: - Reading

extension Cohort {
    /// Reads one epoch's records: until `epochRecords` or `epochMs` are full; a bounded run also ends it where nothing more is there.
    ///
    /// - Parameter shouldStop: ends the epoch early.
    /// - Returns: whether the input had nothing more at the end.
    func read(isBounded: Bool, shouldStop: () -> Bool) throws -> Bool {
        let clock = { [wallClock = clock] in wallClock.monotonicMs }
        let start = clock()
        if try input.look() { addPartitions(nowMs: start) }
        let floor = tracker.watermark
        aheadLimit = MaxAhead(nowMs: self.clock.nowMs, aheadMs: options.maxAheadMs)
        input.latestEvent = aheadLimit.latest
        try lookForPruned()
        let size = nextSize(isBounded: isBounded)
        noteProgress(nowMs: start)
        let limits = (0..<input.partitionCount).map { tracker.limit(besides: $0, nowMs: start) }
        if workers.count == 1 {
            while !isFull(size, since: start, clock), !endsEarly(since: start, clock, shouldStop) {
                try committer.check()
                guard let (partition, piece) = try next() else {
                    let isFinished = input.finished.allSatisfy { $0 }
                    let left = Int(start) + options.epochMs - Int(clock())
                    if isFinished || recordsInEpoch == 0 || left <= 0 { return isFinished || !isBounded }
                    try input.wait(timeoutMs: min(left, Self.longestWaitMs))
                    continue
                }
                try take(piece, of: partition, with: workers[0], floor: floor, limit: limits[partition], nowMs: start)
                try absorb(workers[0])
            }
            return isBounded && input.finished.allSatisfy { $0 }
        }
        return try readInParallel(
            isBounded: isBounded, size: size, floor: floor, limits: limits, nowMs: start, clock: clock,
            shouldStop: shouldStop)
    }

    /// The input's next piece; counts what reading it took.
    private func next() throws -> (partition: Int, piece: InputPiece)? {
        let began = clock.monotonicNs
        let found = try input.next()
        guard let found else { return nil }
        timing.beganNs = timing.beganNs ?? began
        timing.stageNs[.read, default: 0] += clock.monotonicNs - began
        return found
    }

    /// Looks which windows are gone, so that nothing is merged into them.
    private func lookForPruned() throws {
        guard let closedResults else { return }
        let found: PrunedWindows
        do {
            found = try PrunedWindows(
                plans, zone: options.zone, on: closedResults, known: pruned ?? PrunedWindows())
        } catch {
            throw Problem(error, doing: "looking for windows that were removed")
        }
        pruned = found
        for worker in workers {
            for state in worker.states { state.pruned = found.ranges[state.plan.table] ?? [] }
        }
    }

    /// How late a failed commit, or a wish to stop, is seen while nothing comes.
    private static let longestWaitMs = 200

    /// When an epoch ends, whichever comes first.
    private struct EpochSize {
        var records: Int
        var ms: Int64
    }

    /// Who is far behind the source, or stops at its end, has nobody who waits for the next result, and does with fewer commits where they
    /// are dear.
    private func nextSize(isBounded: Bool) -> EpochSize {
        let usual = EpochSize(records: options.epochRecords, ms: Int64(options.epochMs))
        let large = EpochSize(records: options.epochRecordsWhileBehind, ms: usual.ms * 4)
        guard !committer.keepsMarksForFree, large.records > usual.records else { return usual }
        if isBounded { return large }
        guard let lag = try? input.lag() else { return usual }
        return lag >= large.records ? large : usual
    }

    /// Whether the epoch has its size. While the committer is behind nobody would take it, so that it goes on growing for some time: a
    /// commit costs about the same for more records.
    private func isFull(_ size: EpochSize, since start: Int64, _ clock: () -> Int64) -> Bool {
        if sideBytes >= Self.bytesAtOnce { return true }
        guard recordsInEpoch >= size.records || clock() - start >= size.ms else { return false }
        return committer.hasRoom || recordsInEpoch >= options.epochRecordsWhileBehind
    }

    /// Whether somebody wants the stream to end, who would wait long for the epoch's end.
    private func endsEarly(since start: Int64, _ clock: () -> Int64, _ shouldStop: () -> Bool) -> Bool {
        options.epochMs > 1000 && clock() - start >= Self.longestWaitMs && shouldStop()
    }

    /// Tells the tracker which partitions wait for us, and which have been read to their end.
    private func noteProgress(nowMs: Int64) {
        for partition in 0..<input.partitionCount {
            if input.finished[partition] { tracker.finish(partition: partition) }
            if !input.drained[partition] { tracker.touch(partition: partition, nowMs: nowMs) }
        }
    }

    /// Several workers: pieces are gathered, then each worker takes those of its partitions, and again; at the end their states merge.
    private func readInParallel(
        isBounded: Bool, size: EpochSize, floor: EventTime, limits: [EventTime], nowMs: Int64, clock: () -> Int64,
        shouldStop: () -> Bool
    ) throws -> Bool {
        var isAtEnd = false
        while !isAtEnd, !isFull(size, since: nowMs, clock), !endsEarly(since: nowMs, clock, shouldStop) {
            try committer.check()
            var pieces: [(partition: Int, piece: InputPiece)] = []
            var (gathered, bytes) = (recordsInEpoch, 0)
            // What is left of the epoch, or a share of it where it goes on growing.
            let wanted = max(size.records, gathered + size.records / 4)
            let until = max(nowMs + size.ms, clock() + size.ms / 4)
            // Records of JSON are large: a whole epoch of them at once would take 100 MB.
            while gathered < wanted, bytes < Self.bytesAtOnce, clock() < until {
                guard let next = try next() else {
                    isAtEnd = true
                    break
                }
                if case .stored(let batch, let first) = next.piece {
                    gathered += batch.count - Int(first - batch.baseOffset)
                    bytes += batch.byteCount
                }
                pieces.append(next)
            }
            try takeInParallel(pieces, floor: floor, limits: limits, nowMs: nowMs)
        }
        for worker in workers.dropFirst() {
            for (state, partial) in zip(states, worker.states) { state.merge(partial) }
        }
        return isBounded ? input.finished.allSatisfy { $0 } : isAtEnd
    }

    private static let bytesAtOnce = 16 << 20

    private func takeInParallel(
        _ pieces: [(partition: Int, piece: InputPiece)], floor: EventTime, limits: [EventTime], nowMs: Int64
    ) throws {
        // Each worker touches its own partitions of the tracker only; they are put together behind the barrier.
        let trackers = UnsafeMutableBufferPointer<WatermarkTracker>.allocate(capacity: workers.count)
        trackers.initialize(repeating: tracker)
        defer {
            trackers.deinitialize()
            trackers.deallocate()
        }
        let shared = Shared(cohort: self, pieces: pieces, trackers: trackers)
        DispatchQueue.concurrentPerform(iterations: workers.count) { index in
            shared.cohort.work(
                index, shared.pieces, &shared.trackers[index], floor: floor, limits: limits, nowMs: nowMs)
        }
        for partition in 0..<input.partitionCount {
            tracker.take(partition, from: trackers[partition % workers.count])
        }
        for worker in workers {
            if let failure = worker.failure { throw failure }
            try absorb(worker)
        }
    }

    /// What the workers of one epoch share. `@unchecked Sendable`: worker i writes to `trackers[i]` and to itself only.
    private struct Shared: @unchecked Sendable {
        let cohort: Cohort
        let pieces: [(partition: Int, piece: InputPiece)]
        let trackers: UnsafeMutableBufferPointer<WatermarkTracker>
    }

    private func work(
        _ index: Int, _ pieces: [(partition: Int, piece: InputPiece)], _ tracker: inout WatermarkTracker,
        floor: EventTime, limits: [EventTime], nowMs: Int64
    ) {
        do {
            for (partition, piece) in pieces where partition % workers.count == index {
                try take(
                    piece, of: partition, with: workers[index], tracker: &tracker, floor: floor,
                    limit: limits[partition], nowMs: nowMs)
            }
        } catch {
            workers[index].failure = error
        }
    }

    private func take(
        _ piece: InputPiece, of partition: Int, with worker: Worker, floor: EventTime, limit: EventTime, nowMs: Int64
    ) throws {
        try take(piece, of: partition, with: worker, tracker: &tracker, floor: floor, limit: limit, nowMs: nowMs)
    }

    /// Decodes a piece and shows it to each query.
    private func take(
        _ piece: InputPiece, of partition: Int, with worker: Worker, tracker: inout WatermarkTracker,
        floor: EventTime, limit: EventTime, nowMs: Int64
    ) throws {
        var rejects: [Reject] = []
        defer { worker.decoder.finish(piece) }
        let beganNs = clock.monotonicNs
        let (batch, first) = try worker.decoder.decode(piece, topic: input.name, rejects: &rejects)
        let replaced = try replaced(in: piece)
        if !replaced.isEmpty || batch.hasEvent(after: aheadLimit.latest) {
            try worker.decoder.removeAhead(
                of: aheadLimit, batch, from: first, piece, topic: input.name, replaced: replaced, rejects: &rejects)
        }
        worker.records += batch.count - first + rejects.count
        if case .stored(let stored, _) = piece {
            worker.timing.inputBytes += Int64(stored.byteCount)
            if let appended = stored.appendedMs {
                worker.timing.appended.append((appended, Int64(batch.count - first + rejects.count)))
            }
        }
        let decodedNs = clock.monotonicNs
        worker.timing.stageNs[.decode, default: 0] += decodedNs - beganNs
        defer { worker.timing.stageNs[.aggregate, default: 0] += clock.monotonicNs - decodedNs }
        note(batch, first, rejects, piece, worker)
        worker.rejects += zip(rejects, try worker.decoder.originals(of: rejects, piece)).map { (partition, $0, $1) }
        guard batch.count > first else { return }
        worker.makeRoom(batch.count)
        let mayBeLate = tracker.observe(
            batch.eventTimes, rows: first..<batch.count, partition: partition, limit: limit, floor: floor,
            nowMs: nowMs, into: worker.watermarks)
        var lateQueries: [Int32: [String]] = [:]
        for (index, state) in worker.states.enumerated() {
            let before = state.counts
            var lateRows: [Int32] = []
            state.add(
                batch, from: first, watermarks: mayBeLate ? UnsafePointer(worker.watermarks) : nil, lateRows: &lateRows)
            var days = LocalDayCursor(options.zone)
            for row in lateRows {
                let day = days.day(of: batch.eventTimes[Int(row)])
                worker.lateDays[LateDay(query: index, day: day), default: 0] += 1
                if options.late == .deadLetter { lateQueries[row, default: []].append(state.plan.name) }
            }
            let after = state.counts
            worker.counts[.init(partition: partition, query: index, counter: "aggregated"), default: 0] +=
                after.aggregated - before.aggregated
            worker.counts[.init(partition: partition, query: index, counter: "late"), default: 0] +=
                after.late - before.late
            worker.counts[.init(partition: partition, query: index, counter: "late_merged"), default: 0] +=
                after.lateMerged - before.lateMerged
            worker.counts[.init(partition: partition, query: index, counter: "late_in_part"), default: 0] +=
                after.lateInPart - before.lateInPart
            worker.counts[.init(partition: partition, query: index, counter: "skipped"), default: 0] +=
                after.skipped - before.skipped
            worker.counts[.init(partition: partition, query: index, counter: "filtered"), default: 0] +=
                after.filtered - before.filtered
            worker.counts[.init(partition: partition, query: index, counter: "restated"), default: 0] +=
                after.restated - before.restated
        }
        for (row, queries) in lateQueries.sorted(by: { $0.key < $1.key }) {
            let isAgain = isAgain(piece, of: queries, partition)
            worker.lateRecords.append(lateRecord(batch, Int(row), queries, partition, isAgain: isAgain))
        }
    }

    /// The piece's records in whose place others were sent.
    private func replaced(in piece: InputPiece) throws -> Set<Int64> {
        guard !replaced.isEmpty, case .stored(let stored, _) = piece, let known = replaced[stored.partition] else {
            return []
        }
        let offsets = stored.baseOffset..<stored.baseOffset + Int64(stored.count)
        var loaded: BatchRecords?
        return Set(
            try known.filter { offset, seal in
                try offsets.contains(offset) && stored.seal(at: offset, from: &loaded) == seal
            }.keys)
    }

    /// Notes in which order records were accepted and rejected.
    private func note(_ batch: TripBatch, _ first: Int, _ rejects: [Reject], _ piece: InputPiece, _ worker: Worker) {
        let accepted = batch.count - first
        guard !rejects.isEmpty, case .stored(let stored, _) = piece else {
            return worker.steps.append((accepted, nil))
        }
        // Trips of columns have no places of their own, and no rejects but those that close up here.
        var places = (first..<batch.count).map { batch.positions[$0] }
        if stored.encoding == .trips {
            let rejected = Set(rejects.map { Int64($0.location.line) })
            let offsets = stored.baseOffset + Int64(first)..<stored.baseOffset + Int64(stored.count)
            places = offsets.filter { !rejected.contains($0) }
        }
        worker.steps += places.withUnsafeBufferPointer { RejectGuard.steps(accepted: $0, rejects: rejects) }
    }

    /// Whether a piece was read before a rewind: what was late has gone out then.
    private func isAgain(_ piece: InputPiece, of queries: [String], _ partition: Int) -> Bool {
        guard case .stored(_, let first) = piece else { return false }
        return states.contains { state in
            queries.contains(state.plan.name) && partition < state.reachedBefore.count
                && first < state.reachedBefore[partition]
        }
    }

    /// Whether an alert has gone out before a rewind as it is now.
    private func wasSent(_ alert: RaisedAlert, of state: QueryState) -> Bool {
        guard !state.sentAlerts.isEmpty, let sent = state.sentAlerts.removeValue(forKey: alert.identity) else {
            return false
        }
        return sent.says(alert)
    }

    private func lateRecord(
        _ batch: TripBatch, _ row: Int, _ queries: [String], _ partition: Int, isAgain: Bool
    ) -> SideRecord {
        var out = OutputBuffer(capacity: 1024)
        var ends: [Int] = []
        TripJSON.encode(batch, rows: row..<row + 1, into: &out, recordOffsets: &ends)
        return SideRecord(
            topic: "\(options.tenant)_late",
            record: TopicRecord(
                key: batch.string(.taxiID, row).map { Array($0.utf8) }, value: Array(out.bytes),
                headers: [
                    .init(name: "queries", value: Array(queries.joined(separator: ",").utf8)),
                    .init(name: "source", value: Array("\(input.name)/\(partition)".utf8)),
                ] + (isAgain ? [.init(name: "again", value: Array("rewind".utf8))] : []),
                timestamp: batch.eventTimes[row]))
    }

    /// Takes over what a worker found beside its states.
    private func absorb(_ worker: Worker) throws {
        recordsInEpoch += worker.records
        timing.add(worker.timing)
        worker.timing = EpochTiming()
        for (partition, reject, original) in worker.rejects {
            let isReplaced = reject.offset == PieceDecoder.isReplaced
            if reject.offset == PieceDecoder.isAhead || isReplaced {
                AheadRecords.note(Int64(reject.location.line), partition: partition, in: &ahead)
            }
            ledger[.init(partition: partition, query: -1, counter: "rejected:\(reject.reason.rawValue)"), default: 0] +=
                1
            rejected[reject.reason, default: 0] += 1
            // A dead letter of it there is already.
            if isReplaced { continue }
            sideBytes += original.value?.count ?? 0
            let origin = DeadLetter.Origin.topic(input.name, partition: partition)
            deadLetters.append(
                PendingDeadLetter(
                    partition: partition, offset: Int64(reject.location.line),
                    isAhead: reject.offset == PieceDecoder.isAhead,
                    record: DeadLetter.record(of: reject, from: origin, original: original)))
        }
        for (key, value) in worker.counts where value != 0 { ledger[key, default: 0] += value }
        lateDays.merge(worker.lateDays, uniquingKeysWith: +)
        worker.lateDays.removeAll(keepingCapacity: true)
        sideRecords += worker.lateRecords
        sideBytes += worker.lateRecords.reduce(0) { $0 + ($1.record.value?.count ?? 0) }
        let steps = worker.steps
        worker.steps.removeAll(keepingCapacity: true)
        worker.rejects.removeAll(keepingCapacity: true)
        worker.lateRecords.removeAll(keepingCapacity: true)
        worker.counts.removeAll(keepingCapacity: true)
        worker.records = 0
        for step in steps {
            try guards.accept(step.accepted)
            if let reject = step.reject { try guards.reject(reject) }
        }
    }

    /// Rejects that the input itself met: rows of a file.
    ///
    /// - Parameter first: how many rows of the file were rejected before these.
    func addFileRejects(_ rejects: [Reject], first: Int) {
        for (index, reject) in rejects.enumerated() {
            ledger[.init(partition: 0, query: -1, counter: "rejected:\(reject.reason.rawValue)"), default: 0] += 1
            rejected[reject.reason, default: 0] += 1
            recordsInEpoch += 1
            sideBytes += reject.bytes.count
            deadLetters.append(
                PendingDeadLetter(
                    partition: 0, offset: Int64(first + index), isAhead: false,
                    record: DeadLetter.record(
                        of: reject, from: .file(meantFor: "\(options.tenant)_ingestData"))))
        }
    }
}

// MARK: - Cutting epochs

extension Cohort {
    enum Ending {
        /// The epoch ends, the stream goes on.
        case more
        /// A bounded run has read everything: every window closes.
        case everything
        /// All partitions are silent: windows close by wall time.
        case wallTime(EventTime)
    }

    /// Ends the epoch and hands it to the committer, where there is anything to commit.
    func cut(_ ending: Ending, nowMs: Int64) throws {
        try input.requireUnchanged()
        noteProgress(nowMs: nowMs)
        let before = tracker.watermark
        tracker.advance(nowMs: nowMs)
        var closing = tracker.watermark
        var closesMore = false
        switch ending {
        case .more: break
        case .wallTime(let time):
            tracker.advance(to: time)
            closing = tracker.watermark
        case .everything:
            if beginsSource { try guards.finish() }
            // Partitions that were read to their end are not active any more, so they would leave the watermark where it was.
            if let least = tracker.partitions.compactMap(\.newest).min() {
                tracker.advance(to: least - options.delayMs)
            }
            // Windows without end stay. The watermark stays too: a later run on newer data finds open what was not closed here, and
            // each query's own bound keeps what was closed: the end of an hour must not make the next 5 seconds late.
            closing = .max - 1
            for (query, state) in states.enumerated() {
                let ends = state.windows.open.values.filter { $0.pointee.revision == 0 }.map(\.pointee.end)
                    .filter { $0 < .max }
                guard let lastEnd = ends.max() else { continue }
                closesMore = true
                state.closedUntil = max(state.closedUntil, lastEnd)
                checkpoints[query].closedUntil = state.closedUntil
            }
        }
        let hasLost = noteLost()
        guard recordsInEpoch > 0 || tracker.watermark > before || closesMore || hasLost else { return }
        let beganNs = clock.monotonicNs
        var outputs = try cutters.map { try $0.cut(watermark: closing) }
        for query in outputs.indices { outputs[query].newest = newest ?? 0 }
        for (query, output) in outputs.enumerated() { results[query] += output.results }
        timing.stageNs[.cut] = clock.monotonicNs - beganNs
        epochs += 1
        try committer.submit(epoch(outputs))
        timing = EpochTiming()
        recordsRead += Int64(recordsInEpoch)
        recordsInEpoch = 0
        sideRecords.removeAll(keepingCapacity: true)
        deadLetters.removeAll(keepingCapacity: true)
        sideBytes = 0
        ledger.removeAll(keepingCapacity: true)
        lateDays.removeAll(keepingCapacity: true)
        ahead.removeAll()
    }

    /// Counts what the input had to pass over, for each query.
    private func noteLost() -> Bool {
        let lost = input.takeLost()
        for stretch in lost {
            for query in plans.indices {
                ledger[.init(partition: stretch.partition, query: query, counter: "lost"), default: 0] += stretch.count
            }
            recordsLost += stretch.count
        }
        return !lost.isEmpty
    }

    private func epoch(_ outputs: [QueryOutput]) -> Epoch {
        let position = QueryCheckpoint.SourcePosition(
            offsets: input.offsets, newest: tracker.partitions.map(\.newest), rejects: input.rejects,
            identity: input.identity, seals: input.seals, sealEnds: input.sealEnds, anchors: input.anchors,
            startedMs: input.startedMs,
            stamp: input.stamp, content: input.content)
        for query in plans.indices {
            checkpoints[query].epoch += 1
            checkpoints[query].watermark = tracker.watermark == .min ? nil : tracker.watermark
            checkpoints[query].positions[input.name] = position
            checkpoints[query].counts.results += outputs[query].results
        }
        for (key, value) in ledger where key.query >= 0 {
            switch key.counter {
            case "aggregated": checkpoints[key.query].counts.aggregated += value
            case "late": checkpoints[key.query].counts.late += value
            case "late_merged":
                checkpoints[key.query].counts.lateMerged = (checkpoints[key.query].counts.lateMerged ?? 0) + value
            case "late_in_part":
                checkpoints[key.query].counts.lateInPart = (checkpoints[key.query].counts.lateInPart ?? 0) + value
            case "skipped": checkpoints[key.query].counts.skipped += value
            case "restated":
                checkpoints[key.query].counts.restated = (checkpoints[key.query].counts.restated ?? 0) + value
            case "lost": checkpoints[key.query].counts.lost = (checkpoints[key.query].counts.lost ?? 0) + value
            default: checkpoints[key.query].counts.filtered += value
            }
        }
        let entries = ledger.map { key, value in
            Epoch.LedgerEntry(
                partition: key.partition, query: key.query < 0 ? "" : plans[key.query].name, counter: key.counter,
                value: value)
        }
        let raised = outputs.flatMap { output in output.alerts.filter { !wasSent($0, of: states[output.query]) } }
        let alerts = raised.map { SideRecord(topic: "\(options.tenant)_alerts", record: $0.topicRecord) }
        let sideRecords = sideRecords + alerts
        let byTopic = Dictionary(grouping: sideRecords, by: \.topic)
        let sideBatches = byTopic.keys.sorted().compactMap { topic in
            PendingBatch(topic: topic, partition: 0, records: byTopic[topic, default: []].map(\.record))
        }
        let reached = input.rejects.map { [$0] } ?? input.offsets
        return Epoch(
            outputs: outputs, checkpoints: zip(plans, checkpoints).map { ($0.name, $1) }, sideBatches: sideBatches,
            deadLetters: deadLetters, judged: zip(begun, reached).map { $0..<max($0, $1) },
            ledger: entries, sequence: checkpoints.map(\.epoch).max() ?? 0, records: recordsInEpoch, ahead: ahead,
            lateDays: Dictionary(grouping: lateDays, by: \.key.query).mapValues { days in
                Dictionary(uniqueKeysWithValues: days.map { ($0.key.day, $0.value) })
            }, pruned: pruned, progress: .init(topic: input.name, offsets: input.offsets), timing: timing)
    }
}
