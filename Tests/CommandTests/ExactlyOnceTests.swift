import Basics
import CommandSupport
import Foundation
import SQLite
import Testing

/// `kill -9` at random moments, of either side, while both run: the end is that of a run that nobody disturbed.
///
/// `TAXI_FAULT_KILLS` and `TAXI_FAULT_SEED` make a longer series of it: see scripts/fault-series.
@Suite struct ExactlyOnceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var partitions: Int
        var workers: Int
        var pace: [String]
        var testDescription: String { "\(partitions) partitions, \(workers) workers, \(pace.joined(separator: " "))" }
    }

    private static let variables = ProcessInfo.processInfo.environment
    private static let kills = variables["TAXI_FAULT_KILLS"].flatMap(Int.init) ?? 20
    private static let seed = variables["TAXI_FAULT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)

    static let cases = [
        Case(partitions: 1, workers: 1, pace: ["--max"]), Case(partitions: 4, workers: 2, pace: ["--max"]),
        Case(partitions: 1, workers: 2, pace: ["--rate", "4000/s"]),
        Case(partitions: 4, workers: 1, pace: ["--rate", "4000/s"]),
    ]

    @Test(arguments: Self.cases)
    func killsLeaveTheResultsOfAnUndisturbedRun(_ testCase: Case) throws {
        let rows = 12_000
        let source = try TaxiCLI()
        try source.succeed(
            "data", "generate", "--rows", "\(rows)", "--seed", "4", "--from", "2024-11-02", "--to", "2024-11-03",
            "trips.csv")
        let replay = [
            "produce", source("trips.csv"), "--clock", "start", "--spread", "uniform", "--partitions",
            "\(testCase.partitions)",
        ]
        let stream = ["stream", "--workers", "\(testCase.workers)", "--epoch-records", "2000"]

        let undisturbed = try TaxiCLI()
        let taxi = try TaxiCLI()
        for taxi in [undisturbed, taxi] {
            try FileManager.default.createDirectory(atPath: taxi.tenantFolder, withIntermediateDirectories: true)
            try Self.alerts.write(toFile: "\(taxi.tenantFolder)/queries.yaml", atomically: true, encoding: .utf8)
        }
        #expect(try undisturbed.start(replay + ["--max"]).wait().code == 0)
        #expect(try undisturbed.start(stream + ["--until-end"]).wait().code == 0)

        let index = Self.cases.firstIndex { $0.testDescription == testCase.testDescription } ?? 0
        let seed = Self.seed &+ UInt64(index)
        print(
            "\(testCase): \(Self.kills / Self.cases.count) kills, seed \(seed) (TAXI_FAULT_SEED=\(Self.seed) repeats the series)"
        )
        var series = KillSeries(
            taxi: taxi, produce: replay + testCase.pace + ["--resume"],
            // A machine that stalls for seconds must not make a partition look idle: what comes late then is late by right.
            stream: stream + ["--idle-timeout", "10m"], seed: seed)
        let tally = try series.run(kills: Self.kills / Self.cases.count)
        print("\(testCase): \(tally)")

        #expect(try taxi.recordCount("chicago_ingestData") == rows, "seed \(seed)")
        let contents = (try taxi.contents(), try undisturbed.contents())
        for view in TaxiCLI.queryViews { #expect(contents.0[view] == contents.1[view], "\(view), seed \(seed)") }
        try Self.expectEachMessageOnce(taxi)
        try Self.expectLedgerSums(taxi, records: rows)
        try Self.expectTheSameAlerts(taxi, undisturbed)
    }

    private static let alerts = """
        alerts:
          - {name: spike, on: sumFareWindow, if: total_fare > 40, for: 2 windows}
          - {name: busy, on: hotspotCommunityPickupWindow, if: count >= 2, cooldown: 10m}
        """

    /// Each alert of an undisturbed run once, in the table and in the topic.
    private static func expectTheSameAlerts(_ taxi: TaxiCLI, _ undisturbed: TaxiCLI) throws {
        let sql = "SELECT name, window_start_ms, value, params FROM stored_alerts ORDER BY 1, 2, 4"
        let (found, expected) = (try taxi.query(sql), try undisturbed.query(sql))
        #expect(found == expected)
        #expect(Set(expected.map { $0[0].text }) == ["spike", "busy"])
        let sent = try [taxi, undisturbed].map {
            try $0.succeed("topic", "tail", "alerts", "--from-beginning").lines.sorted()
        }
        #expect(sent[0] == sent[1])
        #expect(sent[0].count == expected.count)
    }

    /// The topics of queries that emit each result once hold the view's rows as messages, each once; the two that emit changes end
    /// with the view's rows.
    static func expectEachMessageOnce(_ taxi: TaxiCLI, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for output in OutputTopic.all {
            let ending = try taxi.succeed(
                "topic", "tail", output.topic, "--from-beginning", sourceLocation: sourceLocation)
            var messages = ending.lines
            if output.emitsChanges {
                let newest = Dictionary(messages.map { (output.key(of: $0), $0) }) { $1 }
                messages = Array(newest.values)
            }
            let rows = try taxi.query("SELECT \(output.messageSQL) FROM \(output.view)").compactMap { $0[0].text }
            #expect(
                messages.count == rows.count, "messages of \(output.topic)", sourceLocation: sourceLocation)
            let (extra, missing) = (Set(messages).subtracting(rows), Set(rows).subtracting(messages))
            #expect(
                extra.isEmpty && missing.isEmpty,
                """
                \(output.topic): \(extra.count) messages without a row, such as \(extra.sorted().prefix(3)); \
                \(missing.count) rows without a message, such as \(missing.sorted().prefix(3))
                """, sourceLocation: sourceLocation)
        }
    }

    /// Of each query, over all runs: consumed = aggregated + late + skipped + filtered + rejected, in every partition.
    static func expectLedgerSums(_ taxi: TaxiCLI, records: Int, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let sums = try taxi.query(
            """
            SELECT query, partition, sum(value) FROM ledger WHERE kind = 'stream' AND query <> '' GROUP BY 1, 2 ORDER BY 1, 2
            """)
        let ends = try taxi.query(
            """
            SELECT partition, end_offset FROM partitions JOIN topics ON id = topic_id WHERE name = 'chicago_ingestData'
            ORDER BY 1
            """, database: taxi.topicsPath)
        for query in Set(sums.compactMap { $0[0].text }) {
            #expect(
                sums.filter { $0[0].text == query }.map { Array($0[1...]) } == ends, "the ledger of \(query)",
                sourceLocation: sourceLocation)
        }
        #expect(Set(sums.compactMap { $0[0].text }).count == 5, sourceLocation: sourceLocation)
        #expect(ends.reduce(0) { $0 + ($1[1].integer ?? 0) } == Int64(records), sourceLocation: sourceLocation)
        #expect(
            try taxi.number("SELECT coalesce(sum(value), 0) FROM ledger WHERE counter = 'late'") == 0,
            sourceLocation: sourceLocation)
    }
}

