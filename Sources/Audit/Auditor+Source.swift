import Database
import Problems
import Stream
import Topics
import Time
import Trips

extension Auditor {
    var fields: TripFieldSet { plans.reduce(into: []) { $0.formUnion($1.fields) } }

    /// - Throws: `.usage` where results come from something else than the topic that was named.
    func requireSource(of checkpoints: [QueryCheckpoint]) throws {
        guard case .topic(let topic, _) = source else { return }
        for checkpoint in checkpoints {
            let others = checkpoint.positions.keys.filter { $0 != topic }.sorted()
            guard let other = others.first else { continue }
            throw Problem(
                .usage, "results were computed from \(other), not from topic \"\(topic)\" alone",
                hint: "Name the trip files with --from, and the options that the stream was given.")
        }
    }

    func makeReader(_ checkpoints: [QueryCheckpoint]) throws -> any TripReader {
        switch source {
        case .topic(let topic, let time):
            guard let store else {
                throw Problem(
                    .noInput, "there is no topic \"\(topic)\"", hint: "Name the trip files with --from instead.")
            }
            return try TopicTripReader(store.makeReader(topic: topic), fields: fields, from: time)
        case .files(let identity, let open):
            let fields = fields
            let startedMs = checkpoints.compactMap { $0.positions[identity]?.startedMs }.first
            return FileTripReader { try open(fields, startedMs) }
        }
    }

    func prepare(
        _ plan: QueryPlan, _ checkpoint: QueryCheckpoint, _ history: QueryHistory, _ runs: RunHistory,
        _ reader: any TripReader
    ) throws {
        let declaration = "\(plan.schemaFingerprint); table \(plan.table)"
        guard checkpoint.declaration == declaration else {
            throw Problem(
                .configuration,
                "query \"\(plan.name)\" is declared otherwise than its stored results: now \"\(declaration)\", then \"\(checkpoint.declaration)\"",
                hint:
                    "Audit with the declaration that the results were computed by, or compute them anew: taxi-cli stream --query \(plan.name) --from-beginning."
            )
        }
        histories[plan.name] = history
        let ends = try ends(of: plan, checkpoint, reader)
        let closings = history.closings(partitionCount: ends.count)
        let recount = Recount(
            plan: plan, zone: options.zone, lateness: lateness(of: plan, checkpoint, partitions: ends.count),
            ends: ends, closings: closings, passedOver: try passedOver(of: plan),
            merged: history.mergedStretches(partitionCount: ends.count),
            restated: try restated(plan, history, partitionCount: ends.count))
        let audit = try QueryAudit(
            plan: plan, checkpoint: checkpoint, zone: options.zone, recount: recount,
            pruned: PrunedDays(of: plan, zone: options.zone, on: connection),
            topic: "\(options.tenant)_\(plan.topicSuffix)")
        audit.rewinds = (try PendingRewind.count(of: plan.name, on: connection), history.rewoundMerges)
        audit.pendingRewind = try PendingRewind(of: plan.name, checkpoint, on: connection)
        let restatements = runs.runs.filter { $0.restated.contains(plan.name) }
        audit.restatements = restatements.count
        audit.hasUnsentRestatement = restatements.contains { $0.outcome != "success" }
        audits.append(audit)
    }

    /// Which times newer files stand for.
    private func restated(
        _ plan: QueryPlan, _ history: QueryHistory, partitionCount: Int
    ) throws -> [Recount.Restated] {
        try Restatements(of: plan.name, on: connection).parts.map { part in
            Recount.Restated(
                part: part, since: history.consumed(before: part.since, partitionCount: partitionCount),
                made: history.consumed(before: part.restatement.runID, partitionCount: partitionCount))
        }
    }

    /// Shows the trips of the files that stand for some times to the queries of which they do.
    func addRestated(_ recounts: [Recount], progress: (Int64) -> Void, narrowing: () -> Void) throws {
        var byRun: [String: [(recount: Recount, times: [Range<EventTime>])]] = [:]
        var sources: [String: Restatement.Source] = [:]
        for recount in recounts {
            for (run, parts) in Dictionary(grouping: recount.restated, by: \.part.restatement.runID) {
                byRun[run, default: []].append((recount, parts.map(\.part.times)))
                sources[run] = parts[0].part.restatement.source
            }
        }
        let batch = TripBatch(capacity: 16384)
        for (run, users) in byRun.sorted(by: { $0.key < $1.key }) {
            let fields = users.reduce(into: TripFieldSet()) { $0.formUnion($1.recount.plan.fields) }
            guard let source = try sources[run]?.open(fields, zone: options.zone) else { continue }
            var read: Int64 = 0
            while try source.next(into: batch) {
                _ = source.takeRejects()
                for (recount, times) in users {
                    var row = 0
                    while row < batch.count {
                        let first = row
                        while row < batch.count, times.contains(where: { $0.contains(batch.eventTimes[row]) }) {
                            row += 1
                        }
                        recount.addRestated(batch, first..<row)
                        row += 1
                    }
                }
                read += Int64(batch.count)
                progress(read)
                narrowing()
            }
        }
    }

