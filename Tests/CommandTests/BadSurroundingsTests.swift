import Basics
import CommandSupport
import Foundation
import SQLite
import Testing

/// Homes that cannot be written, damaged and locked databases, full disks, readers that go away: one clear line each, and
/// nothing lost that was committed.
@Suite struct BadSurroundingsTests {
    // MARK: - Homes

    @Test(arguments: ["x", "5s", "-1", "99999999999"]) func aWaitThatIsNoNumberIsRefused(_ text: String) throws {
        let taxi = try TaxiCLI.filled()
        let ending = try taxi.start(["status"], environment: ["TAXI_BUSY_TIMEOUT": text]).wait()
        #expect(ending.code == 64 && ending.errors.contains("TAXI_BUSY_TIMEOUT is \"\(text)\""), "\(ending.errors)")
    }

    @Test(
        arguments: [
            // Permissions do not stop root, who runs CI in a container; these places do.
            ("/proc/taxi", 73), ("/dev/null/taxi", 73), ("file/taxi", 73), ("/sys/taxi", 77),
        ], [["produce", "trips.csv", "--max"], ["stream", "--until-end"], ["tenant", "create", "other"]])
    func aHomeThatCannotBeMadeIsRefused(_ home: (path: String, code: Int32), _ arguments: [String]) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "10", "trips.csv")
        try "".write(toFile: taxi("file"), atomically: true, encoding: .utf8)
        let ending = try taxi.start(arguments + ["--home", home.path]).wait()
        // Where /sys is a plain or a missing folder, it is like any other.
        #expect(ending.code == home.code || (home.path == "/sys/taxi" && ending.code == 73), "\(ending.errors)")
        #expect(ending.errors.contains("error: cannot create \""), "\(ending.errors)")
        #expect(ending.errors.contains("hint: "))
        expectOneClearMessage(ending)
    }

    // MARK: - Damage

    struct Damage: Sendable, CustomTestStringConvertible {
        var name: String
        var harm: @Sendable (inout Data) -> Void
        var testDescription: String { name }
    }

    static let damages = [
        Damage(name: "the header is overwritten") { $0.replaceSubrange(0..<16, with: Data(repeating: 88, count: 16)) },
        Damage(name: "all but the first page is noise") { data in
            var random = SplitMix64(seed: 1)
            let page = 32 << 10
            let noise = Data(
                (min(page, data.count / 2)..<data.count).map { _ in UInt8.random(in: 0...255, using: &random) })
            data.replaceSubrange(data.count - noise.count..<data.count, with: noise)
        },
        Damage(name: "half of it is gone") { $0.removeLast($0.count / 2) },
        Damage(name: "it is text") { $0 = Data("hello\n".utf8) },
    ]

    @Test(arguments: ["results.db", "topics.db"], damages)
    func aDamagedDatabaseIsNamed(_ file: String, _ damage: Damage) throws {
        let taxi = try TaxiCLI.filled()
        let path = "\(taxi.tenantFolder)/\(file)"
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        damage.harm(&data)
        try data.write(to: URL(fileURLWithPath: path))
        for arguments in [
            ["produce", "trips.csv", "--max", "--clock", "start"], ["stream", "--until-end"], ["batch"], ["show"],
            ["show", "sumfarewindow"], ["show", "--sql", "SELECT count(*) FROM hotspotwindow"],
        ] {
            let ending = try taxi.start(arguments).wait()
            let touches = file == "results.db" || ["produce", "stream"].contains(arguments[0])
            #expect(ending.code == (touches ? 65 : 0), "\(arguments): \(ending.code) \(ending.errors)")
            guard touches else { continue }
            #expect(ending.errors.contains(path), "\(arguments): \(ending.errors)")
            #expect(ending.errors.contains("damaged"), "\(arguments): \(ending.errors)")
            expectOneClearMessage(ending)
        }
    }

    /// A page in the middle may only be met half-way; whatever is then said, it is no trap and no success.
    @Test(arguments: 1...12)
    func aFlippedPageNeverTraps(_ seed: Int) throws {
        let taxi = try TaxiCLI.filled()
        var random = SplitMix64(seed: UInt64(seed))
        for file in ["results.db", "topics.db"] {
            let path = "\(taxi.tenantFolder)/\(file)"
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            for _ in 0..<4 {
                let place = Int.random(in: 100..<data.count - 64, using: &random)
                for offset in 0..<64 { data[place + offset] = UInt8.random(in: 0...255, using: &random) }
            }
            try data.write(to: URL(fileURLWithPath: path))
        }
        for arguments in [
            ["show", "hotspotwindow", "--format", "csv"], ["show", "faredistribution"], ["batch"],
            ["produce", "trips.csv", "--max", "--clock", "start"], ["stream", "--until-end"],
            ["stream", "--until-end", "--from-beginning"],
        ] {
            // Traps are looked for in every ending.
            let ending = try taxi.start(arguments).wait()
            #expect(
                [0, 64, 65, 74].contains(ending.code), "seed \(seed), \(arguments): \(ending.code) \(ending.errors)")
        }
    }

    // MARK: - Locks

    @Test(arguments: ["results.db", "topics.db"])
    func aLockedDatabaseIsNamedAfterTheTimeout(_ file: String) throws {
        let taxi = try TaxiCLI.filled()
        let path = "\(taxi.tenantFolder)/\(file)"
        let holder = try Connection(path: path)
        try holder.execute("BEGIN IMMEDIATE")
        for arguments in [["produce", "trips.csv", "--max"], ["stream", "--until-end"], ["batch"]] {
            if file == "topics.db", arguments == ["batch"] { continue }
            let ending = try taxi.start(arguments, environment: ["TAXI_BUSY_TIMEOUT": "100"]).wait()
            #expect(ending.code == 75, "\(arguments): \(ending.errors)")
            #expect(ending.errors.contains("another process holds database \"\(path)\""), "\(ending.errors)")
            expectOneClearMessage(ending)
        }
        // Readers are not held up.
        try taxi.succeed("show", "sumfarewindow", environment: ["TAXI_BUSY_TIMEOUT": "100"])
        try holder.execute("COMMIT")
        try taxi.succeed("stream", "--until-end", environment: ["TAXI_BUSY_TIMEOUT": "100"])
    }

    @Test func aWriterWaitsForAShortLock() throws {
        let taxi = try TaxiCLI.filled()
        let holder = try Connection(path: taxi.topicsPath)
        try holder.execute("BEGIN IMMEDIATE")
        let waiting = try taxi.start(["produce", "trips.csv", "--max"], environment: ["TAXI_BUSY_TIMEOUT": "60000"])
        // The run notes its beginning in the other database before it meets the lock.
        #expect(
            try eventually(within: 30) { try taxi.number("SELECT count(*) FROM runs WHERE outcome = 'running'") == 1 })
        #expect(waiting.isRunning)
        try holder.execute("COMMIT")
        #expect(waiting.wait().code == 0)
        #expect(try taxi.recordCount("chicago_ingestData") == 4000)
    }

    // MARK: - Full disks

    @Test func aFullDiskLosesNothingThatWasCommitted() throws {
        guard let disk = try SmallDisk(kilobytes: 3 << 10) else { return }
        let taxi = try TaxiCLI(home: disk.path)
        try taxi.succeed(
            "data", "generate", "--rows", "20000", "--seed", "7", "--from", "2024-03-10", "--to", "2024-03-10",
            "trips.csv")
        let replay = ["produce", "trips.csv", "--clock", "start", "--spread", "uniform", "--partitions", "4"]
        let full = try taxi.start(replay + ["--rate", "20000/s"]).wait()
        #expect(full.code == 74, "\(full.errors)")
        #expect(full.errors.contains("the disk is full while "), "\(full.errors)")
        expectOneClearMessage(full)
        let committed = try taxi.recordCount("chicago_ingestData")
        #expect((1..<20_000).contains(committed))

        try disk.resize(kilobytes: 64 << 10)
        #expect(
            try taxi.number(
                "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'", database: taxi.topicsPath)
                == 1)
        #expect(try taxi.recordCount("chicago_ingestData") == committed)
        let resumed = try taxi.start(replay + ["--max", "--resume", "--summary-json", "-"]).wait()
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(try jsonObject(resumed.text)["resumed_from"] as? Int64 == committed)
        #expect(try taxi.recordCount("chicago_ingestData") == 20_000)

        // Now the stream runs out of room, in the middle of its epochs.
        let filler = try disk.fill(leavingKilobytes: 700)
        let stuck = try taxi.run("stream", "--until-end", "--epoch-records", "1000")
        #expect(stuck.code == 74, "\(stuck.errors)")
        #expect(stuck.errors.contains("the disk is full while "), "\(stuck.errors)")
        expectOneClearMessage(stuck)
        try FileManager.default.removeItem(atPath: filler)
        try taxi.succeed("stream", "--until-end")

        let undisturbed = try TaxiCLI()
        let plain = try undisturbed.start(
            ["produce", taxi("trips.csv")] + replay[2...] + ["--max"]
        ).wait()
        #expect(plain.code == 0)
        try undisturbed.succeed("stream", "--until-end")
        #expect(try taxi.contents() == undisturbed.contents())
        try ExactlyOnceTests.expectEachMessageOnce(taxi)
    }

    // MARK: - Readers that go away

    @Test(arguments: [
        "show hotspotwindow --format csv", "produce trips.csv --dry-run --max", "data generate --rows 3000 -", "--help",
        "produce --help", "completions bash", "man",
    ])
    func aFullOutputIsAnErrorAndAClosedOneIsNot(_ command: String) throws {
        let taxi = try TaxiCLI.filled()
        let full = try taxi.shell("\"$TAXI\" \(command) > /dev/full")
        #expect(full.code == 74, "\(full.errors)")
        #expect(full.errors.contains("cannot write the output: "), "\(full.errors)")

        // The exit code goes to stderr, since that of a pipeline is its last command's.
        let closed = try taxi.shell("{ \"$TAXI\" \(command); echo \"code $?\" >&2; } | head -1")
        #expect(closed.lines.count == 1)
        #expect(closed.errors.contains("code 0"), "\(closed.errors)")
        #expect(!closed.errors.contains("error: "), "\(closed.errors)")
    }

    /// What cannot be said on stderr stops no work, and never lands in a file that took the closed descriptor's number.
    @Test(arguments: ["2>&-", "2>/dev/full", "<&- 2>&-"])
    func nobodyToTalkToIsNoReasonToFail(_ redirection: String) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "500", "--seed", "3", "trips.csv")
        #expect(try taxi.shell("\"$TAXI\" data generate --rows 500 --seed 3 again.csv \(redirection)").code == 0)
        #expect(try taxi.shell("cmp trips.csv again.csv").code == 0)
        #expect(try taxi.shell("\"$TAXI\" produce trips.csv --max --clock start \(redirection)").code == 0)
        #expect(try taxi.shell("\"$TAXI\" stream --until-end \(redirection)").code == 0)
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 500)
        #expect(try taxi.query("SELECT DISTINCT outcome FROM runs") == [["success"]])
    }

    /// All commands of the demo run with as few open files as some services allow, and say it where even these are too few.
    @Test func theDemoRunsWithFewOpenFiles() throws {
        let taxi = try TaxiCLI()
        let ending = try taxi.shell("ulimit -n 64; \"$TAXI\" demo --speed 1000000x --keep demo")
        #expect(ending.code == 0, "\(ending.text) \(ending.errors)")
        #expect(FileManager.default.fileExists(atPath: taxi("demo/report.html")))
        let few = try taxi.shell("ulimit -n 8; \"$TAXI\" demo --keep few")
        #expect(few.code == 75, "\(few.text) \(few.errors)")
        #expect((few.text + few.errors).contains("ulimit -n 1024"))
    }
}

/// A message is one `error:` line and at most a hint, not a stack of them.
func expectOneClearMessage(_ ending: Ending, sourceLocation: SourceLocation = #_sourceLocation) {
    let lines = ending.errors.split(separator: "\n").filter { !$0.hasPrefix("warning: ") }
    #expect(lines.count { $0.contains("error: ") } == 1, "\(ending.errors)", sourceLocation: sourceLocation)
    #expect(lines.count <= 2, "\(ending.errors)", sourceLocation: sourceLocation)
    #expect(!ending.errors.contains("please report"), "\(ending.errors)", sourceLocation: sourceLocation)
}
