public import Database
public import Problems
public import Time
public import Trips

extension Restatement.Source {
    /// Opens the files that stand for a period.
    ///
    /// - Parameters:
    ///   - fields: the columns to decode.
    ///   - plans: the queries that need them, where files that lack one are to be refused; empty where they were taken before.
    /// - Throws: `Problem(.noInput)` where a file is gone, `.badData` where it is not the one that was restated from.
    public func open(
        _ fields: TripFieldSet, for plans: [QueryPlan] = [], optional: TripFieldSet = [], zone: ZoneClock,
        progress: ((_ done: Int, _ of: Int) -> Void)? = nil, warn: @escaping (String) -> Void = { _ in }
    ) throws(Problem) -> TripSource {
        for file in files { try require(file) }
        var options = TripSourceOptions(
            clock: EventClock(rawValue: clock) ?? .start, spread: Spread(rawValue: spread) ?? .none, seed: seed,
            cleaning: clean.flatMap(Cleaning.init), fields: fields,
            required: takesMissing || plans.isEmpty ? [] : fields,
            purpose: "the queries", zone: zone)
        options.optional = optional
        for plan in plans {
            for field in plan.fields.fields { options.users[field, default: []].append(plan.name) }
        }
        options.ahead = MaxAhead(nowMs: latestMs, aheadMs: 0)
        return try TripSource(paths: files.map(\.path), options: options, progress: progress, warn: warn)
    }

    private func require(_ file: File) throws(Problem) {
        let found: String?
        do { found = try ContentHash.hash(of: file.path) } catch { found = nil }
        guard let found else {
            throw Problem(
                .noInput, "\"\(file.path)\", which stands for a restated period, cannot be read",
                hint: "Put it back, or restate the period from another file.")
        }
        guard found == file.content else {
            throw Problem(
                .badData, "\"\(file.path)\" is not the file any more that stands for a restated period",
                hint: "Put that one back, or restate the period from this file: taxi-cli stream restate.")
        }
    }
}
