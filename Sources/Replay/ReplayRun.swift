import Problems
import Shares
import Telemetry
import Topics
import Time
import Trips

/// One run of a replay: takes trips from the feed, waits until they are due, stamps and encodes them, and commits.
///
/// Trips are read ahead by a batch. A trip that is due is stamped (clock `now`) and thereby sent; at the next commit all trips sent
/// since the last one are encoded. A commit follows within `commitIntervalNs` of the first record in it, or as soon as nothing
/// more is due in that time, while the disk keeps up; if it does not, commits grow.
final class ReplayRun {
    /// Trips read ahead. Part of what makes a replay repeatable: with a limit, which rejects are met depends on it.
    static let batchCapacity = 8192
    static let recordsPerCommit = 12 * batchCapacity
    static let commitIntervalNs: Int64 = 20_000_000
    /// Without a pace a commit is full long before; a slow pipe's records do not wait for that.
    static let unpacedCommitIntervalNs: Int64 = 500_000_000
    /// How long a sleep may be, so that a stop or a new pace is seen.
    static let longestSleepNs: Int64 = 50_000_000
    static let progressIntervalNs: Int64 = 100_000_000

    private let options: ReplayOptions
    private let output: any ReplayOutput
    private let feeds: TripFeedMaker
    /// Of the files; nil where nobody can go on from here, or where they are in the position already.
    private let contents: ContentHash?
    private let clock: any WallClock
    private let control: RateControl
    private let isStopped: () -> Bool
    private let onProgress: ((ReplayProgress) -> Void)?
    private let committer: Committer
    private let startNs: Int64
    private let metrics: ReplayMetrics
    private var recent = RecentOutcomes()

    /// The position behind everything that was given to the output.
    private var position: ReplayPosition
    private let resumedFrom: Int
    private var outcome = ReplaySummary.Outcome.failed
    private var away: BrokerAway?

    private var feed: (any TripFeed)?
    private let batch = TripBatch(capacity: ReplayRun.batchCapacity)
    /// Rows of the batch that were sent, and those of them that were encoded.
    private var sent = 0
    private var encoded = 0
    /// How many of the pass's rejects an earlier run has put away, and all that were met so far.
    private var knownRejects = 0
    private var metRejects: [String: Int] = [:]
    private var metRejectCount = 0
    private var pacer: Pacer?
    private var pending = Pending()
    /// When the first and the last record were sent.
    private var sendingNs: ClosedRange<Int64>?
    private var nextProgressNs: Int64 = 0
    /// What the replay may use of the machine.
    var share = WorkShare()

    /// What waits for its commit.
    private struct Pending {
        var trips = 0
        var rejects = 0
        var rejected: [String: Int] = [:]
        var sinceNs: Int64 = 0
        var firstDueNs: Int64?
    }

    init(
        options: ReplayOptions, position: ReplayPosition, output: any ReplayOutput, feeds: @escaping TripFeedMaker,
        contents: ContentHash?, clock: any WallClock, commitDepth: Int, control: RateControl,
        isStopped: @escaping () -> Bool,
        onProgress: ((ReplayProgress) -> Void)?, metrics: ReplayMetrics
    ) {
        (self.options, self.output, self.feeds, self.clock) = (options, output, feeds, clock)
        self.contents = contents
        (self.control, self.isStopped, self.onProgress) = (control, isStopped, onProgress)
        self.position = position
        resumedFrom = position.total.sent
        startNs = clock.monotonicNs
        self.metrics = metrics
        committer = Committer(depth: commitDepth, clock: clock, allowanceNs: Self.commitIntervalNs) { commit in
            try output.commit(commit)
            metrics.count(commit)
        }
    }

    /// - Throws: what the feed or the output threw; everything sent before it has been committed, unless that is what failed.
    func run() throws {
        guard !position.isFinished else {
            outcome = .finished
            return try committer.finish()
        }
        do {
            outcome = try send()
            position.isFinished = outcome == .finished
            // The files were read to their end just now: what is left to hash is at hand.
            if position.isFinished { contents?.wait() }
            try commit()
            try committer.finish()
            try output.finish()
        } catch let away as BrokerAway {
            // Somebody wants the replay to end, and nothing more can be stored.
            outcome = .interrupted
            self.away = away
            try? committer.finish()
            try? output.finish()
        } catch {
            outcome = .failed
            // Rejects are the reason for some failures: they are worth keeping.
            takeRejects()
            try? commit()
            try? committer.finish()
            try? output.finish()
            reportProgress(atNs: clock.monotonicNs)
            throw error
        }
        reportProgress(atNs: clock.monotonicNs)
    }
}

