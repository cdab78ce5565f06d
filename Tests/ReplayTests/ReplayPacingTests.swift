import Foundation
import Problems
import Testing
import Topics
import Time
import Trips

@testable import Replay

@Suite struct ReplayPacingTests {
    /// Trips by the second in which they were stamped.
    private func sentBySecond(_ bench: Bench, from startMs: EventTime) -> [Int] {
        var counts: [Int] = []
        for line in bench.store.lines(Bench.ingest).joined() {
            let ms = Int64(line.split(separator: "@")[1]) ?? 0
            let second = Int((ms - startMs) / 1000)
            while counts.count <= second { counts.append(0) }
            counts[second] += 1
        }
        return counts
    }

    @Test("each second gets its records within 1 %", arguments: [(1, 12), (100, 12), (10_000, 3)])
    func keepsTheRate(_ rate: Int, _ seconds: Int) throws {
        let bench = try Bench(
            rows: trips(rate * seconds), pace: .shaped(.constant(Double(rate))), clockKind: .now, chunk: 5000)
        // The first append, which stores the start, takes its 3 ms as well.
        let startMs = bench.clock.nowMs + 3
        let summary = try bench.replayer().run()
        let counts = sentBySecond(bench, from: startMs)
        #expect(counts.count >= seconds)
        for (second, count) in counts.prefix(seconds).enumerated() {
            #expect(abs(count - rate) <= rate / 100, "second \(second)")
        }
        #expect(summary.sent == rate * seconds)
        #expect(abs(summary.rate - Double(rate)) <= Double(rate) * 0.01)
        #expect(summary.askedRate == Double(rate))
        #expect(summary.maxBehindMs <= 10)
    }

    @Test func aRecordIsInTheTopicSoonAfterItsTime() throws {
        let bench = try Bench(rows: trips(10), pace: .shaped(.constant(1)), clockKind: .now)
        try bench.replayer().run()
        // The start, a commit for each record by itself, and the end.
        #expect(bench.store.appends == 1 + 10 + 1)
    }

    @Test func aStalledDiskIsCaughtUpAndShown() throws {
        let bench = try Bench(rows: trips(1000), pace: .shaped(.constant(100)), clockKind: .now) {
            $0 == 40 ? 2_000_000_000 : 1_000_000
        }
        let replayer = bench.replayer()
        var behind: [Int] = []
        replayer.onProgress = { behind.append($0.behindMs) }
        let summary = try replayer.run()
        #expect((1900...2100).contains(summary.maxBehindMs))
        #expect((1900...2100).contains(behind.max() ?? 0))
        #expect(behind.last ?? 100 <= 10)
        #expect(summary.sent == 1000)
        #expect(abs(summary.seconds - 10) < 0.1)
    }

