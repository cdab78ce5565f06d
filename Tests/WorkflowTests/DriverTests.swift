import TestSupport
import Database
import Foundation
import Problems
import SQLite
import Testing
import Trips

@testable import Workflow

/// Many runs at once, pools, failures' actions, and what is left of a process that was killed.
@Suite struct DriverTests {
    @Test func aChainOfHundredStepsIsWrittenDownWhole() throws {
        let steps = (0..<100).map { "  s\($0): {shell: [\"true\"]\($0 == 0 ? "" : ", needs: [s\($0 - 1)]")}" }
        let stage = try Stage("steps:\n" + steps.joined(separator: "\n"))
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        let attempts = try stage.history.attempts(of: result.run.id)
        #expect(attempts.count == 100 && attempts.allSatisfy { $0.state == .success && $0.attempt == 1 })
    }

    @Test func aPoolHoldsNoMoreThanItsSlots() throws {
        let step = "{sh: \"mkdir busy && sleep 0.01 && rmdir busy\", pool: one}"
        let stage = try Stage(
            "parallel: 8\nsteps:\n" + (0..<6).map { "  s\($0): \(step)\n" }.joined(),
            ["workflows.yaml": "pools: {one: 1}"])
        // Two at once would find the folder there, and fail.
        #expect(try stage.runner.run(nil, trigger: .manual).state == "success")
    }

