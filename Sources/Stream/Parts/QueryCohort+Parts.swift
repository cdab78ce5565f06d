import Problems
import Telemetry
import Topics
import Time
import Trips

/// Epochs of files whose parts an engine computes.
extension QueryCohort {
    /// Open windows may take so much before the watermark is let go on, where what is late is merged.
    private static let openBytes = 192 << 20

    /// Has some parts computed and merges what comes back, in the order of the files. What a part was to begin with turns out when the one before it
    /// was read: where it began elsewhere, it and those behind it are asked again by the next epoch.
    ///
    /// The files come in no order of time, so that the watermark stands while they are read: none of their trips is late for what others of them have
    /// closed. It goes on at their end; or earlier, where the open windows take too much memory and `--late update` merges what comes later.
    func readParts(
        by engine: any RangeEngine, from parts: PartInput, floor: EventTime, shouldStop: () -> Bool
    ) throws -> Bool {
        try committer.check()
        guard !parts.finished[0] else { return true }
        guard try engine.prepare(shouldStop: shouldStop) else { return false }
        let began = clock.monotonicNs
        timing.beganNs = timing.beganNs ?? began
        var files = parts.files.options
        files.fields = []
        let plan = WorkPlan(build: engine.build, setting: setting, delayMs: options.delayMs, plans: plans, files: files)
        let asked = parts.nextParts(atMost: engine.parallel ?? max(2, engine.cores ?? 2))
        let requests = asked.map { _, part, _ in
            RangeRequest(
                partition: 0, offsets: 0..<1 << 62, maximumSideBytes: max(4 << 20, Self.bytesAtOnce / asked.count),
                maximumStateBytes: Self.stateBytes(of: asked.count),
                floor: floor, limit: floor, newest: nil, ahead: parts.ahead, queries: states.map { terms(of: $0) },
                part: part)
        }
        let tasks = zip(requests, asked).map { RangeTask(range: $0.frame(), source: $1.source) }
        let (plans, zone) = (plans, options.zone)
        let partials = try engine.compute(plan: try plan.frame(), tasks: tasks, shouldStop: shouldStop) {
            index, answer in
            try RangePartial(answer: answer, plans: plans, zone: zone, request: requests[index])
        }
        guard let partials else { return false }
        for (index, partial) in partials.enumerated() {
            guard index == 0 || parts.isAt(asked[index].asked) else {
                Logger("stream").info(
                    "\(partials.count - index) of \(partials.count) parts are asked again from \(asked[index].part.file): a row, or a header line, stands where the parts before did not let expect it"
                )
                break
            }
            var partial = partial
            let first = try parts.take(&partial, first: asked[index].part.line)
            addFileRejects(partial.findings.rejects.map(\.reject), first: Int(first))
            partial.findings.rejects.removeAll()
            for (state, part) in zip(states, partial.states) { state.merge(part) }
            try absorb(&partial.findings)
        }
        timing.stageNs[.read, default: 0] += clock.monotonicNs - began
        let isFull = options.late == .update && states.reduce(0) { $0 + $1.windows.byteCount } > Self.openBytes
        if parts.finished[0] || isFull {
            tracker.note(
                0, newest: [tracker.partitions[0].newest, parts.newest].compactMap { $0 }.max(),
                nowMs: clock.monotonicMs)
        }
        return parts.finished[0]
    }
}
