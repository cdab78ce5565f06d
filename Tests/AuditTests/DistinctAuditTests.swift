import SQLite
import Stream
import Testing
import Trips

@testable import Audit

/// The audit counts distinct values in its own way, and comes to the same states.
@Suite struct DistinctAuditTests {
    private static let yaml = """
        queries:
          - name: hourly
            window: {tumbling: 1h}
            aggregates: {fares: distinct(fare), companies: distinct(company), trips: count()}
            emit: update
          - name: byArea
            group: [pickup_community_area]
            window: {tumbling: 30m}
            aggregates: {fares: distinct(fare)}
            emit: append
          - name: ever
            window: none
            aggregates: {times: distinct(trip_start_timestamp), fares: distinct(fare)}
            emit: complete
        """

    /// 9,000 fares, more than are told apart.
    private func filled() throws -> (AuditedTenant, [QueryPlan]) {
        let tenant = try AuditedTenant()
        let plans = try QueryCatalog.parse(Self.yaml, file: "test.yaml")
        let trips = Trip.random(9400, spanMs: 3_500_000, seed: 60).enumerated().map { index, trip in
            var trip = trip
            trip.fare = "\(index % 9000 + 1).25"
            return trip
        }
        try tenant.produce(trips, batches: 1000)
        try tenant.stream(plans)
        return (tenant, plans)
    }

    @Test func statesOfAnySizeAreRecounted() throws {
        let (tenant, plans) = try filled()
        #expect(try tenant.audit(plans).first == [])
        let count = try tenant.number("SELECT fares FROM hourly")
        #expect(abs(count - 9000) < 180 && count > 8192)
        #expect(try tenant.number("SELECT length(fares_sketch) FROM stored_hourly") == 65_536)
        // Whatever memory there is: other windows in another pass.
        let passes = try tenant.audit(plans) { $0.memoryBytes = 100_000 }
        #expect(passes.first == [])
        #expect(passes.passes > 1)
    }

    @Test(arguments: [
        ("stored_hourly SET fares = fares + 1", "hourly", "fares is 9"),
        ("stored_hourly SET companies_sketch = ''", "hourly", "the sketch of companies is not that of its values"),
        (
            "stored_hourly SET fares_sketch = replace(fares_sketch, '8', '9')", "hourly",
            "the sketch of fares is not that of its values"
        ),
        ("stored_hourly SET fares_sketch = 7", "hourly", "the sketch of fares is not that of its values"),
        (
            "stored_byarea SET groups = json_set(groups, '$.\"8\"[1]', 'x')", "byarea",
            "the sketch of fares is not that of its values"
        ),
        ("stored_byarea SET groups = json_set(groups, '$.\"8\"[1]', 'a\"b')", "byarea", "groups are damaged"),
        ("stored_byarea SET groups = json_set(groups, '$.\"8\"[0]', 3)", "byarea", "fares is 3, should be"),
        ("stored_ever SET times = 1", "ever", "times is 1, should be 0"),
    ])
    func aChangedStateIsFound(change: String, view: String, says: String) throws {
        let (tenant, plans) = try filled()
        try tenant.execute("UPDATE \(change)")
        let report = try tenant.audit(plans)
        #expect(report.differences > 0)
        #expect(report.first.contains { $0.hasPrefix(view) && $0.contains(says) }, "\(report.first)")
    }

    @Test func partsOfATallyAreKnown() {
        func tally(_ values: Range<Int64>) -> DistinctTally {
            var tally = DistinctTally()
            var bytes = 0
            for value in values { bytes += tally.add(DistinctHash.of(integer: value)) }
            #expect(bytes == tally.bytes)
            #expect(DistinctTally(stored: Array(tally.text.utf8)) == tally)
            return tally
        }
        let (few, many, more) = (tally(5..<10), tally(0..<8192), tally(0..<20_000))
        #expect(few.isPart(of: many) && few.isPart(of: more) && many.isPart(of: more) && more.isPart(of: more))
        #expect(!many.isPart(of: few) && !more.isPart(of: many) && !tally(19_000..<40_000).isPart(of: more))
        #expect(!tally(8000..<8200).isPart(of: many))
        #expect([few, many].map(\.result) == [5, 8192])
    }
}
