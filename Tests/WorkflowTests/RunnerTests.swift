import TestSupport
import Database
import Foundation
import Problems
import SQLite
import Synchronization
import Testing
import Time
import Trips

@testable import Workflow

/// A workflow in a folder with a database of its own, run by a clock that stands still.
final class Stage {
    let folder: TemporaryFolder
    let database: ResultsDatabase
    let history: RunHistory
    let logs: RunLogs
    var spec: WorkflowSpec
    let batches = BatchCalls()
    var environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/bin:/usr/bin"]
    var isInterrupted: () -> Bool = { false }
    /// The time at which runs begin.
    var now: EventTime = 1_700_000_000_000
    /// Adds what the steps need beside batch.
    var equip: (inout StepSurroundings) -> Void = { _ in }

    /// Notes what batch steps ask for, and gives a row for each.
    final class BatchCalls: Sendable {
        let list = Mutex<[[String?]]>([])
    }

    init(_ text: String, _ files: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        for (name, content) in files { try content.write(toFile: folder(name), atomically: true, encoding: .utf8) }
        database = try ResultsDatabase(path: folder("results.db"))
        history = try RunHistory(database)
        logs = RunLogs(folder: folder("logs"))
        spec = try load("name: test\n" + text, in: folder)
    }

    var runner: WorkflowRunner {
        var surroundings = StepSurroundings(
            resultsPath: folder("results.db"), environment: environment, now: { [now] in now },
            batch: { [batches] analysis, by, period, _ in
                batches.list.withLock { $0.append([analysis, by, period]) }
                return 7
            })
        equip(&surroundings)
        return WorkflowRunner(
            spec, history: history, surroundings: surroundings, logs: logs,
            workflows: WorkflowFolder(path: folder.path, zone: ResultsDatabase.defaultZone),
            isInterrupted: isInterrupted)
    }

    /// `step attempt state` of each attempt, in no order but that of the names.
    func states(_ runID: String) throws -> [String] {
        try history.attempts(of: runID).map { "\($0.step) \($0.attempt) \($0.state.rawValue)" }.sorted()
    }
}

@Suite struct RunnerTests {
    @Test func runsStepsInOrderAndHandsOutputsOn() throws {
        let stage = try Stage(
            """
            schedule: "0 3 1 * *"
            params: {top: 10}
            steps:
              last: {sh: "echo {{ steps.first.output }} {{ params.top }} {{ interval }} >> out", needs: [first, trend, store]}
              first: {shell: [echo, "one  two"]}
              trend: {batch: fare-trend, by: month, period: "{{ interval }}"}
              store: {sql: store.sql, needs: [trend], if: "{{ steps.trend.rows }} == 7"}
            """, ["store.sql": "CREATE TABLE kept (a); INSERT INTO kept VALUES (1), (2), (3);"])
        let schedule = try #require(stage.spec.schedule)
        let interval = try #require(schedule.interval(dueBy: 1_700_000_000_000))
        let result = try stage.runner.run(interval, trigger: .manual, params: ["top": "3"])
        #expect(result.state == "success")
        #expect(try String(contentsOfFile: stage.folder("out"), encoding: .utf8) == "one two 3 2023-10\n")
        #expect(stage.batches.list.withLock { $0 } == [["fare-trend", "month", "2023-10"]])
        let rows = try stage.database.connection.rows(
            "SELECT interval_start, interval_end, trigger, state FROM workflow_runs"
        ) { (0..<4).map($0.text) }
        #expect(rows == [["2023-10-01T03:00:00.000-05:00", "2023-11-01T03:00:00.000-05:00", "manual", "success"]])
        let steps = try stage.history.attempts(of: result.run.id)
        #expect(steps.first { $0.step == "store" }?.outputs["rows"] == "3")
        // Each interval has one run, for ever.
        let problem = #expect(throws: Problem.self) { try stage.runner.run(interval, trigger: .manual) }
        #expect(problem?.code == .usage)
        #expect(try stage.history.runs().count == 1)
    }

