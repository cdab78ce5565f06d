import Database
import Problems
import SQLite

/// Reads a report's numbers out of the public views and the ledger.
struct ReportReader {
    let connection: Connection
    let selection: ReportSelection

    private let views: Set<String>

    init(_ connection: Connection, _ selection: ReportSelection) throws {
        (self.connection, self.selection) = (connection, selection)
        views = Set(
            try connection.rows("SELECT name FROM sqlite_schema WHERE type IN ('view', 'table')") { $0.text(0) })
    }

    // MARK: Analytics

    /// Periods of the analytics that the report is about, the oldest first.
    ///
    /// - Throws: `Problem(.noInput)` where there are none.
    func periods() throws -> [String] {
        let stored =
            !has("fare_trend")
            ? []
            : try connection.rows(
                "SELECT period, partial FROM fare_trend WHERE period_kind = ? ORDER BY period",
                .text(selection.kind.rawValue)
            ) { row throws(SQLiteError) in
                (period: try row.storedText(0), isPartial: try row.integer(1, in: .flags) != 0)
            }
        guard !stored.isEmpty else {
            throw Problem(
                .noInput, "there are no analytics by \(selection.kind.rawValue) to report on yet",
                hint: "Run taxi-cli batch first; it computes them from what a stream has stored.")
        }
        switch selection.scope {
        case .all: return stored.map(\.period)
        case .last: return [(stored.last { !$0.isPartial } ?? stored[stored.count - 1]).period]
        case .one(let period, let parts):
            let found = stored.map(\.period).filter(parts.contains)
            guard !found.isEmpty else {
                throw Problem(
                    .noInput, "there are no results of \(period)",
                    hint: "There are \(stored[0].period) to \(stored[stored.count - 1].period).")
            }
            return found
        }
    }

    func fareTrend(_ periods: [String]) throws -> ReportTable? {
        let money = ["fare_sum", "fare_mean", "tips_sum", "tips_mean", "total_sum", "total_mean"]
        let quantiles = ["fare_p10", "fare_p25", "fare_p50", "fare_p75", "fare_p90", "fare_p99"]
        return try ofPeriods(
            periods, in: "fare_trend",
            [.init("period", .text), .init("trips", .count)] + (money + quantiles).map { .init($0, .money) }
                + [.init("fare_sum_change", .share), .init("fare_sum_change_year", .share), .init("partial", .flag)])
    }

    /// Months or years; there are no running totals of quarters, whose months are taken.
    func totals(_ periods: [String]) throws -> (table: ReportTable, kind: ReportSelection.Kind)? {
        let kind: ReportSelection.Kind = selection.kind == .year ? .year : .month
        var columns: [ReportTable.Column] = [.init("period", .text)]
        for suffix in ["", "_in_year", "_so_far"] {
            columns.append(.init("trips\(suffix)", .count))
            columns += ["fare", "tips", "total"].map { .init($0 + suffix, .money) }
        }
        columns += [.init("tips_mean", .money), .init("total_mean", .money), .init("partial", .flag)]
        let wanted =
            selection.kind == .quarter
            ? periods.flatMap { quarter in
                let first = (Int(quarter.suffix(1)) ?? 1) * 3 - 2
                return (first..<first + 3).map { "\(quarter.prefix(4))-\($0 < 10 ? "0" : "")\($0)" }
            } : periods
        guard let table = try ofPeriods(wanted, in: "accumulated_metrics", columns) else { return nil }
        return (table, kind)
    }

    private static let areaColumns: [ReportTable.Column] = [
        .init("period", .text), .init("rank", .number), .init("pickup_community_area", .number),
        .init("area_name", .text),
        .init("pickups", .count), .init("share", .share), .init("top10_days", .count), .init("days", .count),
        .init("persistent", .flag),
    ]

    /// The period of the map: the one that was asked for, else the newest complete one, else the newest.
    func focus(_ periods: [String]) throws -> String? {
        guard has("area_hotspots") else { return nil }
        if case .one(let period, _) = selection.scope,
            try connection.value("SELECT 1 FROM area_hotspots WHERE period = ?", .text(period)) != nil
        {
            return period
        }
        return try connection.text(
            """
            SELECT period FROM area_hotspots WHERE period_kind = ? AND period <= ? AND period >= ?
            ORDER BY partial, period DESC LIMIT 1
            """, .text(selection.kind.rawValue), .text(periods[periods.count - 1]), .text(periods[0]))
    }

