import Basics
import Foundation
import Problems
import Stream
import Testing
import Topics
import Time
import Trips

/// Whole streams against the slow reference: whatever the partitions, workers, epochs, stops and crashes, one answer.
@Suite struct StreamRunnerTests {
    /// 2024-01-22 06:00 in Chicago.
    static let morning: EventTime = 1_705_924_800_000
    static let hour: Int64 = 3_600_000
    let plans: [QueryPlan]
    let slow = SlowQuery.defaults + SlowQuery.own

    init() throws {
        plans = try QueryCatalog.load() + QueryCatalog.parse(SlowQuery.declared, file: "own.yaml")
    }

    /// Compares views and topics of the first queries with the reference; every window is closed.
    private func check(
        _ bench: StreamBench, _ trips: [SimpleTrip], delay: Int64?, queries: Int = 10,
        _ place: SourceLocation = #_sourceLocation
    ) throws {
        for (plan, query) in zip(plans, slow).prefix(queries) {
            let expected = query.run(trips, delay: delay)
            let key = (query.windows == nil ? [] : ["window_start", "window_end"]) + query.groupNames
            let found = differences(try bench.rows(of: query.view), expected.rows, key: key)
            #expect(found == [], "view \(query.view)", sourceLocation: place)
            try checkMessages(of: plan, in: bench, against: expected.rows, key, place)
            #expect(
                try ["aggregated", "late", "skipped", "filtered"].map { try bench.counted(plan.name, $0) }
                    == [expected.aggregated, expected.late.count, expected.skipped, expected.filtered],
                "ledger of \(plan.name)", sourceLocation: place)
        }
    }

    /// Append queries: each row once. Others: the last message of each row.
    private func checkMessages(
        of plan: QueryPlan, in bench: StreamBench, against rows: [[String: SlowValue]], _ key: [String],
        _ place: SourceLocation
    ) throws {
        var messages = try bench.messages(of: plan).map(cells(ofMessage:))
        if plan.emit != .append {
            var last: [[SlowValue?]: [String: SlowValue]] = [:]
            for message in messages { last[key.map { message[$0] ?? .null }] = message }
            messages = Array(last.values)
        }
        let shown = Set(key + plan.messageFields.map { plan.aggregates[$0].name })
        let expected = rows.map { $0.filter { shown.contains($0.key) } }
        #expect(differences(messages, expected, key: key) == [], "topic of \(plan.name)", sourceLocation: place)
    }

    struct Way: Sendable, CustomTestStringConvertible {
        var partitions = 1
        var workers = 1
        var epoch = 300
        var trips = 600
        var json = false
        enum Ending: String { case straight, cut, crashBeforeSending, crashAfterSending }
        var ending = Ending.straight
        var testDescription: String {
            "\(partitions) partitions, \(workers) workers, epochs of \(epoch), \(json ? "json" : "columns"), \(ending.rawValue)"
        }
    }

    static let ways = [
        Way(), Way(json: true), Way(epoch: 100_000), Way(epoch: 17, trips: 300), Way(epoch: 1, trips: 60),
        Way(epoch: 100, ending: .cut), Way(epoch: 17, trips: 300, ending: .cut), Way(epoch: 1, trips: 60, ending: .cut),
        Way(epoch: 17, trips: 300, ending: .crashBeforeSending), Way(epoch: 50, ending: .crashAfterSending),
        Way(partitions: 4, epoch: 100), Way(partitions: 4, workers: 2, epoch: 100),
        Way(partitions: 4, workers: 2, epoch: 100, json: true, ending: .cut),
        Way(partitions: 4, workers: 2, epoch: 100, ending: .crashBeforeSending),
    ]

    @Test(arguments: ways) func anyWayOfRunningGivesTheBatchAnswer(_ way: Way) throws {
        let seed = UInt64(way.testDescription.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        let trips = SimpleTrip.random(way.trips, from: Self.morning, over: 2 * Self.hour, seed: seed)
        let arrivals = trips.shuffled(within: 10_000, seed: seed)
        let bench = try StreamBench(partitions: way.partitions)
        try bench.fill(arrivals, batch: min(way.epoch, 100), json: way.json) { trip in
            (trip.taxi ?? "").utf8.reduce(0) { $0 + Int($1) } % way.partitions
        }
        var options = StreamBench.options()
        (options.workers, options.epochRecords) = (way.workers, way.epoch)
        switch way.ending {
        case .straight: #expect(try bench.run(plans, options).records == Int64(way.trips))
        case .cut: try bench.runInPieces(plans, options, seed: seed)
        case .crashBeforeSending, .crashAfterSending:
            let crashes = try bench.runCrashing(
                plans, options, beforeSending: way.ending == .crashBeforeSending, appends: 1...3, seed: seed)
            #expect(crashes > 1)
        }
        try check(bench, arrivals, delay: nil)
    }

    @Test(arguments: [1, 2]) func recordsBeyondTheDelayAreLateWhereTheReferenceSaysSo(seed: UInt64) throws {
        let trips = SimpleTrip.random(800, from: Self.morning, over: 2 * Self.hour, seed: seed)
        let arrivals = trips.shuffled(within: 20 * 60_000, seed: seed)
        #expect(slow[0].run(arrivals, delay: 10_000).late.count > 100)
        let bench = try StreamBench()
        try bench.fill(arrivals, batch: 37)
        var options = StreamBench.options()
        options.epochRecords = 200
        options.late = .deadLetter
        try bench.runInPieces(plans, options, seed: seed)
        try check(bench, arrivals, delay: 10_000)

        // Each late record is kept once, with the queries that it was too late for.
        var queries: [String: [String]] = [:]
        for (plan, query) in zip(plans, slow) {
            for trip in query.run(arrivals, delay: 10_000).late {
                queries["trip \(trip.id)", default: []].append(plan.name)
            }
        }
        let kept = try bench.records(of: "chicago_late")
        #expect(kept.count == queries.count)
        for record in kept {
            let trip = try #require(try JSONSerialization.jsonObject(with: Data(record.value ?? [])) as? [String: Any])
            let header = record.headers.first { $0.name == "queries" }
            let names = header?.text
            #expect(names == queries[trip["trip_id"] as? String ?? ""]?.joined(separator: ","))
        }
    }

    @Test func tripsOfNothingButNullsCountAndAreSkipped() throws {
        let trips = (0..<50).map { SimpleTrip(id: $0, taxi: nil, time: Self.morning + Int64($0) * 1000) }
        for json in [false, true] {
            let bench = try StreamBench()
            try bench.fill(trips, batch: 7, json: json)
            try bench.run(plans)
            try check(bench, trips, delay: nil)
            #expect(try bench.counted("hotspotWindow", "skipped") == 50)
        }
    }

    /// 2024-03-10 has 23 hours in Chicago, 2024-11-03 has 25.
    @Test(arguments: [EventTime(1_710_050_400_000), 1_730_610_000_000])
    func daysOfAClockChangeAreWhole(midnight: EventTime) throws {
        let trips = SimpleTrip.random(700, from: midnight - Self.hour, over: 27 * Self.hour, seed: 5)
        let bench = try StreamBench()
        try bench.fill(trips)
        try bench.run(plans)
        try check(bench, trips, delay: nil)
        let day = ChicagoTime.dayWindow(midnight)
        #expect(day.start == midnight)
        #expect(day.end - day.start != 24 * Self.hour)
        let days = Set(try bench.rows(of: "daily").compactMap { $0["window_end"] })
        #expect(days.contains(.text(ChicagoTime.iso(day.end))))
    }

    @Test func aSecondBoundedRunLosesOnlyWhatItsWindowsHadClosed() throws {
        let trips = SimpleTrip.random(1000, from: Self.morning, over: 2 * Self.hour, seed: 9)
        let bench = try StreamBench()
        try bench.fill(Array(trips[..<500]))
        try bench.run(plans)
        try bench.fill(Array(trips[500...]))
        try bench.run(plans)
        // The first run closed the hour for fareDistribution; the windows of 5 seconds after it were never open.
        let border = trips[499].time / 5000
        let late = trips[500...].count { $0.time / 5000 == border }
        #expect(try bench.counted("sumFareWindow", "late") == late)
        #expect(try bench.counted("fareDistribution", "late") > 0)
        let hours = try bench.messages(of: plans[4]).map(cells(ofMessage:)).map { [$0["window_start"], $0["bucket"]] }
        #expect(Set(hours).count == hours.count)
    }

    @Test func trueDaysFromFilesEqualTheReference() throws {
        guard let folder = Self.sharedData else {
            print("skipped: no ../shared/data/chicago above the repository")
            return
        }
        for name in ["portal23-2022-03-01-full-day.csv.gz", "portal23-2022-04-01-full-day.csv.gz"] {
            let paths = ["\(folder)/\(name)"]
            let options = TripSourceOptions(clock: .start, zone: StreamBench.zone)
            let trips = try Self.trips(of: TripSource(paths: paths, options: options))
            let bench = try StreamBench()
            let source = StreamRunner.Source.files(identity: name) { skip, _ in
                var options = options
                options.skip = skip
                return try TripSource(paths: paths, options: options)
            }
            let summary = try bench.run(Array(plans.prefix(5)), source: source)
            #expect(summary.records == Int64(trips.count))
            try check(bench, trips, delay: 10_000, queries: 5)
        }
    }

    private static func trips(of source: TripSource) throws -> [SimpleTrip] {
        let batch = TripBatch(capacity: 1000)
        var trips: [SimpleTrip] = []
        while try source.next(into: batch) {
            for row in 0..<batch.count {
                func number(_ field: TripField) -> Int64? {
                    let cell = batch.column(field)[row]
                    return cell == nullCell ? nil : cell
                }
                trips.append(
                    SimpleTrip(
                        id: trips.count, taxi: batch.string(.taxiID, row), time: batch.eventTimes[row],
                        area: number(.pickupArea), location: batch.string(.pickupLocation, row), fare: number(.fare),
                        tips: number(.tips), total: number(.total), payment: batch.string(.paymentType, row),
                        company: batch.string(.company, row),
                        miles: number(.miles).map { PackedDecimal(cell: $0).millionths }, seconds: number(.seconds)))
            }
        }
        return trips
    }

    private static let sharedData: String? = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let data = folder.deletingLastPathComponent().appendingPathComponent("shared/data/chicago").path
            if FileManager.default.fileExists(atPath: data) { return data }
        }
        return nil
    }()
}
