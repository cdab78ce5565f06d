public import SQLite

/// Trips that came too late for the windows of a query and are in none of them, by local day, so that whoever reads the results can be told.
///
///     late_days(view, query, day, trips)
///
/// Streams write it, in the transaction of the epoch that drops the trips; those of `--late update` drop none.
public struct LateTrips: Sendable, Equatable {
    /// One month of one query.
    public struct Month: Sendable, Equatable {
        public var query: String
        /// The query's view.
        public var view: String
        /// `2013-06`
        public var month: String
        public var late: Int64
        /// All trips of the month, where `tripsTotal`, which loses none, has counted them.
        public var trips: Int64?
    }

    /// By query, the oldest month first.
    public let months: [Month]
    /// Whether all that the streams have read are files.
    private let readsFiles: Bool

    /// Reads what the streams of a tenant have left out.
    public init(on connection: Connection) throws(SQLiteError) {
        guard try connection.hasTable("late_days") else {
            (months, readsFiles) = ([], false)
            return
        }
        readsFiles = try Self.readsFiles(on: connection)
        // Another query may have that name, and other columns.
        let columns = try connection.value(
            "SELECT count(*) FROM pragma_table_info('stored_tripstotal') WHERE name IN ('group_id', 'trips_total')")
        let hasTotals = columns?.integer == 2
        let trips =
            hasTotals
            ? """
            (SELECT sum(t.trips_total) FROM stored_tripstotal AS t WHERE t.group_id >= l.first AND t.group_id < l.after)
            """ : "NULL"
        months = try connection.rows(
            """
            SELECT l.query, l.view, l.month, l.late, \(trips) AS trips FROM (
                SELECT query, view, substr(date(day * 86400, 'unixepoch'), 1, 7) AS month, sum(trips) AS late,
                    unixepoch(date(min(day) * 86400, 'unixepoch', 'start of month')) / 86400 AS first,
                    unixepoch(date(min(day) * 86400, 'unixepoch', 'start of month', '+1 month')) / 86400 AS after
                FROM late_days GROUP BY query, view, substr(date(day * 86400, 'unixepoch'), 1, 7)) AS l
            ORDER BY l.query, l.month
            """
        ) { row throws(SQLiteError) in
            Month(
                query: try row.storedText(0), view: try row.storedText(1), month: try row.storedText(2),
                late: try row.integer(3, in: .counts), trips: try row.optionalInteger(4, in: .counts))
        }
    }

    private init(_ months: [Month], readsFiles: Bool) { (self.months, self.readsFiles) = (months, readsFiles) }

    private static func readsFiles(on connection: Connection) throws(SQLiteError) -> Bool {
        guard try connection.hasTable("checkpoints") else { return false }
        let topics = try connection.value(
            """
            SELECT 1 FROM checkpoints, json_each(iif(json_valid(state), state, '{}'), '$.positions') AS p WHERE p.key NOT LIKE 'files %'
            """)
        return topics == nil
    }

    /// Those of some views, in some periods: `2013-06`, `2013-Q2` or `2013`; nil for all.
    public func of(views: Set<String>? = nil, periods: [String]? = nil) -> LateTrips {
        LateTrips(
            months.filter { month in
                (views?.contains(month.view) ?? true)
                    && (periods?.contains { Self.covers($0, month.month) } ?? true)
            }, readsFiles: readsFiles)
    }

    private static func covers(_ period: String, _ month: String) -> Bool {
        guard let quarter = period.firstIndex(of: "Q") else {
            return month == period || month.hasPrefix("\(period)-")
        }
        let number = Int(month.suffix(2)).map { ($0 + 2) / 3 }
        return month.prefix(4) == period.prefix(4) && number == Int(period[period.index(after: quarter)...])
    }

    private var queries: [String] {
        months.reduce(into: []) { if $0.last != $1.query { $0.append($1.query) } }
    }

    /// A sentence for each query: `89 % of the trips of 2013-06 were late for fareDistribution`. The worst months come first.
    public var sentences: [String] {
        queries.map { query in
            let worst = months.filter { $0.query == query }.sorted { ($0.late, $1.month) > ($1.late, $0.month) }
            let parts = worst.prefix(2).map(Self.part)
            let more = worst.count > 2 ? " and of \(worst.count - 2) more month\(worst.count == 3 ? "" : "s")" : ""
            return "\(parts.joined(separator: ", "))\(more) were late for \(query)"
        }
    }

    /// The same with what can be done about it.
    public var warnings: [String] {
        zip(sentences, queries).map { sentence, query in
            "\(sentence), and are in none of its windows; taxi-cli stream --query \(query) --from-beginning \(readsFiles ? "--input FILE… (all its files)" : "--until-end") counts them"
        }
    }

    private static func part(_ month: Month) -> String {
        guard let trips = month.trips, trips >= month.late, trips > 0 else {
            return "\(month.late) trips of \(month.month)"
        }
        let percent = (month.late * 100 + trips / 2) / trips
        return percent == 0 ? "\(month.late) trips of \(month.month)" : "\(percent) % of the trips of \(month.month)"
    }
}

// MARK: - Writing

extension LateTrips {
    public static func install(on connection: Connection) throws(SQLiteError) {
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS late_days (view TEXT NOT NULL, query TEXT NOT NULL, day INTEGER NOT NULL,
            trips INTEGER NOT NULL, PRIMARY KEY (view, query, day)) WITHOUT ROWID
            """)
    }

    /// Adds trips of some local days; inside the epoch's transaction.
    public static func add(
        _ days: [Int64: Int64], query: String, view: String, on connection: Connection
    ) throws(SQLiteError) {
        for (day, trips) in days {
            try connection.execute(
                """
                INSERT INTO late_days VALUES (?, ?, ?, ?)
                ON CONFLICT (view, query, day) DO UPDATE SET trips = trips + excluded.trips
                """, .text(view), .text(query), .integer(day), .integer(trips))
        }
    }

    /// Forgets those of a query whose results are removed.
    public static func remove(_ query: String, from connection: Connection) throws(SQLiteError) {
        try install(on: connection)
        try connection.execute("DELETE FROM late_days WHERE query = ?", .text(query))
    }
}
