import Problems
import SQLite
import Time

/// Windows of some queries that were stored and are not any more, since `batch --retain-windows` has removed them: nothing can be merged into them.
///
/// Windows go by whole days, once all of a day are closed and rolled up. So a day before the noted one is pruned if it is rolled up and
/// has no window left; one that is not rolled up keeps those it has.
struct PrunedWindows: Sendable {
    /// By table of a query: the day before which windows may be gone.
    private var before: [String: Int64] = [:]
    /// By table: where windows start that are gone, in the order of time.
    private(set) var ranges: [String: [Range<EventTime>]] = [:]

    init() {}

    /// Looks again, where more was removed since `known`.
    init(_ plans: [QueryPlan], zone: ZoneClock, on connection: Connection, known: PrunedWindows) throws(SQLiteError) {
        self = known
        let noted = try Self.before(plans, on: connection)
        guard noted != known.before else { return }
        before = noted
        for plan in plans {
            guard let day = noted[plan.table] else { continue }
            ranges[plan.table] = try Self.ranges(of: plan, before: day, zone: zone, on: connection)
        }
    }

    private static func before(_ plans: [QueryPlan], on connection: Connection) throws(SQLiteError) -> [String: Int64] {
        guard try connection.hasTable("pruned_windows"), try connection.hasTable("rolled_days") else {
            return [:]
        }
        let rows = try connection.rows("SELECT view, before_day FROM pruned_windows") { row throws(SQLiteError) in
            (try row.storedText(0), try row.integer(1, in: .days))
        }
        let tables = Set(plans.filter(\.window.isWindowed).map(\.table))
        return Dictionary(rows.filter { tables.contains($0.0) }) { $1 }
    }

    private static func ranges(
        of plan: QueryPlan, before day: Int64, zone: ZoneClock, on connection: Connection
    ) throws(SQLiteError) -> [Range<EventTime>] {
        let days = try connection.rows("SELECT day FROM rolled_days WHERE day < ? ORDER BY day", .integer(day)) {
            row throws(SQLiteError) in Int(try row.integer(0, in: .days))
        }
        let window = try connection.prepare(
            "SELECT 1 FROM \(plan.storageTable) WHERE window_start_ms >= ? AND window_start_ms < ? LIMIT 1")
        var ranges: [Range<EventTime>] = []
        for day in days {
            let (from, until) = (zone.startMs(ofLocalDay: day), zone.startMs(ofLocalDay: day + 1))
            window.bind(0, from)
            window.bind(1, until)
            let isThere = try window.step()
            window.reset()
            if isThere { continue }
            if let last = ranges.last, last.upperBound == from {
                ranges[ranges.count - 1] = last.lowerBound..<until
            } else {
                ranges.append(from..<until)
            }
        }
        return ranges
    }

    /// Whether something was removed since that an epoch has merged trips into; to be asked inside its transaction.
    ///
    /// - Throws: `.unavailable` where that is so.
    func requireKept(
        _ outputs: [QueryOutput], of plans: [QueryPlan], zone: ZoneClock, on connection: Connection
    ) throws {
        let now = try PrunedWindows(plans, zone: zone, on: connection, known: self)
        for output in outputs {
            guard let gone = now.ranges[plans[output.query].table], gone != ranges[plans[output.query].table],
                output.rows.ids.contains(where: { start in gone.contains { $0.contains(start) } })
            else { continue }
            throw Problem(
                .unavailable, "windows were removed by --retain-windows while trips were merged into them",
                hint: "Nothing of this epoch is stored. Start the stream again: it goes on where it was.")
        }
    }
}
