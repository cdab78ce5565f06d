import Stream
import Testing
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

    private func recount(fares: [Int64], miles: [PackedDecimal] = []) throws -> Recount {
        let plan = try #require(try QueryCatalog.parse(Self.plan, file: "test.yaml").first)
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

    /// 18 trillion miles are 2^64 millionths and half a mile: what wrapped is 0.448384.
    @Test func aValueThatLeaves64BitsIsKnownWhole() throws {
        let recount = try recount(fares: [], miles: [PackedDecimal(mantissa: 18_446_744_073_710, scale: 0)])
        #expect(recount.whole(2) == 18_446_744_073_710_000_000)
        #expect(recount.oversized == [.miles: 1])
        recount.narrow(to: 0)
        #expect(recount.whole(2) == nil)
    }
}
