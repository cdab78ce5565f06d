import Basics
import CommandSupport
import Foundation
import Testing

/// `stream rewind` as a person has it: what it says, what it refuses, and `kill -9` at any moment.
@Suite struct RewindCommandTests {
    private static let kills = ProcessInfo.processInfo.environment["TAXI_FAULT_KILLS"].flatMap(Int.init) ?? 8
    private static let seed =
        ProcessInfo.processInfo.environment["TAXI_FAULT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)
    private static let stream = ["stream", "--until-end", "--keep-history", "7d", "--epoch-records", "500"]

    private static func filled() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "4000", "--seed", "4", "--from", "2024-11-02", "--to", "2024-11-03",
            "trips.csv")
        try taxi.succeed(
            "produce", "trips.csv", "--max", "--clock", "start", "--spread", "uniform", "--partitions", "2")
        return taxi
    }

    @Test func killsLeaveItBeforeOrAfter() throws {
        let undisturbed = try Self.filled()
        #expect(try undisturbed.start(["stream", "--until-end"]).wait().code == 0)
        let taxi = try Self.filled()
        #expect(try taxi.start(Self.stream).wait().code == 0)
        var numbers = SplitMix64(seed: Self.seed)
        let epoch = "SELECT max(epoch) FROM checkpoints"
        for kill in 0..<Self.kills {
            let before = try taxi.number(epoch)
            let rewind = try taxi.start(["stream", "rewind", "--epochs", "1"])
            usleep(UInt32.random(in: 1_000...600_000, using: &numbers))
            rewind.killAtOnce()
            let rewinds = try taxi.number("SELECT count(DISTINCT epoch) FROM rewinds")
            #expect([before, before + 1].contains(try taxi.number(epoch)), "kill \(kill), seed \(Self.seed)")
            // Every other time the stream dies as well.
            if kill % 2 == 1 {
                let streaming = try taxi.start(Self.stream)
                usleep(UInt32.random(in: 1_000...600_000, using: &numbers))
                streaming.killAtOnce()
            }
            #expect(try taxi.start(Self.stream).wait().code == 0)
            if rewinds > 0 {
                #expect(try taxi.recordCount("chicago_control") == rewinds, "kill \(kill), seed \(Self.seed)")
            }
        }
        let contents = (try taxi.contents(), try undisturbed.contents())
        for view in TaxiCLI.queryViews { #expect(contents.0[view] == contents.1[view], "\(view)") }
        let audit = try taxi.run("audit")
        #expect(audit.code == 0, "\(audit.text) \(audit.errors)")
        try taxi.succeed("doctor")
    }

    @Test func saysWhatItDoesAndWhatItCannot() throws {
        let taxi = try Self.filled()
        #expect(try taxi.run("stream", "rewind", "--epochs", "1").code == 66)
        try taxi.succeed("stream", "--until-end", "--epoch-records", "500")
        let without = try taxi.run("stream", "rewind", "--epochs", "1")
        #expect(without.code == 66 && without.errors.contains("--keep-history 7d"))
        #expect(try taxi.run("stream", "rewind").code == 64)
        #expect(try taxi.run("stream", "rewind", "--epochs", "1", "--to", "2024-01-01").code == 64)
        #expect(try taxi.start(Self.stream + ["--from-beginning"]).wait().code == 0)
        let dry = try taxi.run("stream", "rewind", "--epochs", "1", "--dry-run", "--summary-json", "-")
        #expect(dry.code == 0 && dry.errors.contains("nothing was changed"))
        let summary = try jsonObject(dry.text)
        #expect(summary["dry_run"] as? Bool == true)
        #expect(try taxi.number("SELECT count(*) FROM rewinds") == 0)
        #expect(try taxi.succeed("status", "--format", "table").text.contains("history: back to "))
        #expect(
            try taxi.succeed("stream", "explain", "--format", "table").text.contains(
                "It can go back to each of its last"))
        let waiting = try taxi.start(["stream", "--keep-history", "7d"])
        #expect(
            eventually(within: 30) {
                (try? taxi.number("SELECT count(*) FROM run_records WHERE outcome = 'running'")) == 1
            })
        #expect(
            eventually(within: 30) {
                (try? taxi.run("stream", "rewind", "--epochs", "1").errors.contains("a stream runs these queries"))
                    == true
            })
        waiting.signal(SIGINT)
        #expect(waiting.wait().code == 130)
        let done = try taxi.succeed("stream", "rewind", "--to", "2999-01-01")
        #expect(done.errors.contains("nothing to take back"))
    }
}
