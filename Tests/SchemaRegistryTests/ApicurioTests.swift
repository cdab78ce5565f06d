import Avro
import Foundation
import HTTP
import KafkaSupport
import Testing

@testable import SchemaRegistry

/// The verdicts of a registry that others wrote, on the same pairs.
@Suite struct ApicurioTests {
    /// ../shared/registry/registry.sh beside the repository; nil, said aloud, where there is none or no Java for it.
    private static let script: String? = {
        var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        for _ in 0..<6 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("shared/registry/registry.sh").path
            guard FileManager.default.isExecutableFile(atPath: candidate) else { continue }
            if (try? runProgram("/bin/sh", ["-c", "java -version"])) != nil { return candidate }
            print("skipped: Apicurio needs Java 17 or newer (apt install openjdk-17-jre-headless)")
            return nil
        }
        print("skipped: there is no ../shared/registry/registry.sh beside the repository to compare verdicts with")
        return nil
    }()

    @Test(.enabled(if: script != nil)) func agreesOnEveryPair() throws {
        let script = try #require(Self.script)
        let folder = NSTemporaryDirectory() + "/taxi-apicurio-\(UUID().uuidString)"
        let port = Int.random(in: 20_000...29_000)
        // It stays until it is told to go, also where this process does not live that long.
        let watch = #"while kill -0 "$1" && [ -d "$2" ]; do sleep 1; done; "$3" stop -d "$2""#
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try runProgram(
            "/bin/sh",
            [
                "-c", #"setsid sh -c "$@" >/dev/null 2>&1 </dev/null &"#, "sh", watch, "sh",
                "\(ProcessInfo.processInfo.processIdentifier)", folder, script,
            ])
        defer { _ = try? runProgram(script, ["stop", "-d", folder]) }
        let url = try runProgram(script, ["start", "-d", folder, "-p", "\(port)"])
            .trimmingCharacters(in: .whitespacesAndNewlines)
        func ask(_ method: String, _ path: String, _ body: String) throws -> String {
            let request = HTTPRequest(
                method, url + path, headers: [.init("Content-Type", "application/vnd.schemaregistry.v1+json")],
                body: .bytes(Array(body.utf8)))
            return String(decoding: try request.send().body, as: UTF8.self)
        }
        for (index, pair) in CompatibilityCase.all.enumerated() {
            let subject = "pair-\(index)"
            for (level, expected) in [
                ("BACKWARD", pair.backward), ("FORWARD", pair.forward), ("FULL", pair.backward && pair.forward),
            ] {
                _ = try ask("PUT", "/config/\(subject)-\(level)", #"{"compatibility":"\#(level)"}"#)
                let registered = try ask("POST", "/subjects/\(subject)-\(level)/versions", AskedRegistry.body(pair.old))
                try #require(registered.contains("\"id\""), "\(pair.testDescription): \(registered)")
                _ = try ask("PUT", "/config/\(subject)-\(level)", #"{"compatibility":"\#(level)"}"#)
                let verdict = try ask(
                    "POST", "/compatibility/subjects/\(subject)-\(level)/versions/latest", AskedRegistry.body(pair.new))
                #expect(
                    verdict.contains("\"is_compatible\":\(expected)"), "\(pair.testDescription), \(level): \(verdict)")
            }
        }
    }
}
