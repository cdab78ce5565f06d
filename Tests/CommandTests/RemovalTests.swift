import CommandSupport
import Foundation
import Testing

/// Tenants and topics that are removed while somebody works on them, by our commands and by others.
@Suite struct RemovalTests {
    /// A replay that goes on for hours, and has sent something.
    private func replaying(_ taxi: TaxiCLI) throws -> RunningProgram {
        try taxi.succeed("data", "generate", "--rows", "2000", "trips.csv")
        let replay = try taxi.start(["produce", "trips.csv", "--rate", "20/m", "--clock", "start"])
        try #require(
            eventually(within: 60) { ((try? taxi.recordCount("chicago_ingestData")) ?? 0) > 0 }, "\(replay.errors)")
        return replay
    }

    /// A stream that waits for more, and has read what was there.
    private func streaming(_ taxi: TaxiCLI) throws -> RunningProgram {
        try taxi.succeed("data", "generate", "--rows", "500", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        let stream = try taxi.start(["stream"])
        try #require(
            eventually(within: 60) { ((try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0) == 500 },
            "\(stream.errors)")
        return stream
    }

    @Test(arguments: ["produce", "stream"]) func aTenantInUseStays(_ command: String) throws {
        let taxi = try TaxiCLI()
        let running = command == "produce" ? try replaying(taxi) : try streaming(taxi)
        let refused = try taxi.run("tenant", "remove", "chicago", "--yes")
        #expect(refused.code == 75)
        #expect(refused.errors.contains("tenant \"chicago\" is in use:\n  \(command) (process \(running.pid))"))
        #expect(refused.errors.contains("--force"), "\(refused.errors)")
        #expect(running.isRunning)

        let removed = try taxi.succeed("tenant", "remove", "chicago", "--yes", "--force")
        #expect(removed.errors.contains("ending \(command) (process \(running.pid))"), "\(removed.errors)")
        let ending = running.wait(timeout: 30)
        #expect(ending.code == 130, "\(ending.errors)")
        #expect(!FileManager.default.fileExists(atPath: taxi.tenantFolder))
    }

    /// A scheduler may be that of other tenants too, so that it is not ended: its run is.
    @Test func aTenantWhoseWorkflowRunsStays() throws {
        let taxi = try TaxiCLI()
        try FileManager.default.createDirectory(
            atPath: taxi.tenantFolder + "/workflows", withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try
            "name: long\nsteps: {a: {sh: \"echo begun >> \(taxi("steps")); sleep 600; echo ended >> \(taxi("steps"))\"}}\n"
            .write(
                toFile: taxi.tenantFolder + "/workflows/long.yaml", atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "trigger", "long", "--queue")
        let scheduler = try taxi.start(["workflow", "serve"])
        let hasBegun = eventually(within: 60) { FileManager.default.fileExists(atPath: taxi("steps")) }
        try #require(hasBegun, "\(scheduler.errors)")
        let refused = try taxi.run("tenant", "remove", "chicago", "--yes")
        #expect(refused.code == 75 && refused.errors.contains("workflow \"long\", run "), "\(refused.errors)")
        let removed = try taxi.succeed("tenant", "remove", "chicago", "--yes", "--force")
        #expect(removed.errors.contains("cancelling run "), "\(removed.errors)")
        #expect(!FileManager.default.fileExists(atPath: taxi.tenantFolder))
        #expect(try String(contentsOfFile: taxi("steps"), encoding: .utf8) == "begun\n")
        scheduler.signal(SIGTERM)
        _ = scheduler.wait(timeout: 30)
    }

    @Test func aTopicInUseStays() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("topic", "create", "scratch")
        let stream = try streaming(taxi)
        for topic in ["ingestData", "tripsTotalStream", "deadLetter"] {
            let refused = try taxi.run("topic", "delete", topic, "--yes")
            #expect(refused.code == 75)
            #expect(
                refused.errors.contains("topic \"chicago_\(topic)\" is in use:\n  stream (process \(stream.pid))"),
                "\(refused.errors)")
        }
        try taxi.succeed("topic", "delete", "scratch", "--yes")
        #expect(stream.isRunning)
        try taxi.succeed("topic", "delete", "ingestData", "--yes", "--force")
        #expect(stream.wait(timeout: 30).code == 130)
        #expect(try taxi.recordCount("chicago_ingestData") == 0)
    }

    /// What a killed process has left keeps nobody from removing.
    @Test func theDeadUseNothing() throws {
        let taxi = try TaxiCLI()
        try streaming(taxi).killAtOnce()
        try taxi.succeed("topic", "delete", "ingestData", "--yes")
        try taxi.succeed("tenant", "remove", "chicago", "--yes")
    }

    @Test(arguments: [
        (command: "produce", gone: ""), ("produce", "topics.db"), ("produce", "results.db"), ("stream", ""),
        ("stream", "topics.db"),
        ("stream", "results.db"), ("waiting stream", ""),
    ]) func aProcessWhoseStoreIsGoneSaysSo(_ case: (command: String, gone: String)) throws {
        let taxi = try TaxiCLI()
        let running: RunningProgram
        switch `case`.command {
        case "produce": running = try replaying(taxi)
        case "stream": running = try streaming(taxi)
        default:
            running = try taxi.start(["stream"])
            try #require(eventually(within: 60) { running.errors.contains("waiting for topic") })
        }
        try FileManager.default.removeItem(atPath: "\(taxi.tenantFolder)/\(`case`.gone)")
        let ending = running.wait(timeout: 20)
        #expect(ending.code == 74, "\(ending.errors)")
        #expect(ending.errors.contains("was removed, or replaced by another one"), "\(ending.errors)")
    }

    @Test func aSchedulerGoesOnWithATenantThatIsMadeAgain() throws {
        let taxi = try TaxiCLI()
        func makeTenant() throws {
            try FileManager.default.createDirectory(
                atPath: "\(taxi.tenantFolder)/workflows", withIntermediateDirectories: true)
            try "name: note\nsteps: {say: {sh: \"echo hello\"}}\n".write(
                toFile: "\(taxi.tenantFolder)/workflows/note.yaml", atomically: true, encoding: .utf8)
        }
        try makeTenant()
        let serve = try taxi.start(["workflow", "serve"])
        try #require(eventually(within: 60) { FileManager.default.fileExists(atPath: taxi.resultsPath) })
        try taxi.succeed("tenant", "remove", "chicago", "--yes")
        #expect(eventually(within: 30) { serve.errors.contains("was removed, or replaced by another one") })
        #expect(!FileManager.default.fileExists(atPath: taxi.tenantFolder))
        try makeTenant()
        try taxi.succeed("workflow", "trigger", "note")
        #expect(
            eventually(within: 30) {
                ((try? taxi.number("SELECT count(*) FROM workflow_runs WHERE state = 'success'")) ?? 0) == 1
            }, "\(serve.errors)")
        serve.signal(SIGTERM)
        serve.wait()
    }
}
