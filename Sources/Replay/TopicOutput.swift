import Avro
import Problems
import SchemaRegistry
import Telemetry
import Topics
import Time
import Trips

/// Trips as batches of columns into the tenant's input topic, rejects into its dead-letter topic; all of a commit in one append.
final class TopicOutput: ReplayOutput {
    /// Partitions of a topic that did not exist.
    static let defaultPartitions = 1

    private let store: any TopicStore
    private let options: ReplayOptions
    private let encoder: TripEncoder?
    /// Columns, or records where the store keeps no columns, or the records are Avro. Set by `open`.
    private var encode: TripEncoding?
    /// Whether positions are kept: always where that is free, else only for a replay that is to be resumed.
    let keepsPositions: Bool
    private let log = Logger("replay")

    private typealias TripEncoding = (TripBatch, UnsafeBufferPointer<Int32>) -> Encoded
    private struct Encoded {
        var encoding: BatchEncoding
        /// Empty where there are records.
        var payload: [UInt8] = []
        var records: TripRecords?
    }

    // The committing thread's, after `open`.
    private var writer: (any TopicWriter)?
    // The sending thread's.
    private var split = PartitionSplit(key: .none, partitionCount: 1)
    private var epoch: Int64 = 0
    private var sequence: Int64 = 0
    /// About where partition 0 ends: what a watcher of the producer's group sees as its offset.
    private var end: Int64 = 0
    private var batches: [PendingBatch] = []
    private(set) var pendingBytes = 0
    /// A transaction waits for its answers alone, so that fewer of them are worth more memory.
    let bytesPerCommit: Int

    /// - Parameter encode: makes columns of trips; nil encodes as the store keeps them.
    init(store: any TopicStore, options: ReplayOptions, encode: TripEncoder? = nil) {
        (self.store, self.options) = (store, options)
        keepsPositions = store.keepsMarksForFree || options.isResuming
        bytesPerCommit = (keepsPositions ? 16 : 8) << 20
        encoder = encode
    }

    /// How trips become what the store keeps.
    private func makeEncoding() throws -> TripEncoding {
        let format = try tripFormat()
        if format == .json, store.keepsColumns || encoder != nil {
            let encode = encoder ?? ColumnsEncoder().encode
            return { Encoded(encoding: .trips, payload: encode($0, $1)) }
        }
        var pool = TripRecordsPool()
        return { [keepsPayloads = store.keepsColumns, key = options.key.field] batch, rows in
            let records = pool.take()
            records.encode(batch, rows: rows, key: key, format: format)
            return keepsPayloads
                ? Encoded(encoding: .records, payload: records.payload())
                : Encoded(encoding: .records, records: records)
        }
    }

    /// Registers the schema, where records have one.
    private func tripFormat() throws(Problem) -> TripFormat {
        guard case .avro(let money) = options.form else { return .json }
        let id = try registry().id(
            of: TripAvro.schema(money: money).text, under: options.subject, registering: options.createsTopics)
        log.debug("schema", ["subject": options.subject, "id": Int(id)])
        return .avro(schemaID: id, money: money)
    }

    private func registry() throws(Problem) -> any SchemaRegistry {
        guard let schemas = store.schemas else {
            throw Problem(.usage, "there is no registry for the schemas of Avro", hint: "Name one with --registry.")
        }
        return schemas.registry
    }

    func look() throws -> [UInt8]? {
        try store.checkTopics(
            [options.ingestTopic, options.deadLetterTopic], creating: options.createsTopics, tenant: options.tenant)
        if let asked = options.partitions, let found = try store.partitionCount(of: options.ingestTopic), found != asked
        {
            // Says which number it has.
            try store.createTopic(options.ingestTopic, partitions: asked, retentionMs: nil)
        }
        if case .avro(let money) = options.form {
            try registry().requireUsable(
                TripAvro.schema(money: money).text, under: options.subject, registering: options.createsTopics)
        }
        return keepsPositions ? try store.makeWriter().lastMark(of: options.producer)?.position : nil
    }

