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

/// Queries that come later, change, start anew or are taken over; records that cannot be used.
@Suite struct StreamTakeoverTests {
    private let plans: [QueryPlan]
    private let trips = SimpleTrip.random(600, from: StreamRunnerTests.morning, over: StreamRunnerTests.hour, seed: 21)

    init() throws { plans = try QueryCatalog.load() }

    private func options(epoch: Int = 50) -> StreamOptions {
        var options = StreamBench.options()
        options.epochRecords = epoch
        return options
    }

    /// Each view as the reference has it, and each window of an append query once in its topic.
    private func check(
        _ bench: StreamBench, _ queries: Range<Int>, _ trips: [SimpleTrip], _ place: SourceLocation = #_sourceLocation
    ) throws {
        for index in queries {
            let query = SlowQuery.defaults[index]
            let rows = query.run(trips, delay: nil).rows
            let key = (query.windows == nil ? [] : ["window_start", "window_end"]) + query.groupNames
            #expect(
                differences(try bench.rows(of: query.view), rows, key: key) == [], "\(query.view)",
                sourceLocation: place)
            guard plans[index].emit == .append else { continue }
            let messages = try bench.messages(of: plans[index]).map(cells(ofMessage:))
            #expect(differences(messages, rows, key: key) == [], "\(query.view)", sourceLocation: place)
        }
    }

    @Test func aQueryAddedLaterReadsFromTheBeginningWhileTheOthersGoOn() throws {
        let bench = try StreamBench()
        try bench.fill(Array(trips[..<300]), batch: 10)
        let before = try bench.runner(Array(plans[..<3]), options(epoch: 10)).run(stoppingAt: 10).summary.records
        #expect(before > 0 && before < 300)
        try bench.fill(Array(trips[300...]), batch: 10)
        let summary = try bench.run(plans, options(epoch: 10))
        #expect(summary.records == 600)
        try check(bench, 0..<5, trips)
        #expect(try bench.counted("sumFareWindow", "aggregated") == 600)
        #expect(try bench.counted("tripsTotal", "aggregated") == 600)
        // From now on they stand at one place, and are read together; one of them alone, in another order, too.
        #expect(try bench.run(plans, options(epoch: 10)).records == 0)
        let more = SimpleTrip.random(200, from: StreamRunnerTests.morning + 7_200_000, over: 3_600_000, seed: 22)
        try bench.fill(more, batch: 10)
        try bench.run([plans[4], plans[0]], options(epoch: 10))
        try bench.run(plans.reversed(), options(epoch: 10))
        try check(bench, 0..<5, trips + more)
    }

    @Test func epochsOfQueriesRunInAnyCompanyAreSentOnceAfterACrash() throws {
        let bench = try StreamBench()
        var all: [SimpleTrip] = []
        var numbers = SplitMix64(seed: 23)
        // Queries 2 and 3 in changing company and order; each run dies with an epoch stored and not sent, but the last.
        for round in 0..<8 {
            let start = StreamRunnerTests.morning + Int64(round) * StreamRunnerTests.hour
            let part = SimpleTrip.random(100, from: start, over: 3_500_000, seed: UInt64(round))
            all += part
            try bench.fill(part, batch: 10)
            var left = Int.random(in: 1...4, using: &numbers)
            bench.store.beforeAppend = { _ in
                left -= 1
                if left == 0 { throw FaultyTopicStore.Crash() }
            }
            let company = [[2], [2, 3], [3, 2], [3], [4, 3, 2], [2, 0]][round % 6].map { plans[$0] }
            #expect(throws: FaultyTopicStore.Crash.self) { try bench.run(company, options(epoch: 20)) }
            bench.store.beforeAppend = nil
        }
        try bench.run(plans, options())
        try check(bench, 0..<5, all)
    }

    @Test func aCommitThatFailsEndsASilentStream() throws {
        let bench = try StreamBench()
        try bench.fill(Array(trips[..<10]))
        bench.store.beforeAppend = { _ in throw FaultyTopicStore.Crash() }
        var options = options(epoch: 10)
        options.untilEnd = false
        let runner = try bench.runner(plans, options)
        // Nothing else comes: a stream that looks at its commits only then would go on until here.
        let end = Date(timeIntervalSinceNow: 60)
        var hasWaited = false
        runner.shouldStop = {
            hasWaited = Date() > end
            return hasWaited
        }
        #expect(throws: FaultyTopicStore.Crash.self) { try runner.run() }
        #expect(!hasWaited)
    }

    @Test func aChangedDeclarationIsRefusedUntilItIsComputedAnew() throws {
        let bench = try StreamBench()
        try bench.fill(trips)
        func own(_ window: String) throws -> [QueryPlan] {
            try QueryCatalog.parse(
                "queries: [{name: own, window: {tumbling: \(window)}, aggregates: {trips: count()}, emit: append}]",
                file: "f")
        }
        try bench.run(own("5m"))
        let rows = try bench.rows(of: "own")
        let problem = #expect(throws: Problem.self) { try bench.run(own("10m")) }
        #expect(problem?.code == .configuration)
        #expect(problem?.message.contains("tumbling 5m") == true)
        #expect(problem?.hint?.contains("--from-beginning") == true)
        #expect(try bench.rows(of: "own").count == rows.count)
        var options = options()
        options.fromBeginning = true
        #expect(try bench.run(own("10m"), options).records == 600)
        let total = try bench.rows(of: "own").reduce(0) { sum, row in
            if case .number(let count)? = row["trips"] { sum + count } else { sum }
        }
        #expect(total == 600)
    }

    @Test func fromTheBeginningGivesTheSameAgain() throws {
        let bench = try StreamBench()
        try bench.fill(trips, batch: 20)
        try bench.run(plans, options())
        var again = options()
        again.fromBeginning = true
        #expect(try bench.run(plans, again).records == 600)
        for query in SlowQuery.defaults {
            let key = (query.windows == nil ? [] : ["window_start", "window_end"]) + query.groupNames
            #expect(differences(try bench.rows(of: query.view), query.run(trips, delay: nil).rows, key: key) == [])
        }
    }

    @Test func aStartingTimeIsForQueriesWithoutResults() throws {
        let bench = try StreamBench()
        try bench.fill(trips, batch: 10)
        var later = options()
        later.fromTime = trips[295].time
        #expect(try bench.run(plans, later).records == 310)
        #expect(throws: Problem.self) { try bench.run(plans, later) }
    }

    @Test(arguments: [false, true]) func theNewerProcessTakesOverAndNothingDoubles(betweenStoreAndSend: Bool) throws {
        let bench = try StreamBench()
        try bench.fill(trips, batch: 10)
        let older = try bench.runner(plans, options(epoch: 20))
        var (steps, newer): (Int, Result<StreamSummary, any Error>?) = (0, nil)
        func takeOver() {
            steps += 1
            guard steps == 5 else { return }
            bench.store.beforeAppend = nil
            newer = Result { try bench.run(plans, options()) }
        }
        if betweenStoreAndSend {
            bench.store.beforeAppend = { _ in takeOver() }
        } else {
            older.shouldStop = {
                takeOver()
                return false
            }
        }
        let problem = #expect(throws: Problem.self) { try older.run() }
        #expect(problem?.code == .unavailable)
        #expect(problem?.message.contains("newer process has taken over") == true)
        #expect(try #require(newer).get().records > 300)
        try check(bench, 0..<5, trips)
        #expect(try bench.counted("sumFareWindow", "aggregated") == 600)
    }

    @Test func aProcessThatRunsOtherQueriesIsLeftAlone() throws {
        let bench = try StreamBench()
        try bench.fill(trips, batch: 10)
        let runner = try bench.runner(Array(plans[..<2]), options(epoch: 20))
        var steps = 0
        runner.shouldStop = {
            steps += 1
            if steps == 5 { _ = try? bench.run(Array(plans[2...]), options()) }
            return false
        }
        #expect(try runner.run().records == 600)
        try check(bench, 0..<5, trips)
    }

    @Test func noQueriesAreAProblem() throws {
        let bench = try StreamBench()
        #expect(throws: Problem.self) { try bench.run([]) }
    }

    // MARK: records that cannot be used

    @Test func rejectedRecordsGoToTheDeadLetterTopicOnceAndWhole() throws {
        let bench = try StreamBench(partitions: 2)
        try bench.fill(Array(trips[..<40]), batch: 5, json: true)
        let garbage = ["{\"trip_id\":", "{}", "{\"event_timestamp\":\"2024-01-22T12:00:00.000Z\",\"fare\":\"x\"}", ""]
        try bench.append(garbage)
        try bench.append(["nothing"], partition: 1)
        try bench.fill(Array(trips[40..<80]), batch: 5, json: true)
        try bench.runInPieces(plans, options(epoch: 5), seed: 4)
        let records = try bench.records(of: "chicago_deadLetter")
        #expect(Set(records.map { String(decoding: $0.value ?? [], as: UTF8.self) }) == Set(garbage + ["nothing"]))
        #expect(records.count == 5)
        for record in records {
            let headers = Dictionary(
                uniqueKeysWithValues: record.headers.map { ($0.name, $0.text) })
            let value = String(decoding: record.value ?? [], as: UTF8.self)
            let (partition, offset) = value == "nothing" ? (1, 0) : (0, 40 + garbage.firstIndex(of: value)!)
            #expect(headers["source"] == "chicago_ingestData/\(partition)/\(offset)")
            #expect(headers["__connect.errors.topic"] == "chicago_ingestData")
            #expect(headers["__connect.errors.partition"] == "\(partition)")
            #expect(headers["__connect.errors.offset"] == "\(offset)")
            let message = headers["__connect.errors.exception.message"]
            #expect(message == "\(headers["reason"]!): \(headers["detail"]!)")
        }
        #expect(try bench.counted("", "rejected") == 5)
        #expect(try bench.counted("tripsTotal", "") == 80)
        try check(bench, 0..<5, Array(trips[..<80]))
    }

    @Test(arguments: [400, 2000]) func moreThanHalfRejectedStopsTheRun(count: Int) throws {
        let bench = try StreamBench()
        try bench.append((0..<count).map { "no trip \($0)" })
        let problem = #expect(throws: Problem.self) { try bench.run(plans, options()) }
        #expect(problem?.code == .badData)
        #expect(problem?.message.contains("malformed_json") == true)
    }

    @Test func aResumedRunIsNotStoppedByWhatIsLeft() throws {
        let bench = try StreamBench()
        try bench.fill(trips, batch: 20)
        try bench.run(plans, options())
        try bench.append(["no trip", "none"])
        #expect(try bench.run(plans, options()).rejected == [.malformedJSON: 2])
    }

    @Test func aFileIsReadOnceHoweverOftenItIsCut() throws {
        let bench = try StreamBench()
        var lines = [
            "Trip ID,Taxi ID,Trip Start Timestamp,Fare,Tips,Trip Total,Pickup Community Area,Pickup Centroid Location"
        ]
        var kept: [SimpleTrip] = []
        let clock = StreamBench.zone
        for row in 0..<40_000 {
            let local = Int64(1_705_903_200 + row / 1000 * 900)
            let time = WallTime(seconds: local)
            let text = "01/22/2024 \(Self.twelveHours(time.seconds))"
            if row % 4000 == 77 {
                lines.append("t\(row),x,\(text),1.x,,,,")
            } else {
                lines.append("t\(row),x,\(text),\(row % 90).25,,,\(row % 77 + 1),")
                kept.append(
                    SimpleTrip(
                        id: row, time: clock.utcMs(localSeconds: local), area: Int64(row % 77 + 1),
                        fare: Int64(row % 90 * 100 + 25)))
            }
        }
        try lines.joined(separator: "\n").write(toFile: bench.path("trips.csv"), atomically: true, encoding: .utf8)
        let paths = [bench.path("trips.csv")]
        let source = StreamRunner.Source.files(identity: "trips") { skip, _ in
            try TripSource(paths: paths, options: TripSourceOptions(clock: .start, zone: clock, skip: skip))
        }
        var stops = 0
        var wasStopped = true
        while wasStopped {
            wasStopped = try bench.runner(plans, options(epoch: 1), source: source).run(stoppingAt: 3).wasStopped
            stops += 1
        }
        #expect(stops > 2)
        #expect(try bench.counted("", "rejected:bad_money") == 10)
        #expect(try bench.records(of: "chicago_deadLetter").count == 10)
        #expect(try bench.counted("sumFareWindow", "aggregated") == kept.count)
        try check(bench, 1..<3, kept)
    }

    private static func twelveHours(_ seconds: Int64) -> String {
        let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two((hour + 11) % 12 + 1)):\(two(minute)):00 \(hour < 12 ? "AM" : "PM")"
    }
}
