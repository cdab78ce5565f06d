import SQLite
import Time

/// Raw windows whose days are rolled up may go: `pruned_windows` says before which local day they have.
///
/// A pruned day keeps its rollup. Windows there again can only come of reading the source anew (trips that come late are not merged
/// into a window that is gone); then the rollup is made of them, else it stands, whatever else is noted about the day.
extension DayRollups {
    /// What pruning did.
    struct Pruned: Equatable {
        var windows = 0
        /// Days that stay because they are not rolled up as they are now.
        var daysKept = 0
    }

    /// `sumFareWindow` is not rolled up here: its days are those of `tripsTotal`.
    private static let prunable = StoredWindows.Source.allCases.map(\.rawValue) + ["sumfarewindow"]
    /// Some 90,000 rows, so that a stream's epoch does not wait for long.
    private static let daysADeletion = 4

    /// The day before which a view's windows were pruned, by view.
    static func prunedBefore(on connection: Connection) throws -> [String: Int] {
        let rows = try connection.rows("SELECT view, before_day FROM pruned_windows") { row throws(SQLiteError) in
            (try row.storedText(0), Int(try row.integer(1, in: .days)))
        }
        return Dictionary(rows) { $1 }
    }

    /// Deletes the windows of days before `day` whose rollups are up to date and whose windows are all closed.
    func prune(before day: Int) throws -> Pruned {
        var pruned = Pruned()
        let views = try Self.prunable.filter { try BatchSchema.exists("stored_\($0)", on: connection) }
            .map { (name: $0, closedBefore: try dayOfNewestClosed(in: $0)) }
        let old = try views.reduce(into: Set<Int>()) { $0.formUnion(try storedDays(of: $1.name, before: day)) }
        guard let first = old.min() else { return pruned }
        let rolled = try connection.rows(
            "SELECT day, fresh FROM rolled_days WHERE day >= ? AND day < ?", .integer(Int64(first)),
            .integer(Int64(day))
        ) { row throws(SQLiteError) in (Int(try row.integer(0, in: .days)), try row.integer(1, in: .flags) == 1) }
        let isFresh = Dictionary(rolled) { first, _ in first }
        let noted =
            try hasChangedDays
            ? Set(
                connection.rows("SELECT day FROM changed_days") { row throws(SQLiteError) in
                    Int(try row.integer(0, in: .days))
                }) : []
        // Windows that only reach into the next day stay: of a day that is not rolled up nobody could tell that some are gone.
        let due = old.sorted().filter { isFresh[$0] == true && !noted.contains($0) }
        pruned.daysKept = try days(in: first..<day).intersection(old).subtracting(due).count
        var rest = due[...]
        while !rest.isEmpty {
            let some = rest.prefix(Self.daysADeletion)
            rest = rest.dropFirst(some.count)
            try connection.transaction {
                for (view, closedBefore) in views {
                    let gone = some.filter { $0 < closedBefore }
                    guard let last = gone.last else { continue }
                    let delete = try connection.prepare(
                        "DELETE FROM stored_\(view) WHERE window_start_ms >= ? AND window_start_ms < ? AND closed > 0")
                    for day in gone where try !isNoted(day) {
                        try delete.run(zone.startMs(ofLocalDay: day), zone.startMs(ofLocalDay: day + 1))
                        pruned.windows += connection.changedRows
                    }
                    try connection.execute(
                        """
                        INSERT INTO pruned_windows VALUES (?1, ?2)
                        ON CONFLICT (view) DO UPDATE SET before_day = max(before_day, excluded.before_day)
                        """, .text(view), .integer(Int64(last) + 1))
                }
            }
        }
        return pruned
    }

    /// The local day of the newest closed window: no window of an earlier day is open or yet to come, however far other queries are.
    private func dayOfNewestClosed(in view: String) throws -> Int {
        let newest = try connection.integer(
            "SELECT window_start_ms FROM stored_\(view) WHERE closed > 0 ORDER BY window_start_ms DESC LIMIT 1",
            in: .times)
        return newest.map { zone.localDay(ofMs: $0) } ?? .min
    }

    /// The local days before `day` on which a window of the view starts.
    private func storedDays(of view: String, before day: Int) throws -> [Int] {
        let next = try connection.prepare(
            "SELECT window_start_ms FROM stored_\(view) WHERE window_start_ms >= ? ORDER BY window_start_ms LIMIT 1")
        var days: [Int] = []
        var from = Period.supportedDays.lowerBound
        while from < day {
            next.bind(0, zone.startMs(ofLocalDay: from))
            defer { next.reset() }
            guard try next.step() else { break }
            let found = zone.localDay(ofMs: try next.integer(0, in: .times))
            guard found < day else { break }
            days.append(found)
            from = found + 1
        }
        return days
    }

    /// A stream may have noted the day since it was looked at.
    func isNoted(_ day: Int) throws -> Bool {
        try hasChangedDays
            && connection.value("SELECT 1 FROM changed_days WHERE day = ?", .integer(Int64(day))) != nil
    }
}
