import Foundation
import Problems
import SQLite
import Topics
import Time
import Trips

extension QueryCohort {
    /// Reads one epoch's records: until `epochRecords` or `epochMs` are full; a bounded run also ends it where nothing more is there.
    ///
    /// - Parameter shouldStop: ends the epoch early.
    /// - Returns: whether the input had nothing more at the end.
    func read(isBounded: Bool, shouldStop: () -> Bool) throws -> Bool {
        // Whoever waits for a turn would else come back to an epoch that is over, and store few records at the price of many.
        let clock = { [wallClock = clock, input] in wallClock.monotonicMs - input.waitedMs }
        let (now, start) = (self.clock.monotonicMs, clock())
        if try input.look() { addPartitions(nowMs: now) }
        let floor = tracker.watermark
        aheadLimit = MaxAhead(nowMs: self.clock.nowMs, aheadMs: options.maxAheadMs)
        input.latestEvent = aheadLimit.latest
        for worker in workers { worker.aheadLimit = aheadLimit }
        try lookForPruned()
        let size = nextSize(isBounded: isBounded)
        noteProgress(nowMs: now)
        let limits = (0..<input.partitionCount).map { tracker.limit(besides: $0, nowMs: now) }
        if let engine, let topic = input.source as? TopicInput {
            return try readRanges(
                by: engine, from: topic, isBounded: isBounded, floor: floor, limits: limits, shouldStop: shouldStop)
        }
        if let engine, let parts = input.source as? PartInput {
            return try readParts(by: engine, from: parts, floor: floor, shouldStop: shouldStop)
        }
        if workers.count == 1 {
            while !isFull(size, since: start, clock), !endsEarly(since: start, clock, shouldStop) {
                try committer.check()
                guard let (partition, piece) = try next() else {
                    let isFinished = input.finished.allSatisfy { $0 }
                    let left = Int(start) + options.epochMs - Int(clock())
                    if isFinished || recordsInEpoch == 0 || left <= 0 { return isFinished || !isBounded }
                    try input.wait(timeoutMs: min(left, Self.longestWaitMs))
                    continue
                }
                try take(piece, of: partition, with: workers[0], floor: floor, limit: limits[partition], nowMs: now)
                try absorb(&workers[0].findings)
            }
            return isBounded && input.finished.allSatisfy { $0 }
        }
        return try readInParallel(
            isBounded: isBounded, size: size, floor: floor, limits: limits, nowMs: now, start: start, clock: clock,
            shouldStop: shouldStop)
    }

    /// The input's next piece; counts what reading it took.
    private func next() throws -> (partition: Int, piece: InputPiece)? {
        let began = clock.monotonicNs
        let found = try input.next()
        guard let found else { return nil }
        timing.beganNs = timing.beganNs ?? began
        timing.stageNs[.read, default: 0] += clock.monotonicNs - began
        return found
    }

    /// Looks which windows are gone, so that nothing is merged into them.
    private func lookForPruned() throws {
        guard let closedResults else { return }
        let found: PrunedWindows
        do {
            found = try PrunedWindows(
                plans, zone: options.zone, on: closedResults, known: pruned ?? PrunedWindows())
        } catch {
            throw Problem(error, doing: "looking for windows that were removed")
        }
        pruned = found
        for worker in workers {
            for state in worker.states { state.pruned = found.ranges[state.plan.table] ?? [] }
        }
    }

    /// How late a failed commit, or a wish to stop, is seen while nothing comes.
    private static let longestWaitMs = 200

    /// When an epoch ends, whichever comes first.
    private struct EpochSize {
        var records: Int
        var ms: Int64
    }

    /// Who is far behind the source, or stops at its end, has nobody who waits for the next result, and does with fewer commits where they
    /// are dear.
    private func nextSize(isBounded: Bool) -> EpochSize {
        let usual = EpochSize(records: options.epochRecords, ms: Int64(options.epochMs))
        let large = EpochSize(records: options.epochRecordsWhileBehind, ms: usual.ms * 4)
        guard !committer.keepsMarksForFree, large.records > usual.records else { return usual }
        if isBounded { return large }
        guard let lag = try? input.lag() else { return usual }
        return lag >= large.records ? large : usual
    }

    /// Whether the epoch has its size. While the committer is behind nobody would take it, so that it goes on growing for some time: a
    /// commit costs about the same for more records.
    private func isFull(_ size: EpochSize, since start: Int64, _ clock: () -> Int64) -> Bool {
        if sideBytes >= Self.bytesAtOnce { return true }
        guard recordsInEpoch >= size.records || clock() - start >= size.ms else { return false }
        return committer.hasRoom || recordsInEpoch >= options.epochRecordsWhileBehind
    }

