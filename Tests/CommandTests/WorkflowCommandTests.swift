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
}
