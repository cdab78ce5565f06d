public import Database
import Foundation
import Problems
import SQLite
public import Topics
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
        /// that are too far ahead. `paths` are those by which files are known again; empty for pipes, which are read once.
        case files(
            identity: String, paths: [String] = [], isRepeatable: Bool = true,
            open: (_ skip: Int, _ ahead: MaxAhead) throws -> TripSource)
    }

    private let plans: [QueryPlan]
    private let options: StreamOptions
    private let database: ResultsDatabase
    private let store: any TopicStore
    private let source: Source
    private let runID: String
    private let clock: any WallClock
    /// Told at most ten times a second what the stream has done.
    public var onProgress: ((StreamProgress) -> Void)?
    /// Asked between pieces; true ends the stream cleanly.
    public var shouldStop: () -> Bool = { false }

    private var cohorts: [Cohort] = []
    private var committers: [EpochCommitter] = []
    private var lastProgressMs: Int64 = 0

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
            for committer in committers { try committer.drain() }
        } catch let error as BrokerAway {
            // Somebody wants the stream to end: results are stored, and their messages with them.
            away = error
            for committer in committers { try? committer.drain() }
        } catch {
            for committer in committers { try? committer.drain() }
            throw error
        }
        var summary = summary()
        summary.unsentReason = away?.description
        summary.seconds = Double(clock.monotonicMs - start) / 1000
        return summary
    }

    private var isBounded: Bool {
        if case .files = source { return true }
        return options.untilEnd
    }
}

// MARK: - Opening

extension StreamRunner {
    private func open() throws {
        guard !plans.isEmpty else {
            throw Problem(.usage, "there is no query to run", hint: "Declare one, or leave out --query.")
        }
        let connection = database.connection
        for plan in plans {
            try store.requireTopic("\(options.tenant)_\(plan.topicSuffix)", creating: options.createsTopics)
        }
        try store.requireTopic("\(options.tenant)_deadLetter", creating: options.createsTopics)
        if options.late == .deadLetter {
            try store.requireTopic("\(options.tenant)_late", creating: options.createsTopics)
        }
        if plans.contains(where: { !$0.alerts.isEmpty }) {
            try store.requireTopic("\(options.tenant)_alerts", creating: options.createsTopics)
        }
        let checkpoints = try explaining("taking over the queries") {
            try connection.transaction { try plans.map(takeOver) }
        }
        let recoveryWriter = try store.makeWriter()
        try explaining("sending what an earlier run had committed") {
            try EpochCommitter.recover(
                connection, writer: recoveryWriter, plans: plans, topic: readsTopic ? sourceName : nil)
        }
        let loader = StateLoader(connection: connection)
        let name = sourceName
        // Queries that stand at the same place share a pass over the records.
        var groups: [(key: QueryCheckpoint, members: [Int])] = []
        for (index, checkpoint) in checkpoints.enumerated() {
            var key = QueryCheckpoint(declaration: "")
            key.watermark = checkpoint.watermark
            key.positions = checkpoint.positions.filter { $0.key == name }
            if let found = groups.firstIndex(where: { $0.key == key }) {
                groups[found].members.append(index)
            } else {
                groups.append((key, [index]))
            }
        }
        if case .files(_, _, false, _) = source, groups.count > 1 {
            throw Problem(
                .usage, "the queries stand at \(groups.count) different places, and a pipe can be read once only",
                hint: "Write the trips to a file first, or name the queries one by one with --query.")
        }
        let queue = DispatchQueue(label: "epochs")
        for group in groups {
            let plans = group.members.map { self.plans[$0] }
            let states = try plans.map { try loader.load($0, zone: options.zone) }
            let committer = try EpochCommitter(
                database: database, writer: store.makeWriter(), plans: plans, tenant: options.tenant, runID: runID,
                source: name, readsTopic: readsTopic, store: store, queue: queue)
            let input = try makeInput(for: cohorts.count)
            input.startsAt(nowMs: clock.nowMs, maxAheadMs: options.maxAheadMs)
            if let position = group.key.positions[name] {
                try input.seek(to: position)
            } else if let time = options.fromTime, case .topic(let topic) = source {
                try input.seek(
                    to: .init(offsets: store.makeReader(topic: topic).offsets(from: time), newest: []))
            }
            committers.append(committer)
            cohorts.append(
                Cohort(
                    plans: plans, checkpoints: group.members.map { checkpoints[$0] }, states: states, input: input,
                    committer: committer, options: options, nowMs: clock.monotonicMs))
        }
    }

