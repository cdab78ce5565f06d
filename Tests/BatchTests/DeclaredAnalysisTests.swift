import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Batch

@Suite struct DeclaredAnalysisTests {
    private static let text = """
        -- name: busy_days
        -- about: days and trips
        -- by: month, year
        -- columns: days, trips, trips_before
        SELECT count(*) AS days, sum(trips) AS trips,
          (SELECT sum(trips) FROM day_counts WHERE day >= :before_from AND day < :before_until) AS trips_before
        FROM day_counts WHERE day >= :from AND day < :until
        """

    private func stored() throws -> StoredTrips {
        let stored = try StoredTrips()
        let day = Calendar.day(year: 2024, month: 1, day: 31)
        try stored.add(
            [0, 0, 1, 30].map { offset in
                RawTrip(
                    timeMs: stored.zone.startMs(ofLocalDay: day + offset) + 1000, area: 8, location: nil, fare: 100,
                    tips: 0, total: 100)
            })
        try stored.connection.execute(
            """
            CREATE VIEW day_counts AS
            SELECT date(group_id * 86400, 'unixepoch') AS day, trips_total AS trips FROM stored_tripstotal
            """)
        return stored
    }

    private func run(_ stored: StoredTrips, _ text: String, vintage: String? = nil) throws -> BatchSummary {
        var options = BatchOptions()
        options.declared = [try DeclaredAnalysis.parse(text, file: "busy.sql")]
        options.queryViews = ["paymentbyday": "paymentByDay"]
        options.vintage = vintage
        return try stored.runner().run(analyses: [.accumulated], periods: .all, options: options)
    }

