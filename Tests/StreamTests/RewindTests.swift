import Basics
import Database
import Foundation
import Problems
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Stream

/// `stream rewind`: whatever a stream has done, its results go back to an epoch as if it had never gone further, and forward again as if nothing
/// had been.
@Suite struct RewindTests {
    static let alerts = """
        alerts:
          - {name: busy, on: sumFareWindow, if: total_fare > 40, for: 1 windows, cooldown: 20s, run: look}
        """
    let plans: [QueryPlan]

    init() throws {
        plans = try QueryCatalog.parse(
            SlowQuery.declared
                + "\n  - {name: sumFareWindow, window: {tumbling: 30s}, aggregates: {total_fare: sum(fare)}, emit: append}\n"
                + "  - {name: byArea, group: [pickup_community_area], window: {sliding: 30m, every: 15m}, aggregates: {trips: count()}, emit: update}\n"
                + Self.alerts, file: "own.yaml")
    }

    static func options(_ late: StreamOptions.LatePolicy = .update) -> StreamOptions {
        var options = StreamBench.options()
        (options.late, options.keepHistoryMs, options.epochRecords) = (late, 7 * 86_400_000, 30)
        return options
    }

    // MARK: What is stored

    /// All that a stream stores of its queries, but for what says how often and by whom: as text, by table.
    static func stored(_ bench: StreamBench, _ plans: [QueryPlan], sums: Bool = false, ordersVary: Bool = false) throws
        -> [String: [String]]
    {
        let connection = try bench.database().connection
        func rows(_ sql: String) throws -> [String] {
            try connection.rows(sql) { row throws(SQLiteError) in
                (0..<row.columnCount).map { "\(row.value($0))" }.joined(separator: " | ")
            }.sorted()
        }
        var stored: [String: [String]] = [:]
        for plan in plans {
            // Which revision of a window is the first after a rewind depends on what went out before it.
            let columns = try connection.rows("SELECT name FROM pragma_table_info('\(plan.storageTable)')") {
                row throws(SQLiteError) in row.text(0)
            }.map { $0 == "closed" && sums ? "closed > 0" : "\"\($0)\"" }
            // Ids of groups are in the order in which they came.
            stored[plan.storageTable] =
                ordersVary
                ? try rows("SELECT * FROM \(plan.table)")
                : try rows("SELECT \(columns.joined(separator: ", ")) FROM \(plan.storageTable)")
            if let keys = plan.keysTable, !ordersVary { stored[keys] = try rows("SELECT * FROM \(keys)") }
            let state = try CheckpointStore(connection: connection).load(plan.name)
            var kept = try #require(state)
            (kept.generation, kept.epoch, kept.sent, kept.sentBefore, kept.target) = (0, 0, nil, nil, nil)
            kept.counts.results = 0
            if sums {
                for source in kept.positions.keys {
                    kept.positions[source]?.identity = nil
                    kept.positions[source]?.seals = nil
                }
            }
            if kept.counts.lateMerged == 0 { kept.counts.lateMerged = nil }
            // In which order partitions are read decides which trips of them are late.
            if ordersVary { (kept.counts.lateMerged, kept.counts.lateInPart) = (nil, nil) }
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            stored["checkpoint \(plan.name)"] = [String(decoding: try encoder.encode(kept), as: UTF8.self)]
        }
        // A window that closes again is revised by other numbers.
        let params = sums ? "json_remove(params, '$.revision')" : "params"
        let alert = "raised_ms, name, query, window_start_ms, value, \(params), workflow, run_id, group_id"
        if !ordersVary {
            stored["alerts"] = try rows("SELECT \(alert)\(sums ? "" : ", revision, withdrawn_by") FROM stored_alerts")
            stored["alert_states"] = try rows("SELECT * FROM alert_states")
        }
        stored["ahead_records"] = try rows("SELECT * FROM ahead_records")
        stored["late_days"] = try rows("SELECT * FROM late_days")
        stored["ledger"] = try rows(
            sums
                ? "SELECT source, partition, query, counter, sum(value) FROM ledger WHERE kind = 'stream' AND counter NOT LIKE 'late%' GROUP BY 1, 2, 3, 4 HAVING sum(value) > 0"
                : "SELECT * FROM ledger WHERE kind = 'stream' AND value > 0")
        return stored
    }

