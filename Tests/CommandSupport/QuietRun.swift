import Foundation

/// Runs a program of the system to its end, whatever it says about what goes wrong.
///
/// - Returns: its exit code.
package func runQuietly(_ arguments: String...) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
}
