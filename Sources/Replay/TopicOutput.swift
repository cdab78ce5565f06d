import Problems
import Telemetry
import Topics
import Trips

/// Trips as batches of columns into the tenant's input topic, rejects into its dead-letter topic; all of a commit in one append.
final class TopicOutput: ReplayOutput {
    /// Partitions of a topic that did not exist.
    static let defaultPartitions = 1

    private let store: any TopicStore
    private let options: ReplayOptions
    /// Columns, or records where the store keeps no columns.
    private let encode: (TripBatch, UnsafeBufferPointer<Int32>) -> (columns: [UInt8], records: TripRecords?)
    /// Whether positions are kept: always where that is free, else only for a replay that is to be resumed.
    let keepsPositions: Bool
    private let log = Logger("replay")

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
        if store.keepsColumns || encode != nil {
            let encode = encode ?? ColumnsEncoder().encode
            self.encode = { (encode($0, $1), nil) }
        } else {
            var pool = TripRecordsPool()
            self.encode = { batch, rows in
                let records = pool.take()
                records.encode(batch, rows: rows, key: options.key.field)
                return ([], records)
            }
        }
    }

    func look() throws -> [UInt8]? {
        try store.checkTopics(
            [options.ingestTopic, options.deadLetterTopic], creating: options.createsTopics, tenant: options.tenant)
        if let asked = options.partitions, let found = try store.partitionCount(of: options.ingestTopic), found != asked
        {
            // Says which number it has.
            try store.createTopic(options.ingestTopic, partitions: asked, retentionMs: nil)
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
        split.forEach(of: batch, rows: rows, firstTrip: firstTrip) { partition, rows in
            var (least, greatest) = (EventTime.max, EventTime.min)
            for row in rows {
                let time = batch.eventTimes[Int(row)]
                (least, greatest) = (min(least, time), max(greatest, time))
            }
            let (columns, records) = encode(batch, rows)
            append(
                PendingBatch(
                    topic: options.ingestTopic, partition: partition, count: rows.count, times: least...greatest,
                    encoding: records == nil ? .trips : .records, payload: columns, records: records))
            if partition == 0 { end += Int64(rows.count) }
        }
    }

    func add(_ rejects: ArraySlice<Reject>, atMs ms: EventTime) {
        let letters = rejects.map { DeadLetter.record(of: $0, from: .file(meantFor: options.ingestTopic), atMs: ms) }
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
