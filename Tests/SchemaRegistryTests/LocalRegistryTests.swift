import Avro
import CommandSupport
import Foundation
import Problems
import SQLite
import Testing

@testable import SchemaRegistry

/// The registry in a tenant's folder.
@Suite struct LocalRegistryTests {
    /// A registry in a folder that goes away with it.
    final class Place: Sendable {
        let folder: String
        let registry: LocalRegistry
        init() throws {
            folder = NSTemporaryDirectory() + "/taxi-registry-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            registry = LocalRegistry(path: "\(folder)/schemas.db")
        }
        deinit { try? FileManager.default.removeItem(atPath: folder) }
    }

    static func record(_ fields: String...) -> String {
        #"{"type":"record","name":"T","namespace":"x","fields":[\#(fields.joined(separator: ","))]}"#
    }
    static let a = #"{"name":"a","type":"int"}"#
    static let b = #"{"name":"b","type":"int","default":0}"#
    static let bAlone = #"{"name":"b","type":"int"}"#

    private func code(_ body: () throws -> Void) -> Int? {
        do { try body() } catch { return (error as? RegistryRefusal)?.code }
        return nil
    }

    @Test func hasNothingBeforeTheFirstChangeAndMakesNothingForALook() throws {
        let place = try Place()
        #expect(try place.registry.subjects().isEmpty)
        #expect(try place.registry.latest(of: "s") == nil)
        #expect(try place.registry.schema(id: 1) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.folder).isEmpty)
    }