    func areas(of period: String) throws -> ReportTable? {
        try table("area_hotspots", Self.areaColumns, "WHERE period = ? ORDER BY rank", [.text(period)])
    }

    func locations(of period: String) throws -> ReportTable? {
        let columns: [ReportTable.Column] = [
            .init("period", .text), .init("rank", .number), .init("pickup_centroid_location", .text),
            .init("pickups", .count), .init("share", .share), .init("top10_days", .count), .init("days", .count),
            .init("persistent", .flag),
        ]
        return try table("location_hotspots", columns, "WHERE period = ? ORDER BY rank", [.text(period)])
    }

    /// The first ten areas of every period: what the chart shows, and few enough rows for a page about decades.
    func ranks(_ periods: [String]) throws -> ReportTable? {
        try table(
            "area_hotspots", Array(Self.areaColumns.prefix(6)),
            "WHERE period_kind = ? AND period BETWEEN ? AND ? AND rank <= \(Figure.rankCount) ORDER BY period, rank",
            [.text(selection.kind.rawValue), .text(periods[0]), .text(periods[periods.count - 1])])
    }

    /// What trips are made of by payment type or company: the first rows of every period.
    func mix(_ mix: Mix, _ periods: [String]) throws -> ReportTable? {
        guard has(mix.view) else { return nil }
        let columns: [ReportTable.Column] =
            [.init("period", .text), .init(mix.column, .text), .init("trips", .count)]
            + ["share", "share_before", "share_year_before"].map { .init($0, .share) }
            + ["fare", "tips"].map { .init($0, .money) }
            + [.init("tip_share", .share), .init("fare_a_mile", .number), .init("fare_a_minute", .number)]
        let names = columns.map { "\"\($0.name)\"" }.joined(separator: ", ")
        let table = try read(
            columns,
            """
            SELECT \(names) FROM (
              SELECT *, row_number() OVER (PARTITION BY period ORDER BY trips DESC, \(mix.column)) AS place FROM \(mix.view)
              WHERE period_kind = ? AND period BETWEEN ? AND ?)
            WHERE place <= \(Mix.rowsAPeriod) ORDER BY period, place
            """, [.text(selection.kind.rawValue), .text(periods[0]), .text(periods[periods.count - 1])])
        return table.rows.isEmpty ? nil : table
    }

    /// Taxis at work by hour of the day, of all hours of the periods together.
    func taxisOut(_ periods: [String]) throws -> ReportTable? {
        guard has("taxis_out") else { return nil }
        let table = try read(
            [
                .init("hour", .number), .init("hours", .count), .init("taxi_hours", .count), .init("taxis", .number),
                .init("taxis_most", .count), .init("trips", .count), .init("fare", .money),
                .init("trips_a_taxi", .number), .init("fare_a_taxi", .money),
            ],
            """
            SELECT hour, sum(hours), sum(taxi_hours), round(sum(taxi_hours) * 1.0 / sum(hours), 2), max(taxis_most), sum(trips),
              round(sum(fare), 2), round(sum(trips) * 1.0 / sum(taxi_hours), 2), sum(fare) / sum(taxi_hours)
            FROM taxis_out WHERE period_kind = ? AND period BETWEEN ? AND ? GROUP BY hour ORDER BY hour
            """, [.text(selection.kind.rawValue), .text(periods[0]), .text(periods[periods.count - 1])])
        return table.rows.isEmpty ? nil : table
    }

    private func ofPeriods(_ periods: [String], in view: String, _ columns: [ReportTable.Column]) throws -> ReportTable?
    {
        let places = periods.map { _ in "?" }.joined(separator: ", ")
        return try table(view, columns, "WHERE period IN (\(places)) ORDER BY period", periods.map { .text($0) })
    }

    // MARK: Windows

