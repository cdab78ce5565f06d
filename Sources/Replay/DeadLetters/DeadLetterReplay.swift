import Problems
import Telemetry
public import Topics
import Time

/// Sends dead letters again: those that can be read now, each once, however often it runs, is killed, or runs beside itself.
///
/// An append is one transaction: the records that go on, the letters that go into quarantine, and the entries of the journal that say so
/// (`LetterJournal`). Whoever begins takes the name of the producer over before it reads the journal, so that nobody else can append behind its back.
public final class DeadLetterReplay {
    public static let producer = "deadLetterReplay"

    private let options: DeadLetterReplayOptions
    private let store: any TopicStore
    private let letterTopic: String
    private let journalTopic: String
    private let ingestTopic: String
    /// Told now and then how far it is.
    public var onProgress: (DeadLetterReplaySummary, LetterPlace) -> Void = { _, _ in }
    /// Told once, before the first letter, how many were settled before.
    public var onResume: (_ settled: Int) -> Void = { _ in }

    private var summary = DeadLetterReplaySummary()
    private var pending = Pending()
    private var writer: (any TopicWriter)?
    private var epoch: Int64 = 0
    private var sequence: Int64 = 0
    private var reached: [Int64] = []
    private var startNs: Int64 = 0
    private var released = 0

    /// Letters of one append, and bytes.
    static let lettersPerAppend = 500
    static let bytesPerAppend = 1 << 20

    /// What the next append stores.
    private struct Pending {
        var sent: [Int: [TopicRecord]] = [:]
        var quarantined: [Int: [TopicRecord]] = [:]
        var settled: [LetterJournal.Settled] = []
        var details: [String] = []
        var bytes = 0
    }

    public init(options: DeadLetterReplayOptions, store: any TopicStore) {
        (self.options, self.store) = (options, store)
        letterTopic = "\(options.tenant)_deadLetter"
        ingestTopic = "\(options.tenant)_ingestData"
        journalTopic = LetterJournal.topic(of: options.tenant)
    }

    /// - Parameter shouldStop: asked between two letters; what was not sent by then is not.
    /// - Throws: `Problem`: `.unavailable` where a newer replay has taken over, `.badData` for a journal that no replay has written, and what
    ///   the store throws.
    public func run(_ shouldStop: () -> Bool) throws -> DeadLetterReplaySummary {
        guard try store.hasTopic(letterTopic) else { return summary }
        startNs = options.clock.monotonicNs
        if !options.isDryRun {
            try store.requireTopic(journalTopic)
            let writer = try store.makeWriter()
            epoch = try writer.takeOver(producer: Self.producer).epoch
            self.writer = writer
        }
        let reader = try store.makeReader(topic: letterTopic, untilEnd: true)
        let journal = try journal()
        if journal.count > 0 { onResume(journal.count) }
        // What is appended from here on is not looked at: quarantined letters lie in the same topic.
        let ranges = try reader.offsets()
        try requireThere(ranges)
        reached = ranges.map(\.lowerBound)
        let judge = try LetterJudge(options, store, journal)
        try DeadLetterLog.forEach(in: reader, ranges: ranges) { letter in
            guard !shouldStop() else {
                summary.wasStopped = true
                return false
            }
            reached[letter.place.partition] = letter.place.offset + 1
            guard options.editions.isEmpty || options.editions[letter.place] != nil, options.filter.matches(letter)
            else { return true }
            try take(letter, judge.judge(letter))
            return try appendIfDue(shouldStop)
        }
        if !summary.wasStopped { _ = try append(shouldStop) }
        summary.seconds = Double(options.clock.monotonicNs - startNs) / 1e9
        return summary
    }

    private func journal() throws -> LetterJournal {
        guard try store.hasTopic(journalTopic) else { return LetterJournal() }
        let reader = try store.makeReader(topic: journalTopic, untilEnd: true)
        let missing = try reader.awaitAppends()
        guard missing == 0 else {
            throw Problem(
                .unavailable, "topic \"\(journalTopic)\" has a transaction that does not end",
                hint: "Another replay may be under way; the broker gives a dead one up after two minutes.")
        }
        return try LetterJournal(reader)
    }

