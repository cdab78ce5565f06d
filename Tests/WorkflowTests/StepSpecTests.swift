import TestSupport
import Foundation
import Problems
import Testing

@testable import Workflow

/// What each kind of step takes, and what is said where a file gives something else.
@Suite struct StepSpecTests {
    @Test func readsEveryKind() throws {
        let folder = try TemporaryFolder()
        try "name: other\nsteps: {a: {sh: ls}}\n".write(
            toFile: folder("other.yaml"), atomically: true, encoding: .utf8)
        let spec = try load(
            """
            name: all
            params: {p: 1}
            steps:
              a: {http: "https://host/{{ params.p }}"}
              b: {http: {url: "https://host", method: PUT, body: b, expect: [200, 404], headers: {Cookie: "{{ env.C }}"}}}
              c: {s3: {put: f, to: "s3://bucket/a/{{ steps.a.status }}"}, needs: [a]}
              d: {s3: {get: "s3://bucket/k", to: f, region: auto, endpoint: "http://host:9000"}}
              e: {sns: {topic: "{{ env.T }}", message: m}}
              f: {ml: demand, url: "http://host", sql: SELECT 1}
              g: {report: "out/{{ params.p }}.html", by: year, period: last}
              h: {workflow: other, params: {x: "{{ steps.f.rows }}"}, needs: [f]}
              i: {wait: {topic: ingestData, offset: 5}}
              j: {batch: extract, period: last}
            """, in: folder)
        // A variable alone may be written as a shell has it; a program's argument means what it says.
        let short = try load(
            "name: s\nsteps: {a: {sns: {topic: $T, message: $_m1}}, b: {shell: [echo, $T]}, c: {wait: {file: $9}}}",
            in: folder)
        let written = short.steps.map { "\($0.action.templates.map(\.source))" }.sorted()
        #expect(written == [#"["$9"]"#, #"["echo", "$T"]"#, #"["{{ env.T }}", "{{ env._m1 }}"]"#])
        // In an order in which each comes after those that it needs.
        let kinds = spec.steps.map { "\($0.name) \($0.action.kind)" }.sorted()
        #expect(
            kinds == [
                "a http", "b http", "c s3", "d s3", "e sns", "f ml", "g report", "h workflow", "i wait", "j batch",
            ])
    }

    /// What is written out is checked before a run; what a run fills in, by the run.
    @Test func urlsAreCheckedAsFarAsTheyAreKnown() throws {
        let folder = try TemporaryFolder()
        _ = try load(
            """
            name: all
            params: {host: h, url: u}
            steps:
              a: {http: "{{ params.url }}"}
              b: {http: "http{{ params.host }}"}
              c: {http: "https://{{ params.host }}:80"}
            """, in: folder)
        let problem = #expect(throws: Problem.self) {
            try load(
                """
                name: all
                params: {host: h}
                steps:
                  a: {http: "ftp://host"}
                  b: {http: {url: "host/{{ params.host }}"}}
                  c: {http: {url: "http://host", expect: []}}
                  d: {ml: demand, url: "http:/host", sql: SELECT 1}
                """, in: folder)
        }
        let found = [try #require(problem)] + (problem?.others ?? [])
        let places = found.compactMap(\.location).map { "\($0.line):\($0.column)" }
        #expect(places == ["4:13", "5:19", "6:42", "7:24"])
    }

    @Test func tellsEveryMistakeWithItsPlace() throws {
        let folder = try TemporaryFolder()
        try "name: other\nsteps: {a: {sh: ls}}\n".write(
            toFile: folder("other.yaml"), atomically: true, encoding: .utf8)
        let problem = #expect(throws: Problem.self) {
            try load(
                """
                name: all
                steps:
                  a: {http: {ulr: "https://host", method: GTE}}
                  b: {http: {url: "https://host", expect: 99, headers: {Authorization: Bearer hush}}}
                  c: {s3: {put: f, to: "bucket/key"}}
                  d: {s3: {put: f, get: "s3://bucket/key", to: "s3://bucket/key"}}
                  e: {s3: {get: "s3://bucket/key", to: f, content_type: text/plain}}
                  f: {sns: {topic: ops, message: m}}
                  g: {ml: demand, sql: SELECT 1}
                  h: {report: r.html, by: week}
                  i: {workflow: othr}
                  j: {workflow: all}
                  k: {wait: {topic: t}}
                  l: {sh: ls, url: "http://host"}
                  m: {http: "{{ steps.a.stauts }}", needs: [a]}
                  n: {sh: ls, http: "http://host"}
                  o: {htp: "http://host"}
                  p: {ml: a b, url: u, sql: "{{ params.x }}"}
                """, in: folder)
        }
        let found = [try #require(problem)] + (problem?.others ?? [])
        let lines = found.map { "\($0.location?.line ?? 0):\($0.location?.column ?? 0) \($0.message)" }
        #expect(
            lines == [
                "3:13 key \"url\" is missing",
                "3:14 unknown key \"ulr\" of a step with http",
                "3:43 unknown method \"GTE\"",
                "4:43 99 is out of range: 100 to 599",
                "4:72 a secret stands in the file",
                "5:24 expected an object, found text \"bucket/key\"",
                "6:25 an s3 step either puts or gets",
                "7:57 \"content_type\" is of an object that is put",
                "8:20 expected the ARN of a topic, found \"ops\"",
                "9:6 key \"url\" is missing",
                "10:27 unknown kind of period \"week\"",
                "11:17 there is no workflow \"othr\" in this folder",
                "12:17 workflows run each other in a circle: all runs all",
                "13:13 key \"offset\" is missing",
                "14:15 \"url\" belongs to a step with ml",
                "16:15 a step does one thing: \"sh\" is given already",
                "17:3 step \"o\" does nothing",
                "17:7 unknown key \"htp\" of a step",
                "18:11 \"a b\" cannot name a model",
                "18:33 there is no parameter \"x\"",
            ])
        #expect(found.first { $0.message.contains("othr") }?.hint == "Did you mean \"other\"?")
        #expect(found.first { $0.message.contains("htp") }?.hint?.hasPrefix("Did you mean \"http\"?") == true)
        #expect(found.first { $0.message.contains("ulr") }?.hint?.hasPrefix("Did you mean \"url\"?") == true)
    }

    /// A circle over files: each is refused, whichever is read.
    @Test(arguments: ["a", "b", "c"]) func refusesACircleOfWorkflows(_ name: String) throws {
        let folder = try TemporaryFolder()
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
            try "name: \(from)\nsteps: {go: {workflow: \(to)}}\n".write(
                toFile: folder("\(from).yaml"), atomically: true, encoding: .utf8)
        }
        let problem = #expect(throws: Problem.self) {
            try WorkflowSpec.load(path: folder("\(name).yaml"), zone: "America/Chicago")
        }
        let circle = ["a": "a runs b runs c runs a", "b": "b runs c runs a runs b", "c": "c runs a runs b runs c"]
        #expect(problem?.message == "workflows run each other in a circle: \(circle[name] ?? "")")
        #expect(problem?.location?.line == 2)
    }
}
