import CommandSupport
import Foundation
import SQLite
import Testing

/// Workflows on disks of every size: what does not fit ends with 74, and with room again nothing is lost and nothing doubled.
@Suite struct WorkflowFullDiskTests {
    /// Steps in a row, of which each notes that it ran in a file on another disk, and says a lot.
    private static func chain(_ header: String, to done: String, steps: Int, bytes: Int) -> String {
        let lines = (0..<steps).map { step in
            "  s\(step): {sh: \"echo {{ run.id }} s\(step) >> \(done); head -c \(bytes) /dev/zero | tr '\\\\0' x\""
                + (step == 0 ? "}" : ", needs: [s\(step - 1)]}")
        }
        return "name: chain\n\(header)steps:\n" + lines.joined(separator: "\n") + "\n"
    }

    /// - Returns: nil where no disk can be made.
    private static func stage(
        _ kilobytes: Int, _ header: String, steps: Int, bytes: Int
    ) throws -> (disk: SmallDisk, taxi: TaxiCLI)? {
        guard let disk = try SmallDisk(kilobytes: kilobytes) else { return nil }
        let taxi = try TaxiCLI(home: disk.path)
        let folder = "\(taxi.tenantFolder)/workflows"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try chain(header, to: taxi("done"), steps: steps, bytes: bytes)
            .write(toFile: "\(folder)/chain.yaml", atomically: true, encoding: .utf8)
        return (disk, taxi)
    }

    /// What the steps have noted: `run step` each.
    private static func done(_ taxi: TaxiCLI) -> [String] {
        ((try? String(contentsOfFile: taxi("done"), encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    @Test(arguments: SmallDisk.sizes) func aRunGoesOnWhereTheDiskWasFull(_ kilobytes: Int) throws {
        guard let (disk, taxi) = try Self.stage(kilobytes, "", steps: 30, bytes: 20_000) else { return }
        let first = try taxi.run("workflow", "run", "chain")
        #expect([0, 74].contains(first.code), "\(first.code): \(first.errors)")
        if first.code == 74 {
            #expect(
                first.errors.contains("the disk is full") || first.errors.contains("no space left on device")
                    || first.errors.contains("the system failed to"), "\(first.errors)")
        }
        try disk.resize(kilobytes: 64 << 10)
        let known = FileManager.default.fileExists(atPath: taxi.resultsPath)
        let run =
            known
            ? try taxi.succeed("workflow", "runs").lines.first.map { try jsonObject($0) }?["run_id"] as? String : nil
        if first.code != 0 {
            if let run {
                try taxi.succeed("workflow", "retry", run)
            } else {
                try taxi.succeed("workflow", "run", "chain")
            }
        }
        let steps = Self.done(taxi).compactMap { $0.split(separator: " ").last.map(String.init) }
        #expect(steps == (0..<30).map { "s\($0)" }, "\(first.errors)")
        #expect(try taxi.query("SELECT state FROM workflow_runs") == [["success"]])
        #expect(try taxi.number("SELECT count(*) FROM workflow_steps WHERE state = 'success'") == 30)
        #expect(try taxi.query("SELECT integrity_check FROM pragma_integrity_check") == [["ok"]])
    }

    /// The same of a scheduler, which waits for room.
    @Test(arguments: SmallDisk.sizes.enumerated().filter { $0.offset % 3 == 0 }.map(\.element))
    func aSchedulerGoesOnWhenThereIsRoomAgain(_ kilobytes: Int) throws {
        let start = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: -4 * 86_400)).prefix(10)
        let header = "schedule: \"0 0 * * *\"\nstart: \(start)\ncatchup: all\n"
        guard let (disk, taxi) = try Self.stage(kilobytes, header, steps: 10, bytes: 20_000) else { return }
        func isDone() -> Bool {
            let open = "SELECT count(*) FROM workflow_runs WHERE state <> 'success'"
            guard FileManager.default.fileExists(atPath: taxi.resultsPath),
                let all = try? taxi.number("SELECT count(*) FROM workflow_runs")
            else { return false }
            return all >= 3 && (try? taxi.number(open)) == 0
        }
        var serve = try taxi.start(["workflow", "serve"])
        let isFull = {
            serve.errors.contains("the disk is full") || serve.errors.contains("no space left on device")
                || serve.errors.contains("the system failed to")
        }
        #expect(eventually(within: 90) { isDone() || isFull() || !serve.isRunning }, "\(serve.errors)")
        try disk.resize(kilobytes: 64 << 10)
        if !serve.isRunning {
            let ending = serve.wait()
            #expect(ending.code == 74, "\(ending.errors)")
            serve = try taxi.start(["workflow", "serve"])
        }
        #expect(eventually(within: 90, isDone), "\(serve.errors)")
        serve.signal(SIGTERM)
        #expect(serve.wait(timeout: 60).code == 0)
        let done = Self.done(taxi)
        let runs = try taxi.number("SELECT count(*) FROM workflow_runs")
        #expect(runs >= 3 && done.count == Int(runs) * 10 && Set(done).count == done.count, "\(serve.errors) \(done)")
        #expect(
            try taxi.query("SELECT count(*), count(DISTINCT interval_start) FROM workflow_runs")
                == [[.integer(runs), .integer(runs)]])
    }
}
