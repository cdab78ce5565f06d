import Basics
import Database
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Stream

@Suite struct EngineTests {
    private let zone = StreamBench.zone

    private func plan(_ window: String, group: String = "") throws -> QueryPlan {
        let text = """
            queries:
              - name: own
                window: \(window)
                group: [\(group)]
                aggregates: {trips: count(), least: min(tips), p50: quantile(fare, 0.5), p90: quantile(trip_total, 0.9), miles: avg(trip_miles), spread: stddev(fare), uneven: stddev(trip_miles), taxis: distinct(taxi_id), lengths: distinct(trip_miles)}
                emit: update
            """
        return try QueryCatalog.parse(text, file: "own.yaml")[0]
    }

    @Test(arguments: ["{tumbling: 5s}", "{sliding: 1m, every: 30s}", "{sliding: 1h, every: 1m}", "{tumbling: day}"])
    func aCursorFindsTheWindowsOfATime(_ window: String) throws {
        let state = QueryState(plan: try plan(window), zone: zone)
        var cursor = WindowCursor(state)
        var numbers = SplitMix64(seed: 3)
        // Around the clock change of 2024-03-10, back and forth.
        for _ in 0..<500 {
            let time = 1_710_057_600_000 + Int64.random(in: -90_000_000...90_000_000, using: &numbers)
            cursor.move(to: time)
            let expected: [SlowQuery.Window] =
                switch state.plan.window {
                case .tumbling(let size): Slow.windows(size)(time)
                case .sliding(let size, let every): Slow.windows(size, every: every)(time)
                default: [ChicagoTime.dayWindow(time)]
                }
            #expect(cursor.count == expected.count)
            #expect(cursor.starts == expected.map(\.start))
            #expect(cursor.ends == expected.map(\.end))
            let first = cursor.window(0)
            #expect(first.pointee.start == expected[0].start)
            #expect(cursor.window(0) == first)
        }
    }

    @Test func aWindowEndsBeforeItsEnd() throws {
        var cursor = WindowCursor(QueryState(plan: try plan("{tumbling: 5s}"), zone: zone))
        for (time, start) in [(4999, 0), (5000, 5000), (9999, 5000), (-1, -5000), (0, 0)] as [(Int64, Int64)] {
            cursor.move(to: time)
            #expect(cursor.starts == [start])
        }
    }

    @Test func keysAreNumberedAndTakenApart() {
        let parts: [[GroupKeys.Part]] = [
            [.text(Array("a".utf8)), .integer(-1)], [.text(Array("a".utf8)), .integer(1)], [.text([]), .integer(.max)],
            [.text([97, 0]), .integer(0)], [.text([97, 0, 0]), .integer(0)], [.text([97, 0, 98]), .integer(0)],
            [.text([97, 255]), .integer(.min)], [.text([0]), .integer(0)], [.text([0, 255]), .integer(0)],
        ]
        let keys = GroupKeys()
        for (id, parts) in parts.enumerated() {
            #expect(keys.id(of: GroupKeys.key(parts: parts)) == Int64(id))
            #expect(GroupKeys.parts(of: GroupKeys.key(parts: parts), isText: [true, false]) == parts)
        }
        #expect(keys.id(of: GroupKeys.key(parts: parts[3])) == 3)
        // "", "\0", "\0\u{ff}", a -1, a 1, a\0, a\0\0, a\0b, a\u{ff}
        #expect(keys.order() == [3, 4, 0, 5, 6, 7, 8, 1, 2])
        _ = keys.id(of: GroupKeys.key(parts: [.text([96]), .integer(0)]))
        #expect(keys.order() == [4, 5, 0, 6, 7, 8, 9, 1, 2, 3])
    }

