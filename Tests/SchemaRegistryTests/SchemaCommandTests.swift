import CommandSupport
import Foundation
import HTTP
import SQLite
import Testing

@testable import SchemaRegistry

/// `schema …`, as a person and a script use it.
@Suite struct SchemaCommandTests {
    private static func record(_ fields: String) -> String {
        "{\n  \"type\": \"record\", \"name\": \"T\",\n  \"fields\": [\(fields)]\n}\n"
    }
    private static let a = #"{"name":"a","type":"int"}"#
    private static let b = #"{"name":"b","type":"int"}"#
    private static let bWithDefault = #"{"name":"b","type":"int","default":0}"#

    private func filled() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        for (name, fields) in [
            ("one", Self.a), ("two", Self.a + "," + Self.bWithDefault), ("wrong", Self.a + "," + Self.b),
        ] {
            try Self.record(fields).write(toFile: taxi("\(name).avsc"), atomically: true, encoding: .utf8)
        }
        return taxi
    }

    @Test func registersChecksShowsComparesAndDeletes() throws {
        let taxi = try filled()
        #expect(try taxi.succeed("schema", "list").text.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: taxi.tenantFolder))
        let registered = try taxi.succeed("schema", "register", "one.avsc", "--subject", "t-value", "--format", "jsonl")
        #expect(registered.text == #"{"subject":"t-value","version":1,"id":1}"# + "\n")
        #expect(try taxi.succeed("schema", "check", "two.avsc", "-s", "t-value").errors.contains("fits subject"))
        let refused = try taxi.run("schema", "check", "wrong.avsc", "-s", "t-value")
        #expect(refused.code == 65)
        #expect(
            refused.errors.contains(
                "version 1: the field 'b' at path '/fields/1' in the new schema has no default value"))
        #expect(try taxi.run("schema", "register", "wrong.avsc", "-s", "t-value").code == 65)
        try taxi.succeed("schema", "register", "two.avsc", "-s", "t-value")
        let list = try taxi.succeed("schema", "list", "--format", "csv")
        #expect(list.text == "subject,versions,latest,id,compatibility\r\nt-value,2,2,2,BACKWARD\r\n")
        #expect(
            try taxi.succeed("schema", "list", "t-value", "--format", "csv").text.hasSuffix(
                "t-value,1,1\r\nt-value,2,2\r\n"))
        #expect(try taxi.succeed("schema", "show", "t-value", "1").text == Self.record(Self.a) + "\n")
        let difference = try taxi.succeed("schema", "diff", "t-value").text
        #expect(difference.contains("\n+     {\"name\":\"b\",\"type\":\"int\",\"default\":0}\n"))
        #expect(!difference.contains("\n- "))
        #expect(difference.hasPrefix("--- t-value version 1 (id 1)\n+++ t-value version 2 (id 2)\n"))
        try taxi.succeed("schema", "set-compatibility", "NONE", "--subject", "t-value")
        try taxi.succeed("schema", "register", "wrong.avsc", "-s", "t-value")
        #expect(try taxi.succeed("schema", "set-compatibility", "default", "-s", "t-value").errors.contains("BACKWARD"))
        try taxi.succeed("schema", "delete", "t-value", "3")
        #expect(try taxi.run("schema", "delete", "t-value", "3").code == 66)
        #expect(try taxi.run("schema", "delete", "t-value", "--permanent").code == 64)
        try taxi.succeed("schema", "delete", "t-value")
        try taxi.succeed("schema", "delete", "t-value", "--permanent", "--yes")
        #expect(try taxi.run("schema", "show", "t-value").code == 66)
    }

    @Test func saysWhatIsWrongWithALine() throws {
        let taxi = try filled()
        try "{\"type\": \"record\",\n \"nome\": \"T\"}".write(
            toFile: taxi("bad.avsc"), atomically: true, encoding: .utf8)
        let bad = try taxi.run("schema", "register", "bad.avsc", "-s", "s")
        #expect(bad.code == 65 && bad.errors.contains("bad.avsc:1:1"))
        #expect(try taxi.run("schema", "register", "one.avsc").code == 64)
        #expect(try taxi.run("schema", "register", "none.avsc", "-s", "s").code == 66)
        #expect(try taxi.run("schema", "register", "one.avsc", "-s", "a\nb").code == 64)
        #expect(try taxi.run("schema", "show", "s", "first").code == 64)
        #expect(try taxi.run("schema", "diff", "s").code == 66)
        #expect(try taxi.run("schema", "list", "s").code == 66)
        #expect(try taxi.run("schema", "set-compatibility", "SOME").code == 64)
        #expect(try taxi.run("schema", "serve", "--listen", "0.0.0.0:0").code == 64)
        #expect(try taxi.run("schema", "list", "--tenant", "nobody").code == 64)
    }

    @Test func warnsOfADecimalWithAnotherScale() throws {
        let taxi = try TaxiCLI()
        for scale in [2, 4] {
            let field =
                #"{"name":"m","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":\#(scale)}}"#
            try Self.record(field).write(toFile: taxi("\(scale).avsc"), atomically: true, encoding: .utf8)
        }
        try taxi.succeed("schema", "register", "2.avsc", "-s", "s")
        let check = try taxi.succeed("schema", "check", "4.avsc", "-s", "s")
        #expect(check.errors.contains("warning: version 1: the decimal at path '/fields/0/type' has scale 4 now and 2"))
    }

    @Test func offersSubjectsAtATabKey() throws {
        let taxi = try filled()
        try taxi.succeed("schema", "register", "one.avsc", "-s", "trips-value")
        for line in ["schema show ", "schema check one.avsc --subject ", "schema diff tri"] {
            #expect(
                try taxi.succeed("__complete", "plain", "taxi-cli \(line)").lines.contains("trips-value"), "\(line)")
        }
    }

    @Test func isWhereATenantIsLookedAtSavedAndPutBack() throws {
        let taxi = try filled()
        try taxi.succeed("schema", "register", "one.avsc", "-s", "s")
        #expect(
            try taxi.succeed("tenant", "show", "chicago", "--format", "csv").text.contains(
                "schemas of messages (SQLite)"))
        #expect(
            try taxi.succeed("doctor", "--format", "jsonl").text.contains("\"check\":\"schemas.db\",\"detail\":\"sound")
        )
        try taxi.succeed("tenant", "backup", "t.tar.gz")
        try taxi.succeed("tenant", "remove", "chicago", "--yes")
        #expect(try taxi.run("schema", "show", "s").code == 66)
        try taxi.succeed("tenant", "restore", "t.tar.gz")
        #expect(try taxi.succeed("schema", "show", "s").text == Self.record(Self.a) + "\n")
        let attributes = try FileManager.default.attributesOfItem(atPath: taxi.tenantFolder + "/schemas.db")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        // Damage: said by whoever meets it.
        try Data(repeating: 0x55, count: 9000).write(to: URL(fileURLWithPath: taxi.tenantFolder + "/schemas.db"))
        for line in [["schema", "list"], ["schema", "register", "one.avsc", "-s", "s"], ["doctor"]] {
            let ending = try taxi.start(line).wait()
            #expect(ending.code == 65, "\(line): \(ending.errors)")
        }
    }

    @Test func twoProcessesAtOnceGetOneID() throws {
        let taxi = try filled()
        let running = try (0..<4).map { number in
            try taxi.start(["schema", "register", "one.avsc", "-s", "s\(number % 2)", "--format", "jsonl"])
        }
        let texts = running.map { program in
            let ending = program.wait()
            #expect(ending.code == 0, "\(ending.errors)")
            return ending.text
        }
        #expect(Set(texts).count == 2)
        #expect(texts.allSatisfy { $0.contains("\"version\":1,\"id\":1}") })
    }

    @Test func refusesABodyThatIsTooLarge() throws {
        let taxi = try TaxiCLI()
        let server = try taxi.start(["schema", "serve", "--listen", "127.0.0.1:0"])
        defer { server.signal(SIGTERM) }
        try #require(eventually(within: 30) { server.text.hasSuffix("\n") || !server.isRunning })
        let url = String(server.text.split(separator: " ").last ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        func register(_ bytes: Int) throws -> HTTPResponse {
            let body = AskedRegistry.body("\"int\"", #","padding":"\#(String(repeating: "x", count: bytes))""#)
            return try HTTPRequest("POST", "\(url)/subjects/a%2Fb/versions", body: .bytes(Array(body.utf8))).send()
        }
        let refused = try register(RegistryService.bodyLimitBytes)
        #expect(refused.status == 413)
        #expect(
            String(decoding: refused.body, as: UTF8.self) == #"{"error_code":413,"message":"The body is too large"}"#)
        #expect(try register(RegistryService.bodyLimitBytes - 100).status == 200)
        #expect(try LocalRegistry(path: taxi.tenantFolder + "/schemas.db").subjects() == ["a/b"])
    }

    /// What was answered is there, whenever the server is killed; versions have no gaps, ids no doubles.
    @Test func keepsWhatItHasAnsweredThroughKills() throws {
        let taxi = try TaxiCLI()
        var answered: [(subject: String, schema: String, id: Int)] = []
        for round in 0..<6 {
            let server = try taxi.start(["schema", "serve", "--listen", "127.0.0.1:0"])
            try #require(eventually(within: 30) { server.text.hasSuffix("\n") || !server.isRunning })
            let url = String(server.text.split(separator: " ").last ?? "").trimmingCharacters(
                in: .whitespacesAndNewlines)
            let last = 3 + 7 * round
            for index in 0... {
                // From here on it dies whenever it does: between two requests, or within one.
                if index == last { Thread { [pid = server.pid] in kill(pid, SIGKILL) }.start() }
                let schema = #"{"type":"fixed","name":"F","size":\#(round * 10_000 + index)}"#
                let subject = "s\(round)-\(index % 3)-\(index)"
                let request = HTTPRequest(
                    "POST", "\(url)/subjects/\(subject)/versions", body: .bytes(Array(AskedRegistry.body(schema).utf8)))
                guard let response = try? request.send(), response.status == 200,
                    let object = try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Int],
                    let id = object["id"]
                else { break }
                answered.append((subject, schema, id))
            }
            server.signal(SIGKILL)
            _ = server.wait(timeout: 30)
        }
        try #require(answered.count >= 6 * 3 + 7 * 15)
        let registry = LocalRegistry(path: taxi.tenantFolder + "/schemas.db")
        #expect(try registry.requireSound() >= answered.count)
        for (subject, schema, id) in answered {
            let stored = try registry.latest(of: subject)
            #expect(stored == RegisteredSchema(subject: subject, version: 1, id: Int32(id), schema: schema))
        }
        #expect(Set(answered.map(\.id)).count == answered.count)
    }
}
