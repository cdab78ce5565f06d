import Foundation
import Problems
import Testing

@testable import Telemetry

/// The live numbers of a process in its file, and what others read there.
@Suite struct LiveFileTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/taxi-live-\(UUID().uuidString)"

    private func open(_ command: String = "stream") throws -> LiveFile {
        try LiveFile(folder: folder, command: command, start: "boot 42", nowMs: 1_700_000_000_000)
    }

    @Test func whatIsCountedIsReadBySomebodyElse() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try open()
        let metrics = LiveMetrics(file)
        metrics.counter(.streamRecords, ["query": "fares"]).add(41)
        metrics.counter(.streamRecords, ["query": "fares"]).add(1)
        metrics.gauge(.streamLagClear).set(.infinity)
        metrics.gauge(.streamOpenWindows, ["query": "never set"]).clear()
        metrics.histogram(.streamEpoch).observe(ns: 3_000_000, count: 2)
        metrics.histogram(.streamEpoch).observe(ns: 900_000_000_000_000)
        let seen = try LiveSnapshot(path: file.path)
        #expect(seen.command == "stream" && seen.pid == getpid() && seen.start == "boot 42" && !seen.hasEnded)
        #expect(seen.startedMs == 1_700_000_000_000)
        #expect(
            seen.series.map(\.key) == [
                "taxi_stream_records_total{query=\"fares\"}", "taxi_stream_lag_clear_seconds",
                "taxi_stream_epoch_seconds",
            ])
        #expect(seen.series[0].value == .counter(42))
        #expect(seen.series[1].value == .gauge(.infinity))
        guard case .histogram(let epoch) = seen.series[2].value else { throw Problem(.software, "no histogram") }
        #expect(epoch.count == 3 && epoch.sumNs == 6_000_000 + 900_000_000_000_000)
        #expect(epoch.counts[epoch.bounds.firstIndex(of: 0.005)!] == 2 && epoch.counts.last == 1)
        metrics.end()
        #expect(try LiveSnapshot(path: file.path).hasEnded)
    }

    @Test func labelsKeepEveryCharacter() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try open()
        let hostile = ["a\"b", "back\\slash", "line\nfeed", "}{,=", "", "Ünïcode ✓", "a\",b=\"c"]
        let metrics = LiveMetrics(file)
        for text in hostile { metrics.counter(.alerts, ["alert": text]).add() }
        #expect(try LiveSnapshot(path: file.path).series.map { $0.label("alert") } == hostile)
    }

    @Test func severalThreadsLoseNothing() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try open()
        let metrics = LiveMetrics(file)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            let own = metrics.counter(.streamLate, ["query": "\(thread % 2)"])
            for _ in 0..<10_000 { own.add() }
            metrics.histogram(.streamLatency).observe(ns: Int64(thread) * 1_000_000)
        }
        let series = try LiveSnapshot(path: file.path).series
        #expect(
            series.filter { $0.name == Metric.streamLate.name }.map(\.value) == [.counter(40_000), .counter(40_000)])
    }

    @Test func moreSeriesThanOneBlockHoldsAreKept() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try open()
        let metrics = LiveMetrics(file)
        for partition in 0..<3000 {
            metrics.gauge(.streamLagRecords, ["partition": "\(partition)"]).set(Double(partition))
        }
        #expect(try LiveSnapshot(path: file.path).series.count == 3000)
    }

    @Test func damagedBytesAreRefusedOrReadWithoutACrash() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try open()
        let metrics = LiveMetrics(file)
        metrics.counter(.streamRecords, ["query": "q"]).add(7)
        metrics.histogram(.streamEpoch).observe(ns: 5)
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file.path)).prefix(4096))
        var generator = SystemRandomNumberGenerator()
        let path = "\(folder)/other.metrics"
        for round in 0..<500 {
            var bytes = whole
            for _ in 0..<(1 + round % 4) {
                bytes[Int.random(in: 0..<1200, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if round % 5 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0..<4096, using: &generator))) }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let seen = try? LiveSnapshot(path: path)
            #expect((seen?.series.count ?? 0) <= 256)
        }
        #expect(throws: Problem.self) { try LiveSnapshot(path: "\(folder)/missing.metrics") }
    }

    @Test func aNumberBeyondTheLastBoundIsAQuantileToo() {
        var counts = HistogramCounts()
        for seconds in [0.003, 0.003, 0.003, 1e6] { counts.observe(seconds: seconds) }
        #expect(counts.quantile(0.5).map { $0 > 0.002 && $0 <= 0.005 } == true)
        #expect(counts.quantile(1) == Metric.bounds.last)
        #expect(HistogramCounts().quantile(0.5) == nil)
    }

    @Test func theShareOfTheLastSecondsForgetsWhatWasBefore() {
        var recent = RecentOutcomes()
        let key = RecentOutcomes.Key(outcome: "rejected")
        func share(_ part: Int64, _ whole: Int64, atSecond second: Int64) -> Double? {
            recent.shares([key: (part, whole)], atNs: second * 1_000_000_000)[key] ?? nil
        }
        #expect(share(0, 5, atSecond: 0) == nil)
        #expect(share(0, 1000, atSecond: 1) == 0)
        #expect(share(100, 1100, atSecond: 12) == 1)
        #expect(share(100, 1105, atSecond: 30) == nil, "too few records since then say nothing")
        #expect(share(100, 1205, atSecond: 31) == 0)
    }
}
