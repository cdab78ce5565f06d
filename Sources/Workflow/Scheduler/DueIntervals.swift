import Time

/// Which data intervals of a workflow have to become runs: a value without clock or database.
struct DueIntervals {
    struct Due: Equatable {
        var interval: DataInterval
        var trigger: RunTrigger
    }

    /// How many are entered at once; the rest of a long past follows when these have run.
    static let batch = 100

    let schedule: Schedule
    let start: EventTime?
    let catchUp: CatchUp
    /// All that was due until then has been looked at.
    private(set) var until: EventTime
    /// The first interval that becomes due after `until`.
    private(set) var next: DataInterval?

    init(_ schedule: Schedule, start: EventTime?, catchUp: CatchUp, until: EventTime) {
        (self.schedule, self.start, self.catchUp, self.until) = (schedule, start, catchUp, until)
        next = schedule.interval(dueAfter: until, from: start)
    }

    /// What has become due, oldest first, and is to run; what `catchUp` leaves out is passed over.
    ///
    /// - Parameters:
    ///   - now: what is due at this very time counts.
    ///   - lookedFrom: since when somebody has been looking without a break; what was due before was missed.
    mutating func take(now: EventTime, lookedFrom: EventTime) -> [Due] {
        guard let first = next, first.end <= now else { return [] }
        if let earliest = earliestToRun(now, lookedFrom), earliest > first.end {
            until = earliest - 1
            next = schedule.interval(dueAfter: until, from: start)
        }
        var due: [Due] = []
        while let interval = next, interval.end <= now, due.count < Self.batch {
            due.append(Due(interval: interval, trigger: interval.end < lookedFrom ? .catchup : .schedule))
            until = interval.end
            next = schedule.interval(dueAfter: until, from: start)
        }
        return due
    }

    /// The due time before which nothing is to run; nil for none.
    private func earliestToRun(_ now: EventTime, _ lookedFrom: EventTime) -> EventTime? {
        switch catchUp {
        case .all: nil
        case .none: lookedFrom
        case .within(let ms): min(lookedFrom, now - ms)
        case .latest: schedule.interval(dueBy: min(now, lookedFrom - 1), from: start).map(\.end)
        }
    }
}
