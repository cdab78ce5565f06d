import Database
import Foundation
import Problems
import SQLite
import Topics
import Time
public import Trips

extension StreamRunner {
    /// Works out what a restatement of the runner's queries would change; changes nothing.
    ///
    /// - Parameters:
    ///   - optional: columns that files of some kinds never have, and that need not be there.
    ///   - warn: told what somebody should know of the files.
    /// - Throws: `Problem`: `.badData` where no trip of the files lies in the period or more than half of their rows are rejected,
    ///   `.configuration` where a declaration changed.
    public func prepare(
        _ restating: Restating, optional: TripFieldSet = [], progress: ((_ done: Int, _ of: Int) -> Void)? = nil,
        warn: @escaping (String) -> Void = { _ in }
    ) throws -> PreparedRestatement {
        let connection = database.connection
        var prepared = PreparedRestatement()
        prepared.plans = plans
        prepared.checkpoints = try explaining("looking for the queries' results") { try plans.map(checkpoint) }
        for (plan, checkpoint) in zip(plans, prepared.checkpoints)
        where try PendingRewind(of: plan.name, checkpoint, on: connection) != nil {
            throw Problem(
                .unavailable, "query \"\(plan.name)\" was rewound, and the stream has not come again as far as it was",
                hint: "Run taxi-cli stream until it has, and restate then. Nothing is changed.")
        }
        let (schemaIDs, sides) = try messageSchemas()
        try explaining("working the period out anew") {
            let pruned = try PrunedWindows(plans, zone: options.zone, on: connection, known: PrunedWindows())
            prepared.pruned = pruned
            let queries = try plans.indices.map { index in
                let plan = plans[index]
                return try RestatedQuery(
                    plan, query: index, checkpoint: prepared.checkpoints[index], period: restating.period,
                    pruned: pruned.ranges[plan.table] ?? [], zone: options.zone,
                    topic: "\(options.tenant)_\(plan.topicSuffix)", schemaID: schemaIDs[index], on: connection)
            }
            let beside = TripsBeside(
                origin: restating.origin, store: store, zone: options.zone, connection: connection,
                period: restating.period)
            var reasons = try beside.read(for: queries)
            try readFiles(restating, optional, queries, &prepared.files, progress: progress, warn: warn)
            for query in queries {
                try query.finish()
                if let reason = query.reasonOfPruned { reasons[query.plan.name] = reasons[query.plan.name] ?? reason }
            }
            for (index, query) in queries.enumerated() {
                prepared.outputs += query.outputs
                prepared.batches += query.batches
                prepared.differences.append(query.difference)
                prepared.checkpoints[index].counts.results += query.outputs.reduce(0) { $0 + $1.results }
                if let end = query.closedUntil {
                    prepared.checkpoints[index].closedUntil = max(end, query.checkpoint.closedUntil ?? .min)
                }
                if let reason = reasons[query.plan.name] { prepared.impossible.append((query.plan.name, reason)) }
            }
        }
        if let alerts = PendingBatch(
            topic: "\(options.tenant)_alerts", partition: 0,
            records: prepared.outputs.flatMap(\.alerts).map { $0.topicRecord(schemaID: sides.alerts) })
        {
            prepared.batches.append(alerts)
        }
        return prepared
    }

    /// The schemas of the queries whose newest message is Avro, since what takes its place is too; nil for JSON.
    private func messageSchemas() throws -> (queries: [UInt32?], sides: SideSchemas) {
        let isAvro = try plans.map { try endsInAvro("\(options.tenant)_\($0.topicSuffix)") }
        let chosen = zip(plans, isAvro).filter(\.1).map(\.0)
        var sending = options
        (sending.sendsAvro, sending.late) = (true, .drop)
        guard !chosen.isEmpty, let schemas = try ResultSchemas(chosen, sending, store) else {
            return (plans.map { _ in nil }, SideSchemas())
        }
        try schemas.requireUsable()
        let found = try schemas.register()
        var ids = found.queries[...]
        return (isAvro.map { $0 ? ids.popFirst() : nil }, found.sides)
    }

    /// Whether the newest message of a query's topic is Avro.
    private func endsInAvro(_ topic: String) throws -> Bool {
        guard try store.hasTopic(topic) else { return false }
        let reader = try store.makeReader(topic: topic, untilEnd: true)
        guard let kept = try reader.offsets().first, !kept.isEmpty else { return false }
        var back: Int64 = 1
        while true {
            // The last offsets of a partition on Kafka are ends of transactions.
            let first = max(kept.lowerBound, kept.upperBound - back)
            if let batch = try reader.read(partition: 0, from: first) {
                guard batch.encoding == .records else { return false }
                return try batch.records().last?.value?.first == 0
            }
            if first == kept.lowerBound { return false }
            back *= 8
        }
    }

