import Problems
import Topics

/// What is to become of a dead letter.
enum LetterVerdict {
    /// It goes on, into a partition of the topic of trips.
    ///
    /// - Parameter replaced: the record that it was, where that still lies in the topic.
    case send(TopicRecord, partition: Int, replaced: LetterJournal.Replaced?)
    /// It goes to the end of its own topic, under the reason `quarantined`, since it cannot be used for this.
    case quarantine(String)
    /// It stays as it is.
    case leave(LetterFate, String)
}

/// What became, or would become, of dead letters, as it is counted.
public enum LetterFate: String, Sendable, CaseIterable {
    /// Sent on by this replay.
    case sent
    /// Rejected again, and set aside for good by this replay.
    case quarantined
    /// Settled by an earlier replay.
    case settled
    /// Set aside by an earlier replay, and not asked for.
    case inQuarantine = "in_quarantine"
    /// Rejected again; it was quarantined before, or it is the user's own edition.
    case failed
    /// It can be read where it lies, and so is counted there.
    case counted
    /// A part of it is missing.
    case cut
    /// The topic that it came from is not known, gone, not the tenant's, or none of trips.
    case homeless
    /// A row whose header line is not known.
    case noColumns = "no_columns"
}

/// Decides what is to become of dead letters.
final class LetterJudge {
    private let options: DeadLetterReplayOptions
    private let store: any TopicStore
    private let letters: LetterReader
    private let ownership: TopicOwnership
    private let journal: LetterJournal
    private let topic: String
    private let partitioner: Partitioner?
    private var originals: (any TopicReader)?
    /// The batch that was looked into last, decoded: letters of one stand together.
    private var lastBatch: (batch: StoredBatch, loaded: BatchRecords?)?

    init(_ options: DeadLetterReplayOptions, _ store: any TopicStore, _ journal: LetterJournal) throws {
        (self.options, self.store, self.journal) = (options, store, journal)
        topic = "\(options.tenant)_ingestData"
        letters = LetterReader(options, store.schemas)
        ownership = store.ownership(among: try store.topicNames())
        partitioner = try store.partitionCount(of: topic).map { Partitioner(partitionCount: $0) }
    }

    func judge(_ letter: StoredLetter) throws -> LetterVerdict {
        if let outcome = journal.outcome(of: letter) { return .leave(.settled, outcome.rawValue) }
        let edition = options.editions[letter.place]
        if letter.isQuarantined, options.filter.reason != DeadLetter.quarantined, edition == nil {
            return .leave(.inQuarantine, "")
        }
        guard let origin = letter.origin else {
            return .leave(.homeless, "no header says which topic it came from")
        }
        if let words = homeless(origin.topic) { return .leave(.homeless, words) }
        if letter.isCut { return .leave(.cut, letter.cutDetail ?? "only its start is kept") }
        if letter.replayCount > 0, !letter.isQuarantined, edition == nil {
            return .quarantine("it was sent again, and rejected again: \(letter.detail ?? letter.reason)")
        }
        if origin.file != nil { return judge(row: edition ?? letter.record.value ?? [], letter, edition != nil) }
        return try judge(record: edition, letter, origin)
    }

    /// Why nothing can go to a topic, in words; nil where something can.
    private func homeless(_ name: String) -> String? {
        if name == topic { return partitioner == nil ? "there is no topic \"\(name)\" any more" : nil }
        if !ownership.isOwn(name) || !name.hasPrefix("\(options.tenant)_") {
            return "topic \"\(name)\" is not one of tenant \"\(options.tenant)\""
        }
        return "topic \"\(name)\" holds no trips: they go to \"\(topic)\" alone"
    }

    private func judge(row bytes: [UInt8], _ letter: StoredLetter, _ isEdited: Bool) -> LetterVerdict {
        switch letters.row(bytes, of: letter) {
        case .noColumns: return .leave(.noColumns, "nobody knows the header line of \"\(letter.origin?.file ?? "")\"")
        case .rejected(let detail): return rejected(letter, isEdited, detail)
        case .record(let record): return send(record, letter, to: nil)
        }
    }

