import Trips

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
    }

    /// How many records each reason has, the commonest first.
    public var reasons: [(reason: String, count: Int64)] = []
    /// How many of them their topic would not take whole.
    public var cutCount: Int64 = 0
    /// The last of them, in the order of partition and offset.
    public var entries: [Entry] = []

    /// That there are none.
    public init() {}

    /// Reads a dead-letter topic to the end.
    ///
    /// - Parameters:
    ///   - reason: keeps entries of this reason only; all are counted.
    ///   - limit: how many entries are kept, the last ones.
    /// - Complexity: O(records) time, O(limit) memory beside a batch.
    public init(_ reader: any TopicReader, reason wanted: String? = nil, limit: Int = .max) throws {
        var counts: [String: Int64] = [:]
        let records = BatchRecords(schemas: reader.schemas)
        for (partition, kept) in try reader.offsets().enumerated() {
            var offset = kept.lowerBound
            while offset < kept.upperBound, let batch = try reader.read(partition: partition, from: offset) {
                try records.load(batch, from: offset)
                for index in 0..<records.count {
                    let headers = Self.headers(records, index)
                    let reason = headers["reason"] ?? "unknown"
                    counts[reason, default: 0] += 1
                    if headers[DeadLetter.cutHeader] != nil { cutCount += 1 }
                    guard wanted == nil || wanted == reason else { continue }
                    entries.append(
                        Entry(
                            partition: partition, offset: records.firstOffset + Int64(index), reason: reason,
                            source: headers["source"], detail: headers["detail"],
                            bytes: records.withValue(index) { $0.map { Array($0) } ?? [] }))
                    // Cut now and then, so that it costs nothing.
                    if entries.count / 2 > limit { entries.removeFirst(entries.count - limit) }
                }
                offset = batch.baseOffset + Int64(batch.count)
            }
        }
        entries.removeFirst(max(0, entries.count - limit))
        reasons = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    private static func headers(_ records: BatchRecords, _ index: Int) -> [String: String] {
        var headers: [String: String] = [:]
        for header in records.headers(index) { headers[header.name] = String(decoding: header.value, as: UTF8.self) }
        return headers
    }
}
