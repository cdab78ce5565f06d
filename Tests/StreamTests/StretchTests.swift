import Basics
import Problems
import Testing
import Time
import Trips

@testable import Stream

/// Rows that are added together, in stretches, leave what they leave where each of them comes in a batch of its own.
@Suite struct StretchTests {
    private static let start: EventTime = 1_705_924_800_000

    /// A query's state that takes rows with their watermarks.
    private struct Bench {
        let state: QueryState
        var lateRows: [Int] = []

        init(_ query: String, prepare: (QueryState) -> Void) throws {
            let plan = try #require(
                try QueryCatalog.parse("queries:\n  - {name: own, \(query)}\n", file: "own.yaml").first)
            state = QueryState(plan: plan, zone: StreamBench.zone)
            prepare(state)
        }

        mutating func add(_ trips: [SimpleTrip], _ watermarks: [EventTime]?, from first: Int = 0, at row: Int = 0) {
            var rows: [Int32] = []
            state.add(trips.batch(), from: first, watermarks: watermarks, lateRows: &rows)
            lateRows += rows.map { Int($0) + row }
        }

        /// All that is kept of the windows, in the order of their groups.
        var content: [String] {
            state.windows.open.values.sorted { $0.pointee.start < $1.pointee.start }.map { window in
                let entries = (0..<window.pointee.count).map { entry in
                    let words = (0..<state.windows.stride).map {
                        window.pointee.words[entry * state.windows.stride + $0]
                    }
                    let sketches = (0..<window.pointee.sketchStride).map {
                        window.pointee.sketches[entry * window.pointee.sketchStride + $0].count
                    }
                    return
                        "\(window.pointee.groups[entry]) \(window.pointee.groupChanged[entry]) \(words) \(sketches)"
                }
                let buckets = window.pointee.histograms.map {
                    "\($0.key.entry) \($0.key.histogram) \($0.key.bucket): \($0.value)"
                }
                return "\(window.pointee.start) \(window.pointee.isChanged) \(entries) \(buckets.sorted())"
            }
        }
    }

    /// Adds the trips at once, from their second on, and one by one; expects that both give the same.
    ///
    /// - Returns: what they gave.
    @discardableResult
    private func compare(
        _ query: String, _ trips: [SimpleTrip], watermarks: [EventTime]? = nil,
        _ place: SourceLocation = #_sourceLocation, prepare: (QueryState) -> Void = { _ in }
    ) throws -> QueryState {
        var (together, single) = (try Bench(query, prepare: prepare), try Bench(query, prepare: prepare))
        together.add(trips, watermarks, from: 1)
        for row in 1..<trips.count { single.add([trips[row]], watermarks.map { [$0[row]] }, at: row) }
        #expect(together.content == single.content, "\(query)", sourceLocation: place)
        #expect(together.state.counts == single.state.counts, "\(query)", sourceLocation: place)
        #expect(together.lateRows == single.lateRows, "\(query)", sourceLocation: place)
        #expect(together.state.counts.consumed == Int64(trips.count - 1), sourceLocation: place)
        #expect(together.state.overflow?.word == single.state.overflow?.word, sourceLocation: place)
        #expect(together.state.overflow?.window == single.state.overflow?.window, sourceLocation: place)
        return together.state
    }

    private static let aggregates = """
        aggregates: {trips: count(), areas: count(pickup_community_area), firms: count(company), fares: sum(fare), \
        tips: avg(tips), least: min(fare), most: max(tips), miles: avg(trip_miles), spread: stddev(fare), \
        taxis: distinct(taxi_id), half: quantile(fare, 0.5)}, emit: update
        """
    static let windows = ["{tumbling: 5s}", "{sliding: 1m, every: 20s}", "{tumbling: day}", "none"]
    static let groups = [
        "", "group: [pickup_community_area],", "group: [payment_type],", "group: [day],", "group: [day, company],",
    ]
    static let filters = ["", "where: fare > 1.00 and tips is not null,"]

    /// Few times that many trips have, then many; late trips among them, which are dropped or merged but for those of pruned days.
    @Test(arguments: windows, groups) func randomRowsGiveTheSame(window: String, group: String) throws {
        var numbers = SplitMix64(seed: 11)
        for (round, filter) in (Self.filters + Self.filters).enumerated() {
            var trips = SimpleTrip.random(600, from: Self.start, over: 90_000, seed: UInt64(round + 1))
            for row in trips.indices where row < 300 { trips[row].time -= trips[row].time % 15_000 }
            for row in trips.indices where row % 7 == 6 {
                trips[row].time -= [1, 5_000, 60_000, 90_000_000][Int.random(in: 0..<4, using: &numbers)]
            }
            for row in trips.indices where row / 50 == 3 { trips[row].area = 8 }
            var newest = EventTime.min
            let watermarks = trips.map { trip in
                newest = max(newest, trip.time)
                return newest - 3_000
            }
            let query = "window: \(window), \(group) \(filter) \(Self.aggregates)"
            for mergesLate in [false, true] {
                try compare(query, trips, watermarks: watermarks) { state in
                    state.mergesLate = mergesLate
                    state.pruned = [Self.start - 30_000..<Self.start + 5_000]
                    if round > 1 {
                        state.restated = [
                            Self.start + 7_500..<Self.start + 15_000, Self.start + 15_000..<Self.start + 15_001,
                            Self.start + 52_000..<Self.start + 61_000,
                        ]
                        state.closedUntil = Self.start + 10_000
                    }
                }
            }
            try compare(query, trips)
        }
    }

    @Test func aLateTripEndsAStretch() throws {
        let trips = [9_000, 9_100, 4_000, 4_000, 9_200, 9_300].map { SimpleTrip(time: Self.start + $0, fare: 100) }
        let state = try compare(
            "window: {tumbling: 5s}, \(Self.aggregates)", trips, watermarks: trips.map { _ in Self.start + 5_000 })
        #expect((state.counts.late, state.counts.aggregated) == (2, 3))
        // The watermark passes the end of a window from one row to the next, of the same time both.
        let same = (0..<6).map { SimpleTrip(id: $0, time: Self.start + 1_000, fare: 100) }
        let passing = try compare(
            "window: {sliding: 10s, every: 5s}, \(Self.aggregates)", same,
            watermarks: [0, 0, 4_999, 5_000, 9_999, 10_000].map { Self.start + $0 })
        #expect(
            (passing.counts.late, passing.counts.lateInPart, passing.counts.aggregated) == (1, 2, 4))
    }

    @Test func rowsThatAreLeftOutOpenNoWindow() throws {
        let trips = (0..<5).map {
            SimpleTrip(id: $0, time: Self.start + Int64($0) * 5_000, area: $0 == 2 ? 8 : nil, fare: 100)
        }
        let state = try compare("window: {tumbling: 5s}, group: [pickup_community_area], \(Self.aggregates)", trips)
        #expect(state.windows.open.count == 1 && state.counts.skipped == 3)
        let none = try compare("window: {tumbling: 5s}, where: fare > 2.00, \(Self.aggregates)", trips)
        #expect(none.windows.open.isEmpty && none.counts.filtered == 4)
        let restated = try compare("window: {tumbling: 5s}, \(Self.aggregates)", trips) { state in
            state.restated = [Self.start..<Self.start + 100_000]
        }
        #expect(restated.windows.open.isEmpty && restated.counts.restated == 4)
    }

    /// A running sum that leaves 64 bits within a stretch is noted though it comes back within it.
    @Test(arguments: ["", "group: [day],", "group: [pickup_community_area],"])
    func aSumThatLeavesAndComesBackIsNoted(group: String) throws {
        for sign: Int64 in [1, -1] {
            for fares: [Int64?] in [[0, .max, 1, -1], [0, .max, nil, 5, -10, 3], [.max, 1, 2, 3], [0, .max, -1, 1]] {
                let trips = fares.enumerated().map {
                    SimpleTrip(id: $0, time: Self.start, area: 8, fare: $1.map { $0 * sign })
                }
                let other = SimpleTrip(id: 9, time: Self.start, area: 9, fare: 1)
                for rows in [trips, trips + [other]] {
                    let state = try compare(
                        "window: {tumbling: 5s}, \(group) aggregates: {n: count(), s: sum(fare)}, emit: update", rows)
                    let isOver =
                        fares[1] == .max && fares[2] != -1 && sign == 1
                        || fares[1] == .max && fares.contains(5) && sign == -1
                    if isOver { #expect(state.overflow?.word == 1 && state.overflow?.window == Self.start) }
                    if fares[1] != .max { #expect(state.overflow == nil) }
                }
            }
        }
    }
}
