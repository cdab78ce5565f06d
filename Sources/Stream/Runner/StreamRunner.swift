public import Database
import Foundation
import Problems
import SQLite
public import Shares
public import Telemetry
public import Topics
public import Time
public import Trips

/// Runs declared queries over a source until its end, or until it is told to stop.
///
/// Reads where the queries' checkpoints stand, one cohort for all that stand at the same place; cuts epochs; commits each as one
/// transaction. Stopping means: end the epoch, commit it, leave open windows open.
public final class StreamRunner {
    /// Where the records come from.
    public enum Source {
        case topic(String)
        /// Trip files, named by their identity in checkpoints; `open` passes over trips that an earlier run has read, and rejects those
        /// that are too far ahead. `files` are their names, sizes and hashes; `paths` those by which they are known again. Both are empty
        /// for pipes, which are read once.
        case files(
            identity: String, files: [String] = [], paths: [String] = [], isRepeatable: Bool = true,
            open: (_ skip: Int, _ ahead: MaxAhead) throws -> TripSource)
        /// Trip files that an engine reads.
        case parts(PartFiles, watch: InputWatch)

        /// Of files: what names them all, and each of them.
        var identity: (all: String, files: [String])? {
            switch self {
            case .topic: nil
            case .files(let identity, let files, _, _, _): (identity, files)
            case .parts(let files, _): (files.identity, files.known)
            }
        }
    }

    let plans: [QueryPlan]
    let options: StreamOptions
    let database: ResultsDatabase
    let store: any TopicStore
    let source: Source
    let runID: String
    let clock: any WallClock
    /// Told at most ten times a second what the stream has done.
    public var onProgress: ((StreamProgress) -> Void)?
    /// Told what somebody should know of where the stream begins.
    public var onNotice: ((String) -> Void)?
    /// Where the stream keeps its live numbers.
    public var metrics = LiveMetrics()
    /// What the stream may use of the machine.
    public var share = WorkShare()
    /// Who computes the records, where it is not this process: those of a topic, or of `parts`, which nobody else can.
    package var engine: (any RangeEngine)?
    /// Asked between pieces; true ends the stream cleanly.
    public var shouldStop: () -> Bool = { false }

    var cohorts: [QueryCohort] = []
    var committers: [EpochCommitter] = []
    var lastProgressMs: Int64 = 0
    var live: [StreamMetrics] = []
    var lag = SourceLag()
    /// Of the messages, by query, and of the records beside them; nil for JSON.
    var schemaIDs: (queries: [UInt32], sides: SideSchemas)?
    /// Queries whose epochs had been kept.
    var lostHistory: [String] = []
    var lastLookMs = Int64.min / 2
    var shownSources: [SourceRow] = []
    var recent = RecentOutcomes()
    /// Since when records have come and the watermark has stood, on the monotonic clock.
    var standing: Standing?

    /// - Parameters:
    ///   - runID: of the run's record, under which the ledger counts.
    ///   - clock: what decides when epochs end, which partitions are silent, and which event times are too far ahead.
    public init(
        plans: [QueryPlan], options: StreamOptions, database: ResultsDatabase, store: any TopicStore, source: Source,
        runID: String, clock: any WallClock = SystemClock()
    ) {
        self.clock = clock
        (self.plans, self.options, self.database, self.store) = (plans, options, database, store)
        (self.source, self.runID) = (source, runID)
    }

    /// Runs to the end of a bounded source, or until `shouldStop`.
    ///
    /// - Throws: `Problem`: `.unavailable` where a newer process took a query over, `.badData` where more than half of the records
    ///   is rejected, `.configuration` where a declaration changed; whatever was committed before stays.
    public func run() throws -> StreamSummary {
        let start = clock.monotonicMs
        try open()
        var away: BrokerAway?
        do {
            try loop()
            for committer in committers { try committer.finish() }
            lookAtSource(isLast: true)
        } catch let error as BrokerAway {
            // Somebody wants the stream to end: results are stored, and their messages with them.
            away = error
            for committer in committers { try? committer.finish() }
        } catch {
            for committer in committers { try? committer.finish() }
            throw error
        }
        var summary = summary()
        // Who waited only to read has left nothing to send.
        if let away,
            try !explaining("looking into the outbox", { try Outbox(connection: database.connection).streams }).isEmpty
        {
            summary.unsentReason = away.description
        }
        summary.seconds = Double(clock.monotonicMs - start) / 1000
        return summary
    }

