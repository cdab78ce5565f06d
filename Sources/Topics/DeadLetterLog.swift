public import SchemaRegistry
import Time

/// What lies in a dead-letter topic: the records that could not be used, and why.
public struct DeadLetterLog: Sendable {
    public struct Entry: Sendable, Equatable {
        public var partition: Int
        public var offset: Int64
        /// A `RejectReason`'s name; `unknown` for a record of somebody else's that has no such header.
        public var reason: String
        /// `file:line`, or `topic/partition/offset`.
        public var source: String?
        public var detail: String?
        /// The record as it came; of Avro whose schema is known, the JSON of what it says.
        public var bytes: [UInt8]
        /// Of a row of a file, where in its line the fault begins, from 1.
        public var column: Int?
        /// Where in the bytes the fault is, as far as its detail tells.
        public var fault: Range<Int>?
    }

    /// By what letters are counted.
    public enum Grouping: String, Sendable, CaseIterable {
        case reason, topic, file, hour, day
    }

    /// How many records each reason has, the commonest first; of those that were chosen by their place.
    public var reasons: [(reason: String, count: Int64)] = []
    /// How many each group has that was asked for: times in their order, others the commonest first.
    public var groups: [(name: String, count: Int64)] = []
    /// How many of them their topic would not take whole.
    public var cutCount: Int64 = 0
    /// The last of them, in the order of partition and offset.
    public var entries: [Entry] = []

    /// That there are none.
    public init() {}

    /// Reads a dead-letter topic to the end.
    ///
    /// - Parameters:
    ///   - filter: keeps entries and counts groups of these only; reasons are counted whatever reason it names.
    ///   - grouping: what `groups` counts.
    ///   - limit: how many entries are kept, the last ones.
    /// - Complexity: O(records) time, O(limit) memory beside a batch.
    public init(
        _ reader: any TopicReader, filter: DeadLetterFilter = .all, by grouping: Grouping? = nil, limit: Int = .max
    ) throws {
        var counts: [String: Int64] = [:]
        var groups: [String: Int64] = [:]
        try Self.forEach(in: reader, schemas: reader.schemas) { letter in
            guard filter.matches(letter, anyReason: true) else { return true }
            counts[letter.reason, default: 0] += 1
            if letter.isCut { cutCount += 1 }
            guard filter.matches(letter) else { return true }
            if let grouping { groups[grouping.name(of: letter), default: 0] += 1 }
            entries.append(
                Entry(
                    partition: letter.place.partition, offset: letter.place.offset, reason: letter.reason,
                    source: letter.source, detail: letter.detail, bytes: letter.record.value ?? [],
                    column: letter.column, fault: letter.fault))
            // Cut now and then, so that it costs nothing.
            if entries.count / 2 > limit { entries.removeFirst(entries.count - limit) }
            return true
        }
        entries.removeFirst(max(0, entries.count - limit))
        reasons = Self.commonestFirst(counts).map { ($0.name, $0.count) }
        let isTime = grouping == .hour || grouping == .day
        self.groups =
            isTime ? groups.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } : Self.commonestFirst(groups)
    }

    private static func commonestFirst(_ counts: [String: Int64]) -> [(name: String, count: Int64)] {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    /// Shows the letters that lie in a topic now, in the order of partition and offset.
    ///
    /// - Parameters:
    ///   - ranges: of each partition; nil for all that is there.
    ///   - schemas: gives records of Avro as the JSON of what they say; nil leaves them as they came.
    ///   - body: gives false where it has seen enough.
    public static func forEach(
        in reader: any TopicReader, ranges: [Range<Int64>]? = nil, schemas: SchemaCache? = nil,
        _ body: (StoredLetter) throws -> Bool
    ) throws {
        let records = BatchRecords(schemas: schemas)
        for (partition, kept) in try (ranges ?? reader.offsets()).enumerated() {
            var goesOn = true
            try reader.forEachBatch(of: partition, in: kept) { batch in
                try records.load(batch, from: kept.lowerBound)
                for index in 0..<records.count where goesOn {
                    let offset = records.firstOffset + Int64(index)
                    guard offset < kept.upperBound else { return false }
                    let place = LetterPlace(partition: partition, offset: offset)
                    goesOn = try body(StoredLetter(place: place, record: records.record(index)))
                }
                return goesOn
            }
            guard goesOn else { return }
        }
    }
}

extension DeadLetterLog.Grouping {
    func name(of letter: StoredLetter) -> String {
        switch self {
        case .reason: letter.reason
        case .topic: letter.origin?.topic ?? "unknown"
        case .file: letter.origin.map { $0.file ?? "" }.flatMap { $0.isEmpty ? nil : $0 } ?? "(no file)"
        case .hour: "\(RFC3339.string(letter.record.timestamp).prefix(13)):00Z"
        case .day: "\(RFC3339.string(letter.record.timestamp).prefix(10))"
        }
    }
}
