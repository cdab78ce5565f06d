import CommandSupport
import Foundation
import SQLite
import ServerSupport
import Testing

/// A server that says a secret again, and a program that does: nothing that is written or shown holds it, in no form.
@Suite struct SecretEchoTests {
    private static let secret = "p@ss \"w\\ord\"/+ü&<key>\nof=several%lines, and long"

    private static func workflow(_ url: String) -> String {
        """
        name: echo
        on_failure: {notify: tell}
        steps:
          body: {http: {url: "\(url)/mirror/200", body: "{{ file:token }}"}}
          far: {http: {url: "\(url)/mirror-far/200", body: "{{ file:token }}"}}
          refused: {http: {url: "\(url)/mirror/500", body: "{{ file:token }}"}, allow_failure: true}
          moved: {http: {url: "\(url)/mirror/302", body: "{{ file:token }}"}, allow_failure: true}
          place: {http: {url: "http://127.0.0.1:1/{{ file:short }}/x?y={{ file:short }}"}, allow_failure: true}
          handed: {shell: [sh, -c, 'printf %s "$1"; printf %s "$1" >&2', sh, "{{ steps.body.body }}"], needs: [body]}
          said:
            shell: [sh, -c, 'head -c 65530 /dev/zero | tr "\\0" x; printf "%s\\n" "$KEY"; echo "$KEY" | base64; exit 3']
            env: {KEY: "{{ file:token }}"}
            allow_failure: true
          inner: {workflow: inner, needs: [said]}
          last: {shell: [sh, -c, 'echo "$KEY"; exit 4'], env: {KEY: "{{ file:token }}"}, needs: [inner]}
        """
    }

    /// In which a secret is looked for: each line of it, plain and as servers and programs write it.
    private static func forms() throws -> [String] {
        let lines = secret.split(separator: "\n").map(String.init)
        return try (lines + [secret]).flatMap { text -> [String] in
            let json = String(
                decoding: try JSONSerialization.data(withJSONObject: text, options: .fragmentsAllowed), as: UTF8.self)
            return [
                text, String(json.dropFirst().dropLast()),
                text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text,
                String(Data(text.utf8).base64EncodedString().prefix(12)),
            ]
        } + ["several%lines", "several%25lines", "opensesame"]
    }

    @Test func nothingThatIsKeptOrShownHoldsASecretThatWasSaidAgain() throws {
        let url = try TestServer.web().url
        let taxi = try WorkflowCommandTests.taxi([
            "echo.yaml": Self.workflow(url),
            "inner.yaml":
                "name: inner\nsteps:\n  a: {http: {url: \"\(url)/mirror/200\", body: \"{{ file:token }}\"}}\n",
            "workflows.yaml": "notify: {tell: {sh: 'echo \"$ERROR\"', env: {ERROR: \"{{ run.error }}\"}}}\n",
            "token": Self.secret + "\n", "short": "opensesame\n",
        ])
        let folder = "\(taxi.tenantFolder)/workflows"
        for name in ["token", "short"] { chmod("\(folder)/\(name)", 0o600) }
        let run = try taxi.run("workflow", "run", "echo")
        #expect(run.code == 1, "\(run.errors)")
        let states = try taxi.query("SELECT step, state FROM workflow_steps ORDER BY step").map {
            $0.map { $0.text ?? "" }
        }
        #expect(
            states.filter { $0[1] == "success" }.map { $0[0] } == ["a", "body", "far", "handed", "inner", "on_failure"])
        let id = try #require(try jsonObject(run.text)["run_id"] as? String)
        var shown = [run]
        for command in [["logs", id], ["show", "echo"], ["runs"], ["list"], ["retry", id]] {
            shown.append(try taxi.start(["workflow"] + command).wait())
        }
        shown.append(try taxi.run("show", "--sql", "SELECT * FROM stored_workflow_steps"))
        shown.append(try taxi.run("show", "--sql", "SELECT * FROM workflow_steps", "--format", "csv"))

        var kept: [(place: String, bytes: Data)] = shown.flatMap {
            [("stdout", $0.output), ("stderr", Data($0.errors.utf8))]
        }
        for case let name as String in try #require(FileManager.default.enumerator(atPath: taxi.tenantFolder))
        where !["workflows/token", "workflows/short"].contains(name) {
            if let bytes = FileManager.default.contents(atPath: "\(taxi.tenantFolder)/\(name)") {
                kept.append((name, bytes))
            }
        }
        #expect(kept.contains { $0.place.hasSuffix("handed.1.log") && $0.bytes.range(of: Data("***".utf8)) != nil })
        for (place, bytes) in kept {
            for form in try Self.forms() {
                #expect(bytes.range(of: Data(form.utf8)) == nil, "\(place) holds \(form)")
            }
        }
    }
}
