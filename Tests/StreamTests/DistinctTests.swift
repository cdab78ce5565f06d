import Database
import Problems
import SQLite
import Testing
import Trips

@testable import Stream

/// Distinct values in views, messages and alerts, across epochs, workers and stops; states that nobody stored.
@Suite struct DistinctTests {
    private func plan(_ group: String = "", aggregates: String = "places: distinct(company), trips: count()") throws
        -> QueryPlan
    {
        try #require(
            try QueryCatalog.parse(
                """
                queries:
                  - name: own
                    window: {tumbling: 1h}\(group)
                    aggregates: {\(aggregates)}
                    emit: update
                alerts:
                  - {name: crowd, on: own, if: places >= 3}
                """, file: "f"
            ).first)
    }

    @Test func valuesOfEarlierEpochsAreKnown() throws {
        let stream = try StoredStream()
        let plan = try plan()
        for (second, company) in ["A", "B", "A"].enumerated() {
            try stream.produce([Int64(second) * 1000], fields: #""fare":10,"company":"\#(company)""#)
            try stream.stream([plan])
        }
        func shown() throws -> [SQLValue] {
            try stream.database.connection.rows("SELECT places, trips FROM own") { [$0.value(0), $0.value(1)] }[0]
        }
        #expect(try shown() == [2, 3])
        // Null is no value.
        try stream.produce([4000], fields: #""fare":10"#)
        try stream.produce([5000], fields: #""company":"C""#)
        try stream.stream([plan], untilEnd: true)
        #expect(try shown() == [3, 5])
        #expect(try stream.database.connection.value("SELECT value FROM stored_alerts") == .real(3))
    }

    /// Beyond what is told apart, in two workers and in one.
    @Test func manyValuesAreTheSameInHoweverManyWorkers() throws {
        let trips = (0..<12_000).map { SimpleTrip(id: $0, taxi: "taxi \($0 % 9500)", time: origin + Int64($0) * 50) }
        let plan = try plan("", aggregates: "places: distinct(taxi_id), ids: distinct(trip_id), least: distinct(fare)")
        var found: [[[String: SlowValue]]] = []
        for workers in [1, 3] {
            let bench = try StreamBench(partitions: 3)
            try bench.fill(trips, batch: 1000)
            var options = StreamBench.options()
            (options.workers, options.epochRecords) = (workers, 2500)
            try bench.run([plan], options)
            found.append(try bench.rows(of: "own"))
            for (column, exact) in [("places", 9500.0), ("ids", 12_000), ("least", 0)] {
                guard case .number(let count)? = found.last?.first?[column] else {
                    Issue.record("no \(column)")
                    continue
                }
                #expect(abs(count - exact) <= exact * 0.02)
            }
        }
        #expect(found[0] == found[1])
        #expect(found[0].count == 1)
    }

    @Test(arguments: [1, 511, 512, 3000])
    func textsAreHashedAsThemselves(count: Int) {
        let trips = (0..<count).map { index in
            SimpleTrip(id: index, taxi: index % 7 == 0 ? nil : "taxi \(index % 1000)", time: origin, miles: 0)
        }
        let hashes = TextHashes()
        // Again, so that what is remembered of one batch is forgotten at the next.
        for trips in [trips, trips.reversed(), Array(trips.dropFirst(1))] where !trips.isEmpty {
            let batch = Array(trips).batch()
            let out = UnsafeMutablePointer<Int64>.allocate(capacity: trips.count)
            defer { out.deallocate() }
            hashes.fill(out, .taxiID, batch, from: 0)
            for (row, trip) in trips.enumerated() {
                let expected =
                    trip.taxi.map { Array($0.utf8).withUnsafeBufferPointer { DistinctHash.of(text: $0) } } ?? 0
                #expect(UInt64(bitPattern: out[row]) == expected)
            }
        }
    }

    @Test(arguments: [
        ("places = 3", "how many values the sketch beside it has"), ("places = -1", "column places"),
        ("places = NULL", "column places"), ("places_sketch = ''", "how many values the sketch beside it has"),
        ("places_sketch = NULL", "column places_sketch"), ("places_sketch = 5", "column places_sketch"),
        ("places_sketch = 'x'", "the state of a distinct"), ("places_sketch = x'2d'", "column places_sketch"),
        ("places_sketch = printf('%.*c', 65536, 'z')", "the state of a distinct"),
        ("places_sketch = printf('%.*c', 65536, '-')", "how many values the sketch beside it has"),
        ("places_sketch = printf('%.*c', 90123, '-')", "the state of a distinct"),
    ])
    func aDamagedStateIsToldOf(change: String, says: String) throws {
        for group in ["", "\n    group: [company]"] {
            let stream = try StoredStream()
            let plan = try plan(group)
            try stream.produce([0, 1000], fields: #""fare":10,"company":"A""#)
            try stream.stream([plan])
            if group.isEmpty {
                // What a damaged file holds asks for no constraint.
                try stream.database.connection.execute(
                    """
                    DROP VIEW own; CREATE TABLE copy AS SELECT * FROM stored_own; DROP TABLE stored_own; ALTER TABLE copy RENAME TO stored_own;
                    UPDATE stored_own SET \(change)
                    """)
            } else if !change.contains("x'") {
                let parts = change.split(separator: " = ")
                let place = plan.stateColumns.firstIndex { $0.name == parts[0] } ?? -1
                try stream.database.connection.execute(
                    "UPDATE stored_own SET groups = json_set(groups, '$.\"0\"[\(place)]', \(parts[1]))")
            } else {
                continue
            }
            try stream.produce([3000], fields: #""fare":10,"company":"A""#)
            let problem = #expect(throws: Problem.self) { try stream.stream([plan], outcome: nil) }
            #expect(problem?.code == .badData)
            #expect(
                problem?.message.contains(group.isEmpty ? says : "column groups") == true, "\(problem?.message ?? "")")
        }
    }
}
