public import Problems
public import Trips

extension WorkflowSpec {
    /// The data interval that a text means: `last` for the newest complete one, or its name (`2024`, `2024-Q1`, `2024-01`, `2024-01-22`).
    ///
    /// - Throws: `.usage` where there is none or more than one, and where the workflow has no schedule.
    public func interval(_ text: String, now: EventTime) throws(Problem) -> DataInterval {
        let schedule = try requireSchedule()
        if text == "last" {
            if let interval = schedule.interval(dueBy: now, from: start) { return interval }
            throw Problem(.usage, "no interval of workflow \"\(name)\" is complete yet")
        }
        guard let days = Self.days(text) else {
            throw Problem(
                .usage, "\"\(text)\" is no interval",
                hint:
                    "Write last, a year, quarter, month or day (2024, 2024-Q1, 2024-01, 2024-01-22), or when it begins."
            )
        }
        // One with this name begins in these days, though its own first instant may be some hours into them.
        let (from, to) = (zone.startMs(ofLocalDay: days.lowerBound), zone.startMs(ofLocalDay: days.upperBound))
        let found = schedule.intervals(startingFrom: from, before: to)
        let named = found.filter { $0.name(in: zone) == text }
        if let interval = named.count == 1 ? named[0] : found.count == 1 ? found[0] : nil { return interval }
        throw Problem(
            .usage,
            "\(found.isEmpty ? "no interval" : "\(found.count) intervals") of workflow \"\(name)\" "
                + "begin\(found.isEmpty ? "s" : "") in \"\(text)\"",
            hint: "taxi-cli workflow next \(name) shows how its intervals lie; backfill runs several.")
    }

    /// The data interval that begins at an instant.
    ///
    /// - Throws: `.usage` where none does, and where the workflow has no schedule.
    public func interval(startingAt start: EventTime) throws(Problem) -> DataInterval {
        let schedule = try requireSchedule()
        let found = schedule.intervals(startingFrom: start, before: start + 1)
        if let interval = found.first { return interval }
        let next = schedule.next(after: start).map { "The next begins at \(zone.iso(ms: $0))." }
        throw Problem(
            .usage, "no interval of workflow \"\(name)\" begins at \(zone.iso(ms: start))", hint: next)
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
        guard parts.count <= 2, parts[0].utf8.count == 4, let year = UInt16(parts[0]).map(Int.init), year > 0 else {
            return nil
        }
        func months(_ first: Int, _ count: Int) -> Range<Int> {
            let last = first + count - 2
            return Trips.Calendar.day(year: year, month: first, day: 1)..<Trips.Calendar.day(
                year: year, month: last + 1, day: Trips.Calendar.days(in: last + 1, of: year)) + 1
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