    static func changes(_ found: [String: [String]], _ expected: [String: [String]]) -> [String] {
        expected.keys.sorted().compactMap { table in
            let (a, b) = (found[table] ?? [], expected[table] ?? [])
            if a == b { return nil }
            let (more, less) = (a.filter { !b.contains($0) }, b.filter { !a.contains($0) })
            return "\(table): \(more.prefix(2)) and not \(less.prefix(2)) (\(a.count) rows, \(b.count))"
        }
    }

    static func epochs(_ bench: StreamBench, _ plans: [QueryPlan]) throws -> [String: Int64] {
        let store = CheckpointStore(connection: try bench.database().connection)
        return try plans.reduce(into: [:]) { $0[$1.name] = try store.load($1.name)?.epoch ?? 0 }
    }

    @discardableResult
    static func rewind(
        _ bench: StreamBench, _ plans: [QueryPlan], _ target: Rewind.Target, isDry: Bool = false,
        nowMs: EventTime = SystemClock.shared.nowMs
    ) throws -> RewindReport {
        try Rewind(
            plans: plans, tenant: "chicago", zone: StreamBench.zone, database: bench.database(), store: bench.store,
            runID: "rewind \(bench.runs)", nowMs: nowMs
        ).run(to: target, isDry: isDry)
    }

