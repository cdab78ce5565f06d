import CommandSupport
import Foundation
import Testing

/// docs/GUIDE.md as somebody follows it, block after block; scripts/check-guide says by which rules.
@Suite struct GuideTests {
    @Test func itsBlocksRunAndPrintWhatTheySay() throws { try expectScript("check-guide") }

    @Test func itsContentsNameEveryChapter() throws {
        let guide = try String(contentsOfFile: "\(ReadmeTests.root)/docs/GUIDE.md", encoding: .utf8)
        let lines = guide.split(whereSeparator: \.isNewline)
        let chapters = lines.filter { $0.hasPrefix("## ") }.map { $0.dropFirst(3) }
        let contents = lines.filter { $0.hasPrefix("- [") }.prefix(chapters.count).map { line in
            line.dropFirst(3).prefix { $0 != "]" }
        }
        #expect(contents == chapters)
    }

    /// A block that is neither run nor said to be left out, and one that prints something else, are found.
    @Test func aBlockThatIsWrongIsFound() throws {
        let root = try TaxiCLI()
        let files = FileManager.default
        try files.createDirectory(atPath: root("docs"), withIntermediateDirectories: true)
        for folder in ["scripts", "data", "examples"] {
            try files.copyItem(atPath: "\(ReadmeTests.root)/\(folder)", toPath: root(folder))
        }
        let guide = """
            ## First
            ```
            $ taxi-cli tenant list
            tenant  size  folder
            nobody  1 B   …
            ```
            ```yaml
            neither: run
            ```
            ```sh
            taxi-cli topic describe nothing
            ```
            ## Second
            <!-- not run: it is for another day -->
            ```sh
            taxi-cli nonsense
            ```
            <!-- from: echo before; echo here; echo behind -->
            ```
            here
            ```
            """
        try guide.write(toFile: root("docs/GUIDE.md"), atomically: true, encoding: .utf8)
        let ending = try root.start(
            ["\(root("scripts"))/check-guide"], environment: ["TAXI_CLI": TaxiCLI.executable],
            executable: "/usr/bin/python3"
        ).wait()
        #expect(ending.code == 65, "\(ending.errors)")
        #expect(ending.text.contains("GUIDE.md:2: $ taxi-cli tenant list\n"), "\(ending.text)")
        #expect(ending.text.contains("GUIDE.md:7: this block is neither run"))
        #expect(ending.text.contains("GUIDE.md:10: exit code 66: taxi-cli topic describe nothing"))
        #expect(ending.text.contains("left out, since it is for another day: GUIDE.md:15"))
        #expect(ending.text.hasSuffix("3 commands run, 1 left out, 3 otherwise than the guide says\n"))
    }
}
