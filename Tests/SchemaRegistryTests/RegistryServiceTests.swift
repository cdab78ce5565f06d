import Avro
import Foundation
import HTTPServer
import Problems
import Testing

@testable import SchemaRegistry

/// A registry as clients ask it, without a socket.
final class AskedRegistry: Sendable {
    let folder: String
    let service: RegistryService

    init(token: String? = nil, isReadOnly: Bool = false) throws {
        folder = NSTemporaryDirectory() + "/taxi-asked-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        service = RegistryService(
            LocalRegistry(path: "\(folder)/schemas.db"), AccessRules(isLoopback: true, token: token, hasTLS: false),
            isReadOnly: isReadOnly)
    }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func response(_ method: String, _ address: String, body: [UInt8] = [], _ headers: [String: String] = [:])
        -> HTTPServerResponse
    {
        let parts = address.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let query = (parts.count > 1 ? parts[1] : "").split(separator: "&").map {
            pair -> (name: String, value: String) in
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return (sides[0], sides.count > 1 ? sides[1] : "")
        }
        return service.answer(
            HTTPServerRequest(
                method: method, path: parts[0], query: query,
                headers: ["host": "localhost:8081"].merging(headers) { $1 }, body: body), path: parts[0])
    }

    /// `200 {"id":1}`.
    func ask(_ method: String, _ address: String, _ body: String = "", _ headers: [String: String] = [:]) -> String {
        let response = response(method, address, body: Array(body.utf8), headers)
        guard case .bytes(let bytes) = response.body else { return "\(response.status)" }
        return "\(response.status) \(String(decoding: bytes, as: UTF8.self))"
    }

    /// The code of an error whose answer is exactly what clients read.
    func code(_ method: String, _ address: String, _ body: String = "", _ headers: [String: String] = [:]) -> Int? {
        let answer = ask(method, address, body, headers)
        let text = String(answer.drop { $0 != " " }.dropFirst())
        guard let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            Set(object.keys) == ["error_code", "message"], object["message"] is String,
            let code = object["error_code"] as? Int, text.hasPrefix("{\"error_code\":\(code),\"message\":\"")
        else { return nil }
        let status = Int(answer.prefix(3))
        return status == (code < 1000 ? code : code / 100) ? code : nil
    }

    static func body(_ schema: String, _ more: String = "") -> String {
        var text = "{\"schema\":"
        JSONValue.string(schema).write(to: &text)
        return text + more + "}"
    }
}

