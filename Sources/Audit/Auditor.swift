public import Database
import Foundation
import Problems
import SQLite
public import Stream
public import Topics
public import Trips

/// How an audit runs.
public struct AuditOptions: Sendable {
    public var tenant: String
    public var zone: ZoneClock
    /// How many differences are named.
    public var limit = 10
    /// How far the streams' watermark trailed: by it records are judged late or not.
    public var delayMs: Int64 = 10_000
    /// What windows may take in memory at once. Where they need more, the source is read several times, for some of the windows each time.
    /// One table may take twice its share while it grows; the groups of queries without windows and all texts come on top.
    public var memoryBytes = 1 << 30

    /// Whether queries that have results and are not among the plans are listed.
    public var notesOthers = true

    public init(tenant: String, zone: ZoneClock) { (self.tenant, self.zone) = (tenant, zone) }
}

/// Proves stored results right: computes all of them again from the source and compares.
///
/// It shares the declarations and the decoding of trips with the stream, and nothing of what computes: pairs of (window, group) lie in
/// flat tables (`Recount`), lateness is judged from the records and from the ledger, results are worked out from the words
/// of the specification. Everything is compared on one snapshot of the database, up to where each query stood in it, so a
/// stream may run meanwhile.
///
/// Used by one thread at a time.
public final class Auditor {
    private let plans: [QueryPlan]
    private let options: AuditOptions
    private let database: ResultsDatabase
    private let store: (any TopicStore)?
    private let source: AuditSource
    /// Told now and then how many trips have been read in which pass.
    public var onProgress: ((_ trips: Int64, _ pass: Int) -> Void)?

    private var connection: Connection { database.connection }
    private var audits: [QueryAudit] = []
    private var histories: [String: QueryHistory] = [:]
    private var notes: [Finding] = []
    private var report = AuditReport()
    /// Delays that were not tried yet.
    private var otherDelays: [Int64] = []

    /// - Parameters:
    ///   - plans: the queries to audit; those that have no results yet are left out.
    ///   - store: the topics; nil where there are none, for results that were computed from files.
    public init(
        plans: [QueryPlan], options: AuditOptions, database: ResultsDatabase, store: (any TopicStore)?,
        source: AuditSource
    ) {
        (self.plans, self.options, self.database) = (plans, options, database)
        (self.store, self.source) = (store, source)
    }

