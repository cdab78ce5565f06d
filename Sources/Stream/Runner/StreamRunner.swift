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
    private let source: Source
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

    private var cohorts: [Cohort] = []
    private var committers: [EpochCommitter] = []
    private var lastProgressMs: Int64 = 0
    private var live: [StreamMetrics] = []
    private var lag = SourceLag()
    /// Of the messages, by query, and of the records beside them; nil for JSON.
    private var schemaIDs: (queries: [UInt32], sides: SideSchemas)?
    /// Queries whose epochs had been kept.
    private var lostHistory: [String] = []
    private var lastLookMs = Int64.min / 2
    private var shownSources: [SourceRow] = []
    private var recent = RecentOutcomes()
    /// Since when records have come and the watermark has stood, on the monotonic clock.
    private var standing: (watermark: EventTime?, records: Int64, sinceMs: Int64)?

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
}

// MARK: - Opening

extension StreamRunner {
    /// What will be refused is refused by looks alone; then topics are made, results removed, other processes ended, messages sent.
    private func open() throws {
        guard !plans.isEmpty else {
            throw Problem(.usage, "there is no query to run", hint: "Declare one, or leave out --query.")
        }
        let connection = database.connection
        try store.checkTopics(outputTopics, creating: options.createsTopics, tenant: options.tenant)
        let schemas = try ResultSchemas(plans, options, store)
        try schemas?.requireUsable()
        let expected = try groups(explaining("looking for the queries' results") { try plans.map(checkpoint) })
        let prepared = try expected.enumerated().map { try makeInput(for: $0, at: $1.position) }
        let checkpoints = try takeOver(prepared, schemas)
        let loader = StateLoader(connection: connection)
        let groups = try groups(checkpoints)
        // A process that was ended just now may have gone on since the look.
        let isAsExpected = groups.map(\.position) == expected.map(\.position)
        let queue = DispatchQueue(label: "epochs")
        let replaced = try replacedRecords()
        for (index, group) in groups.enumerated() {
            let plans = group.members.map { self.plans[$0] }
            let states = try plans.map { try loader.load($0, zone: options.zone, source: sourceName) }
            let input = isAsExpected ? prepared[index] : try makeInput(for: index, at: group.position)
            let live = StreamMetrics(metrics, queries: plans.map(\.name), countsRejects: index == 0)
            self.live.append(live)
            let committer = try EpochCommitter(
                database: database, writer: store.makeWriter(), plans: plans, zone: options.zone,
                tenant: options.tenant, runID: runID, source: sourceName, readsTopic: readsTopic, store: store,
                queue: queue, metrics: live, clock: clock, offsets: input.offsets,
                schemaIDs: schemaIDs.map { ids in group.members.map { ids.queries[$0] } },
                keepHistoryMs: options.keepHistoryMs)
            committer.writtenDeadLetters = input.written
            committer.onWaiting = { [share] in share.rest() }
            committers.append(committer)
            cohorts.append(
                try Cohort(
                    plans: plans, checkpoints: group.members.map { checkpoints[$0] }, states: states, input: input,
                    committer: committer, database: database, options: options, schemas: store.schemas,
                    sideSchemas: schemaIDs?.sides ?? SideSchemas(), clock: clock))
            cohorts[cohorts.count - 1].replaced = replaced
            cohorts[cohorts.count - 1].engine = engine
        }
    }

