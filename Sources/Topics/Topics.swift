public import Trips

/// How a stored batch's payload holds its records.
public enum BatchEncoding: UInt8, Sendable {
    /// Records as they are: key, value, headers, timestamp (`RecordBatch`).
    case records = 1
    /// Trips as encoded columns (`TripColumns`); they become JSON only when somebody looks.
    case trips = 2
    /// Results of a query as encoded columns (`ResultColumns`); likewise.
    case results = 3
}

/// One record as anybody reads it from a topic.
public struct TopicRecord: Sendable, Equatable {
    public var key: [UInt8]?
    public var value: [UInt8]?
    public var headers: [Header]
    /// Event time, ms UTC.
    public var timestamp: EventTime

    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: [UInt8]
        public init(name: String, value: [UInt8]) { (self.name, self.value) = (name, value) }
    }

    public init(key: [UInt8]?, value: [UInt8]?, headers: [Header] = [], timestamp: EventTime) {
        (self.key, self.value, self.headers, self.timestamp) = (key, value, headers, timestamp)
    }
}

/// Records on their way into one partition.
public struct PendingBatch: Sendable {
    public var topic: String
    public var partition: Int
    public var count: Int
    /// Least and greatest event time of the records, ms UTC.
    public var times: ClosedRange<EventTime>
    public var encoding: BatchEncoding
    public var payload: [UInt8]

    public init(
        topic: String, partition: Int, count: Int, times: ClosedRange<EventTime>, encoding: BatchEncoding,
        payload: [UInt8]
    ) {
        (self.topic, self.partition, self.count, self.times) = (topic, partition, count, times)
        (self.encoding, self.payload) = (encoding, payload)
    }
}

/// A batch as a partition keeps it: offsets `baseOffset ..< baseOffset + count`.
public struct StoredBatch: Sendable {
    public var partition: Int
    public var baseOffset: Int64
    public var count: Int
    public var times: ClosedRange<EventTime>
    public var encoding: BatchEncoding
    public var payload: [UInt8]

    public init(
        partition: Int, baseOffset: Int64, count: Int, times: ClosedRange<EventTime>, encoding: BatchEncoding,
        payload: [UInt8]
    ) {
        (self.partition, self.baseOffset, self.count) = (partition, baseOffset, count)
        (self.times, self.encoding, self.payload) = (times, encoding, payload)
    }
}

/// Who appends, and how far it is: what makes an append idempotent, and a replay resumable.
///
/// An append whose `(epoch, sequence)` is not above the last one stored for `producer` changes nothing; one with a lower
/// epoch is refused, since a newer process of the same name has taken over.
public struct ProducerMark: Sendable, Equatable {
    public var producer: String
    public var epoch: Int64
    public var sequence: Int64
    /// The producer's own account of where it is; stored with the records, in the same transaction.
    public var position: [UInt8]

    public init(producer: String, epoch: Int64, sequence: Int64, position: [UInt8] = []) {
        (self.producer, self.epoch, self.sequence, self.position) = (producer, epoch, sequence, position)
    }
}

public struct TopicDescription: Sendable {
    public struct Partition: Sendable {
        public var id: Int
        /// Offset of the oldest record kept.
        public var startOffset: Int64
        /// Offset that the next record will get.
        public var endOffset: Int64
        public var bytes: Int64
        /// Least and greatest event time kept; nil for an empty partition.
        public var times: ClosedRange<EventTime>?
        /// Processing time of the newest append that is kept, ms UTC; nil where there is none or nobody knows.
        public var lastAppend: EventTime?
        public init(
            id: Int, startOffset: Int64, endOffset: Int64, bytes: Int64, times: ClosedRange<EventTime>?,
            lastAppend: EventTime? = nil
        ) {
            (self.id, self.startOffset, self.endOffset) = (id, startOffset, endOffset)
            (self.bytes, self.times, self.lastAppend) = (bytes, times, lastAppend)
        }
        public var recordCount: Int64 { endOffset - startOffset }
    }
    public var name: String
    public var partitions: [Partition]
    /// How long records are kept, by event time; nil for ever.
    public var retentionMs: Int64?
    public init(name: String, partitions: [Partition], retentionMs: Int64?) {
        (self.name, self.partitions, self.retentionMs) = (name, partitions, retentionMs)
    }
    public var recordCount: Int64 { partitions.reduce(0) { $0 + $1.recordCount } }
    public var bytes: Int64 { partitions.reduce(0) { $0 + $1.bytes } }
    /// Least and greatest event time kept; nil for an empty topic.
    public var times: ClosedRange<EventTime>? {
        let kept = partitions.compactMap(\.times)
        guard let first = kept.map(\.lowerBound).min(), let last = kept.map(\.upperBound).max() else { return nil }
        return first...last
    }
    public var lastAppend: EventTime? { partitions.compactMap(\.lastAppend).max() }
}

/// Where topics live: SQLite in the tenant's home, or Kafka. All calls block; every failure is a `Problem` or `SQLiteError`.
public protocol TopicStore: AnyObject, Sendable {
    /// Creates a topic; one of that name with as many partitions is left as it is, with another number it is an error.
    func createTopic(_ name: String, partitions: Int, retentionMs: Int64?) throws
    func deleteTopic(_ name: String) throws
    /// All topics, by name.
    func topics() throws -> [TopicDescription]
    /// Throws `Problem(.noInput)` with the nearest name where there is no such topic.
    func describe(_ topic: String) throws -> TopicDescription
    func makeWriter() throws -> any TopicWriter
    func makeReader(topic: String) throws -> any TopicReader
}

/// Appends to topics; used by one thread at a time.
public protocol TopicWriter: AnyObject {
    /// Takes over the name of a producer: gives the epoch to use from now on and the last mark stored under it.
    func takeOver(producer: String) throws -> (epoch: Int64, last: ProducerMark?)
    /// Appends all batches, to whichever topics and partitions, and the mark, in one transaction that is on the disk at return.
    ///
    /// - Returns: false where the mark says that this append was made before.
    @discardableResult
    func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool
}

/// Reads one topic; used by one thread at a time.
public protocol TopicReader: AnyObject {
    var topic: String { get }
    /// Tells a topic from another one of the same name, made after it was deleted; nil where the backend cannot tell.
    var identity: String? { get }
    var partitionCount: Int { get }
    /// The stored batch that holds `offset`, or the first one after it; nil at the partition's end.
    /// Its first records may lie before `offset`: the caller skips them.
    func read(partition: Int, from offset: Int64) throws -> StoredBatch?
    /// For each partition the oldest offset kept and the offset its next record will get.
    func offsets() throws -> [Range<Int64>]
    /// The first offset of each partition whose record has an event time at or after `time` (its batch's greatest time decides).
    func offsets(from time: EventTime) throws -> [Int64]
    /// Waits until something may have been appended since the last read, at most `timeoutMs`.
    func wait(timeoutMs: Int) throws
}
