import CommandSupport
import Foundation
import Testing

/// A home on a disk that is too small, of each size from none to enough: commands end with 74 and say so, nothing is lost or doubled once
/// there is room.
@Suite struct FullDiskTests {
    private static let trips = [
        "data", "generate", "--rows", "4000", "--seed", "7", "--from", "2024-03-09", "--to", "2024-03-10", "trips.csv",
    ]
    private static let replay = [
        "produce", "trips.csv", "--clock", "start", "--spread", "uniform", "--partitions", "2",
    ]
    private static let stream = ["stream", "--until-end", "--epoch-records", "500"]

    /// What all views and analytics hold where there was room.
    private static let undisturbed = Result<[String: [String]], any Error> {
        let taxi = try TaxiCLI()
        for command in [trips, replay + ["--max"], stream, ["batch"]] {
            let ending = try taxi.start(command).wait()
            try #require(ending.code == 0, "\(command): \(ending.errors)")
        }
        return try taxi.contents(of: views)
    }
    private static let views = TaxiCLI.queryViews + ["fare_trend", "accumulated_metrics"]

    @Test(arguments: SmallDisk.sizes) func nothingIsLostOrDoubledOnceThereIsRoom(_ kilobytes: Int) throws {
        guard let disk = try SmallDisk(kilobytes: kilobytes) else { return }
        let taxi = try TaxiCLI(home: disk.path)
        try taxi.start(Self.trips).wait()
        let page = "\(disk.path)/page.html"
        var failed: Set<String> = []
        // Twice, since what failed leaves less room to the next.
        let commands =
            [Self.replay + ["--rate", "20000/s"], Self.replay + ["--rate", "20000/s", "--resume"]]
            + [Self.stream, Self.stream, ["batch"], ["report", page], ["batch"], ["audit"], ["show", "tripstotal"]]
            + [["status"], ["topic", "list"], ["topic", "tail", "ingestData", "-n", "2"]]
        for command in commands {
            let ending = try taxi.start(command).wait(timeout: 60)
            if ending.code == 74 {
                #expect(
                    ending.errors.contains("the disk is full") || ending.errors.contains("no space left"),
                    "\(ending.errors)")
                #expect(!ending.errors.contains("See the system's log"), "\(ending.errors)")
                failed.insert(command[0])
            } else {
                // A store that never came into being is no input; status tells of runs that failed.
                let allowed: [Int32] = failed.isEmpty ? [0] : command == ["status"] ? [0, 1, 66] : [0, 66]
                #expect(allowed.contains(ending.code), "\(command): \(ending.code) \(ending.errors)")
            }
            if ending.code != 0, command != ["status"] { expectOneClearMessage(ending) }
            if command[0] == "report", ending.code == 74 { #expect(!FileManager.default.fileExists(atPath: page)) }
        }
        // doctor wants more than 100 MB.
        try disk.resize(kilobytes: 1 << 20)
        for command in [
            Self.replay + ["--max", "--resume"], Self.stream, ["batch"], ["audit"], ["report", page], ["doctor"],
        ] {
            let ending = try taxi.start(command).wait()
            #expect(ending.code == 0, "\(command): \(ending.code) \(ending.errors) \(ending.text.suffix(500))")
        }
        #expect(try taxi.contents(of: Self.views) == Self.undisturbed.get())
        #expect(try taxi.recordCount("chicago_ingestData") == 4000)
        try ExactlyOnceTests.expectEachMessageOnce(taxi)
    }

    @Test(arguments: [["report"], ["batch", "--summary-json"]])
    func aFileThatWasThereIsNotCutShort(_ command: [String]) throws {
        guard let disk = try SmallDisk(kilobytes: 64) else { return }
        let taxi = try TaxiCLI.filled()
        let file = "\(disk.path)/file"
        let filler = try disk.fill(leavingKilobytes: 4)
        try "as it was".write(toFile: file, atomically: false, encoding: .utf8)
        let ending = try taxi.start(command + [file]).wait()
        #expect(ending.code == 74, "\(ending.errors)")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "as it was")
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).sorted() == ["file", "filler"])
        try FileManager.default.removeItem(atPath: filler)
        try disk.resize(kilobytes: 10_000)
        chmod(file, 0o640)
        try FileManager.default.createSymbolicLink(atPath: "\(disk.path)/link", withDestinationPath: "file")
        #expect(try taxi.start(command + ["\(disk.path)/link"]).wait().code == 0)
        #expect(try String(contentsOfFile: file, encoding: .utf8) != "as it was")
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect(attributes[.posixPermissions] as? Int == 0o640)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(disk.path)/link") == "file")
        #expect(try taxi.start(command + ["/dev/null"]).wait().code == 0)
    }
}
