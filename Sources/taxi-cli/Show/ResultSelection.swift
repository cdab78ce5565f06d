import Batch
import Foundation
import Problems
import SQLite
import Time

/// Which rows of a view are shown.
struct ResultSelection {
    let view: ResultView
    /// The newest rows, or the first ranks of each period; nil for the default.
    let limit: Int?
    /// `month`, `quarter` or `year`.
    let kind: String?
    let period: PeriodFilter?
    /// Whether a person looks: then what nobody asked for stays out.
    let isForPeople: Bool
    let zone: ZoneClock
    /// When windows or days begin that are shown, ms UTC; nil for all. Other views have no times.
    var times: Range<EventTime>?

    private static let limitForPeople = 24

    private var rowLimit: Int { limit ?? (isForPeople ? Self.limitForPeople : .max) }

    var nothingText: String {
        period == nil && kind == nil
            ? "\(view.name) has no rows yet"
            : "\(view.name) has no such rows; taxi-cli show \(view.name) --format csv has all"
    }

    /// Calls `body` with each row, the oldest first.
    ///
    /// - Throws: `Problem(.usage)` for a filter that the view has no column for.
    func forEachRow(on connection: Connection, _ body: ([SQLValue]) throws -> Void) throws {
        try connection.snapshot {
            if view.isPeriodic { return try periodic(on: connection, body) }
            guard kind == nil else { throw noPeriods("--by") }
            if try isWindowed(on: connection) {
                try narrowToWindows(on: connection)
                return try newest(connection.prepare("SELECT * FROM temp.\"\(view.name)\""), body)
            }
            if let times, view.columns.first == "day" {
                let statement = try connection.prepare("SELECT * FROM \"\(view.name)\" WHERE day >= ? AND day <= ?")
                statement.bind(0, Calendar.text(ofDay: zone.localDay(ofMs: times.lowerBound)))
                statement.bind(1, Calendar.text(ofDay: zone.localDay(ofMs: times.upperBound - 1)))
                return try newest(statement, body)
            }
            guard let period else { return try newest(connection.prepare("SELECT * FROM \"\(view.name)\""), body) }
            guard view.columns.contains("day"), case .one(let period) = period else { throw noPeriods("--period") }
            let statement = try connection.prepare("SELECT * FROM \"\(view.name)\" WHERE day >= ? AND day < ?")
            statement.bind(0, Calendar.text(ofDay: period.days.lowerBound))
            statement.bind(1, Calendar.text(ofDay: period.days.upperBound))
            try newest(statement, body)
        }
    }

    private func noPeriods(_ option: String) -> Problem {
        Problem(
            .usage, "\(view.name) cannot be chosen from with \(option)\(period == .last ? " last" : "")",
            hint: "Say which rows with --sql \"SELECT * FROM \(view.name) WHERE …\".")
    }

    // MARK: Analytics

    private func periodic(on connection: Connection, _ body: ([SQLValue]) throws -> Void) throws {
        var conditions: [String] = []
        var values: [SQLValue] = []
        var kind = kind
        switch period {
        case .one(let period):
            let wanted = kind.flatMap { PeriodKind(rawValue: $0) } ?? period.kind
            guard let parts = period.parts(wanted) else {
                throw Problem(
                    .usage, "period \"\(period)\" is shorter than a \(wanted.rawValue)",
                    hint: "Leave out --by or --period.")
            }
            kind = wanted.rawValue
            conditions.append("period IN (\(parts.map { _ in "?" }.joined(separator: ", ")))")
            values += parts.map { .text($0.description) }
        case .last: conditions.append(Self.isNewest(in: view.name))
        case nil:
            if isForPeople, kind == nil { kind = PeriodKind.month.rawValue }
            if isForPeople, view.hasPlaces { conditions.append(Self.isNewest(in: view.name)) }
        }
        if let kind {
            conditions.append("period_kind = ?")
            values.append(.text(kind))
        }
        if view.isRanked, rowLimit < .max {
            conditions.append("rank <= ?")
            values.append(.integer(Int64(rowLimit)))
        }
        let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        let statement = try connection.prepare(
            "SELECT * FROM \"\(view.name)\" AS v \(filter) ORDER BY period_kind, period\(view.isRanked ? ", rank" : "")"
        )
        try statement.bind(values)
        // Ranks were limited already, each period for itself.
        guard view.isMix else { return try newest(statement, limit: view.isRanked ? .max : rowLimit, body) }
        var (ofPeriod, period) = (0, [SQLValue]())
        while try statement.step() {
            let row = (0..<statement.columnCount).map(statement.value)
            if !row.starts(with: period) || ofPeriod == 0 { (ofPeriod, period) = (0, Array(row.prefix(2))) }
            ofPeriod += 1
            if ofPeriod <= rowLimit { try body(row) }
        }
    }