    /// Makes this process the owner of the queries, and sends what an earlier one has left to send.
    ///
    /// - Parameters:
    ///   - prepared: what is read.
    ///   - schemas: to be registered for the messages; nil for JSON.
    func takeOver(_ prepared: [any StreamInput], _ schemas: ResultSchemas? = nil) throws -> [QueryCheckpoint] {
        let connection = database.connection
        let names = plans.map(\.name)
        var sent = try explaining("comparing results and topics") {
            let outputs = plans.map { ($0.name, "\(options.tenant)_\($0.topicSuffix)") }
            var sent = try SentCheck(
                names, results: connection, topics: store, outputs: Dictionary(outputs) { $1 })
            if !options.fromBeginning { try sent.require() }
            return sent
        }

        let recoveryWriter = try store.makeWriter()
        let outbox = Outbox(connection: connection)
        let unsent = options.fromBeginning ? try outbox.unsent(recoveryWriter) : []
        let there =
            options.fromBeginning && !store.keepsMarksForFree
            ? try SentCheck.ends(of: plans.map { "\(options.tenant)_\($0.topicSuffix)" }, in: store) : []
        let isFirst = try !store.hasTopic("\(options.tenant)_deadLetter")
        for topic in outputTopics { try store.requireTopic(topic, creating: options.createsTopics) }
        schemaIDs = try schemas?.register()
        let marks =
            options.fromBeginning
            ? try store.marks(ofProducers: CopyCheck.producerPrefix, known: [EpochCommitter.producer(of: names)]) : []
        let checkpoints = try explaining("taking over the queries") {
            try connection.transaction {
                let checkpoints = try plans.map { try takeOver($0, marks) }
                try WrittenDeadLetters.install(on: connection)
                if isFirst { try WrittenDeadLetters.forgetAll(on: connection) }
                if options.fromBeginning, let input = prepared.first?.source as? TopicInput {
                    // The topic was made anew, and is shorter than it was.
                    try WrittenDeadLetters.forget(input.written, beyond: input.ended, on: connection)
                }
                if options.fromBeginning {
                    try outbox.forget(plans, tenant: options.tenant, unsent: unsent)
                    try outbox.note(there, of: EpochCommitter.producer(of: names))
                }
                return checkpoints
            }
        }
        if !lostHistory.isEmpty {
            onNotice?(
                "note: what was kept of the epochs of \(lostHistory.joined(separator: ", ")) is let go of, since this run keeps none: --keep-history goes on keeping it"
            )
        }
        try explaining("sending what an earlier run had committed") {
            // Until now an earlier process may have sent more.
            try sent.look()
            if !options.fromBeginning { try sent.require() }
            try sent.recover(recoveryWriter, topic: readsTopic ? sourceName : nil)
        }
        return checkpoints
    }

    /// The records of the topic that a replay of dead letters has sent again: none of them counts twice, whenever a query comes to them.
    private func replacedRecords() throws -> [Int: [Int64: LetterJournal.Original]] {
        guard case .topic(let topic) = source else { return [:] }
        let journal = LetterJournal.topic(of: options.tenant)
        guard try store.hasTopic(journal) else { return [:] }
        return try LetterJournal(store.makeReader(topic: journal, untilEnd: true)).replaced(in: topic)
    }

    /// The topics that a run writes to, beside the one that it reads.
    var outputTopics: [String] {
        var suffixes = plans.map(\.topicSuffix) + ["deadLetter"]
        if options.late == .deadLetter { suffixes.append("late") }
        if plans.contains(where: { !$0.alerts.isEmpty }) { suffixes.append("alerts") }
        return suffixes.map { "\(options.tenant)_\($0)" }
    }

    /// Queries that stand at the same place, and so share a pass over the records.
    private struct Group {
        var watermark: EventTime?
        /// nil where they have read nothing of the source.
        var position: QueryCheckpoint.SourcePosition?
        /// Indexes of plans.
        var members: [Int]
    }

    private func groups(_ checkpoints: [QueryCheckpoint]) throws -> [Group] {
        var groups: [Group] = []
        for (index, checkpoint) in checkpoints.enumerated() {
            let position = checkpoint.positions[sourceName]
            let found = groups.firstIndex { group in
                guard group.watermark == checkpoint.watermark else { return false }
                guard let own = group.position, let position else { return group.position == nil && position == nil }
                return own.isSamePlace(as: position)
            }
            if let found {
                groups[found].members.append(index)
                // The topic has to be the one that each of them has known.
                var anchors = groups[found].position?.anchors ?? []
                for anchor in position?.anchors ?? [] where !anchors.contains(anchor) { anchors.append(anchor) }
                if !anchors.isEmpty { groups[found].position?.anchors = anchors }
            } else {
                groups.append(Group(watermark: checkpoint.watermark, position: position, members: [index]))
            }
        }
        if case .files(_, _, _, false, _) = source, groups.count > 1 {
            throw Problem(
                .usage, "the queries stand at \(groups.count) different places, and a pipe can be read once only",
                hint: "Write the trips to a file first, or name the queries one by one with --query.")
        }
        return groups
    }