    /// One row a log bucket of fares, added up over the report's time.
    ///
    /// Days whose windows were let go of (`batch --retain-windows`) come from their rollups.
    func fareDistribution(_ periods: [String]) throws -> ReportTable? {
        guard has("faredistribution") else { return nil }
        let (filter, values) = windows(periods)
        let pruned = try prunedDays(of: "faredistribution")
        let rollups =
            pruned.isEmpty
            ? ""
            : """
            UNION ALL SELECT bucket, fare_from, fare_to, trips, fare_sum / 100.0
              FROM (SELECT *, date(day * 86400, 'unixepoch') AS window_start FROM day_fare
                WHERE day IN (\(pruned.map(String.init).joined(separator: ", "))))
              JOIN fare_buckets USING (bucket) \(filter)
            """
        return try read(
            [
                .init("bucket", .number), .init("fare_from", .money), .init("fare_to", .money), .init("trips", .count),
                .init("total_fare", .money),
            ],
            """
            SELECT bucket, fare_from, fare_to, sum(trips), round(sum(total_fare), 2) FROM (
              SELECT bucket, fare_from, fare_to, trips, total_fare FROM faredistribution \(filter) \(rollups))
            GROUP BY bucket ORDER BY fare_to
            """, rollups.isEmpty ? values : values + values)
    }

    /// Days since 1970 of which all windows of a view were let go of: rolled up, and without a closed window.
    private func prunedDays(of view: String) throws -> [Int] {
        guard has("pruned_windows") else { return [] }
        let before = try connection.integer(
            "SELECT before_day FROM pruned_windows WHERE view = ?", .text(view), in: .days)
        guard let before else { return [] }
        return try connection.rows(
            """
            SELECT day FROM rolled_days WHERE day < ?1 AND day NOT IN (
              SELECT (window_start_ms / 1000 + (SELECT offset_s FROM zone_offsets WHERE from_ms <= window_start_ms
                ORDER BY from_ms DESC LIMIT 1)) / 86400
              FROM stored_\(view) WHERE window_start_ms < (?1 + 1) * 86400000 AND closed > 0)
            """, .integer(before)
        ) { row throws(SQLiteError) in Int(try row.integer(0, in: .days)) }
    }

    /// Trips by local hour of the week.
    ///
    /// Days whose windows were let go of come from `hourOfWeekByDay`, where that query runs.
    ///
    /// One aggregate over `sumfarewindow`, by the day and hour at the beginning of its local times; then the days of each weekday are
    /// counted that had any trip. An hour that the spring change skips counts as one without trips, the one that autumn repeats is
    /// two in one: an hour in 8,760 either way.
    func hourOfWeek(_ periods: [String]) throws -> ReportTable? {
        guard has("sumfarewindow") else { return nil }
        let (filter, values) = windows(periods)
        let pruned = has("hourofweekbyday") ? try prunedDays(of: "sumfarewindow") : []
        let days =
            pruned.isEmpty
            ? ""
            : """
            UNION ALL SELECT window_start || printf('T%02d', hour_of_week % 24), trips
              FROM (SELECT day AS window_start, hour_of_week, trips FROM hourofweekbyday
                WHERE day IN (\(pruned.map { "date(\($0) * 86400, 'unixepoch')" }.joined(separator: ", ")))) \(filter)
            """
        let statement = try connection.prepare(
            """
            WITH hours AS (SELECT substr(window_start, 1, 13) AS hour, sum(trips) AS trips FROM sumfarewindow \(filter) GROUP BY 1
              \(days)),
              named AS (SELECT (strftime('%w', substr(hour, 1, 10)) + 6) % 7 AS weekday, CAST(substr(hour, 12, 2) AS INTEGER) AS hour,
                substr(hour, 1, 10) AS day, trips FROM hours WHERE trips > 0),
              days AS (SELECT weekday, count(DISTINCT day) AS days FROM named GROUP BY weekday)
            SELECT weekday, hour, sum(trips), days, sum(trips) * 1.0 / days FROM named JOIN days USING (weekday)
            GROUP BY weekday, hour ORDER BY weekday, hour
            """)
        try statement.bind(days.isEmpty ? values : values + values)
        let columns: [ReportTable.Column] = [
            .init("weekday", .text), .init("hour", .number), .init("trips", .count), .init("days", .count),
            .init("trips_per_hour", .number),
        ]
        var rows: [[SQLValue]] = []
        while try statement.step() {
            let weekday = Int(try statement.integer(0, in: 0...6))
            rows.append(
                [.text(Figure.weekdays[weekday])] + (try (1..<5).map { try Self.value(statement, $0, columns[$0]) }))
        }
        return ReportTable(columns: columns, rows: rows)
    }

