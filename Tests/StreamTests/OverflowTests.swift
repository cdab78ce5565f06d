import Database
import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Stream

/// A sum that leaves 64 bits stops the stream before anything wrong is stored.
@Suite struct OverflowTests {
    private let zone = try! ZoneClock(identifier: "America/Chicago")

    private func plan(_ aggregates: String, window: String = "{tumbling: 1h}") throws -> QueryPlan {
        try #require(
            try QueryCatalog.parse(
                "queries:\n  - {name: own, window: \(window), aggregates: {\(aggregates)}, emit: update}\n", file: "f"
            ).first)
    }

    private func trips(_ fares: [Int64]) -> [SimpleTrip] {
        fares.enumerated().map { SimpleTrip(id: $0, time: 1_705_924_800_000 + Int64($0), fare: $1) }
    }

    private func cut(_ state: QueryState) throws -> Problem? {
        do {
            _ = try QueryOutputBuilder(state, query: 0).cut(watermark: .min)
            return nil
        } catch let problem as Problem { return problem }
    }

    @Test(arguments: ["n: count(), s: sum(fare)", "n: count(), least: min(fare), s: avg(fare)"])
    func oneWorkersSumIsNamed(aggregates: String) throws {
        for sign: Int64 in [1, -1] {
            let state = QueryState(plan: try plan(aggregates), zone: zone)
            var lateRows: [Int32] = []
            state.add(
                trips([.max - 5, 4]).map { $0.times(sign) }.batch(), from: 0, watermarks: nil, lateRows: &lateRows)
            #expect(try cut(state) == nil)
            state.add(trips([3]).map { $0.times(sign) }.batch(), from: 0, watermarks: nil, lateRows: &lateRows)
            let found = try #require(try cut(state))
            #expect(found.code == .badData)
            #expect(
                found.message
                    == "query \"own\": the sums of \"s\" leave 64 bits, in the window from 2024-01-22T06:00:00.000-06:00"
            )
            #expect(found.hint?.contains("values of fare") == true)
        }
    }

    @Test func sumsOfWorkersThatMergeAreNamed() throws {
        let plan = try plan("s: sum(fare)", window: "none")
        let (first, second) = (QueryState(plan: plan, zone: zone), QueryState(plan: plan, zone: zone))
        var lateRows: [Int32] = []
        first.add(trips([.max - 1]).batch(), from: 0, watermarks: nil, lateRows: &lateRows)
        second.add(trips([.max - 1]).batch(), from: 0, watermarks: nil, lateRows: &lateRows)
        #expect(try cut(first) == nil && cut(second) == nil)
        first.merge(second)
        #expect(try cut(first)?.message == "query \"own\": the sums of \"s\" leave 64 bits")
    }

    @Test func anEpochWhoseSumLeaves64BitsIsNotCommitted() throws {
        let stream = try StoredStream()
        let plan = try plan("n: count(), s: sum(fare)")
        try stream.produce([1000, 2000])
        try stream.stream([plan])
        // As if the window had taken nearly all that there is.
        try stream.database.connection.execute("UPDATE stored_own SET s_sum = 9223372036854775000")
        let before = try stream.database.connection.value("SELECT state FROM checkpoints")
        try stream.produce([3000])
        let found = #expect(throws: Problem.self) { try stream.stream([plan], outcome: nil) }
        #expect(found?.code == .badData)
        #expect(found?.message.contains("query \"own\": the sums of \"s\" leave 64 bits") == true)
        #expect(try stream.database.connection.value("SELECT n FROM stored_own") == 2)
        let offsets = "json_extract(state, '$.positions')"
        #expect(
            try stream.database.connection.value("SELECT \(offsets) FROM checkpoints")
                == stream.database.connection.value("SELECT json_extract(?, '$.positions')", try #require(before)))
    }

    /// In the view as in messages, where sum times 100 would leave 64 bits.
    @Test func aMeanOfGreatSumsIsExact() throws {
        for (sum, count, mean) in [
            (Int64.max, Int64(3), Int64.max), (90_071_992_547_409_930, 7, 1_286_742_750_677_284_714),
            (1_000_000_000_000_000_001, 1_000_000_000, 100_000_000_000),
        ] as [(Int64, Int64, Int64)] {
            let aggregate = AggregatePlan(name: "a", function: .avg, field: .seconds)
            #expect([sum, count].withUnsafeBufferPointer { aggregate.result(words: $0.baseAddress!) } == mean)
        }
        let stream = try StoredStream()
        let plan = try plan("a: avg(trip_seconds)")
        try stream.stream([plan])
        try stream.database.connection.execute("INSERT INTO stored_own VALUES (0, 0, 90071992547409930, 7)")
        #expect(
            try stream.database.connection.value("SELECT CAST(a * 100 AS INTEGER) FROM own")?.integer.map {
                abs($0 - 1_286_742_750_677_284_714) <= 256
            } == true)
    }
}

extension SimpleTrip {
    fileprivate func times(_ sign: Int64) -> SimpleTrip {
        var trip = self
        trip.fare = fare.map { $0 * sign }
        return trip
    }
}