    /// Another table would begin empty while the checkpoint stands at the end.
    private func declaration(of plan: QueryPlan) -> String { "\(plan.schemaFingerprint); table \(plan.table)" }

    /// Where a query is to go on; nothing is changed.
    ///
    /// - Throws: `Problem` where its stored results are of another declaration, or cannot begin where they are asked to.
    func checkpoint(of plan: QueryPlan) throws -> QueryCheckpoint {
        let declaration = declaration(of: plan)
        var checkpoint = try CheckpointStore(connection: database.connection).load(plan.name)
        if let (identity, files) = source.identity, !options.readsAgain,
            let read = ReadFiles(identity: identity)
        {
            let earlier = options.fromBeginning ? [] : checkpoint?.positions.keys.filter { $0 != identity } ?? []
            try read.requireNew(files, earlier: earlier, query: plan.name)
            try read.requireNotSent(files, sources: earlier, query: plan.name, on: database.connection)
        }
        if options.fromBeginning, let found = checkpoint {
            checkpoint = QueryCheckpoint(generation: found.generation, epoch: found.epoch, declaration: declaration)
        }
        let taken = checkpoint ?? QueryCheckpoint(declaration: declaration)
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
        if let target = taken.target, target != store.identity { throw isElsewhere(plan, target) }
        if options.fromTime != nil, taken.epoch > 0, !options.fromBeginning {
            throw Problem(
                .usage, "query \"\(plan.name)\" has results already, so it cannot start at another time",
                hint:
                    "Leave out --from-time to go on where it stands, or add --from-beginning to remove its results first."
            )
        }
        return taken
    }

    private func isElsewhere(_ plan: QueryPlan, _ target: String) -> Problem {
        func place(_ identity: String) -> String {
            let cluster = identity.split(separator: " ").dropFirst().joined()
            return cluster.isEmpty ? "the embedded topics" : "the Kafka cluster \"\(cluster)\""
        }
        return Problem(
            .badData,
            "the messages of query \"\(plan.name)\" go to \(place(target)), and this is \(place(store.identity))",
            hint:
                "Give the --broker that they go to. To send here, begin another tenant with --tenant, or compute the results anew: taxi-cli stream --from-beginning."
        )
    }