    /// A condition on a column such as `window_start`, whose local times sort as texts; none for a report of everything.
    func windows(
        _ periods: [String], column: String = "window_start"
    ) -> (filter: String, values: [SQLValue]) {
        guard selection.scope != .all else { return ("", []) }
        let from = PeriodText(text: periods[0]).bounds.from
        let until = PeriodText(text: periods[periods.count - 1]).bounds.until
        return ("WHERE \(column) >= ? AND \(column) < ?", [.text(from), .text(until)])
    }

    // MARK: Quality

    /// Records by what became of them: of `produce` out of its runs' summaries, of `stream` out of the ledger.
    ///
    /// A summary counts what the runs that it resumed have done too, so of such a series the last alone counts.
    func quality() throws -> ReportTable? {
        guard has("runs"), has("ledger") else { return nil }
        let columns: [ReportTable.Column] = [
            .init("stage", .text), .init("query", .text), .init("counter", .text), .init("reason", .text),
            .init("records", .count),
        ]
        let table = try read(
            columns,
            """
            WITH produced AS (
              SELECT id, summary, lead(json_extract(summary, '$.resumed_from')) OVER (ORDER BY id) AS resumed
              FROM runs WHERE command = 'produce' AND json_valid(summary) AND json_extract(summary, '$.read') IS NOT NULL),
            counted AS (SELECT id, summary FROM produced WHERE coalesce(resumed, 0) = 0)
            SELECT 'produce', '', key, '', sum(value) AS records FROM counted, json_each(summary)
              WHERE key IN ('read', 'sent') GROUP BY key
            UNION ALL SELECT 'produce', '', 'rejected', r.key, sum(r.value) FROM counted, json_each(summary, '$.rejected') AS r GROUP BY r.key
            UNION ALL SELECT 'produce', '', 'filtered', f.key, sum(f.value) FROM counted, json_each(summary, '$.filtered') AS f GROUP BY f.key
            UNION ALL SELECT kind, query, iif(counter LIKE 'rejected:%', 'rejected', counter),
              iif(counter LIKE 'rejected:%', substr(counter, 10), ''), sum(value)
              FROM ledger WHERE kind <> 'produce' GROUP BY 1, 2, 3, 4
            """, [])
        return table.rows.isEmpty ? nil : table
    }

    /// On how many of their days all periods of a query have trips.
    func days(_ source: String) throws -> PeriodDays { PeriodDays(try Coverage(on: connection, source: source)) }

    // MARK: Rows

    func has(_ view: String) -> Bool { views.contains(view) }

    /// Columns of a view; nil where there is no such view or no such row.
    private func table(
        _ view: String, _ columns: [ReportTable.Column], _ filter: String, _ values: [SQLValue]
    ) throws -> ReportTable? {
        guard has(view) else { return nil }
        let names = columns.map { "\"\($0.name)\"" }.joined(separator: ", ")
        let table = try read(columns, "SELECT \(names) FROM \(view) \(filter)", values)
        return table.rows.isEmpty ? nil : table
    }

    private func read(_ columns: [ReportTable.Column], _ sql: String, _ values: [SQLValue]) throws -> ReportTable {
        let statement = try connection.prepare(sql)
        try statement.bind(values)
        var rows: [[SQLValue]] = []
        while try statement.step() {
            rows.append(try columns.indices.map { try Self.value(statement, $0, columns[$0]) })
        }
        return ReportTable(columns: columns, rows: rows)
    }

    /// A value that the figures can compute with: what a damaged table gives instead says so here.
    private static func value(
        _ row: Statement, _ index: Int, _ column: ReportTable.Column
    ) throws(SQLiteError) -> SQLValue {
        let value = row.value(index)
        if value == .null { return value }
        switch column.kind {
        case .text: return .text(try row.storedText(index))
        case .any: return value
        case .flag: return .integer(try row.integer(index, in: .flags))
        case .count: return .integer(try row.integer(index, in: .counts))
        case .number, .money, .share:
            // Beyond it a double has no digits behind the point.
            guard try abs(row.finiteReal(index)) <= 1e15 else {
                throw row.damage(index, wanted: "a number that can be drawn")
            }
            return value
        }
    }
}
