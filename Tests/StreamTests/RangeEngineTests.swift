import Basics
import Compression
import Dispatch
import Foundation
import FuzzSupport
import Problems
import Synchronization
import Testing
import Topics
import Trips

@testable import Stream

/// Workers in this process: each range is read by a worker that knows nothing but its bytes.
final class ThreadsEngine: RangeEngine {
    let build = "test"
    let parallel: Int?
    private let threads: Int
    private let open: @Sendable () throws -> any TopicStore
    private(set) var asked: [(plan: [UInt8], range: [UInt8], partial: [UInt8])] = []
    /// Changes what a worker answers, by the number of the answer.
    var disturb: (Int, [UInt8]) -> [UInt8] = { $1 }
    private(set) var isClosed = false

    init(threads: Int, parallel: Int? = nil, open: @escaping @Sendable () throws -> any TopicStore) {
        (self.threads, self.parallel, self.open) = (threads, parallel, open)
    }

    /// What an engine gives a worker of a file that lies where the worker runs.
    static func bytes(of source: PartSource?) throws -> DecompressingReader {
        guard let source else { throw Problem(.software, "nobody has bytes for a topic's range") }
        let all = try Data(contentsOf: URL(fileURLWithPath: source.place))
        var part = all.dropFirst(Int(source.from))
        if source.unitBytes > 0 {
            func lineEnd(behind place: Int) -> Int {
                place < all.count ? all[place...].firstIndex(of: 0x0a).map { $0 + 1 } ?? all.count : all.count
            }
            let start = source.unit == 0 ? 0 : lineEnd(behind: source.unit * Int(source.unitBytes))
            part = all[start..<max(start, lineEnd(behind: (source.unit + 1) * Int(source.unitBytes)))]
        }
        let path = source.place + ".part-\(UUID().uuidString)"
        try part.write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try DecompressingReader(path: path)
    }

    var cores: Int? { threads }
    func prepare(shouldStop: () -> Bool) -> Bool { !shouldStop() }
    var state: String? { nil }
    func close() { isClosed = true }

    func compute<Partial>(
        plan: [UInt8], tasks: [RangeTask], shouldStop: () -> Bool, read: (Int, [UInt8]) throws -> Partial
    ) throws -> [Partial]? {
        if shouldStop() { return nil }
        let answers = Mutex<[Int: Result<[UInt8], any Error>]>([:])
        let (threads, open, build) = (threads, open, build)
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for index in tasks.indices where index % threads == thread {
                let answer = Result {
                    let worker = try RangeReader(
                        plan: WireFrame.all(in: plan)[0].payload, build: build, open: open)
                    return try worker.partial(of: WireFrame.all(in: tasks[index].range)[0].payload) {
                        try Self.bytes(of: tasks[index].source)
                    }
                }
                answers.withLock { $0[index] = answer }
            }
        }
        return try tasks.indices.map { index in
            let answer = try answers.withLock { $0[index] }!.get()
            asked.append((plan, tasks[index].range, answer))
            return try read(index, disturb(asked.count, answer))
        }
    }
}

/// Ranges computed by workers that know their bytes alone: the same results as by a stream's own threads.
@Suite struct RangeEngineTests {
    static let morning = StreamRunnerTests.morning
    static let hour = StreamRunnerTests.hour
    let plans: [QueryPlan]

    init() throws {
        plans = try QueryCatalog.load(analytics: true) + QueryCatalog.parse(SlowQuery.declared, file: "own.yaml")
    }

    private func engine(_ bench: StreamBench, threads: Int = 2, parallel: Int? = nil) -> ThreadsEngine {
        let path = bench.path("topics.db")
        return ThreadsEngine(threads: threads, parallel: parallel) { try EmbeddedTopicStore(path: path) }
    }

    /// All that a run leaves: rows of views, ledger, messages, late records and dead letters.
    private func outcome(_ bench: StreamBench) throws -> [String] {
        var lines: [String] = []
        for plan in plans {
            lines += try bench.rows(of: plan.table).map { row in
                "\(plan.name): \(row.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })"
            }
            for counter in ["aggregated", "late", "late_merged", "late_in_part", "skipped", "filtered"] {
                lines.append("\(plan.name) \(counter): \(try bench.counted(plan.name, counter))")
            }
        }
        for topic in ["chicago_late", "chicago_deadLetter"] where try bench.store.hasTopic(topic) {
            let reader = try bench.store.makeReader(topic: topic)
            try reader.forEachBatch(of: 0, in: reader.offsets()[0]) { batch in
                lines += try batch.records().map { record in
                    "\(topic) \(String(decoding: record.value ?? [], as: UTF8.self)) \(record.headers.filter { $0.name != "at" }.map { "\($0.name)=\($0.text)" })"
                }
                return true
            }
        }
        return lines.sorted()
    }

