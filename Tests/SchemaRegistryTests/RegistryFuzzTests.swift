import FuzzSupport
import Foundation
import HTTPServer
import Problems
import Testing

@testable import SchemaRegistry

/// Texts and addresses that nobody means: each is answered, none ends the process, none is asked for again.
@Suite struct RegistryFuzzTests {
    private static let words = [
        "\"type\":", "\"name\":", "\"fields\":[", "\"record\"", "\"enum\"", "\"fixed\"", "\"array\"", "\"map\"",
        "\"union\"",
        "\"items\":", "\"values\":", "\"symbols\":[", "\"size\":", "\"default\":", "\"aliases\":[",
        "\"namespace\":\"\"",
        "\"logicalType\":\"decimal\"", "\"scale\":0", "\"precision\":", "\"null\"", "\"T\"", "\\u0000", "\\ud800",
    ]

    /// What a client sees of any refusal that is its own fault.
    private static func isRight(_ status: Int) -> Bool { status < 500 && ![408, 429].contains(status) }

    @Test(arguments: FuzzSeeds.all) func everySchemaIsTakenOrRefused(_ seed: UInt64) throws {
        let registry = try AskedRegistry()
        _ = registry.ask("POST", "/subjects/first/versions", AskedRegistry.body("\"int\""))
        let texts = CompatibilityCase.all.flatMap { [$0.old, $0.new] }
        var mutator = TextMutator(seed: seed, texts: texts, words: Self.words)
        for index in 0..<FuzzSeeds.inputs {
            let text = String(decoding: mutator.next(), as: UTF8.self)
            let body = Array(AskedRegistry.body(text).utf8)
            let subject = "s\(index % 5)"
            let status = registry.response("POST", "/subjects/\(subject)/versions", body: body).status
            #expect(Self.isRight(status), "seed \(seed), \(index): \(status) of \(text)")
            let check = registry.response(
                "POST", "/compatibility/subjects/\(subject)/versions?verbose=true", body: body)
            #expect(check.status == 200, "seed \(seed), \(index): \(text)")
            guard status == 200 else { continue }
            // What was taken is found, by its spelling too.
            let found = registry.response("POST", "/subjects/\(subject)?normalize=true", body: body)
            #expect(found.status == 200, "seed \(seed), \(index): \(text)")
        }
        #expect(try registry.service.registry.requireSound() > 0)
    }

    @Test(arguments: FuzzSeeds.all) func everyRequestIsAnswered(_ seed: UInt64) throws {
        let registry = try AskedRegistry()
        _ = registry.ask("POST", "/subjects/s/versions", AskedRegistry.body("\"int\""))
        let addresses = [
            "/subjects/s/versions/latest", "/subjects?deleted=true&offset=1&limit=2", "/schemas/ids/1/versions",
            "/config/s",
            "/mode/s?force=true", "/compatibility/subjects/s/versions/1?verbose=true", "/contexts/:.a:/subjects/s",
            "/schemas/guids/0-0", "/associations/resources/-/t",
        ]
        let bodies = [
            AskedRegistry.body("\"int\"", #","schemaType":"AVRO","references":[],"id":3,"version":1"#),
            #"{"compatibility":"FULL"}"#, #"{"mode":"READONLY"}"#,
        ]
        var (paths, contents) = (
            TextMutator(seed: seed, texts: addresses, words: ["/", "?", "subjects", "versions", ":.", "latest", "-1"]),
            TextMutator(seed: seed, texts: bodies, words: Self.words)
        )
        for index in 0..<FuzzSeeds.inputs * 5 {
            let method = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"][index % 6]
            let path = String(decoding: paths.next(), as: UTF8.self)
            let status = registry.response(method, path, body: contents.next()).status
            #expect(Self.isRight(status), "seed \(seed), \(index): \(status) of \(method) \(path)")
        }
        #expect(registry.ask("GET", "/").hasPrefix("200"))
    }
}
