import Database
import Problems
import SQLite
import Stream
import Time

/// One query under audit: its recount, what is stored of it, and what was found.
final class QueryAudit {
    let plan: QueryPlan
    let checkpoint: QueryCheckpoint
    let zone: ZoneClock
    private(set) var recount: Recount
    let view: Finding
    let topic: Finding
    let ledger: Finding
    /// Windows that end at or before it are closed.
    let closedUntil: EventTime
    /// With unknown lateness: whether any closed window may lack records, and not only those that are noted.
    var allClosedMayLack = false
    /// Trips that rows of such windows lack.
    var lacking: Int64 = 0
    /// Such rows.
    var uncertainRows: Int64 = 0
    /// Windows whose stored groups cannot be read: told of once, and not as many missing rows.
    var damaged: Set<EventTime> = []
    /// Windows that `batch --retain-windows` has let go of.
    let pruned: PrunedDays
    /// Those of them that the source gives.
    var prunedWindows: Set<EventTime> = []
    /// The groups that storage has.
    var keys: StoredKeys?
    /// The id in storage of each group that has one.
    var storedIDs: [Int64: Int64] { keys?.ids ?? [:] }
    /// How many restatements there were, and whether one was killed, perhaps before its messages were sent.
    var restatements = 0
    var hasUnsentRestatement = false
    /// Rows that there should be in storage, and in the public view.
    var storedRows: Int64 = 0
    var viewRows: Int64 = 0

    init(
        plan: QueryPlan, checkpoint: QueryCheckpoint, zone: ZoneClock, recount: Recount, pruned: PrunedDays,
        topic: String
    ) {
        (self.plan, self.checkpoint, self.zone) = (plan, checkpoint, zone)
        (self.recount, self.pruned) = (recount, pruned)
        viewColumnCount = Self.viewColumnCount(plan)
        view = Finding("view", plan.table)
        self.topic = Finding("topic", topic)
        ledger = Finding("ledger", plan.name)
        closedUntil = max(checkpoint.watermark ?? .min, checkpoint.closedUntil ?? .min)
    }

    /// Begins anew with what is known of lateness by now.
    func restart(_ lateness: Recount.Lateness) {
        recount = Recount(
            plan: plan, zone: zone, lateness: lateness, ends: recount.ends, closings: recount.closings,
            passedOver: recount.passedOver, merged: recount.merged, restated: recount.restated)
    }

    /// Trips that were merged into windows which they were late for.
    var lateMerged: Int64 { checkpoint.counts.lateMerged ?? 0 }

    /// How often the query went back to an earlier epoch, and merges of late trips that were taken back.
    var rewinds: (count: Int64, lateMerged: Int64) = (0, 0)
    /// Where the stream has not come again as far as it was before a rewind.
    var pendingRewind: PendingRewind?

    /// How often a window may have gone out as a closed one.
    var mostRevisions: Int64 {
        Int64(1).addingSaturated(lateMerged).addingSaturated(rewinds.count).addingSaturated(rewinds.lateMerged)
    }

    /// Whether newer files stand for some time.
    var isRestated: Bool { !recount.restated.isEmpty }

    /// Whether a restatement may have changed a window, or a group where there are no windows.
    func isRestated(_ window: EventTime) -> Bool {
        guard plan.window.isWindowed else { return isRestated }
        let times = window..<max(window, recount.end(ofWindowFrom: window))
        return recount.restated.contains { $0.part.times.overlaps(times) }
    }

    func isClosed(_ window: EventTime) -> Bool {
        plan.window.isWindowed && recount.end(ofWindowFrom: window) <= closedUntil
    }

    /// Whether the recount is what the stream should have, and not more by some late records.
    var isExact: Bool {
        recount.lateness != .unknown
            || (checkpoint.counts.late == 0 && recount.touched.isEmpty && !allClosedMayLack)
    }

    /// Whether late records may be missing from a window's rows.
    func mayLack(_ window: EventTime) -> Bool {
        recount.lateness == .unknown
            && (recount.touched.contains(window) || (allClosedMayLack && isClosed(window)))
    }

    /// The columns that the public view has.
    let viewColumnCount: Int64

    private static func viewColumnCount(_ plan: QueryPlan) -> Int64 {
        let buckets = plan.groups.count { $0 == .fareBucket }
        return Int64((plan.window.isWindowed ? 2 : 0) + plan.groups.count + 2 * buckets + plan.aggregates.count)
    }

    /// The place of the trips' count among the words; nil where the query keeps none.
    var countWord: Int? {
        var word = 0
        for aggregate in plan.aggregates {
            if aggregate.function == .count { return word }
            word += aggregate.words
        }
        return nil
    }

    /// A row's key as people read it: `2024-03-01T00:00:00.000-06:00 "POINT (…)"`.
    func key(_ window: EventTime, _ group: Int64) -> String {
        var parts: [String] = []
        if plan.window.isWindowed { parts.append(time(window)) }
        if plan.keysTable == nil {
            if let key = plan.groups.first { parts.append(Self.text(.integer(group), of: key)) }
        } else {
            for (key, part) in zip(plan.groups, recount.numbers.parts(of: group, count: plan.groups.count)) {
                parts.append(Self.text(part, of: key))
            }
        }
        return parts.isEmpty ? "the only row" : parts.joined(separator: " ")
    }

    private static func text(_ part: GroupNumbers.Part, of key: GroupKey) -> String {
        switch part {
        case .text(let bytes): "\"\(String(decoding: bytes, as: UTF8.self))\""
        case .integer(let value):
            key == .day && QueryAudit.days.contains(value) ? Calendar.text(ofDay: Int(value)) : "\(value)"
        }
    }

    /// Days and times that can be written: the years 0000 to 9999. What is stored may be anything.
    private static let days: ClosedRange<Int64> = -719_528...2_932_896
    static let times: ClosedRange<EventTime> = -62_167_219_200_000...253_402_300_799_999

    /// A time as people read it, and as a number where it is none.
    func time(_ ms: EventTime) -> String { Self.times.contains(ms) ? zone.iso(ms: ms) : "\(ms) ms" }
}