    private func bench(_ partitions: Int, json: Bool, trips: [SimpleTrip]) throws -> StreamBench {
        let bench = try StreamBench(partitions: partitions)
        try bench.fill(trips, batch: 40, json: json) { $0.id % partitions }
        return bench
    }

    struct Way: Sendable, CustomTestStringConvertible {
        var partitions = 1
        var json = false
        var late = StreamOptions.LatePolicy.drop
        var range = 100
        var parallel: Int?
        var testDescription: String {
            "\(partitions) partitions, \(json ? "json" : "columns"), late \(late.rawValue), ranges of \(range), at once \(parallel ?? partitions)"
        }
    }

    static let ways = [
        Way(), Way(json: true, late: .deadLetter), Way(late: .update), Way(late: .deadLetter, range: 1),
        Way(partitions: 3, late: .update), Way(partitions: 3, json: true, late: .update, range: 10_000),
        Way(partitions: 3, late: .update, parallel: 1),
    ]

    /// With one partition each record is judged alike whatever the epochs are; with several, `update` makes that of no account.
    @Test(arguments: ways) func anEngineGivesWhatThreadsGive(_ way: Way) throws {
        let trips = SimpleTrip.random(700, from: Self.morning, over: 2 * Self.hour, seed: 11)
        let arrivals = trips.shuffled(within: 20 * 60_000, seed: 12)
        var options = StreamBench.options()
        (options.late, options.epochRecords, options.rangeRecords) = (way.late, way.range, way.range)
        let local = try bench(way.partitions, json: way.json, trips: arrivals)
        try local.append(["no trip", #"{"event_timestamp":7}"#])
        try local.run(plans, options)
        let other = try bench(way.partitions, json: way.json, trips: arrivals)
        try other.append(["no trip", #"{"event_timestamp":7}"#])
        let runner = try other.runner(plans, options)
        runner.engine = engine(other, parallel: way.parallel)
        let summary = try runner.run()
        #expect(summary.records == 702 && summary.rejected.values.reduce(0, +) == 2)
        let (expected, found) = (try outcome(local), try outcome(other))
        // How often a window was revised says how the run was cut into epochs, and nothing of what came in.
        if way.late == .update {
            #expect(found.filter { !$0.contains("late_merged") } == expected.filter { !$0.contains("late_merged") })
        } else {
            #expect(found == expected)
        }
    }

    @Test func oneTwoAndSevenWorkersGiveTheSame() throws {
        let trips = SimpleTrip.random(1400, from: Self.morning, over: Self.hour, seed: 5)
        let arrivals = trips.shuffled(within: 10 * 60_000, seed: 6)
        var options = StreamBench.options()
        (options.late, options.rangeRecords) = (.deadLetter, 60)
        let outcomes = try [1, 2, 7].map { threads in
            let bench = try bench(7, json: false, trips: arrivals)
            let runner = try bench.runner(plans, options)
            runner.engine = engine(bench, threads: threads)
            _ = try runner.run()
            return try outcome(bench)
        }
        #expect(outcomes[0].contains { $0.hasPrefix("chicago_late") })
        #expect(outcomes[1] == outcomes[0])
        #expect(outcomes[2] == outcomes[0])
    }

    /// More cores than partitions: several ranges of each, which end within batches; where one is stopped by its rejects, those behind it are asked again.
    @Test(arguments: [false, true]) func rangesOfOnePartitionAreComputedAtTheSameTime(json: Bool) throws {
        let trips = SimpleTrip.random(900, from: Self.morning, over: 2 * Self.hour, seed: 31)
        let arrivals = trips.shuffled(within: 20 * 60_000, seed: 32)
        var options = StreamBench.options()
        (options.late, options.rangeRecords) = (.update, 70)
        func filled() throws -> StreamBench {
            let bench = try bench(2, json: json, trips: arrivals)
            let bad = (0..<30).map { "no trip \($0) " + String(repeating: "x", count: 150_000) }
            try bench.append(bad)
            try bench.append(StreamBench.json(arrivals).prefix(50).map { String(decoding: $0, as: UTF8.self) })
            return bench
        }
        let local = try filled()
        try local.run(plans, options)
        let other = try filled()
        let runner = try other.runner(plans, options)
        let engine = engine(other, threads: 7)
        runner.engine = engine
        #expect(try runner.run().records == 980)
        let ranges = try engine.asked.map { try RangeRequest(payload: WireFrame.all(in: $0.range)[0].payload) }
        #expect(ranges.contains { $0.isExact })
        #expect(
            try outcome(other).filter { !$0.contains("late_merged") }
                == outcome(local).filter { !$0.contains("late_merged") })
        // Who drops what is late has to know what came before.
        options.late = .drop
        let dropping = try filled()
        let alone = self.engine(dropping, threads: 7)
        let last = try dropping.runner(plans, options)
        last.engine = alone
        _ = try last.run()
        #expect(
            try alone.asked.allSatisfy { try !RangeRequest(payload: WireFrame.all(in: $0.range)[0].payload).isExact })
    }

    @Test func enginesTakeTurnsAtAnyEpoch() throws {
        let trips = SimpleTrip.random(600, from: Self.morning, over: Self.hour, seed: 21)
        let arrivals = trips.shuffled(within: 10 * 60_000, seed: 22)
        var options = StreamBench.options()
        (options.epochRecords, options.rangeRecords) = (40, 40)
        let straight = try bench(1, json: false, trips: arrivals)
        try straight.run(plans, options)
        let turns = try bench(1, json: false, trips: arrivals)
        var (isDone, turn) = (false, 0)
        while !isDone {
            turn += 1
            let runner = try turns.runner(plans, options)
            if turn % 2 == 0 { runner.engine = engine(turns, parallel: 1) }
            isDone = try !runner.run(stoppingAt: 5).wasStopped
        }
        #expect(turn > 3)
        #expect(try outcome(turns) == outcome(straight))
    }

    @Test func whatAWorkerAnswersIsCheckedBeforeItCounts() throws {
        let trips = SimpleTrip.random(500, from: Self.morning, over: Self.hour, seed: 1)
        let bench = try bench(1, json: false, trips: trips)
        var options = StreamBench.options()
        options.rangeRecords = 100
        let straight = try self.bench(1, json: false, trips: trips)
        try straight.run(plans, options)
        for answer in [[], Array("garbage".utf8), Array("TXWK".utf8) + Array(repeating: 255, count: 40)] {
            let runner = try bench.runner(plans, options)
            let engine = engine(bench)
            engine.disturb = { number, bytes in number == 2 ? answer : bytes }
            runner.engine = engine
            let problem = #expect(throws: Problem.self) { _ = try runner.run() }
            #expect(problem?.code == .badData)
        }
        let runner = try bench.runner(plans, options)
        runner.engine = engine(bench)
        _ = try runner.run()
        #expect(try outcome(bench) == outcome(straight))
    }

    @Test func aWorkerOfAnotherBuildRefuses() throws {
        let setting = WorkSetting(topic: "t", tenant: "a", zone: StreamBench.zone, keepsLateRecords: false)
        let frame = try WorkPlan(build: "1", setting: setting, delayMs: 0, plans: plans).frame()
        let payload = try WireFrame.all(in: frame)[0].payload
        #expect(try WorkPlan(payload: payload, build: "1").plans.map(\.name) == plans.map(\.name))
        let problem = #expect(throws: Problem.self) { _ = try WorkPlan(payload: payload, build: "2") }
        #expect(problem?.code == .configuration)
    }

    /// What a worker of one query gives back of a range, with room for few rejects.
    private func partial(
        of offsets: Range<Int64>, in store: EmbeddedTopicStore, stateBytes: Int = 64 << 20
    ) throws -> RangePartial {
        let setting = WorkSetting(
            topic: StreamBench.ingest, tenant: "chicago", zone: StreamBench.zone, keepsLateRecords: false)
        let plan = WorkPlan(build: "1", setting: setting, delayMs: 0, plans: Array(plans.prefix(1)))
        let worker = try RangeReader(
            plan: WireFrame.all(in: plan.frame())[0].payload, build: "1"
        ) { store }
        let terms = RangeRequest.Query(closedUntil: .min, mergesLate: false, pruned: [], restated: [], reachedBefore: 0)
        let request = RangeRequest(
            partition: 0, offsets: offsets, maximumSideBytes: 12_000, maximumStateBytes: stateBytes, floor: .min,
            limit: .max, newest: nil,
            ahead: MaxAhead(nowMs: .max, aheadMs: 0), queries: [terms])
        let answer = try worker.partial(of: WireFrame.all(in: request.frame())[0].payload) {
            try ThreadsEngine.bytes(of: nil)
        }
        return try RangePartial(
            payload: WireFrame.all(in: answer)[0].payload, plans: plan.plans, zone: StreamBench.zone, request: request)
    }

    @Test func rejectsEndARangeEarlyAndTheRestIsAskedFor() throws {
        let bench = try StreamBench()
        for _ in 0..<4 { try bench.append(Array(repeating: String(repeating: "x", count: 1000), count: 10)) }
        let partial = try partial(of: 5..<40, in: EmbeddedTopicStore(path: bench.path("topics.db")))
        #expect(partial.offsets == 5..<20)
        #expect(partial.findings.rejects.map(\.reject.location.line) == Array(5..<20))
    }

    @Test func statesEndARangeEarlyAndTheRestIsAskedFor() throws {
        let trips = SimpleTrip.random(4_000, from: Self.morning, over: 100 * Self.hour, seed: 41)
        let bench = try bench(1, json: false, trips: trips)
        let store = try EmbeddedTopicStore(path: bench.path("topics.db"))
        let small = try partial(of: 0..<4_000, in: store, stateBytes: 100_000)
        let bytes = small.states.reduce(0) { $0 + $1.windows.byteCount }
        #expect(small.offsets.upperBound < 2_000)
        #expect((50_000...200_000).contains(bytes), "\(bytes)")
        #expect(try partial(of: small.offsets.upperBound..<4_000, in: store).offsets.upperBound == 4_000)
    }

    @Test func rejectsComeBackAsTheyAre() throws {
        let bench = try StreamBench()
        let records = [
            TopicRecord(key: nil, value: nil, headers: [.init(name: "null", value: nil)], timestamp: 1),
            TopicRecord(
                key: [], value: [], headers: [.init(name: "empty", value: []), .init(name: "", value: [0xff])],
                timestamp: 2),
            TopicRecord(key: [0xff], value: [0x78], timestamp: 3),
        ]
        let store = try EmbeddedTopicStore(path: bench.path("topics.db"))
        let batch = try #require(PendingBatch(topic: StreamBench.ingest, partition: 0, records: records))
        try store.makeWriter().append([batch], mark: nil)
        let partial = try partial(of: 0..<3, in: store)
        #expect(partial.findings.rejects.map(\.original) == records)
    }

    /// Bytes that are nearly right are refused or read, and never end the process; with the checksum made right again, so that they
    /// come as far as possible.
    @Test(arguments: FuzzSeeds.all) func hostileBytesAreRefused(seed: UInt64) throws {
        let trips = SimpleTrip.random(120, from: Self.morning, over: Self.hour, seed: 3)
        let bench = try bench(1, json: false, trips: trips)
        try bench.append(["no trip"])
        var options = StreamBench.options()
        options.late = .deadLetter
        let runner = try bench.runner(plans, options)
        let engine = engine(bench)
        runner.engine = engine
        _ = try runner.run()
        var random = SplitMix64(seed: seed)
        let (plan, range, partial) = engine.asked[0]
        for _ in 0..<FuzzSeeds.inputs / 4 {
            for frame in [plan, range, partial] {
                let (kind, payload) = try WireFrame.all(in: frame)[0]
                var bytes = payload
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                    case 1: bytes.removeSubrange(place..<min(bytes.count, place + 8))
                    case 2:
                        let word = [UInt8](repeating: place % 2 == 0 ? 255 : 127, count: 8)
                        bytes.replaceSubrange(place..<min(bytes.count, place + 8), with: word)
                    default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
                    }
                    if bytes.isEmpty { bytes = [0] }
                }
                let whole = try WireFrame.all(in: WireFrame.bytes(kind, bytes))[0].payload
                do {
                    switch kind {
                    case .plan: _ = try WorkPlan(payload: whole, build: "test")
                    case .range: _ = try RangeRequest(payload: whole)
                    case .partial:
                        let request = try RangeRequest(payload: WireFrame.all(in: range)[0].payload)
                        let read = try RangePartial(
                            payload: whole, plans: plans, zone: StreamBench.zone, request: request)
                        for (plan, state) in zip(plans, read.states) {
                            let sum = QueryState(plan: plan, zone: StreamBench.zone)
                            sum.merge(state)
                        }
                    }
                } catch {
                    #expect([.badData, .configuration].contains(error.code))
                }
                var damaged = frame
                damaged[Int.random(in: 0..<damaged.count, using: &random)] ^=
                    1 << UInt8.random(in: 0...7, using: &random)
                // A kind that another has is not in the checksum.
                #expect(throws: Problem.self) {
                    guard try WireFrame.all(in: damaged)[0].kind == kind else {
                        throw Problem(.badData, "of another kind")
                    }
                }
            }
        }
    }
}
