import Telemetry
import Topics
import Time

/// The live numbers of the queries that run together. What is counted is committed: they are never ahead of the database.
struct StreamMetrics: Sendable {
    struct Query: Sendable {
        let records, results, late, skipped: Counter
        let watermarkLag, openWindows, stateBytes: Gauge
    }

    let metrics: LiveMetrics
    let queries: [Query]
    private let inputBytes: Counter
    private let epoch, commit, publish, latency: Histogram
    private let stages: [EpochTiming.Stage: Histogram]
    /// Records are rejected once, whatever the number of queries that meet them at different places.
    private let countsRejects: Bool

    init(_ metrics: LiveMetrics, queries names: [String], countsRejects: Bool) {
        self.metrics = metrics
        self.countsRejects = countsRejects
        queries = names.map { name in
            Query(
                records: metrics.counter(.streamRecords, ["query": name]),
                results: metrics.counter(.streamResults, ["query": name]),
                late: metrics.counter(.streamLate, ["query": name]),
                skipped: metrics.counter(.streamSkipped, ["query": name]),
                watermarkLag: metrics.gauge(.streamWatermarkLag, ["query": name]),
                openWindows: metrics.gauge(.streamOpenWindows, ["query": name]),
                stateBytes: metrics.gauge(.streamStateBytes, ["query": name]))
        }
        inputBytes = metrics.counter(.streamInputBytes)
        epoch = metrics.histogram(.streamEpoch)
        latency = metrics.histogram(.streamLatency)
        stages = Dictionary(
            uniqueKeysWithValues: EpochTiming.Stage.allCases.map {
                ($0, metrics.histogram(.streamStage, ["stage": $0.rawValue]))
            })
        commit = metrics.histogram(.streamStage, ["stage": "commit"])
        publish = metrics.histogram(.streamStage, ["stage": "publish"])
    }

    /// Counts an epoch whose transaction has ended.
    ///
    /// - Parameters:
    ///   - letters: the records that went to the dead letters with it.
    ///   - beganNs, endedNs: of its transaction, on the monotonic clock; `nowMs` is the wall clock's time of its end.
    func count(_ epoch: Epoch, deadLetters letters: [TopicRecord], beganNs: Int64, endedNs: Int64, nowMs: EventTime) {
        let indexes = Dictionary(
            zip(epoch.checkpoints.map(\.query), queries.indices), uniquingKeysWith: { first, _ in first })
        for entry in epoch.ledger {
            if let index = indexes[entry.query] {
                switch entry.counter {
                case "aggregated", "filtered", "restated": queries[index].records.add(entry.value)
                case "late":
                    queries[index].records.add(entry.value)
                    queries[index].late.add(entry.value)
                case "skipped":
                    queries[index].records.add(entry.value)
                    queries[index].skipped.add(entry.value)
                default: break
                }
            } else if countsRejects, entry.counter.hasPrefix("rejected:") {
                let reason = String(entry.counter.dropFirst("rejected:".count))
                metrics.counter(.streamRejected, ["reason": reason]).add(entry.value)
            }
        }
        for output in epoch.outputs { queries[output.query].results.add(output.results) }
        for letter in letters {
            let reason = letter.headers.first { $0.name == DeadLetter.reasonHeader }?.text ?? ""
            metrics.counter(.streamDeadLetters, ["reason": reason]).add()
        }
        inputBytes.add(epoch.timing.inputBytes)
        for (stage, ns) in epoch.timing.stageNs { stages[stage]?.observe(ns: ns) }
        commit.observe(ns: endedNs - beganNs)
        if let began = epoch.timing.beganNs { self.epoch.observe(ns: endedNs - began) }
        for (appendedMs, count) in epoch.timing.appended {
            latency.observe(ns: (nowMs - appendedMs) &* 1_000_000, count: count)
        }
    }

    func countPublish(ns: Int64) { publish.observe(ns: ns) }
}

/// What the work on one epoch took.
struct EpochTiming: Sendable {
    enum Stage: String, CaseIterable, Sendable { case read, decode, aggregate, cut }

    /// When its first record was read; nil where it has none.
    var beganNs: Int64?
    var inputBytes: Int64 = 0
    /// All threads together.
    var stageNs: [Stage: Int64] = [:]
    /// When its records were appended, ms UTC, as far as the source tells, and how many at once.
    var appended: [(ms: EventTime, count: Int64)] = []

    mutating func add(_ other: EpochTiming) {
        inputBytes += other.inputBytes
        stageNs.merge(other.stageNs, uniquingKeysWith: +)
        appended += other.appended
    }
}
