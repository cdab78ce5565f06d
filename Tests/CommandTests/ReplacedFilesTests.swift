import CommandSupport
import Foundation
import Testing

/// Files that commands replace: the old one stays whole until the new one is, on a full disk as well; links, pipes and devices stay.
@Suite struct ReplacedFilesTests {
    /// Commands, with FILE for what they write.
    static let writers = [
        "report FILE", "report other.html --json FILE", "data generate --rows 20000 --force FILE",
        "data sample --force FILE",
        "batch --summary-json FILE", "stream --until-end --summary-json FILE",
        "produce trips.csv --dry-run --limit 9 --summary-json FILE",
    ]

    private static func home() throws -> TaxiCLI {
        let taxi = try TaxiCLI.filled()
        try FileManager.default.createDirectory(atPath: taxi("kept"), withIntermediateDirectories: true)
        try "the old one\n".write(toFile: taxi("kept/real"), atomically: false, encoding: .utf8)
        return taxi
    }

    @Test(arguments: [
        "report FILE", "report /dev/null --json FILE", "data generate --rows 20000 --force FILE",
        "data sample --force FILE",
    ])
    func aDiskThatIsFullLeavesTheOldFile(_ line: String) throws {
        let taxi = try Self.home()
        // In blocks of 512 bytes: less than any of them writes, more than the index of a log that readers share.
        let ending = try taxi.shell(
            "ulimit -f 65; \"$TAXI\" \(line.replacingOccurrences(of: "FILE", with: "kept/real"))")
        #expect(ending.code == 74, "\(ending.errors)")
        #expect(ending.errors.contains("file too large"), "\(ending.errors)")
        #expect(try String(contentsOfFile: taxi("kept/real"), encoding: .utf8) == "the old one\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: taxi("kept")) == ["real"])
    }

    /// A second name of the old file shows that it was not written into.
    @Test(arguments: writers)
    func whatALinkLeadsToIsReplaced(_ line: String) throws {
        let taxi = try Self.home()
        let ending = try taxi.shell(
            """
            set -e
            chmod 640 kept/real; ln kept/real kept/before; ln -s kept/real link
            "$TAXI" \(line.replacingOccurrences(of: "FILE", with: "link")) >/dev/null
            test -L link
            test "$(stat -c %a kept/real)" = 640
            test "$(cat kept/before)" = "the old one"
            test "$(ls -A kept | tr '\\n' ' ')" = "before real "
            test -s kept/real; ! grep -q "the old one" kept/real
            """)
        #expect(ending.code == 0, "\(ending.errors)")
    }

    @Test(arguments: writers)
    func pipesAndDescriptorsTakeTheBytes(_ line: String) throws {
        let taxi = try Self.home()
        func filled(_ name: String) -> String { line.replacingOccurrences(of: "FILE", with: name) }
        let ending = try taxi.shell(
            """
            set -e
            mkfifo pipe; cat pipe > got & "$TAXI" \(filled("pipe")) >/dev/null; wait; test -s got; test -p pipe
            { echo first; "$TAXI" \(filled("/dev/fd/3")) 3>&1 >/dev/null; echo last; } > out
            test "$(head -1 out)" = first; test "$(tail -1 out)" = last; test "$(wc -l < out)" -gt 2
            "$TAXI" \(filled("/dev/null")) >/dev/null; test -c /dev/null
            """)
        #expect(ending.code == 0, "\(ending.errors)")
    }

    /// Numbers and pictures of a report go into a folder, each file in one piece.
    @Test func theNumbersOfAReportAreReplacedTogether() throws {
        let taxi = try Self.home()
        try taxi.succeed("report", "r.html", "--csv", "numbers")
        let names = try FileManager.default.contentsOfDirectory(atPath: taxi("numbers")).sorted()
        let ending = try taxi.shell("cp -al numbers before && \"$TAXI\" report r.html --csv numbers --period 2024-03")
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: taxi("numbers")).sorted() == names)
        // All are new files, though the old ones had a second name.
        #expect(try taxi.shell("find numbers -type f -links +1").text == "")
    }
}
