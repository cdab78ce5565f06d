import Database
import Problems
import Stream
import Time
import Trips

/// One query computed again from all of its trips at once: no epochs, no windows that open and close, no partial states that merge.
///
/// Holds the pairs (window, group) whose window starts in `slice`; the rest of the records only count.
final class Recount {
    /// What is known of which records were too late for a window.
    enum Lateness: Equatable {
        /// None was.
        case none
        /// Each is judged by the greatest event time before it less this delay, and by what bounded runs had closed: with one
        /// partition that is what the stream did.
        case replayed(delayMs: Int64)
        /// It depended on how partitions came together; windows that a late record can have touched are noted.
        case unknown
    }

    let plan: QueryPlan
    let zone: ZoneClock
    let lateness: Lateness
    /// The offset at which the query stands in each partition.
    let ends: [Int64]
    /// What the query has left out that may be good by now.
    let passedOver: [PassedOver]
    /// Of that what is of a schema which is known by now: offsets by partition.
    var readable: [Int: [Int64]] = [:]
    /// For each run that closed all windows at its end: how many trips of each partition the query had consumed by then.
    let closings: [[Int64]]
    /// By partition: trips, as numbers of consumed ones, of which none was late, since what would have been was merged.
    let merged: [Int: [Range<Int64>]]

    /// Times that newer files stand for.
    let restated: [Restated]

    /// A stretch of time that was restated, with how many trips of each partition had been consumed when it was first, and last.
    struct Restated {
        var part: Restatements.Part
        var since: [Int64]
        var made: [Int64]
    }

    var table: FlatTable
    /// Counts by (entry and number of the histogram, bucket).
    var buckets = FlatTable(initial: [0])
    /// The values of each `distinct`, by `key(entry, number of the distinct)`.
    var tallies: [Int64: DistinctTally] = [:]
    var tallyBytes = 0
    var numbers = GroupNumbers()
    /// What words of `table` lack to the whole sum, by their place and in units of 2^64: sums are kept in 128 bits, of which the
    /// upper ones are there where a sum has ever left 64.
    var carries: [Int: Int64] = [:]
    /// The same of values of the batch at hand, by row.
    var valueCarries: [Int: Int64] = [:]
    /// Values that 64 bits cannot hold, by column; of the first pass.
    var oversized: [TripField: Int64] = [:]
    /// By partition; of the first pass, which sees all windows.
    var counts: [RecordCounts]
    var total: RecordCounts { counts.reduce(RecordCounts(), +) }
    var rejected: [RejectReason: Int64] = [:]
    /// Records that the query has read, and nobody can any more: how many, and what the first one lacks.
    var unreadable: (count: Int64, reason: String)?
    /// Of files: whether all of them were read, so that their rejects are known.
    var hasAllRejects = false
    /// With unknown lateness: windows for which some record may have been late, and records that may have been late for all theirs.
    var touched: Set<EventTime> = []
    var possiblyLate: Int64 = 0

    /// Windows that start in it are held.
    var slice: Range<EventTime> = .min ..< .max
    var isFirstPass = true
    /// For each stretch between closings the greatest end of a window that took a record.
    var reached: [EventTime]
    /// Trips of each partition in this pass.
    var consumed: [Int64]
    let steps: [Step]
    let windowsATrip: Int

    // Scratch for one batch.
    var capacity = 0
    var groups: UnsafeMutablePointer<Int64>
    var values: UnsafeMutablePointer<Int64>
    var entries: UnsafeMutablePointer<Int32>

    /// What one aggregate does.
    struct Step {
        var function: AggregateFunction
        var field: TripField?
        /// The first of its words, or the number of its histogram.
        var word: Int
        /// The number of a `distinct`.
        var sketch = 0
    }

    /// Where the values of one `distinct` of an entry are.
    static func key(_ entry: Int, _ sketch: Int) -> Int64 { Int64(entry) << 8 | Int64(sketch) }

