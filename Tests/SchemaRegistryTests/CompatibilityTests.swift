import Avro
import Problems
import Testing

@testable import SchemaRegistry

/// Which schemas get on with which.
@Suite struct CompatibilityTests {
    @Test(arguments: CompatibilityCase.all)
    func hasTheVerdict(_ pair: CompatibilityCase) throws {
        let old = RegisteredSchema(subject: "s", version: 1, id: 1, schema: pair.old)
        func fits(_ level: CompatibilityLevel) throws -> Bool {
            try SchemaComparison(pair.new, [old], level) == nil
        }
        #expect(try fits(.backward) == pair.backward)
        #expect(try fits(.forward) == pair.forward)
        #expect(try fits(.full) == (pair.backward && pair.forward))
        #expect(try fits(.none))
    }

    @Test func hasAsManyPairsAsAreAskedFor() { #expect(CompatibilityCase.all.count >= 60) }

    struct Message: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var old, new: String
        var expected: [String]
    }

    @Test(arguments: [
        Message(
            testDescription: "a missing default",
            old: #"{"type":"record","name":"T","fields":[]}"#,
            new: #"{"type":"record","name":"T","fields":[{"name":"f1","type":"int"}]}"#,
            expected: [
                "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'f1' at path '/fields/0' in the new schema has no default value and is missing in the old schema', additionalInfo:'f1'}"
            ]),
        Message(
            testDescription: "a type",
            old: #"{"type":"record","name":"T","fields":[{"name":"a","type":"string"}]}"#,
            new: #"{"type":"record","name":"T","fields":[{"name":"a","type":"int"}]}"#,
            expected: [
                "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: INT not compatible with writer type: STRING'}"
            ]),
        Message(
            testDescription: "a name", old: #"{"type":"fixed","name":"x.A","size":2}"#,
            new: #"{"type":"fixed","name":"B","size":3}"#,
            expected: [
                "{errorType:'NAME_MISMATCH', description:'The name of the schema has changed (path '/name')', additionalInfo:'expected: x.A'}",
                "{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field at path '/size' in the new schema does not match with the old schema', additionalInfo:'expected: 2, found: 3'}",
            ]),
        Message(
            testDescription: "symbols", old: #"{"type":"enum","name":"E","symbols":["C","A","B"]}"#,
            new: #"{"type":"enum","name":"E","symbols":["A"]}"#,
            expected: [
                "{errorType:'MISSING_ENUM_SYMBOLS', description:'The new schema is missing enum symbols '[B, C]' at path '/symbols' in the old schema', additionalInfo:'[B, C]'}"
            ]),
        Message(
            testDescription: "a branch",
            old: #"{"type":"record","name":"T","fields":[{"name":"a","type":["null","int","string"]}]}"#,
            new: #"{"type":"record","name":"T","fields":[{"name":"a","type":["null","int"]}]}"#,
            expected: [
                "{errorType:'MISSING_UNION_BRANCH', description:'The new schema is missing a type inside a union field at path '/fields/0/type/2' in the old schema', additionalInfo:'reader union lacking writer type: STRING'}"
            ]),
    ])
    func saysWhatIsInTheWay(_ message: Message) throws {
        let old = RegisteredSchema(subject: "s", version: 3, id: 1, schema: message.old)
        let comparison = try #require(try SchemaComparison(message.new, [old], .backward))
        #expect(
            comparison.messages
                == message.expected + ["{oldSchemaVersion: 3}", "{oldSchema: '\(message.old)'}"])
    }

    @Test func looksAtAllVersionsWhereTheLevelIsTransitive() throws {
        func schema(_ more: String) -> String {
            #"{"type":"record","name":"T","fields":[{"name":"a","type":"int"}\#(more)]}"#
        }
        // The default that version 2 had is gone: version 1 has no b.
        let earlier = [schema(""), schema(#",{"name":"b","type":"int","default":0}"#)].enumerated().map {
            RegisteredSchema(subject: "s", version: $0 + 1, id: Int32($0 + 1), schema: $1)
        }
        let new = schema(#",{"name":"b","type":"int"}"#)
        #expect(try SchemaComparison(new, earlier, .backward) == nil)
        let comparison = try #require(try SchemaComparison(new, earlier, .backwardTransitive))
        #expect(comparison.earlier.version == 1)
        #expect(comparison.sentences.count == 1)
    }

    @Test func warnsOfADecimalWithAnotherScale() throws {
        func schema(_ scale: Int) -> String {
            #"{"type":"record","name":"T","fields":[{"name":"m","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":\#(scale)}]}]}"#
        }
        let old = RegisteredSchema(subject: "s", version: 1, id: 1, schema: schema(2))
        let warnings = try SchemaComparison.warnings(schema(4), after: old)
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("scale 4 now and 2") == true)
        #expect(try SchemaComparison.warnings(schema(2), after: old).isEmpty)
    }

    /// A chain of records that is far deeper than a stack: the last link tells.
    @Test func comparesChainsOfAnyLength() throws {
        func chain(_ last: String, links: Int = 4000) -> String {
            var text =
                #"{"type":"record","name":"Top","fields":[{"name":"f0","type":{"type":"record","name":"R0","fields":[{"name":"x","type":"\#(last)"}]}}"#
            for link in 1..<links {
                text +=
                    #",{"name":"f\#(link)","type":{"type":"record","name":"R\#(link)","fields":[{"name":"x","type":"R\#(link - 1)"}]}}"#
            }
            return text + "]}"
        }
        // The chain is entered at its far end.
        func entered(_ last: String) -> String {
            #"{"type":"record","name":"Root","fields":[{"name":"all","type":\#(chain(last))},{"name":"end","type":"R3999"}]}"#
        }
        let old = RegisteredSchema(subject: "s", version: 1, id: 1, schema: entered("int"))
        #expect(try SchemaComparison(entered("long"), [old], .backward) == nil)
        #expect(try SchemaComparison(entered("string"), [old], .backward) != nil)
    }

    @Test func comparesUnionsOfManyTypesAndRefusesTooMany() throws {
        func union(_ count: Int, _ name: (Int) -> String) -> String {
            "[" + (0..<count).map { #"{"type":"record","name":"\#(name($0))","fields":[]}"# }.joined(separator: ",")
                + "]"
        }
        let old = RegisteredSchema(subject: "s", version: 1, id: 1, schema: union(1000) { "R\($0)" })
        #expect(try SchemaComparison(union(1000) { "R\(999 - $0)" }, [old], .full) == nil)
        let fewer = try #require(try SchemaComparison(union(999) { "R\($0)" }, [old], .full))
        #expect(fewer.readingOld.map(\.path) == ["/999"])
        // All of one short name: each may be read as each.
        let alike = RegisteredSchema(subject: "s", version: 1, id: 1, schema: union(1000) { "n\($0).R" })
        do {
            _ = try SchemaComparison(union(1000) { "m\($0).R" }, [alike], .full)
            Issue.record("was compared")
        } catch { #expect(error.code == 42201) }
    }

    @Test func findsTheLinesThatDiffer() {
        func lines(_ text: String) -> [String] { text.split(separator: "|").map(String.init) }
        func shown(_ old: String, _ new: String) -> String {
            SchemaLines.difference(from: lines(old), to: lines(new)).map { line in
                switch line {
                case .same(let text): " \(text)"
                case .removed(let text): "-\(text)"
                case .added(let text): "+\(text)"
                }
            }.joined(separator: "|")
        }
        #expect(shown("{|a|}", "{|a,|b|}") == " {| a,|+b| }")
        #expect(shown("a|b|c", "a|x|c") == " a|-b|+x| c")
        #expect(shown("a|a|a", "a|a") == " a| a|-a")
        #expect(shown("", "a") == "+a")
        #expect(shown("a|b", "b|a").filter { $0 == "+" }.count == 1)
        let many = SchemaLines.difference(from: (0..<9000).map { "x\($0)" }, to: (0..<9000).map { "y\($0)" })
        #expect(many.count == 18_000)
    }

    /// Whether a pair in a circle holds is not decided by where the walk entered it.
    @Test func findsOutWhatACircleHides() throws {
        func schema(_ type: String) -> String {
            #"""
            {"type":"record","name":"A","fields":[
              {"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}},
              {"name":"x","type":"\#(type)"}]}
            """#
        }
        let old = RegisteredSchema(subject: "s", version: 1, id: 1, schema: schema("int"))
        let comparison = try #require(try SchemaComparison(schema("string"), [old], .full))
        #expect(comparison.readingOld.contains { $0.path == "/fields/1/type" && $0.kind == .type })
        #expect(try SchemaComparison(schema("int"), [old], .fullTransitive) == nil)
    }
}
