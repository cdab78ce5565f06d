import Foundation
import Testing

@testable import ML

/// Reading answers: what is taken of them, and what is refused, with the reason.
@Suite struct AnswerReaderTests {
    private static func read(_ answer: String, _ declaration: String, rows: Int = 2) throws -> [String] {
        let path = FileManager.default.temporaryDirectory.path + "/taxi-ml-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = "models:\n  - name: m\n    source: v\n    key: a\n    endpoint: http://h/x\n\(declaration)"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let spec = try ModelCatalog.load(path: path, zone: "America/Chicago")[0]
        let reader = AnswerReader(spec, try #require(spec.service))
        let answers = try reader.read(Array(answer.utf8), rows: rows, id: "id1")
        return (0..<answers.count).map { String(decoding: answers[$0], as: UTF8.self) }
    }

    private static let kserve = """
            protocol: kserve-v2
            request: {inputs: [{name: x, datatype: FP64, shape: [-1]}]}
            response: {outputs: [{name: y, datatype: INT64, shape: [-1, 2], columns: [p, q]}, {name: t, datatype: BYTES, shape: [-1]}]}
        """

    @Test(
        arguments: [
            ("[1, 2.50]", "    schema: {y: real}", ["\"y\":1", "\"y\":2.50"]),
            (
                #" {"n": 2, "results": [{"y": 1, "z": [1]}, {"z": {}, "y": 2}]} "#, "    schema: {y: real}",
                ["\"y\":1", "\"y\":2"]
            ),
            (
                #"{"data": {"items": [[1, "a"], [2, "b"]]}}"#,
                "    schema: {y: integer, s: text}\n    response: {path: data.items}",
                [#""y":1,"s":"a""#, #""y":2,"s":"b""#]
            ),
            (#"{"predictions": [{"a": 9, "y": 1e2}, {"y": true}]}"#, "", ["\"y\":1e2", "\"y\":true"]),
            (
                #"[{"score": null}, {}]"#, "    schema: {y: real?}\n    response: {fields: {y: score}}",
                ["\"y\":null", "\"y\":null"]
            ),
            (#"["a\u00e9", "\\"]"#, "", [#""value":"a\u00e9""#, #""value":"\\""#]),
            (
                #"{"id": "id1", "outputs": [{"name": "t", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]}, {"name": "u"}, {"name": "y", "shape": [2, 2], "datatype": "INT64", "data": [[1, 2], [3, 4]]}]}"#,
                kserve, [#""p":1,"q":2,"t":"a""#, #""p":3,"q":4,"t":"b""#]
            ),
        ] as [(String, String, [String])])
    func takes(_ answer: String, _ declaration: String, _ wanted: [String]) throws {
        #expect(try Self.read(answer, declaration) == wanted)
    }

    @Test(arguments: [
        ("", "the answer is empty"), ("[1, 2", "ends in the middle"), ("[1, 2] x", "more after the answer"),
        ("[1, 2, 3]", "more results"), ("[1]", "1 results to 2 rows"), ("[1, NaN]", "NaN"),
        ("[1, -1e999]", "no finite number"),
        ("[1, 01]", "missing"), ("[1, \"2\"]", "is \"2\" and no real"), ("[1, null]", "is null and no real"),
        ("{\"other\": [1, 2]}", "holds no list \"results\""), ("[1, [2, 3]]", "too long"), ("[1, \"\\u0000\"]", "NUL"),
        ("[" + String(repeating: "[", count: 100_000), "nests too deep"), ("[1, {\"y\": 2]", "missing"),
        ("[1,, 2]", "no JSON"),
    ])
    func refuses(_ answer: String, _ reason: String) {
        let fault = #expect(throws: AnswerFault.self) { try Self.read(answer, "    schema: {y: real}") }
        #expect(fault?.message.contains(reason) == true, "\(fault?.message ?? "")")
    }

    @Test(arguments: [
        (#"{"outputs": []}"#, "no output \"y\""),
        (#"{"id": "id2", "outputs": []}"#, "to another request"),
        (
            #"{"outputs": [{"name": "y", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]}"#,
            "of type FP64 and not INT64"
        ),
        (
            #"{"outputs": [{"name": "y", "shape": [4], "datatype": "INT64", "data": [1, 2, 3, 4]}]}"#,
            "the shape [4] and not [2, 2]"
        ),
        (
            #"{"outputs": [{"name": "y", "shape": [2, 2], "datatype": "INT64", "data": [1, 2, 3]}]}"#,
            "3 values and not 4"
        ),
        (#"{"error": "out of memory"}"#, "no output \"y\""),
    ])
    func refusesTensors(_ answer: String, _ reason: String) {
        let fault = #expect(throws: AnswerFault.self) { try Self.read(answer, Self.kserve) }
        #expect(fault?.message.contains(reason) == true, "\(fault?.message ?? "")")
    }

    @Test func everyPieceOfAnAnswerIsRefusedAndNothingElseHappens() throws {
        let whole = #"{"results": [{"y": -1.5e3, "s": "\"é\u00e9"}, {"y": 2, "z": [{}, [null, true]]}]}"#
        #expect(try Self.read(whole, "    schema: {y: real}").count == 2)
        let bytes = Array(whole.utf8)
        for count in 0..<bytes.count {
            #expect(throws: AnswerFault.self) {
                try Self.read(String(decoding: bytes[..<count], as: UTF8.self), "    schema: {y: real}")
            }
        }
    }
}