/// A replay and a stream side by side, killed and started again by a seed, and then let finish.
struct KillSeries {
    let taxi: TaxiCLI
    /// With `--resume`, which begins at the beginning where there was no run before.
    let produce: [String]
    let stream: [String]
    private var random: SplitMix64

    private static let topicCount = "SELECT count(*) FROM topics WHERE name = 'chicago_ingestData'"

    struct Tally: CustomStringConvertible {
        var ofProduce = 0
        var ofStream = 0
        var ofBoth = 0
        /// Kills of a replay that had something left to send.
        var inReplay = 0
        var description: String {
            "killed produce \(ofProduce), stream \(ofStream), both \(ofBoth) times, \(inReplay) of them amid the replay"
        }
    }

    init(taxi: TaxiCLI, produce: [String], stream: [String], seed: UInt64) {
        (self.taxi, self.produce, self.stream, random) = (taxi, produce, stream, SplitMix64(seed: seed))
    }

    mutating func run(kills: Int) throws -> Tally {
        var tally = Tally()
        var producing = try taxi.start(produce)
        // Whoever comes first makes the topic, and the replay alone knows with how many partitions.
        #expect(eventually(within: 60) { (try? taxi.number(Self.topicCount, database: taxi.topicsPath)) == 1 })
        var streaming = try taxi.start(stream)
        for _ in 0..<kills {
            usleep(UInt32.random(in: 1_000...400_000, using: &random))
            // A stream that ends by itself has failed.
            #expect(streaming.isRunning, "\(streaming.errors)")
            let victim = Int.random(in: 0..<3, using: &random)
            if producing.isRunning, victim != 1 { tally.inReplay += 1 }
            if victim != 1 { producing.killAtOnce() }
            if victim != 0 { streaming.killAtOnce() }
            switch victim {
            case 0: tally.ofProduce += 1
            case 1: tally.ofStream += 1
            default: tally.ofBoth += 1
            }
            if victim != 1 { producing = try taxi.start(produce) }
            if victim != 0 { streaming = try taxi.start(stream) }
        }
        let produced = producing.wait()
        #expect(produced.code == 0, "\(produced.errors)")
        // One that was stopped cleanly goes on as well.
        streaming.signal(SIGINT)
        let streamed = streaming.wait()
        #expect(streamed.code == 130, "\(streamed.code) \(streamed.errors)")
        let last = try taxi.start(stream + ["--until-end"]).wait()
        #expect(last.code == 0, "\(last.errors)")
        return tally
    }
}