// MARK: - Sending

extension ReplayRun {
    private func send() throws -> ReplaySummary.Outcome {
        do { return try sendAll() } catch let problem as Problem where problem.code == .interrupted {
            // Nothing came any more of what was read.
            return .interrupted
        }
    }

    private func sendAll() throws -> ReplaySummary.Outcome {
        try beginPass(skip: position.pass.sent, rejects: position.pass.rejectedTotal)
        while !isStopped() {
            if sent == batch.count {
                // Reading on may take long: what was sent does not wait for it.
                if pending.trips > 0, pacer?.pace.isPaced == true, committer.hasRoom { try commit() }
                guard try refill() else { return .finished }
                // Rejects alone may fill a commit.
                if batch.count == 0, output.pendingBytes >= output.bytesPerCommit { try commit() }
                continue
            }
            var now = clock.monotonicNs
            let nextEvent = batch.eventTimes[sent]
            if let pace = control.take() { pacer?.change(to: pace, atNs: now, next: nextEvent) }
            let upcoming = UnsafeBufferPointer(start: batch.eventTimes + sent, count: batch.count - sent)
            let waitMs = share.waitMs()
            let due = waitMs > 0 ? 0 : min(pacer?.dueCount(atNs: now, events: upcoming) ?? 0, share.atOnce)
            if due > 0 { send(due, atNs: now) } else { pacer?.close(secondsBefore: now) }
            if isCommitDue(atNs: now) { try commit() }
            if now >= nextProgressNs {
                reportProgress(atNs: now)
                try committer.check()
                try output.requireThere()
                try share.requireDisk()
            }
            if waitMs > 0 {
                share.rest()
                let wakeNs = now + Int64(waitMs) * 1_000_000
                clock.sleep(untilNs: min(wakeNs, now + Self.longestSleepNs, nextCommitNs(atNs: now)))
                continue
            }
            guard sent < batch.count, let wake = pacer?.wakeNs(next: batch.eventTimes[sent]) else { continue }
            now = clock.monotonicNs
            guard wake > now else { continue }
            share.rest()
            clock.sleep(untilNs: min(wake, now + Self.longestSleepNs, nextCommitNs(atNs: now)))
        }
        return .interrupted
    }

    private func send(_ count: Int, atNs now: Int64) {
        guard var pacer else { return }
        let first = batch.eventTimes[sent]
        if pending.trips == 0, pending.rejects == 0 { pending.sinceNs = now }
        if pending.trips == 0, pacer.pace.isPaced { pending.firstDueNs = pacer.dueNs(next: first) }
        pacer.markSent(count, atNs: now, first: first)
        self.pacer = pacer
        if options.source.clock == .now {
            (batch.eventTimes + sent).update(repeating: clock.nowMs, count: count)
        }
        share.took(count)
        sent += count
        pending.trips += count
        position.pass.sent += count
        sendingNs = (sendingNs?.lowerBound ?? now)...now
    }

    /// Reads the next batch, or begins the next pass; false when there is nothing left to send.
    private func refill() throws -> Bool {
        encodeSent()
        guard let feed else { return false }
        share.endQuantum()
        share.begin(slots: 1)
        let hasMore = try feed.next(into: batch)
        (sent, encoded) = (0, 0)
        takeRejects()
        guard hasMore else { return try beginNextPass() }
        guard batch.count > 0 else { return true }
        if position.shiftMs != 0 {
            for row in 0..<batch.count { batch.eventTimes[row] += position.shiftMs }
        }
        if pacer == nil {
            pacer = Pacer(pace: options.pace, startNs: clock.monotonicNs, firstEvent: batch.eventTimes[0])
        }
        return true
    }

    private func beginPass(skip: Int, rejects: Int) throws {
        (knownRejects, metRejects, metRejectCount) = (rejects, [:], 0)
        feed = try feeds(skip, position.limit(options))
    }