    /// Installs a query's storage and makes this process its owner; inside a transaction.
    ///
    /// - Parameter marks: of all messages that the topics hold, where the results are made anew: they count on from there.
    private func takeOver(_ plan: QueryPlan, _ marks: [ProducerMark]) throws -> QueryCheckpoint {
        let connection = database.connection
        var taken = try checkpoint(of: plan)
        if options.fromBeginning {
            try plan.removeStorage(from: connection)
            try ZoneChange.forget(view: plan.table, in: connection)
            try AlertStore(connection: connection).remove(plan)
            try PassedOver.remove(plan.name, from: connection)
            try LateTrips.remove(plan.name, from: connection)
            try RewoundResults(connection: connection).remove(plan.name)
            try Restatements.remove(plan.name, view: plan.table, from: connection)
            let sent = marks.filter { CopyCheck.queries(of: $0.producer).contains(plan.name) }
            taken.epoch = max(taken.epoch, sent.map(\.sequence).max() ?? 0)
            taken.followsOlder = sent.isEmpty ? nil : true
            let superseded = sent.map { ($0.producer, SentCheck.account(of: $0)) }
            taken.superseded = sent.isEmpty ? nil : Dictionary(superseded) { $1 }
        }
        // An epoch that is not kept is one that nothing before it leads to any more.
        if options.fromBeginning || options.keepHistoryMs == nil, try EpochHistory.remove(plan.name, from: connection),
            !options.fromBeginning
        {
            lostHistory.append(plan.name)
        }
        taken.target = store.identity
        try plan.installStorage(on: connection)
        if plan.window.isWindowed {
            try connection.execute(
                "CREATE INDEX IF NOT EXISTS open_\(plan.table) ON \(plan.storageTable) (window_start_ms) WHERE closed = 0"
            )
        }
        try connection.execute(
            "CREATE TABLE IF NOT EXISTS query_windows (view TEXT PRIMARY KEY, size_ms INTEGER NOT NULL, every_ms INTEGER NOT NULL)"
        )
        try PassedOver.install(on: connection)
        try LateTrips.install(on: connection)
        switch plan.window {
        case .tumbling(let sizeMs): try saveWindow(plan.table, sizeMs, sizeMs)
        case .sliding(let sizeMs, let everyMs): try saveWindow(plan.table, sizeMs, everyMs)
        case .localDay, .none: break
        }
        taken.generation += 1
        try CheckpointStore(connection: connection).save(taken, of: plan.name)
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
        case .files(let identity, _, _, _, _): identity
        case .parts(let files, _): files.identity
        }
    }

    /// The source at a place, opened.
    ///
    /// - Parameter position: nil for the source's beginning, or where `--from-time` says.
    private func makeInput(
        for cohort: Int, at position: QueryCheckpoint.SourcePosition?
    ) throws -> any StreamInput {
        let input: any StreamInput
        switch source {
        case .topic(let topic):
            input = try TopicInput(
                reader: store.makeReader(topic: topic, untilEnd: options.untilEnd), untilEnd: options.untilEnd,
                skipsLost: options.skipsLost)
        case .files(let identity, _, let paths, _, let open):
            input = FileInput(name: identity, paths: paths, open: open) { [unowned self] rejects, first in
                cohorts[cohort].addFileRejects(rejects, first: first)
            }
        case .parts(let files, let watch): input = PartInput(files, watch: watch)
        }
        input.startsAt(nowMs: clock.nowMs, maxAheadMs: options.maxAheadMs)
        if let position {
            try input.seek(to: position)
        } else if let time = options.fromTime, case .topic(let topic) = source {
            let reader = try store.makeReader(topic: topic, untilEnd: true)
            let offsets = try reader.offsets(from: time)
            try input.seek(to: .init(offsets: offsets, newest: []))
            if !store.keepsColumns { try onNotice?(beginning(of: reader, offsets)) }
        }
        try input.open()
        return share.isShared ? SharedInput(input, share: share, workers: options.workers, clock: clock) : input
    }

    /// Where `--from-time` begins: other programs' records may have any timestamp, whatever their event time is.
    private func beginning(of reader: any TopicReader, _ offsets: [Int64]) throws -> String {
        var earliest: EventTime?
        let decoder = PieceDecoder(fields: [], schemas: store.schemas)
        for (partition, offset) in offsets.enumerated() {
            guard let batch = try reader.read(partition: partition, from: offset) else { continue }
            var rejects: [Reject] = []
            let (trips, first) = try decoder.decode(
                .stored(batch, firstOffset: offset), topic: reader.topic, rejects: &rejects)
            if trips.count > first { earliest = min(earliest ?? .max, trips.eventTimes[first]) }
        }
        let places = offsets.enumerated().map { "\($1) of partition \($0)" }.joined(separator: ", ")
        return "--from-time goes by the records' timestamps: topic \"\(reader.topic)\" is read from offset \(places); "
            + (earliest.map { "the first event time there is \(RFC3339.string($0))" } ?? "no trip is there yet")
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

    private static let lookEveryMs: Int64 = 1000

    /// Looks how far behind its source the stream is, and shows it: in the live numbers, and in the view `sources`.
    ///
    /// - Parameters:
    ///   - isIdle: whether no epoch is under way that the view could be stored with.
    ///   - isLast: whether nothing runs any more.
    private func lookAtSource(isIdle: Bool = false, isLast: Bool = false) {
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
        let isHeldBack = cohorts.contains { cohort in
            guard let newest = cohort.newest else { return false }
            return cohort.watermark.map { newest - $0 > options.delayMs + Self.usualSpreadMs } ?? true
        }
        if let known = standing, known.watermark == summary.watermark, known.records < summary.records, isHeldBack,
            !isLast
        {
            metrics.gauge(.streamWatermarkStalled).set(Double(now - known.sinceMs) / 1000)
        } else {
            metrics.gauge(.streamWatermarkStalled).set(0)
            standing = (summary.watermark, summary.records, now)
        }
    }

    /// Event times of trips stand in quarters of an hour: so far apart the newest of two partitions may be.
    private static let usualSpreadMs: Int64 = 20 * 60_000

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
