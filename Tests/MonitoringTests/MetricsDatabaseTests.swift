import Database
import Foundation
import Problems
import Testing

@testable import Monitoring
@testable import Telemetry

/// Numbers of processes that are gone, the history, and the text that Prometheus reads.
@Suite struct MetricsDatabaseTests {
    private let home: TenantHome

    init() throws {
        home = try TenantHome(
            home: FileManager.default.temporaryDirectory.path + "/taxi-monitoring-\(UUID().uuidString)",
            environment: [:])
        try home.create()
    }

    private func remove() { try? FileManager.default.removeItem(atPath: home.home) }

    /// A file of a process that is gone.
    private func leave(_ command: String, records: Int64, start: String, hasEnded: Bool) throws {
        let file = try LiveFile(folder: LiveFolder(home).path, command: command, start: start, nowMs: 1)
        let metrics = LiveMetrics(file)
        metrics.counter(.streamRecords, ["query": "q"]).add(records)
        metrics.gauge(.streamOpenWindows, ["query": "q"]).set(3)
        metrics.histogram(.streamEpoch).observe(ns: 1_000_000)
        if hasEnded { metrics.end() }
    }

    /// User and mode of what lies at a path, without following a link.
    private func owner(_ path: String) throws -> uid_t {
        var status = stat()
        try #require(lstat(path, &status) == 0, "\(path)")
        return status.st_uid
    }

