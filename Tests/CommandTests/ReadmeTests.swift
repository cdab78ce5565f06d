import CommandSupport
import Foundation
import Testing

/// README.md as somebody follows it who has just installed the program.
@Suite struct ReadmeTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func itsTourPrintsWhatItSays() throws { try expectScript("check-readme") }
}

/// Runs a script of the project with the program under test, and expects exit code 0.
func expectScript(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "\(ReadmeTests.root)/scripts/\(name)"]
    process.environment = ProcessInfo.processInfo.environment.merging(["TAXI_CLI": TaxiCLI.executable]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    // What could not be run here is said aloud.
    print(text)
    #expect(process.terminationStatus == 0, "\(text)", sourceLocation: sourceLocation)
}