    @Test func aCommitThatFailsEndsAReplayBetweenTwoTrips() throws {
        let bench = try Bench(rows: trips(2), pace: .shaped(.constant(1.0 / 3600)), clockKind: .now)
        bench.store.fail(append: 1, .before)
        let output = TopicOutput(store: bench.store, options: bench.options, encode: encodeLines)
        let replayer = Replayer(options: bench.options, output: output, clock: SystemClock()) { skip, limit in
            ScriptedFeed(bench.rows, skip: skip, limit: limit, chunk: bench.chunk)
        }
        let end = Date(timeIntervalSinceNow: 60)
        var hasWaited = false
        #expect(throws: MemoryTopicStore.Crash.self) {
            try replayer.run {
                hasWaited = Date() > end
                return hasWaited
            }
        }
        #expect(!hasWaited)
    }

    @Test func theRateCanBeChangedMeanwhile() throws {
        let bench = try Bench(rows: trips(2000), pace: .shaped(.constant(100)), clockKind: .now)
        let startMs = bench.clock.nowMs + 3
        let replayer = bench.replayer()
        var isChanged = false
        replayer.onProgress = { progress in
            guard !isChanged, progress.seconds >= 3 else { return }
            isChanged = true
            replayer.rateControl.request(.shaped(.constant(400)))
        }
        let summary = try replayer.run()
        let counts = sentBySecond(bench, from: startMs)
        #expect(counts[0...2].allSatisfy { abs($0 - 100) <= 1 })
        #expect(counts[4...6].allSatisfy { abs($0 - 400) <= 4 })
        #expect(summary.sent == 2000)
        #expect(summary.askedRate ?? 0 > 200 && summary.askedRate ?? 0 < 350)
    }

    @Test func eventTimeIsSpedUp() throws {
        let bench = try Bench(rows: trips(601), pace: .eventTime(factor: 60))
        let summary = try bench.replayer().run()
        #expect(abs(summary.seconds - 10) < 0.1)
        #expect(summary.askedRate == nil)
        #expect(summary.firstEvent == 1_704_088_800_000 && summary.lastEvent == 1_704_089_400_000)
    }

    @Test func progressComesAtMostTenTimesASecond() throws {
        let bench = try Bench(rows: trips(1000), pace: .shaped(.constant(100)), limit: 500)
        let replayer = bench.replayer()
        var last: ReplayProgress?
        var count = 0
        replayer.onProgress = { progress in
            #expect(progress.sent >= last?.sent ?? 0)
            (last, count) = (progress, count + 1)
        }
        try replayer.run()
        #expect((30...52).contains(count))
        #expect(last?.sent == 500)
        #expect(last?.secondsLeft == 0)
        #expect(last?.askedRate == 100)
    }

    @Test func aLimitIsExact() throws {
        for pace in [Pace.unlimited, .shaped(.constant(1000))] {
            let bench = try Bench(rows: trips(500), pace: pace, limit: 123)
            let summary = try bench.replayer().run()
            #expect(summary.sent == 123 && summary.outcome == .finished)
            #expect(bench.store.lines(Bench.ingest).joined().count == 123)
        }
    }

    @Test func aLoopGoesOnInEventTimeUntilTheLimit() throws {
        let bench = try Bench(rows: trips(30) + [.reject], pace: .unlimited, limit: 70, partitions: 1)
        bench.options.isLooping = true
        let summary = try bench.replayer().run()
        #expect(summary.sent == 70 && summary.rejected == ["bad_money": 2] && summary.read == 72)
        let times = bench.store.lines(Bench.ingest)[0].compactMap { Int64($0.split(separator: "@")[1]) }
        #expect(times == times.sorted())
        #expect(times[30] - times[0] == 7 * 86_400_000 && times[60] - times[30] == 7 * 86_400_000)
        #expect(try bench.store.deadLetters(Bench.deadLetter).count == 2)
    }

    @Test func aLoopCutInALaterPassIsResumedThere() throws {
        func bench() throws -> Bench {
            let bench = try Bench(
                rows: trips(30) + [.reject, .filtered], pace: .shaped(.constant(100)), limit: 100, chunk: 7)
            bench.options.isLooping = true
            return bench
        }
        let straight = try bench()
        let whole = try straight.replayer().run()
        for cut in 1..<straight.store.appends {
            let bench = try bench()
            bench.store.fail(append: cut, cut % 2 == 0 ? .after : .before)
            #expect(throws: MemoryTopicStore.Crash.self) { try bench.replayer().run() }
            bench.options.isResuming = true
            let resumed = try bench.replayer().run()
            #expect(bench.store.lines(Bench.ingest) == straight.store.lines(Bench.ingest), "cut at \(cut)")
            #expect(resumed.read == whole.read && resumed.rejected == whole.rejected)
        }
    }

    @Test func aLoopEndsWhereItsEventTimeHasCaughtUpWithTheClock() throws {
        let bench = try Bench(rows: trips(30), pace: .unlimited, partitions: 1)
        bench.options.isLooping = true
        // The trips are of a Monday; each pass comes a week later.
        let first: EventTime = 1_704_088_800_000
        let weeks = (bench.clock.nowMs + MaxAhead.defaultMs - first) / (7 * 86_400_000)
        #expect { try bench.replayer().run() } throws: { error in
            let problem = error as? Problem
            return problem?.code == .badData
                && problem?.message.contains("event time has caught up with the clock") == true
                && problem?.hint?.contains("--max-ahead") == true
        }
        let times = bench.store.lines(Bench.ingest)[0].compactMap { Int64($0.split(separator: "@")[1]) }
        #expect(times.count == 30 * Int(weeks + 1))
        #expect(times.allSatisfy { $0 <= bench.clock.nowMs + MaxAhead.defaultMs })
    }

    @Test func aLoopOverNothingEnds() throws {
        let bench = try Bench(rows: [.reject, .filtered], pace: .unlimited)
        bench.options.isLooping = true
        #expect(try bench.replayer().run().sent == 0)
    }

    @Test func standardInputCannotBeLooped() throws {
        let bench = try Bench(rows: trips(3), pace: .unlimited)
        (bench.options.isLooping, bench.options.paths) = (true, ["-"])
        #expect { try bench.replayer().run() } throws: { ($0 as? Problem)?.code == .usage }
    }

    @Test func deadLettersSayWhyAndWhence() throws {
        let bench = try Bench(rows: trips(2) + [.reject], pace: .unlimited)
        try bench.replayer().run()
        let letter = try #require(try bench.store.deadLetters(Bench.deadLetter).first)
        #expect(String(decoding: letter.value ?? [], as: UTF8.self) == "row 3")
        let headers = Dictionary(
            uniqueKeysWithValues: letter.headers.map { ($0.name, $0.text) })
        #expect(
            headers == [
                "reason": "bad_money", "detail": "\"x\"", "source": "trips.csv:4",
                "__connect.errors.topic": Bench.ingest,
                "__connect.errors.partition": "-1", "__connect.errors.offset": "4",
                "__connect.errors.exception.message": "trips.csv:4:5: bad_money: \"x\"",
                "reading": "clock=start spread=none seed=1 key=taxi_id",
            ])
    }

    @Test func aKeysTripsStayInOnePartitionAndInOrder() throws {
        let bench = try Bench(rows: trips(300), pace: .shaped(.constant(1000)), partitions: 4, chunk: 13)
        try bench.replayer().run()
        var partitionOfTaxi: [Int: Int] = [:]
        for (partition, lines) in bench.store.lines(Bench.ingest).enumerated() {
            let ids = lines.compactMap { Int($0.split(separator: "@")[0]) }
            #expect(ids == ids.sorted())
            for id in ids where id % 11 != 0 {
                #expect(partitionOfTaxi[id % 7] ?? partition == partition)
                partitionOfTaxi[id % 7] = partition
            }
        }
        #expect(Set(partitionOfTaxi.values).count > 1)
    }

    @Test func batchesKnowTheirTimes() throws {
        let bench = try Bench(rows: trips(300), pace: .unlimited, partitions: 2)
        try bench.replayer().run()
        for batch in bench.store.batches(Bench.ingest, 0) + bench.store.batches(Bench.ingest, 1) {
            let times = String(decoding: batch.payload, as: UTF8.self).split(separator: "\n")
                .compactMap { Int64($0.split(separator: "@")[1]) }
            #expect(batch.count == times.count && batch.times == times.min()!...times.max()!)
        }
    }

    @Test func linesGoOutInsteadOfRecords() throws {
        let bench = try Bench(rows: trips(5) + [.reject], pace: .unlimited, chunk: 2)
        var text = ""
        let output = LineOutput(
            render: { batch, rows, output in
                for row in rows { output += Array("\(batch.string(.tripID, row)!)\n".utf8) }
            }, write: { text += String(decoding: $0, as: UTF8.self) })
        let rows = bench.rows
        let replayer = Replayer(options: bench.options, output: output, clock: bench.clock, commitDepth: 0) {
            ScriptedFeed(rows, skip: $0, limit: $1, chunk: 2)
        }
        let summary = try replayer.run()
        #expect(text == "0\n1\n2\n3\n4\n")
        #expect(summary.sent == 5 && summary.rejected == ["bad_money": 1] && summary.bytes == 10)
    }
}
