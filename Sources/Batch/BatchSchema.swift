import Database
public import SQLite

/// The tables that analytics writes and the public views over them.
///
/// Storage (money in cents, days as days since 1970-01-01 of the tenant's zone):
///
///     day_fare, day_area, day_location   closed windows added up by local day; only windows that tile time
///     rolled_days                        which days have been; fresh = 0 while a day's rollup is due or being written
///     rolled_months                      what the days of a month add up to: MonthSums
///     rolled_locations                   the texts of day_location's ids: LocationIDs
///     pruned_windows                     before which day a view's windows are gone: DayRollups+Pruning
///     batch_analyses                     the texts of declared analyses: DeclaredResults
///     batch_vintage…                     earlier answers: Vintages
///     batch_<view>                       rows of the four analyses, keyed by kind and period (and rank)
///     batch_period_coverage              on how many days of a period each query has trips: PeriodCoverage
public enum BatchSchema {
    /// Creates what is missing, and views whose definition has changed anew; takes the write lock only if there is something to do.
    public static func prepare(_ connection: Connection) throws {
        let stored = try connection.rows("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view')") {
            ($0.text(0), $0.text(1))
        }
        let known = Dictionary(stored) { first, _ in first }
        let due = tables.contains { known[$0.name] == nil } || views.contains { known[$0.name] != $0.sql }
        guard due else { return }
        try connection.transaction {
            for table in tables where known[table.name] == nil {
                try connection.execute(table.sql)
                // Up to then, the stream's own ids were those of the rollups.
                if table.name == "rolled_locations", known["keys_hotspotwindow"] != nil {
                    try connection.execute(
                        "INSERT OR IGNORE INTO rolled_locations SELECT id, pickup_centroid_location FROM keys_hotspotwindow"
                    )
                }
            }
            for view in views where known[view.name] != view.sql {
                try connection.execute("DROP VIEW IF EXISTS \(view.name)")
                try connection.execute(view.sql)
            }
        }
    }

    /// Whether a table (or view) of that name exists.
    static func exists(_ name: String, on connection: Connection) throws(SQLiteError) -> Bool {
        try connection.value("SELECT 1 FROM sqlite_master WHERE name = ?", .text(name))?.integer == 1
    }

