import CommandSupport
import Foundation
import SQLite
import Testing

/// Clocks that somebody sets while a scheduler or a replay is at work, or has set before.
@Suite struct ClockTests {
    /// Due once a year, so that nothing is due in a test but by a clock that runs ahead.
    private static let yearly = """
        name: yearly
        schedule: "0 0 1 1 *"
        start: \(Calendar(identifier: .gregorian).component(.year, from: Date()))-01-01
        catchup: all
        steps: {a: {sh: "true"}}
        """

    @Test func aDueTimeThatLiesAheadIsSaidAndTakenBack() throws {
        let taxi = try WorkflowCommandTests.taxi(["yearly.yaml": Self.yearly])
        try taxi.succeed("workflow", "run", "yearly", "--due")
        let now = Int64(Date().timeIntervalSince1970 + 1) * 1000
        let ahead = now + 800 * 86_400_000
        let change =
            "UPDATE workflow_schedules SET until_ms = \(ahead); INSERT INTO stored_workflow_runs (run_id, workflow, "
            + "interval_start_ms, interval_end_ms, trigger, state, params, file, pid, process_start) "
            + "VALUES ('soon', 'yearly', \(now + 1), \(ahead), 'catchup', 'queued', '{}', '', 0, '')"
        try Connection(path: taxi.resultsPath).execute(change)
        for command in [["next", "yearly"], ["list"]] {
            let ending = try taxi.start(["workflow"] + command).wait()
            #expect(ending.code == 0)
            #expect(
                ending.errors.contains("warning: yearly was looked at by a clock that ran ahead"), "\(ending.errors)")
        }
        let due = try taxi.succeed("workflow", "run", "yearly", "--due")
        #expect(due.errors.contains("yearly was looked at by a clock that ran ahead"), "\(due.errors)")
        #expect(
            try taxi.number("SELECT until_ms FROM workflow_schedules") <= Int64(Date().timeIntervalSince1970 + 1) * 1000
        )
        #expect(try taxi.number("SELECT count(*) FROM stored_workflow_runs") == 0)
        #expect(try taxi.succeed("workflow", "next", "yearly").errors.isEmpty)
    }

    /// As somebody sets the clock of a machine 400 days forward, and soon after back again; a day back, and SIGTERM.
    @Test func aClockThatJumpsForAMomentStartsNothingAndSIGTERMIsHeard() throws {
        guard let library = Self.faketime else { return }
        let taxi = try WorkflowCommandTests.taxi(["yearly.yaml": Self.yearly])
        func set(_ offset: String) throws {
            try offset.write(toFile: taxi("clock"), atomically: true, encoding: .utf8)
        }
        try set("+0")
        let serve = try taxi.start(
            ["workflow", "serve"], environment: Self.clock(library, taxi))
        func says(_ text: String) -> Bool {
            eventually(within: 60) { serve.errors.contains(text) || !serve.isRunning }
                && serve.errors.contains(text)
        }
        let isLookedAt = eventually(within: 60) {
            FileManager.default.fileExists(atPath: taxi.resultsPath)
                && (try? taxi.number("SELECT count(*) FROM workflow_schedules")) == 1
        }
        try #require(isLookedAt, "\(serve.errors)")
        try set("+400d")
        #expect(says("the clock was set 400 days forward: time goes on as before"), "\(serve.errors)")
        try set("+0")
        #expect(says("the clock is back where it was"), "\(serve.errors)")
        #expect(try taxi.number("SELECT count(*) FROM stored_workflow_runs") == 0)
        #expect(
            try taxi.number("SELECT until_ms FROM workflow_schedules") <= Int64(Date().timeIntervalSince1970 + 1) * 1000
        )
        try set("-2d")
        #expect(says("the clock was set 2 days back: time goes on as before"), "\(serve.errors)")
        serve.signal(SIGTERM)
        #expect(serve.wait(timeout: 20).code == 0)
    }

    @Test func aReplayStampsNoTripWithAClockThatJumpsForAMoment() throws {
        guard let library = Self.faketime else { return }
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20000", "trips.csv")
        func set(_ offset: String) throws {
            try offset.write(toFile: taxi("clock"), atomically: true, encoding: .utf8)
        }
        try set("+0")
        let replay = try taxi.start(
            ["produce", "trips.csv", "--rate", "200/s", "--clock", "now"],
            environment: Self.clock(library, taxi))
        func sends(_ count: Int64) -> Bool {
            let before = (try? taxi.recordCount("chicago_ingestData")) ?? 0
            func has() -> Bool { ((try? taxi.recordCount("chicago_ingestData")) ?? 0) >= before + count }
            return eventually(within: 60) { has() || !replay.isRunning } && has()
        }
        #expect(sends(20), "\(replay.errors)")
        for offset in ["+400d", "+0", "-400d", "+0"] {
            try set(offset)
            #expect(sends(100), "\(replay.errors)")
        }
        replay.signal(SIGINT)
        replay.wait(timeout: 60)
        let now = Int64(Date().timeIntervalSince1970 + 1) * 1000
        let times = try taxi.query("SELECT min(first_time), max(last_time) FROM batches", database: taxi.topicsPath)[0]
        #expect((times[0].integer ?? 0) > now - 3_600_000 && (times[1].integer ?? 0) < now + 3_600_000, "\(times)")
    }

    /// What a replay has rejected since it was too far ahead then has happened meanwhile.
    @Test func anAuditOfFilesJudgesByTheClockOfTheirReplay() throws {
        guard let library = Self.faketime else { return }
        let taxi = try TaxiCLI()
        let file = "\(ReplaySourceTests.inputs)/april-after-that-march.csv"
        // The evening of 2024-04-01 in Chicago, between the two trips.
        let back = Int(Date().timeIntervalSince1970) - 1_712_016_000
        try "-\(back)".write(toFile: taxi("clock"), atomically: true, encoding: .utf8)
        let replay = try taxi.start(
            ["produce", file, "--clock", "start", "--max-ahead", "1h", "--summary-json", "-"],
            environment: Self.clock(library, taxi)
        ).wait()
        #expect(try jsonObject(replay.text)["rejected"] as? [String: Int] == ["out_of_range": 1], "\(replay.errors)")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("audit", "--from", file, "--clock", "start", "--max-ahead", "1h")
    }

    /// The library adds a variable, so that what stands beside the environment moves.
    private static func clock(_ library: String, _ taxi: TaxiCLI) -> [String: String] {
        [
            "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": taxi("clock"), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        ]
    }

    /// The library that shows a process another time; nil, and a line that says so, where it is not installed.
    private static let faketime: String? = {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib")) ?? []
        let found = (folders.map { "/usr/lib/\($0)" } + ["/usr/lib"]).map { "\($0)/faketime/libfaketimeMT.so.1" }
            .first { FileManager.default.fileExists(atPath: $0) }
        if found == nil { print("skipped: no libfaketime to set a clock with (apt-get install libfaketime)") }
        return found
    }()
}
