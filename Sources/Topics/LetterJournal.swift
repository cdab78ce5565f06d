import Foundation
import Problems
public import Time

/// Which dead letters have been settled by replays: the records of the topic `{tenant}_deadLetterReplay`.
///
/// A replay appends them in the transaction that sends the letters on, so that a letter is sent if and only if it stands here. A record is a JSON
/// object (`Entry`), one for each outcome and partition of an append:
///
///     {"partition":0,"outcome":"sent","offsets":[17,18],"seals":[-45…,99…],
///      "replaced":[{"topic":"chicago_ingestData","partition":0,"offset":5,"seal":12…,"reason":"unknown_schema"}]}
///
/// A letter is known by its offset and its seal together: a topic that was made anew has others at the same offsets. Each entry is whole by
/// itself, so that filters may leave out what they like.
public struct LetterJournal: Sendable {
    public enum Outcome: String, Sendable, Codable, CaseIterable { case sent, quarantined }

    struct Entry: Codable {
        var partition: Int
        var outcome: Outcome
        var offsets: [Int64]
        var seals: [Int64]
        /// Records of the topic of trips in place of which others were sent, where they still lay there; nil for none.
        var replaced: [Replaced]?
    }

    /// A record that lies in a topic, and counts no more, since it was sent again.
    public struct Replaced: Sendable, Codable {
        public var topic: String
        public var partition: Int
        public var offset: Int64
        /// By which it is known again.
        public var seal: Int64
        /// Why streams had passed it over; nil in what earlier versions wrote, of records that were too far ahead.
        public var reason: PassedOverReason?
        public init(topic: String, partition: Int, offset: Int64, seal: Int64, reason: PassedOverReason) {
            (self.topic, self.partition, self.offset, self.seal) = (topic, partition, offset, seal)
            self.reason = reason
        }
    }

    /// What is known of a record that counts no more, by its place.
    public struct Original: Sendable, Equatable {
        public var seal: Int64
        public var reason: PassedOverReason
        public init(seal: Int64, reason: PassedOverReason) { (self.seal, self.reason) = (seal, reason) }
    }

    /// One letter that an append settles.
    public struct Settled: Sendable {
        public var letter: StoredLetter
        public var outcome: Outcome
        public var replaced: Replaced?
        public init(_ letter: StoredLetter, _ outcome: Outcome, replaced: Replaced? = nil) {
            (self.letter, self.outcome, self.replaced) = (letter, outcome, replaced)
        }
    }

    private struct Known {
        var seal: Int64
        var outcome: Outcome
    }
    private var known: [LetterPlace: Known] = [:]
    private var replaced: [Replaced] = []

    public init() {}

    public static func topic(of tenant: String) -> String { "\(tenant)_deadLetterReplay" }

    /// - Throws: `Problem(.badData)` for a record that no replay has written.
    public init(_ reader: any TopicReader) throws {
        let records = BatchRecords()
        for (partition, kept) in try reader.offsets().enumerated() {
            try reader.forEachBatch(of: partition, in: kept) { batch in
                try records.load(batch)
                for index in 0..<records.count {
                    let value = records.withValue(index) { $0.map { Array($0) } ?? [] }
                    try add(value, at: "\(reader.topic)/\(partition)/\(records.firstOffset + Int64(index))")
                }
                return true
            }
        }
    }

    private mutating func add(_ value: [UInt8], at place: String) throws {
        guard let entry = try? JSONDecoder().decode(Entry.self, from: Data(value)),
            (0..<10_000).contains(entry.partition), entry.offsets.allSatisfy({ $0 >= 0 }),
            entry.offsets.count == entry.seals.count,
            (entry.replaced ?? []).allSatisfy({ $0.offset >= 0 && (0..<10_000).contains($0.partition) })
        else {
            throw Problem(
                .badData, "record \(place) is none that taxi-cli dead-letter replay has written",
                hint: "Only it may write to this topic: it says which dead letters were sent again.")
        }
        for (index, offset) in entry.offsets.enumerated() {
            known[LetterPlace(partition: entry.partition, offset: offset)] = Known(
                seal: entry.seals[index], outcome: entry.outcome)
        }
        replaced += entry.replaced ?? []
    }

    public var count: Int { known.count }

    /// What became of a letter; nil for one that is still to be settled.
    public func outcome(of letter: StoredLetter) -> Outcome? {
        guard let found = known[letter.place], found.seal == letter.seal else { return nil }
        return found.outcome
    }

    /// The records of a topic that were sent again as others, which count in place of them, by partition and offset.
    public func replaced(in topic: String) -> [Int: [Int64: Original]] {
        var found: [Int: [Int64: Original]] = [:]
        for record in replaced where record.topic == topic {
            found[record.partition, default: [:]][record.offset] = Original(
                seal: record.seal, reason: record.reason ?? .ahead)
        }
        return found
    }

    /// The records that settle some letters.
    public static func records(of settled: [Settled], atMs ms: EventTime) -> [TopicRecord] {
        var entries: [Entry] = []
        for settled in settled {
            let (place, outcome) = (settled.letter.place, settled.outcome)
            let index =
                entries.firstIndex { $0.partition == place.partition && $0.outcome == outcome } ?? entries.count
            if index == entries.count {
                entries.append(Entry(partition: place.partition, outcome: outcome, offsets: [], seals: []))
            }
            entries[index].offsets.append(place.offset)
            entries[index].seals.append(settled.letter.seal)
            if let replaced = settled.replaced {
                entries[index].replaced = (entries[index].replaced ?? []) + [replaced]
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return entries.map { entry in
            // Numbers and texts only: that cannot fail.
            let value = (try? encoder.encode(entry)).map { [UInt8]($0) }
            return TopicRecord(key: nil, value: value, timestamp: ms)
        }
    }
}