    /// Reads the source and compares.
    ///
    /// - Throws: `Problem`: `.noInput` where there is nothing to audit or the source does not hold the records any more,
    ///   `.configuration` where a declaration changed, `.badData` where something is too damaged to compare.
    public func run() throws -> AuditReport {
        let start = ContinuousClock.now
        let before = try topicEnds()
        do {
            try connection.snapshot { try run(topicEndsBefore: before) }
        } catch let error as SQLiteError {
            throw Problem(error, doing: "auditing the results")
        }
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    private func run(topicEndsBefore before: [String: [Int64]]) throws {
        let history = try RunHistory(connection)
        let checkpoints = try CheckpointStore(connection: connection).all(plans)
        let after = try topicEnds()
        let outbox = try readOutbox()
        try requireSource(of: checkpoints.filter { $0.plan != nil }.map(\.checkpoint))
        var findings: [Finding] = []
        for (name, plan, _) in checkpoints where plan == nil && options.notesOthers {
            let finding = Finding("view", name)
            finding.note("not compared: the query is not declared any more")
            findings.append(finding)
        }
        let reader = try makeReader()
        for (name, plan, checkpoint) in checkpoints {
            guard let plan, checkpoint.epoch > 0 else { continue }
            try prepare(plan, checkpoint, QueryHistory(of: name, counts: .init(checkpoint.counts), in: history), reader)
        }
        guard !audits.isEmpty else {
            throw Problem(
                .noInput, "there are no stored results to audit",
                hint: "Run taxi-cli stream first.")
        }
        otherDelays = Self.delays(audits, histories, asked: options.delayMs)
        let delayMs = otherDelays.removeFirst()
        for audit in audits {
            if case .replayed = audit.recount.lateness { audit.restart(.replayed(delayMs: delayMs)) }
        }
        let days = DayTallies(zone: options.zone)
        try forEachSlice(reader) { slice in
            for audit in audits {
                try StoredComparison(audit, on: connection).run(slice)
                days.add(audit)
                try compareTopic(audit, slice, before, after, outbox)
            }
            // Rows of all slices are known with the last one; the views are small enough to be looked at again.
            for audit in audits where slice.lowerBound == .min || audit.plan.window.isWindowed {
                try compareView(audit, slice)
            }
        }
        for audit in audits { finish(audit) }
        let runs = Finding("ledger", "runs")
        LedgerComparison.compareRuns(history, runs)
        let analyses = try BatchComparison(
            connection: connection, zone: options.zone, days: days, history: history,
            audited: Set(audits.map(\.plan.table))
        ).run()
        findings = audits.map(\.view) + findings + audits.map(\.topic) + audits.map(\.ledger) + [runs] + analyses
        collect(findings)
    }

    private var viewCounts: [String: Int64] = [:]

    private func compareView(_ audit: QueryAudit, _ slice: Range<EventTime>) throws {
        do {
            try ViewComparison(audit: audit, connection: connection).run(slice, rowCount: viewCount(audit))
        } catch let error as SQLiteError where error.code == .statement {
            // The view is gone, or unpacks what is no JSON.
            audit.view.differ(.max, "cannot be read: \(error.message)")
        }
    }

    private func viewCount(_ audit: QueryAudit) throws -> Int64 {
        if let count = viewCounts[audit.plan.table] { return count }
        let count = try ViewComparison(audit: audit, connection: connection).rowCount()
        viewCounts[audit.plan.table] = count
        return count
    }

    private func collect(_ findings: [Finding]) {
        report.checks = findings.filter { $0.cells > 0 || $0.differences > 0 || $0.check.note != nil }.map(\.check)
        report.first = Array(findings.flatMap { $0.first(options.limit) }.prefix(options.limit))
        report.trips = audits.map { $0.recount.total.consumed }.max() ?? 0
    }

    private func finish(_ audit: QueryAudit) {
        guard let history = histories[audit.plan.name] else { return }
        if let count = viewCounts[audit.plan.table], count != audit.viewRows, audit.view.differences == 0 {
            audit.view.differ(.max, "shows \(count) rows, should show \(audit.viewRows)")
        }
        if !audit.isExact { finishUnknown(audit) }
        LedgerComparison.compare(audit, history, comparesRejects: comparesRejects(audit))
    }

    /// Late records that nobody can name: what rows lack is theirs.
    private func finishUnknown(_ audit: QueryAudit) {
        let late = audit.checkpoint.counts.late - audit.recount.total.late
        audit.view.note(
            "\(audit.checkpoint.counts.late) trips were late, and nobody can tell which; windows they can have touched were compared by their sum"
        )
        guard audit.countWord != nil else { return }
        if case .sliding(let sizeMs, let everyMs) = audit.plan.window, sizeMs != everyMs {
            // Late for all of its windows is late; a trip may be missing from some of them besides.
            if audit.lacking < late * (sizeMs / everyMs) {
                audit.view.differ(
                    .max, "rows lack \(audit.lacking) trips, of \(late) that were late for each of their windows")
            }
        } else if audit.lacking != late {
            audit.view.differ(.max, "rows lack \(audit.lacking) trips, \(late) were late")
        }
    }
}

// MARK: - Source

extension Auditor {
    private var fields: TripFieldSet { plans.reduce(into: []) { $0.formUnion($1.fields) } }

    /// - Throws: `.usage` where results come from something else than the topic that was named.
    private func requireSource(of checkpoints: [QueryCheckpoint]) throws {
        guard case .topic(let topic, _) = source else { return }
        for checkpoint in checkpoints {
            let others = checkpoint.positions.keys.filter { $0 != topic }.sorted()
            guard let other = others.first else { continue }
            throw Problem(
                .usage, "results were computed from \(other), not from topic \"\(topic)\" alone",
                hint: "Name the trip files with --from, and the options that the stream was given.")
        }
    }

    private func makeReader() throws -> any TripReader {
        switch source {
        case .topic(let topic, let time):
            guard let store else {
                throw Problem(
                    .noInput, "there is no topic \"\(topic)\"", hint: "Name the trip files with --from instead.")
            }
            return try TopicTripReader(store.makeReader(topic: topic), fields: fields, from: time)
        case .files(_, let open):
            let fields = fields
            return FileTripReader { try open(fields) }
        }
    }

    private func prepare(
        _ plan: QueryPlan, _ checkpoint: QueryCheckpoint, _ history: QueryHistory, _ reader: any TripReader
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
            ends: ends, closings: closings)
        audits.append(
            QueryAudit(
                plan: plan, checkpoint: checkpoint, zone: options.zone, recount: recount,
                topic: "\(options.tenant)_\(plan.topicSuffix)"))
    }

