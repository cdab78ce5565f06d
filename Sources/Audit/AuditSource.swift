import Problems
import Stream
import Topics
public import Time
public import Trips

/// Where an audit reads the records again.
public enum AuditSource {
    /// A topic of `store`; where a stream was started with `--from-time`, the same time.
    case topic(String, from: EventTime?)
    /// Trip files, by the identity that a stream which read them straight has noted; `open` gives them with the columns that are asked for,
    /// without trips that were too far ahead at a time: that of the stream's first look, nil where it is not known.
    case files(identity: String, open: (_ fields: TripFieldSet, _ startedMs: EventTime?) throws -> TripSource)
}

/// Reads a source's trips in an order that every query can be judged by, once a pass.
protocol TripReader: AnyObject {
    var partitionCount: Int { get }
    /// Gives all trips before the greatest of the queries' ends to those queries that have consumed them.
    func pass(over recounts: [Recount], progress: (Int64) -> Void, narrowing: () -> Void) throws
}

/// The greatest event time before each trip of a batch.
struct NewestTimes {
    private var before: UnsafeMutablePointer<EventTime> = .allocate(capacity: 1)
    private var capacity = 1

    /// Follows `rows` of a batch from `newest` on, which becomes the greatest of all.
    mutating func follow(
        _ batch: TripBatch, _ rows: Range<Int>, newest: inout EventTime
    ) -> UnsafePointer<EventTime> {
        follow(batch, [rows], newest: &newest)
    }

    mutating func follow(
        _ batch: TripBatch, _ stretches: [Range<Int>], newest: inout EventTime
    ) -> UnsafePointer<EventTime> {
        if batch.capacity > capacity {
            before.deallocate()
            before = .allocate(capacity: batch.capacity)
            capacity = batch.capacity
        }
        for rows in stretches {
            for row in rows {
                before[row] = newest
                newest = max(newest, batch.eventTimes[row])
            }
        }
        return UnsafePointer(before)
    }

    func deallocate() { before.deallocate() }
}

/// Reads a topic, one partition after the other.
final class TopicTripReader: TripReader {
    let partitionCount: Int
    private let starts: [Int64]
    private let trips: TopicTrips
    private let topic: String
    /// By what their queries have passed over; one for all queries, unless they have read at different times.
    private var views: [View] = []
    private var isFirstPass = true

    /// The topic as some queries have taken it.
    private struct View {
        var passedOver: [PassedOver]
        /// The greatest event time so far, by partition.
        var newest: [EventTime]
        var times = NewestTimes()

        /// The stretches of a batch's rows that they have taken.
        func taken(_ rows: Range<Int>, partition: Int, _ offset: (Int) -> Int64) -> [Range<Int>] {
            guard !rows.isEmpty, !passedOver.isEmpty else { return [rows] }
            let (first, last) = (offset(rows.lowerBound), offset(rows.upperBound - 1))
            guard passedOver.touches(first..<last + 1, partition: partition) else { return [rows] }
            var stretches: [Range<Int>] = []
            for row in rows where passedOver.reason(partition: partition, offset: offset(row)) == nil {
                if stretches.last?.upperBound == row {
                    stretches[stretches.count - 1] = stretches[stretches.count - 1].lowerBound..<row + 1
                } else {
                    stretches.append(row..<row + 1)
                }
            }
            return stretches
        }
    }

    init(_ reader: any TopicReader, fields: TripFieldSet, from time: EventTime?) throws {
        topic = reader.topic
        partitionCount = reader.partitionCount
        trips = TopicTrips(reader: reader, fields: fields)
        let kept = try reader.offsets().map(\.lowerBound)
        starts = try time.map { try reader.offsets(from: $0) } ?? kept
    }

    deinit { for view in views { view.times.deallocate() } }

    /// Where each partition stands in a pass.
    private struct Place {
        var offset: Int64
        var trips: Int64 = 0
    }

    func pass(over recounts: [Recount], progress: (Int64) -> Void, narrowing: () -> Void) throws {
        for view in views { view.times.deallocate() }
        views = []
        for recount in recounts where !views.contains(where: { $0.passedOver == recount.passedOver }) {
            views.append(View(passedOver: recount.passedOver, newest: Array(repeating: .min, count: partitionCount)))
        }
        var places = starts.map { Place(offset: $0) }
        let ends = places.indices.map { partition in recounts.map { $0.ends[partition] }.max() ?? 0 }
        // What a bounded run had closed at its end holds for the trips of all partitions that came later: those before it are read first.
        let stops = partitionCount == 1 ? [] : Self.stops(recounts, partitionCount)
        for stop in stops + [Array(repeating: Int64.max, count: partitionCount)] {
            for partition in places.indices {
                while places[partition].offset < ends[partition], places[partition].trips < stop[partition] {
                    let limit = stop[partition] - places[partition].trips
                    guard try step(partition, &places[partition], limit, ends[partition], recounts) else { break }
                    progress(places.reduce(0) { $0 + $1.trips })
                    narrowing()
                }
            }
        }
        isFirstPass = false
    }

