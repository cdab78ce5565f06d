import Time

/// How far event time has come in each partition of a source, and the watermark that follows from it.
///
/// The watermark is the least over the active partitions of (greatest event time seen) - delay, and never goes back. A partition
/// is not active when it was silent for the idle timeout, or when a bounded run has read it to its end. Silent is one that has nothing
/// more to read: a partition does not become so because this process was held up.
///
/// A record is judged by the watermark of its moment: that of its own partition as it grows record by record, held back by what the
/// others had reached when the epoch began. So one partition that is read ahead of another never makes a record late, and with
/// one partition the outcome depends on the records alone.
struct WatermarkTracker: Sendable {
    struct Partition: Sendable, Equatable {
        /// Greatest event time seen; nil before the first record.
        var newest: EventTime?
        /// Processing time of the last record, ms.
        var lastArrivalMs: Int64
        /// Whether a bounded run has read all of it.
        var isFinished = false
    }

    private(set) var partitions: [Partition]
    /// No window that ends at or before it takes another record. `Int64.min` before the first.
    private(set) var watermark: EventTime
    let delayMs: Int64
    let idleTimeoutMs: Int64

    init(newest: [EventTime?], watermark: EventTime, delayMs: Int64, idleTimeoutMs: Int64, nowMs: Int64) {
        partitions = newest.map { Partition(newest: $0, lastArrivalMs: nowMs) }
        (self.watermark, self.delayMs, self.idleTimeoutMs) = (watermark, delayMs, idleTimeoutMs)
    }

    /// One that came later; the watermark stays where it is until something of it was seen.
    mutating func addPartition(nowMs: Int64) { partitions.append(Partition(newest: nil, lastArrivalMs: nowMs)) }

    func isActive(_ partition: Partition, nowMs: Int64) -> Bool {
        !partition.isFinished && nowMs - partition.lastArrivalMs < idleTimeoutMs
    }

    /// What the partitions other than `index` allow: the least of their newest times less the delay; `Int64.max` where none is active.
    func limit(besides index: Int, nowMs: Int64) -> EventTime {
        var limit = Int64.max
        for (other, partition) in partitions.enumerated() where other != index && isActive(partition, nowMs: nowMs) {
            limit = min(limit, partition.newest.map { $0 - delayMs } ?? .min)
        }
        return limit
    }

    /// Takes rows of one partition in their order.
    ///
    /// - Parameters:
    ///   - limit: what the other partitions allowed when the epoch began.
    ///   - floor: the watermark when the epoch began.
    ///   - out: receives for each row the watermark that it meets.
    /// - Returns: whether some row lies before its watermark, so that it may be late.
    mutating func observe(
        _ times: UnsafePointer<EventTime>, rows: Range<Int>, partition: Int, limit: EventTime, floor: EventTime,
        nowMs: Int64, into out: UnsafeMutablePointer<EventTime>
    ) -> Bool {
        var newest = partitions[partition].newest ?? .min
        var mayBeLate = false
        for row in rows {
            let own = newest == .min ? .min : newest &- delayMs
            let bound = max(floor, min(own, limit))
            out[row] = bound
            mayBeLate = mayBeLate || times[row] < bound
            newest = max(newest, times[row])
        }
        if !rows.isEmpty {
            partitions[partition].newest = newest
            partitions[partition].lastArrivalMs = nowMs
        }
        return mayBeLate
    }

    /// Takes over what a worker's copy has seen of one partition.
    mutating func take(_ partition: Int, from other: WatermarkTracker) {
        partitions[partition] = other.partitions[partition]
    }

    /// Takes over how far a worker elsewhere has come in one partition.
    mutating func note(_ partition: Int, newest: EventTime?, nowMs: Int64) {
        (partitions[partition].newest, partitions[partition].lastArrivalMs) = (newest, nowMs)
    }

    /// Notes that a partition is not silent: it has records that were not read yet.
    mutating func touch(partition: Int, nowMs: Int64) { partitions[partition].lastArrivalMs = nowMs }

    mutating func finish(partition: Int) { partitions[partition].isFinished = true }

    /// Moves the watermark to where the active partitions allow it; where none is active it stays.
    mutating func advance(nowMs: Int64) {
        let limit = limit(besides: -1, nowMs: nowMs)
        if limit != .max { watermark = max(watermark, limit) }
    }

    /// Moves the watermark to `time`, where that is later: the end of a bounded run, or closing by wall time.
    mutating func advance(to time: EventTime) { watermark = max(watermark, time) }

    /// The active partition that holds the watermark back; nil where none is active.
    func holder(nowMs: Int64) -> Int? {
        partitions.indices.filter { isActive(partitions[$0], nowMs: nowMs) }
            .min { (partitions[$0].newest ?? .min) < (partitions[$1].newest ?? .min) }
    }
}