    @Test func givesOneTextOneIDOverAllSubjects() throws {
        let place = try Place()
        let registry = place.registry
        let first = try registry.register(Self.record(Self.a), under: "one")
        #expect(first.id == 1 && first.version == 1)
        #expect(try registry.register(Self.record(Self.a), under: "one") == first)
        #expect(try registry.register(Self.record(Self.a), under: "two").id == 1)
        let second = try registry.register(Self.record(Self.a, Self.b), under: "two")
        #expect(second.id == 2 && second.version == 2)
        #expect(try registry.latest(of: "two") == second)
        #expect(try registry.find(Self.record(Self.a), under: "two")?.version == 1)
        #expect(try registry.schema(id: 2) == Self.record(Self.a, Self.b))
        let attributes = try FileManager.default.attributesOfItem(atPath: registry.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        // Another process finds the same.
        #expect(try LocalRegistry(path: registry.path).latest(of: "two") == second)
    }

    @Test(arguments: [
        // Equal: white space, order of keys, spelling of names.
        (#"{ "fields" : [ {"type":"int","name":"a"} ],"namespace":"x", "name":"T","type":"record" }"#, true),
        (#"{"type":"record","name":"x.T","fields":[{"name":"a","type":{"type":"int"}}]}"#, true),
        (
            #"{"type":"record","name":"x.T","namespace":"y","fields":[{"name":"a","type":"int","order":"ascending"}]}"#,
            true
        ),
        // What counts.
        (#"{"type":"record","name":"x.T","doc":"d","fields":[{"name":"a","type":"int"}]}"#, false),
        (#"{"type":"record","name":"x.T","fields":[{"name":"a","type":"int","doc":"d"}]}"#, false),
        (#"{"type":"record","name":"x.T","fields":[{"name":"a","type":"int","default":1}]}"#, false),
        (#"{"type":"record","name":"x.T","aliases":["U"],"fields":[{"name":"a","type":"int"}]}"#, false),
        (#"{"type":"record","name":"x.T","owner":"me","fields":[{"name":"a","type":"int"}]}"#, false),
        (#"{"type":"record","name":"x.T","fields":[{"name":"a","type":{"type":"int","unit":"m"}}]}"#, false),
        (#"{"type":"record","name":"y.T","fields":[{"name":"a","type":"int"}]}"#, false),
    ])
    func knowsOneSchemaByWhateverSpelling(_ text: String, isSame: Bool) throws {
        let place = try Place()
        try place.registry.set(CompatibilityLevel.none, of: nil)
        let first = try place.registry.register(Self.record(Self.a), under: "s")
        #expect((try place.registry.register(text, under: "s").id == first.id) == isSame)
    }

    @Test func foldsMoreWhereItIsAskedToNormalize() throws {
        let registry = try Place()
        func text(_ scale: String) -> String {
            #"{"name":"R","type":"record","fields":[{"name":"m","type":{"type":"bytes","z":1,"precision":4,"logicalType":"decimal"\#(scale)}}]}"#
        }
        let plain = try registry.registry.register(SchemaText(text(",\"scale\":0")), under: "s")
        // Looked for as it is, one without a scale is another schema.
        #expect(try registry.registry.find(SchemaText(text("")), under: "s") == nil)
        let found = try registry.registry.find(SchemaText(text(""), normalize: true), under: "s", normalized: true)
        #expect(found?.schema == plain)
        let again = try registry.registry.register(
            SchemaText(text(""), normalize: true), under: "s", RegisterOptions(normalized: true))
        #expect(again == plain)
        let elsewhere = try registry.registry.register(
            SchemaText(text(",\"scale\":0"), normalize: true), under: "t", RegisterOptions(normalized: true))
        #expect(
            elsewhere.schema
                == #"{"type":"record","name":"R","fields":[{"name":"m","type":{"type":"bytes","logicalType":"decimal","precision":4,"z":1}}]}"#
        )
    }

    @Test func keepsItsSpellingThroughReadingAgain() throws {
        let texts = [
            #"{"type":"record","name":"a.A","fields":[{"name":"e","type":{"type":"enum","name":"E","namespace":"","symbols":["X"]}},{"name":"f","type":{"type":"fixed","name":"b.F","size":2}},{"name":"g","type":"b.F"}]}"#,
            #"["null",{"type":"map","values":{"type":"array","items":"long"},"x":{"b":1,"a":[true,null,1.5e3]}}]"#,
            #"{"type":{"type":"string"},"doc":"kept"}"#, #"{"type":"error","name":"Oops","fields":[]}"#,
        ]
        for text in texts {
            let once = try AvroSchema.spelling(of: text, isNormalized: true)
            #expect(try AvroSchema.spelling(of: once, isNormalized: true) == once)
            #expect(try AvroSchema(once).canonicalForm == AvroSchema(text).canonicalForm)
        }
    }

    @Test func refusesWhatIsNotCompatible() throws {
        let registry = try Place()
        _ = try registry.registry.register(Self.record(Self.a), under: "s")
        #expect(
            code { _ = try registry.registry.register(SchemaText(Self.record(Self.a, Self.bAlone)), under: "s") } == 409
        )
        do {
            _ = try registry.registry.register(Self.record(Self.a, Self.bAlone), under: "s")
            Issue.record("was registered")
        } catch { #expect(error.code == .badData) }
        #expect(try registry.registry.incompatibilities(of: Self.record(Self.a, Self.bAlone), under: "s").count == 1)
        #expect(try registry.registry.incompatibilities(of: Self.record(Self.a, Self.b), under: "s").isEmpty)
        try registry.registry.set(CompatibilityLevel.forward, of: "s")
        #expect(try registry.registry.register(Self.record(Self.a, Self.bAlone), under: "s").version == 2)
    }

    @Test func deletesSoftlyAndThenForGood() throws {
        let place = try Place()
        let registry = place.registry
        _ = try registry.register(Self.record(Self.a), under: "s")
        _ = try registry.register(Self.record(Self.a, Self.b), under: "s")
        #expect(code { _ = try registry.delete(.number(1), of: "s", permanently: true) } == 40407)
        #expect(try registry.delete(.number(1), of: "s") == 1)
        #expect(code { _ = try registry.delete(.number(1), of: "s") } == 40406)
        #expect(code { _ = try registry.delete(.number(7), of: "s") } == 40402)
        #expect(code { _ = try registry.delete(.number(7), of: "t") } == 40401)
        #expect(try registry.versions(of: "s").map(\.schema.version) == [2])
        #expect(try registry.versions(of: "s", .all).map(\.schema.version) == [1, 2])
        // A message may still name it.
        #expect(try registry.schema(id: 1) != nil)
        #expect(code { _ = try registry.delete(subject: "s", permanently: true) } == 40405)
        #expect(try registry.delete(subject: "s") == [2])
        #expect(code { _ = try registry.delete(subject: "s") } == 40404)
        #expect(try registry.subjects().isEmpty)
        #expect(try registry.subjects(.all) == ["s"])
        #expect(try registry.delete(subject: "s", permanently: true) == [1, 2])
        #expect(code { _ = try registry.delete(subject: "s", permanently: true) } == 40401)
        #expect(try registry.schema(id: 1) == nil)
        // Ids are not given twice.
        let anew = try registry.register(Self.record(Self.a), under: "s")
        #expect(anew.id == 3 && anew.version == 1)
    }

    @Test func keepsToItsModes() throws {
        let place = try Place()
        let registry = place.registry
        _ = try registry.register(Self.record(Self.a), under: "s")
        try registry.set(RegistryMode.readOnly, of: "s")
        #expect(code { _ = try registry.register(SchemaText(Self.record(Self.a, Self.b)), under: "s") } == 42205)
        #expect(try registry.register(Self.record(Self.a), under: "s").id == 1)
        #expect(code { _ = try registry.delete(subject: "s") } == 42205)
        #expect(code { try registry.set(CompatibilityLevel.full, of: "s") } == 42205)
        _ = try registry.register(Self.record(Self.b), under: "t")
        try registry.set(RegistryMode.readOnlyOverride, of: nil)
        #expect(code { _ = try registry.register(SchemaText(Self.record(Self.a, Self.b)), under: "t") } == 42205)
        try registry.set(RegistryMode?.none, of: nil)
        #expect(code { try registry.set(RegistryMode.import, of: "t") } == 42205)
        try registry.set(RegistryMode.import, of: "u")
        let text = try SchemaText(#""string""#)
        #expect(code { _ = try registry.register(text, under: "u") } == 42205)
        let given = try registry.register(text, under: "u", RegisterOptions(id: 700, version: 9))
        #expect(given.id == 700 && given.version == 9)
        let other = try SchemaText(#""long""#)
        #expect(code { _ = try registry.register(other, under: "u", RegisterOptions(id: 700, version: 10)) } == 42205)
        #expect(code { _ = try registry.register(other, under: "u", RegisterOptions(id: 701, version: 9)) } == 42205)
        #expect(code { _ = try registry.register(text, under: "u", RegisterOptions(id: 701, version: 10)) } == 42205)
        #expect(code { _ = try registry.register(text, under: "v", RegisterOptions(id: 701)) } == 42205)
        // Ids go on after what was given.
        #expect(try registry.register(#""float""#, under: "v").id == 701)
    }

    @Test func refusesWhatIsNoSchemaOrSubject() throws {
        let place = try Place()
        for text in ["", "{", "\"nothing\"", "{\"type\":\"record\"}", "\u{0}", "[\"int\",\"int\"]"] {
            #expect(code { _ = try place.registry.register(SchemaText(text), under: "s") } == 42201)
        }
        for subject in ["", "a\nb", "a\u{0}", String(repeating: "x", count: 2000)] {
            #expect(code { _ = try place.registry.register(SchemaText("\"int\""), under: subject) } == 42208)
        }
    }

    @Test func saysThatItsFileIsDamaged() throws {
        let place = try Place()
        for index in 0..<200 {
            _ = try place.registry.register(
                #"{"type":"fixed","name":"F\#(index)","size":\#(index)}"#, under: "s\(index)")
        }
        let bytes = try Data(contentsOf: URL(fileURLWithPath: try copy(place)))
        // Pages of garbage, a file that ends early, something else altogether.
        var torn = bytes
        for index in 4096..<min(bytes.count, 16384) { torn[index] = UInt8(truncatingIfNeeded: index &* 31) }
        for damaged in [
            torn, bytes.prefix(bytes.count / 2), Data("no database at all, but long enough to be one".utf8),
        ] {
            let path = "\(place.folder)/damaged-\(UUID().uuidString).db"
            try damaged.write(to: URL(fileURLWithPath: path))
            do {
                let registry = LocalRegistry(path: path)
                for subject in try registry.explained({ () throws(RegistryRefusal) in try registry.subjects(.all) }) {
                    _ = try registry.latest(of: subject)
                }
                Issue.record("damage passed")
            } catch { #expect(error.code == .badData) }
        }
        // Values that no column has.
        let path = "\(place.folder)/values.db"
        try bytes.write(to: URL(fileURLWithPath: path))
        let connection = try Connection(path: path)
        try connection.execute("UPDATE versions SET version = 99999999999 WHERE subject = 's3'")
        try connection.execute("INSERT INTO settings VALUES ('s4', 'WHATEVER', NULL)")
        try connection.execute("PRAGMA foreign_keys=OFF")
        try connection.execute("DELETE FROM schemas WHERE id = 6")
        let registry = LocalRegistry(path: path)
        for subject in ["s3", "s5"] {
            do {
                _ = try registry.latest(of: subject)
                Issue.record("damage passed in \(subject)")
            } catch { #expect(error.code == .badData) }
        }
        #expect(code { _ = try registry.level(for: "s4") } == 50001)
    }

    private func copy(_ place: Place) throws -> String {
        let path = "\(place.folder)/copy.db"
        try Connection(path: place.registry.path, access: .readOnly).copy(to: path)
        return path
    }

    /// Killed between the making of the file and that of its tables.
    @Test func goesOnFromAFileWithoutTables() throws {
        let place = try Place()
        try Data().write(to: URL(fileURLWithPath: place.registry.path))
        #expect(try place.registry.subjects().isEmpty)
        #expect(try place.registry.register("\"int\"", under: "s").id == 1)
        #expect(try place.registry.subjects() == ["s"])
    }

    @Test func refusesTheFileOfANewerVersion() throws {
        let place = try Place()
        _ = try place.registry.register("\"int\"", under: "s")
        try Connection(path: place.registry.path).execute("PRAGMA user_version=2")
        let other = LocalRegistry(path: place.registry.path)
        do {
            _ = try other.latest(of: "s")
            Issue.record("was read")
        } catch { #expect(error.code == .configuration) }
        do {
            _ = try other.register("\"long\"", under: "t")
            Issue.record("was written")
        } catch { #expect(error.code == .configuration) }
    }

    /// What was registered stays; what there was no room for is registered once there is.
    @Test func losesNothingOnAFullDisk() throws {
        guard let disk = try SmallDisk(kilobytes: 400) else { return }
        let registry = LocalRegistry(path: "\(disk.path)/schemas.db")
        var kept: [RegisteredSchema] = []
        func schema(_ index: Int) -> String {
            #"{"type":"fixed","name":"F\#(index)","size":1,"doc":"\#(String(repeating: "x", count: 3000))"}"#
        }
        var refusal: Problem.Code?
        while refusal == nil, kept.count < 1000 {
            do { kept.append(try registry.register(schema(kept.count), under: "s\(kept.count)")) } catch {
                refusal = error.code
            }
        }
        #expect(refusal == .inputOutput)
        for schema in kept { #expect(try registry.latest(of: schema.subject) == schema) }
        try disk.resize(kilobytes: 4000)
        let next = try registry.register(schema(kept.count), under: "s\(kept.count)")
        #expect(next.version == 1 && !kept.contains { $0.id == next.id })
        #expect(try LocalRegistry(path: registry.path).requireSound() == kept.count + 1)
    }

    @Test func goesOnWithTheFileThatTookTheFirstOnesPlace() throws {
        let place = try Place()
        _ = try place.registry.register("\"int\"", under: "s")
        #expect(try place.registry.subjects() == ["s"])
        for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: place.registry.path + ending) }
        #expect(try place.registry.subjects().isEmpty)
        #expect(try place.registry.register("\"long\"", under: "t").id == 1)
        #expect(try place.registry.subjects() == ["t"])
    }

    @Test func givesManyWritersAtOnceOneID() async throws {
        let place = try Place()
        let ids = try await withThrowingTaskGroup(of: [Int32].self) { group in
            for worker in 0..<4 {
                group.addTask {
                    // A registry each, as processes have.
                    let registry = LocalRegistry(path: place.registry.path)
                    return try (0..<20).map { index in
                        try registry.register(
                            #"{"type":"fixed","name":"F\#(index)","size":1}"#, under: "s\(worker % 2)-\(index)"
                        ).id
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(ids).count == 1)
        #expect(Set(ids[0]).count == 20)
    }
}
