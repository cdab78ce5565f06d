import Problems
import SQLite
import Stream
import Topics
import Time

/// Compares a query's output topic with the rows that were recounted.
///
/// Of an `append` query each closed row is there once and says what it should; of the others the last message of each row does.
/// Messages of rows that there are not, and messages that come again, are differences.
struct TopicComparison {
    let audit: QueryAudit
    let reader: any TopicReader
    /// Where the topic ended before the database was looked at, and after.
    let endBefore: [Int64]
    let endAfter: [Int64]
    /// Batches that were committed and were perhaps not in the topic yet.
    let outbox: [StoredBatch]
    /// Whether the results were computed anew, so that the topic begins with older ones.
    let hasOlder: Bool
    private let messages: ResultMessages
    private let histograms: Histograms
    /// Of each aggregate its first word and the number of its histogram.
    private let wordPlaces: [(word: Int, histogram: Int)]

    private var plan: QueryPlan { audit.plan }
    private var finding: Finding { audit.topic }

    init(
        _ audit: QueryAudit, reader: any TopicReader, endBefore: [Int64], endAfter: [Int64], outbox: [StoredBatch],
        hasOlder: Bool
    ) {
        (self.audit, self.reader) = (audit, reader)
        // Partitions may have been added between the looks.
        let count = reader.partitionCount
        func padded(_ ends: [Int64]) -> [Int64] { (0..<count).map { $0 < ends.count ? ends[$0] : 0 } }
        (self.endBefore, self.endAfter) = (padded(endBefore), padded(endAfter))
        (self.outbox, self.hasOlder) = (outbox, hasOlder)
        messages = ResultMessages(audit.plan, schemas: reader.schemas)
        histograms = Histograms(audit.recount.buckets)
        wordPlaces = audit.plan.aggregates.indices.map { index in
            let before = audit.plan.aggregates[..<index]
            return (before.reduce(0) { $0 + $1.words }, before.count(where: \.hasHistogram))
        }
    }

    /// What has been found of the slice's messages so far.
    private struct Tally {
        /// Messages since the results' beginning, whatever their windows.
        var count: Int64 = 0
        /// Rows whose last message was wrong, with its place.
        var wrong: [Int: (partition: Int, offset: Int64)] = [:]
        /// Messages from before a rewind whose rows the stream has not come to again.
        var rewound: Int64 = 0
        /// Rows that there are not and that a restatement may have withdrawn: whose last message did not say so, with its text.
        var gone: [GoneRow: String] = [:]
    }

    private struct GoneRow: Hashable {
        var window: EventTime
        var parts: [GroupNumbers.Part?]
    }

    func run(_ slice: Range<EventTime>) throws {
        if !plan.window.isWindowed, slice.lowerBound != .min { return }
        let sent = audit.checkpoint.counts.results
        let kept = try reader.offsets().map(\.lowerBound)
        let isCut = kept.contains { $0 > 0 }
        var older: Int64 = 0
        if hasOlder {
            // How many messages are older is known only where all of the newer ones are in the topic.
            guard endBefore == endAfter, outbox.isEmpty else {
                let count = try countMessages(from: kept)
                return finding.leaveOut(count, "the results were computed anew by a stream that runs or was killed")
            }
            older = try max(0, countMessages(from: kept) - sent)
            let remark = "\(older) messages of earlier results are left out"
            if older > 0 {
                finding.leaveOut(older, "they are of earlier results", remark: remark)
            } else {
                finding.note(remark)
            }
        } else if isCut {
            finding.note("the topic does not keep its first messages any more; those that are there were compared")
        }
        let differencesBefore = finding.differences
        var tally = Tally()
        try forEachBatch(from: kept) { batch in
            try messages.forEach(in: batch) { offset, message in
                guard offset >= kept[batch.partition] else { return }
                if older > 0 {
                    older -= 1
                    return
                }
                // What was committed after the look at the database is not this audit's; nor is it known of yet.
                guard offset < endBefore[batch.partition] || isCut || tally.count < sent else { return }
                tally.count += 1
                take(message, at: offset, batch, slice, &tally)
            }
        }
        for batch in outbox where tally.count < sent && !isCut {
            try messages.forEach(in: batch) { _, message in
                tally.count += 1
                take(message, at: -1, batch, slice, &tally)
            }
        }
        if tally.rewound > 0 {
            finding.leaveOut(tally.rewound, "they were sent before a rewind, and the stream has not come there again")
        }
        for (entry, place) in tally.wrong { try tellWrong(entry, place) }
        for (row, text) in tally.gone { finding.differ(row.window, text) }
        if !isCut { findUnsent() }
        if finding.differences == differencesBefore, tally.count != sent, !isCut, slice.lowerBound == .min {
            finding.differ("holds \(tally.count) messages, the query has sent \(sent)")
        }
    }

