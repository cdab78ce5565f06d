import Database
import Foundation
import Problems
import SQLite
import Stream
import Time

/// The runs of produce, stream and batch, and what the ledger says of the streams.
struct RunHistory {
    struct Run {
        var id: String
        var command: String
        var started: EventTime
        var ended: EventTime?
        var outcome: String
        /// Empty where the run left none.
        var summary: [String: Any]
        /// Of a stream: by query, then by partition.
        var counts: [String: [Int: RecordCounts]] = [:]
        /// By query: records that were merged into windows which they were late for.
        var merged: [String: Int64] = [:]
        var rejected: [String: Int64] = [:]
        var sources: Set<String> = []
        /// Queries of which it has put newer files in the place of a period.
        var restated: Set<String> = []

        /// What rewinds have taken back of it, by query: what it had counted, and how many epochs.
        var rewound: [String: RecordCounts] = [:]
        var rewoundMerges: [String: Int64] = [:]
        var rewoundEpochs: [String: Int64] = [:]
        var rewoundRejects: Int64 = 0

        /// Whether a stream came to the end of a bounded source and closed all windows of a query, and they have stayed so.
        func closed(_ query: String) -> Bool {
            outcome == "success" && rewoundEpochs[query] == nil && (summary["results"] as? [String: Any])?[query] != nil
        }

        /// Whether a stream changed results of these queries, as far as is known.
        func changed(_ queries: Set<String>) -> Bool {
            let results = summary["results"] as? [String: Any] ?? [:]
            return !restated.isDisjoint(with: queries)
                || queries.contains {
                    counts[$0] != nil || rewoundEpochs[$0] != nil || (results[$0] as? NSNumber)?.int64Value ?? 0 > 0
                }
        }
    }

    /// By their beginning.
    let runs: [Run]

    init(_ connection: Connection) throws {
        var byID: [String: Run] = [:]
        let records = try connection.prepare(
            "SELECT id, command, started_ms, ended_ms, outcome, summary FROM run_records")
        while try records.step() {
            let summary = try? JSONSerialization.jsonObject(with: Data(records.text(5).utf8)) as? [String: Any]
            byID[records.text(0)] = Run(
                id: records.text(0), command: records.text(1), started: records.integer(2),
                ended: records.isNull(3) ? nil : records.integer(3), outcome: records.text(4), summary: summary ?? [:])
        }
        let entries = try connection.prepare(
            "SELECT run_id, source, partition, query, counter, value, kind FROM ledger WHERE kind IN ('stream', 'rewound')"
        )
        while try entries.step() {
            let id = entries.text(0)
            var run = byID[id] ?? Run(id: id, command: "stream", started: 0, outcome: "", summary: [:])
            guard entries.text(6) == "stream" else {
                run.takeBack(entries.integer(5), of: entries.text(4), query: entries.text(3))
                byID[id] = run
                continue
            }
            run.add(
                entries.integer(5), to: entries.text(4), query: entries.text(3), partition: Int(entries.integer(2)))
            run.sources.insert(entries.text(1))
            byID[id] = run
        }
        let replays = try connection.prepare("SELECT DISTINCT run_id FROM ledger WHERE kind = 'produce'")
        while try replays.step() {
            let id = replays.text(0)
            byID[id] = byID[id] ?? Run(id: id, command: "produce", started: 0, outcome: "", summary: [:])
        }
        for restatement in try Restatements.all(on: connection) {
            let id = restatement.runID
            var run =
                byID[id] ?? Run(id: id, command: "restate", started: restatement.madeMs, outcome: "", summary: [:])
            run.restated.insert(restatement.query)
            byID[id] = run
        }
        runs = byID.values.sorted { $0.id < $1.id }
    }
}

extension RunHistory.Run {
    fileprivate mutating func takeBack(_ value: Int64, of counter: String, query: String) {
        switch counter {
        case "epochs": rewoundEpochs[query] = rewoundEpochs[query, default: 0].addingSaturated(value)
        case "late_merged": rewoundMerges[query] = rewoundMerges[query, default: 0].addingSaturated(value)
        case "late_in_part": break
        case _ where counter.hasPrefix("rejected:"): rewoundRejects = rewoundRejects.addingSaturated(value)
        default:
            guard let counts = Self.counts(value, of: counter) else { return }
            rewound[query] = (rewound[query] ?? RecordCounts()) + counts
        }
    }

    fileprivate mutating func add(_ value: Int64, to counter: String, query: String, partition: Int) {
        if counter.hasPrefix("rejected:") {
            let reason = String(counter.dropFirst(9))
            rejected[reason] = rejected[reason, default: 0].addingSaturated(value)
            return
        }
        // Of the aggregated ones.
        if counter == "late_merged" { merged[query] = merged[query, default: 0].addingSaturated(value) }
        guard let counts = Self.counts(value, of: counter) else { return }
        self.counts[query, default: [:]][partition] = (self.counts[query]?[partition] ?? RecordCounts()) + counts
    }

