import Telemetry
import Topics

/// The live numbers of a replay: what is stored, and how well it keeps its pace.
struct ReplayMetrics: Sendable {
    private let metrics: LiveMetrics
    private let records: Counter
    private let bytes: Counter
    private let askedRate: Gauge
    private let behind: Gauge
    private let recentRejects: Gauge

    init(_ metrics: LiveMetrics, topic: String) {
        self.metrics = metrics
        records = metrics.counter(.replayRecords, ["topic": topic])
        bytes = metrics.counter(.replayBytes)
        askedRate = metrics.gauge(.replayAskedRate)
        behind = metrics.gauge(.replayBehind)
        recentRejects = metrics.gauge(.replayRecent, ["outcome": "rejected"])
    }

    /// Counts a commit that was stored.
    func count(_ commit: SealedCommit) {
        records.add(Int64(commit.count))
        bytes.add(Int64(commit.batches.reduce(commit.text.count) { $0 + $1.byteCount }))
        for (reason, count) in commit.rejected {
            metrics.counter(.replayRejected, ["reason": reason]).add(Int64(count))
        }
    }

    /// - Parameter rate: trips a second; nil where none are asked for.
    func show(askedRate rate: Double?, behindNs: Int64) {
        if let rate { askedRate.set(rate) } else { askedRate.clear() }
        behind.set(Double(behindNs) / 1e9)
    }

    /// - Parameter share: of the last seconds' rows; nil where there were none.
    func show(recentRejects share: Double?) {
        if let share { recentRejects.set(share) } else { recentRejects.clear() }
    }

    /// Says that nothing is asked for any more.
    func end() {
        askedRate.clear()
        recentRejects.clear()
        behind.clear()
    }
}