    private func forEachBatch(from starts: [Int64], _ body: (StoredBatch) throws -> Void) throws {
        for partition in starts.indices {
            var offset = starts[partition]
            while offset < endAfter[partition], let batch = try reader.read(partition: partition, from: offset) {
                guard batch.baseOffset < endAfter[partition] else { break }
                try body(batch)
                offset = TopicTrips.offset(after: batch)
            }
        }
    }

    private func countMessages(from starts: [Int64]) throws -> Int64 {
        var count: Int64 = 0
        try forEachBatch(from: starts) { count += Int64($0.count) }
        return count
    }

    private func take(
        _ message: ResultMessage?, at offset: Int64, _ batch: StoredBatch, _ slice: Range<EventTime>,
        _ tally: inout Tally
    ) {
        guard let message else {
            return finding.differ("offset \(offset): is no message of the query")
        }
        guard slice.contains(message.window) || message.window == .min else { return }
        finding.cells += Int64(message.values.count)
        let table = audit.recount.table
        guard let group = group(of: message), let entry = table.find(message.window, group),
            !table.marks[entry].contains(.absent)
        else {
            if isRewound(offset, batch.partition) {
                tally.rewound += 1
                return
            }
            if audit.isRestated(message.window) {
                let row = GoneRow(window: message.window, parts: message.parts)
                tally.gone[row] =
                    message.isWithdrawn
                    ? nil : "offset \(offset): is of a row that is not there any more, and nothing withdraws it"
                return
            }
            return finding.differ(
                message.window,
                "offset \(offset): is of a row that there should not be: \(text(at: max(offset, batch.baseOffset), in: batch))"
            )
        }
        let key = { audit.key(message.window, group) }
        if table.marks[entry].contains(.unknowable) { return }
        let isFirst = !table.marks[entry].contains(.sent)
        table.marks[entry].insert(.sent)
        let wrong = firstWrong(message, entry)
        if isRewound(offset, batch.partition), wrong != nil || (plan.emit == .append && !audit.isClosed(message.window))
        {
            tally.rewound += 1
            tally.wrong[entry] = nil
            return
        }
        if plan.emit == .append {
            let isRevised = message.revision > 1
            if !isFirst, !isRevised {
                return finding.differ(message.window, "\(key()): comes again at offset \(offset)")
            }
            if !audit.isClosed(message.window) {
                finding.differ(message.window, "\(key()): was sent before its window has closed")
            }
            // Late trips may have changed it since.
            if audit.lateMerged > 0 || audit.rewinds.count > 0 || audit.isRestated(message.window) {
                tally.wrong[entry] = wrong == nil ? nil : (batch.partition, offset)
            } else if let wrong {
                finding.differ(
                    message.window,
                    "\(key()): \(wrong.name) is \(wrong.found) in the message, should be \(wrong.expected)")
            }
        } else if wrong != nil {
            tally.wrong[entry] = (batch.partition, offset)
        } else if !isFirst {
            tally.wrong[entry] = nil
        }
    }