    private static let tables: [(name: String, sql: String)] = [
        (
            "day_fare",
            """
            CREATE TABLE IF NOT EXISTS day_fare(
              day INTEGER NOT NULL, bucket INTEGER NOT NULL,
              trips INTEGER NOT NULL, fare_sum INTEGER NOT NULL, fare_n INTEGER NOT NULL,
              PRIMARY KEY (day, bucket)) WITHOUT ROWID
            """
        ),
        (
            "day_area",
            """
            CREATE TABLE IF NOT EXISTS day_area(
              day INTEGER NOT NULL, area INTEGER NOT NULL, pickups INTEGER NOT NULL,
              PRIMARY KEY (day, area)) WITHOUT ROWID
            """
        ),
        (
            "day_location",
            """
            CREATE TABLE IF NOT EXISTS day_location(
              day INTEGER NOT NULL, location INTEGER NOT NULL, pickups INTEGER NOT NULL,
              PRIMARY KEY (day, location)) WITHOUT ROWID
            """
        ),
        (
            "rolled_days",
            "CREATE TABLE IF NOT EXISTS rolled_days(day INTEGER PRIMARY KEY, fresh INTEGER NOT NULL)"
        ),
        (
            "rolled_months",
            """
            CREATE TABLE IF NOT EXISTS rolled_months(
              source TEXT NOT NULL, month INTEGER NOT NULL, words BLOB NOT NULL, PRIMARY KEY (source, month)) WITHOUT ROWID
            """
        ),
        (
            "rolled_locations",
            "CREATE TABLE IF NOT EXISTS rolled_locations(id INTEGER PRIMARY KEY, location TEXT NOT NULL UNIQUE)"
        ),
        (
            "pruned_windows",
            "CREATE TABLE IF NOT EXISTS pruned_windows(view TEXT PRIMARY KEY, before_day INTEGER NOT NULL) WITHOUT ROWID"
        ),
        (
            "batch_analyses",
            "CREATE TABLE IF NOT EXISTS batch_analyses(name TEXT PRIMARY KEY, sql TEXT NOT NULL) WITHOUT ROWID"
        ),
        (
            "batch_vintages",
            "CREATE TABLE IF NOT EXISTS batch_vintages(vintage TEXT PRIMARY KEY, made_ms INTEGER NOT NULL) WITHOUT ROWID"
        ),
        (
            "batch_vintage_views",
            """
            CREATE TABLE IF NOT EXISTS batch_vintage_views(
              vintage TEXT NOT NULL, view TEXT NOT NULL, keys TEXT NOT NULL, object TEXT NOT NULL,
              PRIMARY KEY (vintage, view)) WITHOUT ROWID
            """
        ),
        (
            "batch_vintage_rows",
            """
            CREATE TABLE IF NOT EXISTS batch_vintage_rows(
              vintage TEXT NOT NULL, view TEXT NOT NULL, period_kind TEXT NOT NULL, period TEXT NOT NULL,
              key TEXT NOT NULL, row TEXT NOT NULL,
              PRIMARY KEY (vintage, view, period_kind, period, key)) WITHOUT ROWID
            """
        ),
        (
            "batch_fare_trend",
            """
            CREATE TABLE IF NOT EXISTS batch_fare_trend(
              period_kind TEXT NOT NULL, period TEXT NOT NULL, trips INTEGER NOT NULL,
              fare_sum INTEGER, fare_mean INTEGER, tips_sum INTEGER, tips_mean INTEGER, total_sum INTEGER, total_mean INTEGER,
              fare_p10 INTEGER, fare_p25 INTEGER, fare_p50 INTEGER, fare_p75 INTEGER, fare_p90 INTEGER, fare_p99 INTEGER,
              fare_sum_before INTEGER, fare_sum_year_before INTEGER, partial INTEGER NOT NULL,
              PRIMARY KEY (period_kind, period)) WITHOUT ROWID
            """
        ),
        (
            "batch_accumulated_metrics",
            """
            CREATE TABLE IF NOT EXISTS batch_accumulated_metrics(
              period_kind TEXT NOT NULL, period TEXT NOT NULL,
              trips INTEGER NOT NULL, fare INTEGER, tips INTEGER, total INTEGER,
              trips_in_year INTEGER NOT NULL, fare_in_year INTEGER, tips_in_year INTEGER, total_in_year INTEGER,
              trips_so_far INTEGER NOT NULL, fare_so_far INTEGER, tips_so_far INTEGER, total_so_far INTEGER,
              tips_mean INTEGER, total_mean INTEGER, partial INTEGER NOT NULL,
              PRIMARY KEY (period_kind, period)) WITHOUT ROWID
            """
        ),
        (
            "batch_area_hotspots",
            """
            CREATE TABLE IF NOT EXISTS batch_area_hotspots(
              period_kind TEXT NOT NULL, period TEXT NOT NULL, rank INTEGER NOT NULL,
              area INTEGER NOT NULL, area_name TEXT NOT NULL, pickups INTEGER NOT NULL, period_pickups INTEGER NOT NULL,
              top10_days INTEGER NOT NULL, days INTEGER NOT NULL, persistent INTEGER NOT NULL, partial INTEGER NOT NULL,
              PRIMARY KEY (period_kind, period, rank)) WITHOUT ROWID
            """
        ),
        (
            "batch_location_hotspots",
            """
            CREATE TABLE IF NOT EXISTS batch_location_hotspots(
              period_kind TEXT NOT NULL, period TEXT NOT NULL, rank INTEGER NOT NULL,
              location TEXT NOT NULL, pickups INTEGER NOT NULL, period_pickups INTEGER NOT NULL,
              top10_days INTEGER NOT NULL, days INTEGER NOT NULL, persistent INTEGER NOT NULL, partial INTEGER NOT NULL,
              PRIMARY KEY (period_kind, period, rank)) WITHOUT ROWID
            """
        ),
        (
            Coverage.table,
            """
            CREATE TABLE IF NOT EXISTS \(Coverage.table)(
              period_kind TEXT NOT NULL, period TEXT NOT NULL, source TEXT NOT NULL,
              days INTEGER NOT NULL, days_with_trips INTEGER NOT NULL,
              PRIMARY KEY (period_kind, period, source)) WITHOUT ROWID
            """
        ),
    ]

