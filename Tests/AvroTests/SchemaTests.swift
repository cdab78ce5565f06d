import Problems
import Testing

@testable import Avro

@Suite struct SchemaTests {
    struct Form: Sendable, CustomTestStringConvertible {
        var text: String
        var canonical: String
        var fingerprint: UInt64
        var testDescription: String { text }
    }

    /// Fingerprints of the specification's own test data, and of fastavro.
    @Test(arguments: [
        Form(text: "\"null\"", canonical: "\"null\"", fingerprint: 7_195_948_357_588_979_594),
        Form(text: "{\"type\":\"int\"}", canonical: "\"int\"", fingerprint: 8_247_732_601_305_521_295),
        Form(text: "\"boolean\"", canonical: "\"boolean\"", fingerprint: 0x9f42_fc78_a4d4_f764),
        Form(
            text: #"{ "size" : 15, "type":"fixed", "name":"foo", "doc":"fifteen" }"#,
            canonical: #"{"name":"foo","type":"fixed","size":15}"#, fingerprint: 1_756_455_273_707_447_556),
        Form(
            text: """
                {"type":"record","name":"R","namespace":"x.y","doc":"d","fields":[
                  {"name":"a","type":["null",{"type":"enum","name":"E","symbols":["A","B"]}],"default":null},
                  {"name":"b","type":"E","aliases":["c"],"order":"ignore"}]}
                """,
            canonical:
                #"{"name":"x.y.R","type":"record","fields":[{"name":"a","type":["null",{"name":"x.y.E","type":"enum","symbols":["A","B"]}]},{"name":"b","type":"x.y.E"}]}"#,
            fingerprint: 0x5981_3bb6_829c_4565),
    ])
    func hasTheCanonicalFormAndFingerprintOfTheSpecification(_ c: Form) throws {
        let schema = try AvroSchema(c.text)
        #expect(schema.canonicalForm == c.canonical)
        #expect(schema.fingerprint == c.fingerprint)
        // The canonical form is its own.
        #expect(try AvroSchema(c.canonical).canonicalForm == c.canonical)
    }

    @Test func keepsWhatItKnowsThroughItsText() throws {
        let schema = try AvroSchema(
            """
            {"type":"record","name":"a.b.Outer","aliases":["Old","c.Older"],"doc":"what\\n\\"it\\" is","fields":[
              {"name":"money","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2},"default":"\\u00ff"},
              {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null,"order":"descending"},
              {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"],"default":"B"},"aliases":["sort"]},
              {"name":"id","type":{"type":"fixed","name":"d.Id","size":16,"logicalType":"uuid"}},
              {"name":"bare","type":{"type":"fixed","name":"Bare","namespace":"","size":1}},
              {"name":"more","type":{"type":"map","values":{"type":"array","items":["null","Outer"]}},"default":{"x":[]}}]}
            """)
        #expect(try AvroSchema(schema.text) == schema)
        #expect(schema.type.name == "a.b.Outer")
        #expect(schema.type.aliases == ["a.b.Old", "c.Older"])
        #expect(schema.fields.map(\.name) == ["money", "at", "kind", "id", "bare", "more"])
        #expect(schema.fields.map(\.defaultBytes) == [[2, 0xff], [0], nil, nil, nil, [2, 2, 0x78, 0, 0]])
        #expect(schema.branches(of: schema.fields[1].type).map(\.logicalType) == [nil, .timestampMicros])
        #expect(schema.nodes[schema.fields[0].type].logicalType == .decimal(precision: 18, scale: 2))
        #expect(schema.nodes[schema.fields[2].type].name == "a.b.Kind")
        #expect(schema.nodes[schema.fields[4].type].name == "Bare")
    }

    @Test(arguments: [
        #"{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}"#,
        #"{"type":"bytes","logicalType":"decimal","precision":0}"#,
        #"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":10}"#,
        #"{"type":"int","logicalType":"timestamp-millis"}"#, #"{"type":"string","logicalType":"date"}"#,
        #"{"type":"string","logicalType":"somebodys-own"}"#, #"{"type":"string","logicalType":7}"#,
    ])
    func readsATypeWithoutALogicalTypeThatItCannotHave(_ text: String) throws {
        #expect(try AvroSchema(text).type.logicalType == nil)
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        var text: String
        /// Line and column of each problem, and words of its message.
        var places: [(Int, Int, String)]
        var testDescription: String { text }
        init(_ text: String, _ places: (Int, Int, String)...) { (self.text, self.places) = (text, places) }
    }

    @Test(arguments: [
        Mistake("", (1, 1, "expected a value")),
        Mistake("{\"type\": \"record\",\n \"name\" \"X\"}", (2, 9, "expected \":\"")),
        Mistake("[1, 02]", (1, 5, "unreadable number")),
        Mistake("\"a\\x\"", (1, 3, "unknown escape")),
        Mistake("\"\\ud800\"", (1, 2, "surrogate")),
        Mistake("\"int\" \"int\"", (1, 7, "follows")),
        Mistake("{\"type\":\"int\",\"type\":\"long\"}", (1, 15, "twice")),
        Mistake("\"strng\"", (1, 1, "there is no type \"strng\"")),
        Mistake("[\"int\", \"null\", \"int\"]", (1, 17, "holds int twice")),
        Mistake("[\"int\", [\"null\"]]", (1, 9, "must not hold a union")),
        Mistake("{\"type\":\"array\"}", (1, 1, "no \"items\"")),
        Mistake(
            "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"a\"],\"default\":\"b\"}", (1, 42, "symbol"),
            (1, 57, "default")),
        Mistake("{\"type\":\"fixed\",\"name\":\"9\",\"size\":-1}", (1, 24, "cannot be a name"), (1, 35, "size")),
        Mistake("{\"type\":\"fixed\",\"name\":\"int\",\"size\":1}", (1, 24, "already")),
        Mistake(
            """
            {"type": "record", "name": "R", "fields": [
              {"name": "a", "type": "int", "default": "x"},
              {"name": "a", "type": "long"},
              {"name": "b", "type": ["null", "int"], "default": 1.5},
              {"name": "c"}, 7,
              {"name": "d", "type": "int", "order": "up"},
              {"name": "e", "type": "R", "default": {}}]}
            """, (3, 12, "two fields \"a\""), (5, 3, "no \"type\""), (5, 18, "a field is an object"),
            (6, 41, "order is")),
        Mistake(
            """
            {"type": "record", "name": "R", "fields": [
              {"name": "a", "type": "int", "default": "x"},
              {"name": "b", "type": ["null", "int"], "default": 1.5},
              {"name": "e", "type": "R", "default": {}},
              {"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}, "default": "abc"}]}
            """, (2, 43, "default of field \"a\""), (3, 53, "default of field \"b\""),
            (4, 41, "default of field \"e\""),
            (5, 79, "expected 2 bytes")),
    ])
    func saysWhereASchemaIsWrong(_ c: Mistake) {
        let problem = #expect(throws: Problem.self) { try AvroSchema(c.text, file: "x.avsc") }
        let problems = problem.map { [$0] + $0.others } ?? []
        #expect(problems.count == c.places.count, "\(problems)")
        for (problem, place) in zip(problems, c.places) {
            #expect(problem.code == .badData)
            #expect(problem.location == InputLocation(file: "x.avsc", line: place.0, column: place.1), "\(problem)")
            #expect(problem.message.contains(place.2), "\(problem)")
        }
    }

    @Test func refusesTextThatIsMeantToExhaustTheStack() {
        for text in [
            String(repeating: "[", count: 1_000_000), String(repeating: "{\"type\":", count: 1_000_000),
            String(repeating: "{\"type\":\"array\",\"items\":", count: 100_000),
        ] {
            #expect(throws: Problem.self) { try AvroSchema(text) }
        }
    }
}