    init(
        plan: QueryPlan, zone: ZoneClock, lateness: Lateness, ends: [Int64], closings: [[Int64]],
        passedOver: [PassedOver] = [], merged: [Int: [Range<Int64>]] = [:], restated: [Restated] = []
    ) {
        self.restated = restated
        (self.passedOver, self.merged) = (passedOver, merged)
        (self.plan, self.zone, self.lateness, self.ends, self.closings) = (plan, zone, lateness, ends, closings)
        var initial: [Int64] = []
        var (histograms, sketches) = (0, 0)
        steps = plan.aggregates.map { aggregate in
            var step = Step(function: aggregate.function, field: aggregate.field, word: initial.count)
            if aggregate.hasHistogram { (step.word, histograms) = (histograms, histograms + 1) }
            if aggregate.hasSketch { (step.sketch, sketches) = (sketches, sketches + 1) }
            initial += (0..<aggregate.words).map { $0 == 0 && aggregate.beginsWithNull ? nullCell : 0 }
            return step
        }
        table = FlatTable(initial: initial)
        if case .sliding(let sizeMs, let everyMs) = plan.window {
            windowsATrip = Int(sizeMs / everyMs)
        } else {
            windowsATrip = 1
        }
        counts = Array(repeating: RecordCounts(), count: ends.count)
        consumed = Array(repeating: 0, count: ends.count)
        reached = Array(repeating: .min, count: closings.count + 1)
        groups = .allocate(capacity: 1)
        values = .allocate(capacity: 1)
        entries = .allocate(capacity: 1)
    }

    deinit {
        groups.deallocate()
        values.deallocate()
        entries.deallocate()
    }

    var bytes: Int { table.bytes + buckets.bytes + tallyBytes + numbers.size }
    /// What goes away when windows are let go.
    var divisibleBytes: Int { plan.window.isWindowed ? table.bytes + buckets.bytes + tallyBytes : 0 }

    /// Begins another pass over the source, for the windows that start in `slice`.
    func begin(_ slice: Range<EventTime>) {
        self.slice = slice
        isFirstPass = slice.lowerBound == .min
        guard !isFirstPass else { return }
        table.removeAll()
        buckets.removeAll()
        carries.removeAll()
        (tallies, tallyBytes) = ([:], 0)
        for partition in consumed.indices { consumed[partition] = 0 }
    }

    /// Lets go of windows that start at or after `bound`; a later pass computes them.
    func narrow(to bound: EventTime) {
        guard plan.window.isWindowed else { return }
        slice = slice.lowerBound..<bound
        let places = table.keep(windowsBefore: bound)
        carries = carries.reduce(into: [:]) { carries, carry in
            let entry = places[carry.key / table.stride]
            if entry >= 0 { carries[Int(entry) * table.stride + carry.key % table.stride] = carry.value }
        }
        let oldTallies = tallies
        (tallies, tallyBytes) = ([:], 0)
        for (key, tally) in oldTallies where places[Int(key >> 8)] >= 0 {
            tallies[Self.key(Int(places[Int(key >> 8)]), Int(key & 255))] = tally
            tallyBytes += tally.bytes
        }
        let old = buckets
        buckets = FlatTable(initial: [0])
        for entry in 0..<old.count {
            let place = places[Int(old.windows[entry] >> 8)]
            guard place >= 0 else { continue }
            let key = Int64(place) << 8 | old.windows[entry] & 255
            let new = buckets.entry(key, old.groups[entry])
            buckets.words[new] = old.words[entry]
        }
    }

    /// A word in full, where 64 bits cannot hold it.
    func whole(_ place: Int) -> Int128? {
        guard let carry = carries[place], carry != 0 else { return nil }
        return Int128(carry) << 64 + Int128(table.words[place])
    }

    /// The longest time before an event at which a window that holds it can start.
    var reachMs: Int64 {
        switch plan.window {
        case .tumbling(let sizeMs), .sliding(let sizeMs, _): sizeMs
        case .localDay: 26 * 3_600_000
        case .none: 0
        }
    }

    /// Whether a trip within `times` can lie in a window of the slice.
    func mayHold(_ times: ClosedRange<EventTime>) -> Bool {
        guard plan.window.isWindowed else { return isFirstPass }
        // A window's start is at most its length before the trip; the bounds of a slice may be the ends of time.
        return times.upperBound >= slice.lowerBound
            && (slice.upperBound == .max || times.lowerBound - reachMs < slice.upperBound)
    }

    func end(ofWindowFrom start: EventTime) -> EventTime {
        switch plan.window {
        case .tumbling(let sizeMs), .sliding(let sizeMs, _): start.addingSaturated(sizeMs)
        case .localDay where !QueryAudit.times.contains(start): start
        case .localDay: zone.startMs(ofLocalDay: zone.localDay(ofMs: start) + 1)
        case .none: .max
        }
    }
}