    /// For each closing the trips that had been consumed of each partition, by the query that was furthest.
    private static func stops(_ recounts: [Recount], _ partitionCount: Int) -> [[Int64]] {
        Set(recounts.flatMap(\.closings)).sorted { a, b in
            a.reduce(0) { $0.addingSaturated($1) } < b.reduce(0) { $0.addingSaturated($1) }
        }
    }

    /// Takes the next stored batch, or the first `limit` trips of it; false where there is none.
    private func step(
        _ partition: Int, _ place: inout Place, _ limit: Int64, _ end: Int64, _ recounts: [Recount]
    ) throws -> Bool {
        guard let stored = try trips.stored(partition: partition, from: place.offset), stored.baseOffset < end else {
            place.offset = end
            return false
        }
        let after = TopicTrips.offset(after: stored)
        if !isFirstPass, stored.encoding == .trips, after <= end, place.offset <= stored.baseOffset,
            stored.count <= limit, recounts.allSatisfy({ !$0.mayHold(stored.times) }),
            views.allSatisfy({ !$0.passedOver.touches(stored.baseOffset..<after, partition: partition) })
        {
            for recount in recounts where after <= recount.ends[partition] {
                recount.pass(Int64(stored.count), partition: partition)
            }
            place.trips += Int64(stored.count)
            for index in views.indices {
                views[index].newest[partition] = max(views[index].newest[partition], stored.times.upperBound)
            }
            place.offset = after
            return true
        }
        var rejects: [Reject] = []
        let (batch, first) = try trips.decode(stored, from: place.offset, rejects: &rejects)
        func offset(_ row: Int) -> Int64 { TopicTrips.offset(ofRow: row, of: batch, in: stored) }
        func rows(before bound: Int64) -> Int {
            var row = batch.count
            while row > first, offset(row - 1) >= bound { row -= 1 }
            return row
        }
        var last = min(rows(before: end), first + Int(clamping: limit))
        var next = min(after, end)
        if last < batch.count, last < rows(before: end) { next = offset(last) }
        last = max(last, first)
        let taken = views.map { $0.taken(first..<last, partition: partition, offset) }
        var newestBefore: [UnsafePointer<EventTime>] = []
        for index in views.indices {
            var newest = views[index].newest[partition]
            newestBefore.append(views[index].times.follow(batch, taken[index], newest: &newest))
            views[index].newest[partition] = newest
        }
        let met = rejects.filter { Int64($0.location.line) < next }
        let passedOver = views.map(\.passedOver)
        forEachAtOnce(recounts, trips: last - first) { recount in
            recount.add(met, partition: partition)
            let own = min(last, rows(before: recount.ends[partition]))
            guard own > first, let view = passedOver.firstIndex(of: recount.passedOver) else { return }
            var count = 0
            for stretch in taken[view] where stretch.lowerBound < own {
                let rows = stretch.clamped(to: first..<own)
                count += rows.count
                recount.add(
                    .init(batch: batch, rows: rows, partition: partition, newestBefore: newestBefore[view]))
            }
            guard own - first > count else { return }
            let offsets = (first..<own).map(offset).filter {
                passedOver[view].reason(partition: partition, offset: $0) != nil
            }
            recount.addPassedOver(offsets, partition: partition)
        }
        place.trips += Int64(taken.map { $0.reduce(0) { $0 + $1.count } }.max() ?? 0)
        place.offset = next
        return true
    }
}

/// Reads trip files: one partition whose offsets count the trips.
final class FileTripReader: TripReader {
    var partitionCount: Int { 1 }
    private let open: () throws -> TripSource
    private let batch = TripBatch(capacity: 16384)
    private var times = NewestTimes()
    /// Trips in the files, and rows that were set aside; known after a pass.
    private(set) var tripCount: Int64 = 0

    init(open: @escaping () throws -> TripSource) { self.open = open }

    deinit { times.deallocate() }

    func pass(over recounts: [Recount], progress: (Int64) -> Void, narrowing: () -> Void) throws {
        let source = try open()
        var newest = EventTime.min
        var taken: Int64 = 0
        var rejects: [RejectReason: Int64] = [:]
        while try source.next(into: batch) {
            let newestBefore = times.follow(batch, 0..<batch.count, newest: &newest)
            let before = taken
            forEachAtOnce(recounts, trips: batch.count) { recount in
                let own = Int(min(Int64(batch.count), max(0, recount.ends[0] - before)))
                guard own > 0 else { return }
                recount.add(.init(batch: batch, rows: 0..<own, partition: 0, newestBefore: newestBefore))
            }
            taken += Int64(batch.count)
            for reject in source.takeRejects() { rejects[reject.reason, default: 0] += 1 }
            progress(taken)
            narrowing()
        }
        for reject in source.takeRejects() { rejects[reject.reason, default: 0] += 1 }
        for recount in recounts { recount.addFileRejects(rejects, trips: taken) }
        tripCount = taken
    }
}
