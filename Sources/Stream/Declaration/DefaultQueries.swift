/// The queries that run where nobody declares any, as the file that declares them.
public enum DefaultQueries {
    /// The name that messages give to the text.
    public static let fileName = "(default queries)"

    /// What `taxi-cli stream queries` prints: a working file and a starting point for one's own.
    public static let yaml = """
        # The queries of taxi-cli. Each reads the trips of the tenant's topic and keeps its results in the
        # database (a view named after it) and in a topic of its own ({tenant}_{name}Stream).
        #
        # A query of your own goes into queries.yaml in the tenant's home, in the same form:
        #
        #   name        its name; the view has the same, in lower case ("table:" gives it another),
        #               and the topic the same and "Stream" ("topic:" gives it another ending)
        #   where       which trips count: =, !=, <, <=, >, >=, in (…), between … and …, is null, is not null,
        #               and, or, not; text in single quotes: payment_type = 'Cash' and fare >= 5.00
        #   group       text or whole-number columns, or day, hour, hour_of_week (0 = Monday 00h), fare_bucket;
        #               trips without a value there are left out
        #   window      {tumbling: 5s}              one after the other
        #               {sliding: 1m, every: 30s}   overlapping; the size is a multiple of "every"
        #               {tumbling: day}             the local days of the tenant's time zone
        #               none                        no window: one row a group
        #               lengths of time are written 250ms, 5s, 1m, 1h30m, 7d
        #   aggregates  count(), count(column), sum, avg, min, max, stddev of a number, quantile(fare, 0.9),
        #               distinct(column): how many different values
        #   message     which aggregates go into the messages of the topic (all, where nothing is said)
        #   key         which groups make the key of a message: the text of one, of several a JSON object
        #   emit        update     with every commit, each window or group that changed
        #               append     once a window, when it is complete
        #               complete   with every commit, the whole result (of a query without a window)
        #
        # Beside "queries:" the file may have "alerts:", conditions over what queries with windows give:
        #
        #   {name: fare-spike, on: sumFareWindow, if: total_fare > 5000, for: 3 windows, cooldown: 10m, run: WORKFLOW}
        #
        # Columns: trip_id, taxi_id, trip_start_timestamp, trip_end_timestamp, trip_seconds, trip_miles,
        # pickup_ and dropoff_census_tract, pickup_ and dropoff_community_area, fare, tips, tolls, extras,
        # trip_total, payment_type, company, pickup_ and dropoff_centroid_latitude, _longitude and _location.

        queries:
          # What is earned, every five seconds.
          - name: sumFareWindow
            window: {tumbling: 5s}
            aggregates:
              trips: count()
              total_fare: sum(fare)
              tips_fare: sum(tips)
              total_trip_total: sum(trip_total)
            message: [total_fare, tips_fare, total_trip_total]
            emit: update

          # The totals of each local day.
          - name: tripsTotal
            group: [day]
            window: none
            aggregates:
              trips_total: count()
              fare_total: sum(fare)
              tips_avg: avg(tips)
              trip_total_avg: avg(trip_total)
            emit: complete

          # Where trips begin, by community area: the last minute, every thirty seconds.
          - name: hotspotCommunityPickupWindow
            table: hotspotcommunitywindow
            group: [pickup_community_area]
            window: {sliding: 1m, every: 30s}
            aggregates:
              count: count()
            emit: append

          # The same by location, the centre of a census tract or community area.
          - name: hotspotWindow
            group: [pickup_centroid_location]
            window: {sliding: 1m, every: 30s}
            aggregates:
              count: count()
            emit: append

          # How fares are distributed, hour by hour: counts in buckets 1 % wide, from which every
          # quantile of any period can be read within 0.5 %.
          - name: fareDistribution
            group: [fare_bucket]
            window: {tumbling: 1h}
            aggregates:
              trips: count()
              total_fare: sum(fare)
            emit: append

        """
}
