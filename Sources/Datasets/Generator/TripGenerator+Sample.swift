import Time

extension TripGenerator.Options {
    /// The trips of data/sample.csv.gz: two months of 2024 with the clock change of March 10th, about one trip in forty of the real number.
    public static var sample: TripGenerator.Options {
        TripGenerator.Options(
            rows: 20_000, days: Calendar.day(year: 2024, month: 3, day: 1)...Calendar.day(year: 2024, month: 4, day: 30)
        )
    }
}