    /// Installs a query's storage and makes this process its owner; inside a transaction.
    private func takeOver(_ plan: QueryPlan) throws -> QueryCheckpoint {
        let connection = database.connection
        let checkpoints = CheckpointStore(connection: connection)
        // Another table would begin empty while the checkpoint stands at the end.
        let declaration = "\(plan.schemaFingerprint); table \(plan.table)"
        var checkpoint = try checkpoints.load(plan.name)
        if options.fromBeginning {
            try plan.removeStorage(from: connection)
            try AlertStore(connection: connection).remove(plan)
            try AheadRecords.remove(plan.name, from: connection)
            if let found = checkpoint {
                checkpoint = QueryCheckpoint(
                    generation: found.generation, epoch: found.epoch, declaration: declaration)
            }
        }
        var taken = checkpoint ?? QueryCheckpoint(declaration: declaration)
        guard taken.declaration == declaration else {
            if let mark = declaration.firstRange(of: QueryPlan.bucketMark),
                taken.declaration == declaration[..<mark.lowerBound] + declaration[mark.upperBound...]
            {
                throw Problem(
                    .configuration,
                    "the stored results of query \"\(plan.name)\" were counted by an earlier taxi-cli, in buckets of amounts that are four times as wide as now",
                    hint:
                        "Compute them anew from the topic: taxi-cli stream --from-beginning. Or keep them, and begin another tenant with --tenant."
                )
            }
            throw Problem(
                .configuration,
                "query \"\(plan.name)\" is declared otherwise than its stored results: now \"\(declaration)\", then \"\(taken.declaration)\"",
                hint: "Give it another name, or compute it anew: taxi-cli stream --query \(plan.name) --from-beginning."
            )
        }
        if options.fromTime != nil, taken.epoch > 0, !options.fromBeginning {
            throw Problem(
                .usage, "query \"\(plan.name)\" has results already, so it cannot start at another time",
                hint:
                    "Leave out --from-time to go on where it stands, or add --from-beginning to remove its results first."
            )
        }
        try plan.installStorage(on: connection)
        if plan.window.isWindowed {
            try connection.execute(
                "CREATE INDEX IF NOT EXISTS open_\(plan.table) ON \(plan.storageTable) (window_start_ms) WHERE closed = 0"
            )
        }
        try connection.execute(
            "CREATE TABLE IF NOT EXISTS query_windows (view TEXT PRIMARY KEY, size_ms INTEGER NOT NULL, every_ms INTEGER NOT NULL)"
        )
        try AheadRecords.install(on: connection)
        switch plan.window {
        case .tumbling(let sizeMs): try saveWindow(plan.table, sizeMs, sizeMs)
        case .sliding(let sizeMs, let everyMs): try saveWindow(plan.table, sizeMs, everyMs)
        case .localDay, .none: break
        }
        taken.generation += 1
        try checkpoints.save(taken, of: plan.name)
        return taken
    }

    private func saveWindow(_ view: String, _ sizeMs: Int64, _ everyMs: Int64) throws {
        try database.connection.execute(
            "INSERT OR REPLACE INTO query_windows VALUES (?, ?, ?)", .text(view), .integer(sizeMs), .integer(everyMs))
    }

    private var readsTopic: Bool {
        if case .topic = source { return true }
        return false
    }

    /// Names the source in checkpoints.
    private var sourceName: String {
        switch source {
        case .topic(let topic): topic
        case .files(let identity, _, _, _): identity
        }
    }

    private func makeInput(for cohort: Int) throws -> any StreamInput {
        switch source {
        case .topic(let topic):
            return try TopicInput(
                reader: store.makeReader(topic: topic, untilEnd: options.untilEnd), untilEnd: options.untilEnd)
        case .files(let identity, let paths, _, let open):
            return FileInput(name: identity, paths: paths, open: open) { [unowned self] rejects in
                cohorts[cohort].addFileRejects(rejects)
            }
        }
    }

    private func explaining<Result>(_ action: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as SQLiteError { throw Problem(error, doing: action) }
    }
}

// MARK: - Running

extension StreamRunner {
    private func loop() throws {
        var finished = Array(repeating: false, count: cohorts.count)
        var lastArrivalMs = clock.monotonicMs
        while !shouldStop() {
            var hadRecords = false
            for (index, cohort) in cohorts.enumerated() where !finished[index] {
                let isAtEnd = try cohort.read(isBounded: isBounded, clock: clock)
                hadRecords = hadRecords || cohort.recordsInEpoch > 0
                finished[index] = isAtEnd && isBounded && !shouldStop()
                try cohort.cut(finished[index] ? .everything : .more, nowMs: clock.monotonicMs)
                reportProgress()
            }
            if isBounded, finished.allSatisfy({ $0 }) { return }
            let now = clock.monotonicMs
            if hadRecords {
                lastArrivalMs = now
            } else if isBounded {
                // Not at the end and nothing there: a broker is slow, or away.
                try cohorts.first { !$0.input.finished.allSatisfy { $0 } }?.input.wait(timeoutMs: 100)
            } else {
                try closeByWallTime(silentMs: now - lastArrivalMs, nowMs: now)
                try cohorts[0].input.wait(timeoutMs: 100)
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

    private func reportProgress() {
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

    private func summary() -> StreamSummary {
        var summary = StreamSummary()
        for cohort in cohorts {
            // Cohorts that read the same source see the same records; the furthest one tells how many there were.
            summary.records = max(summary.records, cohort.recordsRead)
            for (reason, count) in cohort.rejected {
                summary.rejected[reason] = max(summary.rejected[reason] ?? 0, count)
            }
            for (index, plan) in cohort.plans.enumerated() {
                summary.late[plan.name] = cohort.late[index]
                summary.results[plan.name] = cohort.results[index]
            }
            summary.epochs += cohort.epochs
        }
        let watermarks = cohorts.map(\.closedUntil)
        summary.watermark = watermarks.min().flatMap { $0 == .min ? nil : $0 }
        return summary
    }
}