    private func judge(
        record edition: [UInt8]?, _ letter: StoredLetter, _ origin: LetterOrigin
    ) throws -> LetterVerdict {
        var replaced: LetterJournal.Replaced?
        let isReadable = try letters.fault(of: letter.record.value, anyTime: true) == nil
        // One that cannot be read yet may be one day, when a corrected one has long been sent in its place.
        if isReadable || PassedOverReason(rawValue: letter.firstReason) != nil,
            let original = try original(of: letter, origin)
        {
            if let reason = try options.passedOver(original.partition, original.offset) {
                replaced = .init(
                    topic: topic, partition: original.partition, offset: original.offset, seal: original.seal,
                    reason: reason)
            } else if isReadable {
                return .leave(.counted, "stream counts it where it lies, at \(origin.place ?? "")")
            }
        }
        if let fault = try letters.fault(of: edition ?? letter.record.value) {
            return rejected(letter, edition != nil, fault)
        }
        var record = letter.record
        (record.value, record.headers, record.timestamp) = (
            edition ?? record.value, letter.ownHeaders, letter.ownTimestamp
        )
        return send(record, letter, to: origin.partition, replaced: replaced)
    }

    private func rejected(_ letter: StoredLetter, _ isEdited: Bool, _ detail: String) -> LetterVerdict {
        letter.isQuarantined || isEdited ? .leave(.failed, detail) : .quarantine(detail)
    }

    /// The record as it lies in the topic of trips; nil where it is not there, or another one is.
    private func original(
        of letter: StoredLetter, _ origin: LetterOrigin
    ) throws -> (partition: Int, offset: Int64, seal: Int64)? {
        guard let partition = origin.partition, let offset = origin.offset,
            partition < partitioner?.partitionCount ?? 0
        else { return nil }
        guard let (batch, found) = try batch(partition, offset) else { return nil }
        var loaded = found
        defer { lastBatch = (batch, loaded) }
        guard let original = try batch.record(at: offset, from: &loaded), original.value == letter.record.value,
            original.key == letter.record.key, let seal = try batch.seal(at: offset, from: &loaded)
        else { return nil }
        return (partition, offset, seal)
    }

    /// The batch of the topic of trips that holds an offset; nil where there is none.
    private func batch(_ partition: Int, _ offset: Int64) throws -> (batch: StoredBatch, loaded: BatchRecords?)? {
        func holds(_ batch: StoredBatch) -> Bool {
            batch.partition == partition && batch.baseOffset <= offset
                && offset - batch.baseOffset < Int64(batch.count)
        }
        if let lastBatch, holds(lastBatch.batch) { return lastBatch }
        let reader = try originals ?? store.makeReader(topic: topic, untilEnd: true)
        originals = reader
        guard let batch = try reader.read(partition: partition, from: offset), holds(batch) else { return nil }
        return (batch, nil)
    }

    private func send(
        _ record: TopicRecord, _ letter: StoredLetter, to partition: Int?, replaced: LetterJournal.Replaced? = nil
    ) -> LetterVerdict {
        guard let partitioner else { return .leave(.homeless, "there is no topic \"\(topic)\" any more") }
        var record = record
        let (count, place) = (letter.replayCount + 1, letter.place.text(in: "\(options.tenant)_deadLetter"))
        record.headers += [
            .init(name: DeadLetter.replayCountHeader, value: Array("\(count)".utf8)),
            .init(name: DeadLetter.replayOfHeader, value: Array(place.utf8)),
        ]
        var target = Int(letter.place.offset % Int64(partitioner.partitionCount))
        if let partition, partition < partitioner.partitionCount {
            target = partition
        } else if let key = record.key {
            target = partitioner.partition(forKey: key)
        }
        return .send(record, partition: target, replaced: replaced)
    }
}
