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
    private let encode: TripEncoder
    private let log = Logger("replay")

    // The committing thread's, after `open`.
    private var writer: (any TopicWriter)?
    // The sending thread's.
    private var split = PartitionSplit(key: .none, partitionCount: 1)
    private var epoch: Int64 = 0
    private var sequence: Int64 = 0
    private var batches: [PendingBatch] = []
    private(set) var pendingBytes = 0

    init(store: any TopicStore, options: ReplayOptions, encode: @escaping TripEncoder) {
        (self.store, self.options, self.encode) = (store, options, encode)
    }

    func open() throws -> [UInt8]? {
        let existing = try store.topics()
        let found = existing.first { $0.name == options.ingestTopic }?.partitions.count
        let partitions = options.partitions ?? found ?? Self.defaultPartitions
        try store.createTopic(options.ingestTopic, partitions: partitions, retentionMs: nil)
        if !existing.contains(where: { $0.name == options.deadLetterTopic }) {
            try store.createTopic(options.deadLetterTopic, partitions: 1, retentionMs: nil)
        }
        split = PartitionSplit(key: options.key, partitionCount: partitions)

        let writer = try store.makeWriter()
        self.writer = writer
        let (epoch, last) = try writer.takeOver(producer: options.producer)
        self.epoch = epoch
        log.debug("took over", ["producer": options.producer, "epoch": epoch, "partitions": partitions])
        return last?.position
    }

    func add(_ batch: TripBatch, rows: Range<Int>, firstTrip: Int) {
        split.forEach(of: batch, rows: rows, firstTrip: firstTrip) { partition, rows in
            var (least, greatest) = (EventTime.max, EventTime.min)
            for row in rows {
                let time = batch.eventTimes[Int(row)]
                (least, greatest) = (min(least, time), max(greatest, time))
            }
            append(
                PendingBatch(
                    topic: options.ingestTopic, partition: partition, count: rows.count, times: least...greatest,
                    encoding: .trips, payload: encode(batch, rows)))
        }
    }

    func add(_ rejects: ArraySlice<Reject>, atMs ms: EventTime) {
        let letters = rejects.map { DeadLetter.record(of: $0, from: .file(meantFor: options.ingestTopic), atMs: ms) }
        guard let batch = PendingBatch(topic: options.deadLetterTopic, partition: 0, records: letters) else { return }
        append(batch)
    }

    private func append(_ batch: PendingBatch) {
        pendingBytes += batch.payload.count
        batches.append(batch)
    }

    func seal(position: [UInt8]) -> SealedCommit {
        defer {
            sequence += 1
            pendingBytes = 0
            batches.removeAll(keepingCapacity: true)
        }
        let mark = ProducerMark(producer: options.producer, epoch: epoch, sequence: sequence, position: position)
        return SealedCommit(batches: batches, mark: mark)
    }

    func commit(_ commit: SealedCommit) throws {
        guard try writer?.append(commit.batches, mark: commit.mark) == true else {
            // Epoch and sequence are ours alone and only grow.
            throw Problem(.software, "the topics took a commit of producer \"\(options.producer)\" for a repetition")
        }
    }
}

/// Encodes the chosen rows of a batch as columns.
typealias TripEncoder = (_ batch: TripBatch, _ rows: UnsafeBufferPointer<Int32>) -> [UInt8]

/// Lends one encoder, with its memory, to a closure.
final class ColumnsEncoder {
    private var encoder = TripColumnsEncoder()
    func encode(_ batch: TripBatch, rows: UnsafeBufferPointer<Int32>) -> [UInt8] { encoder.encode(batch, rows: rows) }
}
