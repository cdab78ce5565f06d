import CommandSupport
import Foundation
import Glibc
import Testing

/// Whatever stands in files, names and records: a terminal gets text, and escapes only where they are ours.
@Suite struct TerminalTests {
    /// Sets the title, clears the screen, goes back over what was said, turns letters around.
    static let hostile = "a\u{1B}]0;title\u{7}\u{1B}[2Jb\u{9B}31m\u{8}\u{7F}\u{202E}c\u{2066}"

    /// - Parameter shown: of a terminal that translates a line break to CR LF, and that has no colours.
    private func expectOnlyText(_ shown: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let text = shown.replacingOccurrences(of: "\r\n", with: "\n")
            // Of the progress line.
            .replacingOccurrences(of: "\u{1B}[K", with: "").replacingOccurrences(of: "\r", with: "")
        for scalar in text.unicodeScalars where scalar != "\n" && scalar != "\t" {
            let isControl =
                scalar.properties.generalCategory == .control || (0x202A...0x202E).contains(scalar.value)
                || (0x2066...0x2069).contains(scalar.value)
            if isControl {
                Issue.record(
                    "U+\(String(scalar.value, radix: 16)) in \(text.debugDescription)", sourceLocation: sourceLocation)
                return
            }
        }
    }

    @Test func aHeaderCannotClearTheScreen() throws {
        let taxi = try TaxiCLI()
        let input = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Inputs/escape-in-header.csv").path
        let ending = try taxi.runOnTerminal("produce", input)
        #expect(ending.code == 65)
        #expect(ending.shown.contains("Trip Start\\u001b[2J Timestamp"))
        expectOnlyText(ending.shown)
        // What is said on stderr may be read on a terminal later.
        let piped = try taxi.run("produce", input)
        #expect(piped.errors.contains("Trip Start\\u001b[2J Timestamp"))
        expectOnlyText(piped.errors)
    }

    @Test func coloursOfOursStay() throws {
        let ending = try TaxiCLI().runOnTerminal("produce", "no\u{1B}[31m.csv", environment: ["NO_COLOR": ""])
        #expect(ending.shown.contains("\u{1B}[31merror:\u{1B}[0m there is no file \"no\\u001b[31m.csv\""))
    }

    @Test func recordsAndRejectsAreShownAsText() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "30", "--seed", "3", "t.csv")
        var lines = try String(contentsOfFile: taxi("t.csv"), encoding: .utf8).split(separator: "\n").map(String.init)
        let company = try #require(lines[0].split(separator: ",").firstIndex(of: "Company"))
        for index in 1..<lines.count where !lines[index].contains("\"") {
            var fields = lines[index].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            fields[company] = Self.hostile
            lines[index] = fields.joined(separator: ",")
        }
        // One that is set aside.
        lines.append("\(Self.hostile),x\(String(repeating: ",", count: lines[0].split(separator: ",").count - 2))")
        try lines.joined(separator: "\n").write(toFile: taxi("h.csv"), atomically: true, encoding: .utf8)
        try """
        queries:
          - {name: by_company, window: {tumbling: day}, group: [company], aggregates: {trips: count()}}
        """.write(toFile: taxi("q.yaml"), atomically: true, encoding: .utf8)
        try taxi.succeed("produce", "h.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--queries", "q.yaml", "--until-end")
        for words in [
            ["topic", "tail", "ingestData"], ["topic", "tail", "ingestData", "--format", "json"],
            ["show", "by_company"],
            ["show", "by_company", "--format", "csv"], ["show", "by_company", "--format", "json"],
            ["show", "--sql", "SELECT company AS \"\u{1B}[2J\" FROM by_company"], ["dead-letter", "list"],
            ["dead-letter", "show"], ["data", "profile", "h.csv"],
        ] {
            let ending = try taxi.runOnTerminal(words)
            #expect(!ending.shown.isEmpty)
            expectOnlyText(ending.shown)
        }
        // Into a pipe the data goes as it is, and JSON on a terminal is the same JSON.
        let csv = try taxi.succeed("show", "by_company", "--format", "csv")
        #expect(csv.text.contains(Self.hostile))
    }

    @Test func mistakesInDeclarationsAndLogsAreShownAsText() throws {
        let taxi = try TaxiCLI()
        try "queries:\n  \"\(Self.hostile)\": {wndow: \"\u{9B}x\"}\n".write(
            toFile: taxi("q.yaml"), atomically: true, encoding: .utf8)
        expectOnlyText(try taxi.runOnTerminal("stream", "--queries", "q.yaml", "--until-end").shown)
        try """
        name: loud
        steps:
          say: {sh: "printf 'a\\\\033[2Jb\\\\007c\\\\302\\\\2331m\\\\n'; exit 3"}
        """.write(toFile: taxi("loud.yaml"), atomically: true, encoding: .utf8)
        expectOnlyText(try taxi.runOnTerminal("workflow", "run", "./loud.yaml").shown)
        let runs = try taxi.succeed("workflow", "runs", "--format", "jsonl")
        let run = try #require(
            try jsonObject(runs.text.split(separator: "\n").first.map(String.init) ?? "")["run_id"] as? String)
        let logs = try taxi.runOnTerminal("workflow", "logs", run)
        #expect(logs.shown.contains("[2Jb"))
        expectOnlyText(logs.shown)
    }
}