    /// - Throws: `.noInput` for an edition of a letter that there is not.
    private func requireThere(_ ranges: [Range<Int64>]) throws {
        for place in options.editions.keys.sorted()
        where place.partition >= ranges.count || !ranges[place.partition].contains(place.offset) {
            throw Problem(
                .noInput, "there is no dead letter at \(place)",
                hint: "taxi-cli dead-letter show --places writes them with their places.")
        }
    }
}

// MARK: - Appending

extension DeadLetterReplay {
    private func take(_ letter: StoredLetter, _ verdict: LetterVerdict) throws {
        switch verdict {
        case .leave(let fate, let detail): return summary.note(fate, letter, detail)
        case .send(let record, let partition, let replaced):
            if !options.isDryRun {
                pending.sent[partition, default: []].append(record)
                pending.bytes += record.value?.count ?? 0
            }
            settle(letter, .sent, "", replaced)
        case .quarantine(let detail):
            if !options.isDryRun {
                let record = DeadLetter.quarantined(letter, since: detail)
                pending.quarantined[letter.place.partition, default: []].append(record)
                pending.bytes += record.value?.count ?? 0
            }
            settle(letter, .quarantined, detail)
        }
    }

    private func settle(
        _ letter: StoredLetter, _ outcome: LetterJournal.Outcome, _ detail: String,
        _ replaced: LetterJournal.Replaced? = nil
    ) {
        if options.isDryRun { return summary.note(outcome == .sent ? .sent : .quarantined, letter, detail) }
        pending.settled.append(.init(letter, outcome, replaced: replaced))
        pending.details.append(detail)
    }

    /// - Returns: whether to go on.
    private func appendIfDue(_ shouldStop: () -> Bool) throws -> Bool {
        // With a rate, what comes due within a twentieth of a second is one append.
        let most = options.rate.map { max(1, min(Self.lettersPerAppend, Int($0 / 20))) } ?? Self.lettersPerAppend
        guard pending.settled.count >= most || pending.bytes >= Self.bytesPerAppend else { return true }
        return try append(shouldStop)
    }

    private func append(_ shouldStop: () -> Bool) throws -> Bool {
        guard let writer, !pending.settled.isEmpty else { return true }
        guard waitUntilDue(shouldStop) else {
            summary.wasStopped = true
            return false
        }
        var batches = pending.sent.sorted { $0.key < $1.key }.compactMap {
            PendingBatch(topic: ingestTopic, partition: $0.key, records: $0.value)
        }
        batches += pending.quarantined.sorted { $0.key < $1.key }.compactMap {
            PendingBatch(topic: letterTopic, partition: $0.key, records: $0.value)
        }
        let entries = LetterJournal.records(of: pending.settled, atMs: options.clock.nowMs)
        batches += [PendingBatch(topic: journalTopic, partition: 0, records: entries)].compactMap { $0 }
        let mark = ProducerMark(
            producer: Self.producer, epoch: epoch, sequence: sequence,
            progress: .init(topic: letterTopic, offsets: reached))
        sequence += 1
        guard try writer.append(batches, mark: mark) else {
            // Epoch and sequence are ours alone and only grow.
            throw Problem(.software, "the topics took a commit of producer \"\(Self.producer)\" for a repetition")
        }
        for (settled, detail) in zip(pending.settled, pending.details) {
            summary.note(settled.outcome == .sent ? .sent : .quarantined, settled.letter, detail)
        }
        released += pending.settled.count
        let place = pending.settled[pending.settled.count - 1].letter.place
        pending = Pending()
        onProgress(summary, place)
        return true
    }

    /// - Returns: false where somebody wanted it to end meanwhile.
    private func waitUntilDue(_ shouldStop: () -> Bool) -> Bool {
        guard let rate = options.rate else { return true }
        let waitNs = Double(released) / rate * 1e9
        guard waitNs < 9e18 else { return false }
        let due = startNs + Int64(waitNs)
        while options.clock.monotonicNs < due {
            if shouldStop() { return false }
            options.clock.sleep(untilNs: due)
        }
        return true
    }
}
