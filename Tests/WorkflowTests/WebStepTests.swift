import TestSupport
import Database
import Foundation
import Problems
import SQLite
import ServerSupport
import Synchronization
import Testing

@testable import Workflow

@Suite struct WebStepTests {
    private let url: String

    init() throws { url = try TestServer.web().url }

    @Test func asksAndHandsTheAnswerOn() throws {
        let stage = try Stage(
            """
            params: {name: x}
            steps:
              get: {http: "\(url)/status/200"}
              post:
                http:
                  url: "\(url)/echo/{{ params.name }}"
                  headers: {X-Run: "{{ run.id }}", Authorization: "Bearer {{ env.TOKEN }}"}
                  body: '{"status": {{ steps.get.status }}}'
                needs: [get]
              seen: {http: {url: "\(url)/bearer/hush", headers: {Authorization: "Bearer {{ env.TOKEN }}"}}}
              odd: {http: {url: "\(url)/status/418", expect: [418, 200]}}
              keep: {shell: [sh, -c, 'echo "$1" > answer', sh, "{{ steps.post.body }}"], needs: [post]}
            """)
        stage.environment["TOKEN"] = "hush"
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        let text = try String(contentsOfFile: stage.folder("answer"), encoding: .utf8)
        let answer = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(answer["method"] as? String == "POST")
        #expect(answer["path"] as? String == "/echo/x")
        #expect(answer["body"] as? String == "{\"status\": 200}")
        // The server has it and says it again; what it says is kept without it.
        #expect((answer["headers"] as? [String: String])?["authorization"] == "Bearer ***")
        #expect((answer["headers"] as? [String: String])?["x-run"] == result.run.id)
        let log = stage.logs.lastLines(9, of: result.run.id, "post", attempt: 1).joined(separator: "\n")
        #expect(log.contains("POST \(url)/echo/x"))
        #expect(!log.contains("hush"))
    }

    @Test func aRefusalIsAFailureAndIsTriedAgain() throws {
        let name = UUID().uuidString
        let stage = try Stage(
            """
            steps:
              flaky: {http: "\(url)/flaky/\(name)", retries: 3, backoff: 1ms}
              gone: {http: "\(url)/status/404", allow_failure: true}
              away: {http: "http://127.0.0.1:1/", allow_failure: true}
            """)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        #expect(
            try stage.states(result.run.id) == [
                "away 1 failed", "flaky 1 failed", "flaky 2 failed", "flaky 3 success", "gone 1 failed",
            ])
        let attempts = try stage.history.attempts(of: result.run.id)
        #expect(attempts.first { $0.step == "gone" }?.error == "answered with status 404: status 404")
        #expect(
            attempts.first { $0.step == "away" }?.error?.hasPrefix("could not connect to http://127.0.0.1:1/") == true)
    }

    @Test func timeoutAndCancelEndARequest() throws {
        let stage = try Stage("steps:\n  a: {http: \"\(url)/never\", timeout: 5ms}")
        let late = try stage.runner.run(nil, trigger: .manual)
        #expect(try stage.history.attempts(of: late.run.id).first?.error == "took longer than 5 ms")
        let other = try Stage("steps:\n  a: {http: \"\(url)/never\"}")
        other.isInterrupted = { true }
        let cancelled = try other.runner.run(nil, trigger: .manual)
        #expect(try other.states(cancelled.run.id) == ["a 1 cancelled"])
    }

    /// A secret of a file goes where it is meant to and nowhere else.
    @Test func takesSecretsFromFiles() throws {
        let stage = try Stage(
            """
            steps:
              a: {http: {url: "\(url)/echo", headers: {Authorization: "Bearer {{ file:token }}"}}}
              b: {sh: "echo got $KEY", env: {KEY: "{{ file:token }}"}}
              c: {sh: "true", env: {KEY: "{{ file:open }}"}, allow_failure: true}
              d: {sh: "true", env: {KEY: "{{ file:none }}"}, allow_failure: true}
            """, ["token": "hush hush\n", "open": "x"])
        chmod(stage.folder("token"), 0o600)
        chmod(stage.folder("open"), 0o644)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        let attempts = try stage.history.attempts(of: result.run.id)
        #expect(attempts.first { $0.step == "a" }?.outputs["body"]?.contains("Bearer ***\"") == true)
        #expect(
            stage.logs.lastLines(1, of: result.run.id, "b", attempt: 1).first?.hasSuffix(" got ***") == true)
        #expect(
            attempts.first { $0.step == "c" }?.error
                == "others may read the secret in \"\(stage.folder("open"))\" (mode 644) (Run: chmod 600 \(stage.folder("open")))"
        )
        #expect(attempts.first { $0.step == "d" }?.error?.hasPrefix("cannot read the secret in") == true)
    }

    @Test func asksAModelAndKeepsItsAnswer() throws {
        let stage = try Stage(
            """
            steps:
              score:
                ml: demand
                url: "\(url)/predict"
                sql: SELECT 8 AS area, 3 AS trips, 1.5 AS miles, NULL AS company UNION ALL SELECT 32, 5, 2.5, 'a "b"'
              wrong: {ml: demand, url: "\(url)/echo", sql: SELECT 1 AS trips, allow_failure: true}
              none: {ml: demand, url: "\(url)/predict", sql: SELEKT, allow_failure: true}
              count: {sh: "test {{ steps.score.rows }} = 2", needs: [score]}
            """)
        let sent = Sent()
        stage.equip = { $0.appendRecords = { suffix, records, time in sent.add(suffix, records, time) } }
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        let answers = [
            #"{"area":8,"company":null,"demand":6,"miles":1.5,"model":"demand","trips":3}"#,
            #"{"area":32,"company":"a \"b\"","demand":10,"miles":2.5,"model":"demand","trips":5}"#,
        ]
        let rows = try stage.database.connection.rows("SELECT model, result FROM ml_results ORDER BY position") {
            [$0.text(0), $0.text(1)]
        }
        #expect(rows == answers.map { ["demand", $0] })
        let id = result.run.id
        #expect(sent.list.withLock { $0 } == ["mlResults", "\(id)/score/0", answers[0], "\(id)/score/1", answers[1]])
        let attempts = try stage.history.attempts(of: id)
        #expect(
            attempts.first { $0.step == "wrong" }?.error?.hasPrefix("the answer of \(url)/echo holds no results")
                == true)
        #expect(attempts.first { $0.step == "none" }?.error?.contains("SELEKT") == true)

        // Again: its rows are replaced.
        _ = try stage.runner.resume(try stage.history.run(id), all: true)
        #expect(try stage.database.connection.value("SELECT count(*) FROM ml_results")?.integer == 2)
    }

    private final class Sent: Sendable {
        let list = Mutex<[String]>([])
        func add(_ suffix: String, _ records: [(key: String, value: String)], _ time: Int64) {
            list.withLock { $0 += [suffix] + records.flatMap { [$0.key, $0.value] } }
        }
    }
}