    @Test func integersKeepTheirOrderInKeys() {
        var numbers = SplitMix64(seed: 1)
        let values =
            [Int64.min, -1, 0, 1, .max] + (0..<100).map { _ in Int64.random(in: .min ... .max, using: &numbers) }
        let keys = values.map { GroupKeys.key(parts: [.integer($0)]) }
        #expect(
            keys.sorted { $0.lexicographicallyPrecedes($1) }
                == values.sorted().map { GroupKeys.key(parts: [.integer($0)]) })
    }

    /// All of a state in words.
    private func text(_ state: QueryState) -> [String] {
        state.windows.open.values.flatMap { window in
            let histograms = WindowHistograms(window)
            return (0..<window.pointee.count).map { entry in
                let key =
                    state.plan.keysTable == nil
                    ? "\(window.pointee.groups[entry])" : "\(state.keys.keys[Int(window.pointee.groups[entry])])"
                let words = (0..<state.windows.stride).map { window.pointee.words[entry * state.windows.stride + $0] }
                let buckets = (0..<2).map { histograms.buckets(entry, $0).map { "\($0.bucket):\($0.count)" } }
                var sketches = OutputBuffer()
                for sketch in 0..<2 { window.pointee.sketches[entry * 2 + sketch].append(to: &sketches) }
                return
                    "\(window.pointee.start) \(window.pointee.end) \(key) \(words) \(buckets) \(String(decoding: sketches.bytes, as: UTF8.self))"
            }
        }.sorted()
    }

    struct Shape: Sendable {
        var window: String
        var group: String
    }

    @Test(arguments: [
        Shape(window: "{sliding: 1h, every: 15m}", group: "company, pickup_community_area"),
        Shape(window: "{tumbling: day}", group: "company"), Shape(window: "{tumbling: 15m}", group: "hour"),
        Shape(window: "{tumbling: 15m}", group: ""), Shape(window: "none", group: "pickup_centroid_location, day"),
        Shape(window: "none", group: "fare_bucket"), Shape(window: "none", group: ""),
    ])
    func openWindowsComeBackAsTheyWere(_ shape: Shape) throws {
        let plan = try plan(shape.window, group: shape.group)
        let bench = try StreamBench()
        let start: EventTime = 1_705_924_800_000
        let trips = SimpleTrip.random(600, from: start, over: 3_600_000, seed: 11)
        try bench.fill(trips, batch: 100)
        // Stopped, not ended: what is open stays open.
        var options = StreamBench.options()
        options.epochRecords = 100
        #expect(try bench.runner([plan], options).run(stoppingAt: 5).summary.records >= 400)
        let read = Int(
            try #require(try CheckpointStore(connection: bench.database().connection).load("own")).counts.aggregated)
        let skipped = try bench.counted("own", "skipped")

        let state = QueryState(plan: plan, zone: zone)
        let batch = Array(trips[..<(read + skipped)]).batch()
        var lateRows: [Int32] = []
        state.add(batch, from: 0, watermarks: nil, lateRows: &lateRows)
        let watermark = trips[..<(read + skipped)].map(\.time).max()! - 10_000
        for window in state.windows.open.values where window.pointee.end <= watermark { state.windows.close(window) }
        for window in state.windows.open.values { state.derive(window, onlyChanged: false) }
        let loaded = try StateLoader(connection: bench.database().connection).load(plan, zone: zone)
        #expect(text(loaded) == text(state))
        #expect(loaded.windows.open.values.allSatisfy { !$0.pointee.isChanged })
    }

    @Test func partialStatesMergeToTheWhole() throws {
        let plan = try plan("{sliding: 1h, every: 15m}", group: "company, pickup_community_area")
        let trips = SimpleTrip.random(400, from: 1_705_924_800_000, over: 3_600_000, seed: 12)
        let (whole, first, second) = (
            QueryState(plan: plan, zone: zone), QueryState(plan: plan, zone: zone), QueryState(plan: plan, zone: zone)
        )
        var lateRows: [Int32] = []
        whole.add(trips.batch(), from: 0, watermarks: nil, lateRows: &lateRows)
        for part in stride(from: 0, to: 400, by: 50) {
            let batch = Array(trips[part..<part + 50]).batch()
            (part % 100 == 0 ? first : second).add(batch, from: 0, watermarks: nil, lateRows: &lateRows)
            if part % 150 == 0 { first.merge(second) }
        }
        first.merge(second)
        #expect(text(first) == text(whole))
        #expect(first.counts == whole.counts)
        #expect(second.windows.open.isEmpty && second.counts == QueryCounts())
    }
}
