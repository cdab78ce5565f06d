import SQLite
import Testing

@testable import Stream

@Suite struct AnalyticsQueriesTests {
    @Test func theyComeBetweenTheDefaultsAndOnesOwn() throws {
        let names = try QueryCatalog.load(analytics: true).map(\.name)
        #expect(try names.prefix(5) == QueryCatalog.load().map(\.name)[...])
        #expect(
            names.dropFirst(5) == ["paymentByDay", "companyByDay", "pickupAreaByDay", "hourOfWeekByDay", "taxisOut"])
    }

    @Test func aRangeOfDaysIsLookedUpAndNotSearchedFor() throws {
        let connection = try Connection(path: ":memory:")
        let plan = try #require(try QueryCatalog.load(analytics: true).first { $0.name == "paymentByDay" })
        try plan.installStorage(on: connection)
        let steps = try connection.rows(
            "EXPLAIN QUERY PLAN SELECT sum(trips) FROM paymentbyday WHERE day >= '2024-01-01' AND day < '2024-02-01'"
        ) { $0.text(3) }
        #expect(steps.contains { $0.contains("USING INDEX keys_paymentbyday_by_day") }, "\(steps)")
    }
}
