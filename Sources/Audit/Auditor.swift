import Basics
public import Database
import Foundation
import Problems
import SQLite
public import Stream
public import Topics
public import Time

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

    /// Queries that are audited besides, where they have results that were computed by this declaration and from the same source.
    public var besides: [QueryPlan] = []

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
    private(set) var plans: [QueryPlan]
    let options: AuditOptions
    private let database: ResultsDatabase
    let store: (any TopicStore)?
    let source: AuditSource
    /// Told now and then how many trips have been read in which pass.
    public var onProgress: ((_ trips: Int64, _ pass: Int) -> Void)?

    var connection: Connection { database.connection }
    var audits: [QueryAudit] = []
    var histories: [String: QueryHistory] = [:]
    var report = AuditReport()
    /// Delays that were not tried yet.
    var otherDelays: [Int64] = []

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
        let topics = try inspectTopics()
        do {
            try connection.snapshot { try run(topicEndsBefore: before, topics) }
        } catch let error as SQLiteError {
            throw Problem(error, doing: "auditing the results")
        }
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    private func run(topicEndsBefore before: [String: [Int64]], _ topics: Finding?) throws {
        let history = try RunHistory(connection)
        var checkpoints = try CheckpointStore(connection: connection).all(plans)
        let after = try topicEnds()
        let outbox = try readOutbox()
        try requireSource(of: checkpoints.filter { $0.plan != nil }.map(\.checkpoint))
        var findings: [Finding] = []
        for index in checkpoints.indices where checkpoints[index].plan == nil && options.notesOthers {
            let (name, _, checkpoint) = checkpoints[index]
            let (plan, reason) = besides(name, checkpoint)
            if let plan {
                plans.append(plan)
                checkpoints[index].plan = plan
            } else {
                findings.append(try leftOut(name, checkpoint, reason))
            }
        }
        let reader = try makeReader(checkpoints.map(\.checkpoint))
        for (name, plan, checkpoint) in checkpoints {
            guard let plan, checkpoint.epoch > 0 else { continue }
            try prepare(
                plan, checkpoint, QueryHistory(of: name, counts: .init(checkpoint.counts), in: history), history, reader
            )
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
        let recomputed = try RecomputedDatabase(for: connection, plans: audits.map(\.plan), zone: options.zone)
        let alerts = audits.map(AlertRecount.init)
        try forEachSlice(reader) { slice in
            // A query's messages are read on another thread while the next query's rows are.
            let messages = BackgroundWork(label: "messages")
            defer { try? messages.wait() }
            for audit in audits {
                try StoredComparison(audit, on: connection).run(slice)
                days.add(audit)
                try recomputed.fill(audit, on: connection, isFirst: slice.lowerBound == .min)
                messages.start { try self.compareTopic(audit, slice, before, after, outbox) }
            }
            try messages.wait()
            for alert in alerts { alert.add() }
            // Rows of all slices are known with the last one; the views are small enough to be looked at again.
            for audit in audits where slice.lowerBound == .min || audit.plan.window.isWindowed {
                try compareView(audit, slice)
            }
        }
        for audit in audits {
            finish(audit)
            try notePassedOver(audit)
        }
        let records = RecordComparison(connection: connection)
        let runs = Finding("ledger", "runs")
        LedgerComparison.compareRuns(history, runs)
        try records.compareRuns(runs)
        let batch = BatchComparison(
            connection: connection, zone: options.zone, days: days, history: history, audits: audits,
            recomputed: recomputed)
        let analyses = try batch.run() + VintageComparison(batch: batch).run()
        let raised = try AlertComparison(
            connection: connection, zone: options.zone, audits: audits,
            recounts: Dictionary(uniqueKeysWithValues: zip(audits.map(\.plan.name), alerts)),
            topic: alertRecords().map { ("\(options.tenant)_alerts", $0, isUnderWay) }
        ).run()
        findings = audits.map(\.view) + findings + audits.map(\.topic) + audits.map(\.ledger) + [runs] + analyses
        findings += raised + [topics].compactMap { $0 }
        findings += [try records.compareWorkflows()].compactMap { $0 }
        let sources = try SourcesComparison(
            connection: connection, checkpoints: checkpoints.map(\.checkpoint),
            ends: sourceEnds(checkpoints.map(\.checkpoint)), isEmbedded: store is EmbeddedTopicStore)
        findings += [try sources.run()].compactMap { $0 }
        findings += try LookupComparison(connection: connection, zone: options.zone).run()
        if options.notesOthers {
            let others = checkpoints.filter { $0.plan == nil }.map(\.name)
            findings += try topicsLeftOut(others)
            findings += try StoredInventory(
                connection: connection, queries: checkpoints.map { ($0.plan, Self.table(of: $0.checkpoint)) },
                analyses: batch.views().map(\.name)
            ).run()
        }
        collect(findings)
    }

    /// The view that a query's results were stored for.
    private static func table(of checkpoint: QueryCheckpoint) -> String {
        guard let mark = checkpoint.declaration.range(of: "; table ", options: .backwards) else { return "" }
        return String(checkpoint.declaration[mark.upperBound...])
    }

    /// The plan of a query that nobody named but that has results, or why it cannot be audited.
    private func besides(_ name: String, _ checkpoint: QueryCheckpoint) -> (plan: QueryPlan?, reason: String) {
        guard let plan = options.besides.first(where: { $0.name == name }) else {
            return (nil, "the query is not declared any more")
        }
        guard checkpoint.declaration == "\(plan.schemaFingerprint); table \(plan.table)" else {
            return (nil, "the query is declared otherwise than its results: name its declarations with --queries")
        }
        do {
            try requireSource(of: [checkpoint])
            if case .topic(let topic, let time) = source, let position = checkpoint.positions[topic] {
                try requireRecords(topic, position, time)
                try requireNothingLost(name, checkpoint)
            }
        } catch {
            return (nil, (error as? Problem)?.message ?? "its source cannot be read")
        }
        return (plan, "")
    }

    private func leftOut(_ name: String, _ checkpoint: QueryCheckpoint, _ reason: String) throws -> Finding {
        let finding = Finding("view", name)
        let table = SQLText.name(Self.table(of: checkpoint))
        let count = try? connection.value("SELECT count(*) FROM \(table)")?.integer
        finding.leaveOut(count ?? 0, reason)
        return finding
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
        // Whoever names queries has asked for no more than these.
        let own = ["view", "topic", "ledger"]
        report.leftOut = findings.flatMap(\.leftOut).filter { options.notesOthers || own.contains($0.kind) }
        report.first = Array(findings.flatMap { $0.first(options.limit) }.prefix(options.limit))
        report.trips = audits.map { $0.recount.total.consumed }.max() ?? 0
    }

    private func finish(_ audit: QueryAudit) {
        guard let history = histories[audit.plan.name] else { return }
        if let count = viewCounts[audit.plan.table], count != audit.viewRows, audit.view.differences == 0 {
            audit.view.differ(.max, "shows \(count) rows, should show \(audit.viewRows)")
        }
        if let before = audit.pruned.before, !audit.prunedWindows.isEmpty {
            audit.view.note(
                "\(audit.prunedWindows.count) windows before \(Calendar.text(ofDay: before)) were let go of, and left out"
            )
        }
        if let found = audit.recount.unreadable, found.count > report.unreadable?.count ?? 0 {
            report.unreadable = found
        }
        if !audit.isExact { finishUnknown(audit) }
        LedgerComparison.compare(
            audit, history, isTopic: isTopic, comparesRejects: comparesRejects(audit))
    }

    /// Late records that nobody can name: what rows lack is theirs.
    private func finishUnknown(_ audit: QueryAudit) {
        let late = audit.checkpoint.counts.late.subtractingSaturated(audit.recount.total.late)
        let remark =
            "\(audit.checkpoint.counts.late) trips were late, and nobody can tell which; windows they can have touched were compared by their sum"
        if audit.uncertainRows > 0 {
            audit.view.leaveOut(
                audit.uncertainRows, "late trips may be missing from them, which were compared by their sum",
                remark: remark)
        } else {
            audit.view.note(remark)
        }
        // What pruned windows lacked is not known any more.
        guard audit.countWord != nil, audit.prunedWindows.isEmpty else { return }
        if case .sliding(let sizeMs, let everyMs) = audit.plan.window, sizeMs != everyMs {
            // Late for all of its windows is late; a trip may be missing from some of them besides.
            let (least, overflow) = late.multipliedReportingOverflow(by: sizeMs / everyMs)
            if overflow || audit.lacking < least {
                audit.view.differ(
                    .max, "rows lack \(audit.lacking) trips, of \(late) that were late for each of their windows")
            }
        } else if audit.lacking != late {
            audit.view.differ(.max, "rows lack \(audit.lacking) trips, \(late) were late")
        }
    }
}
