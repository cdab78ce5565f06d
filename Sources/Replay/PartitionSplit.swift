import Topics
import Trips

/// Sorts the rows of a batch by partition; rows of one partition keep their order.
///
/// A row with a key goes where Kafka's clients would send it. One without goes by its number in the pass, so that a resumed run
/// puts it where the interrupted one would have.
struct PartitionSplit {
    private let keyField: TripField?
    private let partitioner: Partitioner
    private var rows: [[Int32]]

    init(key: RecordKey, partitionCount: Int) {
        keyField = key.field
        partitioner = Partitioner(partitionCount: partitionCount)
        rows = Array(repeating: [], count: partitionCount)
    }

    /// Calls `body` for each partition that gets rows, in the order of partitions.
    mutating func forEach(
        of batch: TripBatch, rows range: Range<Int>, firstTrip: Int,
        _ body: (_ partition: Int, _ rows: UnsafeBufferPointer<Int32>) -> Void
    ) {
        for partition in rows.indices { rows[partition].removeAll(keepingCapacity: true) }
        let keys = keyField.map { batch.column($0) }
        for row in range {
            let trip = firstTrip + row - range.lowerBound
            let key = keys.map { TextCell(cell: $0[row]) }
            let partition: Int
            if rows.count == 1 {
                partition = 0
            } else if let key, !key.isEmpty {
                partition = partitioner.partition(forKey: batch.bytes(key))
            } else {
                partition = trip % rows.count
            }
            rows[partition].append(Int32(row))
        }
        for (partition, rows) in rows.enumerated() where !rows.isEmpty {
            rows.withUnsafeBufferPointer { body(partition, $0) }
        }
    }
}