    private var isBounded: Bool {
        source.identity != nil || options.untilEnd
    }

    var readsTopic: Bool {
        if case .topic = source { return true }
        return false
    }

    /// Names the source in checkpoints.
    var sourceName: String {
        switch source {
        case .topic(let topic): topic
        case .files(let identity, _, _, _, _): identity
        case .parts(let files, _): files.identity
        }
    }

    /// The topics that a run writes to, beside the one that it reads.
    var outputTopics: [String] {
        var suffixes = plans.map(\.topicSuffix) + ["deadLetter"]
        if options.late == .deadLetter { suffixes.append("late") }
        if plans.contains(where: { !$0.alerts.isEmpty }) { suffixes.append("alerts") }
        return suffixes.map { "\(options.tenant)_\($0)" }
    }

    func explaining<Result>(_ action: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as SQLiteError { throw Problem(error, doing: action) }
    }
}

// MARK: - Running

extension StreamRunner {
    private func loop() throws {
        var finished = Array(repeating: false, count: cohorts.count)
        var lastArrivalMs = clock.monotonicMs
        var hasNotedSent = false
        share.ready()
        while !shouldStop() {
            try share.requireDisk()
            for committer in committers { try committer.check() }
            var hadRecords = false
            for (index, cohort) in cohorts.enumerated() where !finished[index] {
                let isAtEnd = try cohort.read(isBounded: isBounded, shouldStop: shouldStop)
                hadRecords = hadRecords || cohort.recordsInEpoch > 0
                finished[index] = isAtEnd && isBounded && !shouldStop()
                try cohort.cut(finished[index] ? .everything : .more, nowMs: clock.monotonicMs)
                share.endQuantum()
                reportProgress()
            }
            let silentMs = hadRecords ? 0 : clock.monotonicMs - lastArrivalMs
            // What has stood for a minute will mostly stand for ten seconds more; the first record shows at once.
            let lookEveryMs = silentMs > 60_000 ? 10 * Self.lookEveryMs : Self.lookEveryMs
            if clock.monotonicMs - lastLookMs >= lookEveryMs { lookAtSource(isIdle: !hadRecords) }
            if isBounded, finished.allSatisfy({ $0 }) { return }
            let now = clock.monotonicMs
            if !hadRecords, !hasNotedSent, now - lastArrivalMs >= 1000 {
                // Nothing is under way now, and a cluster may forget by the next record what it has acknowledged.
                for committer in committers { committer.noteSent() }
                hasNotedSent = true
            }
            if hadRecords {
                (lastArrivalMs, hasNotedSent) = (now, false)
            } else if isBounded {
                // Not at the end and nothing there: a broker is slow, or away.
                try cohorts.first { !$0.input.finished.allSatisfy { $0 } }?.input.wait(timeoutMs: 100)
            } else {
                try explaining("waiting for trips") { try database.connection.requireFile() }
                try closeByWallTime(silentMs: now - lastArrivalMs, nowMs: now)
                // A source that has been silent for long is seldom looked at: what comes, and a signal, ends the wait.
                let isQuiet = now - lastArrivalMs > 10_000 && options.idleCloseMs == nil
                try cohorts[0].input.wait(timeoutMs: isQuiet ? (silentMs > 60_000 ? 1000 : 500) : 100)
            }
        }
    }

    /// `--idle-close`: event time goes on at the pace of the wall clock while nothing comes.
    private func closeByWallTime(silentMs: Int64, nowMs: Int64) throws {
        guard let idleCloseMs = options.idleCloseMs, silentMs >= idleCloseMs else { return }
        for cohort in cohorts {
            guard let newest = cohort.newest, cohort.openWindows > 0 else { continue }
            try cohort.cut(.wallTime(newest + silentMs - options.delayMs), nowMs: nowMs)
        }
    }
}
