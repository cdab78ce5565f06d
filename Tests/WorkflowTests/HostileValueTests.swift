import TestSupport
import Database
import Foundation
import Problems
import SQLite
import Testing

@testable import Workflow

/// What parameters and outputs of steps can hold, and what becomes of it.
@Suite struct HostileValueTests {
    static let values = [
        "x' OR '1'='1", "x'; DROP TABLE kept; --", "\"", "a b", "$(touch pwned)", "`touch pwned`", "; touch pwned",
        "--help",
        "*", "\\", "%", "é😀", "{{ params.other }}", "", "-1", "1e3", "0x10",
    ]

    @Test(arguments: values) func aValueStaysOneWordAndOneValueOfSQL(_ value: String) throws {
        let stage = try Stage(
            """
            params: {name: none, other: no}
            steps:
              make: {sql: make.sql}
              word: {shell: [sh, -c, 'printf %s "$1" > word', sh, "{{ params.name }}"]}
              variable: {sh: 'printf %s "$NAME" > variable', env: {NAME: "{{ params.name }}"}}
              row: {wait: {sql: "SELECT 1 FROM kept WHERE name = '{{ params.name }}'"}, needs: [make], timeout: 20s}
              part: {wait: {sql: "SELECT 1 FROM kept WHERE name || 's' = ('{{ params.name }}s')"}, needs: [make], timeout: 20s}
            """, ["make.sql": "CREATE TABLE kept (name TEXT)"])
        try stage.database.connection.execute("CREATE TABLE given (name TEXT)")
        try stage.database.connection.execute("INSERT INTO given VALUES (?)", .text(value))
        try "CREATE TABLE kept AS SELECT name FROM given".write(
            toFile: stage.folder("make.sql"), atomically: true, encoding: .utf8)
        let result = try stage.runner.run(nil, trigger: .manual, params: ["name": value])
        let errors = try stage.history.attempts(of: result.run.id).compactMap(\.error)
        #expect(result.state == "success", "\(errors)")
        for file in ["word", "variable"] {
            #expect(try String(contentsOfFile: stage.folder(file), encoding: .utf8) == value)
        }
        #expect(!FileManager.default.fileExists(atPath: stage.folder("pwned")))
        #expect(try stage.database.connection.value("SELECT count(*) FROM kept")?.integer == 1)
    }

    @Test(arguments: [
        ("SELECT {{ params.v }} + 1", "41", SQLValue.integer(42)),
        ("SELECT typeof({{ params.v }})", "41", .text("integer")),
        ("SELECT typeof({{ params.v }})", "4.5", .text("real")),
        ("SELECT typeof({{ params.v }})", "41 ", .text("text")),
        ("SELECT typeof('{{ params.v }}')", "41", .text("text")),
        ("SELECT 'it''s ' || '{{ params.v }}'", "x'y", .text("it's x'y")),
        ("SELECT 'a{{ params.v }}''b{{ params.v }}c' = 'a-''b-c'", "-", .integer(1)),
        ("SELECT 'AB' = '{{ params.v }}b' COLLATE NOCASE", "a", .integer(1)),
        ("SELECT 1 -- {{ params.v }}\n", "x", .integer(1)),
        ("SELECT /* '{{ params.v }} */ '{{ params.v }}'", "x", .text("x")),
        ("SELECT 1 AS \"it's\" WHERE {{ params.v }} = 'x'", "x", .integer(1)),
        ("SELECT 3 LIMIT {{ params.v }}", "1", .integer(3)),
    ])
    func valuesAreBoundWhereverTheyStand(_ sql: String, _ value: String, _ expected: SQLValue) throws {
        let stage = try Stage("params: {v: ''}\nsteps: {a: {wait: {sql: \(Self.quoted(sql))}}}")
        guard case .row(let template)? = stage.spec.steps[0].action as? WaitStep else { return #expect(Bool(false)) }
        let log = try StepLog(path: stage.folder("log"), secrets: []) { "" }
        let attempt = StepAttempt(
            step: stage.spec.steps[0],
            values: TemplateValues(
                interval: nil, runID: nil, params: ["v": value], steps: [:], environment: [:]),
            surroundings: StepSurroundings(
                resultsPath: "", environment: [:], now: { 0 }, batch: { _, _, _, _ in 0 }), folder: "", log: log,
            isStopped: { false }, started: { _ in })
        let statement = try template.statement(on: stage.database.connection, attempt)
        #expect(try statement.step())
        #expect(statement.value(0) == expected)
    }

    @Test(arguments: [
        "SELECT 1 FROM t_{{ params.v }}", "SELECT \"{{ params.v }}\"", "SELECT 1 FROM [x{{ params.v }}]",
        "SELECT `{{ params.v }}`",
    ])
    func aValueIsNoName(_ sql: String) throws {
        let problem = #expect(throws: Problem.self) {
            try Stage("params: {v: ''}\nsteps: {a: {wait: {sql: \(Self.quoted(sql))}}}")
        }
        #expect(problem?.message == "a value is filled in here as a part of a name")
    }

    private static func quoted(_ text: String) -> String {
        String(decoding: (try? JSONEncoder().encode(text)) ?? Data(), as: UTF8.self)
            .replacingOccurrences(of: "\\/", with: "/")
    }

