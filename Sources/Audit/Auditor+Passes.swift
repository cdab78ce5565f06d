import Stream
import Time

extension Auditor {
    /// Recounts the windows of one stretch of time after the other, each as long as memory allows.
    func forEachSlice(_ reader: any TripReader, _ body: (Range<EventTime>) throws -> Void) throws {
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

    /// - Returns: the slice that fitted.
    func pass(
        over audits: [QueryAudit], from slice: Range<EventTime>, _ reader: any TripReader
    ) throws -> Range<EventTime> {
        report.passes += 1
        var slice = slice
        let recounts = audits.map(\.recount)
        for recount in recounts { recount.begin(slice) }
        func narrow() {
            while recounts.reduce(0, { $0 + $1.divisibleBytes }) > options.memoryBytes,
                let bound = Self.middle(of: recounts, slice)
            {
                slice = slice.lowerBound..<bound
                for recount in recounts { recount.narrow(to: bound) }
            }
        }
        try reader.pass(over: recounts) {
            onProgress?($0, report.passes)
        } narrowing: {
            narrow()
        }
        try addRestated(recounts) {
            onProgress?($0, report.passes)
        } narrowing: {
            narrow()
        }
        for recount in recounts { recount.deriveResults() }
        return slice
    }

    /// A time that halves the windows of the largest table; nil where they cannot be divided.
    static func middle(of recounts: [Recount], _ slice: Range<EventTime>) -> EventTime? {
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
    func reconsider() -> [QueryAudit] {
        var unexplained: [QueryAudit] = []
        for audit in audits {
            let stored = RecordCounts(audit.checkpoint.counts)
            let mine = audit.recount.total
            switch audit.recount.lateness {
            case .none: break
            case .unknown:
                audit.allClosedMayLack = stored.late.subtractingSaturated(mine.late) > audit.recount.possiblyLate
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
    static func delays(_ audits: [QueryAudit], _ histories: [String: QueryHistory], asked: Int64) -> [Int64] {
        for audit in audits {
            guard audit.recount.ends.count == 1, audit.checkpoint.positions.count == 1,
                let newest = audit.checkpoint.positions.values.first?.newest.first ?? nil,
                let watermark = audit.checkpoint.watermark, newest >= watermark,
                case let found = newest.subtractingSaturated(watermark), found != asked
            else { continue }
            let wasClosed = histories[audit.plan.name]?.runs.last?.closed(audit.plan.name) ?? true
            return !wasClosed || found < asked ? [found, asked] : [asked, found]
        }
        return [asked]
    }

    func lateness(of plan: QueryPlan, _ checkpoint: QueryCheckpoint, partitions: Int) -> Recount.Lateness {
        if !plan.window.isWindowed { return .none }
        // Earlier versions did not count trips that are late for some of their windows only.
        let isInAll = checkpoint.counts.lateInPart.map { $0 == 0 } ?? !plan.window.overlaps
        if checkpoint.counts.late == 0, isInAll { return .none }
        return partitions == 1 ? .replayed(delayMs: options.delayMs) : .unknown
    }
}

extension WindowSpec {
    /// Whether a trip lies in more than one window.
    fileprivate var overlaps: Bool {
        if case .sliding(let sizeMs, let everyMs) = self { sizeMs > everyMs } else { false }
    }
}
