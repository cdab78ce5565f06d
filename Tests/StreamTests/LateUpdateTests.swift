import Basics
import Database
import Foundation
import Problems
import SQLite
import Stream
import Testing
import Topics
import Time
import Trips

/// `--late update`: trips are merged into the windows that they are late for, so that the order in which they come does not matter.
@Suite struct LateUpdateTests {
    static let morning = StreamRunnerTests.morning
    static let hour = StreamRunnerTests.hour
    let plans: [QueryPlan]
    let slow = SlowQuery.defaults + SlowQuery.own

    init() throws {
        plans = try QueryCatalog.load() + QueryCatalog.parse(SlowQuery.declared, file: "own.yaml")
    }

    private static func options() -> StreamOptions {
        var options = StreamBench.options()
        options.late = .update
        return options
    }

    /// Views, ledger and the last message of each row are those of all trips, none of them late.
    private func check(_ bench: StreamBench, _ trips: [SimpleTrip], _ place: SourceLocation = #_sourceLocation) throws {
        for (plan, query) in zip(plans, slow) {
            let expected = query.run(trips, delay: nil)
            let key = (query.windows == nil ? [] : ["window_start", "window_end"]) + query.groupNames
            let found = differences(try bench.rows(of: query.view), expected.rows, key: key)
            #expect(found == [], "view \(query.view)", sourceLocation: place)
            var last: [[SlowValue?]: [String: SlowValue]] = [:]
            for message in try bench.messages(of: plan).map(cells(ofMessage:)) {
                let row = key.map { message[$0] ?? .null }
                if plan.emit == .append, let before = last[row] {
                    #expect(Self.revision(of: message) > Self.revision(of: before), sourceLocation: place)
                }
                last[row] = message
            }
            let shown = Set(key + plan.messageFields.map { plan.aggregates[$0].name })
            let rows = expected.rows.map { $0.filter { shown.contains($0.key) } }
            #expect(
                differences(Array(last.values), rows, key: key) == [], "topic of \(plan.name)", sourceLocation: place)
            #expect(
                try ["aggregated", "late", "late_in_part", "skipped", "filtered"].map {
                    try bench.counted(plan.name, $0)
                } == [expected.aggregated, 0, 0, expected.skipped, expected.filtered],
                "ledger of \(plan.name)", sourceLocation: place)
        }
    }

    private static func revision(of message: [String: SlowValue]) -> Double {
        if case .number(let number)? = message["revision"] { number } else { 1 }
    }

    struct Way: Sendable, CustomTestStringConvertible {
        var runs = 5
        var partitions = 1
        var workers = 1
        var epoch = 100
        var isCut = false
        var crashes = false
        var testDescription: String {
            "\(runs) runs, \(partitions) partitions, \(workers) workers, epochs of \(epoch)\(isCut ? ", stopped" : "")\(crashes ? ", crashing" : "")"
        }
    }

    static let ways = [
        Way(runs: 1), Way(runs: 2, epoch: 100_000), Way(runs: 20, epoch: 30), Way(isCut: true),
        Way(runs: 3, epoch: 7, isCut: true), Way(runs: 4, partitions: 3, workers: 2), Way(runs: 4, crashes: true),
        Way(runs: 6, partitions: 3, workers: 3, epoch: 40, isCut: true),
    ]

    @Test(arguments: ways) func anyOrderInAnyNumberOfRunsGivesTheSame(_ way: Way) throws {
        let seed = UInt64(way.testDescription.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        var numbers = SplitMix64(seed: seed)
        let trips = SimpleTrip.random(400, from: Self.morning, over: 6 * Self.hour, seed: seed)
            .shuffled(using: &numbers)
        let bench = try StreamBench(partitions: way.partitions)
        var options = Self.options()
        (options.workers, options.epochRecords) = (way.workers, way.epoch)
        let cuts =
            [0] + (1..<way.runs).map { _ in Int.random(in: 0...trips.count, using: &numbers) }.sorted() + [trips.count]
        for (from, until) in zip(cuts, cuts.dropFirst()) {
            try bench.fill(Array(trips[from..<until]), batch: 50) { $0.id % way.partitions }
            if way.crashes { try crashOnce(bench, options) }
            if way.isCut { try bench.runInPieces(plans, options, seed: seed) }
            try bench.run(plans, options)
        }
        try check(bench, trips)
        if way.runs > 1 { #expect(try bench.counted("sumFareWindow", "late_merged") > 0) }
    }

    /// Dies with the second epoch committed and not sent.
    private func crashOnce(_ bench: StreamBench, _ options: StreamOptions) throws {
        var left = 2
        bench.store.beforeAppend = { _ in
            left -= 1
            if left == 0 { throw FaultyTopicStore.Crash() }
        }
        defer { bench.store.beforeAppend = nil }
        do { try bench.run(plans, options) } catch is FaultyTopicStore.Crash {}
    }

    @Test func anOlderMonthMayComeAfterANewerOne() throws {
        let newer = SimpleTrip.random(300, from: Self.morning, over: 6 * Self.hour, seed: 1)
        let older = SimpleTrip.random(300, from: Self.morning - 31 * 24 * Self.hour, over: 6 * Self.hour, seed: 2)
        let bench = try StreamBench()
        var options = Self.options()
        options.epochRecords = 20
        for trips in [newer, older] {
            try bench.fill(trips)
            try bench.run(plans, options)
        }
        try check(bench, newer + older)
    }

    @Test func aWindowThatChangesGoesOutAsItsNextRevisionWithTheGroupsThatChanged() throws {
        let bench = try StreamBench()
        let plan = try #require(plans.first { $0.name == "hotspotCommunityPickupWindow" })
        func trip(_ second: Int64, _ area: Int64) -> SimpleTrip {
            SimpleTrip(id: Int(second), time: Self.morning + second * 1000, area: area)
        }
        try bench.fill([trip(1, 8), trip(2, 9)])
        try bench.run([plan], Self.options())
        let first = try bench.messages(of: plan)
        #expect(first.allSatisfy { !$0.contains("revision") })
        try bench.fill([trip(3, 8)])
        let summary = try bench.run([plan], Self.options())
        #expect(summary.lateMerged == [plan.name: 1])
        #expect(summary.late == [plan.name: 0])
        let second = Array(try bench.messages(of: plan).dropFirst(first.count))
        #expect(second.count == first.count / 2)
        #expect(second.allSatisfy { $0.contains("\"pickup_community_area\":8") && $0.hasSuffix(",\"revision\":2}") })
        try bench.fill([trip(4, 9)])
        try bench.run([plan], Self.options())
        let third = Array(try bench.messages(of: plan).dropFirst(first.count + second.count))
        #expect(third.allSatisfy { $0.contains("\"pickup_community_area\":9") && $0.hasSuffix(",\"revision\":3}") })
        #expect(third.count == first.count / 2)
    }

    @Test func whatIsLateForOneOfItsWindowsOnlyIsCountedWhereItIsDropped() throws {
        let bench = try StreamBench()
        let plan = try #require(plans.first { $0.name == "hotspotCommunityPickupWindow" })
        var options = StreamBench.options()
        options.late = .drop
        options.untilEnd = true
        let trips = [0, 1, 2, 3, 4, 5].map { SimpleTrip(id: $0, time: Self.morning + Int64($0) * 60_000, area: 8) }
        // Three minutes behind the newest, of windows of ten minutes or so each minute.
        try bench.fill(trips + [SimpleTrip(id: 9, time: Self.morning + 120_000, area: 8)])
        try bench.run([plan], options)
        let isInPart = try bench.counted(plan.name, "late_in_part")
        #expect(try bench.counted(plan.name, "late") + isInPart <= 1)
        #expect(try bench.counted(plan.name, "aggregated") + bench.counted(plan.name, "late") == 7)
    }

    @Test func tripsOfWindowsThatWereRemovedAreLateAndNoOthers() throws {
        let bench = try StreamBench()
        let plan = try #require(plans.first { $0.name == "sumFareWindow" })
        let day = 24 * Self.hour
        let first = SimpleTrip.random(50, from: Self.morning, over: Self.hour, seed: 3)
        let later = SimpleTrip.random(50, from: Self.morning + 3 * day, over: Self.hour, seed: 4)
        try bench.fill(first + later)
        try bench.run([plan], Self.options())
        let local = StreamBench.zone.localDay(ofMs: Self.morning)
        try bench.database().connection.execute(
            """
            CREATE TABLE pruned_windows (view TEXT PRIMARY KEY, before_day INTEGER NOT NULL);
            INSERT INTO pruned_windows VALUES ('sumfarewindow', \(local + 2));
            CREATE TABLE rolled_days (day INTEGER PRIMARY KEY, fresh INTEGER NOT NULL);
            INSERT INTO rolled_days VALUES (\(local), 1), (\(local + 3), 1);
            DELETE FROM stored_sumfarewindow WHERE window_start_ms < \(Self.morning + day);
            """)
        // The removed day, the one after it, which never had a trip, and the one that is kept.
        try bench.fill(
            (0..<3).map { SimpleTrip(id: 100 + $0, time: Self.morning + Int64($0 == 2 ? 3 : $0) * day + 1, fare: 100) })
        let summary = try bench.run([plan], Self.options())
        #expect(summary.late == [plan.name: 1])
        #expect(summary.lateMerged == [plan.name: 2])
        let starts = try bench.rows(of: "sumfarewindow").compactMap { $0["window_start"]?.description }.sorted()
        #expect(starts.first?.contains("2024-01-23") == true, "\(starts.first ?? "")")
    }

    private func alertPlan(_ alert: String) throws -> QueryPlan {
        try #require(
            QueryCatalog.parse(
                """
                queries:
                  - name: minutes
                    window: {tumbling: 1m}
                    aggregates: {trips: count()}
                alerts:
                  - {name: busy, on: minutes, \(alert)}
                """, file: "own.yaml"
            ).first { $0.name == "minutes" })
    }

    /// Trips at the starts of minutes.
    private static func minutes(_ minutes: [Int64]) -> [SimpleTrip] {
        minutes.map { SimpleTrip(time: morning + $0 * 60_000) }
    }

    private func alerts(_ bench: StreamBench) throws -> [String] {
        try bench.rows(of: "stored_alerts").map { row in
            "\(row["window_start_ms"] ?? .null) \(row["value"] ?? .null) \(row["revision"] ?? .null) \(row["withdrawn_by"] ?? .null)"
        }.sorted()
    }

    @Test func aRevisionThatNewlyMeetsAConditionRaisesItsAlertOnce() throws {
        let plan = try alertPlan("if: trips >= 2")
        let bench = try StreamBench()
        for late in [[0, 5], [0], [0, 0], [5]] as [[Int64]] {
            try bench.fill(Self.minutes(late))
            try bench.run([plan], Self.options())
        }
        let found = try alerts(bench)
        #expect(found.count == 2, "\(found)")
        #expect(found.allSatisfy { $0.contains(" 2") && $0.hasSuffix("null") }, "\(found)")
        let records = try bench.records(of: "chicago_alerts").map { String(decoding: $0.value ?? [], as: UTF8.self) }
        #expect(records.count == 2)
        #expect(records.allSatisfy { $0.contains("\"revision\":2") })
    }

    /// Whose window is withdrawn, that alert is not lost where the row behind it is long enough: loaded together, it would have raised it.
    @Test(arguments: [1, 2]) func whatIsLeftOfARowRaisesTheAlertAnew(_ windows: Int64) throws {
        let plan = try alertPlan("if: trips = 1" + (windows > 1 ? ", for: \(windows) windows" : ""))
        let bench = try StreamBench()
        for late in [Array(0..<2 * windows), [windows - 1]] as [[Int64]] {
            try bench.fill(Self.minutes(late))
            try bench.run([plan], Self.options())
        }
        let rows = try bench.rows(of: "stored_alerts")
        func starts(withdrawn: Bool) -> [String] {
            rows.filter { ("\($0["withdrawn_by"] ?? .null)" != "null") == withdrawn }
                .map { "\($0["window_start_ms"] ?? .null)" }.sorted()
        }
        func start(_ minute: Int64) -> String { "\(Double(Self.morning + minute * 60_000))" }
        #expect(starts(withdrawn: true) == [start(windows - 1)], "\(rows)")
        #expect(starts(withdrawn: false) == [start(2 * windows - 1)], "\(rows)")
    }

    @Test func aRevisionThatDoesNotMeetItAnyMoreIsNotedAndStartsNothing() throws {
        let plan = try alertPlan("if: trips < 2")
        let bench = try StreamBench()
        for late in [[0, 5], [0], [0]] as [[Int64]] {
            try bench.fill(Self.minutes(late))
            try bench.run([plan], Self.options())
        }
        let rows = try bench.rows(of: "stored_alerts")
        #expect(rows.count == 2)
        #expect(rows.map { "\($0["withdrawn_by"] ?? .null)" }.sorted().last == "null")
        #expect(rows.count { "\($0["withdrawn_by"] ?? .null)" != "null" } == 1)
        #expect(try bench.records(of: "chicago_alerts").count == 2)
    }

    @Test func aRowThatLateTripsCompleteRaisesItsAlertAndOneThatWasLongEnoughDoesNot() throws {
        let plan = try alertPlan("if: trips >= 1, for: 3 windows")
        let bench = try StreamBench()
        // 0, 1 and 3, 4 hold; 2 completes the row. Then 5 makes it longer, and 11 completes another.
        for late in [[0, 1, 3, 4, 8], [2], [5], [9, 10, 12], [11]] as [[Int64]] {
            try bench.fill(Self.minutes(late))
            try bench.run([plan], Self.options())
        }
        let rows = try bench.rows(of: "stored_alerts")
        #expect(rows.count == 2, "\(rows)")
    }

    @Test func alertsOfAnOlderTimeAreThoseThatItsOrderGives() throws {
        let plan = try alertPlan("if: trips >= 2, for: 2 windows")
        var numbers = SplitMix64(seed: 11)
        let minutes = (0..<200).map { _ in Int64.random(in: 0..<120, using: &numbers) }.sorted()
        let inOrder = try StreamBench()
        try inOrder.fill(Self.minutes(minutes))
        try inOrder.run([plan], Self.options())
        let older = try StreamBench()
        try older.fill(Self.minutes([100_000]))
        try older.run([plan], Self.options())
        var options = Self.options()
        options.epochRecords = 1000
        try older.fill(Self.minutes(minutes))
        try older.run([plan], options)
        let expected = try alerts(inOrder)
        #expect(!expected.isEmpty)
        #expect(try alerts(older) == expected)
    }
}
