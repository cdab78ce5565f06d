import Time

/// Tells how many records are due and until when to wait. A value without clock or I/O: time is an argument.
///
/// Open loop: every record has its intended time, whatever happened to the ones before it. After a stall everything that came due
/// meanwhile is due at once, and `behindNs` says how late it is.
///
/// Up to some hundred records a second each goes out at its exact time; above, they go out on ticks of `tickNs`.
struct Pacer: Sendable {
    /// What one whole second of the run asked for and got.
    struct SecondAccount: Sendable, Equatable {
        /// Seconds since the pacer started.
        var index: Int
        /// Nil where the rate depends on the trips' own times.
        var asked: Int?
        var sent: Int
    }

    /// 2 ms: at 10,000 records a second a fifth of a percent, and 500 wake-ups a second cost no more than a percent of a core.
    static let tickNs: Int64 = 2_000_000

    private(set) var pace: Pace
    let startNs: Int64
    private(set) var sent = 0
    private(set) var maxBehindNs: Int64 = 0
    private(set) var lastSecond: SecondAccount?

    /// Since when the pace counts: the start, or the last change.
    private var anchorNs: Int64
    /// Where the schedule stood at the anchor: records, of which the next whole one is the first to be due, ...
    private var anchorRecords: Double
    /// ... or event time.
    private var anchorEvent: EventTime
    private var lastSentNs: Int64?
    private var second: (index: Int, sent: Int, dueBefore: Int?) = (0, 0, 0)
    /// Records that the paces before the last change had asked for.
    private var askedBefore = 0.0

    init(pace: Pace, startNs: Int64, firstEvent: EventTime) {
        (self.pace, self.startNs, anchorNs) = (pace, startNs, startNs)
        (anchorRecords, anchorEvent) = (0, firstEvent)
    }

    /// When the next record is due, given its event time (which only `Pace.eventTime` looks at).
    func dueNs(next event: EventTime) -> Int64 {
        switch pace {
        case .unlimited: return anchorNs
        case .shaped: return dueNs(ofRecord: sent)
        case .eventTime(let factor):
            let ns = Double(event - anchorEvent) * 1e6 / factor
            return ns <= 0 ? anchorNs : ns < 9e18 ? saturated(Int64(ns.rounded(.up))) : .max
        }
    }

    /// How many of the next records, whose event times are given, are due.
    func dueCount(atNs ns: Int64, events: UnsafeBufferPointer<EventTime>) -> Int {
        switch pace {
        case .unlimited: return events.count
        case .shaped: return min(events.count, max(0, recordsDue(byNs: ns) - sent))
        case .eventTime:
            var count = 0
            while count < events.count, dueNs(next: events[count]) <= ns { count += 1 }
            return count
        }
    }

    /// Until when to wait for the next record: its due time, or the next tick if that is later.
    func wakeNs(next event: EventTime) -> Int64 {
        let due = dueNs(next: event)
        return lastSentNs.map { max(due, $0 + Self.tickNs) } ?? due
    }

    /// How long the next record is overdue.
    func behindNs(atNs ns: Int64, next event: EventTime) -> Int64 {
        pace.isPaced ? max(0, ns - dueNs(next: event)) : 0
    }

    /// Records have been sent, the first of them with this event time.
    mutating func markSent(_ count: Int, atNs ns: Int64, first event: EventTime) {
        maxBehindNs = max(maxBehindNs, behindNs(atNs: ns, next: event))
        close(secondsBefore: ns)
        sent += count
        second.sent += count
        lastSentNs = ns
    }

    /// Closes the account of the last second that has ended.
    mutating func close(secondsBefore ns: Int64) {
        let index = Int((ns - startNs) / 1_000_000_000)
        guard index > second.index else { return }
        let end = startNs + Int64(index) * 1_000_000_000
        let dueByEnd = asked(byNs: end)
        // In a stall of several seconds nothing was sent in the last of them.
        let stalled = index - 1 > second.index
        let dueBefore = stalled ? asked(byNs: end - 1_000_000_000) : second.dueBefore
        let asked = dueByEnd.flatMap { end in dueBefore.map { end - $0 } }
        lastSecond = SecondAccount(index: index - 1, asked: asked, sent: stalled ? 0 : second.sent)
        second = (index, 0, dueByEnd)
    }

    /// From now on another pace.
    ///
    /// The record that is partly due under the old pace stays partly due; what is overdue is due now and its delay forgotten,
    /// so that somebody who asks for less gets less at once.
    mutating func change(to new: Pace, atNs ns: Int64, next event: EventTime) {
        close(secondsBefore: ns)
        let askedInSecond = asked(byNs: ns).flatMap { due in second.dueBefore.map { due - $0 } }
        var reached = Double(sent)
        var horizon = event
        switch pace {
        case .unlimited: break
        case .shaped(let shape):
            let asked = shape.records(byNs: ns - anchorNs)
            reached = min(reached, anchorRecords + asked)
            askedBefore += asked
        case .eventTime(let factor):
            let reached = Double(anchorEvent) + Double(ns - anchorNs) * factor / 1e6
            if reached < Double(event) { horizon = EventTime(reached) }
        }
        (pace, anchorNs, anchorRecords, anchorEvent) = (new, ns, reached, horizon)
        second.dueBefore = asked(byNs: ns).flatMap { due in askedInSecond.map { due - $0 } }
    }

    /// The mean rate asked for from the start to `ns`; nil where no rate was asked for.
    func meanAskedRate(byNs ns: Int64) -> Double? {
        guard case .shaped(let shape) = pace else { return nil }
        if case .constant(let rate) = shape, askedBefore == 0, anchorNs == startNs { return rate }
        guard ns > startNs else { return shape.rate(atNs: 0) }
        return (askedBefore + shape.records(byNs: ns - anchorNs)) / (Double(ns - startNs) / 1e9)
    }

    /// The rate asked for right now.
    func askedRate(atNs ns: Int64) -> Double? {
        guard case .shaped(let shape) = pace else { return nil }
        return shape.rate(atNs: max(0, ns - anchorNs))
    }
}

extension Pacer {
    private func dueNs(ofRecord index: Int) -> Int64 {
        guard case .shaped(let shape) = pace else { return anchorNs }
        return saturated(shape.dueNs(ofRecord: Double(index) - anchorRecords))
    }

    /// The records whose due time is at or before `ns`, counted from the start.
    private func recordsDue(byNs ns: Int64) -> Int {
        guard case .shaped(let shape) = pace, ns >= anchorNs else { return sent }
        var count = Int(min(anchorRecords + shape.records(byNs: ns - anchorNs), 9e18).rounded(.down)) + 1
        // The two directions of a shape may differ in the last digit; due times decide.
        while count > 0, dueNs(ofRecord: count - 1) > ns { count -= 1 }
        while dueNs(ofRecord: count) <= ns { count += 1 }
        return count
    }

    /// The records due before `ns`: one due exactly at a second's end belongs to the next second.
    private func asked(byNs ns: Int64) -> Int? {
        guard case .shaped = pace else { return nil }
        return ns > anchorNs ? recordsDue(byNs: ns - 1) : Int(anchorRecords.rounded(.up))
    }

    private func saturated(_ ns: Int64) -> Int64 {
        let (sum, overflow) = anchorNs.addingReportingOverflow(ns)
        return overflow ? .max : sum
    }
}
