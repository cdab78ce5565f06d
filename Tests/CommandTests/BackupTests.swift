import CommandSupport
import Foundation
import Testing

/// `tenant backup` and `tenant restore`: a tenant as it was at one moment, in one file.
@Suite struct BackupTests {
    @Test func whatIsRestoredGoesOnWithoutLossOrRepeat() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "sample", taxi("sample.csv"))
        try taxi.succeed("produce", taxi("sample.csv"), "--clock", "start", "--limit", "3000", "-q")
        try taxi.succeed("stream", "--until-end", "-q")
        try taxi.succeed("batch", "-q")
        try "queries:\n  - {name: own, window: none, aggregates: {n: count()}}\n".write(
            toFile: "\(taxi.tenantFolder)/queries.yaml", atomically: true, encoding: .utf8)
        // While both go on.
        let replay = try taxi.start([
            "produce", taxi("sample.csv"), "--clock", "start", "--rate", "2000/s", "--again", "-q",
        ])
        let stream = try taxi.start(["stream", "-q"])
        let isUnderWay = eventually(within: 60) {
            (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")).map { $0 > 4000 } ?? false
        }
        #expect(isUnderWay)
        for packing in ["tar", "tar.gz"] { try taxi.succeed("tenant", "backup", taxi("b.\(packing)")) }
        replay.signal(SIGINT)
        stream.signal(SIGINT)
        _ = (replay.wait(), stream.wait())
        let attributes = try FileManager.default.attributesOfItem(atPath: taxi("b.tar"))
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)

        for packing in ["tar", "tar.gz"] {
            let other = try TaxiCLI(home: taxi("home of \(packing)"))
            try other.succeed("tenant", "restore", taxi("b.\(packing)"))
            #expect(try other.run("tenant", "restore", taxi("b.\(packing)")).code == 64)
            try other.succeed("stream", "--until-end", "-q")
            // The query that is new counts what the topic holds, the others what they have counted since.
            #expect(try other.number("SELECT n FROM own") == other.number("SELECT sum(trips_total) FROM tripstotal"))
            try other.succeed("audit")
            #expect(try other.succeed("show", "fare_trend", "--format", "csv").text.contains("2024"))
        }
    }

    @Test func whatIsNoBackupIsRefused() throws {
        let taxi = try TaxiCLI()
        #expect(try taxi.run("tenant", "backup", taxi("b.tar")).code == 66)
        #expect(try taxi.run("tenant", "restore", taxi("none.tar")).code == 66)
        try "no archive".write(toFile: taxi("text.tar"), atomically: true, encoding: .utf8)
        #expect(try taxi.run("tenant", "restore", taxi("text.tar")).code == 65)
        try FileManager.default.createDirectory(atPath: taxi("empty"), withIntermediateDirectories: true)
        _ = try taxi.shell("tar -cf '\(taxi("other.tar"))' -C '\(taxi("empty"))' .")
        let other = try taxi.run("tenant", "restore", taxi("other.tar"))
        #expect(other.code == 65 && other.errors.contains("is no backup of a tenant"), "\(other.errors)")
        try taxi.succeed("tenant", "create", "chicago")
        #expect(try taxi.run("tenant", "backup", "/dev/null").code == 73)
        #expect(try taxi.run("tenant", "backup", "\(taxi("nowhere"))/b.tar").code == 73)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(taxi.tenantFolder)/..").sorted() == ["chicago"])
    }

    /// `tar` takes an archive that ends between two files for whole.
    @Test func whatIsNotWholeIsRefused() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "300", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "-q")
        try taxi.succeed("stream", "--until-end", "-q")
        try taxi.succeed("tenant", "backup", "whole.tar")
        let members = try taxi.shell("tar -tf whole.tar").text.split(separator: "\n").map(String.init)
        #expect(members.contains("topics.db") && members.contains("taxi.yaml"))
        let cut = """
            import sys, tarfile
            whole = open("whole.tar", "rb").read()
            for index, member in enumerate(tarfile.open("whole.tar").getmembers()):
                open(f"cut{index}.tar", "wb").write(whole[:member.offset])
            """
        #expect(try taxi.start(["-c", cut], executable: "/usr/bin/python3").wait().code == 0)
        for index in 1..<members.count {
            let ending = try taxi.run("tenant", "restore", "cut\(index).tar", "--home", "home\(index)")
            #expect(ending.code == 65, "before \(members[index]): \(ending.errors)")
            #expect(!FileManager.default.fileExists(atPath: taxi("home\(index)/chicago")))
        }
        // Another database, an empty one, and what no tenant has.
        for (name, change) in [
            ("swapped", "cp x/topics.db x/results.db"), ("emptied", ": > x/results.db"), ("taken", "rm x/topics.db"),
            ("piped", "mkfifo x/pipe"),
        ] {
            _ = try taxi.shell("mkdir x && tar -xf whole.tar -C x && \(change) && tar -cf \(name).tar -C x . ; rm -r x")
            let ending = try taxi.run("tenant", "restore", "\(name).tar", "--home", "home of \(name)")
            #expect(ending.code == 65, "\(name): \(ending.errors)")
            #expect(ending.errors.contains("hint:"))
        }
        try taxi.succeed("tenant", "restore", "whole.tar", "--home", "again")
        try taxi.succeed("audit", "--home", "again")
    }
}
