import Foundation
import Problems
public import SQLite
public import Time

/// What stands for which time of one query: the files of restatements, and its source for all the rest.
public struct Restatements: Sendable, Equatable {
    /// A stretch of time that was restated.
    public struct Part: Sendable, Equatable {
        public var times: Range<EventTime>
        /// The newest that covers it.
        public var restatement: Restatement
        /// The run of the oldest that covers it: from then on trips of the source that lie in it are left out.
        public var since: String
    }

    /// Neither overlap; in the order of time.
    public let parts: [Part]
    /// The same times, joined where they touch.
    public let times: [Range<EventTime>]

    public init(_ restatements: [Restatement] = []) {
        let inOrder = restatements.sorted { $0.runID < $1.runID }
        let bounds = Set(inOrder.flatMap { [$0.period.lowerBound, $0.period.upperBound] }).sorted()
        var parts: [Part] = []
        for (from, until) in zip(bounds, bounds.dropFirst()) {
            let covering = inOrder.filter { $0.period.lowerBound <= from && until <= $0.period.upperBound }
            guard let newest = covering.last, let oldest = covering.first else { continue }
            if let last = parts.last, last.times.upperBound == from, last.restatement == newest,
                last.since == oldest.runID
            {
                parts[parts.count - 1].times = last.times.lowerBound..<until
            } else {
                parts.append(Part(times: from..<until, restatement: newest, since: oldest.runID))
            }
        }
        self.parts = parts
        times = parts.reduce(into: []) { times, part in
            if let last = times.last, last.upperBound == part.times.lowerBound {
                times[times.count - 1] = last.lowerBound..<part.times.upperBound
            } else {
                times.append(part.times)
            }
        }
    }

    /// Those of one query.
    public init(of query: String, on connection: Connection) throws(SQLiteError) {
        self.init(try Self.all(on: connection).filter { $0.query == query })
    }

    public var isEmpty: Bool { parts.isEmpty }
}

// MARK: - Stored

extension Restatements {
    /// All that were ever made of results that are still there, the oldest first.
    public static func all(on connection: Connection) throws(SQLiteError) -> [Restatement] {
        guard try connection.hasTable("stored_restatements") else { return [] }
        return try connection.rows(
            """
            SELECT run_id, query, from_ms, until_ms, made_ms, trips, vintage, source FROM stored_restatements
            ORDER BY run_id, query
            """
        ) { row throws(SQLiteError) in
            let from = try row.integer(2, in: .times)
            let until = try row.integer(3, in: from...ClosedRange.times.upperBound)
            let text = try row.storedText(7)
            guard let source = try? JSONDecoder().decode(Restatement.Source.self, from: Data(text.utf8)) else {
                throw row.damage(7, wanted: "the files of a restatement")
            }
            return Restatement(
                runID: try row.storedText(0), query: try row.storedText(1), period: from..<until,
                madeMs: try row.integer(4, in: .times), trips: try row.integer(5, in: .counts),
                vintage: try row.optionalText(6), source: source)
        }
    }

    /// Makes the tables where there are none; inside a transaction.
    ///
    /// - Throws: `Problem(.configuration)` where a query of the user's has the name.
    public static func install(on connection: Connection) throws {
        guard try !connection.hasTable("stored_restatements") else { return }
        let taken = try connection.value(
            "SELECT 1 FROM sqlite_schema WHERE lower(name) IN ('restatements', 'stored_withdrawn')")
        guard taken == nil else {
            throw Problem(
                .configuration,
                "\"\(connection.path)\" has results of a query with the table \"restatements\" or \"withdrawn\", which are names of taxi-cli's own by now",
                hint: "Give the query another name or \"table:\", and compute its results anew.")
        }
        try connection.execute(
            """
            -- Periods of queries whose trips are those of newer files; times in ms UTC, source is JSON: see Restatement.
            CREATE TABLE stored_restatements (
                run_id TEXT NOT NULL, query TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
                made_ms INTEGER NOT NULL, trips INTEGER NOT NULL, vintage TEXT, source TEXT NOT NULL,
                PRIMARY KEY (run_id, query)) WITHOUT ROWID;
            -- Closed windows that were sent and that no trip is in any more, with the revision by which they were withdrawn.
            CREATE TABLE stored_withdrawn (
                view TEXT NOT NULL, window_start_ms INTEGER NOT NULL, revision INTEGER NOT NULL,
                PRIMARY KEY (view, window_start_ms)) WITHOUT ROWID;
            CREATE VIEW restatements AS
            SELECT r.query, \(ViewSQL.isoTime("r.from_ms")) AS period_start, \(ViewSQL.isoTime("r.until_ms")) AS period_end,
                (SELECT group_concat(json_extract(f.value, '$.path'), ', ') FROM json_each(r.source, '$.files') AS f) AS files,
                r.trips, \(ViewSQL.isoTime("r.made_ms")) AS made, r.vintage, r.run_id
            FROM stored_restatements AS r;
            """)
    }

