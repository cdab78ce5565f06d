import Database
import Foundation
import Problems
import SQLite
import Shares
import Telemetry
import Time
import Topics
import Trips

extension StreamRunner {
    /// What will be refused is refused by looks alone; then topics are made, results removed, other processes ended, messages sent.
    func open() throws {
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
                try QueryCohort(
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

}