    @Test func aPeriodGetsItsRowsAndARerunTheSame() throws {
        let stored = try stored()
        for _ in 0..<2 {
            #expect(try run(stored, Self.text).rows["busy_days"] == 4)
            #expect(
                try stored.rows("busy_days") == [
                    ["month", "2024-01", 1, 2, nil, 0], ["month", "2024-02", 1, 1, 2, 0],
                    ["month", "2024-03", 1, 1, 1, 1], ["year", "2024", 3, 4, nil, 1],
                ])
        }
    }

    @Test func whatIsRefusedChangesNoOtherAnswer() throws {
        let stored = try stored()
        _ = try run(stored, Self.text)
        try stored.connection.execute("DELETE FROM \(Analysis.accumulated.table)")
        #expect(throws: Problem.self) { try run(stored, Self.text.replacing("AS days", with: "AS dayz")) }
        #expect(try stored.connection.value("SELECT count(*) FROM \(Analysis.accumulated.table)")?.integer == 0)
    }

    @Test func anotherTextTakesTheOldRowsAway() throws {
        let stored = try stored()
        _ = try run(stored, Self.text)
        let other = Self.text.replacing("by: month, year", with: "by: year")
        #expect(try run(stored, other).rows["busy_days"] == 1)
        #expect(try stored.rows("busy_days").map { $0[0] } == ["year"])
    }

    @Test func aQueryWithoutResultsIsWaitedFor() throws {
        let summary = try run(stored(), Self.text.replacing("day_counts", with: "paymentbyday"))
        #expect(summary.skipped["busy_days"] == "query \"paymentByDay\" has no stored results")
    }

    @Test(arguments: [
        (
            "FROM day_counts WHERE day >= :from", "FROM day_countz WHERE day >= :from", "busy.sql:7:1",
            "no table \"day_countz\""
        ),
        ("sum(trips) AS trips,", "sum(tripz) AS trips,", "busy.sql:5:30", "no such column: tripz"),
        ("AS days", "AS dayz", "busy.sql:4:1", "column 1 is declared as \"days\""),
        (":until", ":till", "busy.sql:7:1", "unknown parameter \":till\""),
        (
            "FROM day_counts WHERE day >= :from", "FROM day_counts; DELETE FROM x WHERE 1 >= :from", "busy.sql:7:18",
            "more after"
        ),
    ])
    func mistakesInTheStatementHaveAPlace(wrong: String, with: String, place: String, message: String) throws {
        let problem = try #require(throws: Problem.self) { try run(stored(), Self.text.replacing(wrong, with: with)) }
        #expect(problem.code == .configuration)
        #expect(problem.location?.description == place)
        #expect(problem.message.contains(message), "\(problem.message)")
    }

    @Test(arguments: [
        ("-- name: busy_days", "-- name: Busy", 1, "cannot be the name"),
        ("-- name: busy_days", "-- name: fare_trend", 1, "is taken"),
        ("-- by: month", "-- by: week", 3, "no kind of period"),
        ("-- about", "-- abuot", 2, "unknown entry"),
        ("columns: days", "columns: period", 4, "cannot be a column"),
    ])
    func mistakesInTheHeaderHaveAPlace(wrong: String, with: String, line: Int, message: String) throws {
        let problem = try #require(throws: Problem.self) {
            try DeclaredAnalysis.parse(Self.text.replacing(wrong, with: with), file: "busy.sql")
        }
        #expect(problem.location?.line == line)
        #expect(problem.message.contains(message), "\(problem.message)")
    }

    @Test(arguments: ["x'00'", "9e999"])
    func whatNoVintageCanHoldIsRefused(value: String) throws {
        let text = Self.text.replacing("count(*) AS days", with: "\(value) AS days")
        let problem = try #require(throws: Problem.self) { try run(stored(), text, vintage: "v") }
        #expect(problem.code == .configuration)
        #expect(problem.location?.description == "busy.sql:4:1")
        #expect(problem.message.contains("column \"days\" holds a blob or an infinite number"), "\(problem.message)")
    }

    /// Texts are kept whole, and a vintage finds them the same.
    @Test func aTextWithAZeroIsKeptWhole() throws {
        let stored = try stored()
        let text = Self.text.replacing("count(*) AS days", with: "'a' || char(0) || 'b' AS days")
        _ = try run(stored, text, vintage: "v")
        #expect(try stored.rows("busy_days").map { $0[2] } == Array(repeating: "a\u{0}b", count: 4))
        var changes = 0
        try VintageDiff.forEachChange(since: "v", view: nil, on: stored.connection) { _ in changes += 1 }
        #expect(changes == 0)
    }

    @Test func vintagesDifferByMoreThanCapitals() throws {
        let stored = try stored()
        _ = try run(stored, Self.text, vintage: "first")
        let before = try stored.rows("busy_days")
        let problem = try #require(throws: Problem.self) {
            try run(stored, Self.text.replacing("count(*) AS days", with: "7 AS days"), vintage: "First")
        }
        #expect(problem.code == .usage)
        #expect(problem.message.contains("\"first\""), "\(problem.message)")
        #expect(try VintageDiff.names(on: stored.connection) == ["first"])
        // Said before an answer is replaced.
        #expect(try stored.rows("busy_days") == before)
        // One that an earlier version has kept so can be kept anew.
        try stored.connection.execute("INSERT INTO batch_vintages VALUES ('First', 0)")
        _ = try run(stored, Self.text, vintage: "First")
    }

    @Test func aVintageSaysWhichCellsAreOthersNow() throws {
        let stored = try stored()
        _ = try run(stored, Self.text, vintage: "first")
        func changes() throws -> [[SQLValue]] {
            var rows: [[SQLValue]] = []
            try VintageDiff.forEachChange(since: "first", view: "busy_days", on: stored.connection) { rows.append($0) }
            return rows
        }
        #expect(try changes() == [])
        try stored.connection.execute("UPDATE stored_tripstotal SET trips_total = 7 WHERE trips_total = 2")
        let april = Calendar.day(year: 2024, month: 4, day: 2)
        try stored.connection.execute(
            "INSERT INTO stored_tripstotal VALUES (?, 5, 0, 0, 0, 0, 0, 0)", .integer(Int64(april)))
        _ = try run(stored, Self.text)
        // April is new and not restated; days is the key, so that the year's row is another one.
        let periods = try changes().map { [$0[1], $0[2], $0[4], $0[5], $0[6]] }
        #expect(
            periods.prefix(3) == [
                ["month", "2024-01", "trips", 2, 7], ["month", "2024-02", "trips_before", 2, 7],
                ["month", "2024-03", "partial", 1, 0],
            ])
        #expect(periods.dropFirst(3).map { $0[2] } == ["(row)", "(row)"])
        #expect(try VintageDiff.names(on: stored.connection) == ["first"])
    }

    @Test func shippedAnalysesHaveGoodHeaders() throws {
        let analyses = try AnalysisCatalog.load(folder: "/nonexistent")
        #expect(analyses.map(\.name) == ["payment_mix", "company_mix", "area_mix", "hour_mix", "taxis_out"])
    }
}
