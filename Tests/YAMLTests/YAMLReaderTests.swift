import Foundation
import Problems
import Testing
import YAML

@Suite struct YAMLReaderTests {
    @Test func keepsOrderStyleAndPlaces() throws {
        let root = try YAMLNode.parse("b: 1\na: ['x', \"y\"]\nä: {k: v}\n", file: "f.yaml")
        let entries = try root.entries()
        #expect(entries.map(\.name) == ["b", "a", "ä"])
        #expect(try entries[0].value.integer() == 1)
        #expect(try entries[1].value.items().map { try $0.text() } == ["x", "y"])
        #expect(entries[1].value.location.description == "f.yaml:2:4")
        #expect(entries[2].key.location.description == "f.yaml:3:1")
        // Columns count bytes: "ä" has two.
        #expect(entries[2].value.location.column == 5)
        #expect(try entries[1].value.items()[0].isQuoted)
        #expect(entries[0].value.isQuoted == false)
    }

    @Test func anEmptyFileIsNull() throws {
        #expect(try YAMLNode.parse("", file: "f").isNull)
        #expect(try YAMLNode.parse("# only a comment\n", file: "f").isNull)
    }

    @Test func resolvesAliases() throws {
        let root = try YAMLNode.parse("a: &x [1, 2]\nb: *x\nc: &y 7\nd: *y\n", file: "f")
        #expect(try root["b"]?.items().map { try $0.integer() } == [1, 2])
        #expect(try root["d"]?.integer() == 7)
        #expect(root["d"]?.location.description == "f:3:7")
    }

    @Test func skipsAByteOrderMark() throws {
        let root = try YAMLNode.parse("\u{FEFF}a: 1", file: "f")
        #expect(try root.entries()[0].key.location.column == 1)
    }

    @Test func readsEveryKindOfLineEnd() throws {
        let root = try YAMLNode.parse("a: 1\r\nb: 2\r\nc: x\r\n", file: "f")
        #expect(root["c"]?.location.description == "f:3:4")
    }