    /// False where the input is not read again.
    private func beginNextPass() throws -> Bool {
        if let counts = feed?.counts { position.pass.read = counts.read }
        guard options.isLooping, position.pass.sent > 0, position.total.sent < options.source.limit ?? .max else {
            return false
        }
        let passes = position.passes
        let shiftMs = position.shiftMs + (passes == 0 ? wholeWeeks() : position.shiftMs / Int64(passes))
        try requireReach(of: shiftMs)
        position.shiftMs = shiftMs
        position.passes += 1
        position.earlier = position.total
        position.pass = ReplayLedger()
        try beginPass(skip: 0, rejects: 0)
        return true
    }

    /// - Throws: `Problem(.badData)` where a pass with this shift would come too far ahead of the clock.
    private func requireReach(of shiftMs: Int64) throws(Problem) {
        guard options.source.clock != .now, let last = position.lastEvent else { return }
        let latest = last + shiftMs - position.shiftMs
        let limit = MaxAhead(nowMs: clock.nowMs, aheadMs: options.maxAheadMs)
        guard latest > limit.latest else { return }
        throw Problem(
            .badData,
            "the loop ends after \(position.passes + 1) \(position.passes == 0 ? "pass" : "passes"): event time has caught up with the clock, and the last trip of the next pass \(limit.excess(of: latest))",
            hint: "Give a longer --max-ahead to go on into the future, or use --clock now.")
    }

    /// The weeks that the first pass took, in ms; 0 where event time is the wall clock.
    private func wholeWeeks() -> Int64 {
        guard options.source.clock != .now, let first = position.firstEvent, let last = position.lastEvent else {
            return 0
        }
        let week: Int64 = 7 * 86_400_000
        return ((last - first) / week + 1) * week
    }
}

// MARK: - Committing

extension ReplayRun {
    private func encodeSent() {
        guard encoded < sent else { return }
        let rows = encoded..<sent
        output.add(batch, rows: rows, firstTrip: position.pass.sent - rows.count)
        var (least, greatest) = (EventTime.max, EventTime.min)
        for row in rows {
            (least, greatest) = (min(least, batch.eventTimes[row]), max(greatest, batch.eventTimes[row]))
        }
        position.note(least...greatest)
        encoded = sent
    }

    /// Puts away the rejects that the feed met since the last call.
    private func takeRejects() {
        guard let feed else { return }
        let rejects = feed.takeRejects()
        for reject in rejects { metRejects[reject.reason.rawValue, default: 0] += 1 }
        let new = rejects[min(max(0, knownRejects - metRejectCount), rejects.count)...]
        metRejectCount += rejects.count
        // On the way back to where an earlier run stopped, the position stays that run's.
        guard metRejectCount >= knownRejects else { return }
        (position.pass.rejected, position.pass.filtered) = (metRejects, feed.counts.filtered)
        if !new.isEmpty {
            if pending.trips == 0, pending.rejects == 0 { pending.sinceNs = clock.monotonicNs }
            output.add(new, atMs: clock.nowMs)
            pending.rejects += new.count
            for reject in new { pending.rejected[reject.reason.rawValue, default: 0] += 1 }
        }
    }

    private func isCommitDue(atNs now: Int64) -> Bool {
        guard pending.trips + pending.rejects > 0 else { return false }
        if pending.trips + pending.rejects >= Self.recordsPerCommit || output.pendingBytes >= output.bytesPerCommit {
            return true
        }
        guard options.pace.isPaced || pacer?.pace.isPaced == true else {
            return now - pending.sinceNs >= Self.unpacedCommitIntervalNs
        }
        guard committer.hasRoom else { return false }
        if now - pending.sinceNs >= Self.commitIntervalNs { return true }
        // Nothing more will be due before the interval is over: waiting would only cost time.
        guard sent < batch.count, let pacer else { return false }
        return pacer.dueNs(next: batch.eventTimes[sent]) >= pending.sinceNs + Self.commitIntervalNs
    }

