import Problems
import Topics
import Time

/// Epochs that an engine computes.
extension QueryCohort {
    /// Cuts one epoch's ranges, one a partition or more, has them computed, and merges what comes back: the partials take the place of the records
    /// that `read` takes. What was not taken, the next epoch asks for.
    func readRanges(
        by engine: any RangeEngine, from topic: TopicInput, isBounded: Bool, floor: EventTime, limits: [EventTime],
        shouldStop: () -> Bool
    ) throws -> Bool {
        try committer.check()
        let perRange = max(1, options.rangeRecords)
        // A record that is late for a closed window is merged into it, so that nobody need know where the range before has left the watermark.
        let cores = options.late == .update ? engine.cores : nil
        let asked = try topic.nextRanges(records: perRange, atMost: engine.parallel, cores: cores)
        guard !asked.isEmpty else { return !isBounded || input.finished.allSatisfy { $0 } }
        let began = clock.monotonicNs
        timing.beganNs = timing.beganNs ?? began
        let plan = WorkPlan(
            build: engine.build, setting: setting, delayMs: options.delayMs, plans: plans,
            schemas: try schemas.flatMap { try ShippedSchemas(of: $0) })
        let requests = asked.enumerated().map { index, range in
            let (partition, offsets) = range
            return request(
                partition, offsets, isExact: index + 1 < asked.count && asked[index + 1].partition == partition,
                floor: floor, limit: limits[partition],
                sideBytes: max(1 << 20, Self.bytesAtOnce / asked.count), stateBytes: Self.stateBytes(of: asked.count))
        }
        let (plans, zone) = (plans, options.zone)
        let partials = try engine.compute(
            plan: try plan.frame(), tasks: requests.map { RangeTask(range: $0.frame()) }, shouldStop: shouldStop
        ) { index, answer in
            try RangePartial(answer: answer, plans: plans, zone: zone, request: requests[index])
        }
        guard let partials else { return false }
        for (request, partial) in zip(requests, partials) {
            // The range before it was stopped early: this one is asked again from there.
            guard topic.offsets[request.partition] == request.offsets.lowerBound else { continue }
            var partial = partial
            try take(&partial, from: topic)
        }
        timing.stageNs[.read, default: 0] += clock.monotonicNs - began
        return isBounded && input.finished.allSatisfy { $0 }
    }

    private func take(_ partial: inout RangePartial, from topic: TopicInput) throws {
        let before = tracker.partitions[partial.partition].newest
        try topic.take(
            partial.partition, upTo: partial.offsets.upperBound, seal: partial.seal, sealEnd: partial.sealEnd,
            newest: partial.newest, lost: partial.lost)
        if partial.findings.records > 0 {
            tracker.note(
                partial.partition, newest: [before, partial.newest].compactMap { $0 }.max(), nowMs: clock.monotonicMs)
        }
        for (state, part) in zip(states, partial.states) { state.merge(part) }
        try absorb(&partial.findings)
    }

    private func request(
        _ partition: Int, _ offsets: Range<Int64>, isExact: Bool, floor: EventTime, limit: EventTime, sideBytes: Int,
        stateBytes: Int
    ) -> RangeRequest {
        RangeRequest(
            partition: partition, offsets: offsets, isExact: isExact, maximumSideBytes: sideBytes,
            maximumStateBytes: stateBytes, floor: floor,
            limit: limit,
            newest: tracker.partitions[partition].newest, ahead: aheadLimit,
            replaced: (replaced[partition] ?? [:]).filter { $0.key >= offsets.lowerBound },
            queries: states.map { terms(of: $0, partition) })
    }

    /// How large the states of each of so many ranges may get. While an epoch is merged, cut and committed it takes some times as much memory, and two
    /// are under way.
    static func stateBytes(of ranges: Int) -> Int { max(1 << 20, (32 << 20) / ranges) }

    /// Under which terms a query judges the records of a partition.
    func terms(of state: QueryState, _ partition: Int = 0) -> RangeRequest.Query {
        .init(
            closedUntil: state.closedUntil, mergesLate: state.mergesLate, pruned: state.pruned,
            restated: state.restated,
            reachedBefore: partition < state.reachedBefore.count ? state.reachedBefore[partition] : 0)
    }
}