    struct Failure: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var place: String
        var says: String
    }

    @Test(arguments: [
        Failure(testDescription: "a key twice", text: "a: 1\nb: 2\na: 3\n", place: "f:3:1", says: "twice"),
        Failure(
            testDescription: "a second document", text: "a: 1\n---\nb: 2\n", place: "f:2:1", says: "second document"),
        Failure(testDescription: "an unclosed list", text: "a: [1, 2\nb: 3\n", place: "f:2:2", says: "','"),
        Failure(testDescription: "a colon in text", text: "a: b: c\n", place: "f:1:5", says: "mapping values"),
        Failure(testDescription: "a tab as indentation", text: "a:\n\tb: 1\n", place: "f:2:1", says: "token"),
        Failure(testDescription: "an unknown anchor", text: "a: *x\n", place: "f:1:4", says: "no anchor"),
        Failure(testDescription: "an alias in itself", text: "a: &x [*x]\n", place: "f:1:8", says: "inside the value"),
        Failure(testDescription: "a tag", text: "a: !ruby/object 1\n", place: "f:1:4", says: "tag"),
        Failure(testDescription: "a list as key", text: "? [a]\n: 1\n", place: "f:1:3", says: "key"),
    ])
    func saysWhatIsWrongAndWhere(_ c: Failure) {
        let problem = #expect(throws: Problem.self) { try YAMLNode.parse(c.text, file: "f") }
        #expect(problem?.code == .configuration)
        #expect(problem?.location?.description == c.place)
        #expect(problem?.message.contains(c.says) == true, "\(problem?.message ?? "")")
        #expect(problem?.sourceLine != nil)
    }

    @Test func refusesBytesThatAreNotUTF8() {
        let problem = #expect(throws: Problem.self) { try YAMLNode.parse([0x61, 0x3A, 0x20, 0xFF], file: "f") }
        #expect(problem?.location?.description == "f:1:4")
    }

    @Test func refusesAliasesThatMultiply() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        let problem = #expect(throws: Problem.self) { try YAMLNode.parse(text, file: "f") }
        #expect(problem?.message.contains("100000 values") == true)
    }

    @Test func refusesDeepNesting() {
        let text = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        #expect(throws: Problem.self) { try YAMLNode.parse(text, file: "f") }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func readsWhateverBytesWithoutTrapping(seed: UInt64) {
        // Numerical Recipes' linear congruential generator: the same bytes for the same seed.
        var state = seed
        func random(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let letters = Array("ab:,-[]{}#&*!|>'\"%@`?~ \n\t\\é0(".utf8)
        for _ in 0..<200 {
            let text = (0..<random(below: 40)).map { _ in letters[random(below: letters.count)] }
            guard let node = try? YAMLNode.parse(text, file: "f", callsHoldCommas: true) else { continue }
            for offset in 0...(node.scalar?.utf8.count ?? 0) { _ = node.problem("", atByteOfText: offset) }
        }
    }

    @Test func putsCallsInBracesTogetherAgain() throws {
        let text = "{a: count(), p50: quantile(fare, 0.5), p90: quantile(tips, 0.5), m: f(1,\n  2, 3), z: 1}"
        let root = try YAMLNode.parse(text, file: "f", callsHoldCommas: true)
        #expect(try root.entries().map(\.name) == ["a", "p50", "p90", "m", "z"])
        #expect(root["p90"]?.scalar == "quantile(tips, 0.5)")
        #expect(root["m"]?.scalar == "f(1, 2, 3)")
        #expect(
            root["p90"]?.problem("", atByteOfText: 15).location?.column == 60)
    }

    /// By its square this would take minutes.
    @Test func oneLongLineTakesTimeByItsLength() throws {
        let text = "[" + String(repeating: "é,", count: 90_000) + "a]"
        let node = try YAMLNode.parse(text, file: "long.yaml")
        guard case .sequence(let items) = node.content else { return #expect(Bool(false)) }
        #expect(items.count == 90_001)
        #expect(items[90_000].location.column == 1 + 3 * 90_000 + 1)
    }

    @Test func ofALongLineTheMessageShowsThePartAroundThePlace() throws {
        let text = "{" + (0..<2_000).map { "k\($0): ö, " }.joined() + "k7: twice}"
        let problem = #expect(throws: Problem.self) { try YAMLNode.parse(text, file: "long.yaml") }
        let shown = try #require(problem?.sourceLine)
        #expect(shown.utf8.count < 300 && shown.hasPrefix("…") && shown.hasSuffix("k7: twice}"))
        #expect(problem?.location?.column == text.utf8.count - "k7: twice}".utf8.count + 1)
        // The caret stands below what is wrong.
        let lines = "\(try #require(problem))".split(separator: "\n")
        let caret = try #require(lines.first { $0.hasSuffix("^") })
        let before = try #require(problem?.sourceColumn) - 1
        #expect(caret.count - "1 | ".count - 1 == String(decoding: shown.utf8.prefix(before), as: UTF8.self).count)
    }

    @Test func aHundredMistakesAreShownAndTheRestCounted() throws {
        let node = try YAMLNode.parse((0..<500).map { "k\($0): 1\n" }.joined(), file: "many.yaml")
        let problem = #expect(throws: Problem.self) { try node.requireOnly(keys: ["known"], of: "test") }
        #expect(problem?.others.count == 100)
        #expect(problem?.others.last?.message == "400 more mistakes are not shown")
    }

    /// A place in a text is looked for from where the last one was, if that stands before it.
    @Test(arguments: [
        #"a: "x\ty \u00e9  z \"w\" end""#, "a: 'it''s  folded\n   over lines'", "a: plain  text\n  over lines",
        "a: >\n  folded\n  text\n\n  more\n", "a: |\n  block\n   text\n", "a: \"one \\\n  two\"",
    ])
    func placesAreTheSameInWhateverOrderTheyAreAskedFor(_ text: String) throws {
        let node = try #require(try YAMLNode.parse(text, file: "text.yaml")["a"])
        let offsets = Array(0...(node.scalar?.utf8.count ?? 0))
        func places(_ offsets: some Sequence<Int>) -> [InputLocation?] {
            offsets.map { node.problem("", atByteOfText: $0).location }
        }
        let each = try offsets.map { offset in
            try YAMLNode.parse(text, file: "text.yaml")["a"]?.problem("", atByteOfText: offset).location
        }
        #expect(places(offsets) == each)
        #expect(Array(places(offsets.reversed()).reversed()) == each)
    }

    @Test(arguments: ["[", "{a: ", "- "])
    func refusesDepthInEveryForm(_ opening: String) {
        let problem = #expect(throws: Problem.self) {
            try YAMLNode.parse(String(repeating: opening, count: 10_000), file: "deep.yaml")
        }
        #expect(problem?.message.contains("deep") == true, "\(problem?.message ?? "")")
    }

    /// No more of it is read than that shows.
    @Test func aFileOf100MBIsRefusedByItsFirst() throws {
        let path = NSTemporaryDirectory() + "/large-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data().write(to: URL(fileURLWithPath: path))
        #expect(truncate(path, 100_000_000) == 0)
        let problem = #expect(throws: Problem.self) { try YAMLNode.load(path: path) }
        #expect(problem?.code == .badData)
        #expect(problem?.message.contains("8 MiB") == true)
    }

    @Test func moreThan8MiBAreRefused() throws {
        let problem = #expect(throws: Problem.self) {
            try YAMLNode.parse(String(repeating: "#", count: 8 << 20) + "\n", file: "large.yaml")
        }
        #expect(problem?.code == .badData)
    }
}
