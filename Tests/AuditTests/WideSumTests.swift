import Stream
import Testing
import Time
import Trips

@testable import Audit

/// Sums are kept in 128 bits, so that one which leaves 64 is told of and not found equal to what wrapped in the same way.
@Suite struct WideSumTests {
    private static let plan = """
        queries:
          - name: sums
            window: {tumbling: 1h}
            aggregates: {fares: sum(fare), miles: avg(trip_miles)}
            emit: update
        """

    private func recount(fares: [Int64], miles: [PackedDecimal] = [], plan: QueryPlan? = nil) throws -> Recount {
        let plan = try plan ?? #require(try QueryCatalog.parse(Self.plan, file: "test.yaml").first)
        let batch = TripBatch(capacity: 16)
        batch.count = max(fares.count, miles.count)
        for (row, fare) in fares.enumerated() { batch.column(.fare)[row] = fare }
        for (row, mile) in miles.enumerated() { batch.column(.miles)[row] = mile.cell }
        let recount = Recount(
            plan: plan, zone: try ZoneClock(identifier: "UTC"), lateness: .none, ends: [Int64(batch.count)],
            closings: [])
        recount.begin(.min ..< .max)
        let newest = UnsafeMutablePointer<EventTime>.allocate(capacity: 16)
        newest.initialize(repeating: .min, count: 16)
        defer { newest.deallocate() }
        recount.add(
            .init(batch: batch, rows: 0..<batch.count, partition: 0, newestBefore: UnsafePointer(newest)))
        return recount
    }

    @Test func aSumThatLeaves64BitsIsKnownWhole() throws {
        let large = Int64.max - 5
        let recount = try recount(fares: [large, large, large])
        #expect(recount.whole(0) == 3 * Int128(large))
        #expect(try self.recount(fares: [-large, -large, -large]).whole(0) == -3 * Int128(large))
    }

    @Test func aSumThatComesBackIsAnyOther() throws {
        let recount = try recount(fares: [.max, .max, -.max, -.max, 7])
        #expect(recount.whole(0) == nil)
        #expect(recount.table.words[0] == 7)
    }

    /// Squares of large values leave 64 bits at once.
    @Test func squaresAreKnownWhole() throws {
        let (large, other) = (Int64(99_999_999_999), Int64(99_999_999_000))
        let plan = try #require(
            try QueryCatalog.parse(
                "queries:\n  - {name: sums, window: {tumbling: 1h}, aggregates: {d: stddev(fare)}}", file: "test.yaml"
            ).first)
        let recount = try recount(fares: [large, other, -large], plan: plan)
        recount.deriveResults()
        #expect(ResultCells.whole(recount.table.words + 2) == Int128(other))
        #expect(
            ResultCells.whole(recount.table.words + 4)
                == 2 * Int128(large) * Int128(large) + Int128(other) * Int128(other))
        // √(((10^11 − 1 − m)² + (10^11 − 1000 − m)² + (10^11 − 1 + m)²) / 2) with the mean m = 33,333,333,000, in 40 digits.
        #expect(recount.table.words[0] == 115_470_053_548)
    }

    /// 18 trillion miles are 2^64 millionths and half a mile: what wrapped is 0.448384.
    @Test func aValueThatLeaves64BitsIsKnownWhole() throws {
        let recount = try recount(fares: [], miles: [PackedDecimal(mantissa: 18_446_744_073_710, scale: 0)])
        #expect(recount.whole(2) == 18_446_744_073_710_000_000)
        #expect(recount.oversized == [.miles: 1])
        recount.narrow(to: 0)
        #expect(recount.whole(2) == nil)
    }
}