    /// Each row's newest message, by revision and then by offset, has the cells of the row.
    private func checkTopics(_ bench: StreamBench, _ place: SourceLocation = #_sourceLocation) throws {
        for plan in plans {
            let groups = plan.groups.map { $0 == .fareBucket ? "bucket" : $0.name }
            let key = (plan.window.isWindowed ? ["window_start", "window_end"] : []) + groups
            var last: [[SlowValue?]: (revision: Double, cells: [String: SlowValue])] = [:]
            for message in try bench.messages(of: plan).map(cells(ofMessage:)) {
                let revision: Double = if case .number(let number)? = message["revision"] { number } else { 1 }
                let row = key.map { message[$0] ?? .null }
                if let before = last[row], before.revision > revision { continue }
                last[row] = (revision, message)
            }
            let shown = Set(key + plan.messageFields.map { plan.aggregates[$0].name })
            let rows = try bench.rows(of: plan.table).map { $0.filter { shown.contains($0.key) } }
            #expect(
                cellDifferences(Array(last.values.map(\.cells)), rows, key) == [], "topic of \(plan.name)",
                sourceLocation: place)
        }
    }

    private func cellDifferences(
        _ found: [[String: SlowValue]], _ expected: [[String: SlowValue]], _ key: [String]
    ) -> [String] { differences(found, expected, key: key) }

    // MARK: The property

    struct Way: Sendable, CustomTestStringConvertible {
        var seed: UInt64
        var partitions = 1
        var late = StreamOptions.LatePolicy.update
        var crashes = false
        var stages = 1
        var testDescription: String {
            "seed \(seed), \(partitions) partitions, late \(late.rawValue)\(crashes ? ", crashing" : ""), \(stages) stages"
        }
    }

    static let ways = [
        Way(seed: 1), Way(seed: 2, late: .drop), Way(seed: 3, partitions: 3), Way(seed: 4, crashes: true),
        Way(seed: 5, late: .deadLetter, crashes: true), Way(seed: 6, partitions: 2, crashes: true, stages: 3),
        Way(seed: 7, stages: 4),
    ]

    @Test(arguments: ways) func goesBackAsIfItHadNeverGoneFurtherAndForwardAsIfNothingHadBeen(_ way: Way) throws {
        var numbers = SplitMix64(seed: way.seed)
        var trips = SimpleTrip.random(
            450, from: StreamRunnerTests.morning, over: 5 * StreamRunnerTests.hour, seed: way.seed)
        // Some come late.
        for _ in 0..<60 {
            let place = Int.random(in: 0..<trips.count - 30, using: &numbers)
            trips.swapAt(place, place + Int.random(in: 1..<30, using: &numbers))
        }
        let (bench, straight) = (
            try StreamBench(partitions: way.partitions), try StreamBench(partitions: way.partitions)
        )
        let options = Self.options(way.late)
        var plain = options
        plain.keepHistoryMs = nil
        let size = trips.count / way.stages
        for stage in 0..<way.stages {
            let part = Array(trips[stage * size..<(stage == way.stages - 1 ? trips.count : (stage + 1) * size)])
            for bench in [bench, straight] {
                try bench.fill(part, batch: 20, json: true) { $0.id % way.partitions }
                try bench.append(["garbage \(stage)", "{}"])
            }
            try straight.run(plans, plain)
            try goBackAndForth(bench, way, options, &numbers)
            try bench.run(plans, options)
            let varies = way.partitions > 1
            let found = Self.changes(
                try Self.stored(bench, plans, sums: true, ordersVary: varies),
                try Self.stored(straight, plans, sums: true, ordersVary: varies))
            #expect(found == [])
        }
        if way.partitions == 1 {
            #expect(try bench.records(of: "chicago_alerts").count == straight.records(of: "chicago_alerts").count)
        }
        #expect(try bench.records(of: "chicago_deadLetter").count == straight.records(of: "chicago_deadLetter").count)
        try checkTopics(bench)
        try checkTopics(straight)
    }

    /// Runs in pieces, some of which crash, and rewinds in between to where an earlier one had ended.
    private func goBackAndForth(
        _ bench: StreamBench, _ way: Way, _ options: StreamOptions, _ numbers: inout SplitMix64
    ) throws {
        /// The results after each piece, with how many epochs each query had committed by then.
        var past: [(epochs: [String: Int64], stored: [String: [String]])] = []
        var committed: [String: Int64] = [:]
        var last = try Self.epochs(bench, plans)
        for _ in 0..<8 {
            if way.crashes, Int.random(in: 0..<3, using: &numbers) == 0 {
                var left = 2
                bench.store.beforeAppend = { _ in
                    left -= 1
                    if left == 0 { throw FaultyTopicStore.Crash() }
                }
                do { try bench.run(plans, options) } catch is FaultyTopicStore.Crash {}
                bench.store.beforeAppend = nil
            } else {
                try bench.runner(plans, options).run(stoppingAt: Int.random(in: 2...8, using: &numbers))
            }
            let now = try Self.epochs(bench, plans)
            for (query, epoch) in now { committed[query, default: 0] += epoch - (last[query] ?? 0) }
            last = now
            past.append((committed, try Self.stored(bench, plans)))
            guard past.count > 1, Int.random(in: 0..<2, using: &numbers) == 0 else { continue }
            let place = Int.random(in: 0..<past.count - 1, using: &numbers)
            let back = plans.map { committed[$0.name, default: 0] - past[place].epochs[$0.name, default: 0] }
            // They run together, so that they have committed as many.
            guard let count = back.first, count > 0, Set(back).count == 1 else { continue }
            let before = try Self.stored(bench, plans)
            try Self.rewind(bench, plans, .epochs(count), isDry: true)
            #expect(Self.changes(try Self.stored(bench, plans), before) == [])
            try rewindOnce(bench, count, crashes: way.crashes)
            #expect(Self.changes(try Self.stored(bench, plans), past[place].stored) == [])
            past.removeLast(past.count - 1 - place)
            committed = past[place].epochs
            last = try Self.epochs(bench, plans)
        }
    }

    /// Where it is killed before its record is sent, the next start sends that, and nothing goes back again.
    private func rewindOnce(_ bench: StreamBench, _ count: Int64, crashes: Bool) throws {
        let control = "chicago_control"
        let before = try bench.store.hasTopic(control) ? bench.records(of: control).count : 0
        guard crashes else {
            try Self.rewind(bench, plans, .epochs(count))
            #expect(try bench.records(of: control).count == before + 1)
            return
        }
        bench.store.beforeAppend = { batches in
            if batches.contains(where: { $0.topic == control }) { throw FaultyTopicStore.Crash() }
        }
        #expect(throws: FaultyTopicStore.Crash.self) { try Self.rewind(bench, plans, .epochs(count)) }
        bench.store.beforeAppend = nil
        #expect(try bench.records(of: control).count == before)
    }

    // MARK: Where to

    /// A clock that is set by hand.
    final class SetClock: WallClock, @unchecked Sendable {
        // `@unchecked`: set between runs.
        var nowMs: EventTime = 0
        var monotonicNs: Int64 { SystemClock.shared.monotonicNs }
        func sleep(untilNs: Int64) {}
    }

    private let fares = """
        queries:
          - {name: fares, window: {tumbling: 1m}, aggregates: {n: count(*)}}
          - {name: total, window: none, aggregates: {n: count(*)}}
        """

    /// A tenant whose queries have committed an epoch at 1000, 2000 and 3000 s after 2024-01-01, a minute of trips each.
    private func tenant(
        keepMs: Int64? = 7 * 86_400_000
    ) throws -> (bench: StreamBench, plans: [QueryPlan], start: EventTime) {
        let plans = try QueryCatalog.parse(fares, file: "f")
        let bench = try StreamBench()
        let start: EventTime = 1_704_067_200_000
        for epoch in 1...3 { try run(bench, plans, epoch, at: start + EventTime(epoch) * 1_000_000, keepMs: keepMs) }
        return (bench, plans, start)
    }

    private func run(
        _ bench: StreamBench, _ plans: [QueryPlan], _ minute: Int, at time: EventTime, keepMs: Int64?,
        _ change: (inout StreamOptions) -> Void = { _ in }
    ) throws {
        if minute > 0 {
            try bench.fill([
                SimpleTrip(id: minute, time: StreamRunnerTests.morning + EventTime(minute) * 60_000, area: 8)
            ])
        }
        let clock = SetClock()
        clock.nowMs = time
        var options = StreamBench.options()
        (options.keepHistoryMs, options.maxAheadMs) = (keepMs, 1 << 50)
        change(&options)
        let runner = StreamRunner(
            plans: plans, options: options, database: try bench.database(), store: bench.store,
            source: .topic(StreamBench.ingest), runID: "run \(minute)", clock: clock)
        _ = try runner.run()
    }

    private func counted(_ bench: StreamBench, _ query: String = "total") throws -> Int64 {
        try bench.database().connection.value("SELECT sum(n) FROM \(query)")?.integer ?? 0
    }

    @Test(arguments: [(1_000_000, 1), (1_999_999, 1), (2_000_000, 2), (2_500_000, 2), (999_999, 0)])
    func aTimeBetweenEpochsMeansTheOneThatWasCurrentThen(_ afterMs: Int64, _ trips: Int64) throws {
        let (bench, plans, start) = try tenant()
        let report = try Self.rewind(bench, plans, .time(start + afterMs), nowMs: start + 4_000_000)
        #expect(report.queries.map(\.records) == [3 - trips, 3 - trips])
        #expect(try counted(bench) == trips)
        #expect(try Self.rewind(bench, plans, .time(start + afterMs)).queries.isEmpty, "it is there already")
        try run(bench, plans, 0, at: start + 5_000_000, keepMs: 1 << 40)
        #expect(try counted(bench) == 3 && counted(bench, "fares") == 3)
        // The time before the rewind is the results' own again, whatever had been between.
        try Self.rewind(bench, plans, .time(start + 4_500_000), nowMs: start + 6_000_000)
        #expect(try counted(bench) == trips)
    }

    @Test func theControlTopicSaysOnceWhatWentBack() throws {
        let (bench, plans, start) = try tenant()
        let dry = try Self.rewind(bench, plans, .epochs(2), isDry: true, nowMs: start + 4_000_000)
        #expect(try !bench.store.hasTopic("chicago_control") && counted(bench) == 3)
        let report = try Self.rewind(bench, plans, .epochs(2), nowMs: start + 4_000_000)
        #expect(dry == report)
        try run(bench, plans, 0, at: start + 5_000_000, keepMs: 1 << 40)
        let records = try bench.records(of: "chicago_control")
        #expect(records.count == 1 && records[0].key == Array("rewind".utf8))
        let record = try #require(
            try JSONSerialization.jsonObject(with: Data(records[0].value ?? [])) as? [String: Any])
        #expect(record["type"] as? String == "rewind" && record["epoch"] as? Int == 4)
        let queries = try #require(record["queries"] as? [[String: Any]])
        #expect(queries.map { $0["query"] as? String } == ["fares", "total"])
        #expect(queries[0]["from_epoch"] as? Int == 3 && queries[0]["to_epoch"] as? Int == 1)
        #expect(queries[0]["ends"] as? [Int] == [3])
        #expect(queries[0]["to_time"] as? String == StreamBench.zone.iso(ms: start + 1_000_000))
        // What had gone out goes out as the next revision.
        let messages = try bench.messages(of: plans[0])
        #expect(messages.count == 5)
        #expect(messages.map { $0.contains("\"revision\":2") } == [false, false, false, true, true])
    }

    @Test func oneQueryGoesBackAlone() throws {
        let (bench, plans, start) = try tenant()
        try Self.rewind(bench, [plans[1]], .epochs(2), nowMs: start + 4_000_000)
        #expect(try counted(bench) == 1 && counted(bench, "fares") == 3)
        try run(bench, plans, 4, at: start + 5_000_000, keepMs: 1 << 40)
        #expect(try counted(bench) == 4 && counted(bench, "fares") == 4)
        #expect(try bench.messages(of: plans[0]).count == 4)
    }

    // MARK: Where not

    private func refusal(
        _ bench: StreamBench, _ plans: [QueryPlan], _ target: Rewind.Target, _ place: SourceLocation = #_sourceLocation
    ) throws -> Problem? {
        let before = try Self.stored(bench, plans)
        let problem = #expect(throws: Problem.self, sourceLocation: place) { try Self.rewind(bench, plans, target) }
        #expect(Self.changes(try Self.stored(bench, plans), before) == [], sourceLocation: place)
        return problem
    }

    @Test func withoutHistoryItSaysWhichOptionKeepsOne() throws {
        let (bench, plans, start) = try tenant(keepMs: nil)
        let connection = try bench.database().connection
        #expect(try connection.value("SELECT count(*) FROM epoch_history")?.integer == 0)
        let problem = try refusal(bench, plans, .epochs(1))
        #expect(problem?.code == .noInput && problem?.hint?.contains("--keep-history 7d") == true)
        // An epoch that is not kept is one over which nothing leads back.
        try run(bench, plans, 4, at: start + 4_000_000, keepMs: 1 << 40)
        try run(bench, plans, 5, at: start + 5_000_000, keepMs: nil)
        #expect(try refusal(bench, plans, .epochs(1))?.code == .noInput)
    }

    @Test func itSaysHowFarItReaches() throws {
        let (bench, plans, start) = try tenant(keepMs: 1_500_000)
        let problem = try refusal(bench, plans, .epochs(3))
        #expect(problem?.code == .noInput && problem?.hint?.contains("--epochs 2") == true)
        #expect(problem?.message.contains(StreamBench.zone.iso(ms: start + 2_000_000)) == true)
        #expect(try refusal(bench, plans, .time(start + 1_500_000))?.code == .noInput)
        let reach = try #require(try HistoryReach(on: bench.database().connection))
        #expect(reach.since == start + 2_000_000 && reach.epochs == 2 && reach.bytes > 0)
        try Self.rewind(bench, plans, .epochs(2))
        #expect(try counted(bench) == 1)
    }

    @Test(arguments: [
        "UPDATE epoch_history SET changes = x'00'", "UPDATE epoch_history SET changes = zeroblob(length(changes))",
        "UPDATE epoch_history SET first_ms = first_ms - 1", "UPDATE epoch_history SET epochs = 2",
        "UPDATE epoch_history SET checksum = 'x'", "UPDATE epoch_history SET before_epoch = before_epoch + 7",
        "UPDATE epoch_history SET last_ms = 'never'",
    ])
    func whatIsDamagedIsNotPutBack(_ damage: String) throws {
        let (bench, plans, _) = try tenant()
        let connection = try bench.database().connection
        try connection.execute(damage)
        #expect(try refusal(bench, plans, .epochs(2))?.code == .badData)
        #expect(throws: (any Error).self) { try HistoryReach.inspect(connection) }
    }

    /// Bytes with a right checksum that no stream has written.
    @Test func noBytesAreTooStrange() throws {
        var numbers = SplitMix64(seed: 8)
        let (bench, plans, _) = try tenant()
        let connection = try bench.database().connection
        let history = try StoredHistory("fares", current: 3, on: connection)
        let row = try #require(history.rows.last)
        let sections = try history.sections(of: row)
        let right = [EpochHistory.version] + sections.flatMap(\.bytes)
        for _ in 0..<300 {
            var bytes = right
            for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                bytes[Int.random(in: 0..<bytes.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            var packed = row.packed
            packed.bytes = bytes
            try EpochHistory.insert(packed, of: "fares", on: connection)
            do {
                try Self.rewind(bench, [plans[0]], .epochs(1), isDry: true)
            } catch let problem as Problem {
                #expect(
                    problem.code == .badData || problem.code == .unavailable || problem.code == .noInput, "\(problem)")
            }
        }
    }

    @Test func recordsThatAreGoneCannotBeReadAgain() throws {
        let (bench, plans, _) = try tenant()
        try bench.store.deleteTopic(StreamBench.ingest)
        let problem = try refusal(bench, plans, .epochs(1))
        #expect(problem?.code == .unavailable && problem?.message.contains(StreamBench.ingest) == true)
    }

    @Test func anAlertComesOnceAndItsWorkflowIsNotStartedAgain() throws {
        let plans = try QueryCatalog.parse(
            """
            queries:
              - {name: fares, window: {tumbling: 1m}, aggregates: {n: count(*)}, emit: append}
            alerts:
              - {name: busy, on: fares, if: n > 0, run: look}
            """, file: "f")
        let bench = try StreamBench()
        let start: EventTime = 1_704_067_200_000
        // Of minutes that follow each other the first alone would raise it.
        for minute in [1, 3, 5] {
            try run(bench, plans, minute, at: start + EventTime(minute) * 1000, keepMs: 1 << 40)
        }
        let connection = try bench.database().connection
        let alerts = "SELECT raised_ms, value, run_id FROM stored_alerts ORDER BY alert_id"
        func rows() throws -> [String] {
            try connection.rows(alerts) { row throws(SQLiteError) in
                "\(row.integer(0)) \(row.real(1)) \(row.isNull(2) ? "-" : row.text(2))"
            }
        }
        try connection.execute("UPDATE stored_alerts SET run_id = 'r' || alert_id WHERE alert_id > 1")
        let before = try rows()
        let report = try Self.rewind(bench, plans, .epochs(2))
        #expect(report.queries[0].alerts == 2 && report.queries[0].workflowRuns == ["r2", "r3"])
        #expect(try rows() == [before[0]])
        try run(bench, plans, 0, at: start + 9000, keepMs: 1 << 40)
        #expect(try rows() == before)
        #expect(try bench.records(of: "chicago_alerts").count == 3)
        #expect(try connection.value("SELECT count(*) FROM rewound_alerts")?.integer == 0)
    }

    /// Late records that go to their topic again say so.
    @Test func lateRecordsThatComeAgainSaySo() throws {
        let plans = try QueryCatalog.parse(fares, file: "f")
        let bench = try StreamBench()
        let start: EventTime = 1_704_067_200_000
        func late(_ options: inout StreamOptions) { options.late = .deadLetter }
        for minute in [5, 1] {
            try run(bench, plans, minute, at: start + EventTime(minute) * 1000, keepMs: 1 << 40, late)
        }
        #expect(try bench.records(of: "chicago_late").count == 1)
        try Self.rewind(bench, plans, .epochs(1))
        try run(bench, plans, 2, at: start + 9000, keepMs: 1 << 40, late)
        let records = try bench.records(of: "chicago_late")
        #expect(records.count == 3)
        #expect(records.map { $0.headers.contains { $0.name == "again" } } == [false, true, false])
    }
}
