import CommandSupport
import Foundation
import SQLite
import Testing

/// Intervals by name: every command takes what `workflow runs` prints.
@Suite struct WorkflowIntervalTests {
    private static func hourly() throws -> TaxiCLI {
        try WorkflowCommandTests.taxi([
            "hourly.yaml": String(contentsOfFile: input("workflow-hourly.yaml"), encoding: .utf8)
        ])
    }

    static func input(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Inputs/\(name)").path
    }

    @Test func aDayOf24IntervalsIsNotItsLastHour() throws {
        let taxi = try Self.hourly()
        let ending = try taxi.run("workflow", "run", "hourly", "--interval", "2024-01-22")
        #expect(ending.code == 64)
        #expect(ending.errors.contains("24 intervals begin on 2024-01-22"), "\(ending.errors)")
        #expect(ending.errors.contains("2024-01-22T00:00-06:00 to 2024-01-22T23:00-06:00"), "\(ending.errors)")
        #expect(ending.errors.contains("taxi-cli workflow backfill hourly --interval 2024-01-22 runs all"))
        #expect(try taxi.succeed("workflow", "runs").text.isEmpty)
        // As the message says.
        try taxi.succeed("workflow", "backfill", "hourly", "--interval", "2024-01-22", "--parallel", "8")
        #expect(try taxi.number("SELECT count(*) FROM workflow_runs WHERE state = 'success'") == 24)
    }

    /// On the day on which an hour comes twice, and on that which lacks one.
    @Test func aNameThatRunsPrintsIsTakenByEveryCommand() throws {
        let taxi = try Self.hourly()
        for day in ["2024-03-10", "2024-11-03"] {
            try taxi.succeed("workflow", "backfill", "hourly", "--interval", day, "--parallel", "8")
        }
        let runs = try taxi.succeed("workflow", "runs", "hourly", "--all").lines.map { try jsonObject($0) }
        let names = runs.compactMap { $0["interval"] as? String }
        #expect(names.count == 23 + 25 && Set(names).count == names.count)
        for (name, run) in zip(names, runs).filter({
            $0.0.contains("T00:00") || $0.0.contains("T01:00") || $0.0.contains("T23:00")
        }) {
            let id = try #require(run["run_id"] as? String)
            let shown = try taxi.succeed("workflow", "runs", "hourly", "--interval", name).lines.map {
                try jsonObject($0)
            }
            #expect(shown.map { $0["run_id"] as? String } == [id])
            let log = try taxi.succeed("workflow", "logs", "hourly", "a", "--interval", name)
            #expect(log.text.contains(" \(name) "), "\(log.text)")
            let plan = try taxi.succeed("workflow", "run", "hourly", "--interval", name, "--dry-run")
            #expect(try jsonObject(plan.text)["interval"] as? String == name)
            for command in [
                ["workflow", "run", "hourly", "--interval", name], ["workflow", "retry", "hourly", "--interval", name],
                ["workflow", "trigger", "hourly", "--interval", name, "--queue"],
                ["workflow", "cancel", "hourly", "--interval", name],
            ] {
                let ending = try taxi.start(command).wait()
                #expect(ending.code == 64, "\(command): \(ending.errors)")
                #expect(ending.errors.contains(id), "\(command): \(ending.errors)")
            }
            let backfill = try taxi.succeed("workflow", "backfill", "hourly", "--interval", name)
            #expect(backfill.errors.contains("nothing is missing"))
        }
        #expect(try taxi.succeed("workflow", "runs", "hourly", "--interval", "2024-11-03", "--all").lines.count == 25)
        let twice = try taxi.run("workflow", "run", "hourly", "--interval", "2024-11-03T01:00")
        #expect(twice.code == 64 && twice.errors.contains("2024-11-03T01:00-05:00 or 2024-11-03T01:00-06:00"))
    }

    @Test func boundsOfOnesOwnHaveANameToo() throws {
        let taxi = try Self.hourly()
        try taxi.succeed("workflow", "run", "hourly", "--from", "2024-01-22T01:00", "--to", "2024-01-22T03:00")
        let name = "2024-01-22T01:00-06:00--2024-01-22T03:00-06:00"
        let run = try jsonObject(taxi.succeed("workflow", "runs", "hourly").text)
        #expect(run["interval"] as? String == name)
        #expect(try taxi.succeed("workflow", "logs", "hourly", "--interval", name).text.contains(name))
        // The hour that begins there is another one.
        try taxi.succeed("workflow", "run", "hourly", "--interval", "2024-01-22T01:00")
        #expect(try taxi.number("SELECT count(*) FROM workflow_runs") == 2)
    }

    @Test func triggerQueuesAnInterval() throws {
        let taxi = try Self.hourly()
        let queued = try taxi.succeed(
            "workflow", "trigger", "hourly", "--interval", "2024-01-22T13:00-06:00", "--queue")
        #expect(try jsonObject(queued.text)["interval"] as? String == "2024-01-22T13:00-06:00")
    }
}
