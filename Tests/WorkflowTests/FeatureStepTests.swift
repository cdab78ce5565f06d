import TestSupport
import Database
import Foundation
import Problems
import SQLite
import Synchronization
import Testing

@testable import Workflow

/// Steps that stand for a feature of the commands.
@Suite struct FeatureStepTests {
    /// Opens the workflows that lie beside the stage's own.
    private func equip(_ stage: Stage) {
        let (folder, logs) = (stage.folder, stage.logs)
        stage.equip = { surroundings in
            surroundings.openWorkflow = { name in
                let spec = try WorkflowSpec.load(path: folder("\(name).yaml"), zone: "America/Chicago")
                return (spec, try RunHistory(ResultsDatabase(path: folder("results.db"))), logs)
            }
        }
    }

    @Test func runsAnotherWorkflowToItsEnd() throws {
        let stage = try Stage(
            """
            steps:
              go: {workflow: child, params: {word: "{{ run.id }}"}}
              after: {sh: "echo {{ steps.go.run_id }} >> said", needs: [go]}
            """,
            [
                "child.yaml":
                    "name: child\nparams: {word: none}\nsteps: {say: {sh: \"echo {{ params.word }} >> said\"}}\n"
            ])
        equip(stage)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        let child = try #require(try stage.history.runs(of: "child").first)
        #expect(child.state == "success")
        let said = try String(contentsOfFile: stage.folder("said"), encoding: .utf8)
        #expect(said == "\(result.run.id)\n\(child.id)\n")
    }

    /// An interval has one run: the step takes what is there, and goes on with what failed.
    @Test func goesOnWithTheRunOfTheInterval() throws {
        let stage = try Stage(
            "steps:\n  go: {workflow: child}\n",
            [
                "child.yaml":
                    "name: child\nschedule: \"@monthly\"\nsteps: {say: {sh: \"echo {{ interval }} >> said; test -e fixed\"}}\n"
            ])
        equip(stage)
        let failed = try stage.runner.run(nil, trigger: .manual)
        #expect(failed.state == "failed")
        let child = try #require(try stage.history.runs(of: "child").first)
        let error = try stage.history.attempts(of: failed.run.id).first?.error
        #expect(error == "run \(child.id) of workflow \"child\": failed")
        try "".write(toFile: stage.folder("fixed"), atomically: true, encoding: .utf8)
        #expect(try stage.runner.run(nil, trigger: .manual).state == "success")
        #expect(try stage.runner.run(nil, trigger: .manual).state == "success")
        #expect(try stage.history.runs(of: "child").map(\.id) == [child.id])
        let said = try String(contentsOfFile: stage.folder("said"), encoding: .utf8)
        #expect(said == "2023-10\n2023-10\n")
    }

