import Foundation
import Testing

/// `kill -9` of `produce` and `stream` on a real broker: the end is that of a run that nobody disturbed.
///
/// A short run of scripts/fault-series-kafka, which says what is compared; docs/FAULTS.md has the outcome of long ones.
@Suite struct KafkaFaultTests {
    @Test func killsOnKafkaLeaveTheResultsOfAnUndisturbedRun() throws {
        let variables = ProcessInfo.processInfo.environment
        let kills = "12"
        let seed = variables["TAXI_FAULT_SEED"] ?? "\(Int.random(in: 1...999_999))"
        let run = Process()
        run.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        run.arguments = ["python3", Self.script, kills, seed]
        run.environment = variables.merging(["TAXI_CLI": Self.program]) { $1 }
        let output = Pipe()
        (run.standardOutput, run.standardError) = (output, output)
        try run.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        run.waitUntilExit()
        // Says what was done, or what is missing: the script skips where there is no Kafka.
        print(said)
        #expect(run.terminationStatus == 0, "\(said)")
        #expect(said.contains("as if undisturbed") || said.hasPrefix("skipped: "), "\(said)")
    }

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scripts/fault-series-kafka").path

    /// Beside the test bundle in the build folder; `TAXI_CLI` names another one, such as a release build.
    private static let program: String = {
        if let other = ProcessInfo.processInfo.environment["TAXI_CLI"] { return other }
        let bundle =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("taxi-cli").path
    }()
}
