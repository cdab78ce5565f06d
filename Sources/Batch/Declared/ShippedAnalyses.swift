/// The declared analyses that come with taxi-cli, as the files that declare them.
///
/// They read the results of `stream --queries analytics`; without these they are skipped.
public enum ShippedAnalyses {
    /// The name that messages give to the texts.
    static let fileName = "(shipped analyses)"

    public static let texts = [
        mix("payment_mix", of: "payment_type", in: "paymentbyday", "how trips are paid"),
        mix("company_mix", of: "company", in: "companybyday", "which companies drive"),
        mix("area_mix", of: "pickup_community_area", in: "pickupareabyday", "where trips begin"),
        mix(
            "hour_mix", of: "hour_of_week", in: "hourofweekbyday",
            "when trips begin, by hour of the week (0 = Monday 00h)"),
        taxisOut,
    ]

    /// The column that trips have to have a value in, to be in any row of a shipped analysis.
    public static func column(neededBy analysis: DeclaredAnalysis) -> String {
        analysis.sql == taxisOut ? "taxi_id" : analysis.keys[0]
    }

    /// Over the states of `taxisOut`, which alone say how many of its hours' taxis are the same: a range of them by their key, then
    /// those of the local days.
    private static let taxisOut = """
        -- name: taxis_out
        -- about: taxis at work by local hour of the day, and the trips and fares of each
        -- by: month, quarter, year
        -- columns: hour, hours, taxi_hours, taxis, taxis_most, taxis_ever, trips, fare, trips_a_taxi, fare_a_taxi
        -- key: hour
        WITH local AS (
          SELECT trips, fare_sum, taxis, taxis_sketch, window_start_ms / 1000 +
            (SELECT offset_s FROM zone_offsets WHERE from_ms <= window_start_ms ORDER BY from_ms DESC LIMIT 1) AS local_s
          FROM stored_taxisout
          WHERE closed > 0 AND window_start_ms >= (strftime('%s', :from) - 86400) * 1000
            AND window_start_ms < (strftime('%s', :until) + 86400) * 1000)
        SELECT
          local_s / 3600 % 24 AS hour,
          count(*) AS hours,
          sum(taxis) AS taxi_hours,
          round(sum(taxis) * 1.0 / count(*), 2) AS taxis,
          max(taxis) AS taxis_most,
          distinct_count(taxis_sketch) AS taxis_ever,
          sum(trips) AS trips,
          sum(fare_sum) / 100.0 AS fare,
          sum(trips) * 1.0 / sum(taxis) AS trips_a_taxi,
          sum(fare_sum) / 100.0 / sum(taxis) AS fare_a_taxi
        FROM local
        WHERE local_s >= strftime('%s', :from) + 0 AND local_s < strftime('%s', :until) + 0
        GROUP BY 1 ORDER BY 1

        """

    private static func mix(_ name: String, of column: String, in view: String, _ about: String) -> String {
        """
        -- name: \(name)
        -- about: \(about)
        -- by: month, quarter, year
        -- columns: \(column), trips, share, share_before, share_year_before, trips_change, trips_change_year, fare, tips, total, miles, minutes, tip_share, fare_a_mile, fare_a_minute
        -- key: \(column)
        WITH
          now AS (
            SELECT \(column), sum(trips) AS trips, sum(fare) AS fare, sum(tips) AS tips, sum(total) AS total,
              sum(miles) AS miles, sum(seconds) / 60.0 AS minutes
            FROM \(view) WHERE day >= :from AND day < :until GROUP BY \(column)),
          before AS (
            SELECT \(column), sum(trips) AS trips
            FROM \(view) WHERE day >= :before_from AND day < :before_until GROUP BY \(column)),
          year_before AS (
            SELECT \(column), sum(trips) AS trips
            FROM \(view) WHERE day >= :year_before_from AND day < :year_before_until GROUP BY \(column))
        SELECT
          now.\(column),
          now.trips,
          now.trips * 1.0 / (SELECT sum(trips) FROM now) AS share,
          before.trips * 1.0 / (SELECT sum(trips) FROM before) AS share_before,
          year_before.trips * 1.0 / (SELECT sum(trips) FROM year_before) AS share_year_before,
          (now.trips - before.trips) * 1.0 / before.trips AS trips_change,
          (now.trips - year_before.trips) * 1.0 / year_before.trips AS trips_change_year,
          round(now.fare, 2) AS fare,
          round(now.tips, 2) AS tips,
          round(now.total, 2) AS total,
          round(now.miles, 6) AS miles,
          round(now.minutes, 2) AS minutes,
          now.tips / nullif(now.fare, 0) AS tip_share,
          now.fare / nullif(now.miles, 0) AS fare_a_mile,
          now.fare / nullif(now.minutes, 0) AS fare_a_minute
        FROM now LEFT JOIN before USING (\(column)) LEFT JOIN year_before USING (\(column))
        ORDER BY now.trips DESC, now.\(column)

        """
    }
}