    @Test func aFailureIsToldAndTheRunHasFailedAllTheSame() throws {
        let stage = try Stage(
            "on_failure: {notify: ops}\nsteps:\n  bad: {sh: \"echo no; exit 4\"}",
            [
                "workflows.yaml":
                    "notify: {ops: {sh: \"echo {{ run.workflow }} {{ run.step }}: {{ run.error }} > told\"}}"
            ])
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "failed")
        #expect(
            try String(contentsOfFile: stage.folder("told"), encoding: .utf8)
                == "test bad: ended with exit code 4: no\n")
        #expect(try stage.states(result.run.id) == ["bad 1 failed", "on_failure 1 success"])
    }

    @Test func aFailureQueuesAnotherWorkflow() throws {
        let stage = try Stage(
            "on_failure: {run: mend}\nsteps:\n  bad: {sh: \"exit 4\"}",
            ["mend.yaml": "name: mend\nparams: {run: \"\", step: \"\"}\nsteps: {a: {sh: \"true\"}}"])
        let result = try stage.runner.run(nil, trigger: .manual)
        let queued = try stage.history.queued()
        #expect(queued.map(\.workflow) == ["mend"])
        #expect(queued.map(\.params) == [["run": result.run.id, "step": "bad"]])
        #expect(queued.map(\.trigger) == ["alert"])
    }

    @Test func byHandNoMoreThanTheConcurrencyThatTheFileNames() throws {
        let stage = try Stage("concurrency: 1\nsteps:\n  a: {sh: \"true\"}")
        let other = try stage.history.begin(
            "test", nil, trigger: .manual, params: [:], file: "", process: .current, at: 1)
        let problem = #expect(throws: Problem.self) { try stage.runner.run(nil, trigger: .manual) }
        #expect(problem?.code == .tryAgain)
        #expect(try stage.history.runs().map(\.id) == [other.id])
    }

    /// As kill -9 of the process that ran it leaves a step: nobody has noted its number.
    @Test func endsTheProcessesThatARunLeftBehind() throws {
        let stage = try Stage("steps:\n  a: {sh: \"echo a >> done\"}")
        let gone = RunningProcess(pid: 1, start: "an earlier boot")
        let run = try stage.history.begin(
            "test", nil, trigger: .schedule, params: [:], file: stage.spec.file, process: gone, at: 1)
        try stage.history.begin(run.id, "a", attempt: 1, at: 1)
        let left = Process()
        left.executableURL = URL(fileURLWithPath: "/bin/sleep")
        left.arguments = ["600"]
        left.environment = ["TAXI_RUN": run.id, "PATH": "/usr/bin:/bin"]
        try left.run()
        #expect(try stage.runner.resume(stage.history.run(run.id)).state == "success")
        left.waitUntilExit()
        #expect(left.terminationStatus == SIGKILL)
        #expect(try stage.states(run.id) == ["a 1 interrupted", "a 2 success"])
    }

    @Test func aStepThatIsInterruptedEachTimeFailsInTheEnd() throws {
        let stage = try Stage("steps:\n  a: {sh: \"true\"}")
        let gone = RunningProcess(pid: 1, start: "an earlier boot")
        let run = try stage.history.begin(
            "test", nil, trigger: .schedule, params: [:], file: stage.spec.file, process: gone, at: 1)
        for attempt in 1...Execution.interruptionLimit { try stage.history.begin(run.id, "a", attempt: attempt, at: 1) }
        #expect(try stage.runner.resume(stage.history.run(run.id)).state == "failed")
        #expect(try stage.history.attempts(of: run.id).contains { $0.error == "was interrupted 10 times in a row" })
    }

    // MARK: - what cannot be written down

    private func refuse(_ event: String, _ condition: String, on stage: Stage) throws {
        try stage.database.connection.execute(
            """
            CREATE TEMP TRIGGER refusal BEFORE \(event) ON main.stored_workflow_steps WHEN \(condition)
            BEGIN SELECT RAISE(ABORT, 'refused'); END
            """)
    }

    private func allow(on stage: Stage) throws { try stage.database.connection.execute("DROP TRIGGER refusal") }

    /// The beginnings of b and c are one transaction, of which the second half is refused.
    @Test(.timeLimit(.minutes(2))) func aStepWhoseBeginningWasRolledBackDoesNotRun() throws {
        let stage = try Stage(
            "parallel: 2\nsteps:\n  a: {sh: echo a >> out}\n  b: {sh: echo b >> out, needs: [a]}\n  c: {sh: echo c >> out, needs: [a]}"
        )
        try refuse("INSERT", "NEW.step = 'c'", on: stage)
        #expect(throws: Problem.self) { try stage.runner.run(nil, trigger: .manual) }
        #expect(try String(contentsOfFile: stage.folder("out"), encoding: .utf8) == "a\n")
        let run = try #require(try stage.history.runs().first)
        // What had ended is known all the same.
        #expect(try stage.states(run.id) == ["a 1 success"])
        try allow(on: stage)
        #expect(try stage.runner.resume(run, isLost: true).state == "success")
        let lines = try String(contentsOfFile: stage.folder("out"), encoding: .utf8).split(separator: "\n")
        #expect(lines.sorted() == ["a", "b", "c"])
    }

    /// Whoever goes on with the run in the same process still knows.
    @Test(.timeLimit(.minutes(2))) func aStepWhoseEndCannotBeNotedIsNotRepeated() throws {
        let stage = try Stage("steps:\n  a: {sh: echo a >> out}\n  b: {sh: echo b >> out, needs: [a]}")
        try refuse("INSERT", "NEW.step = 'a' AND NEW.state = 'success'", on: stage)
        #expect(throws: Problem.self) { try stage.runner.run(nil, trigger: .manual) }
        let run = try #require(try stage.history.runs().first)
        #expect(try stage.states(run.id) == ["a 1 running"])
        try allow(on: stage)
        #expect(try stage.runner.resume(run, isLost: true).state == "success")
        #expect(try String(contentsOfFile: stage.folder("out"), encoding: .utf8) == "a\nb\n")
        #expect(try stage.states(run.id) == ["a 1 success", "b 1 success"])
    }

    /// Both ends come in one turn, since the driver is kept busy until they are there.
    @Test(.timeLimit(.minutes(2))) func endsThatAreRefusedTogetherAreWaitedForOnce() throws {
        let stage = try Stage("parallel: 2\nsteps:\n  a: {sh: echo a >> out}\n  b: {sh: echo b >> out}")
        try refuse("INSERT", "NEW.state = 'success'", on: stage)
        let runner = WorkflowRunner(
            stage.spec, history: stage.history,
            surroundings: StepSurroundings(
                resultsPath: stage.folder("results.db"), environment: stage.environment, now: { 1 },
                batch: { _, _, _, _ in 0 }),
            logs: stage.logs, isInterrupted: { false }
        ) { event in
            guard case .began = event else { return }
            for _ in 0..<10_000 {
                let out = (try? String(contentsOfFile: stage.folder("out"), encoding: .utf8)) ?? ""
                if out.count == 4 { break }
                usleep(1000)
            }
            // Their threads have told it shortly after.
            usleep(300_000)
        }
        #expect(throws: Problem.self) { try runner.run(nil, trigger: .manual) }
        let out = try String(contentsOfFile: stage.folder("out"), encoding: .utf8)
        #expect(out.split(separator: "\n").sorted() == ["a", "b"])
    }

    @Test func aRunKeepsRoomToNoteItsEndsAndGivesItBack() throws {
        let stage = try Stage(
            "steps:\n  a: {sh: \"ls -s --block-size=1024 logs/$TAXI_RUN/.reserve | cut -d ' ' -f 1\"}")
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(try stage.history.attempts(of: result.run.id).first?.outputs["output"] == "64")
        #expect(!FileManager.default.fileExists(atPath: stage.logs.reserve(of: result.run.id).path))
    }
}