    @Test(.enabled(if: geteuid() == 0, "needs root: only root gives files away"))
    func whatRootKeepsOfATenantIsItsUsers() throws {
        defer { remove() }
        try #require(chown(home.path, 12_345, 12_345) == 0)
        let path = "\(home.path)/metrics.db"
        let history = History(home)
        history.record(["a": 1], atS: 1_700_000_000)
        history.flush()
        for name in ["metrics.db", "metrics.db-wal", "metrics.db-shm", "live", "live/history.lock"] {
            #expect(try owner("\(home.path)/\(name)") == 12_345, "\(name)")
        }
        // One that an earlier version has made as root.
        try #require(chown(path, 0, 0) == 0)
        _ = try MetricsDatabase(home)
        #expect(try owner(path) == 12_345)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root: only root gives files away"))
    func rootWritesNowhereElseForATenant() throws {
        defer { remove() }
        try #require(chown(home.path, 12_345, 12_345) == 0)
        let other = "\(home.home)/other.db"
        try #require(FileManager.default.createFile(atPath: other, contents: nil))
        try #require(symlink(other, "\(home.path)/metrics.db") == 0)
        #expect { try MetricsDatabase(home) } throws: { ($0 as? Problem)?.code == .noPermission }
        #expect(try owner(other) == 0)
        #expect(FileManager.default.contents(atPath: other) == Data())
    }

    @Test func aProcessIsFoldedOnceHoweverOftenItIsTried() throws {
        defer { remove() }
        try leave("stream", records: 5, start: "boot 1", hasEnded: false)
        let files = LiveFolder(home).files()
        #expect(files.count == 1 && !files[0].isAlive)
        #expect(TenantNumbers(home).total(.streamRecords) == 5)
        let database = try MetricsDatabase(home)
        try database.fold(files, nowMs: 10)
        #expect(LiveFolder(home).files().isEmpty)
        // As after a crash between the transaction and the removal of the file.
        try leave("stream", records: 5, start: "boot 1", hasEnded: false)
        #expect(TenantNumbers(home).total(.streamRecords) == 5)
        try database.fold(LiveFolder(home).files(), nowMs: 11)
        let numbers = TenantNumbers(home)
        #expect(numbers.total(.streamRecords) == 5)
        #expect(numbers.histogram(.streamEpoch)?.count == 1)
        #expect(numbers.greatest(.streamOpenWindows) == nil, "what a dead process had open is not open")
    }

    @Test func theNextProcessAddsToTheTotalsAndCountsTheKill() throws {
        defer { remove() }
        try leave("stream", records: 5, start: "boot 1", hasEnded: false)
        let session = LiveSession(home, command: "stream", nowMs: 20)
        session.metrics.counter(.streamRecords, ["query": "q"]).add(2)
        #expect(TenantNumbers(home).total(.streamRecords) == 7)
        #expect(TenantNumbers(home).total(.streamRestarts) == 1)
        session.end(nowMs: 30)
        #expect(LiveFolder(home).files().isEmpty)
        #expect(TenantNumbers(home).total(.streamRecords) == 7)
        let next = LiveSession(home, command: "stream", nowMs: 40)
        defer { next.end(nowMs: 50) }
        #expect(TenantNumbers(home).total(.streamRestarts) == 1, "one that has ended by itself is no restart")
    }

    @Test func whatIsSeldomIsCountedWithoutAProcess() throws {
        defer { remove() }
        for outcome in ["success", "failed", "success"] {
            try MetricsDatabase(home).count(.mlRequests, [.init("model", "fares"), .init("outcome", outcome)])
        }
        let counts = TenantNumbers(home).all(.mlRequests).map { ($0.label("outcome"), $0.value) }
        #expect(counts.count == 2 && counts[0] == ("failed", .counter(1)) && counts[1] == ("success", .counter(2)))
    }

    @Test func aHomeThatCannotBeWrittenCostsTheNumbersAlone() throws {
        defer { remove() }
        try Data("x".utf8).write(to: URL(fileURLWithPath: LiveFolder(home).path))
        let session = LiveSession(home, command: "produce", nowMs: 1)
        session.metrics.counter(.replayBytes).add(3)
        #expect(session.metrics.counter(.replayBytes).value == 3)
        session.end(nowMs: 2)
    }

    @Test func sixtyDaysOfHistoryFitIntoTenMegabytes() throws {
        defer { remove() }
        let history = History(home, storedEveryS: 7200)
        let series = Dictionary(uniqueKeysWithValues: (0..<16).map { ("series\($0)", Double($0)) })
        let start = 1_700_000_000
        // A look in each 5 minutes, and a last quarter of an hour of seconds.
        for time in stride(from: start, to: start + 60 * 86_400, by: 300) { history.record(series, atS: time) }
        for time in start + 60 * 86_400..<start + 60 * 86_400 + 900 { history.record(series, atS: time) }
        history.flush()
        let names = try FileManager.default.contentsOfDirectory(atPath: home.path).filter { $0.hasPrefix("metrics.db") }
        let bytes = try names.reduce(0) { sum, name in
            let size = try FileManager.default.attributesOfItem(atPath: "\(home.path)/\(name)")[.size] as? Int
            return sum + (size ?? 0)
        }
        #expect(bytes < 10 << 20, "\(bytes) bytes in \(names)")
        let days = history.samples("series3", stepS: 300)
        #expect(days.count > 60 * 280 && days.allSatisfy { $0.value == 3 })
        #expect(days.map(\.time) == days.map(\.time).sorted())
        #expect(history.samples("series3", stepS: 1).count >= 900)
        #expect(history.samples("series3", stepS: 7).isEmpty)
    }

    @Test func aSampleOfTenSecondsIsTheMeanOfItsSeconds() throws {
        defer { remove() }
        let history = History(home)
        for (offset, value) in [2.0, 4, 9].enumerated() { history.record(["rate": value], atS: 1_700_000_000 + offset) }
        #expect(history.samples("rate", stepS: 1).map(\.value) == [2, 4, 9])
        #expect(history.samples("rate", stepS: 10).map(\.value) == [5])
    }

    @Test func whatFailsKeepsSinceWhen() throws {
        defer { remove() }
        let database = try MetricsDatabase(home)
        #expect(try database.since([.lag], nowMs: 100) == [.lag: 100])
        #expect(try database.since([.lag, .disk], nowMs: 200) == [.lag: 100, .disk: 200])
        #expect(try database.since([.disk], nowMs: 300) == [.disk: 200])
        #expect(try database.since([.lag, .disk], nowMs: 400) == [.lag: 400, .disk: 200])
    }

    @Test func theTextIsPrometheus() throws {
        var histogram = HistogramCounts(bounds: [0.5, 1])
        histogram.observe(seconds: 0.2)
        histogram.observe(seconds: 3)
        let families = [
            MetricFamily(.alerts, [LiveSeries(Metric.alerts.name, [.init("alert", "a \"b\"\n")], .counter(3))]),
            MetricFamily(.streamLagClear, [LiveSeries(Metric.streamLagClear.name, [], .gauge(.infinity))]),
            MetricFamily(.streamEpoch, [LiveSeries(Metric.streamEpoch.name, [], .histogram(histogram))]),
            MetricFamily(.streamLate),
        ]
        let classic = Exposition.text(families, .classic)
        #expect(
            classic == """
                # HELP taxi_alerts_total Alerts that were raised, by name.
                # TYPE taxi_alerts_total counter
                taxi_alerts_total{alert="a \\"b\\"\\n"} 3
                # HELP taxi_stream_lag_clear_seconds Time until the lag is gone at the present rates; +Inf where it grows.
                # TYPE taxi_stream_lag_clear_seconds gauge
                taxi_stream_lag_clear_seconds +Inf
                # HELP taxi_stream_epoch_seconds From the first read of an epoch to its commit.
                # TYPE taxi_stream_epoch_seconds histogram
                taxi_stream_epoch_seconds_bucket{le="0.5"} 1
                taxi_stream_epoch_seconds_bucket{le="1"} 1
                taxi_stream_epoch_seconds_bucket{le="+Inf"} 2
                taxi_stream_epoch_seconds_sum 3.2
                taxi_stream_epoch_seconds_count 2

                """)
        let open = Exposition.text(families, .openMetrics)
        #expect(open.hasPrefix("# HELP taxi_alerts Alerts") && open.hasSuffix("# EOF\n"))
        #expect(open.contains("taxi_alerts_total{alert="))
    }
}
