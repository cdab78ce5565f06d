import Foundation
import Testing

@testable import Serve

@Suite struct ServiceLogTests {
    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/log-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private func lines(_ path: String) throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    @Test func linesAreWholeAndHaveTheirTime() throws {
        try inFolder { folder in
            let log = ServiceLog(path: "\(folder)/a.log", spec: LogSpec())
            log.take(Array("one\ntw".utf8)[...])
            log.take(Array("o\nthree".utf8)[...])
            log.end()
            log.note("it has\nended")
            let lines = try lines("\(folder)/a.log")
            #expect(lines.count == 4)
            #expect(lines.allSatisfy { $0.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .*/) != nil })
            #expect(lines.prefix(3).map { String($0.dropFirst(25)) } == ["one", "two", "three"])
            #expect(log.lastLines == ["one", "two", "three"])
        }
    }

    @Test func largeAndOldOnesAreLetGoOf() throws {
        try inFolder { folder in
            let path = "\(folder)/a.log"
            try "old".write(toFile: path + ".2", atomically: true, encoding: .utf8)
            try "other".write(toFile: folder + "/b.log.9", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -40 * 86_400)], ofItemAtPath: path + ".2")
            let log = ServiceLog(path: path, spec: LogSpec(sizeBytes: 1000, files: 2))
            #expect(!FileManager.default.fileExists(atPath: path + ".2"))
            for number in 0..<200 { log.take(Array("line \(number)\n".utf8)[...]) }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(names == ["a.log", "a.log.1", "a.log.2", "b.log.9"])
            let kept = try ["a.log.2", "a.log.1", "a.log"].flatMap { try lines("\(folder)/\($0)") }
            #expect(kept.last?.hasSuffix("line 199") == true)
            // None is missing between the oldest that is kept and the newest.
            let numbers = kept.compactMap { Int($0.split(separator: " ").last ?? "") }
            #expect(numbers == Array((numbers.first ?? 0)...199))
            for name in ["a.log", "a.log.1", "a.log.2"] {
                let size = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size] as? Int
                #expect((size ?? .max) <= 1000)
            }
        }
    }

    @Test func whatHasNoLineEndIsCut() throws {
        try inFolder { folder in
            let log = ServiceLog(path: "\(folder)/a.log", spec: LogSpec())
            for _ in 0..<40 { log.take([UInt8](repeating: 65, count: 10_000)[...]) }
            let count = try lines("\(folder)/a.log").count
            #expect(count >= 5)
        }
    }
}