/// What stock clients get, to the letter.
@Suite struct RegistryServiceTests {
    private static let int = AskedRegistry.body("\"int\"")
    private static let string = AskedRegistry.body("\"string\"")
    private static func fields(_ fields: String) -> String {
        AskedRegistry.body(#"{"type":"record","name":"T","fields":[\#(fields)]}"#)
    }

    @Test func answersASerializerAndADeserializer() throws {
        let registry = try AskedRegistry()
        let probe = "/associations/resources/-/trips?resourceType=topic&associationType=value"
        #expect(registry.ask("GET", probe) == "200 []")
        let versions = "/subjects/trips-value/versions"
        #expect(registry.ask("POST", versions + "?normalize=False", Self.int) == #"200 {"id":1}"#)
        #expect(registry.ask("POST", versions + "/", Self.int) == #"200 {"id":1}"#)
        let found = #"200 {"subject":"trips-value","version":1,"id":1,"schema":"\"int\""}"#
        #expect(registry.ask("POST", "/subjects/trips-value?normalize=False&deleted=False", Self.int) == found)
        #expect(registry.ask("GET", versions + "/latest") == found)
        #expect(registry.ask("GET", versions + "/-1?unheard=of") == found)
        #expect(registry.ask("GET", "/schemas/ids/1?subject=trips-value") == #"200 {"schema":"\"int\""}"#)
        #expect(registry.ask("GET", "/schemas/ids/1?fetchMaxId=TRUE") == #"200 {"schema":"\"int\"","maxId":1}"#)
        #expect(registry.ask("GET", "/schemas/ids/1/schema") == #"200 "int""#)
        #expect(registry.ask("GET", versions + "/1/schema") == #"200 "int""#)
        #expect(registry.ask("GET", versions + "/1/referencedby") == "200 []")
        #expect(registry.ask("GET", "/schemas/ids/1/subjects") == #"200 ["trips-value"]"#)
        #expect(registry.ask("GET", "/schemas/ids/1/versions") == #"200 [{"subject":"trips-value","version":1}]"#)
        let response = registry.response("GET", "/subjects")
        #expect(response.headers.contains { $0 == ("Content-Type", "application/vnd.schemaregistry.v1+json") })
    }

    /// Only who says so gets members that older clients do not know.
    @Test func givesTheUUIDToWhoAsksForMore() throws {
        let registry = try AskedRegistry()
        _ = registry.ask("POST", "/subjects/s/versions", Self.int)
        let more = registry.ask("GET", "/subjects/s/versions/1", "", ["confluent-accept-unknown-properties": "true"])
        let guid = try #require(more.firstMatch(of: /"guid":"([0-9a-f-]{36})"/)?.1)
        #expect(registry.ask("GET", "/schemas/guids/\(guid)") == #"200 {"schema":"\"int\""}"#)
        #expect(registry.ask("GET", "/schemas/guids/\(guid)/ids") == #"200 [{"context":".","id":1}]"#)
        #expect(registry.code("GET", "/schemas/guids/nothing") == 40403)
    }

    @Test func answersWhoLooksAround() throws {
        let registry = try AskedRegistry()
        #expect(registry.ask("GET", "/") == "200 {}")
        #expect(registry.ask("GET", "/subjects") == "200 []")
        #expect(registry.ask("GET", "/schemas/types") == #"200 ["AVRO"]"#)
        #expect(registry.ask("GET", "/config") == #"200 {"compatibilityLevel":"BACKWARD"}"#)
        #expect(registry.ask("GET", "/config/s?defaultToGlobal=True") == #"200 {"compatibilityLevel":"BACKWARD"}"#)
        #expect(registry.ask("GET", "/mode") == #"200 {"mode":"READWRITE"}"#)
        #expect(registry.ask("GET", "/mode/s?defaultToGlobal=true") == #"200 {"mode":"READWRITE"}"#)
        #expect(registry.ask("GET", "/contexts") == #"200 ["."]"#)
        for subject in ["b", "a", ":.berlin:a"] {
            #expect(registry.ask("POST", "/subjects/\(subject)/versions", Self.int) == #"200 {"id":1}"#)
        }
        #expect(registry.ask("POST", "/contexts/.berlin/subjects/c/versions", Self.string) == #"200 {"id":2}"#)
        #expect(registry.ask("GET", "/subjects") == #"200 [":.berlin:a",":.berlin:c","a","b"]"#)
        #expect(registry.ask("GET", "/subjects?subjectPrefix=:.:") == #"200 ["a","b"]"#)
        #expect(registry.ask("GET", "/subjects?subjectPrefix=:.berlin:c") == #"200 [":.berlin:c"]"#)
        #expect(registry.ask("GET", "/contexts/:.berlin:/subjects") == #"200 [":.berlin:a",":.berlin:c"]"#)
        #expect(registry.ask("GET", "/subjects?offset=1&limit=1") == #"200 [":.berlin:c"]"#)
        #expect(registry.ask("GET", "/contexts") == #"200 [".",".berlin"]"#)
        #expect(
            registry.ask("GET", "/schemas?latestOnly=true&subjectPrefix=a")
                == #"200 [{"subject":"a","version":1,"id":1,"schema":"\"int\""}]"#)
        #expect(registry.ask("HEAD", "/subjects").hasPrefix("200"))
    }

    @Test func changesLevelsAndModes() throws {
        let registry = try AskedRegistry()
        #expect(registry.ask("PUT", "/config", #"{"compatibility":"full"}"#) == #"200 {"compatibility":"FULL"}"#)
        #expect(registry.ask("GET", "/config") == #"200 {"compatibilityLevel":"FULL"}"#)
        #expect(registry.ask("PUT", "/config/s", #"{"compatibility":"NONE"}"#) == #"200 {"compatibility":"NONE"}"#)
        #expect(registry.ask("GET", "/config/s") == #"200 {"compatibilityLevel":"NONE"}"#)
        #expect(registry.ask("DELETE", "/config/s") == #"200 {"compatibilityLevel":"NONE"}"#)
        #expect(
            registry.ask("PUT", "/contexts/.x/config", #"{"compatibility":"FORWARD"}"#)
                == #"200 {"compatibility":"FORWARD"}"#)
        #expect(registry.ask("GET", "/config/:.x:s?defaultToGlobal=true") == #"200 {"compatibilityLevel":"FORWARD"}"#)
        #expect(registry.ask("PUT", "/mode/s", #"{"mode":"READONLY"}"#) == #"200 {"mode":"READONLY"}"#)
        #expect(registry.code("POST", "/subjects/s/versions", Self.int) == 42205)
        #expect(registry.ask("DELETE", "/mode/s") == #"200 {"mode":"READONLY"}"#)
        #expect(registry.ask("PUT", "/mode?force=true", #"{"mode":"IMPORT"}"#) == #"200 {"mode":"IMPORT"}"#)
        let imported = AskedRegistry.body("\"int\"", #","id":500,"version":3"#)
        #expect(registry.ask("POST", "/subjects/s/versions", imported) == #"200 {"id":500}"#)
        #expect(registry.ask("GET", "/subjects/s/versions") == "200 [3]")
    }

    @Test func givesEachErrorItsCode() throws {
        let registry = try AskedRegistry()
        _ = registry.ask("POST", "/subjects/s/versions", Self.int)
        let long = AskedRegistry.body("\"long\"")
        _ = registry.ask("POST", "/subjects/s/versions", long)
        // What is not there.
        #expect(registry.code("GET", "/subjects/no/versions") == 40401)
        #expect(registry.code("GET", "/subjects/no/versions/1") == 40401)
        #expect(registry.code("POST", "/subjects/no", Self.int) == 40401)
        #expect(registry.code("DELETE", "/subjects/no") == 40401)
        #expect(registry.code("GET", "/subjects/s/versions/9") == 40402)
        #expect(registry.code("DELETE", "/subjects/s/versions/9") == 40402)
        #expect(registry.code("POST", "/compatibility/subjects/no/versions/1", Self.int) == 40402)
        #expect(registry.code("GET", "/schemas/ids/77") == 40403)
        #expect(registry.code("GET", "/schemas/ids/many") == 40403)
        #expect(registry.code("GET", "/schemas/ids/77/versions") == 40403)
        #expect(registry.code("POST", "/subjects/s", Self.string) == 40403)
        #expect(registry.code("GET", "/config/s") == 40408)
        #expect(registry.code("GET", "/mode/s") == 40409)
        // What is no schema, version, level or mode.
        #expect(registry.code("POST", "/subjects/s/versions", AskedRegistry.body("{")) == 42201)
        #expect(registry.code("POST", "/subjects/s/versions", "{}") == 42201)
        #expect(registry.code("POST", "/subjects/s", AskedRegistry.body("\"nothing\"")) == 42201)
        for type in ["JSON", "PROTOBUF"] {
            #expect(
                registry.code("POST", "/subjects/s/versions", AskedRegistry.body("{}", #","schemaType":"\#(type)""#))
                    == 42201)
        }
        let reference = #","references":[{"name":"a","subject":"b","version":1}]"#
        #expect(registry.code("POST", "/subjects/s/versions", AskedRegistry.body("\"int\"", reference)) == 42201)
        for version in ["0", "-2", "first", "2147483648", "1.5"] {
            #expect(registry.code("GET", "/subjects/s/versions/\(version)") == 42202)
        }
        #expect(registry.code("PUT", "/config", #"{"compatibility":"SOME"}"#) == 42203)
        #expect(registry.code("PUT", "/config", "{}") == 42203)
        #expect(registry.code("PUT", "/mode", #"{"mode":"SOME"}"#) == 42204)
        #expect(registry.code("PUT", "/mode/s", #"{"mode":"IMPORT"}"#) == 42205)
        #expect(registry.code("POST", "/subjects/a%01\u{1}/versions", Self.int) == 42208)
        #expect(registry.code("POST", "/subjects/s/versions", Self.string) == 409)
        // What was deleted.
        #expect(registry.code("DELETE", "/subjects/s/versions/1?permanent=true") == 40407)
        #expect(registry.ask("DELETE", "/subjects/s/versions/1") == "200 1")
        #expect(registry.code("DELETE", "/subjects/s/versions/1") == 40406)
        #expect(registry.code("DELETE", "/subjects/s?permanent=true") == 40405)
        #expect(registry.ask("DELETE", "/subjects/s") == "200 [2]")
        #expect(registry.code("DELETE", "/subjects/s") == 40404)
        #expect(registry.code("GET", "/subjects/s/versions") == 40401)
        #expect(registry.ask("GET", "/subjects/s/versions?deleted=true") == "200 [1,2]")
        #expect(registry.ask("GET", "/subjects?deletedOnly=true") == #"200 ["s"]"#)
        #expect(registry.ask("DELETE", "/subjects/s?permanent=True") == "200 [1,2]")
        // What is nothing at all; no client tries any of it again.
        #expect(registry.code("GET", "/nothing") == 404)
        #expect(registry.code("GET", "/subjects/s/versions/1/nothing") == 404)
        #expect(registry.code("PATCH", "/subjects") == 405)
        #expect(registry.code("POST", "/subjects/s/versions", "{") == 400)
        #expect(registry.code("POST", "/subjects/s/versions", "[]") == 400)
    }

    @Test func checksWhatIsNotRegistered() throws {
        let registry = try AskedRegistry()
        let check = "/compatibility/subjects/s/versions"
        #expect(registry.ask("POST", check + "/latest", Self.int) == #"200 {"is_compatible":true}"#)
        #expect(
            registry.ask("POST", check + "/latest?verbose=true", Self.int)
                == #"200 {"is_compatible":true,"messages":[]}"#)
        let a = #"{"name":"a","type":"int"}"#
        _ = registry.ask("POST", "/subjects/s/versions", Self.fields(a))
        let wider = Self.fields(a + #",{"name":"b","type":"int"}"#)
        for place in ["/latest", "/1", "/-1", ""] {
            #expect(registry.ask("POST", check + place, wider) == #"200 {"is_compatible":false}"#)
        }
        #expect(
            registry.ask("POST", check + "/latest?verbose=True", wider)
                == #"200 {"is_compatible":false,"messages":["{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'b'}","{oldSchemaVersion: 1}","{oldSchema: '{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}'}"]}"#
        )
        #expect(registry.code("POST", check + "/latest", AskedRegistry.body("{")) == 42201)
        #expect(
            registry.ask("POST", check + "/latest?verbose=true", AskedRegistry.body("{")).hasPrefix(
                #"200 {"is_compatible":false,"messages":["Invalid schema"#))
        #expect(registry.code("POST", check + "/7", Self.int) == 40402)
        #expect(registry.code("POST", check + "/none", Self.int) == 42202)
    }

    @Test func tellsDamageAndAFullStoreFromBadInput() throws {
        let registry = try AskedRegistry()
        try Data(
            "no database, whatever it was before; and longer than a header, since shorter files are empty ones".utf8
        )
        .write(to: URL(fileURLWithPath: "\(registry.folder)/schemas.db"))
        #expect(registry.code("GET", "/subjects") == 50001)
        #expect(registry.code("POST", "/subjects/s/versions", Self.int) == 50001)
        #expect(registry.code("POST", "/subjects/s/versions", AskedRegistry.body("{")) == 42201)
    }

    @Test func asksForTheTokenAndRefusesPagesOfOthers() throws {
        let registry = try AskedRegistry(token: "swordfish-42")
        func basic(_ text: String) -> [String: String] {
            ["authorization": "Basic " + Data(text.utf8).base64EncodedString()]
        }
        #expect(registry.code("GET", "/subjects") == 401)
        #expect(registry.response("GET", "/subjects").headers.contains { $0.name == "WWW-Authenticate" })
        for wrong in [
            basic("any:other"), basic("swordfish"), ["authorization": "Bearer swordfish"],
            ["authorization": "Basic %%%"],
        ] {
            #expect(registry.code("GET", "/subjects", "", wrong) == 401)
        }
        for right in [basic("any:swordfish-42"), ["authorization": "Bearer swordfish-42"]] {
            #expect(registry.ask("GET", "/subjects", "", right) == "200 []")
        }
        let open = try AskedRegistry()
        #expect(open.code("GET", "/subjects", "", ["host": "evil.example:8081"]) == 421)
        #expect(open.code("POST", "/subjects/s/versions", Self.int, ["origin": "http://evil.example"]) == 403)
        #expect(open.code("POST", "/subjects/s/versions", Self.int, ["sec-fetch-site": "cross-site"]) == 403)
        let shown = try AskedRegistry(isReadOnly: true)
        for (method, path) in [
            ("POST", "/subjects/s/versions"), ("DELETE", "/subjects/s"), ("DELETE", "/subjects/s/versions/1"),
        ] {
            #expect(shown.code(method, path, Self.int) == 42205)
        }
        #expect(shown.code("PUT", "/config", #"{"compatibility":"NONE"}"#) == 42205)
        #expect(
            shown.ask("POST", "/compatibility/subjects/s/versions/latest", Self.int) == #"200 {"is_compatible":true}"#)
    }
}
