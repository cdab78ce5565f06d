import Foundation
import Stream
import Trips

/// Checks that the ledger adds up: with itself, with the checkpoints, with the runs' summaries, and with the records of the source.
enum LedgerComparison {
    /// One query: what the ledger and the checkpoint say, and what was recounted.
    ///
    /// - Parameter isTopic: whether the source's partitions are those that the ledger counts by; files hold as one what a topic's
    ///   partitions held.
    static func compare(_ audit: QueryAudit, _ history: QueryHistory, isTopic: Bool, comparesRejects: Bool) {
        let finding = audit.ledger
        let checkpoint = RecordCounts(audit.checkpoint.counts)
        let recount = audit.recount.total
        for ((name, ledger), (_, stored)) in zip(history.total.named, checkpoint.named) {
            finding.cells += 1
            if ledger != stored { finding.differ("\(name) is \(ledger) in the ledger, \(stored) in the checkpoint") }
        }
        let isExact = audit.isExact
        for ((name, stored), (_, mine)) in zip(checkpoint.named, recount.named) {
            if !isExact, name == "aggregated" || name == "late" { continue }
            // No source holds what is gone.
            if name == "lost" { continue }
            finding.cells += 1
            if stored != mine { finding.differ("\(name) is \(stored), should be \(mine)") }
        }
        if !isExact {
            finding.cells += 1
            if checkpoint.consumed != recount.consumed {
                finding.differ("\(checkpoint.consumed) trips were consumed, the source has \(recount.consumed)")
            }
        }
        for source in history.sources.sorted() where audit.checkpoint.positions[source] == nil {
            finding.differ("the ledger names a source \"\(source)\", the checkpoint does not")
        }
        if finding.differences == 0, isTopic { comparePartitions(audit, history) }
        if comparesRejects { compareRejects(audit, history) }
    }

    private static func comparePartitions(_ audit: QueryAudit, _ history: QueryHistory) {
        let mine = audit.recount.counts
        for partition in Set(mine.indices).union(history.partitions.keys).sorted() {
            audit.ledger.cells += 1
            let source = mine.indices.contains(partition) ? mine[partition].consumed : 0
            let ledger = history.partitions[partition]?.consumed ?? 0
            if ledger != source {
                audit.ledger.differ("partition \(partition): \(ledger) trips were consumed, the source has \(source)")
            }
        }
    }

    private static func compareRejects(_ audit: QueryAudit, _ history: QueryHistory) {
        let mine = audit.recount.rejected.reduce(into: [:]) { $0[$1.key.rawValue] = $1.value }
        for reason in Set(mine.keys).union(history.rejected.keys).sorted() {
            let (ledger, source) = (history.rejected[reason] ?? 0, mine[reason] ?? 0)
            audit.ledger.cells += 1
            // Queries at several places of the source meet a record more than once.
            guard history.isAlone ? ledger != source : ledger < source else { continue }
            audit.ledger.differ("rejected:\(reason) is \(ledger), should be \(source)")
        }
    }

    /// The runs' own summaries: what they have read is what became of it.
    static func compareRuns(_ history: RunHistory, _ finding: Finding) {
        for run in history.runs {
            switch run.command {
            case "stream" where run.outcome.isEmpty, "produce" where run.outcome.isEmpty:
                finding.differ("\(run.id): the ledger counts for a run that there is not")
            case "produce": compareProduce(run, finding)
            case "stream": compareStream(run, finding)
            default: break
            }
        }
    }

    private static func sum(_ value: Any?) -> Int64 {
        (value as? [String: Any])?.values.reduce(Int64(0)) {
            $0.addingSaturated(($1 as? NSNumber)?.int64Value ?? 0)
        } ?? 0
    }

    private static func compareProduce(_ run: RunHistory.Run, _ finding: Finding) {
        guard let read = (run.summary["read"] as? NSNumber)?.int64Value,
            let sent = (run.summary["sent"] as? NSNumber)?.int64Value
        else { return }
        finding.cells += 1
        let became = sent.addingSaturated(sum(run.summary["rejected"])).addingSaturated(sum(run.summary["filtered"]))
        // One that was stopped may have looked ahead at what it has not sent.
        if run.outcome == "success", read != became {
            finding.differ(
                run.started, "\(run.id) (produce): sent, rejected and filtered are \(became) trips, \(read) were read")
        }
    }

    private static func compareStream(_ run: RunHistory.Run, _ finding: Finding) {
        guard let records = (run.summary["records"] as? NSNumber)?.int64Value else { return }
        let rejected = sum(run.summary["rejected"])
        let queries = Set(run.counts.keys).union(run.rewound.keys)
        let furthest = queries.sorted().max { run.read($0).consumed < run.read($1).consumed }
        let consumed = furthest.map { run.read($0).consumed } ?? 0
        finding.cells += 1
        if consumed.addingSaturated(rejected) != records {
            finding.differ(
                run.started,
                "\(run.id) (stream)\(furthest.map { ", query \($0)" } ?? ""): the ledger has \(consumed) trips and \(rejected) rejected, \(records) records were read"
            )
        }
        let lost = (
            (run.summary["lost"] as? NSNumber)?.int64Value ?? 0, queries.map { run.read($0).lost }.max() ?? 0
        )
        if lost.0 != lost.1 {
            finding.differ(run.started, "\(run.id) (stream): lost is \(lost.1) in the ledger, \(lost.0) in the summary")
        }
        for (query, late) in (run.summary["late"] as? [String: Any] ?? [:]).sorted(by: { $0.key < $1.key }) {
            finding.cells += 1
            let (summary, ledger) = ((late as? NSNumber)?.int64Value ?? 0, run.read(query).late)
            if summary != ledger {
                finding.differ(
                    run.started,
                    "\(run.id) (stream), query \(query): late is \(ledger) in the ledger, \(summary) in the summary")
            }
        }
    }
}
