import TestSupport
import Foundation
import ServerSupport
import Testing

@testable import Workflow

/// Against moto, behind a check of each signature by botocore.
@Suite(.enabled(if: TestServer.hasAWS)) struct AWSStepTests {
    private let server: TestServer
    private let environment: [String: String]
    private static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    init() throws {
        server = try TestServer.aws(key: "AKIDEXAMPLE", secret: Self.secret)
        environment = [
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": Self.secret, "AWS_ENDPOINT_URL": server.url,
        ]
    }

    private func stage(_ text: String, _ files: [String: String] = [:]) throws -> Stage {
        let stage = try Stage(text, files)
        stage.environment.merge(environment) { $1 }
        return stage
    }

    @Test(arguments: ["a.csv", "2024-01/a b+c%d.csv", "ü/../é~.csv", "deep/er/x=1&y.csv"])
    func putsAndGetsAnyKey(_ key: String) throws {
        let bucket = "b\(UUID().uuidString.lowercased().prefix(8))"
        let content = String(repeating: "zeile ü\n", count: 300_000)
        let stage = try stage(
            """
            params: {key: '\(key)'}
            steps:
              put: {s3: {put: in.csv, to: "s3://\(bucket)/{{ params.key }}"}}
              get: {s3: {get: "s3://\(bucket)/{{ params.key }}", to: out.csv}, needs: [put]}
              same: {sh: "test {{ steps.put.bytes }} = {{ steps.get.bytes }} && test {{ steps.put.etag }} = {{ steps.get.etag }} && cmp in.csv out.csv", needs: [get, put]}
            """, ["in.csv": content])
        _ = try server.ask("PUT", "/\(bucket)", service: "s3")
        let result = try stage.runner.run(nil, trigger: .manual)
        let errors = try stage.history.attempts(of: result.run.id).compactMap(\.error)
        #expect(result.state == "success", "\(errors)")
        let logs = ["put", "get"].flatMap { stage.logs.lastLines(99, of: result.run.id, $0, attempt: 1) }
        #expect(logs.contains { $0.contains("\(content.utf8.count) bytes") })
        #expect(!logs.contains { $0.contains(Self.secret) })
    }

    @Test func publishesAMessage() throws {
        let stage = try stage(
            """
            steps:
              tell: {sns: {topic: "arn:aws:sns:eu-west-1:123456789012:ops", message: "Fares: {{ run.id }} & ü + 100%\\nnext", subject: "a b"}}
              keep: {sh: "test -n {{ steps.tell.message_id }}", needs: [tell]}
            """)
        _ = try server.ask("POST", "/?Action=CreateTopic&Name=ops", service: "sns", region: "eu-west-1")
        let result = try stage.runner.run(nil, trigger: .manual)
        let errors = try stage.history.attempts(of: result.run.id).compactMap(\.error)
        #expect(result.state == "success", "\(errors)")
        let sent = try JSONDecoder().decode([[String]].self, from: Data(server.ask("GET", "/messages").utf8))
        #expect(sent == [["a b", "Fares: \(result.run.id) & ü + 100%\nnext"]])
    }

    @Test func saysWhyItWasRefused() throws {
        let stage = try stage(
            """
            steps:
              bucket: {s3: {put: in, to: "s3://nowhere/a"}, allow_failure: true}
              object: {s3: {get: "s3://nowhere/a", to: out}, allow_failure: true}
              file: {s3: {put: none, to: "s3://nowhere/a"}, allow_failure: true}
              keys: {s3: {put: in, to: "s3://nowhere/a"}, env: {AWS_SECRET_ACCESS_KEY: ""}, allow_failure: true}
              wrong: {s3: {put: in, to: "s3://nowhere/a"}, env: {AWS_SECRET_ACCESS_KEY: "{{ file:key }}"}, allow_failure: true}
              topic: {sns: {topic: "arn:aws:sns:us-east-1:123456789012:none", message: m}, allow_failure: true}
              token: {s3: {put: in, to: "s3://nowhere/a"}, env: {AWS_SESSION_TOKEN: tkn}, allow_failure: true}
            """, ["in": "x", "key": "another"])
        chmod(stage.folder("key"), 0o600)
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(result.state == "success")
        var errors: [String: String] = [:]
        for attempt in try stage.history.attempts(of: result.run.id) { errors[attempt.step] = attempt.error }
        #expect(errors["bucket"]?.hasPrefix("S3 refused to put s3://nowhere/a: NoSuchBucket: ") == true)
        #expect(errors["object"]?.hasPrefix("S3 refused to get s3://nowhere/a: NoSuchBucket: ") == true)
        #expect(errors["file"] == "cannot read \"\(stage.folder("none"))\": no such file or directory")
        #expect(errors["keys"]?.hasPrefix("no keys for s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") == true)
        #expect(errors["wrong"]?.contains("SignatureDoesNotMatch") == true)
        #expect(
            errors["topic"]?.hasPrefix("SNS refused the message to arn:aws:sns:us-east-1:123456789012:none: ") == true)
        // Signed with a token that this server does not want, which is no fault of the signature.
        #expect(errors["token"]?.contains("NoSuchBucket") == true)
    }

    /// Keys that expire: the token is part of what is signed.
    @Test func signsTheSessionToken() throws {
        let server = try TestServer.aws(key: "ASIAEXAMPLE", secret: Self.secret, token: "to/ken+1==")
        let stage = try Stage(
            "steps:\n  a: {s3: {put: in, to: \"s3://nowhere/a\", endpoint: \"\(server.url)/\", region: eu-west-1}}",
            ["in": "x"])
        stage.environment.merge([
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": Self.secret, "AWS_SESSION_TOKEN": "to/ken+1==",
        ]) { $1 }
        let result = try stage.runner.run(nil, trigger: .manual)
        #expect(try stage.history.attempts(of: result.run.id).first?.error?.contains("NoSuchBucket") == true)
    }
}
