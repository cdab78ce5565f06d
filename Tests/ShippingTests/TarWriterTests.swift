import Foundation
import Problems
import Testing

@testable import Shipping

/// Archives as every other tool reads them.
@Suite struct TarWriterTests {
    private func archive() throws -> [UInt8] {
        var bytes: [UInt8] = []
        let collected = Collected()
        let tar = TarWriter { (piece) throws(Problem) in collected.bytes += piece }
        try tar.add(folder: "lib")
        try tar.add(file: "lib/empty", mode: 0o644, [])
        try tar.add(file: "lib/one", mode: 0o755, [65])
        try tar.add(file: "lib/whole-block", mode: 0o600, [UInt8](repeating: 66, count: 512))
        try tar.add(file: "lib/" + String(repeating: "n", count: 96), mode: 0o644, [67, 68])
        try tar.finish()
        bytes = collected.bytes
        return bytes
    }

    private final class Collected { var bytes: [UInt8] = [] }

    @Test func isWholeBlocksAndTheSameAgain() throws {
        let bytes = try archive()
        #expect(bytes.count == (5 + 3 + 2) * 512)
        #expect(try archive() == bytes)
    }

    @Test func tarReadsIt() throws {
        let path = FileManager.default.temporaryDirectory.path + "/taxi-cli-tests-\(UUID().uuidString).tar"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(try archive()).write(to: URL(fileURLWithPath: path))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "tar --utc -tvf \"$0\" 2>&1 && tar -xOf \"$0\" lib/one lib/whole-block", path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(said)")
        let lines = said.split(separator: "\n").map { line in
            line.split(separator: " ").map(String.init)
        }
        let listed = lines.prefix(5)
        #expect(listed.map { $0[0] } == ["drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "-rw-------", "-rw-r--r--"])
        #expect(listed.map { $0[2] } == ["0", "0", "1", "512", "2"])
        #expect(Set(listed.map { $0[1...1] + $0[3...4] }) == [["root/root", "1980-01-01", "00:00"]])
        #expect(listed[4].last == "lib/" + String(repeating: "n", count: 96))
        #expect(said.hasSuffix("A" + String(repeating: "B", count: 512)))
    }
}
