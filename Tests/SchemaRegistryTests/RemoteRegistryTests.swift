import Foundation
import HTTPServer
import Problems
import ServerSupport
import Synchronization
import Testing

@testable import SchemaRegistry

/// The client of a registry that others serve, against one that is in all sorts of moods.
@Suite struct RemoteRegistryTests {
    /// What a client has waited for instead of waiting.
    final class Pauses: Sendable {
        private let all = Mutex<[Int64]>([])
        var ms: [Int64] { all.withLock { $0 } }
        func add(_ ms: Int64) { all.withLock { $0.append(ms) } }
    }

    private static let schema = #"{"type":"record","name":"T","fields":[{"name":"a","type":"int"}]}"#

    private func registry(
        _ mood: String, _ name: String = UUID().uuidString, properties: String? = nil, pauses: Pauses = Pauses(),
        timeoutMs: Int64 = 10_000
    ) throws -> RemoteRegistry {
        let url = "\(try TestServer.web().url)/registry/\(mood)/\(name)/"
        guard let properties else {
            return RemoteRegistry(try RegistryAccess(url: url), timeoutMs: timeoutMs, pause: { pauses.add($0) })
        }
        let file = NSTemporaryDirectory() + "/registry-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        #expect(
            FileManager.default.createFile(
                atPath: file, contents: Data(properties.utf8), attributes: [.posixPermissions: 0o600]))
        return RemoteRegistry(try RegistryAccess(url: url, configuration: file), pause: { pauses.add($0) })
    }

    @Test func registersFindsAndReads() throws {
        let name = UUID().uuidString
        let registry = try registry("plain", name)
        #expect(try registry.latest(of: "a b/c-value") == nil)
        #expect(try registry.find(Self.schema, under: "a b/c-value") == nil)
        let made = try registry.register(Self.schema, under: "a b/c-value")
        #expect(made == RegisteredSchema(subject: "a b/c-value", version: 1, id: 1, schema: Self.schema))
        #expect(try registry.latest(of: "a b/c-value") == made)
        let other = try self.registry("plain", name)
        #expect(try other.find(Self.schema, under: "a b/c-value") == made)
        #expect(try other.schema(id: 1) == Self.schema)
        #expect(try other.schema(id: 2) == nil)
        #expect(try other.incompatibilities(of: Self.schema, under: "a b/c-value").isEmpty)
    }

    @Test func saysEveryReasonOfARefusal() throws {
        let registry = try registry("plain")
        #expect(
            try registry.incompatibilities(of: Self.schema, under: "refused") == ["the first reason", "the second"])
        let refused = #expect(throws: Problem.self) { try registry.register(Self.schema, under: "refused") }
        #expect(refused?.code == .badData)
        #expect(refused?.message.contains("it does not fit") == true)
        let checked = #expect(throws: Problem.self) {
            try registry.requireUsable(Self.schema, under: "refused", registering: true)
        }
        #expect(checked?.code == .badData)
        #expect(checked?.message.contains("\n  the first reason\n  the second") == true)
        let missing = #expect(throws: Problem.self) {
            try registry.requireUsable(Self.schema, under: "other", registering: false)
        }
        #expect(missing?.code == .unavailable)
    }

    /// One question for each id and text, however often it is asked for: a registry that breaks afterwards does not matter.
    @Test func asksForEachIDAndTextOnce() throws {
        let pauses = Pauses()
        let registry = try registry("flaky", pauses: pauses)
        for _ in 0..<3 {
            let made = try registry.register(Self.schema, under: "s")
            #expect(made.id == 1 && made.version == 1)
            #expect(try registry.find(Self.schema, under: "s") == made)
        }
        // Two refusals of the registration, and two of the look at its version.
        #expect(pauses.ms == [100, 200, 100, 200])
        for _ in 0..<3 { #expect(try registry.schema(id: 1) == Self.schema) }
        #expect(pauses.ms.count == 6)
    }

    @Test(arguments: [408, 429, 500, 502, 503, 504])
    func givesUpAfterSixQuestions(_ status: Int) throws {
        let pauses = Pauses()
        let registry = try registry("busy", "\(status)", pauses: pauses)
        let problem = #expect(throws: Problem.self) { try registry.schema(id: 1) }
        #expect(problem?.code == .unavailable)
        #expect(problem?.message.contains("the store is broken") == true)
        #expect(pauses.ms == [100, 200, 400, 800, 1600])
    }

    @Test func doesNotAskAgainWhatWouldBeRefusedAgain() throws {
        let pauses = Pauses()
        let registry = try registry("busy", "422", pauses: pauses)
        #expect(throws: Problem.self) { try registry.register(Self.schema, under: "s") }
        #expect(pauses.ms.isEmpty)
    }

    struct Mood: Sendable, CustomTestStringConvertible {
        var name: String
        var code: Problem.Code
        var words: String
        var testDescription: String { name }
    }

    @Test(arguments: [
        Mood(name: "garbage", code: .unavailable, words: "not the JSON of a registry"),
        Mood(name: "half", code: .unavailable, words: "failed"),
        Mood(name: "long", code: .badData, words: "which no schema has"),
        Mood(name: "stranger", code: .unavailable, words: "404 without the code of a registry"),
        Mood(name: "elsewhere", code: .configuration, words: "sends on to http://127.0.0.1:1/secret"),
        Mood(name: "basic", code: .noPermission, words: "who are you"),
        Mood(name: "silent", code: .unavailable, words: "did not answer in time"),
    ])
    func explainsWhatItCannotUse(_ mood: Mood) throws {
        let registry = try registry(mood.name, timeoutMs: mood.name == "silent" ? 50 : 10_000)
        let problem = #expect(throws: Problem.self) { try registry.schema(id: 1) }
        #expect(problem?.code == mood.code)
        #expect(problem?.message.contains(mood.words) == true, "\(problem?.message ?? "")")
        #expect(problem?.message.contains("hush") == false)
    }

    @Test func sendsUserAndTokenOfAFile() throws {
        let basic = try registry("basic", properties: "# of the test\nbasic.auth.user.info = me:hush\n")
        #expect(try basic.register(Self.schema, under: "s").id == 1)
        let bearer = try registry("bearer", properties: "bearer.auth.token=hush\n")
        #expect(try bearer.register(Self.schema, under: "s").id == 1)
    }

    @Test(arguments: [
        ("ftp://host", "no URL"), ("host:8081", "no URL"), ("http://", "no URL"),
        ("http://me:hush@host", "a user, password or query"), ("http://host?token=hush", "a user, password or query"),
    ])
    func refusesWhatIsNoPlaceOfARegistry(_ url: String, _ words: String) {
        let problem = #expect(throws: Problem.self) { try RegistryAccess(url: url) }
        #expect(problem?.code == .usage)
        #expect(problem?.message.contains(words) == true)
        #expect(problem?.message.contains("hush") == false)
    }

    @Test func refusesAFileThatOthersReadOrThatSaysNothingKnown() throws {
        func problem(_ properties: String, mode: Int = 0o600) throws -> Problem? {
            let file = NSTemporaryDirectory() + "/registry-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: file) }
            #expect(
                FileManager.default.createFile(
                    atPath: file, contents: Data(properties.utf8), attributes: [.posixPermissions: mode]))
            return #expect(throws: Problem.self) { try RegistryAccess(url: "http://host", configuration: file) }
        }
        #expect(try problem("bearer.auth.token=hush", mode: 0o640)?.code == .noPermission)
        #expect(try problem("basic.auth.user.info=hush")?.message.contains("has no colon") == true)
        #expect(try problem("bearer.auth.tokens=hush")?.location?.line == 1)
        #expect(try problem("bearer.auth.token=a\nbasic.auth.user.info=b:c")?.message.contains("both") == true)
        #expect(try problem("ssl.ca.location=/x\nrubbish hush")?.location?.line == 2)
        for text in ["rubbish hush", "bearer.auth.tokens=hush", "basic.auth.user.info=hush"] {
            #expect(try "\(problem(text) as Any)".contains("hush") == false)
        }
    }

    /// The tenant's own registry, served to another one's command line.
    @Test func managesTheSubjectsOfARegistryThatIsServed() throws {
        let asked = try AskedRegistry()
        let server = try HTTPServer(HTTPServer.Options(listen: "127.0.0.1:0")) {
            asked.service.answer($0, path: $0.path)
        }
        defer { server.stop() }
        let remote: any SchemaCatalog = RemoteRegistry(try RegistryAccess(url: "http://\(server.address)/"))
        #expect(try remote.subjectNames(deleted: false) == [])
        #expect(try remote.versionNumbers(of: "a-value", deleted: true) == [])
        let missing = #expect(throws: Problem.self) { try remote.schema(.latest, of: "a-value", deleted: false) }
        #expect(missing?.code == .noInput)

        let first = try remote.register(Self.schema, under: "a-value")
        let next = Self.schema.replacing("]}", with: #",{"name":"b","type":"int","default":0}]}"#)
        let second = try remote.register(next, under: "a-value")
        #expect(second.version == 2 && second.id != first.id)
        #expect(try remote.subjectNames(deleted: false) == ["a-value"])
        #expect(try remote.versionNumbers(of: "a-value", deleted: false) == [1, 2])
        #expect(try remote.schema(.number(1), of: "a-value", deleted: false) == first)
        #expect(try remote.schema(.latest, of: "a-value", deleted: false) == second)

        #expect(try remote.compatibility(of: "a-value") == .backward)
        try remote.setCompatibility(.full, of: nil)
        #expect(try remote.compatibility(of: nil) == .full)
        #expect(try remote.compatibility(of: "a-value") == .full)
        try remote.setCompatibility(.fullTransitive, of: "a-value")
        #expect(try remote.compatibility(of: "a-value") == .fullTransitive)
        #expect(try remote.incompatibilities(of: #""int""#, under: "a-value").isEmpty == false)
        try remote.setCompatibility(nil, of: "a-value")
        #expect(try remote.compatibility(of: "a-value") == .full)

        #expect(try remote.delete(.number(1), of: "a-value", permanently: false) == [1])
        #expect(try remote.versionNumbers(of: "a-value", deleted: false) == [2])
        #expect(try remote.versionNumbers(of: "a-value", deleted: true) == [1, 2])
        // What was deleted is not taken from memory.
        #expect(try remote.find(Self.schema, under: "a-value") == nil)
        #expect(try remote.delete(nil, of: "a-value", permanently: false) == [2])
        #expect(try remote.subjectNames(deleted: false) == [])
        #expect(try remote.subjectNames(deleted: true) == ["a-value"])
        let gone = #expect(throws: Problem.self) { try remote.delete(nil, of: "nobody", permanently: false) }
        #expect(gone?.code == .noInput)
    }
}