    /// Reads the files that stand for the period from now on.
    private func readFiles(
        _ restating: Restating, _ optional: TripFieldSet, _ queries: [RestatedQuery],
        _ counts: inout PreparedRestatement.FileCounts, progress: ((_ done: Int, _ of: Int) -> Void)?,
        warn: @escaping (String) -> Void
    ) throws {
        let fields = plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        let source = try restating.source.open(
            fields, for: plans, optional: optional, zone: options.zone, progress: progress, warn: warn)
        let batch = TripBatch(capacity: 16384)
        var days: Set<Int> = []
        var cursor = LocalDayCursor(options.zone)
        var newest = EventTime.min
        var sinceFlush = 0
        while try source.next(into: batch) {
            _ = source.takeRejects()
            var kept = 0
            for row in 0..<batch.count {
                let time = batch.eventTimes[row]
                guard restating.period.contains(time) else {
                    counts.outside += 1
                    let known = counts.outsideTimes ?? time...time
                    counts.outsideTimes = min(known.lowerBound, time)...max(known.upperBound, time)
                    continue
                }
                days.insert(Int(cursor.day(of: time)))
                newest = max(newest, time)
                if kept != row { batch.moveRow(row, to: kept, fields: fields) }
                kept += 1
            }
            batch.count = kept
            counts.inPeriod += Int64(kept)
            if kept > 0 { for query in queries { query.add(batch) } }
            sinceFlush += kept
            guard sinceFlush >= Self.tripsAtOnce else { continue }
            sinceFlush = 0
            // Trips come in the order of their published times, and lie up to a quarter of an hour behind those.
            for query in queries { try query.flush(before: newest - 3_600_000) }
        }
        counts.rejected = source.counts.rejected.mapValues(Int64.init)
        counts.filtered = source.counts.filtered
        guard counts.inPeriod > 0 else {
            let zone = options.zone
            let (from, until) = (zone.iso(ms: restating.period.lowerBound), zone.iso(ms: restating.period.upperBound))
            let others = counts.outsideTimes.map {
                "; they have \(counts.outside) trips of \(zone.iso(ms: $0.lowerBound)) to \(zone.iso(ms: $0.upperBound))"
            }
            throw Problem(
                .badData, "no trip of the files lies in the period \(from) to \(until)\(others ?? "")",
                hint: "Name the files of that period, or the period of these files. Nothing is changed.")
        }
        let first = options.zone.localDay(ofMs: restating.period.lowerBound)
        let last = options.zone.localDay(ofMs: restating.period.upperBound - 1)
        if last - first < 400 { counts.emptyDays = (first...last).filter { !days.contains($0) } }
    }

    private static let tripsAtOnce = 250_000
}

// MARK: - Committing

extension StreamRunner {
    /// Puts what was worked out in the place of what is stored, in one transaction, and sends it.
    ///
    /// - Returns: why the messages could not be sent yet; nil where they were.
    /// - Throws: `Problem(.unavailable)` where results have changed since they were looked at; whatever it throws, nothing or all was committed.
    public func commit(_ prepared: PreparedRestatement, of restating: Restating) throws -> String? {
        let now = try takeOver([])
        for (plan, (before, after)) in zip(plans, zip(prepared.checkpoints, now)) {
            guard before.epoch == after.epoch, before.positions == after.positions else {
                throw Problem(
                    .unavailable, "a stream has changed the results of query \"\(plan.name)\" meanwhile",
                    hint: "Nothing is changed. Stop the stream, and restate again.")
            }
        }
        let sequence = (now.map(\.epoch).max() ?? 0) + 1
        var checkpoints = prepared.checkpoints
        for index in checkpoints.indices {
            (checkpoints[index].generation, checkpoints[index].epoch) = (now[index].generation, sequence)
            (checkpoints[index].target, checkpoints[index].sent) = (now[index].target, now[index].sent)
            checkpoints[index].sentBefore = now[index].sentBefore
        }
        let topic = "\(options.tenant)_ingestData"
        let offsets = checkpoints.map { $0.positions[topic]?.offsets }
        // Those who watch the source's offsets go on seeing where its readers are.
        let shared = offsets.allSatisfy { $0 == offsets[0] } ? offsets.first ?? nil : nil
        let committer = try EpochCommitter(
            database: database, writer: store.makeWriter(), plans: plans, zone: options.zone, tenant: options.tenant,
            runID: runID, source: topic, readsTopic: shared != nil, store: store,
            queue: DispatchQueue(label: "restatement"),
            metrics: StreamMetrics(metrics, queries: plans.map(\.name), countsRejects: false), clock: clock,
            offsets: shared ?? [])
        let (names, runID, madeMs) = (plans.map(\.name), runID, clock.nowMs)
        let (period, source, trips, keepVintage) = (
            restating.period, restating.source, prepared.files.inPeriod, restating.keepVintage
        )
        let entries = ledger(of: prepared, files: source.files.map(\.path).joined(separator: ", "))
        let epoch = Epoch(
            outputs: prepared.outputs, checkpoints: zip(names, checkpoints).map { ($0, $1) },
            sideBatches: prepared.batches, deadLetters: [], judged: [], ledger: [], sequence: sequence, records: 0,
            passedOver: [], lateDays: [:], pruned: prepared.pruned,
            progress: .init(topic: topic, offsets: shared ?? []),
            restated: { connection in
                try Restatements.install(on: connection)
                let vintage = try keepVintage(madeMs)
                for name in names {
                    try Restatements.add(
                        Restatement(
                            runID: runID, query: name, period: period, madeMs: madeMs, trips: trips, vintage: vintage,
                            source: source), on: connection)
                }
                let ledger = try Ledger(connection)
                for (key, value) in entries { try ledger.add(value, to: key) }
            }, timing: EpochTiming())
        do {
            try committer.submit(epoch)
            try committer.finish()
        } catch let away as BrokerAway {
            return away.description
        }
        return nil
    }

    /// What became of the rows of the files: read = restated + outside + rejected + filtered.
    private func ledger(of prepared: PreparedRestatement, files: String) -> [(key: Ledger.Key, value: Int64)] {
        let counts = prepared.files
        var entries = [("restated", counts.inPeriod), ("outside", counts.outside)]
        entries += counts.rejected.map { ("rejected:\($0.key.rawValue)", $0.value) }
        entries += counts.filtered.map { ("filtered:\($0.key)", Int64($0.value)) }
        return entries.filter { $0.1 > 0 }.map { counter, value in
            (Ledger.Key(runID: runID, kind: "restate", source: files, counter: counter), value)
        }
    }
}
