import Telemetry
import Time

extension StreamRunner {
    static let lookEveryMs: Int64 = 1000

    /// Looks how far behind its source the stream is, and shows it: in the live numbers, and in the view `sources`.
    ///
    /// - Parameters:
    ///   - isIdle: whether no epoch is under way that the view could be stored with.
    ///   - isLast: whether nothing runs any more.
    func lookAtSource(isIdle: Bool = false, isLast: Bool = false) {
        lastLookMs = clock.monotonicMs
        for (cohort, live) in zip(cohorts, live) { cohort.show(on: live) }
        // Queries that stand at different places are as far behind as the last of them.
        func left(_ index: Int) -> Int64 { committers[index].offsets.reduce(0, +) }
        guard let index = cohorts.indices.min(by: { left($0) < left($1) }) else { return }
        let (cohort, committer) = (cohorts[index], committers[index])
        let committed = committer.offsets
        // A source that cannot be asked now is asked again; what is wrong with it shows where it is read.
        let ends = try? cohort.input.newestEnds()
        let ages = committed.enumerated().map { partition, offset in
            (try? cohort.input.appendTime(partition: partition, of: offset)).flatMap { $0 }.map { clock.nowMs - $0 }
        }
        let partitions = lag.look(committed: committed, ends: ends ?? nil, ages: ages, atNs: clock.monotonicNs)
        let holder = isLast ? nil : cohort.holder(nowMs: clock.monotonicMs)
        let rows = partitions.enumerated().map {
            SourceRow(
                partition: $0, state: $1, source: cohort.input.name, watermark: cohort.watermark,
                holdsBack: $0 == holder, updatedMs: clock.nowMs)
        }
        show(partitions)
        showOutcomes(isLast: isLast)
        guard isLast || rows.map(\.withoutTime) != shownSources.map(\.withoutTime) else { return }
        shownSources = rows
        committer.save(rows, atOnce: isIdle || isLast)
        if isLast { try? committer.waitForCommits() }
    }

    /// What became of the records of the last seconds, and whether event time goes on.
    private func showOutcomes(isLast: Bool) {
        let summary = summary()
        let rejected = summary.rejected.values.reduce(0, +)
        var counts: [RecentOutcomes.Key: (part: Int64, whole: Int64)] = [
            .init(outcome: "rejected"): (rejected, summary.records)
        ]
        for (cohort, live) in zip(cohorts, live) {
            for (plan, query) in zip(cohort.plans, live.queries) {
                let whole = query.records.value
                counts[.init(outcome: "late", query: plan.name)] = (query.late.value, whole)
                counts[.init(outcome: "skipped", query: plan.name)] = (query.skipped.value, whole)
            }
        }
        for (key, share) in recent.shares(counts, atNs: clock.monotonicNs) {
            let gauge =
                key.query.map { metrics.gauge(.streamRecent, ["outcome": key.outcome, "query": $0]) }
                ?? metrics.gauge(.streamRecent, ["outcome": key.outcome])
            if let share, !isLast { gauge.set(share) } else { gauge.clear() }
        }
        let now = clock.monotonicMs
        let newest = cohorts.compactMap(\.newest).max()
        var known = standing ?? Standing(summary, now, newest)
        if known.watermark != summary.watermark || known.records == summary.records {
            known = Standing(summary, now, newest)
        } else if let newest, newest > known.newest ?? .min {
            known.newest = newest
            known.steps += 1
        }
        // Event times that go on with each look are of a live source, where no partition is far behind for long.
        let isLive = known.steps >= Self.liveSteps
        let spreadMs = options.delayMs + (isLive ? 0 : Self.usualSpreadMs)
        let isHeldBack = cohorts.contains { cohort in
            guard let newest = cohort.newest else { return false }
            return cohort.watermark.map { newest - $0 > spreadMs } ?? true
        }
        if !isHeldBack { known.heldSinceMs = now }
        let isStalled = isHeldBack && !isLast && known.records < summary.records
        metrics.gauge(.streamWatermarkStalled).set(
            isStalled ? Double(now - (isLive ? known.sinceMs : known.heldSinceMs)) / 1000 : 0)
        standing = known
    }

    /// Event times of trips stand in quarters of an hour: so far apart the newest of two partitions may be.
    private static let usualSpreadMs: Int64 = 20 * 60_000
    private static let liveSteps = 4

    /// A watermark that has not moved, since when, and what came meanwhile.
    struct Standing {
        let watermark: EventTime?
        /// When it began to stand.
        let records: Int64
        let sinceMs: Int64
        /// Since when the newest event time is further ahead of it than is usual.
        var heldSinceMs: Int64
        var newest: EventTime?
        /// How often the newest event time has grown since.
        var steps = 0

        init(_ summary: StreamSummary, _ nowMs: Int64, _ newest: EventTime?) {
            (watermark, records, self.newest) = (summary.watermark, summary.records, newest)
            (sinceMs, heldSinceMs) = (nowMs, nowMs)
        }
    }

    private func show(_ partitions: [SourceLag.Partition]) {
        for (index, partition) in partitions.enumerated() {
            if let lag = partition.lagRecords {
                metrics.gauge(.streamLagRecords, ["partition": "\(index)"]).set(Double(lag))
            }
            if let seconds = partition.lagSeconds {
                metrics.gauge(.streamLagSeconds, ["partition": "\(index)"]).set(seconds)
            }
        }
        if let clear = partitions.compactMap(\.clearSeconds).max() { metrics.gauge(.streamLagClear).set(clear) }
    }

    func reportProgress() {
        guard let onProgress else { return }
        let now = clock.monotonicMs
        guard now - lastProgressMs >= 100 else { return }
        lastProgressMs = now
        let lag = cohorts.map { (try? $0.input.lag()) ?? 0 }.max() ?? 0
        onProgress(
            StreamProgress(
                summary: summary(), newest: cohorts.compactMap(\.newest).max(),
                openWindows: cohorts.reduce(0) { $0 + $1.openWindows }, lag: lag))
    }

    func summary() -> StreamSummary {
        var summary = StreamSummary()
        for cohort in cohorts {
            // Cohorts that read the same source see the same records; the furthest one tells how many there were.
            summary.records = max(summary.records, cohort.recordsRead)
            summary.lost = max(summary.lost, cohort.recordsLost)
            for (reason, count) in cohort.rejected {
                summary.rejected[reason] = max(summary.rejected[reason] ?? 0, count)
            }
            for (index, plan) in cohort.plans.enumerated() {
                summary.late[plan.name] = cohort.late[index]
                summary.lateMerged[plan.name] = cohort.lateMerged[index]
                summary.restated[plan.name] = cohort.restated[index]
                summary.results[plan.name] = cohort.results[index]
            }
            summary.epochs += cohort.epochs
        }
        let watermarks = cohorts.map(\.closedUntil)
        summary.watermark = watermarks.min().flatMap { $0 == .min ? nil : $0 }
        return summary
    }
}
