import Problems
public import SQLite
import Time

/// Days of which a query's results are stored by other offsets of the tenant's zone than the time zone data have now.
///
/// Governments change their clocks, and data that come later know what earlier ones did not. The views read the table `zone_offsets`, the
/// messages of topics and the days of the analytics the data of the system: so each start that may write brings the table up to date.
/// Where windows are stored in days whose offset changed, a row of `settings` keeps these until the query is computed anew: the trips were
/// put at their instants by the earlier offsets.
///
///     zone_changed:<view>    first and last day since 1970, as "19792 19795"
public struct ZoneChange: Sendable, Equatable {
    public var view: String
    /// The first and the last of the days, since 1970; not each between them need have changed.
    public var days: ClosedRange<Int>

    private static let prefix = "zone_changed:"

    static func all(in connection: Connection) throws -> [ZoneChange] {
        try connection.rows(
            "SELECT name, value FROM settings WHERE name >= '\(prefix)' AND name < 'zone_changed;' ORDER BY name"
        ) { row throws(SQLiteError) in
            let days = try row.storedText(1).split(separator: " ").compactMap { Int($0) }
            guard days.count == 2, days[0] <= days[1] else { throw row.damage(1, wanted: "two days") }
            return ZoneChange(view: String(try row.storedText(0).dropFirst(prefix.count)), days: days[0]...days[1])
        }
    }

    /// To be called where the results of a view are removed: what comes in their place is by the present offsets.
    public static func forget(view: String, in connection: Connection) throws {
        try connection.execute("DELETE FROM settings WHERE name = ?", .text(prefix + view))
    }

    static func isNone(in connection: Connection, since clock: ZoneClock) throws -> Bool {
        try stored(in: connection) == clock.stretches
    }

    /// Brings `zone_offsets` up to date, and notes which days of stored results that changes; inside a transaction.
    static func note(in connection: Connection, since clock: ZoneClock) throws {
        let changes = differences(try stored(in: connection), clock.stretches)
        guard !changes.isEmpty else { return }
        try write(clock, to: connection)
        let earlier = try all(in: connection)
        for (view, windows) in try windows(in: connection) {
            let touched = changes.filter { $0.overlaps(windows) }.map { change in
                clock.localDay(
                    ofMs: max(change.lowerBound, windows.lowerBound))...clock.localDay(
                        ofMs: min(change.upperBound - 1, windows.upperBound - 1))
            }
            guard var days = touched.first.map({ $0.lowerBound...touched[touched.count - 1].upperBound }) else {
                continue
            }
            for day in touched.joined() {
                try connection.execute("INSERT OR IGNORE INTO changed_days VALUES (?)", .integer(Int64(day)))
            }
            if let known = earlier.first(where: { $0.view == view })?.days {
                days = min(known.lowerBound, days.lowerBound)...max(known.upperBound, days.upperBound)
            }
            try connection.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)", .text(prefix + view),
                .text("\(days.lowerBound) \(days.upperBound)"))
        }
    }

    static func write(_ clock: ZoneClock, to connection: Connection) throws {
        try connection.execute("DELETE FROM zone_offsets")
        for stretch in clock.stretches {
            try connection.execute(
                "INSERT INTO zone_offsets VALUES (?, ?)", .integer(stretch.fromMs),
                .integer(Int64(stretch.offsetSeconds)))
        }
    }

    private static func stored(in connection: Connection) throws -> [ZoneClock.Stretch] {
        try connection.rows("SELECT from_ms, offset_s FROM zone_offsets ORDER BY from_ms") { row throws(SQLiteError) in
            ZoneClock.Stretch(
                fromMs: try row.integer(0, in: .min ... .max),
                offsetSeconds: Int(try row.integer(1, in: -172_800...172_800)))
        }
    }

    /// When two tables give different offsets; neighbours that touch are one stretch.
    static func differences(_ old: [ZoneClock.Stretch], _ new: [ZoneClock.Stretch]) -> [Range<EventTime>] {
        var found: [Range<EventTime>] = []
        let edges = Set(old.map(\.fromMs) + new.map(\.fromMs)).sorted()
        func offset(_ table: [ZoneClock.Stretch], _ time: EventTime) -> Int? {
            table.last { $0.fromMs <= time }?.offsetSeconds
        }
        for (from, until) in zip(edges, edges.dropFirst() + [.max]) where offset(old, from) != offset(new, from) {
            if let last = found.last, last.upperBound == from {
                found[found.count - 1] = last.lowerBound..<until
            } else {
                found.append(from..<until)
            }
        }
        return found
    }

    /// The views with stored windows, and from the start of the first to behind that of the last.
    private static func windows(in connection: Connection) throws -> [(view: String, times: Range<EventTime>)] {
        let tables = try connection.rows(
            """
            SELECT t.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
            WHERE t.type = 'table' AND t.name >= 'stored_' AND t.name < 'stored`' AND c.name = 'window_start_ms' ORDER BY 1
            """
        ) { row throws(SQLiteError) in try row.storedText(0) }
        return try tables.compactMap { table in
            let ends = try connection.rows("SELECT min(window_start_ms), max(window_start_ms) FROM \"\(table)\"") {
                row throws(SQLiteError) in
                (try row.optionalInteger(0, in: .times), try row.optionalInteger(1, in: .times))
            }
            guard let ends = ends.first, let first = ends.0, let last = ends.1, first <= last else { return nil }
            return (String(table.dropFirst("stored_".count)), first..<last + 1)
        }
    }
}
