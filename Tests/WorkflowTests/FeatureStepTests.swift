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

    @Test func writesAReport() throws {
        let stage = try Stage(
            """
            steps:
              page: {report: "out/{{ run.id }}.html", by: year, period: "2024"}
            """)
        stage.equip = { $0.report = { by, period in "<p>\(by ?? "") \(period ?? "")</p>" + "é" } }
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
