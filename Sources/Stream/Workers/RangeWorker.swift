import Problems
import Topics
import Time
import Trips

/// What is the same for all records of a source, for whoever computes them.
struct WorkSetting: Sendable {
    var topic: String
    var tenant: String
    var zone: ZoneClock
    /// Whether records that are late for a query are kept whole.
    var keepsLateRecords: Bool
    /// What those name as their schema; nil for JSON.
    var lateSchemaID: UInt32?
}

/// What was found in some records beside the states of the queries.
struct RangeFindings {
    var rejects: [(partition: Int, reject: Reject, original: TopicRecord)] = []
    /// How accepted and rejected records follow each other.
    var steps: [(accepted: Int, reject: Reject?)] = []
    var lateRecords: [QueryCohort.SideRecord] = []
    /// Trips that were dropped as late, by query and local day.
    var lateDays: [LateDay: Int64] = [:]
    var counts: [LedgerKey: Int64] = [:]
    var records = 0
    var timing = EpochTiming()

    struct LedgerKey: Hashable {
        var partition: Int
        /// -1 for what is counted once for all queries.
        var query: Int
        var counter: String
    }

    struct LateDay: Hashable {
        var query: Int
        var day: Int64
    }

    mutating func removeAll() {
        rejects.removeAll(keepingCapacity: true)
        steps.removeAll(keepingCapacity: true)
        lateRecords.removeAll(keepingCapacity: true)
        lateDays.removeAll(keepingCapacity: true)
        counts.removeAll(keepingCapacity: true)
        records = 0
        timing = EpochTiming()
    }
}

/// Computes records: a decoder, partial states, and what is found beside them. Used by one thread at a time; the first of a stream's own
/// threads adds to the stream's states themselves, and `taxi-cli worker` has one for each range that it is asked for.
final class RangeWorker {
    let decoder: PieceDecoder
    let states: [QueryState]
    var findings = RangeFindings()
    /// The clock of the epoch, and how far ahead of it an event time may be.
    var aheadLimit = MaxAhead(nowMs: .max, aheadMs: 0)
    /// The records that a replay of dead letters has sent again (`LetterJournal.replaced`).
    var replaced: [Int: [Int64: LetterJournal.Original]] = [:]
    var failure: (any Error)?
    private let setting: WorkSetting
    private let clock: any WallClock
    /// How far each partition was read before a rewind, by query.
    private let reachedBefore: [[Int64]]
    private var watermarks: UnsafeMutablePointer<EventTime>
    private var capacity = 0

    init(
        decoder: PieceDecoder, states: [QueryState], setting: WorkSetting, clock: any WallClock,
        reachedBefore: [[Int64]]
    ) {
        (self.decoder, self.states, self.setting, self.clock) = (decoder, states, setting, clock)
        self.reachedBefore = reachedBefore
        watermarks = .allocate(capacity: 1)
    }
    deinit { watermarks.deallocate() }

    private func makeRoom(_ count: Int) {
        guard count > capacity else { return }
        capacity = count
        watermarks.deallocate()
        watermarks = .allocate(capacity: count)
    }

    /// Decodes a piece and shows it to each query.
    ///
    /// - Parameters:
    ///   - tracker: judges its partition's records one by one.
    ///   - floor, limit: the watermark when the epoch began, and what the other partitions allowed then.
    ///   - steps: how its records follow each other with those that its reader has rejected; nil where all rejects are found here.
    func take(
        _ piece: InputPiece, steps: [(accepted: Int, reject: Reject?)]? = nil, of partition: Int,
        tracker: inout WatermarkTracker, floor: EventTime, limit: EventTime,
        nowMs: Int64
    ) throws {
        var rejects: [Reject] = []
        defer { decoder.finish(piece) }
        let beganNs = clock.monotonicNs
        let (batch, first) = try decoder.decode(piece, topic: setting.topic, rejects: &rejects)
        let replaced = try replaced(in: piece)
        if !replaced.isEmpty || batch.hasEvent(after: aheadLimit.latest) {
            try decoder.removeAhead(
                of: aheadLimit, batch, from: first, piece, topic: setting.topic, replaced: replaced, rejects: &rejects)
        }
        findings.records += batch.count - first + rejects.count
        if case .stored(let stored, _) = piece {
            findings.timing.inputBytes += Int64(stored.byteCount)
            if let appended = stored.appendedMs {
                findings.timing.appended.append((appended, Int64(batch.count - first + rejects.count)))
            }
        }
        let decodedNs = clock.monotonicNs
        findings.timing.stageNs[.decode, default: 0] += decodedNs - beganNs
        defer { findings.timing.stageNs[.aggregate, default: 0] += clock.monotonicNs - decodedNs }
        if let steps { findings.steps += steps } else { note(batch, first, rejects, piece) }
        findings.rejects += zip(rejects, try decoder.originals(of: rejects, piece)).map { (partition, $0, $1) }
        guard batch.count > first else { return }
        makeRoom(batch.count)
        let mayBeLate = tracker.observe(
            batch.eventTimes, rows: first..<batch.count, partition: partition, limit: limit, floor: floor,
            nowMs: nowMs, into: watermarks)
        var lateQueries: [Int32: [String]] = [:]
        for (index, state) in states.enumerated() {
            let before = state.counts
            var lateRows: [Int32] = []
            state.add(
                batch, from: first, watermarks: mayBeLate ? UnsafePointer(watermarks) : nil, lateRows: &lateRows)
            var days = LocalDayCursor(setting.zone)
            for row in lateRows {
                let day = days.day(of: batch.eventTimes[Int(row)])
                findings.lateDays[RangeFindings.LateDay(query: index, day: day), default: 0] += 1
                if setting.keepsLateRecords { lateQueries[row, default: []].append(state.plan.name) }
            }
            let after = state.counts
            for (counter, count) in QueryCounts.counters {
                findings.counts[.init(partition: partition, query: index, counter: counter), default: 0] +=
                    after[keyPath: count] - before[keyPath: count]
            }
        }
        for (row, queries) in lateQueries.sorted(by: { $0.key < $1.key }) {
            let isAgain = isAgain(piece, of: queries, partition)
            findings.lateRecords.append(lateRecord(batch, Int(row), queries, partition, isAgain: isAgain))
        }
    }