    func open() throws -> [UInt8]? {
        let partitions = try store.requireTopic(
            options.ingestTopic, partitions: options.partitions ?? Self.defaultPartitions,
            creating: options.createsTopics)
        if let asked = options.partitions, asked != partitions {
            // Says which number it has.
            try store.createTopic(options.ingestTopic, partitions: asked, retentionMs: nil)
        }
        try store.requireTopic(options.deadLetterTopic, creating: options.createsTopics)
        encode = try makeEncoding()
        split = PartitionSplit(key: options.key, partitionCount: partitions)
        if !store.keepsMarksForFree { end = try store.describe(options.ingestTopic).partitions.first?.endOffset ?? 0 }

        let writer = try store.makeWriter()
        self.writer = writer
        let (epoch, last) = try writer.takeOver(producer: options.producer)
        self.epoch = epoch
        log.debug("took over", ["producer": options.producer, "epoch": epoch, "partitions": partitions])
        if keepsPositions { return last?.position }
        // An older position must not be taken for this run's, by a later run that resumes.
        let mark = mark(position: ReplayPosition.notKept)
        sequence += 1
        try writer.append([], mark: mark)
        return nil
    }

    func add(_ batch: TripBatch, rows: Range<Int>, firstTrip: Int) {
        guard let encode else { preconditionFailure("trips were added before the output was opened") }
        split.forEach(of: batch, rows: rows, firstTrip: firstTrip) { partition, rows in
            var (least, greatest) = (EventTime.max, EventTime.min)
            for row in rows {
                let time = batch.eventTimes[Int(row)]
                (least, greatest) = (min(least, time), max(greatest, time))
            }
            let encoded = encode(batch, rows)
            append(
                PendingBatch(
                    topic: options.ingestTopic, partition: partition, count: rows.count, times: least...greatest,
                    encoding: encoded.encoding, payload: encoded.payload, records: encoded.records))
            if partition == 0 { end += Int64(rows.count) }
        }
    }

    func add(_ rejects: ArraySlice<Reject>, atMs ms: EventTime) {
        let origin = DeadLetter.Origin.file(meantFor: options.ingestTopic, reading: RowReading(options).text)
        let letters = rejects.map { DeadLetter.record(of: $0, from: origin, atMs: ms) }
        guard let batch = PendingBatch(topic: options.deadLetterTopic, partition: 0, records: letters) else { return }
        append(batch)
    }

    private func append(_ batch: PendingBatch) {
        pendingBytes += batch.byteCount
        batches.append(batch)
    }

    func seal(position: [UInt8]) -> SealedCommit {
        defer {
            sequence += 1
            pendingBytes = 0
            batches.removeAll(keepingCapacity: true)
        }
        return SealedCommit(batches: batches, mark: keepsPositions ? mark(position: position) : nil)
    }

    private func mark(position: [UInt8]) -> ProducerMark {
        ProducerMark(
            producer: options.producer, epoch: epoch, sequence: sequence, position: position,
            progress: .init(topic: options.ingestTopic, offsets: [end]))
    }

    func commit(_ commit: SealedCommit) throws {
        // Nobody can go on from here, so that nothing depends on when it is stored.
        if commit.mark == nil, let writer {
            return try writer.submit(commit.batches, promptly: commit.firstDueNs != nil)
        }
        guard try writer?.append(commit.batches, mark: commit.mark) == true else {
            // Epoch and sequence are ours alone and only grow.
            throw Problem(.software, "the topics took a commit of producer \"\(options.producer)\" for a repetition")
        }
    }
}

extension TopicOutput {
    func finish() throws { try writer?.flush() }
    func requireThere() throws { try store.requireThere() }
}

/// Encodes the chosen rows of a batch as columns.
typealias TripEncoder = (_ batch: TripBatch, _ rows: UnsafeBufferPointer<Int32>) -> [UInt8]

/// Lends one encoder, with its memory, to a closure.
final class ColumnsEncoder {
    private var encoder = TripColumnsEncoder()
    func encode(_ batch: TripBatch, rows: UnsafeBufferPointer<Int32>) -> [UInt8] { encoder.encode(batch, rows: rows) }
}
