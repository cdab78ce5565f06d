import Database
import Foundation
import SQLite

/// A results database with the public views as SEMANTICS §8 has them, here tables that a test can write to.
final class StoredResults {
    let folder: URL
    let connection: Connection

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("report-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        connection = try ResultsDatabase(path: folder.appendingPathComponent("results.db").path, durability: .normal)
            .connection
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Months from 2015-01 on, with numbers that differ everywhere; the last month is not complete.
    func fill(months: Int) throws {
        try connection.transaction {
            try connection.execute(Self.tables)
            try connection.execute(
                """
                CREATE TEMP TABLE m AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < \(months))
                  SELECT i, printf('%04d-%02d', 2015 + i / 12, i % 12 + 1) AS period, i = \(months) - 1 AS partial FROM n;
                INSERT INTO fare_trend SELECT 'month', period, 1000 + i, 20000.25 + i * 3, 20.17, 2500.5 + i, 2.51, 24000.75 + i, 24.03,
                  5.5, 7.25 + i % 3, 12.62, 30.44 + i % 5, 49.19 + i % 7, 65.09, nullif(i * 0.013, 0), NULL, partial FROM m;
                INSERT INTO accumulated_metrics SELECT 'month', period, 1000 + i, 20000.25, 2500.5, 24000.75,
                  1000 * (i % 12 + 1), 20000.25 * (i % 12 + 1), 2500.5 * (i % 12 + 1), 24000.75 * (i % 12 + 1),
                  1000 * (i + 1), 20000.25 * (i + 1), 2500.5 * (i + 1), 24000.75 * (i + 1), 2.5, 24.0, partial FROM m;
                CREATE TEMP TABLE r AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 77) SELECT i FROM n;
                -- Each month another order: the ranks move on by one place.
                INSERT INTO area_hotspots SELECT 'month', m.period, r.i, (r.i + m.i) % 77 + 1, 'Area <' || ((r.i + m.i) % 77 + 1) || '> & "O''Hare"',
                  9000 / r.i, 0.2 / r.i, 30 / r.i, 30, r.i < 5, m.partial FROM m, r;
                INSERT INTO location_hotspots SELECT 'month', m.period, r.i, printf('POINT (%.4f %.4f)', -87.6 - r.i * 0.001, 41.9 - r.i * 0.001),
                  900 / r.i, 0.1 / r.i, 30 / r.i, 30, r.i < 3, m.partial FROM m, r;
                INSERT INTO faredistribution SELECT m.period || '-05T0' || (r.i % 10) || ':00:00.000-06:00', '', r.i * 3,
                  exp(r.i * 0.12), exp((r.i * 3 + 1) * 0.04), r.i, r.i * 1.25 FROM m, r;
                INSERT INTO sumfarewindow SELECT m.period || printf('-%02dT%02d:15:00.000-06:00', r.i % 28 + 1, r.i % 24), '', r.i, 1, 1, 1
                  FROM m, r;
                INSERT INTO payment_mix SELECT 'month', m.period, p.name, p.trips, p.trips / 24000.0, NULL, NULL, 0.1, NULL, 20000.5, 300.25,
                  21000.75, 1500.5, 900.25, 0.015, 13.3, 22.2, m.partial
                  FROM m, (SELECT 'Cash' AS name, 12000 AS trips UNION ALL SELECT 'Credit Card', 7000 UNION ALL SELECT 'Mobile', 5000) AS p;
                INSERT INTO company_mix SELECT 'month', m.period, 'Company ' || r.i, r.i * 1000, r.i / 78.0, 0.1, NULL, NULL, -0.2,
                  r.i * 100.25, 1, 2, 3.5, 4.5, 0.25, 1.5, 0.5, m.partial FROM m, r WHERE r.i <= 12;
                INSERT INTO taxis_out SELECT 'month', m.period, r.i - 1, 30 + m.i, (30 + m.i) * r.i * 40, r.i * 40.0, r.i * 50, r.i * 90,
                  (30 + m.i) * r.i * 60, (30 + m.i) * r.i * 900.25, 1.5, 22.50625, m.partial FROM m, r WHERE r.i <= 24;
                DROP TABLE m; DROP TABLE r;
                """)
        }
    }

    private static let tables = """
        CREATE TABLE fare_trend(period_kind, period, trips, fare_sum, fare_mean, tips_sum, tips_mean, total_sum, total_mean, fare_p10,
          fare_p25, fare_p50, fare_p75, fare_p90, fare_p99, fare_sum_change, fare_sum_change_year, partial);
        CREATE TABLE accumulated_metrics(period_kind, period, trips, fare, tips, total, trips_in_year, fare_in_year, tips_in_year,
          total_in_year, trips_so_far, fare_so_far, tips_so_far, total_so_far, tips_mean, total_mean, partial);
        CREATE TABLE area_hotspots(period_kind, period, rank, pickup_community_area, area_name, pickups, share, top10_days, days, persistent,
          partial);
        CREATE TABLE location_hotspots(period_kind, period, rank, pickup_centroid_location, pickups, share, top10_days, days, persistent,
          partial);
        CREATE TABLE payment_mix(period_kind, period, payment_type, trips, share, share_before, share_year_before, trips_change,
          trips_change_year, fare, tips, total, miles, minutes, tip_share, fare_a_mile, fare_a_minute, partial);
        CREATE TABLE company_mix(period_kind, period, company, trips, share, share_before, share_year_before, trips_change,
          trips_change_year, fare, tips, total, miles, minutes, tip_share, fare_a_mile, fare_a_minute, partial);
        CREATE TABLE taxis_out(period_kind, period, hour, hours, taxi_hours, taxis, taxis_most, taxis_ever, trips, fare, trips_a_taxi,
          fare_a_taxi, partial);
        CREATE TABLE faredistribution(window_start, window_end, bucket, fare_from, fare_to, trips, total_fare);
        CREATE TABLE sumfarewindow(window_start, window_end, trips, total_fare, tips_fare, total_trip_total);
        """

    /// A run of `produce` as its record has it.
    func addProduceRun(_ id: String, read: Int, sent: Int, rejected: [String: Int] = [:], resumedFrom: Int = 0) throws {
        let reasons = rejected.sorted { $0.key < $1.key }.map { "\"\($0)\":\($1)" }.joined(separator: ",")
        try connection.execute(
            """
            INSERT INTO run_records (id, command, started_ms, outcome, pid, process_start, summary) VALUES (?, 'produce', 0, 'success', 1, '', ?)
            """, .text(id),
            .text(
                "{\"read\":\(read),\"sent\":\(sent),\"rejected\":{\(reasons)},\"filtered\":{},\"resumed_from\":\(resumedFrom)}"
            ))
    }
}
