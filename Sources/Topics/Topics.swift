import Problems
public import SchemaRegistry
public import Time

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
        /// nil is what clients call a null header: a name without a value, which an empty one is not.
        public var value: [UInt8]?
        /// The value as text, which is nothing where there is none.
        public var text: String { String(decoding: value ?? [], as: UTF8.self) }

        public init(name: String, value: [UInt8]?) { (self.name, self.value) = (name, value) }
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
    /// Empty where there are `records`.
    public var payload: [UInt8]
    /// Instead of the payload of a batch of records, for a store that keeps no columns.
    public var records: TripRecords?

    public init(
        topic: String, partition: Int, count: Int, times: ClosedRange<EventTime>, encoding: BatchEncoding,
        payload: [UInt8], records: TripRecords? = nil
    ) {
        (self.topic, self.partition, self.count, self.times) = (topic, partition, count, times)
        (self.encoding, self.payload, self.records) = (encoding, payload, records)
    }

    public var byteCount: Int { records?.byteCount ?? payload.count }
}

/// A batch as a partition keeps it: offsets `baseOffset ..< baseOffset + count`.
public struct StoredBatch: Sendable {
    public var partition: Int
    public var baseOffset: Int64
    public var count: Int
    public var times: ClosedRange<EventTime>
    public var encoding: BatchEncoding
    /// Empty where there are `values`.
    public var payload: [UInt8]
    /// Instead of the payload of a batch of records, from a reader that was asked for values only.
    public var values: RecordValues?
    /// When it was appended, ms UTC; nil where the store does not tell.
    public var appendedMs: EventTime?
    /// Where it is stored, for a message about damage: its topic, and the database that has it.
    package var place: String?
    /// Tells it from every other batch that ever had its offsets; nil where the store knows of no such thing.
    package var seal: Int64?

    public init(
        partition: Int, baseOffset: Int64, count: Int, times: ClosedRange<EventTime>, encoding: BatchEncoding,
        payload: [UInt8], values: RecordValues? = nil
    ) {
        (self.partition, self.baseOffset, self.count) = (partition, baseOffset, count)
        (self.times, self.encoding, self.payload, self.values) = (times, encoding, payload, values)
    }

    public var byteCount: Int { values?.byteCount ?? payload.count }

    /// A batch as a reader would get it, were it the first of its partition.
    package init(_ batch: PendingBatch) {
        self.init(
            partition: batch.partition, baseOffset: 0, count: batch.count, times: batch.times, encoding: batch.encoding,
            payload: batch.payload)
    }
}

/// Thrown where somebody wanted the process to end while it waited for a broker that is away.
public struct BrokerAway: Error, CustomStringConvertible {
    public var servers: String
    public var reason: String
    /// Records that were appended without a mark and not acknowledged: some of them may be stored.
    public var records: Int

    public init(servers: String, reason: String, records: Int) {
        (self.servers, self.reason, self.records) = (servers, reason, records)
    }

    public var description: String { "no broker of \"\(servers)\" takes records: \(reason)" }
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
    /// How far it has come in a topic, for those who watch its consumer group; only Kafka has such groups, and needs it to keep
    /// the mark.
    public var progress: Progress?

    /// The next offset to read in each partition of a topic.
    public struct Progress: Sendable, Equatable {
        public var topic: String
        public var offsets: [Int64]
        public init(topic: String, offsets: [Int64]) { (self.topic, self.offsets) = (topic, offsets) }
    }

