import TestSupport
import Database
import Foundation
import Problems
import SQLite
import ServerSupport
import Synchronization
import Testing

@testable import Workflow

/// Whatever a step does, its timeout ends it, and so does whoever stops the run.
@Suite struct StepEndTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// The step, with URL for that of the test server.
        var step: String
    }

    /// A query that takes hours.
    private static let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"

    static let kinds = [
        Kind(testDescription: "a program that waits", step: "sh: sleep 600"),
        Kind(
            testDescription: "a program that ignores SIGTERM", step: "sh: \"trap '' TERM; while :; do sleep 0.1; done\""
        ),
        Kind(testDescription: "children of a program", step: "sh: \"sleep 600 & sleep 600 & wait\""),
        Kind(testDescription: "a child that has left the group", step: "sh: \"setsid sleep 600 & wait\""),
        Kind(testDescription: "a child that fills the pipe", step: "sh: \"(trap '' TERM; yes) & sleep 600\""),
        Kind(testDescription: "a program that writes for ever", step: "shell: [\"yes\"]"),
        Kind(testDescription: "an answer that never comes", step: "http: URL/never"),
        Kind(testDescription: "an answer that never ends", step: "http: URL/drip"),
        Kind(testDescription: "a query", step: "sql: endless.sql"),
        Kind(testDescription: "a row that never comes", step: "wait: {sql: \"SELECT 1 WHERE 0\"}"),
        Kind(testDescription: "a query for a row", step: "wait: {sql: \"\(endless)\"}"),
        Kind(testDescription: "a file that never comes", step: "wait: {file: never}"),
        Kind(testDescription: "records that never come", step: "wait: {topic: t, offset: 9}"),
        Kind(testDescription: "rows for a model", step: "ml: m\n    url: URL/predict\n    sql: \"\(endless)\""),
        Kind(testDescription: "a model", step: "ml: m\n    url: URL/never\n    sql: SELECT 1"),
        Kind(testDescription: "analytics", step: "batch: fare-trend"),
        Kind(testDescription: "a report", step: "report: r.html"),
        Kind(testDescription: "an upload", step: "s3: {put: plain, to: \"s3://bucket/key\", endpoint: \"URL/never\"}"),
        Kind(
            testDescription: "a notice",
            step: "sns: {topic: \"arn:aws:sns:us-east-1:1:t\", message: m, endpoint: \"URL/never\"}"),
        Kind(testDescription: "another workflow", step: "workflow: inner"),
    ]

    private func stage(_ kind: Kind, timeout: String?) throws -> Stage {
        let url = try TestServer.web().url
        let step = kind.step.replacingOccurrences(of: "URL", with: url)
        let stage = try Stage(
            "steps:\n  a:\n    \(step)\n" + (timeout.map { "    timeout: \($0)\n" } ?? ""),
            [
                "endless.sql": "CREATE TABLE kept AS \(Self.endless)", "plain": "text",
                "inner.yaml": "name: inner\nsteps: {s: {sh: \"trap '' TERM; while :; do sleep 0.1; done\"}}\n",
            ])
        stage.environment.merge(["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"]) { $1 }
        let (folder, logs, path) = (stage.folder, stage.logs, stage.folder("results.db"))
        stage.equip = { surroundings in
            // As the features do it: their statements are watched over.
            @Sendable func run(_ interruption: StepInterruption) throws {
                let connection = try Connection(path: path)
                interruption.watch(connection)
                try connection.execute(Self.endless)
            }
            surroundings.batch = { _, _, _, interruption in
                try run(interruption)
                return 0
            }
            surroundings.report = { _, _, interruption in
                try run(interruption)
                return ""
            }
            surroundings.records = { _ in 0 }
            surroundings.openWorkflow = { name in
                let spec = try WorkflowSpec.load(path: folder("\(name).yaml"), zone: "America/Chicago")
                return (spec, try RunHistory(ResultsDatabase(path: path)), logs)
            }
        }
        return stage
    }

    @Test(arguments: kinds) func aTimeoutEndsIt(_ kind: Kind) throws {
        let stage = try stage(kind, timeout: "300ms")
        let start = ContinuousClock.now
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "failed")
        #expect(try stage.history.attempts(of: result.run.id).map(\.error) == ["took longer than 300 ms"])
        // Five seconds for a program that has not heard; the machine may be busy.
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(try leftProcesses(of: result.run.id).isEmpty)
    }

    @Test(arguments: kinds) func stoppingEndsIt(_ kind: Kind) throws {
        let stage = try stage(kind, timeout: nil)
        stage.isInterrupted = { true }
        let start = ContinuousClock.now
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "cancelled")
        #expect(try stage.states(result.run.id) == ["a 1 cancelled"])
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(try leftProcesses(of: result.run.id).isEmpty)
    }

    /// What a program has left in the background outlives it, but not its step's log.
    @Test func aProgramThatHasEndedIsNotWaitedForBecauseOfAChildThatWrites() throws {
        let stage = try Stage("steps:\n  a: {sh: \"yes 2>/dev/null & echo done\"}")
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
    }

    @Test(arguments: ["pipe", "/dev/zero", "folder", "gone"])
    func onlyAPlainFileIsPut(_ name: String) throws {
        let url = try TestServer.web().url
        let stage = try Stage(
            "steps:\n  a: {s3: {put: \(name), to: \"s3://bucket/key\", endpoint: \"\(url)\"}, timeout: 20s}")
        stage.environment.merge(["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"]) { $1 }
        mkfifo(stage.folder("pipe"), 0o600)
        try FileManager.default.createDirectory(atPath: stage.folder("folder"), withIntermediateDirectories: false)
        let result = try stage.runner.run(nil, trigger: .manual)
        let error = try #require(try stage.history.attempts(of: result.run.id).first?.error)
        let path = name.hasPrefix("/") ? name : stage.folder(name)
        let expected = [
            "pipe": "cannot send \"\(path)\": it is a pipe, not a plain file",
            "/dev/zero": "cannot send \"\(path)\": it is a device, not a plain file",
            "folder": "cannot send \"\(path)\": it is a folder, not a plain file",
            "gone": "cannot read \"\(path)\": no such file or directory",
        ]
        #expect(error.hasPrefix(expected[name] ?? "?"), "\(error)")
    }

    /// A rename would put a file where they were.
    @Test func whatIsNoPlainFileIsNotReplaced() throws {
        let url = try TestServer.web().url
        let stage = try Stage(
            """
            steps:
              get: {s3: {get: "s3://echo/key", to: pipe, endpoint: "\(url)"}}
              page: {report: pipe}
              secret: {sh: "true", env: {A: "{{ file:pipe }}"}}
            """)
        stage.environment.merge(["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"]) { $1 }
        stage.equip = { $0.report = { _, _, _ in "page" } }
        mkfifo(stage.folder("pipe"), 0o600)
        let result = try stage.runner.run(nil, trigger: .manual)
        var errors: [String: String] = [:]
        for attempt in try stage.history.attempts(of: result.run.id) { errors[attempt.step] = attempt.error }
        let pipe = stage.folder("pipe")
        #expect(errors["get"] == "cannot write \"\(pipe)\": it is a pipe, not a plain file (Name a file.)")
        #expect(errors["page"] == "cannot write \"\(pipe)\": it is a pipe, not a plain file (Name a file.)")
        #expect(errors["secret"] == "\"\(pipe)\" is no file that could hold a secret")
        var status = stat()
        #expect(lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    }

    private func leftProcesses(of runID: String) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { pid in
            FileManager.default.contents(atPath: "/proc/\(pid)/environ")?.range(of: Data("TAXI_RUN=\(runID)".utf8))
                != nil
        }
    }
}
