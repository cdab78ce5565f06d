/// Further queries that come with taxi-cli but run only where somebody asks for them: `stream --queries analytics`.
///
/// Four keep a row for each local day and value, the fifth one for each hour; the declared analyses of `batch` add them up.
public enum AnalyticsQueries {
    /// What stands for them where a file of declarations is named.
    public static let name = "analytics"
    /// The name that messages give to the text.
    public static let fileName = "(analytics queries)"

    /// The declarations, as a file.
    public static let yaml = """
        # Days by what analysts ask for: run them with taxi-cli stream --queries analytics.
        # A trip that has no value in the group's column is in none of its rows.

        queries:

        """
        + [
            ("paymentByDay", "payment_type"), ("companyByDay", "company"),
            ("pickupAreaByDay", "pickup_community_area"), ("hourOfWeekByDay", "hour_of_week"),
        ].map { query, column in
            """
              - name: \(query)
                group: [day, \(column)]
                window: none
                aggregates:
                  trips: count()
                  fare: sum(fare)
                  tips: sum(tips)
                  total: sum(trip_total)
                  miles: sum(trip_miles)
                  seconds: sum(trip_seconds)
                emit: update

            """
        }.joined(separator: "\n") + """

              # How many taxis are at work, hour by hour, and their trips.
              - name: taxisOut
                where: taxi_id is not null
                window: {tumbling: 1h}
                aggregates:
                  trips: count()
                  fare: sum(fare)
                  taxis: distinct(taxi_id)
                emit: append

            """
}