    @Test func retriesAndThenGoesOnWhereItFailed() throws {
        let stage = try Stage(
            """
            steps:
              ok: {sh: "echo once >> done"}
              bad: {sh: "echo trying; test -e fixed", needs: [ok], retries: 2, backoff: 1ms}
              after: {sh: "echo after >> done", needs: [bad]}
              rescue: {sh: "true", needs: [bad], when: any_failed}
              report: {sh: "echo {{ steps.bad.state }} >> done", needs: [after, bad], when: all_done}
            """)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "failed")
        #expect(
            try stage.states(result.run.id) == [
                "after 1 upstream_failed", "bad 1 failed", "bad 2 failed", "bad 3 failed", "ok 1 success",
                "report 1 success", "rescue 1 success",
            ])
        let error = try stage.history.attempts(of: result.run.id).last { $0.step == "bad" }?.error
        #expect(error == "ended with exit code 1: trying")

        try "".write(toFile: stage.folder("fixed"), atomically: true, encoding: .utf8)
        let again = try stage.runner.resume(try stage.history.run(result.run.id))
        #expect(again.state == "success")
        #expect(try String(contentsOfFile: stage.folder("done"), encoding: .utf8) == "once\nfailed\nafter\n")
        #expect(try stage.history.attempts(of: result.run.id).last { $0.step == "bad" }?.attempt == 4)
        #expect(throws: Problem.self) { try stage.runner.resume(try stage.history.run(result.run.id)) }
    }

    @Test func conditionsLeaveStepsOut() throws {
        let stage = try Stage(
            """
            steps:
              a: {sh: "echo 5"}
              b: {sh: "exit 3", needs: [a], if: "{{ steps.a.output }} >= 5", allow_failure: true}
              c: {sh: "true", needs: [a], if: "{{ steps.a.output }} > 5"}
              d: {sh: "true", needs: [c]}
              e: {sh: "true", needs: [b]}
              f: {sh: "true", needs: [a], when: any_failed}
              g: {sh: "true", needs: [a], if: "{{ steps.a.output }} < many", allow_failure: true}
            """)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        #expect(
            try stage.states(result.run.id) == [
                "a 1 success", "b 1 failed", "c 1 skipped", "d 1 skipped", "e 1 success", "f 1 skipped", "g 1 failed",
            ])
    }

    @Test func endsAStepThatTakesTooLong() throws {
        let stage = try Stage(
            "steps:\n  slow: {sh: \"echo begun; sleep 600\", timeout: 1ms}\n  w: {wait: {file: no}, timeout: 1ms}")
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "failed")
        let attempts = try stage.history.attempts(of: result.run.id)
        #expect(attempts.allSatisfy { $0.error == "took longer than 1 ms" })
        #expect(attempts.count == 2)
    }

    @Test func stopsWhenItIsCancelled() throws {
        let stage = try Stage("steps:\n  slow: {sh: \"sleep 600\"}\n  after: {sh: \"true\", needs: [slow]}")
        stage.isInterrupted = { true }
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "cancelled")
        #expect(try stage.states(result.run.id) == ["after 1 cancelled", "slow 1 cancelled"])
    }

    @Test func aRunTimeoutStillRunsWhatRunsAlways() throws {
        let stage = try Stage(
            """
            timeout: 1ms
            steps:
              slow: {sh: "sleep 600"}
              after: {sh: "true", needs: [slow]}
              tidy: {sh: "echo tidy > tidied", needs: [slow], when: always}
            """)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "failed")
        #expect(try stage.states(result.run.id) == ["after 1 cancelled", "slow 1 cancelled", "tidy 1 success"])
    }

    @Test func masksWhatComesFromTheEnvironment() throws {
        let stage = try Stage("steps:\n  a: {sh: \"echo key=$KEY; echo more\", env: {KEY: \"{{ env.SECRET }}\"}}")
        stage.environment["SECRET"] = "hush"
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(
            stage.logs.lastLines(9, of: result.run.id, "a", attempt: 1) == [
                "2023-11-14T16:13:20.000-06:00 key=***", "2023-11-14T16:13:20.000-06:00 more",
            ])
    }

    /// A file's secret stays hidden in what other steps of the run say of it, and in what the database keeps.
    @Test func masksASecretOfSeveralLinesInLogsAndOutputs() throws {
        let stage = try Stage(
            """
            steps:
              a: {shell: [sh, -c, 'printf %s "$KEY" > copy; printf "%s\\n" "$KEY"; echo; printf %s "$KEY" | tail -n 1', x], env: {KEY: "{{ file:key }}"}}
              b: {sh: "cat copy; echo; base64 copy", needs: [a]}
              c: {shell: [echo, "{{ steps.a.output }}"], needs: [a]}
              d: {sh: "exit 3", if: "{{ steps.a.output }} > {{ file:key }}", needs: [a], allow_failure: true}
            """, ["key": "first line\nsecond line\nthe third one\n"])
        chmod(stage.folder("key"), 0o600)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        let logs = ["a", "b", "c", "d"].flatMap { stage.logs.lastLines(99, of: result.run.id, $0, attempt: 1) }
        let attempts = try stage.history.attempts(of: result.run.id)
        let written = logs.joined(separator: "\n") + attempts.map { "\($0.outputs) \($0.error ?? "")" }.joined()
        for part in ["first", "second", "third", "Zmlyc3Q", "IGxpbmU"] {
            #expect(!written.contains(part), "\(written)")
        }
        #expect(attempts.first { $0.step == "a" }?.outputs["output"] == "***")
        #expect(written.contains("***"))
    }

    @Test func anUnsetVariableFailsTheStep() throws {
        let stage = try Stage("steps:\n  a: {sh: \"echo {{ env.NOT_THERE }}\"}")
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(try stage.history.attempts(of: result.run.id).first?.error == "\"env.NOT_THERE\" has no value")
    }

    @Test func waitsForARow() throws {
        let stage = try Stage(
            "steps:\n  a: {wait: {sql: \"SELECT 1 FROM settings WHERE name = 'zone'\"}}\n  b: {wait: {sql: SELEKT}}")
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(try stage.states(result.run.id) == ["a 1 success", "b 1 failed"])
    }

    /// The record of a run whose process is gone, as kill -9 leaves it.
    @Test func takesOverARunWhoseProcessIsGone() throws {
        let stage = try Stage("steps:\n  a: {sh: \"echo a >> done\"}\n  b: {sh: \"echo b >> done\", needs: [a]}")
        let gone = RunningProcess(pid: 1, start: "an earlier boot")
        let run = try stage.history.begin(
            "test", nil, trigger: .schedule, params: [:], file: stage.spec.file, process: gone, at: 1)
        try stage.history.begin(run.id, "a", attempt: 1, at: 1)
        try stage.history.end(run.id, "a", attempt: 1, .success, error: nil, outputs: [:], at: 2)
        try stage.history.begin(run.id, "b", attempt: 1, at: 2)
        let found = try stage.history.run(run.id)
        #expect(found.shownState == "interrupted")
        #expect(try stage.runner.resume(found).state == "success")
        #expect(try stage.states(run.id) == ["a 1 success", "b 1 interrupted", "b 2 success"])
        #expect(try String(contentsOfFile: stage.folder("done"), encoding: .utf8) == "b\n")
    }

    @Test func oneProcessAtATimeHasARun() throws {
        let stage = try Stage("steps:\n  a: {sh: \"true\"}")
        let interval = DataInterval(start: 0, end: 1)
        let run = try stage.history.begin(
            "test", interval, trigger: .schedule, params: [:], file: "", process: .current, at: 1)
        for attempt in [
            { _ = try stage.runner.run(interval, trigger: .manual) }, { _ = try stage.runner.resume(run) },
        ] {
            let problem = #expect(throws: Problem.self) { try attempt() }
            #expect(problem?.code == .tryAgain)
        }
    }

    @Test func refusesAnUnknownParameter() throws {
        let stage = try Stage("params: {top: 1}\nsteps:\n  a: {sh: \"true\"}")
        let problem = #expect(throws: Problem.self) {
            try stage.runner.run(nil, trigger: .manual, params: ["tpo": "2"])
        }
        #expect(problem?.hint == "Did you mean \"top\"?")
        #expect(try stage.history.runs().isEmpty)
    }
}