    /// Inside a transaction, after `install`.
    public static func add(_ restatement: Restatement, on connection: Connection) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let source = String(decoding: try encoder.encode(restatement.source), as: UTF8.self)
        try connection.execute(
            "INSERT INTO stored_restatements VALUES (?, ?, ?, ?, ?, ?, ?, ?)", .text(restatement.runID),
            .text(restatement.query), .integer(restatement.period.lowerBound), .integer(restatement.period.upperBound),
            .integer(restatement.madeMs), .integer(restatement.trips), restatement.vintage.map(SQLValue.text) ?? .null,
            .text(source))
    }

    /// Forgets those of a query whose results are removed.
    public static func remove(_ query: String, view: String, from connection: Connection) throws(SQLiteError) {
        guard try connection.hasTable("stored_restatements") else { return }
        try connection.execute("DELETE FROM stored_restatements WHERE query = ?", .text(query))
        try connection.execute("DELETE FROM stored_withdrawn WHERE view = ?", .text(view))
    }

    // MARK: Windows that are not there any more

    /// Notes that a window was withdrawn, by the revision of that; inside a transaction.
    public static func withdraw(
        _ start: EventTime, revision: Int64, view: String, on connection: Connection
    ) throws(SQLiteError) {
        try connection.execute(
            "INSERT OR REPLACE INTO stored_withdrawn VALUES (?, ?, ?)", .text(view), .integer(start), .integer(revision)
        )
    }

    /// The revision by which a window was withdrawn last; nil where it never was.
    public static func withdrawal(
        of start: EventTime, view: String, on connection: Connection
    ) throws(SQLiteError) -> Int64? {
        try connection.rows(
            "SELECT revision FROM stored_withdrawn WHERE view = ? AND window_start_ms = ?", .text(view), .integer(start)
        ) { row throws(SQLiteError) in try row.integer(0, in: .counts) }.first
    }
}

// MARK: - In words

extension Restatements {
    /// A sentence for each stretch of time: `2024-01-01 to 2024-02-01 are by taxi-2024-01-new.csv since 2026-…`; once for all queries alike.
    public static func sentences(_ restatements: [Restatement], zone: ZoneClock) -> [String] {
        let byQuery = Dictionary(grouping: restatements, by: \.query).mapValues { Restatements($0).parts }
        var queries: [String: [String]] = [:]
        var order: [(EventTime, String)] = []
        for (query, parts) in byQuery.sorted(by: { $0.key < $1.key }) {
            for part in parts {
                let names = part.restatement.source.files.map { "\"\($0.path.split(separator: "/").last ?? "")\"" }
                let words =
                    "\(zone.iso(ms: part.times.lowerBound)) to \(zone.iso(ms: part.times.upperBound)) by \(names.joined(separator: ", ")) since \(zone.iso(ms: part.restatement.madeMs))"
                if queries[words] == nil { order.append((part.times.lowerBound, words)) }
                queries[words, default: []].append(query)
            }
        }
        return order.sorted { $0 < $1 }.map { "\($0.1): \(queries[$0.1, default: []].joined(separator: ", "))" }
    }
}