    @Test(arguments: [
        ("../x", true), ("a/../../x", true), ("..", true), ("./x", true), ("a..b", false), ("..a", false),
        ("deep/er/x", false),
    ])
    func aParameterDoesNotClimbOutOfTheFolder(_ value: String, _ isRefused: Bool) throws {
        // The last one becomes a ".." together with what stands in the file.
        let stage = try Stage(
            """
            params: {name: none}
            steps:
              page: {report: "out/{{ params.name }}/r.html"}
              dot: {report: "out/.{{ params.name }}/r.html", allow_failure: true}
              own: {report: "../\(UUID().uuidString)/r.html"}
            """)
        stage.equip = { $0.report = { _, _, _ in "page" } }
        let result = try stage.runner.run(nil, trigger: .manual, params: ["name": value])
        let attempts = try stage.history.attempts(of: result.run.id)
        let page = try #require(attempts.first { $0.step == "page" })
        #expect(page.state == (isRefused && value != "./x" ? .failed : .success))
        if page.state == .failed { #expect(page.error?.contains("has a \"..\" that was filled in") == true) }
        #expect((attempts.first { $0.step == "dot" }?.state == .failed) == (value == "./x" || value == "a/../../x"))
        #expect(attempts.first { $0.step == "own" }?.state == .success)
    }

    @Test(arguments: ["", " ", "us east", "evil.example/", "a:b", "US-EAST-1"])
    func aRegionIsARegion(_ region: String) throws {
        let step = "s3: {put: in, to: \"s3://bucket/key\", region: '\(region)'}"
        let problem = #expect(throws: Problem.self) { try Stage("steps: {a: {\(step)}}") }
        #expect(problem?.message.hasPrefix("expected a region, found") == true)
        let stage = try Stage(
            "params: {r: x}\nsteps: {a: {s3: {put: in, to: \"s3://bucket/key\", region: '{{ params.r }}'}}}", ["in": ""]
        )
        stage.environment.merge(["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"]) { $1 }
        let result = try stage.runner.run(nil, trigger: .manual, params: ["r": region])
        let error = try stage.history.attempts(of: result.run.id).first?.error
        #expect(
            error?.hasPrefix(region.isEmpty ? "the region is empty" : "\"\(region)\" is no region") == true,
            "\(error ?? "")")
    }

    // MARK: SNS

    @Test(arguments: [
        ("short", nil as String?), ("über", "a subject of SNS is ASCII text, which \"ü\" is not"),
        ("a\\nb", "a subject of SNS has no line breaks or control characters"), ("", "the subject is empty"),
        (" a", "a subject of SNS begins with a letter, a number or a punctuation mark"),
        (String(repeating: "x", count: 99), nil),
        (String(repeating: "x", count: 100), "a subject of SNS has fewer than 100 characters, this one 100"),
        (
            "{{ run.id }}" + String(repeating: "x", count: 100),
            "a subject of SNS has fewer than 100 characters, this one 100"
        ),
        ("{{ run.id }} ok", nil),
    ])
    func aSubjectThatSNSDoesNotTakeIsRefusedWhenItIsRead(_ subject: String, _ expected: String?) throws {
        let text = "steps: {a: {sns: {topic: \"arn:aws:sns:us-east-1:1:t\", message: m, subject: \"\(subject)\"}}}"
        guard let expected else {
            _ = try Stage(text)
            return
        }
        let problem = #expect(throws: Problem.self) { try Stage(text) }
        #expect(problem?.message == expected)
    }

    @Test func whatIsFilledInIsMadeFitForSNSAndTheLogSaysSo() throws {
        let folder = try TemporaryFolder()
        let log = try StepLog(path: folder("log"), secrets: []) { "" }
        #expect(try SNSText.subject("fine", log) == "fine")
        #expect(try String(contentsOfFile: folder("log"), encoding: .utf8).isEmpty)
        #expect(try SNSText.subject(" \r\nfailed:\nno\u{7}\tü", log) == "failed: no  ?")
        let long = try SNSText.subject(String(repeating: "y", count: 300), log)
        #expect(long == String(repeating: "y", count: 96) + "...")
        #expect(throws: Problem.self) { try SNSText.subject("\n\n", log) }
        #expect(throws: Problem.self) { try SNSText.message("", log) }
        let message = try SNSText.message(String(repeating: "é", count: 200_000), log)
        #expect(message.utf8.count <= 262_144 && message.utf8.count > 262_100)
        #expect(message.hasSuffix("é\n… shortened, of 400000 bytes"))
        let written = try String(contentsOfFile: folder("log"), encoding: .utf8)
        for part in ["were replaced", "shortened from 300 to 99", "shortened from 400000 to 262144 bytes"] {
            #expect(written.contains(part))
        }
    }

    @Test func aSecretFileIsNoParameterOfAnotherWorkflow() throws {
        let problem = #expect(throws: Problem.self) {
            try Stage(
                "steps: {a: {workflow: inner, params: {t: \"{{ file:token }}\"}}}",
                ["inner.yaml": "name: inner\nparams: {t: x}\nsteps: {s: {sh: ls}}\n"])
        }
        #expect(problem?.message == "a secret cannot be a parameter, which is written into the history")
    }
}