    /// Whether somebody wants the stream to end, who would wait long for the epoch's end.
    private func endsEarly(since start: Int64, _ clock: () -> Int64, _ shouldStop: () -> Bool) -> Bool {
        options.epochMs > 1000 && clock() - start >= Self.longestWaitMs && shouldStop()
    }

    /// Tells the tracker which partitions wait for us, and which have been read to their end.
    func noteProgress(nowMs: Int64) {
        for partition in 0..<input.partitionCount {
            if input.finished[partition] { tracker.finish(partition: partition) }
            if !input.drained[partition] { tracker.touch(partition: partition, nowMs: nowMs) }
        }
    }

    /// Several workers: pieces are gathered, then each worker takes those of its partitions, and again; at the end their states merge.
    private func readInParallel(
        isBounded: Bool, size: EpochSize, floor: EventTime, limits: [EventTime], nowMs: Int64, start: Int64,
        clock: () -> Int64, shouldStop: () -> Bool
    ) throws -> Bool {
        var isAtEnd = false
        while !isAtEnd, !isFull(size, since: start, clock), !endsEarly(since: start, clock, shouldStop) {
            try committer.check()
            var pieces: [(partition: Int, piece: InputPiece)] = []
            var (gathered, bytes) = (recordsInEpoch, 0)
            // What is left of the epoch, or a share of it where it goes on growing.
            let wanted = max(size.records, gathered + size.records / 4)
            let until = max(start + size.ms, clock() + size.ms / 4)
            // Records of JSON are large: a whole epoch of them at once would take 100 MB.
            while gathered < wanted, bytes < Self.bytesAtOnce, clock() < until {
                guard let next = try next() else {
                    isAtEnd = true
                    break
                }
                if case .stored(let batch, let first) = next.piece {
                    gathered += batch.count - Int(first - batch.baseOffset)
                    bytes += batch.byteCount
                }
                pieces.append(next)
            }
            try takeInParallel(pieces, floor: floor, limits: limits, nowMs: nowMs)
        }
        for worker in workers.dropFirst() {
            for (state, partial) in zip(states, worker.states) { state.merge(partial) }
        }
        return isBounded ? input.finished.allSatisfy { $0 } : isAtEnd
    }

    static let bytesAtOnce = 16 << 20

    private func takeInParallel(
        _ pieces: [(partition: Int, piece: InputPiece)], floor: EventTime, limits: [EventTime], nowMs: Int64
    ) throws {
        // Each worker touches its own partitions of the tracker only; they are put together behind the barrier.
        let trackers = UnsafeMutableBufferPointer<WatermarkTracker>.allocate(capacity: workers.count)
        trackers.initialize(repeating: tracker)
        defer {
            trackers.deinitialize()
            trackers.deallocate()
        }
        let shared = Shared(cohort: self, pieces: pieces, trackers: trackers)
        DispatchQueue.concurrentPerform(iterations: workers.count) { index in
            shared.cohort.work(
                index, shared.pieces, &shared.trackers[index], floor: floor, limits: limits, nowMs: nowMs)
        }
        for partition in 0..<input.partitionCount {
            tracker.take(partition, from: trackers[partition % workers.count])
        }
        for worker in workers {
            if let failure = worker.failure { throw failure }
            try absorb(&worker.findings)
        }
    }

    /// What the workers of one epoch share. `@unchecked Sendable`: worker i writes to `trackers[i]` and to itself only.
    private struct Shared: @unchecked Sendable {
        let cohort: QueryCohort
        let pieces: [(partition: Int, piece: InputPiece)]
        let trackers: UnsafeMutableBufferPointer<WatermarkTracker>
    }

    private func work(
        _ index: Int, _ pieces: [(partition: Int, piece: InputPiece)], _ tracker: inout WatermarkTracker,
        floor: EventTime, limits: [EventTime], nowMs: Int64
    ) {
        do {
            for (partition, piece) in pieces where partition % workers.count == index {
                try workers[index].take(
                    piece, of: partition, tracker: &tracker, floor: floor, limit: limits[partition], nowMs: nowMs)
            }
        } catch {
            workers[index].failure = error
        }
    }

    private func take(
        _ piece: InputPiece, of partition: Int, with worker: RangeWorker, floor: EventTime, limit: EventTime,
        nowMs: Int64
    ) throws {
        try worker.take(
            piece, of: partition, tracker: &tracker, floor: floor, limit: limit, nowMs: nowMs)
    }
}
