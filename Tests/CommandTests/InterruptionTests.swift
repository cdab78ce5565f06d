import CommandSupport
import Foundation
import SQLite
import Testing
import Topics

/// Paced replays, Ctrl-C, and results that follow live.
@Suite struct InterruptionTests {
    /// Ends of five seconds at three paces, in the time that the records themselves carry; never early, and late only by stalls.
    @Test(arguments: [1, 100, 1000])
    func fiveSecondsOfAPaceHoldFiveSecondsOfRecords(_ rate: Int) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "\(rate * 5)", "trips.csv")
        let ending = try taxi.succeed("produce", "trips.csv", "--rate", "\(rate)/s", "--summary-json", "-")
        let summary = try jsonObject(ending.text)
        #expect(summary["sent"] as? Int == rate * 5)
        #expect(try taxi.recordCount("chicago_ingestData") == Int64(rate * 5))
        let times = try taxi.query("SELECT min(first_time), max(last_time) FROM batches", database: taxi.topicsPath)[0]
        let spanMs = Double((times[1].integer ?? 0) - (times[0].integer ?? 0))
        let wantedMs = Double(rate * 5 - 1) / Double(rate) * 1000
        // A loaded machine may hold up the last record; what it may never do is to send before the time.
        #expect(spanMs >= wantedMs * 0.95 - 20 && spanMs <= wantedMs * 1.05 + 3_000, "\(spanMs) ms for \(wantedMs) ms")
        // At no moment are more records out than the pace allows.
        let batches = try taxi.query(
            "SELECT last_time, sum(count) OVER (ORDER BY base_offset) FROM batches", database: taxi.topicsPath)
        let first = Double(times[0].integer ?? 0)
        for batch in batches {
            let allowed = (Double(batch[0].integer ?? 0) - first + 20) / 1000 * Double(rate) * 1.05 + 1
            #expect(Double(batch[1].integer ?? 0) <= allowed)
        }
    }

    /// A pipe that goes on for ever, or gives nothing any more, ends with the first Ctrl-C; one of no trips by itself.
    @Test(
        arguments: [
            "cat trips.csv; exec sleep 600", "cat trips.csv; while tail -n +2 trips.csv 2>/dev/null; do :; done",
        ],
        ["start", "now"])
    func ctrlCEndsTheReadingOfAPipe(_ source: String, _ clock: String) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "400", "trips.csv")
        let fifo = taxi("pipe")
        #expect(mkfifo(fifo, 0o600) == 0)
        let writer = Process()
        writer.executableURL = URL(fileURLWithPath: "/bin/sh")
        writer.arguments = ["-c", "exec > pipe; \(source)"]
        writer.currentDirectoryURL = URL(fileURLWithPath: taxi("."))
        try writer.run()
        defer { writer.terminate() }
        let running = try taxi.start(["produce", "pipe", "--clock", clock, "--rate", "10/s"])
        let descriptors = "/proc/\(running.pid)/fd"
        #expect(
            eventually(within: 60) {
                (try? FileManager.default.contentsOfDirectory(atPath: descriptors))?.contains { name in
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\(name)"))?.hasSuffix(
                        "/pipe") == true
                } == true
            })
        running.signal(SIGINT)
        let ending = running.wait()
        #expect(ending.code == 130, "\(ending.errors)")
    }

    @Test func aPipeOfNoTripsIsRefusedByItsFirstBytes() throws {
        let taxi = try TaxiCLI()
        for words in [["produce", "/dev/zero", "--clock", "start"], ["stream", "--input", "/dev/zero"]] {
            let ending = try taxi.start(words).wait()
            #expect(ending.code == 65, "\(ending.errors)")
            #expect(ending.errors.contains("/dev/zero:1:1: error: "), "\(ending.errors)")
        }
    }

    @Test func ctrlCEndsAReplayCleanlyAndItGoesOnWithoutLoss() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "6000", "--seed", "2", "trips.csv")
        let replay = ["produce", "trips.csv", "--clock", "start", "--partitions", "2", "--resume"]
        let running = try taxi.start(replay + ["--rate", "300/s", "--summary-json", "summary.json"])
        #expect(try hasRecords(taxi))
        running.signal(SIGINT)
        let ending = running.wait()
        #expect(ending.code == 130)
        #expect(ending.errors.contains("--resume goes on from here"), "\(ending.errors)")
        let summary = try jsonObject(try String(contentsOfFile: taxi("summary.json"), encoding: .utf8))
        #expect(summary["outcome"] as? String == "interrupted")
        let sent = try taxi.recordCount("chicago_ingestData")
        #expect((1..<6000).contains(sent))
        #expect(summary["sent"] as? Int64 == sent)
        #expect(try taxi.query("SELECT outcome FROM runs") == [["interrupted"]])

        let resumed = try taxi.start(replay + ["--max", "--summary-json", "-"]).wait()
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(try jsonObject(resumed.text)["resumed_from"] as? Int64 == sent)
        #expect(try taxi.recordCount("chicago_ingestData") == 6000)
        try expectTheTripsOfTheFile(taxi)
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func aStoppedStreamGoesOnWithoutLoss(_ signal: Int32) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "6000", "--seed", "2", "trips.csv")
        let replay = try taxi.start(["produce", "trips.csv", "--clock", "start", "--rate", "3000/s"])
        for _ in 0..<3 {
            let before = (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0
            let stream = try taxi.start(["stream"])
            #expect(
                eventually(within: 60) {
                    // The view comes with the first start.
                    let now = (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0
                    return now > before || now == 6000
                }, "\(stream.errors)")
            stream.signal(signal)
            let ending = stream.wait()
            #expect(ending.code == 130, "\(ending.code) \(ending.errors)")
        }
        #expect(replay.wait().code == 0)
        try expectTheTripsOfTheFile(taxi)
    }

    /// Somebody holds the database: a clean stop has to wait for it, a second Ctrl-C has not.
    @Test func aSecondCtrlCStopsAtOnce() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "3000", "--seed", "2", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--max", "--limit", "1000")
        let stream = try taxi.start(["stream"], environment: ["TAXI_BUSY_TIMEOUT": "600000"])
        #expect(eventually(within: 60) { (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) == 1000 })
        let holder = try Connection(path: taxi.resultsPath)
        try holder.execute("BEGIN IMMEDIATE")
        // A replay would wait for the same database, to note its beginning: so the topic gets its records from here.
        try copyTopic(taxi)
        stream.signal(SIGINT)
        // Nothing tells from outside that the first signal was taken; the second is only the second after it.
        usleep(300_000)
        #expect(stream.isRunning, "\(stream.errors)")
        stream.signal(SIGINT)
        let ending = stream.wait(timeout: 20)
        #expect(ending.code == 130)
        try holder.execute("COMMIT")
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 2000)
    }

    @Test func resultsFollowALiveReplay() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20000", "trips.csv")
        let replay = try taxi.start(["produce", "trips.csv", "--rate", "200/s"])
        let stream = try taxi.start(["stream"])
        for wanted: Int64 in [1, 400, 800] {
            let hasCome = eventually(within: 20) {
                ((try? taxi.number("SELECT sum(trips) FROM sumfarewindow")) ?? 0) >= wanted
            }
            #expect(hasCome, "\(wanted) trips: \(stream.errors)")
        }
        #expect(replay.isRunning)
        #expect(stream.isRunning)
        replay.signal(SIGINT)
        #expect(replay.wait().code == 130)
        let sent = try taxi.recordCount("chicago_ingestData")
        #expect(eventually(within: 20) { (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) == sent })
        stream.signal(SIGINT)
        #expect(stream.wait().code == 130)
    }

    private func hasRecords(_ taxi: TaxiCLI) throws -> Bool {
        eventually(within: 60) { ((try? taxi.recordCount("chicago_ingestData")) ?? 0) > 0 }
    }

    /// Appends the batches that the topic holds once more, behind the program's back.
    private func copyTopic(_ taxi: TaxiCLI) throws {
        let store = try EmbeddedTopicStore(path: taxi.topicsPath)
        let reader = try store.makeReader(topic: "chicago_ingestData")
        var (batches, offset): ([PendingBatch], Int64) = ([], 0)
        while let batch = try reader.read(partition: 0, from: offset) {
            batches.append(
                PendingBatch(
                    topic: reader.topic, partition: 0, count: batch.count, times: batch.times, encoding: batch.encoding,
                    payload: batch.payload))
            offset += Int64(batch.count)
        }
        try store.makeWriter().append(batches, mark: nil)
    }

    /// Ends the stream and compares with the same file read without a topic.
    private func expectTheTripsOfTheFile(_ taxi: TaxiCLI) throws {
        try taxi.succeed("stream", "--until-end")
        let direct = try TaxiCLI()
        try direct.succeed("stream", "--input", taxi("trips.csv"))
        #expect(try taxi.contents() == direct.contents())
    }
}