    /// nil for what is counted beside what became of each record.
    private static func counts(_ value: Int64, of counter: String) -> RecordCounts? {
        var counts = RecordCounts()
        switch counter {
        case "aggregated": counts.aggregated = value
        case "late": counts.late = value
        case "skipped": counts.skipped = value
        case "restated": counts.restated = value
        case "lost": counts.lost = value
        case "late_merged", "late_in_part": return nil
        default: counts.filtered = value
        }
        return counts
    }

    /// What the run has read of a query's records, also what was taken back since.
    func read(_ query: String) -> RecordCounts { total(query) + (rewound[query] ?? RecordCounts()) }

    func total(_ query: String) -> RecordCounts {
        counts[query, default: [:]].values.reduce(RecordCounts(), +)
    }
}

/// The runs that a query's present results come from: those since it was last computed from the beginning.
struct QueryHistory {
    let query: String
    let runs: [RunHistory.Run]
    /// Whether the query has run before them.
    let hasEarlier: Bool
    let total: RecordCounts
    let partitions: [Int: RecordCounts]
    let sources: Set<String>
    let rejected: [String: Int64]
    /// Whether all queries of these runs read the same records, so that each reject was met once.
    let isAlone: Bool
    /// Merges of late trips that rewinds have taken back, of whichever runs.
    let rewoundMerges: Int64

    /// Finds the latest runs whose counts add up to those of the checkpoint; where none do, those that come nearest.
    init(of query: String, counts: RecordCounts, in history: RunHistory) {
        self.query = query
        let streams = history.runs.filter { $0.command == "stream" }
        rewoundMerges = streams.reduce(0) { $0.addingSaturated($1.rewoundMerges[query] ?? 0) }
        var sum = RecordCounts()
        var best = (first: streams.count, distance: Self.distance(sum, counts))
        for index in streams.indices.reversed() {
            sum = sum + streams[index].total(query)
            let distance = Self.distance(sum, counts)
            if distance < best.distance { best = (index, distance) }
        }
        let runs = Array(streams[best.first...])
        self.runs = runs
        hasEarlier = streams[..<best.first].contains { $0.counts[query] != nil }
        total = runs.reduce(RecordCounts()) { $0 + $1.total(query) }
        partitions = runs.reduce(into: [:]) { sums, run in
            sums.merge(run.counts[query] ?? [:], uniquingKeysWith: +)
        }
        sources = runs.filter { $0.counts[query] != nil }.reduce(into: []) { $0.formUnion($1.sources) }
        rejected = runs.reduce(into: [:]) { $0.merge($1.rejected) { $0.addingSaturated($1) } }
        isAlone = runs.allSatisfy { run in
            Set(run.counts.keys.map { run.total($0).consumed }).count <= 1 && run.counts[query] != nil
                || run.counts.isEmpty
        }
    }

    private static func distance(_ a: RecordCounts, _ b: RecordCounts) -> Int64 {
        zip(a.named, b.named).reduce(0) { sum, pair in
            sum.addingSaturated(Int64(clamping: pair.0.value.subtractingSaturated(pair.1.value).magnitude))
        }
    }

    /// Records that no run dropped as late, since it merged them (`--late update`): by partition, as numbers of consumed ones.
    func mergedStretches(partitionCount: Int) -> [Int: [Range<Int64>]] {
        var stretches: [Int: [Range<Int64>]] = [:]
        forEachRun(partitionCount: partitionCount) { run, before, after in
            guard run.merged[query] ?? 0 > 0, run.total(query).late == 0 else { return }
            for partition in before.indices where after[partition] > before[partition] {
                stretches[partition, default: []].append(before[partition]..<after[partition])
            }
        }
        return stretches
    }

    /// For each run that closed all windows at its end, how many trips of each partition had been consumed by then.
    func closings(partitionCount: Int) -> [[Int64]] {
        var closings: [[Int64]] = []
        forEachRun(partitionCount: partitionCount) { run, _, after in
            if run.closed(query), closings.last != after { closings.append(after) }
        }
        return closings
    }

    /// How many trips of each partition had been consumed when a run began.
    func consumed(before run: String, partitionCount: Int) -> [Int64] {
        var consumed = Array(repeating: Int64(0), count: partitionCount)
        forEachRun(partitionCount: partitionCount) { other, _, after in if other.id < run { consumed = after } }
        return consumed
    }

    /// Shows each run with how many trips of each partition had been consumed before and after it.
    private func forEachRun(
        partitionCount: Int, _ body: (_ run: RunHistory.Run, _ before: [Int64], _ after: [Int64]) -> Void
    ) {
        var consumed = Array(repeating: Int64(0), count: partitionCount)
        for run in runs {
            let before = consumed
            for (partition, counts) in run.counts[query] ?? [:] {
                // Files read what a topic's partitions held as one sequence.
                let place = consumed.indices.contains(partition) ? partition : 0
                consumed[place] = consumed[place].addingSaturated(counts.consumed)
            }
            body(run, before, consumed)
        }
    }
}

extension RecordCounts {
    init(_ counts: QueryCheckpoint.StoredCounts) {
        self.init(
            aggregated: counts.aggregated, late: counts.late, skipped: counts.skipped, filtered: counts.filtered,
            restated: counts.restated ?? 0, lost: counts.lost ?? 0)
    }
}