    private static func isNewest(in view: String) -> String {
        "period = (SELECT max(n.period) FROM \"\(view)\" AS n WHERE n.period_kind = v.period_kind)"
    }

    // MARK: Windows

    private func isWindowed(on connection: Connection) throws -> Bool {
        // Of stored tables only those of queries with windows can tell open ones.
        try connection.value(
            "SELECT 1 FROM pragma_table_info(?) WHERE name = 'closed'", .text("stored_\(view.name)")) != nil
    }

    /// Puts a view of the same name over the newest windows alone.
    ///
    /// The public view computes its texts for every window it is made of; a table of years would take minutes to give its end.
    /// A temporary `stored_<view>` over the wanted range hides the whole one from a temporary copy of the view. Both go with
    /// the transaction.
    private func narrowToWindows(on connection: Connection) throws {
        let stored = "stored_\(view.name)"
        var bounds: (from: Int64, until: Int64) = (.min, .max)
        if let period {
            guard case .one(let period) = period else { throw noPeriods("--period") }
            bounds = (
                zone.startMs(ofLocalDay: period.days.lowerBound), zone.startMs(ofLocalDay: period.days.upperBound)
            )
        }
        if let times { bounds = (max(bounds.from, times.lowerBound), min(bounds.until, times.upperBound)) }
        if rowLimit < .max {
            // A window gives at least one row, unless it is open still: some more, then, than rows are wanted.
            let newest = try connection.value(
                """
                SELECT window_start_ms FROM \(stored) WHERE window_start_ms >= ? AND window_start_ms < ?
                ORDER BY window_start_ms DESC LIMIT 1 OFFSET ?
                """, .integer(bounds.from), .integer(bounds.until), .integer(Int64(clamping: rowLimit) + 100))
            if let from = newest?.integer { bounds.from = from }
        }
        guard let sql = try connection.value("SELECT sql FROM sqlite_schema WHERE name = ?", .text(view.name))?.text,
            let body = sql.range(of: " AS SELECT")
        else { throw Problem(.badData, "the view \(view.name) is none of ours") }
        try connection.execute(
            """
            CREATE TEMP VIEW \(stored) AS SELECT * FROM main.\(stored)
            WHERE window_start_ms >= \(bounds.from) AND window_start_ms < \(bounds.until);
            CREATE TEMP VIEW "\(view.name)" AS SELECT\(sql[body.upperBound...])
            """)
    }

    // MARK: Rows

    private func newest(_ statement: Statement, _ body: ([SQLValue]) throws -> Void) throws {
        try newest(statement, limit: rowLimit, body)
    }

    /// The last `limit` rows of a statement.
    private func newest(_ statement: Statement, limit: Int, _ body: ([SQLValue]) throws -> Void) throws {
        let columns = 0..<statement.columnCount
        guard limit < .max else {
            while try statement.step() { try body(columns.map(statement.value)) }
            return
        }
        var ring: [[SQLValue]] = []
        var count = 0
        while try statement.step() {
            let row = columns.map(statement.value)
            if ring.count < limit { ring.append(row) } else { ring[count % limit] = row }
            count += 1
        }
        for index in ring.indices { try body(ring[(max(0, count - ring.count) + index) % ring.count]) }
    }
}
