import Basics
import Foundation
import Problems
import Testing
import Topics
import Time
import Trips

@testable import Replay

@Suite struct ReplayResumeTests {
    static func mixedRows(_ count: Int, seed: UInt64) -> [ScriptedFeed.Row] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { id in
            switch random.next() % 10 {
            case 0, 1: .reject
            case 2: .filtered
            default: .trip(id: id, time: 1_704_088_800_000 + Int64(id) * 1000)
            }
        }
    }

    private struct Content: Equatable {
        var trips: [[String]]
        var rejects: [String]
    }

    private func content(_ bench: Bench) throws -> Content {
        Content(
            trips: bench.store.lines(Bench.ingest),
            rejects: try bench.store.deadLetters(Bench.deadLetter).map {
                String(decoding: $0.value ?? [], as: UTF8.self)
            })
    }

    private func expectLedger(_ summary: ReplaySummary, sourceLocation: SourceLocation = #_sourceLocation) {
        let sum = summary.sent + summary.rejected.values.reduce(0, +) + summary.filtered.values.reduce(0, +)
        #expect(summary.read == sum, sourceLocation: sourceLocation)
    }

    @Test(
        "cut at any append and resumed, a replay leaves what one run leaves", arguments: [RecordKey.taxi, .none],
        [nil, 50])
    func cutEverywhere(_ key: RecordKey, _ limit: Int?) throws {
        let rows = Self.mixedRows(120, seed: 7)
        func bench() throws -> Bench {
            try Bench(rows: rows, pace: .shaped(.constant(200)), limit: limit, key: key, chunk: 17)
        }
        let straight = try bench()
        let whole = try straight.replayer().run()
        expectLedger(whole)
        #expect(limit != nil || whole.read == 120)
        let expected = try content(straight)
        #expect(straight.store.appends > 15)

        for cut in 0..<straight.store.appends {
            for fault in [MemoryTopicStore.Fault.before, .after] {
                let bench = try bench()
                bench.store.fail(append: cut, fault)
                #expect(throws: MemoryTopicStore.Crash.self) { try bench.replayer().run() }
                bench.options.isResuming = true
                let resumed = try bench.replayer().run()
                #expect(try content(bench) == expected, "cut \(fault) append \(cut)")
                #expect(resumed.read == whole.read && resumed.sent == whole.sent)
                #expect(resumed.rejected == whole.rejected && resumed.filtered == whole.filtered)
                #expect(resumed.bytes == whole.bytes && resumed.lastEvent == whole.lastEvent)
                #expect(resumed.outcome == .finished)
            }
        }
    }

    @Test("cut again and again, at random, on two threads", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func cutOften(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rows = Self.mixedRows(400, seed: seed &* 31)
        let straight = try Bench(rows: rows, pace: .shaped(.constant(100)), chunk: 23)
        let whole = try straight.replayer().run()
        let expected = try content(straight)

        let bench = try Bench(rows: rows, pace: .shaped(.constant(100)), chunk: 23)
        var runs = 0
        while true {
            bench.options.isResuming = runs > 0
            runs += 1
            bench.store.fail(
                append: bench.store.appends + Int.random(in: 0..<(runs == 1 ? 2 : 4), using: &random),
                Bool.random(using: &random) ? .before : .after)
            do {
                let summary = try bench.replayer(depth: runs % 3).run()
                expectLedger(summary)
                #expect(summary.sent == whole.sent && summary.rejected == whole.rejected)
                break
            } catch is MemoryTopicStore.Crash {
                #expect(runs < 1000)
            }
        }
        #expect(runs > 1)
        #expect(try content(bench) == expected)
    }

    @Test func aStoppedRunGoesOn() throws {
        let rows = Self.mixedRows(300, seed: 3)
        let straight = try Bench(rows: rows, pace: .shaped(.constant(100)))
        try straight.replayer().run()
        let bench = try Bench(rows: rows, pace: .shaped(.constant(100)))
        let until = bench.clock.monotonicNs + 1_000_000_000
        let stopped = try bench.replayer().run { bench.clock.monotonicNs >= until }
        #expect(stopped.outcome == .interrupted)
        #expect((95...105).contains(stopped.sent))
        expectLedger(stopped)
        bench.options.isResuming = true
        let unmoved = try bench.replayer().run { true }
        #expect(unmoved.sent == stopped.sent && unmoved.rejected == stopped.rejected && unmoved.outcome == .interrupted)
        let rest = try bench.replayer().run()
        #expect(rest.resumedFrom == stopped.sent)
        #expect(try content(bench) == content(straight))
    }

    @Test("a position with numbers that no replay counts is damaged, and no crash", arguments: [Int64.max, .min, -1])
    func damagedPositions(_ number: Int64) throws {
        for path in [
            "passes", "bytes", "shiftMs", "firstEvent", "pass.sent", "earlier.read", "pass.rejected.bad_money",
        ] {
            if number == -1, path == "firstEvent" { continue }  // a moment before 1970
            let bench = try Bench(rows: trips(40), pace: .unlimited)
            bench.options.isLooping = true
            bench.options.source.limit = 20
            try bench.replayer().run()
            let stored = try #require(bench.store.position(of: "produce"))
            func replacing(_ value: Any?, _ path: ArraySlice<Substring>, by new: Any) -> Any {
                guard let key = path.first.map(String.init) else { return new }
                var object = value as? [String: Any] ?? [:]
                object[key] = replacing(object[key], path.dropFirst(), by: new)
                return object
            }
            var object: Any = try JSONSerialization.jsonObject(with: Data(stored))
            object = replacing(object, ["isFinished"], by: false)
            object = replacing(object, path.split(separator: ".")[...], by: NSNumber(value: number))
            bench.store.setPosition([UInt8](try JSONSerialization.data(withJSONObject: object)), of: "produce")
            bench.options.isResuming = true
            #expect(throws: Problem.self, "\(path)") { try bench.replayer().run() }
        }
    }

    @Test func aFinishedRunHasNothingLeftToSend() throws {
        let bench = try Bench(rows: trips(40), pace: .unlimited)
        let whole = try bench.replayer().run()
        bench.options.isResuming = true
        let again = try bench.replayer().run()
        #expect(again.outcome == .finished && again.sent == 40 && again.resumedFrom == 40)
        #expect(again.firstEvent == whole.firstEvent)
        #expect(bench.store.lines(Bench.ingest).joined().count == 40)
    }

    @Test func withoutResumeARunBeginsAnew() throws {
        let bench = try Bench(rows: trips(40), pace: .unlimited)
        try bench.replayer().run()
        let again = try bench.replayer().run()
        #expect(again.sent == 40 && again.resumedFrom == 0)
        #expect(bench.store.lines(Bench.ingest).joined().count == 80)
    }

    @Test func aFreshStartThatDiedEarlyIsWhatIsResumed() throws {
        let bench = try Bench(rows: trips(40), pace: .unlimited)
        try bench.replayer().run()
        bench.store.fail(append: bench.store.appends + 1, .before)
        #expect(throws: MemoryTopicStore.Crash.self) { try bench.replayer().run() }
        bench.options.isResuming = true
        let resumed = try bench.replayer().run()
        #expect(resumed.resumedFrom == 0)
        #expect(bench.store.lines(Bench.ingest).joined().count == 80)
    }

    @Test func aNewerRunFencesAnOlderOne() throws {
        let bench = try Bench(rows: trips(500), pace: .shaped(.constant(100)))
        let older = bench.replayer()
        var isFirst = true
        older.onProgress = { progress in
            guard isFirst, progress.sent > 0 else { return }
            isFirst = false
            _ = try? bench.replayer().run { true }
        }
        #expect { try older.run() } throws: { ($0 as? Problem)?.code == .unavailable }
        #expect(older.summary?.outcome == .failed)
    }

    @Test func whatIsRefusedEndsNobodyElse() throws {
        let bench = try Bench(rows: trips(500), pace: .shaped(.constant(100)))
        bench.options.isResuming = true
        let running = bench.replayer()
        var refusals = 0
        running.onProgress = { progress in
            guard refusals == 0, progress.sent > 0 else { return }
            let other = Bench(of: bench)
            other.options.source.seed = 99
            #expect { try other.replayer().run() } throws: { ($0 as? Problem)?.code == .usage }
            other.options.source.seed = bench.options.source.seed
            // What the files lack shows when they are opened.
            #expect(throws: Problem.self) { try other.replayer(failing: Problem(.badData, "no column")).run() }
            other.options.isResuming = false
            #expect(throws: Problem.self) { try other.replayer(failing: Problem(.badData, "no column")).run() }
            refusals = 3
        }
        #expect(try running.run().sent == 500)
        #expect(refusals == 3)
    }

    @Test func aRefusedReplayMakesNoTopic() throws {
        let bench = try Bench(rows: trips(40), pace: .unlimited)
        #expect(throws: Problem.self) { try bench.replayer(failing: Problem(.badData, "no column")).run() }
        #expect(bench.store.topicNames() == [] && bench.store.appends == 0)
    }

    @Test func otherOptionsAreNamed() throws {
        let bench = try Bench(rows: trips(40), pace: .unlimited)
        try bench.replayer().run()
        bench.options.isResuming = true
        bench.options.source.seed = 99
        bench.options.source.limit = 7
        #expect { try bench.replayer().run() } throws: { error in
            guard let problem = error as? Problem else { return false }
            return problem.code == .usage && problem.message.contains("--seed was 1 and is 99")
                && problem.message.contains("--limit was off and is 7")
        }
    }

    @Test func anotherInputIsNamed() throws {
        let old = ReplayPosition(input: [InputIdentity(name: "a.csv", size: 10, hash: "ff")], options: [:])
        func message(_ input: InputIdentity...) -> String? {
            do throws(Problem) { try old.check(input: input, options: [:]) } catch { return error.message }
            return nil
        }
        #expect(message(InputIdentity(name: "a.csv", size: 10, hash: "ff")) == nil)
        #expect(
            message(InputIdentity(name: "b.csv", size: 10, hash: "ff"))?.contains("\"a.csv\" and is \"b.csv\"") == true)
        #expect(
            message(InputIdentity(name: "a.csv", size: 11, hash: "0"))?.contains("had 10 bytes and has 11 bytes")
                == true)
        #expect(message(InputIdentity(name: "a.csv", size: 10, hash: "0"))?.contains("other content") == true)
    }

    @Test func aPositionComesBackAsItWas() throws {
        var position = ReplayPosition(
            input: [InputIdentity(name: "a/b \"c\".csv", size: nil, hash: nil)], options: ["--seed": "1"])
        position.pass = ReplayLedger(read: 10, sent: 7, rejected: ["bad_money": 2], filtered: ["fare": 1])
        position.note(-5...1_704_088_800_000)
        #expect(try ReplayPosition(decoding: position.encoded(), producer: "produce") == position)
        for wrong in ["", "{}", "[1]", "{\"version\":2}"] {
            #expect(throws: Problem.self) { try ReplayPosition(decoding: Array(wrong.utf8), producer: "produce") }
        }
    }
}
