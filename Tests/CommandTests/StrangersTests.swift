import CommandSupport
import Foundation
import SQLite
import Testing

/// Other users of the machine: they decide nothing that is run here, and read nothing that is kept here.
@Suite struct StrangersTests {
    private static let files = [
        "w.yaml": "name: w\nschedule: \"0 0 * * *\"\nsteps: {a: {shell: [./a.sh]}, b: {sql: b.sql}}\n",
        "a.sh": "#!/bin/sh\necho ran >> ran\n", "b.sql": "SELECT 1;\n",
    ]

    private func taxi() throws -> TaxiCLI {
        let taxi = try WorkflowCommandTests.taxi(Self.files)
        chmod("\(taxi.tenantFolder)/workflows/a.sh", 0o755)
        return taxi
    }

    /// Below the folder of the home: what is open to others, and what is said of it.
    static let places = [
        ("", "the home"), ("chicago", "the tenant's folder"), ("chicago/workflows", "the folder of workflows"),
        ("chicago/workflows/w.yaml", "the workflow"), ("chicago/workflows/a.sh", "the script"),
        ("chicago/workflows/b.sql", "the script"),
    ]

    @Test(arguments: places, ["run w", "backfill w --from 2024-01-01 --to 2024-01-03", "run w --due"])
    func nothingIsRunThatOthersMayWrite(_ place: (path: String, what: String), _ command: String) throws {
        let taxi = try taxi()
        let path = place.path.isEmpty ? taxi("data/taxi-cli") : taxi("data/taxi-cli/\(place.path)")
        let mode = try #require(
            FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        ).uint32Value
        chmod(path, mode_t(mode | 0o020))
        let ending = try taxi.start(["workflow"] + command.split(separator: " ").map(String.init)).wait()
        #expect(ending.code == 77, "\(ending.errors)")
        #expect(ending.errors.contains("error: others may write \(place.what) \"\(path)\""), "\(ending.errors)")
        #expect(ending.errors.contains("hint: Run: chmod go-w \(path)"), "\(ending.errors)")
        #expect(!FileManager.default.fileExists(atPath: "\(taxi.tenantFolder)/workflows/ran"))
        // As the hint says.
        chmod(path, mode_t(mode & ~0o022))
        if command == "run w" { try taxi.succeed("workflow", "run", "w") }
    }

    @Test(arguments: ["", "chicago"]) func aSchedulerServesNoHomeThatOthersMayWrite(_ name: String) throws {
        let taxi = try taxi()
        chmod(taxi("data/taxi-cli/\(name)"), 0o777)
        let ending = try taxi.run("workflow", "serve", timeout: 60)
        #expect(ending.code == 77, "\(ending.errors)")
        #expect(ending.errors.contains("hint: Run: chmod go-w "))
    }

    /// What is put right while it is at work is run; the file's time does not change with its mode.
    @Test func aSchedulerPassesOverAFileThatOthersMayWriteUntilItIsMended() throws {
        let file =
            "name: w\nschedule: \"0 0 * * *\"\nstart: 2024-01-01\ncatchup: latest\nsteps: {a: {sh: echo ran >> ran}}\n"
        let taxi = try WorkflowCommandTests.taxi(["w.yaml": file])
        let path = "\(taxi.tenantFolder)/workflows/w.yaml"
        chmod(path, 0o666)
        let serve = try taxi.start(["workflow", "serve"])
        #expect(
            eventually(within: 60) { serve.errors.contains("others may write the workflow \"\(path)\"") },
            "\(serve.errors)")
        #expect(!FileManager.default.fileExists(atPath: "\(taxi.tenantFolder)/workflows/ran"))
        chmod(path, 0o644)
        #expect(
            eventually(within: 60) { FileManager.default.fileExists(atPath: "\(taxi.tenantFolder)/workflows/ran") },
            "\(serve.errors)")
        serve.signal(SIGTERM)
        #expect(serve.wait(timeout: 60).code == 0)
    }

    @Test(arguments: places) func nothingIsRunThatBelongsToSomebodyElse(_ place: (path: String, what: String)) throws {
        guard getuid() == 0 else { return print("skipped: only root gives files away") }
        let taxi = try taxi()
        let path = place.path.isEmpty ? taxi("data/taxi-cli") : taxi("data/taxi-cli/\(place.path)")
        #expect(chown(path, 65_534, 65_534) == 0)
        let ending = try taxi.run("workflow", "run", "w")
        #expect(ending.code == 77, "\(ending.errors)")
        #expect(
            ending.errors.contains("error: \(place.what) \"\(path)\" belongs to another user (65534)"),
            "\(ending.errors)")
        #expect(ending.errors.contains("chown 0 \(path)"), "\(ending.errors)")
        #expect(!FileManager.default.fileExists(atPath: "\(taxi.tenantFolder)/workflows/ran"))
    }

    // MARK: - what is kept

    /// Every file below a folder that others may use in any way, but for those that a person wrote.
    private func open(below folder: String) throws -> [String] {
        let all = try #require(FileManager.default.enumerator(atPath: folder))
        return all.compactMap { $0 as? String }.filter { name in
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0 else { return false }
            let isOurs =
                name.hasPrefix("chicago/results.db") || name.hasPrefix("chicago/topics.db")
                || name.contains(".logs") || name.contains("locks") || name.contains("lock")
                || name.contains("produce-")
            return isOurs && status.st_mode & 0o077 != 0
        }
    }

    @Test func whatIsKeptIsReadableByNobodyElseWhoeverMadeTheFolders() throws {
        let taxi = try taxi()
        try taxi.succeed("data", "generate", "--rows", "500", "trips.csv")
        let replay = try taxi.start(["produce", "trips.csv", "--rate", "100/s", "--clock", "start"])
        #expect(
            eventually(within: 60) {
                FileManager.default.fileExists(atPath: "\(taxi.tenantFolder)/produce-\(replay.pid).control")
            })
        try taxi.succeed("produce", "--set-rate", "10000/s")
        #expect(try open(below: taxi("data/taxi-cli")) == [])
        #expect(replay.wait().code == 0)
        let stream = try taxi.start(["stream"])
        #expect(eventually(within: 60) { (try? taxi.number("SELECT count(*) FROM stored_tripstotal")) ?? 0 > 0 })
        #expect(try open(below: taxi("data/taxi-cli")) == [])
        stream.signal(SIGTERM)
        stream.wait()
        try taxi.succeed("batch")
        try taxi.succeed("workflow", "run", "w")
        #expect(try open(below: taxi("data/taxi-cli")) == [])
        #expect(FileManager.default.fileExists(atPath: "\(taxi.tenantFolder)/workflows/.logs"))
    }

    @Test func aDatabaseOfAnEarlierVersionIsTightened() throws {
        let taxi = try TaxiCLI.filled()
        let paths = [taxi.resultsPath, taxi.topicsPath]
        for path in paths { chmod(path, 0o644) }
        try taxi.succeed("produce", "trips.csv", "--max", "--limit", "1")
        for path in paths { #expect(try mode(path) == 0o600, "\(path)") }
        // That a group may read it is somebody's intention.
        chmod(taxi.resultsPath, 0o640)
        try taxi.succeed("batch")
        #expect(try mode(taxi.resultsPath) == 0o640)
    }

    private func mode(_ path: String) throws -> UInt32 {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber).uint32Value
    }

    @Test func anotherUserReadsNothing() throws {
        guard getuid() == 0, FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv") else {
            return print("skipped: only root becomes another user (setpriv)")
        }
        let taxi = try taxi()
        try taxi.succeed("workflow", "run", "w")
        // The way there is open; the files themselves are not.
        let log = try #require(
            FileManager.default.enumerator(atPath: "\(taxi.tenantFolder)/workflows/.logs")?.compactMap { $0 as? String }
                .first { $0.hasSuffix(".log") })
        for path in [taxi.resultsPath, "\(taxi.tenantFolder)/workflows/.logs/\(log)"] {
            let ending = try taxi.start(
                ["--reuid=65534", "--regid=65534", "--clear-groups", "cat", path], executable: "/usr/bin/setpriv"
            ).wait()
            #expect(ending.code == 1 && ending.output.isEmpty, "\(path)")
            #expect(ending.errors.contains("Permission denied"), "\(ending.errors)")
        }
    }

    @Test func theDoctorLooksAtTheTenantsFolderToo() throws {
        let taxi = try taxi()
        try taxi.succeed("workflow", "run", "w")
        chmod(taxi("data/taxi-cli"), 0o755)
        chmod(taxi.tenantFolder, 0o755)
        chmod(taxi.resultsPath, 0o640)
        func findings() throws -> [String: [String: Any]] {
            let lines = try taxi.run("doctor").lines.map { try jsonObject($0) }
            return Dictionary(lines.map { ($0["check"] as? String ?? "", $0) }) { first, _ in first }
        }
        let found = try findings()
        #expect(found["tenant"]?["state"] as? String == "warn")
        #expect(found["tenant"]?["advice"] as? String == "Run: chmod 700 \(taxi.tenantFolder)")
        #expect(found["files"]?["detail"] as? String == "others may read results.db")
        chmod(taxi.tenantFolder, 0o777)
        #expect(try findings()["tenant"]?["state"] as? String == "fail")
        chmod(taxi("data/taxi-cli"), 0o777)
        #expect(try taxi.run("doctor").code == 77)
        chmod(taxi("data/taxi-cli"), 0o700)
        chmod(taxi.tenantFolder, 0o700)
        let mended = try findings()
        #expect(mended["tenant"]?["state"] as? String == "ok" && mended["files"] == nil)
    }
}
