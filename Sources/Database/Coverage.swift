public import SQLite

/// On how many of its local days a period has results: a month of which one day was loaded counts as over all the same.
///
///     batch_period_coverage(period_kind, period, source, days, days_with_trips)
///
/// Each run of `batch` writes the rows of its periods; the public view over them is `period_coverage`.
public struct Coverage: Sendable, Equatable {
    /// One period of one source.
    public struct Period: Sendable, Equatable, Codable {
        /// `2024-01`, `2024-Q1` or `2024`
        public var period: String
        /// Local days of the period, those that are still to come among them.
        public var days: Int
        /// Those with at least one trip.
        public var daysWithTrips: Int

        public init(period: String, days: Int, daysWithTrips: Int) {
            (self.period, self.days, self.daysWithTrips) = (period, days, daysWithTrips)
        }

        enum CodingKeys: String, CodingKey {
            case period, days
            case daysWithTrips = "days_with_trips"
        }

        /// `1 of 29 days`
        public var text: String { "\(daysWithTrips) of \(days) days" }
    }

    public static let view = "period_coverage"
    public static let table = "batch_period_coverage"
    /// The source that counts every trip, whatever columns are empty in it.
    public static let allTrips = "tripstotal"

    /// Periods with days that have no trips, the oldest first and the shorter before the longer.
    public let incomplete: [Period]

    public init(incomplete: [Period]) { self.incomplete = incomplete }

    /// Reads the periods of a source.
    ///
    /// - Parameters:
    ///   - source: the view of a query that analytics reads.
    ///   - periods: nil for all.
    public init(on connection: Connection, source: String = allTrips, periods: Set<String>? = nil) throws(SQLiteError) {
        guard try connection.hasTable(Self.table) else {
            incomplete = []
            return
        }
        incomplete = try connection.rows(
            """
            SELECT period, days, days_with_trips, source FROM \(Self.table) WHERE source = ? AND days_with_trips < days
            ORDER BY period, days
            """, .text(source)
        ) { row throws(SQLiteError) in
            Period(
                period: try row.storedText(0), days: Int(try row.integer(1, in: .counts)),
                daysWithTrips: Int(try row.integer(2, in: .counts)))
        }.filter { periods?.contains($0.period) ?? true }
    }

    /// `2024-02 has trips on 1 of 29 days, 2024-Q1 on 32 of 91 and 3 more periods on some of theirs`; nil where all days have trips.
    public var sentence: String? {
        guard let first = incomplete.first else { return nil }
        let others = incomplete.dropFirst().prefix(Self.named - 1).map {
            "\($0.period) on \($0.daysWithTrips) of \($0.days)"
        }
        let more = incomplete.count - 1 - others.count
        let rest =
            more > 0 ? " and \(more) more period\(more == 1 ? "" : "s") on some of \(more == 1 ? "its" : "theirs")" : ""
        return (["\(first.period) has trips on \(first.text)"] + others).joined(separator: ", ") + rest
    }

    /// So many periods are named in a sentence.
    private static let named = 4
}