    // Cents are integers below 2^53, so `/ 100.0` gives the double nearest to the amount: it prints with its two decimals.
    private static let views: [(name: String, sql: String)] = [
        (
            "fare_trend",
            """
            CREATE VIEW fare_trend AS SELECT
              period_kind, period, trips,
              fare_sum / 100.0 AS fare_sum, fare_mean / 100.0 AS fare_mean,
              tips_sum / 100.0 AS tips_sum, tips_mean / 100.0 AS tips_mean,
              total_sum / 100.0 AS total_sum, total_mean / 100.0 AS total_mean,
              fare_p10 / 100.0 AS fare_p10, fare_p25 / 100.0 AS fare_p25, fare_p50 / 100.0 AS fare_p50,
              fare_p75 / 100.0 AS fare_p75, fare_p90 / 100.0 AS fare_p90, fare_p99 / 100.0 AS fare_p99,
              (fare_sum - fare_sum_before) * 1.0 / fare_sum_before AS fare_sum_change,
              (fare_sum - fare_sum_year_before) * 1.0 / fare_sum_year_before AS fare_sum_change_year,
              partial
            FROM batch_fare_trend
            """
        ),
        (
            "accumulated_metrics",
            """
            CREATE VIEW accumulated_metrics AS SELECT
              period_kind, period,
              trips, fare / 100.0 AS fare, tips / 100.0 AS tips, total / 100.0 AS total,
              trips_in_year, fare_in_year / 100.0 AS fare_in_year, tips_in_year / 100.0 AS tips_in_year,
              total_in_year / 100.0 AS total_in_year,
              trips_so_far, fare_so_far / 100.0 AS fare_so_far, tips_so_far / 100.0 AS tips_so_far,
              total_so_far / 100.0 AS total_so_far,
              tips_mean / 100.0 AS tips_mean, total_mean / 100.0 AS total_mean,
              partial
            FROM batch_accumulated_metrics
            """
        ),
        (
            "area_hotspots",
            """
            CREATE VIEW area_hotspots AS SELECT
              period_kind, period, rank, area AS pickup_community_area, area_name, pickups,
              pickups * 1.0 / period_pickups AS share, top10_days, days, persistent, partial
            FROM batch_area_hotspots
            """
        ),
        (
            "location_hotspots",
            """
            CREATE VIEW location_hotspots AS SELECT
              period_kind, period, rank, location AS pickup_centroid_location, pickups,
              pickups * 1.0 / period_pickups AS share, top10_days, days, persistent, partial
            FROM batch_location_hotspots
            """
        ),
        (
            Coverage.view,
            """
            CREATE VIEW \(Coverage.view) AS SELECT
              period_kind, period, source, days, days_with_trips, days_with_trips * 1.0 / days AS coverage
            FROM \(Coverage.table)
            """
        ),
        (
            // Not count(*), of which DuckDB makes a function that SQLite lacks when it reads the view out of the file.
            "vintages",
            """
            CREATE VIEW vintages AS SELECT
              v.vintage AS name, \(ViewSQL.isoTime("v.made_ms")) AS made,
              (SELECT count(r.vintage) FROM batch_vintage_rows AS r WHERE r.vintage = v.vintage) AS rows
            FROM batch_vintages AS v
            """
        ),
    ]
}
