package import Compression
package import Problems
import SchemaRegistry
package import Topics
package import Time
import Trips

/// What `taxi-cli worker` does: reads ranges of a topic, or parts of files that it is given, and answers with partials. A pure function of the plan and
/// of what the topic or the part holds.
package final class RangeReader {
    private let plan: WorkPlan
    private let open: () throws -> any TopicStore
    private var store: (any TopicStore)?
    private let clock: any WallClock
    private var reader: (any TopicReader)?

    /// So long a worker waits for records that its coordinator has seen.
    private static let patienceMs: Int64 = 2_000

    /// - Parameters:
    ///   - plan: the payload of a plan's frame.
    ///   - build: the version of this taxi-cli.
    ///   - open: the topics, where ranges are of one.
    package init(
        plan: [UInt8], build: String, clock: any WallClock = SystemClock(), open: @escaping () throws -> any TopicStore
    ) throws(Problem) {
        self.plan = try WorkPlan(payload: plan, build: build)
        (self.open, self.clock) = (open, clock)
    }

    /// The frame of a partial.
    ///
    /// - Parameters:
    ///   - range: the payload of a range's frame.
    ///   - bytes: opens what follows it; asked for part of a file alone.
    /// - Throws: `.badData` for what is no range or no file of trips, and what reading throws.
    package func partial(of range: [UInt8], bytes: () throws -> DecompressingReader) throws -> [UInt8] {
        let request = try RangeRequest(payload: range)
        guard request.queries.count == plan.plans.count else {
            throw Problem(.badData, "a range has terms for \(request.queries.count) queries of \(plan.plans.count)")
        }
        let states = zip(plan.plans, request.queries).map { plan, terms in
            let state = QueryState(plan: plan, zone: self.plan.setting.zone)
            state.closedUntil = terms.closedUntil
            state.mergesLate = terms.mergesLate
            (state.pruned, state.restated) = (terms.pruned, terms.restated)
            return state
        }
        if let part = request.part {
            return try compute(part, request, worker(request, states, schemas: nil), bytes()).frame()
        }
        let store = try self.store ?? open()
        self.store = store
        let reader = try self.reader ?? store.makeReader(topic: plan.setting.topic, untilEnd: true)
        if self.reader == nil { reader.readValuesOnly() }
        self.reader = reader
        let schemas = plan.schemas.map { SchemaCache($0, place: $0.place) } ?? store.schemas
        return try compute(request, worker(request, states, schemas: schemas), reader).frame()
    }

    private var fields: TripFieldSet {
        plan.setting.keepsLateRecords ? .all : plan.plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
    }

    private func worker(_ request: RangeRequest, _ states: [QueryState], schemas: SchemaCache?) -> RangeWorker {
        let worker = RangeWorker(
            decoder: PieceDecoder(fields: fields, schemas: schemas), states: states, setting: plan.setting,
            clock: clock,
            reachedBefore: request.queries.map { query in
                Array(repeating: 0, count: request.partition) + [query.reachedBefore]
            })
        // Who reads a file holds its published times against the clock.
        if request.part == nil { worker.aheadLimit = request.ahead }
        if !request.replaced.isEmpty { worker.replaced = [request.partition: request.replaced] }
        return worker
    }

    private func compute(
        _ request: RangeRequest, _ worker: RangeWorker, _ reader: any TopicReader
    ) throws -> RangePartial {
        let partition = request.partition
        var tracker = WatermarkTracker(
            newest: Array(repeating: nil, count: partition) + [request.newest], watermark: request.floor,
            delayMs: plan.delayMs, idleTimeoutMs: .max, nowMs: clock.monotonicMs)
        var offset = request.offsets.lowerBound
        var partial = RangePartial(
            partition: partition, offsets: offset..<offset, seal: nil, sealEnd: offset, lost: nil, newest: nil,
            findings: RangeFindings(), states: worker.states)
        var sideBytes = 0
        var silentSinceMs = clock.monotonicMs
        var room = StateRoom(bytes: request.maximumStateBytes)
        if request.isExact { worker.decoder.endOffset = request.offsets.upperBound }
        while offset < request.offsets.upperBound, sideBytes < max(1, request.maximumSideBytes),
            !room.isTaken
        {
            let found = try reader.read(partition: partition, from: offset)
            if let gone = reader.takeLost(partition: partition), gone.upperBound > offset {
                let known = partial.lost ?? max(gone.lowerBound, offset)..<gone.upperBound
                partial.lost = known.lowerBound..<max(known.upperBound, gone.upperBound)
            }
            guard let batch = found else {
                let next = max(reader.next(partition: partition, after: offset), partial.lost?.upperBound ?? 0)
                if next <= offset {
                    guard clock.monotonicMs - silentSinceMs < Self.patienceMs else { break }
                    try reader.wait(timeoutMs: 50)
                } else {
                    (offset, silentSinceMs) = (next, clock.monotonicMs)
                }
                continue
            }
            let known = (worker.findings.rejects.count, worker.findings.lateRecords.count)
            try worker.take(
                .stored(batch, firstOffset: max(offset, batch.baseOffset)), of: partition, tracker: &tracker,
                floor: request.floor, limit: request.limit, nowMs: clock.monotonicMs)
            sideBytes += worker.findings.rejects[known.0...].reduce(0) { $0 + ($1.original.value?.count ?? 0) }
            sideBytes += worker.findings.lateRecords[known.1...].reduce(0) { $0 + ($1.record.value?.count ?? 0) }
            let end = batch.baseOffset + Int64(batch.count)
            offset = min(end, worker.decoder.endOffset)
            silentSinceMs = clock.monotonicMs
            // The seal of a batch says how it ends.
            if offset == end { (partial.seal, partial.sealEnd) = (batch.seal, offset) }
            room.note(worker.states)
        }
        if request.isExact {
            // What lies behind is found by who has it.
            offset = min(offset, request.offsets.upperBound)
            partial.lost = partial.lost.map { $0.clamped(to: request.offsets) }
        }
        partial.offsets = request.offsets.lowerBound..<offset
        partial.newest = tracker.partitions[partition].newest
        partial.findings = worker.findings
        return partial
    }

    /// Reads what is given of a part, as far as rejects, late records and states stay small.
    private func compute(
        _ part: TripFilePart, _ request: RangeRequest, _ worker: RangeWorker, _ bytes: DecompressingReader
    ) throws -> RangePartial {
        guard var options = plan.files, request.partition == 0 else {
            throw Problem(.badData, "a range is part of a file, and the plan says nothing of how files are read")
        }
        (options.fields, options.ahead) = (fields, request.ahead)
        let trips = try TripPartReader(part, bytes: bytes, options: options)
        let batch = TripBatch(capacity: Self.tripsAtOnce)
        var tracker = WatermarkTracker(
            newest: [request.newest], watermark: request.floor, delayMs: plan.delayMs, idleTimeoutMs: .max,
            nowMs: clock.monotonicMs)
        var room = StateRoom(bytes: request.maximumStateBytes)
        var (sideBytes, isAtEnd) = (0, false)
        while sideBytes < max(1, request.maximumSideBytes), !room.isTaken {
            let beganNs = clock.monotonicNs
            guard try trips.next(into: batch) else {
                isAtEnd = !trips.isCut
                break
            }
            worker.findings.timing.stageNs[.decode, default: 0] += clock.monotonicNs - beganNs
            let rejects = trips.takeRejects()
            worker.findings.rejects += rejects.map { (0, $0, TopicRecord(key: nil, value: nil, timestamp: 0)) }
            let late = worker.findings.lateRecords.count
            try worker.take(
                .trips(batch), steps: trips.takeSteps(), of: 0, tracker: &tracker, floor: request.floor,
                limit: request.limit, nowMs: clock.monotonicMs)
            sideBytes += rejects.reduce(0) { $0 + $1.bytes.count }
            sideBytes += worker.findings.lateRecords[late...].reduce(0) { $0 + ($1.record.value?.count ?? 0) }
            room.note(worker.states)
        }
        worker.findings.timing.inputBytes = trips.read
        return RangePartial(
            partition: 0, offsets: request.offsets.lowerBound..<request.offsets.lowerBound + trips.read, seal: nil,
            sealEnd: 0, lost: nil, newest: tracker.partitions[0].newest, findings: worker.findings,
            part: .init(line: trips.line, header: trips.header, isAtEnd: isAtEnd, isCut: trips.isCut),
            states: worker.states)
    }

    private static let tripsAtOnce = 16_384
}

/// How much the states of a range may grow until it ends early.
private struct StateRoom {
    private let bytes: Int
    private var batches = 0
    private var nextLook = 1
    private(set) var isTaken = false

    init(bytes: Int) { self.bytes = bytes }

    /// Looks at them behind a batch, often where they grow fast: to look at every window behind each batch would take longer than the batch.
    mutating func note(_ states: [QueryState]) {
        batches += 1
        guard batches >= nextLook else { return }
        let taken = states.reduce(0) { $0 + $1.windows.byteCount }
        isTaken = taken >= bytes
        let left = (bytes - taken) / max(1, taken / batches)
        nextLook = batches + min(max(1, left / 2), 8)
    }
}