    public init(
        producer: String, epoch: Int64, sequence: Int64, position: [UInt8] = [], progress: Progress? = nil
    ) {
        (self.producer, self.epoch, self.sequence, self.position) = (producer, epoch, sequence, position)
        self.progress = progress
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
    /// Whether each offset is a record's; else ends of transactions and what was aborted take some, and counts are greatest ones.
    public var isCountExact = true
    /// Whether the store tells how long records are kept.
    public var isRetentionKnown = true
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

/// Where the records that a producer has appended to a partition of a topic end, and by what the last of them is known again.
public struct AppendedEnd: Sendable, Equatable {
    public var topic: String
    public var anchor: TopicAnchor
    public init(topic: String, anchor: TopicAnchor) { (self.topic, self.anchor) = (topic, anchor) }
}

/// What a reader can rely on when an appender dies.
public enum Delivery: String, Sendable, CaseIterable {
    /// Each record once, and with the mark that was appended with it.
    case exactlyOnce = "exactly-once"
    /// Cheaper on Kafka, where it does without transactions: what was on its way when a process died may come twice.
    case atLeastOnce = "at-least-once"
}

/// Where topics live: SQLite in the tenant's home, or Kafka. All calls block; every failure is a `Problem` or `SQLiteError`.
public protocol TopicStore: AnyObject, Sendable {
    /// Whether trips and results are kept as columns, and records as payloads; else they are written as the records that everybody reads.
    var keepsColumns: Bool { get }
    /// Whether a mark costs nothing beside the append that carries it, and stays for as long as the records do; else it makes a transaction of
    /// the append, and may be forgotten.
    var keepsMarksForFree: Bool { get }
    /// Names where the topics are: those of another store are others, whatever their names.
    var identity: String { get }
    /// Where the schemas are that records of Avro name; nil where nobody knows.
    var schemas: SchemaCache? { get }
    /// Creates a topic; one of that name with as many partitions is left as it is, with another number it is an error.
    ///
    /// - Parameters:
    ///   - replication: how many brokers keep each record; nil for what the store does by itself.
    ///   - retentionMs: nil keeps records for ever.
    func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws
    func deleteTopic(_ name: String) throws
    /// The tenant's topics, by name.
    func topics() throws -> [TopicDescription]
    /// The names of all topics that a reader can be made for.
    func topicNames() throws -> [String]
    /// Which of these are the tenant's.
    func ownership(among names: [String]) -> TopicOwnership
    /// How many partitions a topic has; nil where there is none of that name.
    func partitionCount(of topic: String) throws -> Int?
    /// Throws `Problem` with the nearest name where there is no such topic: `.noInput`, on Kafka `.unavailable`.
    func describe(_ topic: String) throws -> TopicDescription
    /// Sees that what is stored goes where somebody will find it; cheap enough to ask ten times a second.
    ///
    /// - Throws: `.inputOutput` where the store was removed meanwhile.
    func requireThere() throws
    /// The last mark of each producer whose name begins so, as far as the store has them.
    ///
    /// - Parameter known: producers that may be there. A store that others use as well may not show who else is.
    func marks(ofProducers prefix: String, known: Set<String>) throws -> [ProducerMark]
    func makeWriter() throws -> any TopicWriter
    func makeReader(topic: String) throws -> any TopicReader
    /// - Parameter untilEnd: whether nobody waits for records that are still to come.
    func makeReader(topic: String, untilEnd: Bool) throws -> any TopicReader
}

extension TopicStore {
    public var schemas: SchemaCache? { nil }

    /// All of them, where nobody else has topics in the store.
    public func ownership(among names: [String]) -> TopicOwnership { TopicOwnership(tenant: "", others: [], among: []) }

    public func createTopic(_ name: String, partitions: Int, retentionMs: Int64? = nil) throws {
        try createTopic(name, partitions: partitions, replication: nil, retentionMs: retentionMs)
    }

    public func makeReader(topic: String, untilEnd: Bool) throws -> any TopicReader { try makeReader(topic: topic) }

    public func hasTopic(_ name: String) throws -> Bool { try partitionCount(of: name) != nil }

    /// Makes sure that `requireTopic` can be called for topics of the tenant, as far as looking tells: that they are not another tenant's,
    /// that those which may not be made are there, and that they may be seen.
    public func checkTopics(_ names: [String], creating: Bool, tenant: String) throws {
        let ownership = ownership(among: try topicNames())
        for name in names {
            try TopicName.requireOwn(name, ownership, tenant: tenant)
            if creating { _ = try partitionCount(of: name) } else { try requireTopic(name, creating: false) }
        }
    }

    public func requireThere() {}

    /// Makes sure that a topic that a run needs is there.
    ///
    /// - Parameters:
    ///   - partitions: of a topic that does not exist; an existing one keeps its own.
    ///   - creating: whether it may be made.
    /// - Returns: how many partitions it has.
    /// - Throws: `.unavailable` where it is not there and may not be made.
    @discardableResult
    public func requireTopic(_ name: String, partitions: Int = 1, creating: Bool = true) throws -> Int {
        if let found = try partitionCount(of: name) { return found }
        guard creating else {
            throw Problem(
                .unavailable, "there is no topic \"\(name)\", and --no-create is given",
                hint: "Leave --no-create out, or make it: taxi-cli topic create \(name).")
        }
        try createTopic(name, partitions: partitions, replication: nil, retentionMs: nil)
        return partitions
    }
}

/// Appends to topics; used by one thread at a time.
public protocol TopicWriter: AnyObject {
    /// The last mark stored under a producer's name, which whoever has the name keeps; nil where there is none.
    func lastMark(of producer: String) throws -> ProducerMark?
    /// Takes over the name of a producer: gives the epoch to use from now on and the last mark stored under it.
    func takeOver(producer: String) throws -> (epoch: Int64, last: ProducerMark?)
    /// Appends all batches, to whichever topics and partitions, and the mark, in one transaction that is on the disk at return.
    ///
    /// - Returns: false where the mark says that this append was made before.
    @discardableResult
    func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool
    /// Where what the last append with a mark has stored ends; empty where the store's marks say enough.
    var appendedEnds: [AppendedEnd] { get }
    /// Appends without a mark, and without waiting where a backend can do so: the batches are on the disk when `flush` has returned.
    ///
    /// - Parameter promptly: whether readers get the records at once; else a backend may keep them for a fifth of a second, for fuller
    ///   requests.
    /// - Throws: also what an earlier call could not append.
    func submit(_ batches: [PendingBatch], promptly: Bool) throws
    func flush() throws
}

extension TopicWriter {
    public var appendedEnds: [AppendedEnd] { [] }
    public func submit(_ batches: [PendingBatch], promptly: Bool) throws { try append(batches, mark: nil) }
    public func flush() {}
}

/// Reads one topic; used by one thread at a time.
public protocol TopicReader: AnyObject {
    var topic: String { get }
    /// Of the store.
    var schemas: SchemaCache? { get }
    /// Tells a topic from another one of the same name, made after it was deleted; nil where the backend cannot tell.
    var identity: String? { get }
    /// Grows where partitions are added, in `requireSame` alone.
    var partitionCount: Int { get }
    /// The stored batch that holds `offset`, or the first one after it; nil at the partition's end.
    /// Its first records may lie before `offset`: the caller skips them.
    func read(partition: Int, from offset: Int64) throws -> StoredBatch?
    /// From now on the caller looks at the values of records only, not at their keys and headers: a reader that would copy records may
    /// lend them instead, as `StoredBatch.values`.
    func readValuesOnly()
    /// The caller reads no further in a partition: what a reader fetches ahead may be left.
    func stop(partition: Int)
    /// From now on it is seen within some seconds, without a `read`, that the topic is deleted, made anew or given more partitions.
    ///
    /// - Parameter anchor: by which an earlier reader has known the topic.
    func keepWatch(from anchor: TopicAnchor?)
    /// Sees that the topic is the one that was read so far, as far as is known by now; cheap enough to ask at every turn.
    ///
    /// - Throws: `.noInput` where it was deleted, `.badData` where it was made anew.
    func requireSame() throws
    /// By which the topic can be known again; nil where it has an identity, or nobody keeps watch.
    var anchor: TopicAnchor? { get }
    /// What is there of a batch, or record, that ended at an offset when it was read.
    func seal(partition: Int, endingAt end: Int64) throws -> SealFinding
    /// Offsets that the last `read` of a partition did not find any more, since they were removed before; nil where it began where it was
    /// asked to. Tells each of them once.
    func takeLost(partition: Int) -> Range<Int64>?
    /// Where reading goes on after `read` gave nothing at `offset`: behind what holds no record, such as the ends of transactions.
    func next(partition: Int, after offset: Int64) -> Int64
    /// For each partition the oldest offset kept and the offset its next record will get.
    func offsets() throws -> [Range<Int64>]
    /// The offset behind the newest record of each partition, as the reader last heard of it: for looking often, without asking a broker.
    func newestEnds() throws -> [Int64]
    /// Returns when what others had appended before the call can be read, which takes a moment where appends are transactions.
    ///
    /// - Returns: how many records of a transaction that does not end were given up on, after some seconds; 0 as a rule.
    func awaitAppends() throws -> Int64
    /// The first offset of each partition whose record has an event time at or after `time` (its batch's greatest time decides).
    func offsets(from time: EventTime) throws -> [Int64]
    /// When the record of an offset, or the first one after it, was appended, ms UTC; nil where there is none, or the store does not tell.
    func appendTime(partition: Int, of offset: Int64) throws -> EventTime?
    /// Waits until something may have been appended since the last read, at most `timeoutMs`.
    func wait(timeoutMs: Int) throws
}

extension TopicReader {
    public var schemas: SchemaCache? { nil }
    public func readValuesOnly() {}
    public func stop(partition: Int) {}
    public func takeLost(partition: Int) -> Range<Int64>? { nil }
    public func keepWatch(from anchor: TopicAnchor?) {}
    public func requireSame() {}
    public var anchor: TopicAnchor? { nil }
    public func seal(partition: Int, endingAt end: Int64) -> SealFinding { .unknown }
    public func next(partition: Int, after offset: Int64) -> Int64 { offset }
    public func newestEnds() throws -> [Int64] { try offsets().map(\.upperBound) }
    public func awaitAppends() -> Int64 { 0 }
    public func appendTime(partition: Int, of offset: Int64) -> EventTime? { nil }

    /// Shows the batches that hold records of some offsets, in their order; what holds no record is passed over.
    ///
    /// - Parameter body: gives false where it has seen enough.
    package func forEachBatch(
        of partition: Int, in offsets: Range<Int64>, _ body: (StoredBatch) throws -> Bool
    ) throws {
        var offset = offsets.lowerBound
        while offset < offsets.upperBound {
            if let batch = try read(partition: partition, from: offset) {
                guard try body(batch) else { return }
                offset = batch.baseOffset + Int64(batch.count)
            } else {
                let next = next(partition: partition, after: offset)
                if next <= offset { return }
                offset = next
            }
        }
    }
}