    /// What the query has left out of a topic that may be good by now.
    private func passedOver(of plan: QueryPlan) throws -> [PassedOver] {
        guard case .topic(let topic, _) = source else { return [] }
        return try PassedOver.all(of: plan.name, source: topic, on: connection)
    }

    /// Says which records a query has passed over that it would count now, and how it comes to them.
    func notePassedOver(_ audit: QueryAudit) throws {
        guard case .topic(let topic, _) = source, !audit.recount.readable.isEmpty else { return }
        var sent: [Int: [Int64: LetterJournal.Original]] = [:]
        let journal = LetterJournal.topic(of: options.tenant)
        if let store, try store.hasTopic(journal) {
            sent = try LetterJournal(store.makeReader(topic: journal, untilEnd: true)).replaced(in: topic)
        }
        var (again, waiting) = (0, 0)
        for (partition, offsets) in audit.recount.readable {
            for offset in offsets {
                if sent[partition]?[offset] != nil { again += 1 } else { waiting += 1 }
            }
        }
        func records(_ count: Int) -> String { count == 1 ? "1 record" : "\(count) records" }
        if again > 0 {
            audit.ledger.note(
                "\(records(again)) whose schema was not known were sent again by dead-letter replay: the copies count")
        }
        if waiting > 0 {
            audit.ledger.note(
                "\(records(waiting)) whose schema was not known when the query came to them can be read by now, and are not counted: taxi-cli dead-letter replay sends them again"
            )
        }
    }

    /// Where the query stands in the source.
    func ends(of plan: QueryPlan, _ checkpoint: QueryCheckpoint, _ reader: any TripReader) throws -> [Int64] {
        switch source {
        case .topic(let topic, let time):
            guard let position = checkpoint.positions[topic] else {
                return Array(repeating: 0, count: reader.partitionCount)
            }
            try requireRecords(topic, position, time)
            try requireNothingLost(plan.name, checkpoint)
            return (0..<reader.partitionCount).map { $0 < position.offsets.count ? position.offsets[$0] : 0 }
        case .files(let identity, _):
            if checkpoint.positions.count == 1, let position = checkpoint.positions[identity] {
                return [position.offsets.first ?? 0]
            }
            try requireNothingLost(plan.name, checkpoint)
            // What was produced from these files, or streamed from each of them: as many trips as were consumed.
            return [RecordCounts(checkpoint.counts).consumed]
        }
    }

    /// - Throws: `.noInput` where the topic is another one by now, or does not keep what the results come from.
    func requireRecords(_ topic: String, _ position: QueryCheckpoint.SourcePosition, _ time: EventTime?) throws {
        guard let reader = try store?.makeReader(topic: topic) else { return }
        guard position.identity == nil || position.identity == reader.identity else {
            throw Problem(
                .noInput, "results were computed from another topic \"\(topic)\", which was deleted since",
                hint: "Name the trip files that it was filled from with --from.")
        }
        let kept = try reader.offsets()
        for (partition, range) in kept.enumerated() where partition < position.offsets.count {
            guard range.lowerBound == 0 || time != nil || position.offsets[partition] == 0 else {
                throw Problem(
                    .noInput,
                    "topic \"\(topic)\" partition \(partition) begins at offset \(range.lowerBound) by now: the records before it are gone",
                    hint: "Name the trip files that it was filled from with --from.")
            }
        }
    }

    /// - Throws: `.noInput` where a query was told to go on without records that were gone: what it was given lies in no one place.
    func requireNothingLost(_ query: String, _ checkpoint: QueryCheckpoint) throws {
        guard let lost = checkpoint.counts.lost, lost > 0 else { return }
        throw Problem(
            .noInput,
            "query \"\(query)\" was streamed with --skip-lost and has lost \(lost) records: there is nothing that holds what it has read, and no more",
            hint: "Compute it anew from what is whole: taxi-cli stream --query \(query) --from-beginning.")
    }

    var isTopic: Bool { if case .topic = source { true } else { false } }

    func comparesRejects(_ audit: QueryAudit) -> Bool {
        switch source {
        case .topic: true
        case .files(let identity, _): audit.checkpoint.positions[identity] != nil && audit.recount.hasAllRejects
        }
    }

    /// Which trips several partitions had given by some moment cannot be told from the files that they were filled from.
    func requireAll(of reader: any TripReader) throws {
        guard let files = reader as? FileTripReader else { return }
        for audit in audits where audit.recount.ends[0] < files.tripCount {
            guard audit.checkpoint.positions.values.contains(where: { $0.offsets.count > 1 }) else { continue }
            throw Problem(
                .usage,
                "query \"\(audit.plan.name)\" has read \(audit.recount.ends[0]) of \(files.tripCount) trips from several partitions; the files cannot tell which",
                hint: "Audit against the topic, or let taxi-cli stream --until-end read the rest first.")
        }
    }
}
