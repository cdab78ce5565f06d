import Database
import Problems
import Testing
import Topics
import Time
import Trips

@testable import Stream

@Suite struct StreamExplanationTests {
    private let sliding =
        "  - {name: places, group: [company], window: {sliding: 1m, every: 30s}, aggregates: {n: count()}}\n"
    private let days = "  - {name: days, window: {tumbling: day}, aggregates: {n: count()}, emit: update}\n"
    private let totals = "  - {name: totals, window: none, aggregates: {n: count()}}\n"

    @Test func saysThatAQueryHasNotRun() throws {
        let stored = try StoredStream()
        let explanation = try stored.explanation(plans(sliding))
        #expect(explanation.queries.map(\.remarks) == [["It has not run yet."]])
        #expect(explanation.queries[0].source == nil && !explanation.isStreamRunning)
    }

    //  partition 0: newest 100 s, partition 1: newest 45 s; delay 10 s, so the watermark is 35 s
    //  windows [-30 30) closed; [0 60) [30 90) [60 120) [90 150) open
    @Test func showsWhoHoldsTheWatermarkBackAndWhenWindowsClose() throws {
        let stored = try StoredStream(partitions: 2)
        let plans = try plans(sliding)
        try stored.produce([5000, 100_000])
        try stored.produce([1000, 45_000], partition: 1)
        try stored.stream(plans)
        try stored.produce([46_000], partition: 1)
        let query = try #require(stored.explanation(plans).queries.first)
        #expect(query.watermark == origin + 35_000)
        #expect(query.source == stored.topic)
        #expect(
            query.partitions == [
                .init(id: 0, newest: origin + 100_000, offset: 2, lag: 0),
                .init(id: 1, newest: origin + 45_000, offset: 2, lag: 1),
            ])
        #expect(query.holder == 1 && query.lag == 1)
        #expect(query.openCount == 4)
        #expect(query.openWindows.map { $0.start - origin } == [0, 30_000, 60_000, 90_000])
        #expect(query.openWindows.first == .init(start: origin, end: origin + 60_000, closesAt: origin + 70_000))
        #expect(query.remarks.contains { $0.hasPrefix("Partition 1 is 55s of event time behind") })
        #expect(query.remarks.contains { $0.hasSuffix("25s from here.") })
        #expect(query.remarks.contains { $0.hasPrefix("1 records wait") })
        #expect(try stored.explanation(plans, windows: 2).queries[0].openWindows.count == 2)
    }

    @Test func closesWindowsWhenItSays() throws {
        let stored = try StoredStream()
        let plans = try plans(sliding)
        try stored.produce([5000])
        try stored.stream(plans)
        let closesAt = try #require(stored.explanation(plans).queries[0].openWindows.first?.closesAt)
        try stored.produce([closesAt - 1 - origin])
        try stored.stream(plans)
        #expect(try stored.explanation(plans).queries[0].results == 0)
        try stored.produce([closesAt - origin])
        try stored.stream(plans)
        #expect(try stored.explanation(plans).queries[0].results == 1)
    }

    // 2024-03-10 has 23 hours in Chicago: it begins at 06:00 UTC and ends at 05:00 UTC.
    @Test func endsLocalDaysWhereTheZoneDoes() throws {
        let stored = try StoredStream()
        let plans = try plans(days)
        let start: EventTime = 1_710_050_400_000
        try stored.produce([start + 1 - origin])
        try stored.stream(plans)
        let query = try stored.explanation(plans).queries[0]
        let end = start + 23 * 3_600_000
        #expect(query.openWindows == [.init(start: start, end: end, closesAt: end + 10_000)])
    }

    @Test func explainsQueriesWithoutWindowsAndWithoutUse() throws {
        let stored = try StoredStream()
        let plans = try plans(sliding + totals)
        try stored.produce([1000, 2000], fields: #""fare":1,"company":null"#)
        try stored.stream(plans)
        let queries = try stored.explanation(plans).queries
        #expect(queries[0].remarks.contains { $0.contains("2 have no value to group by") })
        #expect(queries[1].openWindows.isEmpty && queries[1].results == 1)
        #expect(queries[1].remarks.contains { $0.hasPrefix("Each commit emits the result") })
    }

    @Test(
        arguments: [
            (newest: [nil, nil], watermark: nil, holder: nil), ([5000, nil], nil, 1), ([20_000, 15_000], 5000, 1),
            ([20_000], 10_000, 0),
            // Partition 1 was silent, and the watermark went on without it.
            ([20_000, 15_000, nil], 10_000, 0),
            // The end of a bounded run moved it past all of them.
            ([20_000, 15_000], 60_000, nil),
        ] as [(newest: [EventTime?], watermark: EventTime?, holder: Int?)]) func findsTheHolder(
            _ c: (newest: [EventTime?], watermark: EventTime?, holder: Int?)
        )
    {
        let partitions = c.newest.enumerated().map {
            StreamExplanation.Partition(id: $0, newest: $1, offset: 0, lag: nil)
        }
        #expect(
            StreamExplanation.Query.holder(of: partitions, watermark: c.watermark, delayMs: 10_000) == c.holder)
    }
}
