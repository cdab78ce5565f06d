import Problems
import Testing
import YAML

@Suite struct YAMLValuesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String { "\(yaml) as \(expected)" }
        var yaml: String
        var expected: String
        var read: @Sendable (YAMLNode) throws(Problem) -> Void
    }

    @Test(arguments: [
        Case(yaml: "a: x", expected: "a whole number, found \"x\"") { n throws(Problem) in _ = try n.integer() },
        Case(yaml: "a: '5'", expected: "a whole number, found text \"5\"") { n throws(Problem) in _ = try n.integer() },
        Case(yaml: "a: 5.5", expected: "a whole number, found \"5.5\"") { n throws(Problem) in _ = try n.integer() },
        Case(yaml: "a: nan", expected: "a number, found \"nan\"") { n throws(Problem) in _ = try n.number() },
        Case(yaml: "a: yes", expected: "true or false, found \"yes\"") { n throws(Problem) in _ = try n.boolean() },
        Case(yaml: "a:", expected: "text, found nothing") { n throws(Problem) in _ = try n.text() },
        Case(yaml: "a: [1]", expected: "text, found a list") { n throws(Problem) in _ = try n.text() },
        Case(yaml: "a: {b: 1}", expected: "a list, found a mapping") { n throws(Problem) in _ = try n.items() },
        Case(yaml: "a: 1", expected: "a mapping of keys to values, found \"1\"") { n throws(Problem) in
            _ = try n.entries()
        },
        Case(yaml: "a: 5 s", expected: "a length of time, found \"5 s\"") { n throws(Problem) in _ = try n.duration() },
        Case(yaml: "a: 0s", expected: "a length of time, found \"0s\"") { n throws(Problem) in _ = try n.duration() },
    ])
    func saysWhatItExpected(_ c: Case) throws {
        let node = try #require(try YAMLNode.parse(c.yaml, file: "f")["a"])
        let problem = #expect(throws: Problem.self) { try c.read(node) }
        #expect(problem?.message == "expected \(c.expected)")
        #expect(problem?.code == .configuration)
    }

    @Test func readsWhatIsThere() throws {
        let root = try YAMLNode.parse("{i: -7, n: 1.5e3, t: true, d: 1h30m, s: \"5\", e: ''}", file: "f")
        #expect(try root.required("i").integer() == -7)
        #expect(try root.required("n").number() == 1500)
        #expect(try root.required("t").boolean())
        #expect(try root.required("d").duration() == .seconds(5400))
        #expect(try root.required("s").text() == "5")
        #expect(try root.required("e").text() == "")
        #expect(throws: Problem.self) { try root.required("nothing") }
        #expect(throws: Problem.self) { try root.required("i").integer(in: 0...5) }
    }

    @Test func collectsAllUnknownKeys() throws {
        let root = try YAMLNode.parse("nme: x\ngroup: y\nwindw: z\n", file: "f")
        let problem = #expect(throws: Problem.self) {
            try root.requireOnly(keys: ["name", "group", "window"], of: "query")
        }
        #expect(problem?.message == "unknown key \"nme\" of a query")
        #expect(problem?.hint?.contains("\"name\"") == true)
        #expect(problem?.others.map(\.location?.line) == [3])
    }

    @Test(arguments: [
        ("a: abc def", 4, "1:8"),
        ("a: 'it''s def'", 5, "1:11"),
        (#"a: "x\ty\u00e9z def""#, 6, "1:16"),
        ("a: abc\n   def", 4, "2:4"),
        ("a: |\n  abc\n  def\n", 4, "3:3"),
        ("a: >-\n  abc\n\n  def\n", 4, "4:3"),
        ("a: &x abc def", 4, "1:11"),
    ])
    func findsPlacesInsideText(_ yaml: String, _ offset: Int, _ place: String) throws {
        let node = try #require(try YAMLNode.parse(yaml, file: "f")["a"])
        let location = try #require(node.problem("", atByteOfText: offset).location)
        #expect("\(location.line):\(location.column)" == place)
    }

    @Test func aMissingFileIsNoInput() {
        let problem = #expect(throws: Problem.self) { try YAMLNode.load(path: "/nonexistent/queries.yaml") }
        #expect(problem?.code == .noInput)
    }
}