    /// Where the query stands in the source.
    private func ends(of plan: QueryPlan, _ checkpoint: QueryCheckpoint, _ reader: any TripReader) throws -> [Int64] {
        switch source {
        case .topic(let topic, let time):
            guard let position = checkpoint.positions[topic] else {
                return Array(repeating: 0, count: reader.partitionCount)
            }
            try requireRecords(topic, position, time)
            return (0..<reader.partitionCount).map { $0 < position.offsets.count ? position.offsets[$0] : 0 }
        case .files(let identity, _):
            if checkpoint.positions.count == 1, let position = checkpoint.positions[identity] {
                return [position.offsets.first ?? 0]
            }
            // What was produced from these files, or streamed from each of them: as many trips as were consumed.
            return [RecordCounts(checkpoint.counts).consumed]
        }
    }

    /// - Throws: `.noInput` where the topic is another one by now, or does not keep what the results come from.
    private func requireRecords(_ topic: String, _ position: QueryCheckpoint.SourcePosition, _ time: EventTime?) throws
    {
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

    private func lateness(of plan: QueryPlan, _ checkpoint: QueryCheckpoint, partitions: Int) -> Recount.Lateness {
        if !plan.window.isWindowed { return .none }
        // A trip that is late for some of its windows only is not counted as late.
        if checkpoint.counts.late == 0, !plan.window.overlaps { return .none }
        return partitions == 1 ? .replayed(delayMs: options.delayMs) : .unknown
    }

    private func comparesRejects(_ audit: QueryAudit) -> Bool {
        switch source {
        case .topic: true
        case .files(let identity, _): audit.checkpoint.positions[identity] != nil && audit.recount.hasAllRejects
        }
    }
}

// MARK: - Passes

extension Auditor {
    /// Recounts the windows of one stretch of time after the other, each as long as memory allows.
    private func forEachSlice(_ reader: any TripReader, _ body: (Range<EventTime>) throws -> Void) throws {
        var slice: Range<EventTime> = .min ..< .max
        repeat {
            slice = try pass(over: audits, from: slice, reader)
            // Only the first pass counts; what it cannot explain is counted anew.
            if slice.lowerBound == .min { try requireAll(of: reader) }
            while slice.lowerBound == .min, case let restarted = reconsider(), !restarted.isEmpty {
                slice = try pass(over: restarted, from: slice, reader)
                for audit in audits where slice.upperBound < .max { audit.recount.narrow(to: slice.upperBound) }
            }
            try body(slice)
            slice = slice.upperBound ..< .max
        } while slice.lowerBound < .max
    }

    /// Which trips several partitions had given by some moment cannot be told from the files that they were filled from.
    private func requireAll(of reader: any TripReader) throws {
        guard let files = reader as? FileTripReader else { return }
        for audit in audits where audit.recount.ends[0] < files.tripCount {
            guard audit.checkpoint.positions.values.contains(where: { $0.offsets.count > 1 }) else { continue }
            throw Problem(
                .usage,
                "query \"\(audit.plan.name)\" has read \(audit.recount.ends[0]) of \(files.tripCount) trips from several partitions; the files cannot tell which",
                hint: "Audit against the topic, or let taxi-cli stream --until-end read the rest first.")
        }
    }

    /// - Returns: the slice that fitted.
    private func pass(
        over audits: [QueryAudit], from slice: Range<EventTime>, _ reader: any TripReader
    ) throws -> Range<EventTime> {
        report.passes += 1
        var slice = slice
        let recounts = audits.map(\.recount)
        for recount in recounts { recount.begin(slice) }
        try reader.pass(over: recounts) { trips in
            onProgress?(trips, report.passes)
        } narrowing: {
            while recounts.reduce(0, { $0 + $1.divisibleBytes }) > options.memoryBytes,
                let bound = Self.middle(of: recounts, slice)
            {
                slice = slice.lowerBound..<bound
                for recount in recounts { recount.narrow(to: bound) }
            }
        }
        return slice
    }

    /// A time that halves the windows of the largest table; nil where they cannot be divided.
    private static func middle(of recounts: [Recount], _ slice: Range<EventTime>) -> EventTime? {
        guard let largest = recounts.filter(\.plan.window.isWindowed).max(by: { $0.table.count < $1.table.count }),
            largest.table.count > 1
        else { return nil }
        let table = largest.table
        let step = max(1, table.count / 10_000)
        let sample = stride(from: 0, to: table.count, by: step).map { table.windows[$0] }.sorted()
        guard let first = sample.first else { return nil }
        let middle = sample[sample.count / 2]
        return middle > first ? middle : nil
    }