    @Test func cancellingReachesTheInnerRun() throws {
        let stage = try Stage(
            "steps:\n  go: {workflow: child}\n", ["child.yaml": "name: child\nsteps: {say: {sh: sleep 600}}\n"])
        equip(stage)
        stage.isInterrupted = { [history = stage.history] in
            (try? history.runs(of: "child").first?.state) == "running"
        }
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "cancelled")
        #expect(try stage.history.runs(of: "child").first?.state == "cancelled")
    }

    // MARK: what was killed

    private static let saying = "name: child\nsteps: {say: {sh: \"echo said >> said\"}}\n"
    private static let gone = RunningProcess(pid: 1, start: "an earlier boot")

    /// The record of a run that was killed in its step `go`, and of the run that this one had begun.
    private func killed(
        _ stage: Stage, innerProcess: RunningProcess = gone
    ) throws -> (outer: StoredRun, inner: StoredRun) {
        let outer = try stage.history.begin(
            "test", nil, trigger: .schedule, params: [:], file: stage.spec.file, process: Self.gone, at: 1)
        try stage.history.begin(outer.id, "go", attempt: 1, at: 1)
        let inner = try stage.history.begin(
            "child", nil, trigger: .manual, params: [:], file: stage.folder("child.yaml"), parent: "\(outer.id)/go",
            process: innerProcess, at: 2)
        try stage.history.begin(inner.id, "say", attempt: 1, at: 2)
        return (try stage.history.run(outer.id), inner)
    }

    /// Between the end of the inner run and that of the step.
    @Test func anInnerRunThatHasSucceededIsNotRepeated() throws {
        let stage = try Stage("steps:\n  go: {workflow: child}\n", ["child.yaml": Self.saying])
        equip(stage)
        let (outer, inner) = try killed(stage)
        try stage.history.end(inner.id, "say", attempt: 1, .success, error: nil, outputs: [:], at: 3)
        try stage.history.end(inner.id, state: "success", at: 3)
        #expect(try stage.runner.resume(outer).state == "success")
        #expect(try stage.history.runs(of: "child").map(\.id) == [inner.id])
        #expect(try stage.states(outer.id) == ["go 1 interrupted", "go 2 success"])
        #expect(!FileManager.default.fileExists(atPath: stage.folder("said")))

        // Who wants every step again gets a new run.
        #expect(try stage.runner.resume(stage.history.run(outer.id), all: true).state == "success")
        #expect(try stage.history.runs(of: "child").map(\.state) == ["success", "success"])
        #expect(try String(contentsOfFile: stage.folder("said"), encoding: .utf8) == "said\n")
    }

    /// The inner run's process is gone, or it is this one, in which a database that refused to write has ended the attempt.
    @Test(arguments: [Self.gone, .current]) func goesOnWithAnInnerRunThatNobodyDrives(_ process: RunningProcess) throws
    {
        let stage = try Stage("steps:\n  go: {workflow: child}\n", ["child.yaml": Self.saying])
        equip(stage)
        let (outer, inner) = try killed(stage, innerProcess: process)
        #expect(try stage.runner.resume(outer).state == "success")
        #expect(try stage.history.runs(of: "child").map(\.id) == [inner.id])
        #expect(try stage.states(inner.id) == ["say 1 interrupted", "say 2 success"])
    }

    /// The inner run's own steps are what may bring the process down.
    @Test func isGoneOnWithHoweverOftenItWasInterrupted() throws {
        let stage = try Stage("steps:\n  go: {workflow: child}\n", ["child.yaml": Self.saying])
        equip(stage)
        let (outer, _) = try killed(stage)
        for attempt in 2...Execution.interruptionLimit {
            try stage.history.begin(outer.id, "go", attempt: attempt, at: 2)
        }
        #expect(try stage.runner.resume(outer).state == "success")
    }

    @Test func waitsUntilThereIsRoomForTheInnerRun() throws {
        let stage = try Stage("steps:\n  go: {workflow: child}\n", ["child.yaml": "concurrency: 1\n" + Self.saying])
        equip(stage)
        let other = try stage.history.begin(
            "child", nil, trigger: .manual, params: [:], file: "", process: .current, at: 1)
        stage.isInterrupted = { [history = stage.history, logs = stage.logs] in
            guard let run = try? history.runs(of: "test").first, run.state == "running",
                let log = try? String(contentsOfFile: logs.path(run.id, "go", attempt: 1), encoding: .utf8),
                log.contains("its concurrency is 1")
            else { return false }
            try? history.end(other.id, state: "success", at: 3)
            return false
        }
        #expect(try stage.runner.run(nil, trigger: .manual).state == "success")
        #expect(try stage.history.runs(of: "child").map(\.state) == ["success", "success"])
    }

    @Test func aTimeoutEndsTheInnerRun() throws {
        let stage = try Stage(
            "steps:\n  go: {workflow: child, timeout: 100ms}\n",
            ["child.yaml": "name: child\nsteps: {say: {sh: sleep 600}}\n"])
        equip(stage)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "failed")
        #expect(try stage.history.attempts(of: result.run.id).map(\.error) == ["took longer than 100 ms"])
        #expect(try stage.history.runs(of: "child").map(\.state) == ["cancelled"])
    }

    // MARK: retry and cancel of the outer run

    /// A month later the newest interval is another one: a retry goes on with the run that failed all the same.
    @Test func aRetryGoesOnWithTheInnerRunThatFailed() throws {
        let stage = try Stage(
            "steps:\n  go: {workflow: child}\n",
            [
                "child.yaml":
                    "name: child\nschedule: \"@monthly\"\nsteps: {one: {sh: \"echo one >> said\"}, two: {sh: \"test -e fixed\", needs: [one]}}\n"
            ])
        equip(stage)
        let failed = try stage.runner.run(nil, trigger: .manual)
        let child = try #require(try stage.history.runs(of: "child").first)
        try "".write(toFile: stage.folder("fixed"), atomically: true, encoding: .utf8)
        stage.now = 1_700_000_000_000 + 40 * 86_400_000
        let again = try stage.runner.resume(stage.history.run(failed.run.id), trigger: .retry)
        #expect(again.state == "success")
        #expect(try stage.history.runs(of: "child").map(\.id) == [child.id])
        #expect(try String(contentsOfFile: stage.folder("said"), encoding: .utf8) == "one\n")
    }

    /// The same where somebody else had begun it.
    @Test func aRetryGoesOnWithAnInnerRunThatItHadJoined() throws {
        let stage = try Stage(
            "steps:\n  go: {workflow: child}\n",
            ["child.yaml": "name: child\nschedule: \"@monthly\"\nsteps: {one: {sh: \"test -e fixed\"}}\n"])
        equip(stage)
        let spec = try WorkflowSpec.load(path: stage.folder("child.yaml"), zone: "America/Chicago")
        let interval = try #require(spec.schedule?.interval(dueBy: stage.now))
        let other = try stage.history.begin(
            "child", interval, trigger: .schedule, params: [:], file: spec.file, process: Self.gone, at: 1)
        try stage.history.end(other.id, state: "failed", at: 2)
        let failed = try stage.runner.run(nil, trigger: .manual)
        #expect(failed.state == "failed")
        try "".write(toFile: stage.folder("fixed"), atomically: true, encoding: .utf8)
        stage.now = 1_700_000_000_000 + 40 * 86_400_000
        #expect(try stage.runner.resume(stage.history.run(failed.run.id)).state == "success")
        #expect(try stage.history.runs(of: "child").map(\.id) == [other.id])
    }

    @Test(arguments: ["running", "queued"]) func cancellingAnInterruptedRunEndsTheInnerOnesToo(_ state: String) throws {
        let stage = try Stage("steps:\n  go: {workflow: child}\n", ["child.yaml": Self.saying])
        let (outer, inner) = try killed(stage)
        // A third one, inside of the inner one, and one of another run.
        let third = try stage.history.begin(
            "child", nil, trigger: .manual, params: [:], file: "", parent: "\(inner.id)/say", process: Self.gone, at: 3)
        let stranger = try stage.history.begin(
            "child", nil, trigger: .manual, params: [:], file: "", parent: "\(outer.id)x/go", process: Self.gone, at: 3)
        if state == "queued" { try stage.history.requeue(outer.id) }
        let left = Process()
        left.executableURL = URL(fileURLWithPath: "/bin/sleep")
        left.arguments = ["600"]
        left.environment = ["TAXI_RUN": inner.id, "TAXI_STEP": "say"]
        try left.run()
        try stage.history.cancel(stage.history.run(outer.id), at: 4)
        left.waitUntilExit()
        #expect(left.terminationStatus == SIGKILL)
        for id in [outer.id, inner.id, third.id] { #expect(try stage.history.run(id).state == "cancelled") }
        #expect(try stage.history.run(stranger.id).shownState == "interrupted")
        #expect(try stage.states(inner.id) == ["say 1 cancelled"])
        // It can be gone on with.
        equip(stage)
        #expect(try stage.runner.resume(stage.history.run(outer.id)).state == "success")
        #expect(try stage.history.run(inner.id).state == "success")
    }

    /// What the outer step hides stays hidden inside.
    @Test func theInnerRunHidesWhatTheOuterOneDoes() throws {
        let stage = try Stage(
            "steps:\n  go: {workflow: child, params: {word: \"{{ env.TOKEN }}\"}}\n",
            ["child.yaml": "name: child\nparams: {word: x}\nsteps: {say: {sh: \"echo {{ params.word }}\"}}\n"])
        equip(stage)
        stage.environment["TOKEN"] = "opensesame"
        #expect(try stage.runner.run(nil, trigger: .manual).state == "success")
        let child = try #require(try stage.history.runs(of: "child").first)
        #expect(stage.logs.lastLines(1, of: child.id, "say", attempt: 1).first?.hasSuffix(" ***") == true)
        #expect(try stage.history.attempts(of: child.id).first?.outputs["output"] == "***")
    }

    @Test func writesAReport() throws {
        let stage = try Stage(
            """
            steps:
              page: {report: "out/{{ run.id }}.html", by: year, period: "2024"}
            """)
        stage.equip = { $0.report = { by, period, _ in "<p>\(by ?? "") \(period ?? "")</p>" + "é" } }
        let result = try stage.runner.run(nil, trigger: .manual)
        let page = try String(contentsOfFile: stage.folder("out/\(result.run.id).html"), encoding: .utf8)
        #expect(page == "<p>year 2024</p>é")
        let bytes = try stage.history.attempts(of: result.run.id).first { $0.step == "page" }?.outputs["bytes"]
        #expect(bytes == "18")
    }

    @Test func waitsForRecordsOfATopic() throws {
        let stage = try Stage("steps:\n  a: {wait: {topic: trips, offset: 3}}\n")
        let count = Counter()
        stage.equip = { $0.records = { topic in topic == "trips" ? count.next() : 0 } }
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        #expect(count.value.withLock { $0 } == 3)
    }

    private final class Counter: Sendable {
        let value = Mutex<Int64>(0)
        func next() -> Int64 {
            value.withLock {
                $0 += 1
                return $0
            }
        }
    }

    @Test func aFeatureThatNobodyBroughtIsAFailure() throws {
        let stage = try Stage(
            "steps:\n  a: {report: r.html}\n  b: {wait: {topic: t, offset: 1}}\n  c: {workflow: child}\n",
            ["child.yaml": "name: child\nsteps: {say: {sh: ls}}\n"])
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(try stage.states(result.run.id) == ["a 1 failed", "b 1 failed", "c 1 failed"])
        let errors = try stage.history.attempts(of: result.run.id).compactMap(\.error).sorted()
        #expect(
            errors == [
                "nobody here can run a workflow", "nobody here can wait for a topic", "nobody here can write a report",
            ])
    }
}

/// `ml: NAME` alone: a model of ml.yaml.
@Suite struct ModelStepTests {
    @Test func asksTheModelAndGivesItsRows() throws {
        let stage = try Stage(
            """
            steps:
              go: {ml: demand}
              after: {sh: "echo {{ steps.go.rows }} > said", needs: [go]}
              away: {ml: nobody, allow_failure: true}
            """)
        stage.equip = { surroundings in
            surroundings.askModel = { name, _ in
                guard name == "demand" else { throw Problem(.unavailable, "nobody is there") }
                return 17
            }
        }
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        #expect(try String(contentsOfFile: stage.folder("said"), encoding: .utf8) == "17\n")
        let attempts = try stage.history.attempts(of: result.run.id)
        #expect(attempts.first { $0.step == "away" }?.error == "nobody is there")
    }
}
