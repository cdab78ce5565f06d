import Basics
import Database
import SQLite
import Testing
import Time
import Trips

@testable import Batch

/// `period_coverage` against the days of the trips themselves.
@Suite struct PeriodCoverageTests {
    private static let sources: [(name: String, has: @Sendable (RawTrip) -> Bool)] = [
        ("faredistribution", { $0.fare != nil }), ("hotspotcommunitywindow", { $0.area != nil }),
        ("hotspotwindow", { $0.location != nil }), ("tripstotal", { _ in true }),
    ]

    /// The rows that some periods should have, counted trip by trip.
    private func expected(_ stored: StoredTrips, _ periods: [Period]) -> [[SQLValue]] {
        periods.sorted { ($0.kind.rawValue, $0.description) < ($1.kind.rawValue, $1.description) }.flatMap { period in
            Self.sources.map { source in
                let days = Set(stored.trips.filter(source.has).map { stored.zone.localDay(ofMs: $0.timeMs) })
                let count = period.days.filter(days.contains).count
                return [
                    .text(period.kind.rawValue), .text(period.description), .text(source.name),
                    .integer(Int64(period.days.count)), .integer(Int64(count)),
                    .real(Double(count) / Double(period.days.count)),
                ]
            }
        }
    }

    /// Trips on some days of three months, of which one has none, over the change of clocks.
    private func stored(_ seed: UInt64) throws -> StoredTrips {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: seed)
        for (month, count) in [(1, 25), (3, 9), (4, 1)] {
            let days = Period(kind: .month, ordinal: 2024 * 12 + month - 1).days.shuffled(using: &random).prefix(count)
            try stored.add(RawTrip.random(count * 3, on: Array(days), zone: stored.zone, using: &random))
        }
        return stored
    }

    private func periods(_ texts: String...) throws -> [Period] { try texts.map { try Period($0) } }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func countsTheDaysOfEachSource(seed: UInt64) throws {
        let stored = try stored(seed)
        let summary = try stored.runner().run(periods: .all)
        let all = try periods("2024-01", "2024-03", "2024-04", "2024-Q1", "2024-Q2", "2024")
        let rows = expected(stored, all)
        #expect(try stored.rows(Coverage.view) == rows)
        #expect(summary.rows[Coverage.view] == rows.count)
        // The summary has what tripsTotal says, by kind.
        let totals = rows.filter { $0[2] == "tripstotal" }
        #expect(Set(summary.incomplete?.map(\.period) ?? []) == Set(totals.compactMap { $0[1].text }))
        for row in totals {
            let found = summary.incomplete?.first { $0.period == row[1].text }
            #expect(found.map { [Int64($0.days), Int64($0.daysWithTrips)] } == [row[3].integer, row[4].integer])
        }
        let coverage = try Coverage(on: stored.connection, source: "hotspotwindow", periods: ["2024-01", "2024-Q2"])
        #expect(coverage.incomplete.map(\.period) == ["2024-01", "2024-Q2"])
    }

    @Test func oneAnalysisAloneTellsOfAllSources() throws {
        let stored = try stored(4)
        _ = try stored.runner().run(analyses: [.accumulated], kinds: [.month], periods: .all)
        #expect(try stored.rows(Coverage.view) == expected(stored, try periods("2024-01", "2024-03", "2024-04")))
    }

    @Test func moreTripsChangeTheirPeriodsAlone() throws {
        let stored = try stored(5)
        _ = try stored.runner().run(periods: .all)
        var random = SplitMix64(seed: 6)
        try stored.add(
            RawTrip.random(400, on: Array(try Period("2024-03").days), zone: stored.zone, using: &random))
        let before = try stored.rows(Coverage.view)
        let summary = try stored.runner().run(kinds: [.month], periods: .one(Period("2024-03")))
        #expect(summary.incomplete == nil)
        let after = try stored.rows(Coverage.view)
        #expect(after.filter { $0[1] == "2024-03" } == expected(stored, try periods("2024-03")))
        #expect(after.filter { $0[1] != "2024-03" } == before.filter { $0[1] != "2024-03" })
    }

    @Test func periodsWhoseTripsAreGoneHaveNoRows() throws {
        let stored = try stored(7)
        _ = try stored.runner().run(periods: .all)
        let april = try Period("2024-04").days
        for table in ["hotspotcommunitywindow", "hotspotwindow", "faredistribution"] {
            try stored.connection.execute(
                "DELETE FROM stored_\(table) WHERE window_start_ms >= ?",
                .integer(stored.zone.startMs(ofLocalDay: april.lowerBound)))
        }
        try stored.connection.execute(
            "DELETE FROM stored_tripstotal WHERE group_id >= ?", .integer(Int64(april.lowerBound)))
        _ = try stored.runner().run(periods: .all)
        #expect(try stored.rows(Coverage.view).allSatisfy { $0[1] != "2024-04" && $0[1] != "2024-Q2" })
    }

    @Test func daysOfWindowsThatWereLetGoOfStillCount() throws {
        let stored = try stored(8)
        _ = try stored.runner().run(periods: .all)
        let before = try stored.rows(Coverage.view)
        var options = BatchOptions()
        options.retainMs = 86_400_000
        let summary = try stored.runner().run(periods: .all, options: options)
        #expect(summary.windowsPruned > 0)
        _ = try stored.runner().run(periods: .all)
        #expect(try stored.rows(Coverage.view) == before)
    }

    @Test func aSentenceNamesFourAndCountsTheOthers() {
        func sentence(_ count: Int) -> String? {
            Coverage(
                incomplete: (0..<count).map { .init(period: "2024-0\($0 + 1)", days: 30, daysWithTrips: $0) }
            ).sentence
        }
        #expect(sentence(0) == nil)
        #expect(sentence(1) == "2024-01 has trips on 0 of 30 days")
        #expect(sentence(2) == "2024-01 has trips on 0 of 30 days, 2024-02 on 1 of 30")
        #expect(sentence(5)?.hasSuffix("2024-04 on 3 of 30 and 1 more period on some of its") == true)
        #expect(sentence(6)?.hasSuffix(" and 2 more periods on some of theirs") == true)
    }
}