    /// Whether a message was sent before a rewind, and the stream has not come again as far as it was then.
    private func isRewound(_ offset: Int64, _ partition: Int) -> Bool {
        guard let ends = audit.pendingRewind?.ends, ends.indices.contains(partition) else { return false }
        return offset >= 0 && offset < ends[partition]
    }

    /// The message as its readers see it; of the first ones, since it takes unpacking a batch.
    private func text(at offset: Int64, in batch: StoredBatch) -> String {
        finding.differences > Self.shown ? "…" : (try? messages.text(at: offset, in: batch)) ?? "…"
    }

    /// Of so many messages the text is looked up.
    private static let shown: Int64 = 100

    private func group(of message: ResultMessage) -> Int64? {
        if plan.groups.isEmpty { return 0 }
        if plan.keysTable == nil {
            if case .integer(let value)?? = message.parts.first { return value }
            return nil
        }
        let parts = message.parts.compactMap { $0 }
        guard parts.count == plan.groups.count else { return nil }
        if parts.count == 1, case .text(let text) = parts[0] {
            return text.withUnsafeBufferPointer { audit.recount.numbers.find($0) }
        }
        return GroupNumbers.key(parts).withUnsafeBufferPointer { audit.recount.numbers.find($0) }
    }

    /// The first value that is not what it should be.
    private func firstWrong(_ message: ResultMessage, _ entry: Int) -> (name: String, found: String, expected: String)?
    {
        let table = audit.recount.table
        if plan.window.isWindowed {
            let end = audit.recount.end(ofWindowFrom: message.window)
            if message.windowEnd != end {
                return ("window end", audit.time(message.windowEnd), audit.time(end))
            }
            let offsets = (audit.zone.offsetSeconds(atMs: message.window), audit.zone.offsetSeconds(atMs: end))
            if let found = message.offsets, found != offsets {
                return ("the window's offset from UTC", "\(found) s", "\(offsets) s")
            }
        }
        if message.isWithdrawn { return ("withdrawn", "true", "left out") }
        for (index, field) in plan.messageFields.enumerated() {
            let aggregate = plan.aggregates[field]
            if aggregate.hasHistogram, audit.mayLack(message.window) { continue }
            let expected = ResultCells.result(
                aggregate, words: table.words + entry * table.stride + wordPlaces[field].word,
                histogram: aggregate.hasHistogram ? histograms.of(entry, wordPlaces[field].histogram) : [])
            if message.values[index] != expected {
                return (
                    aggregate.name, ResultCells.text(message.values[index], decimals: aggregate.decimals),
                    ResultCells.text(expected, decimals: aggregate.decimals)
                )
            }
        }
        return nil
    }

    private func tellWrong(_ entry: Int, _ place: (partition: Int, offset: Int64)) throws {
        let table = audit.recount.table
        let (window, group) = (table.windows[entry], table.groups[entry])
        var text = "\(audit.key(window, group)): the last message says otherwise than the row"
        if place.offset >= 0, finding.differences < Self.shown,
            let batch = try reader.read(partition: place.partition, from: place.offset)
        {
            try messages.forEach(in: batch) { offset, message in
                guard offset == place.offset, let message, let wrong = firstWrong(message, entry) else { return }
                text =
                    "\(audit.key(window, group)): \(wrong.name) is \(wrong.found) in the last message (offset \(offset)), should be \(wrong.expected)"
            }
        }
        finding.differ(window, text)
    }

    /// Rows of which there should be a message and is none.
    private func findUnsent() {
        let table = audit.recount.table
        for entry in 0..<table.count where !table.marks[entry].contains(.sent) {
            let (window, group) = (table.windows[entry], table.groups[entry])
            if !table.marks[entry].isDisjoint(with: [.absent, .unknowable])
                || (plan.emit == .append && !audit.isClosed(window))
            {
                continue
            }
            finding.differ(window, "\(audit.key(window, group)): no message is there")
        }
    }
}
