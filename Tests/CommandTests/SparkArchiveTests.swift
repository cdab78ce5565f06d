import CommandSupport
import Foundation
import Testing

/// The archive that is shipped to executors of Spark.
@Suite struct SparkArchiveTests {
    @Test func itRunsElsewhereWithNothingOfTheSystem() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("spark", "archive", "a.tar.gz")
        let unpacked = try taxi.shell("mkdir -p 'else where/deep' && tar -xzf a.tar.gz -C 'else where/deep'")
        #expect(unpacked.code == 0, "\(unpacked.errors)")
        let folder = taxi("else where/deep")
        let version = try taxi.succeed("--version").text
        // Whoever starts it may want other libraries before all, and be anywhere.
        let bare = try taxi.shell(
            "cd /; env -i LD_PRELOAD=none.so LD_LIBRARY_PATH=/none '\(folder)/bin/taxi-cli' --version")
        #expect(bare.code == 0 && bare.text == version, "\(bare.text)\(bare.errors)")
        let loader = try #require(
            FileManager.default.contentsOfDirectory(atPath: "\(folder)/lib").first { $0.hasPrefix("ld-linux") })
        let listed = try taxi.shell(
            "cd '\(folder)/lib' && ./\(loader) --inhibit-cache --library-path \"$PWD\" --list ./taxi-cli")
        let places = listed.lines.filter { $0.contains("=>") && !$0.contains(loader) }
        #expect(places.count > 10)
        for place in places { #expect(place.contains("=> \(folder)/lib/"), "\(place)") }
        #expect(!listed.text.contains("not found"))
        // Loaded when it is first used, so it is in no list.
        #expect(FileManager.default.fileExists(atPath: "\(folder)/lib/libcurl.so.4"))
        // It can hand itself on, and that is the same to the byte.
        let again = try taxi.shell("'\(folder)/bin/taxi-cli' spark archive b.tar.gz && cmp a.tar.gz b.tar.gz")
        #expect(again.code == 0, "\(again.text)\(again.errors)")
        guard geteuid() == 0, Self.hasUnshare else {
            print("skipped: only root can hide the libraries of the system (unshare, chroot)")
            return
        }
        let hidden = try taxi.shell(
            """
            PATH=$PATH:/usr/sbin; cd '\(folder)' && mkdir proc && unshare --mount sh -c 'mount -t proc proc proc && \
            chroot . /lib/\(loader) --library-path /lib --argv0 taxi-cli /lib/taxi-cli --version'
            """)
        #expect(hidden.code == 0 && hidden.text == version, "\(hidden.text)\(hidden.errors)")
    }

    private static let hasUnshare: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "unshare --mount true 2>/dev/null"]
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    @Test func itsNameIsOneThatSparkUnpacks() throws {
        let taxi = try TaxiCLI()
        for name in ["a.tar", "a.zip", "a.gz", "-"] {
            let ending = try taxi.start(["spark", "archive", "--", name]).wait()
            #expect(ending.code == 64 && ending.errors.contains("does not end in .tar.gz"), "\(name): \(ending.errors)")
        }
        let ending = try taxi.run("spark", "archive", "none/a.tar.gz")
        #expect(ending.code == 73, "\(ending.errors)")
    }
}