    /// When to look at a commit again; a full queue is looked at with every tick.
    private func nextCommitNs(atNs now: Int64) -> Int64 {
        guard pending.trips + pending.rejects > 0 else { return .max }
        return max(pending.sinceNs + Self.commitIntervalNs, now + Pacer.tickNs)
    }

    private func commit() throws {
        encodeSent()
        // What was just encoded may have been read from a file that somebody writes to.
        try feed?.requireUnchanged()
        if let hashes = contents?.hashes, position.input.contains(where: { $0.hash != nil && $0.content == nil }) {
            position.input = InputIdentity.noting(hashes, in: position.input)
        }
        var stored = position
        stored.bytes += output.pendingBytes
        // What the feed has read ahead and not sent yet is not part of the ledger; at the end its own count is, to check the sum by.
        let isWhole = stored.isFinished && options.source.limit == nil
        if !isWhole {
            stored.pass.read = stored.pass.sent + stored.pass.rejectedTotal + stored.pass.filteredTotal
        }
        var sealed = output.seal(position: stored.encoded())
        (sealed.count, sealed.rejected, sealed.firstDueNs) = (pending.trips, pending.rejected, pending.firstDueNs)
        position = stored
        pending = Pending()
        try committer.submit(sealed)
    }
}

// MARK: - Reporting

extension ReplayRun {
    var summary: ReplaySummary {
        let now = clock.monotonicNs
        let total = position.total
        let seconds = Double(now - startNs) / 1e9
        let sentNow = total.sent - resumedFrom
        var rate = seconds > 0 ? Double(sentNow) / seconds : 0
        // A paced run of n records has n - 1 intervals between them.
        if options.pace.isPaced, let sendingNs, sentNow > 1, sendingNs.upperBound > sendingNs.lowerBound {
            rate = Double(sentNow - 1) / (Double(sendingNs.upperBound - sendingNs.lowerBound) / 1e9)
        }
        // Commits that were stored, less those that nobody has acknowledged.
        let unsent = away.map { min(sentNow, sentNow - committer.report.count + $0.records) } ?? 0
        return ReplaySummary(
            outcome: outcome, read: total.read - unsent, sent: total.sent - unsent, rejected: total.rejected,
            filtered: total.filtered,
            seconds: seconds, rate: rate, askedRate: pacer?.meanAskedRate(byNs: sendingNs?.upperBound ?? now),
            maxBehindMs: maxBehindMs, bytes: position.bytes, firstEvent: position.firstEvent,
            lastEvent: position.lastEvent, resumedFrom: resumedFrom, unsent: unsent,
            unsentReason: away?.description)
    }

    private var maxBehindMs: Int {
        let latest = max(pacer?.maxBehindNs ?? 0, committer.report.maxBehindNs)
        return Int((latest + 500_000) / 1_000_000)
    }

    private func reportProgress(atNs now: Int64) {
        nextProgressNs = now + Self.progressIntervalNs
        let report = committer.report
        let seconds = Double(now - startNs) / 1e9
        var behindNs = report.behindNs
        if let pacer, sent < batch.count {
            behindNs = max(behindNs, pacer.behindNs(atNs: now, next: batch.eventTimes[sent]))
        }
        let rejected = Int64(position.total.rejectedTotal)
        let shares = recent.shares(
            [.init(outcome: "rejected"): (rejected, rejected + Int64(resumedFrom + report.count))], atNs: now)
        metrics.show(recentRejects: shares.first?.value ?? nil)
        metrics.show(askedRate: pacer?.askedRate(atNs: now), behindNs: behindNs)
        guard let onProgress else { return }
        let rate = pacer?.lastSecond.map { Double($0.sent) } ?? (seconds > 0 ? Double(report.count) / seconds : 0)
        let left = options.source.limit.map { Double(max(0, $0 - position.total.sent)) }
        onProgress(
            ReplayProgress(
                sent: resumedFrom + report.count, rejected: position.total.rejectedTotal,
                askedRate: pacer?.askedRate(atNs: now), rate: rate, behindMs: Int((behindNs + 500_000) / 1_000_000),
                maxBehindMs: maxBehindMs, eventTime: sent > 0 ? batch.eventTimes[sent - 1] : position.lastEvent,
                seconds: seconds, secondsLeft: left.flatMap { rate > 0 ? $0 / rate : nil }))
    }
}
