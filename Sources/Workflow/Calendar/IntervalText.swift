public import Problems
public import Time

extension WorkflowSpec {
    /// The name of an interval, which no other of this workflow has; `interval(_:now:)` and the two below read it.
    public func name(of interval: DataInterval) -> String {
        schedule?.name(of: interval) ?? interval.name(in: zone)
    }

    /// What `{{ interval }}` becomes. Whoever asked for exactly a month of their own wants that month's name, whatever the schedule.
    func text(of interval: DataInterval) -> String {
        let name = name(of: interval)
        return name == interval.bounds(in: zone) ? interval.name(in: zone) : name
    }

    /// The data interval that a text means: `last` for the newest complete one, or a year, quarter, month or day (`2024`, `2024-Q1`,
    /// `2024-01`, `2024-01-22`) in which one begins. Without a schedule it is exactly that period.
    ///
    /// - Throws: `.usage` where there is none or more than one.
    public func interval(_ text: String, now: EventTime) throws(Problem) -> DataInterval {
        if text == "last" {
            if let interval = try requireSchedule().interval(dueBy: now, from: start) { return interval }
            throw Problem(.usage, "no interval of workflow \"\(name)\" is complete yet")
        }
        let found = try intervals(in: text)
        let place = "\(SpecReader.day(text) == nil ? "in" : "on") \(text)"
        guard found.count < 2 else {
            let (first, last) = (self.name(of: found[0]), self.name(of: found[found.count - 1]))
            throw Problem(
                .usage, "\(found.count) intervals begin \(place) in workflow \"\(name)\"",
                hint:
                    "Name one of them, \(first) to \(last); taxi-cli workflow backfill \(name) --interval \(text) runs all."
            )
        }
        guard let interval = found.first else {
            throw Problem(
                .usage, "no interval of workflow \"\(name)\" begins \(place)",
                hint: "taxi-cli workflow next \(name) shows how its intervals lie.")
        }
        let own = self.name(of: interval)
        // A day may stand for the longer interval that begins on it; a month that begins a year is not that year.
        guard own == text || SpecReader.day(text) != nil else {
            throw Problem(
                .usage, "the only interval of workflow \"\(name)\" that begins \(place) is \(own)",
                hint: "Name it so, if it is meant.")
        }
        return interval
    }

    /// All data intervals that begin in a year, quarter, month or day, oldest first. Without a schedule it is that period itself.
    ///
    /// - Throws: `.usage` for a text that is none of these.
    public func intervals(in text: String) throws(Problem) -> [DataInterval] {
        guard let days = Self.days(text) else {
            throw Problem(
                .usage, "\"\(text)\" is no interval",
                hint:
                    "Write last, a year, quarter, month or day (2024, 2024-Q1, 2024-01, 2024-01-22), or when it begins."
            )
        }
        // One with this name begins in these days, though its own first instant may be some hours into them.
        let (from, to) = (zone.startMs(ofLocalDay: days.lowerBound), zone.startMs(ofLocalDay: days.upperBound))
        return schedule?.intervals(startingFrom: from, before: to) ?? [DataInterval(start: from, end: to)]
    }

    /// The data interval that begins at an instant.
    ///
    /// - Throws: `.usage` where none does, and where the workflow has no schedule.
    public func interval(startingAt start: EventTime) throws(Problem) -> DataInterval {
        let schedule = try requireSchedule()
        if let interval = schedule.intervals(startingFrom: start, before: start + 1).first { return interval }
        throw noInterval(at: DataInterval.text(of: start, in: zone), after: start)
    }

    /// The data interval that begins when the clock on the wall shows a time.
    ///
    /// - Parameter wallMs: ms since 1970 as if the clock showed UTC.
    /// - Throws: `.usage` where none does, where the clock shows the time twice and one begins each time, and where the workflow
    ///   has no schedule.
    public func interval(startingAtWallMs wallMs: Int64) throws(Problem) -> DataInterval {
        let schedule = try requireSchedule()
        let instant = zone.utcMs(localSeconds: floorDivide(wallMs, 1000))
        // Clocks are changed by less than three hours.
        let near = schedule.intervals(startingFrom: instant - 10_800_000, before: instant + 10_800_001)
        let found = near.filter { $0.start + Int64(zone.offsetSeconds(atMs: $0.start)) * 1000 == wallMs }
        if found.count == 1 { return found[0] }
        let text = String(ZonedTime.text(ms: wallMs, offsetSeconds: 0).prefix(16))
        if found.isEmpty { throw noInterval(at: text, after: instant) }
        throw Problem(
            .usage, "the clock shows \(text) twice, and an interval of workflow \"\(name)\" begins each time",
            hint: "Name one of them: \(found.map { self.name(of: $0) }.joined(separator: " or ")).")
    }

    private func noInterval(at text: String, after time: EventTime) -> Problem {
        let next = schedule?.next(after: time - 1).map { "The next begins at \(DataInterval.text(of: $0, in: zone))." }
        return Problem(.usage, "no interval of workflow \"\(name)\" begins at \(text)", hint: next)
    }

    private func requireSchedule() throws(Problem) -> Schedule {
        if let schedule { return schedule }
        throw Problem(
            .usage, "workflow \"\(name)\" has no schedule, and so no intervals of its own",
            hint: "Give it a schedule, or run it with --from and --to.")
    }

    /// The local days of a year, quarter, month or day.
    private static func days(_ text: String) -> Range<Int>? {
        if let day = SpecReader.day(text) { return day..<day + 1 }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        // A number may have a sign, which no year has.
        guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 0x2D || $0 == 0x51 }) else { return nil }
        guard parts.count <= 2, parts[0].utf8.count == 4, let year = UInt16(parts[0]).map(Int.init), year > 0 else {
            return nil
        }
        func months(_ first: Int, _ count: Int) -> Range<Int> {
            let last = first + count - 2
            return Time.Calendar.day(year: year, month: first, day: 1)..<Time.Calendar.day(
                year: year, month: last + 1, day: Time.Calendar.days(in: last + 1, of: year)) + 1
        }
        guard parts.count == 2 else { return months(1, 12) }
        guard parts[1].utf8.count == 2 else { return nil }
        if parts[1].first == "Q" {
            return UInt8(parts[1].dropFirst()).flatMap { (1...4).contains($0) ? months(Int($0) * 3 - 2, 3) : nil }
        }
        return UInt8(parts[1]).flatMap { (1...12).contains($0) ? months(Int($0), 1) : nil }
    }
}

extension Schedule {
    /// The intervals that begin at or after `from` and before `before`, oldest first.
    public func intervals(startingFrom from: EventTime, before: EventTime) -> [DataInterval] {
        var found: [DataInterval] = []
        var start = next(after: from - 1)
        while let begin = start, begin < before, let end = next(after: begin) {
            found.append(DataInterval(start: begin, end: end))
            start = end
        }
        return found
    }
}
