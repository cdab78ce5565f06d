import Foundation

/// A Python with other readers and writers of the formats that we read and write: see scripts/peers.
package enum Python {
    /// The interpreter's path; nil, said aloud, where it cannot be had.
    package static let peers = interpreter([], with: "fastavro and DuckDB to compare with")

    /// The same with the stock clients of a schema registry, as they are now and as they were in 2024.
    package static let clients = interpreter(["clients"], with: "confluent-kafka")
    package static let clientsOf2024 = interpreter(["clients-2024"], with: "confluent-kafka of 2024")

    private static func interpreter(_ words: [String], with what: String) -> String? {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let ending = try? run(root.appendingPathComponent("scripts/peers").path, words)
        guard let ending, ending.code == 0 else {
            print("skipped: there is no Python with \(what)")
            return nil
        }
        return ending.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Whether tests that need it can run.
    package static var hasPeers: Bool { peers != nil }

    /// The folder to be put in front of PATH for a program that shall find this Python.
    package static var folder: String? { peers.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path } }

    /// Runs a program text with arguments; what it prints.
    ///
    /// - Throws: `PythonFailure` with what it says on stderr where it ends with another code than 0.
    package static func run(_ text: String, _ arguments: String...) throws -> String {
        try run(text, arguments, by: peers ?? "python3")
    }

    /// - Parameter interpreter: such as `clients`.
    package static func run(_ text: String, _ arguments: [String], by interpreter: String) throws -> String {
        let ending = try run(interpreter, ["-c", text] + arguments)
        guard ending.code == 0 else { throw PythonFailure(description: ending.errors) }
        return ending.output
    }

    private static func run(
        _ program: String, _ arguments: [String]
    ) throws -> (code: Int32, output: String, errors: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        // Files, since a pipe that nobody empties would stop it.
        let name = NSTemporaryDirectory() + "/taxi-python-\(UUID().uuidString)"
        let paths = [name + ".out", name + ".err"]
        defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
        for path in paths { try Data().write(to: URL(fileURLWithPath: path)) }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        return (process.terminationStatus, texts[0], texts[1])
    }
}

package struct PythonFailure: Error, CustomStringConvertible {
    package var description: String
}