    /// The piece's records in whose place others were sent, with why they were passed over.
    private func replaced(in piece: InputPiece) throws -> [Int64: PassedOverReason] {
        guard !replaced.isEmpty, case .stored(let stored, _) = piece, let known = replaced[stored.partition] else {
            return [:]
        }
        let offsets = stored.baseOffset..<stored.baseOffset + Int64(stored.count)
        var loaded: BatchRecords?
        return try known.filter { offset, original in
            try offsets.contains(offset) && stored.seal(at: offset, from: &loaded) == original.seal
        }.mapValues(\.reason)
    }

    /// Notes in which order records were accepted and rejected.
    private func note(_ batch: TripBatch, _ first: Int, _ rejects: [Reject], _ piece: InputPiece) {
        let accepted = batch.count - first
        guard !rejects.isEmpty, case .stored(let stored, _) = piece else {
            return findings.steps.append((accepted, nil))
        }
        // Trips of columns have no places of their own, and no rejects but those that close up here.
        var places = (first..<batch.count).map { batch.positions[$0] }
        if stored.encoding == .trips {
            let rejected = Set(rejects.map { Int64($0.location.line) })
            let end = min(stored.baseOffset + Int64(stored.count), decoder.endOffset)
            let offsets = stored.baseOffset + Int64(first)..<max(stored.baseOffset + Int64(first), end)
            places = offsets.filter { !rejected.contains($0) }
        }
        findings.steps += places.withUnsafeBufferPointer { RejectGuard.steps(accepted: $0, rejects: rejects) }
    }

    /// Whether a piece was read before a rewind: what was late has gone out then.
    private func isAgain(_ piece: InputPiece, of queries: [String], _ partition: Int) -> Bool {
        guard case .stored(_, let first) = piece else { return false }
        return zip(states, reachedBefore).contains { state, reached in
            queries.contains(state.plan.name) && partition < reached.count && first < reached[partition]
        }
    }

    private func lateRecord(
        _ batch: TripBatch, _ row: Int, _ queries: [String], _ partition: Int, isAgain: Bool
    ) -> QueryCohort.SideRecord {
        var out = OutputBuffer(capacity: 1024)
        var ends: [Int] = []
        if let schemaID = setting.lateSchemaID {
            withUnsafePointer(to: Int32(row)) { row in
                TripAvro.encode(
                    batch, rows: UnsafeBufferPointer(start: row, count: 1), money: .decimal, schemaID: schemaID,
                    into: &out, recordOffsets: &ends)
            }
        } else {
            TripJSON.encode(batch, rows: row..<row + 1, into: &out, recordOffsets: &ends)
        }
        return QueryCohort.SideRecord(
            topic: "\(setting.tenant)_late",
            record: TopicRecord(
                key: batch.string(.taxiID, row).map { Array($0.utf8) }, value: Array(out.bytes),
                headers: [
                    .init(name: "queries", value: Array(queries.joined(separator: ",").utf8)),
                    .init(name: "source", value: Array("\(setting.topic)/\(partition)".utf8)),
                ] + (isAgain ? [.init(name: "again", value: Array("rewind".utf8))] : []),
                timestamp: batch.eventTimes[row]))
    }
}
