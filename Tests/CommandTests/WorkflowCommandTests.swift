import CommandSupport
import Foundation
import SQLite
import Testing

/// The `workflow` commands as a person uses them.
@Suite struct WorkflowCommandTests {
    static let monthly = """
        name: monthly
        schedule: "0 3 1 * *"
        start: 2013-01-01
        params: {top: 10}
        steps:
          extract: {sh: "echo {{ interval }} {{ params.top }}"}
          store: {shell: [sh, -c, "echo said; test -e fixed"], needs: [extract]}
          last: {sh: "echo last", needs: [store]}
        """

    static func taxi(_ files: [String: String]) throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        let folder = "\(taxi.tenantFolder)/workflows"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, text) in files { try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8) }
        return taxi
    }

    @Test func nextGivesOneObjectALine() throws {
        let taxi = try Self.taxi(["monthly.yaml": Self.monthly])
        let ending = try taxi.succeed("workflow", "next", "monthly", "--after", "2024-02-01", "--count", "2")
        #expect(
            ending.text == """
                {"run_at":"2024-02-01T03:00:00.000-06:00","interval_start":"2024-01-01T03:00:00.000-06:00","interval_end":"2024-02-01T03:00:00.000-06:00"}
                {"run_at":"2024-03-01T03:00:00.000-06:00","interval_start":"2024-02-01T03:00:00.000-06:00","interval_end":"2024-03-01T03:00:00.000-06:00"}

                """)
    }

    @Test func aDryRunPrintsWhatWouldRunAndRunsNothing() throws {
        let taxi = try Self.taxi(["monthly.yaml": Self.monthly])
        let ending = try taxi.succeed(
            "workflow", "run", "monthly", "--interval", "2024-01", "--param", "top=3", "--dry-run")
        let steps = try ending.lines.map { try jsonObject($0) }
        #expect(
            steps.map { $0["does"] as? String } == ["echo 2024-01 3", "sh -c 'echo said; test -e fixed'", "echo last"])
        #expect(steps.allSatisfy { $0["interval"] as? String == "2024-01" })
        #expect(try taxi.succeed("workflow", "runs").text.isEmpty)
    }

    @Test func aFailedRunSaysWhyAndRetryGoesOn() throws {
        let taxi = try Self.taxi(["monthly.yaml": Self.monthly])
        let failed = try taxi.run("workflow", "run", "monthly", "--interval", "2024-01")
        #expect(failed.code == 1)
        let run = try #require(try jsonObject(failed.text)["run_id"] as? String)
        for part in [
            "failed in step \"store\": ended with exit code 1: said", "| ", "not run because of it: last",
            "taxi-cli workflow retry \(run)",
        ] { #expect(failed.errors.contains(part), "\(failed.errors)") }
        // Each interval has one run.
        let again = try taxi.run("workflow", "run", "monthly", "--interval", "2024-01")
        #expect(again.code == 64)
        #expect(again.errors.contains("workflow retry \(run)"))

        try "".write(toFile: "\(taxi.tenantFolder)/workflows/fixed", atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "retry", String(run.suffix(8)))
        let runs = try taxi.succeed("workflow", "runs", "monthly").lines.map { try jsonObject($0) }
        #expect(runs.map { $0["state"] as? String } == ["success"])
        #expect(runs.map { $0["trigger"] as? String } == ["retry"])
        #expect(
            try taxi.query("SELECT step, attempt, state FROM workflow_steps ORDER BY step, attempt") == [
                ["extract", 1, "success"], ["last", 1, "upstream_failed"], ["last", 2, "success"],
                ["store", 1, "failed"], ["store", 2, "success"],
            ])
        let log = try taxi.succeed("workflow", "logs", run, "store").lines
        #expect(log.count == 2 && log.allSatisfy { $0.hasSuffix(" said") })
    }

    @Test func statusNamesTheStepThatTheRunFailedOf() throws {
        let taxi = try Self.taxi([
            "soft.yaml":
                "name: soft\nsteps: {maybe: {sh: exit 3, allow_failure: true}, real: {sh: exit 7, needs: [maybe]}}\n"
        ])
        #expect(try taxi.run("workflow", "run", "soft").code != 0)
        let status = try taxi.run("status").text
        #expect(status.contains("failed in step real: ended with exit code 7"), "\(status)")
    }

    @Test func listAndValidateTellWhatIsWrong() throws {
        let taxi = try Self.taxi([
            "monthly.yaml": Self.monthly, "bad.yaml": "name: bad\nsteps: {a: {sh: ls, neds: []}}",
        ])
        let list = try taxi.run("workflow", "list")
        #expect(list.code == 78)
        let rows = try list.lines.map { try jsonObject($0) }
        #expect(rows.count == 2)
        #expect((rows[0]["problem"] as? String)?.hasPrefix("2:21: ") == true)
        #expect(rows[1]["workflow"] as? String == "monthly")
        let checked = try taxi.run("workflow", "validate")
        #expect(checked.code == 78)
        #expect(checked.errors.contains("bad.yaml:2:21: error: "))
        #expect(try taxi.run("workflow", "show", "montly").errors.contains("Did you mean \"monthly\"?"))
    }

    @Test func showIsAPageOrOneObject() throws {
        let taxi = try Self.taxi(["monthly.yaml": Self.monthly])
        let object = try jsonObject(try taxi.succeed("workflow", "show", "monthly").text)
        #expect((object["next"] as? [String])?.count == 3)
        #expect((object["steps"] as? [[String: Any]])?.map { $0["step"] as? String } == ["extract", "store", "last"])
        let page = try taxi.succeed("workflow", "show", "monthly", "--format", "table").text
        #expect(page.contains("schedule: 0 3 1 * * in America/Chicago"))
    }

    @Test func backfillRunsOnlyWhatIsMissing() throws {
        let taxi = try Self.taxi([
            "daily.yaml": """
            name: daily
            schedule: "0 3 * * *"
            steps:
              a: {sh: "test {{ interval }} != 2024-03-02 || test -e fixed"}
              b: {sh: "echo {{ interval }} >> done", needs: [a]}
            """
        ])
        let fill = ["workflow", "backfill", "daily", "--from", "2024-03-01", "--to", "2024-03-05"]
        func rows(_ more: String...) throws -> [String] {
            let ending = try taxi.start(fill + more).wait()
            #expect(ending.code == 0, "\(ending.errors)")
            return try ending.lines.map { try jsonObject($0) }.map { "\($0["interval"] ?? "") \($0["step"] ?? "")" }
        }
        #expect(try rows("--dry-run").count == 8)
        let failed = try taxi.start(fill).wait()
        #expect(failed.code == 1)
        #expect(failed.errors.contains("4 intervals: 1 failed, 3 success"), "\(failed.errors)")
        #expect(try rows("--dry-run") == ["2024-03-02 a", "2024-03-02 b"])
        try "".write(toFile: "\(taxi.tenantFolder)/workflows/fixed", atomically: true, encoding: .utf8)
        #expect(try taxi.start(fill + ["--parallel", "4"]).wait().code == 0)
        let done = try String(contentsOfFile: "\(taxi.tenantFolder)/workflows/done", encoding: .utf8)
        #expect(done == "2024-03-01\n2024-03-03\n2024-03-04\n2024-03-02\n")
        #expect(try taxi.start(fill).wait().errors.contains("nothing is missing"))
        #expect(try taxi.query("SELECT DISTINCT trigger, state FROM workflow_runs") == [["backfill", "success"]])
    }

    @Test func dueRunsWhatServeWouldHaveRunAndNothingTwice() throws {
        let taxi = try Self.taxi(["monthly.yaml": Self.monthly.replacingOccurrences(of: "test -e fixed", with: "true")])
        try taxi.succeed("workflow", "run", "monthly", "--due")
        try taxi.succeed("workflow", "run", "monthly", "--due")
        #expect(try taxi.query("SELECT trigger, state, count(*) FROM workflow_runs") == [["catchup", "success", 1]])
    }

    @Test func triggerRunsHereWhereNoSchedulerIsAtWork() throws {
        let taxi = try Self.taxi(["w.yaml": "name: w\nparams: {n: 0}\nsteps: {a: {sh: \"echo n={{ params.n }}\"}}"])
        try taxi.succeed("workflow", "trigger", "w", "--param", "n=7")
        let queued = try jsonObject(try taxi.succeed("workflow", "trigger", "w", "--queue").text)
        #expect(queued["state"] as? String == "queued")
        let id = try #require(queued["run_id"] as? String)
        try taxi.succeed("workflow", "cancel", id)
        #expect(
            try taxi.query("SELECT state FROM workflow_runs ORDER BY run_id") == [["success"], ["cancelled"]])
        let wrong = try taxi.run("workflow", "trigger", "w", "--param", "m=1")
        #expect(wrong.code == 64 && wrong.errors.contains("has no parameter \"m\""))
    }
}