    /// Looks whether the counts of the pass are those of the streams; where not, lateness was another than was taken.
    ///
    /// - Returns: queries that have to be counted anew.
    private func reconsider() -> [QueryAudit] {
        var unexplained: [QueryAudit] = []
        for audit in audits {
            let stored = RecordCounts(audit.checkpoint.counts)
            let mine = audit.recount.total
            switch audit.recount.lateness {
            case .none: break
            case .unknown: audit.allClosedMayLack = stored.late - mine.late > audit.recount.possiblyLate
            case .replayed:
                // Other counts that differ are no matter of lateness.
                if stored != mine, stored.consumed == mine.consumed, stored.skipped == mine.skipped {
                    unexplained.append(audit)
                }
            }
        }
        guard !unexplained.isEmpty else { return [] }
        if !otherDelays.isEmpty {
            let delayMs = otherDelays.removeFirst()
            // Queries run with one delay: one that another explains better speaks for all.
            let replayed = audits.filter { if case .replayed = $0.recount.lateness { true } else { false } }
            for audit in replayed { audit.restart(.replayed(delayMs: delayMs)) }
            return replayed
        }
        // No one delay explains all. Overlapping windows may lack records that count as on time, so right counts prove nothing there.
        let unknown = audits.filter { audit in
            if case .replayed = audit.recount.lateness, audit.plan.window.overlaps { return true }
            return unexplained.contains { $0 === audit }
        }
        for audit in unknown { audit.restart(.unknown) }
        return unknown
    }

    /// The delays that streams may have had, the likeliest first.
    ///
    /// The watermark of one partition is its newest event time less the delay, if the last run did not end with closing everything and
    /// leave it behind; then it can only be further back.
    private static func delays(_ audits: [QueryAudit], _ histories: [String: QueryHistory], asked: Int64) -> [Int64] {
        for audit in audits {
            guard audit.recount.ends.count == 1, audit.checkpoint.positions.count == 1,
                let newest = audit.checkpoint.positions.values.first?.newest.first ?? nil,
                let watermark = audit.checkpoint.watermark, newest >= watermark, newest - watermark != asked
            else { continue }
            let wasClosed = histories[audit.plan.name]?.runs.last?.closed(audit.plan.name) ?? true
            let found = newest - watermark
            return !wasClosed || found < asked ? [found, asked] : [asked, found]
        }
        return [asked]
    }
}

// MARK: - Topics

extension Auditor {
    private func topicEnds() throws -> [String: [Int64]] {
        guard let store else { return [:] }
        let known = Set(try store.topics().map(\.name))
        return try plans.map { "\(options.tenant)_\($0.topicSuffix)" }.filter(known.contains)
            .reduce(into: [:]) { $0[$1] = try store.makeReader(topic: $1).offsets().map(\.upperBound) }
    }

    /// Batches of the outbox by topic, in their order.
    private func readOutbox() throws -> [String: [StoredBatch]] {
        var batches: [String: [StoredBatch]] = [:]
        let statement = try connection.prepare(
            "SELECT topic, partition, count, first_time, last_time, encoding, payload FROM outbox ORDER BY rowid")
        while try statement.step() {
            guard let encoding = BatchEncoding(rawValue: UInt8(truncatingIfNeeded: statement.integer(5))) else {
                continue
            }
            let (first, last) = (statement.integer(3), statement.integer(4))
            batches[statement.text(0), default: []].append(
                StoredBatch(
                    partition: Int(statement.integer(1)), baseOffset: 0, count: Int(statement.integer(2)),
                    times: min(first, last)...max(first, last), encoding: encoding,
                    payload: statement.withBytes(6) { Array($0) }))
        }
        return batches
    }

    private func compareTopic(
        _ audit: QueryAudit, _ slice: Range<EventTime>, _ before: [String: [Int64]], _ after: [String: [Int64]],
        _ outbox: [String: [StoredBatch]]
    ) throws {
        let topic = audit.topic.name
        guard let store, let endAfter = after[topic] else {
            return audit.topic.note("there is no such topic any more")
        }
        let history = histories[audit.plan.name]
        // A run that ended by itself has sent all that it committed, and leaves the last of it in the outbox.
        let last = history?.runs.last
        let hasSentAll = last?.ended != nil && last?.outcome != "failed"
        try TopicComparison(
            audit, reader: store.makeReader(topic: topic), endBefore: before[topic] ?? endAfter, endAfter: endAfter,
            outbox: hasSentAll ? [] : outbox[topic] ?? [], hasOlder: history?.hasEarlier ?? false
        ).run(slice)
    }
}

extension WindowSpec {
    /// Whether a trip lies in more than one window.
    fileprivate var overlaps: Bool {
        if case .sliding(let sizeMs, let everyMs) = self { sizeMs > everyMs } else { false }
    }
}
