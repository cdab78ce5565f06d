import Problems
import SQLite

/// What comes before the analyses, for a workflow that wants to see each part by itself.
extension BatchRunner {
    /// Looks that the results of the selected periods are stored, and whole.
    ///
    /// - Parameter kinds: nil means what the selection implies.
    /// - Returns: the trips of the periods.
    /// - Throws: `Problem`: `.noInput` where a stream has stored nothing for them, `.tryAgain` where it has not come to their end.
    public func extract(kinds: [PeriodKind]? = nil, periods selection: PeriodSelection = .last) throws -> Int {
        try explaining("looking at the stored results") {
            guard try BatchSchema.exists(DayTotals.table, on: connection) else {
                throw Problem(
                    .noInput, "there are no stored results of \"tripsTotal\" yet", hint: "Run taxi-cli stream first.")
            }
            let (context, due) = try prepared(kinds ?? selection.impliedKinds, selection)
            let ranges = Period.dayRanges(of: due)
            let trips = ranges.reduce(0) { $0 + context.totals.totals(of: $1).trips }
            guard trips > 0 else {
                throw Problem(
                    .noInput, "no trips are stored for \(selection)",
                    hint: "taxi-cli show tripstotal tells which days there are.")
            }
            // Of all periods the last is under way as a rule; one that was asked for by name has to be there.
            if selection != .all,
                let period = due.first(where: { context.reach.isPartial($0, of: .fareTrend, zone: zone) })
            {
                throw Problem(
                    .tryAgain, "the stored results do not reach the end of \(period) yet",
                    hint: "Let taxi-cli stream come to its end, or give the step retries and a backoff.")
            }
            return Int(clamping: trips)
        }
    }

    /// Brings the day rollups of the selected periods up to date, so that the analyses only have to add them up.
    ///
    /// - Returns: the days of the periods that have a rollup now.
    /// - Throws: `Problem(.noInput)` where a stream has stored nothing.
    public func preprocess(kinds: [PeriodKind]? = nil, periods selection: PeriodSelection = .last) throws -> Int {
        try explaining("rolling days up") {
            let lock =
                connection.path == ":memory:"
                ? nil : try BatchLock(databasePath: connection.path, waitSeconds: lockWaitSeconds, isStopped: isStopped)
            defer { withExtendedLifetime(lock) {} }
            let windows = try StoredWindows.Source.allCases.compactMap { try StoredWindows($0, on: connection) }
            guard !windows.isEmpty else {
                throw Problem(
                    .noInput, "there are no stored windows to roll up yet", hint: "Run taxi-cli stream first.")
            }
            try requirePresentBuckets()
            let (_, due) = try prepared(kinds ?? selection.impliedKinds, selection)
            let ranges = Period.dayRanges(of: due)
            _ = try DayRollups(on: connection, windows: windows, zone: zone).refresh(ranges) { _, _ in }
            return try ranges.reduce(0) { sum, days in
                let count = try connection.value(
                    "SELECT count(*) FROM rolled_days WHERE day >= ? AND day < ?", .integer(Int64(days.lowerBound)),
                    .integer(Int64(days.upperBound)))
                return sum + Int(count?.integer ?? 0)
            }
        }
    }

    private func prepared(
        _ kinds: [PeriodKind], _ selection: PeriodSelection
    ) throws -> (context: BatchContext, due: [Period]) {
        try BatchSchema.prepare(connection)
        let windows = try StoredWindows.Source.allCases.compactMap { try StoredWindows($0, on: connection) }
        let context = try context(windows)
        return (context, try periods(selection, kinds, context, windows))
    }
}
