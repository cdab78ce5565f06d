import SQLite
import Stream
import Time

/// The local days of which `batch --retain-windows` has deleted a query's windows.
///
/// Windows go by whole days, once all of a day are closed. So a day before the noted one that has no closed window left was
/// pruned, and of a day that has one a missing window is a mistake.
final class PrunedDays {
    private let plan: QueryPlan
    private let zone: ZoneClock
    private let connection: Connection
    /// Days before it may have been pruned; nil where nothing was.
    let before: Int?
    private var known: [Int: Bool] = [:]

    init(of plan: QueryPlan, zone: ZoneClock, on connection: Connection) throws(SQLiteError) {
        (self.plan, self.zone, self.connection) = (plan, zone, connection)
        let isNoted = try connection.value("SELECT 1 FROM sqlite_schema WHERE name = 'pruned_windows'") != nil
        before =
            isNoted && plan.window.isWindowed
            ? try connection.value("SELECT before_day FROM pruned_windows WHERE view = ?", .text(plan.table))
                .flatMap(\.integer).map(Int.init) : nil
    }

    func contains(_ window: EventTime) throws(SQLiteError) -> Bool {
        guard let before else { return false }
        let day = zone.localDay(ofMs: window)
        guard day < before else { return false }
        if let isPruned = known[day] { return isPruned }
        let isPruned =
            try connection.value(
                "SELECT 1 FROM \(plan.storageTable) WHERE window_start_ms >= ? AND window_start_ms < ? AND closed > 0 LIMIT 1",
                .integer(zone.startMs(ofLocalDay: day)), .integer(zone.startMs(ofLocalDay: day + 1))) == nil
        known[day] = isPruned
        return isPruned
    }
}
