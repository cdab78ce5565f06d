/// How far a stream is behind its source, in records and in time, and whether it is getting better: by partition.
///
/// Fed about once a second with where the partitions end and up to where they are committed; rates are those of the last 10 seconds.
struct SourceLag: Sendable {
    /// What one partition looks like now; a row of the view `sources`.
    struct Partition: Sendable, Equatable {
        enum Trend: String, Sendable { case draining, steady, growing }
        /// Committed so far.
        var records: Int64
        /// Not committed yet; nil where nobody knows where the source ends.
        var lagRecords: Int64?
        /// How long the oldest of them has been there.
        var lagSeconds: Double?
        /// Records a second that come in, and that are committed.
        var rateIn: Double?
        var rateProcessed: Double
        /// Until the lag is gone at these rates: 0 where there is none, infinite where it does not shrink.
        var clearSeconds: Double?
        var trend: Trend?
    }

    private struct Sample {
        var ns: Int64
        var end: Int64?
        var committed: Int64
    }

    static let windowNs: Int64 = 10_000_000_000
    /// How far back the ends are kept, to know since when a record has been there where the source does not tell.
    static let historyNs: Int64 = 600_000_000_000
    private var samples: [[Sample]] = []

    /// Takes a look at the source.
    ///
    /// - Parameters:
    ///   - ends: the offset behind the newest record of each partition; nil where nobody knows.
    ///   - oldestMs: how long the oldest record that is not committed has been there, by partition, as far as the source tells.
    mutating func look(committed: [Int64], ends: [Int64]?, ages oldestMs: [Int64?], atNs now: Int64) -> [Partition] {
        while samples.count < committed.count { samples.append([]) }
        return committed.indices.map { index in
            let end = ends.flatMap { index < $0.count ? max($0[index], committed[index]) : nil }
            samples[index].append(Sample(ns: now, end: end, committed: committed[index]))
            thin(index, now)
            return partition(index, ageMs: index < oldestMs.count ? oldestMs[index] : nil, now)
        }
    }

    /// Samples of the window stay as they are; of what is older one in each 10 seconds.
    private mutating func thin(_ index: Int, _ now: Int64) {
        var kept: [Sample] = []
        for sample in samples[index] where now - sample.ns <= Self.historyNs {
            let isRecent = now - sample.ns <= Self.windowNs
            if isRecent || kept.isEmpty || sample.ns - kept[kept.count - 1].ns >= Self.windowNs { kept.append(sample) }
        }
        samples[index] = kept
    }

    private func partition(_ index: Int, ageMs: Int64?, _ now: Int64) -> Partition {
        let samples = samples[index]
        let last = samples[samples.count - 1]  // look appended it
        let first = samples.first { now - $0.ns <= Self.windowNs } ?? last
        let seconds = Double(last.ns - first.ns) / 1e9
        func rate(_ from: Int64, _ to: Int64) -> Double { seconds > 0 ? max(0, Double(to - from)) / seconds : 0 }
        var partition = Partition(records: last.committed, rateProcessed: rate(first.committed, last.committed))
        guard let end = last.end else { return partition }
        let lag = end - last.committed
        partition.lagRecords = lag
        let rateIn = first.end.map { rate($0, end) } ?? 0
        partition.rateIn = rateIn
        partition.lagSeconds = lag == 0 ? 0 : age(samples, last.committed, ageMs, now)
        let before = first.end.map { $0 - first.committed } ?? lag
        let change = Double(lag - before)
        // What comes in a fifth of a second is there and gone between two commits.
        let noise = max(1, rateIn / 5, Double(max(lag, before)) / 100)
        partition.trend = lag == 0 || abs(change) <= noise ? .steady : change < 0 ? .draining : .growing
        let gain = partition.rateProcessed - rateIn
        // Who keeps up is done by now, whatever is on its way.
        partition.clearSeconds = Double(lag) <= noise ? 0 : gain > 0 ? Double(lag) / gain : .infinity
        return partition
    }

    /// Since when there has been a record behind `committed`: as the source says, else since the ends were seen to lie behind it.
    private func age(_ samples: [Sample], _ committed: Int64, _ ageMs: Int64?, _ now: Int64) -> Double? {
        if let ageMs { return Double(max(0, ageMs)) / 1000 }
        let seen = samples.first { ($0.end ?? 0) > committed }
        return seen.map { Double(now - $0.ns) / 1e9 }
    }
}
