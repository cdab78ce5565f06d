import Basics
import CommandSupport
import Foundation
import SQLite
import Testing

/// The scheduler, its steps and its clients, killed and crowded. `scripts/fault-series-workflow` runs the first test with more kills.
@Suite struct WorkflowFaultTests {
    private static let kills = ProcessInfo.processInfo.environment["TAXI_FAULT_KILLS"].flatMap(Int.init) ?? 8
    private static let seed =
        ProcessInfo.processInfo.environment["TAXI_FAULT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0..<1 << 24)

    /// Two workflows, of which one runs the other in its second step.
    ///
    /// Each step that does something holds a lock while it runs (a second one at the same time fails with 99), takes a moment, and
    /// notes that it is done.
    private static func workflows(start: String) -> [String: String] {
        func step(_ name: String, of interval: String = "interval.start") -> String {
            "{sh: \"flock -n $TAXI_RUN.lock sh -c 'sleep 0.02; echo {{ \(interval) }} \(name) >> done' || exit 99\", "
                + "retries: 1000, backoff: 10ms"
        }
        let quarter = """
            name: quarter
            schedule: "*/15 * * * *"
            start: \(start)
            catchup: all
            concurrency: 4
            steps:
              a: \(step("a"))}
              b: {workflow: inner, params: {at: "{{ interval.start }}"}, retries: 1000, backoff: 10ms, needs: [a]}
              c: \(step("c")), needs: [b]}
            """
        let inner = "name: inner\nparams: {at: \"\"}\nsteps:\n  b: \(step("b", of: "params.at"))}\n"
        return ["quarter.yaml": quarter, "inner.yaml": inner]
    }

    /// Kill -9 of the scheduler, of a step, or of both, and SIGTERM, at random moments: in the end each interval has one run, which
    /// succeeded, and no step ever ran twice at once.
    @Test func killsOfTheSchedulerLoseNoRunAndRepeatNone() throws {
        var random = SplitMix64(seed: Self.seed)
        let days = max(1, Self.kills / 20)
        let start = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: -Double(days) * 86_400)).prefix(10)
        let taxi = try WorkflowCommandTests.taxi(Self.workflows(start: String(start)))
        var killed: [String: Int] = [:]
        for _ in 0..<Self.kills {
            let serve = try taxi.start(["workflow", "serve", "--quiet"])
            usleep(UInt32.random(in: 20_000...900_000, using: &random))
            let steps = try stepProcesses(of: taxi)
            let kind =
                ["scheduler", "scheduler", "both", "step", "SIGTERM"].randomElement(using: &random) ?? "scheduler"
            killed[kind, default: 0] += 1
            if kind == "step" || kind == "both", let step = steps.randomElement(using: &random) { kill(step, SIGKILL) }
            if kind == "SIGTERM" {
                serve.signal(SIGTERM)
                #expect(serve.wait().code == 0)
            } else {
                serve.killAtOnce()
            }
        }
        let serve = try taxi.start(["workflow", "serve"])
        let isDone = try eventually(within: 600) {
            try taxi.number("SELECT count(*) FROM workflow_runs WHERE state IN ('queued', 'running')") == 0
                && taxi.number("SELECT until_ms FROM workflow_schedules") > Int64(Date().timeIntervalSince1970 - 900)
                    * 1000
        }
        #expect(isDone, "seed \(Self.seed): \(serve.errors.suffix(500))")
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)

        let context = "seed \(Self.seed), \(Self.kills) kills: \(killed)"
        #expect(try taxi.query("SELECT DISTINCT state FROM workflow_runs") == [["success"]], "\(context)")
        let counts = try taxi.query(
            "SELECT count(*), count(DISTINCT interval_start) FROM workflow_runs WHERE workflow = 'quarter'")
        #expect(counts[0][0] == counts[0][1] && (counts[0][0].integer ?? 0) >= Int64(days * 96 - 96), "\(context)")
        let inner = try taxi.query(
            "SELECT count(*), count(DISTINCT parent) FROM stored_workflow_runs WHERE workflow = 'inner'")
        #expect(inner == [[counts[0][0], counts[0][0]]], "\(context)")
        // No gap: each interval begins where another one ends, but for the first.
        let gaps =
            "SELECT count(*) FROM workflow_runs WHERE interval_start NOT IN (SELECT interval_end FROM workflow_runs "
            + "WHERE workflow = 'quarter')"
        #expect(try taxi.number(gaps) == 1, "\(context)")
        let ends = "SELECT count(*) FROM workflow_steps WHERE state = 'success'"
        #expect(try taxi.number(ends) == 4 * (counts[0][0].integer ?? 0), "\(context)")
        // The only failures are those of steps that we killed, and none because another one was at work.
        let failures = try taxi.query("SELECT DISTINCT error FROM workflow_steps WHERE state = 'failed'")
        #expect(!failures.contains { $0[0].text?.contains("exit code 99") == true }, "\(context): \(failures)")
        // A step that was killed after its note and before its end noted it twice; nobody noted one less often than once.
        let notes = Set(
            try String(contentsOfFile: "\(taxi.tenantFolder)/workflows/done", encoding: .utf8).split(separator: "\n"))
        #expect(notes.count == 3 * Int(counts[0][0].integer ?? 0), "\(context)")
        #expect(try stepProcesses(of: taxi).isEmpty, "\(context)")
        print("\(context), \(counts[0][0].integer ?? 0) runs: each interval once, all succeeded")
    }

    /// Kill -9 of the scheduler while a step runs another workflow, in each of that one's steps, more often than a step may be
    /// interrupted: both runs go on where they were.
    @Test func killsInsideOfAWorkflowStepRepeatNothingThatHasEnded() throws {
        func step(_ name: String) -> String {
            "{sh: \"flock -n $TAXI_RUN.lock sh -c 'echo \(name) >> said; test -e \(name)-may-end || sleep 600' || exit 99\""
        }
        let taxi = try WorkflowCommandTests.taxi([
            "outer.yaml": """
            name: outer
            steps:
              before: {sh: echo before >> said}
              go: {workflow: inner, needs: [before]}
              after: {sh: "echo after {{ steps.go.run_id }} >> said", needs: [go]}
            """,
            "inner.yaml": "name: inner\nsteps:\n  one: \(step("one"))}\n  two: \(step("two")), needs: [one]}\n",
        ])
        let folder = "\(taxi.tenantFolder)/workflows"
        func said() -> [Substring] {
            ((try? String(contentsOfFile: "\(folder)/said", encoding: .utf8)) ?? "").split(separator: "\n")
        }
        try taxi.succeed("workflow", "trigger", "outer", "--queue")
        let states = "SELECT workflow, state, (SELECT count(*) FROM workflow_runs) FROM workflow_runs ORDER BY 1"
        for name in ["one", "two"] {
            for kill in 1...6 {
                let serve = try taxi.start(["workflow", "serve"])
                #expect(
                    eventually(within: 60) { said().count { $0 == name } == kill }, "\(name) \(kill): \(serve.errors)")
                serve.killAtOnce()
                #expect(
                    try taxi.query(states) == [
                        [.text("inner"), .text("running"), .integer(2)],
                        [.text("outer"), .text("running"), .integer(2)],
                    ])
            }
            try "".write(toFile: "\(folder)/\(name)-may-end", atomically: true, encoding: .utf8)
        }
        let serve = try taxi.start(["workflow", "serve"])
        let isDone = try eventually(within: 60) {
            try taxi.number("SELECT count(*) FROM workflow_runs WHERE state = 'success'") == 2
        }
        #expect(isDone, "\(serve.errors)")
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)

        let runs = try taxi.query("SELECT workflow, run_id, parent FROM stored_workflow_runs ORDER BY workflow")
        try #require(runs.count == 2)
        let (inner, outer) = (runs[0], runs[1])
        #expect(inner[2].text == "\(outer[1].text ?? "")/go")
        // What was interrupted ran again, and nothing else: one and two six times and once more.
        let lines =
            ["before"] + Array(repeating: "one", count: 7) + Array(repeating: "two", count: 7)
            + ["after \(inner[1].text ?? "")"]
        #expect(said().map(String.init) == lines)
        let attempts = try taxi.query(
            "SELECT step, state, count(*) FROM workflow_steps GROUP BY 1, 2 ORDER BY 1, 2")
        #expect(
            attempts == [
                [.text("after"), .text("success"), .integer(1)], [.text("before"), .text("success"), .integer(1)],
                [.text("go"), .text("interrupted"), .integer(12)], [.text("go"), .text("success"), .integer(1)],
                [.text("one"), .text("interrupted"), .integer(6)], [.text("one"), .text("success"), .integer(1)],
                [.text("two"), .text("interrupted"), .integer(6)], [.text("two"), .text("success"), .integer(1)],
            ])
        #expect(try stepProcesses(of: taxi).isEmpty)
    }

    /// Processes of steps of this home that live.
    private func stepProcesses(of taxi: TaxiCLI) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { pid in
            guard let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else { return false }
            let variables = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return variables.contains { $0.hasPrefix("TAXI_RUN=") } && variables.contains { $0.hasSuffix(taxi.folder) }
        }
    }

    @Test func sixteenClientsAtOnceAreAllServed() throws {
        let taxi = try WorkflowCommandTests.taxi([
            "now.yaml":
                "name: now\nparams: {n: 0}\nconcurrency: 100\nsteps: {a: {shell: [\"true\"]}, b: {shell: [\"true\"], needs: [a]}}"
        ])
        try taxi.succeed("workflow", "trigger", "now", "--queue")
        let serve = try taxi.start(["workflow", "serve", "--quiet"])
        let commands = [
            ["run", "now"], ["trigger", "now", "--queue", "--param", "n=1"], ["list"], ["runs", "now"],
        ]
        for _ in 0..<5 {
            let clients = try (0..<16).map { try taxi.start(["workflow"] + commands[$0 % 4]) }
            for client in clients {
                let ending = client.wait()
                #expect(ending.code == 0 && !ending.errors.contains("locked"), "\(ending.errors)")
            }
        }
        let isDone = try eventually(within: 60) {
            try taxi.number("SELECT count(*) FROM workflow_runs WHERE state = 'success'") == 41
        }
        let states = try taxi.query("SELECT state, count(*) FROM workflow_runs GROUP BY state")
        #expect(isDone, "\(states) \(serve.errors)")
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)
    }

    @Test func oneSchedulerServesAHome() throws {
        let taxi = try WorkflowCommandTests.taxi([:])
        let serve = try taxi.start(["workflow", "serve"])
        #expect(eventually(within: 60) { serve.errors.contains("is at work") })
        let second = try taxi.run("workflow", "serve")
        #expect(second.code == 75)
        #expect(second.errors.contains("runs already, in process \(serve.pid)"))
        serve.signal(SIGINT)
        #expect(serve.wait().code == 0)
    }
}
