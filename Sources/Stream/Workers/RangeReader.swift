package import Problems
import SchemaRegistry
package import Topics
package import Trips

/// What `taxi-cli worker` does: reads ranges of a topic and answers with partials. A pure function of the plan and of what the topic holds.
package final class RangeReader {
    private let plan: WorkPlan
    private let store: any TopicStore
    private let clock: any WallClock
    private let schemas: SchemaCache?
    private var reader: (any TopicReader)?

    /// So long a worker waits for records that its coordinator has seen.
    private static let patienceMs: Int64 = 2_000
    /// So many bytes of states end a range early: the coordinator asks for the rest.
    private static let stateBytes = 64 << 20

    /// - Parameters:
    ///   - plan: the payload of a plan's frame.
    ///   - build: the version of this taxi-cli.
    package init(
        plan: [UInt8], build: String, store: any TopicStore, clock: any WallClock = SystemClock()
    ) throws(Problem) {
        self.plan = try WorkPlan(payload: plan, build: build)
        (self.store, self.clock) = (store, clock)
        schemas = self.plan.schemas.map { SchemaCache($0, place: $0.place) } ?? store.schemas
    }

    /// The frame of a partial.
    ///
    /// - Parameter range: the payload of a range's frame.
    /// - Throws: `.badData` for what is no range, and what reading the topic throws.
    package func partial(of range: [UInt8]) throws -> [UInt8] {
        let request = try RangeRequest(payload: range)
        guard request.queries.count == plan.plans.count else {
            throw Problem(.badData, "a range has terms for \(request.queries.count) queries of \(plan.plans.count)")
        }
        let reader = try self.reader ?? store.makeReader(topic: plan.setting.topic, untilEnd: true)
        if self.reader == nil { reader.readValuesOnly() }
        self.reader = reader
        let states = zip(plan.plans, request.queries).map { plan, terms in
            let state = QueryState(plan: plan, zone: self.plan.setting.zone)
            state.closedUntil = terms.closedUntil
            state.mergesLate = terms.mergesLate
            (state.pruned, state.restated) = (terms.pruned, terms.restated)
            return state
        }
        return try compute(request, worker(request, states), reader).frame()
    }

    private func worker(_ request: RangeRequest, _ states: [QueryState]) -> RangeWorker {
        var fields = plan.plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        if plan.setting.keepsLateRecords { fields = .all }
        let worker = RangeWorker(
            decoder: PieceDecoder(fields: fields, schemas: schemas), states: states, setting: plan.setting,
            clock: clock,
            reachedBefore: request.queries.map { query in
                Array(repeating: 0, count: request.partition) + [query.reachedBefore]
            })
        worker.aheadLimit = request.ahead
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
        var (batches, hasFullStates) = (0, false)
        while offset < request.offsets.upperBound, sideBytes < max(1, request.maximumSideBytes),
            !hasFullStates
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
            offset = batch.baseOffset + Int64(batch.count)
            silentSinceMs = clock.monotonicMs
            (partial.seal, partial.sealEnd) = (batch.seal, offset)
            batches += 1
            // Looking at every window after every batch would take longer than the batch.
            if batches % 8 == 0 {
                hasFullStates = worker.states.reduce(0, { $0 + $1.windows.byteCount }) >= Self.stateBytes
            }
        }
        partial.offsets = request.offsets.lowerBound..<offset
        partial.newest = tracker.partitions[partition].newest
        partial.findings = worker.findings
        return partial
    }
}
