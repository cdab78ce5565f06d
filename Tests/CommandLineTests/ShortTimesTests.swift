import Foundation
import Testing

@testable import CommandLine

/// Times in tables that are wider than the terminal.
@Suite struct ShortTimesTests {
    private static func lines(_ times: [String], name: String = "a name", width: Int) -> [String] {
        let table = Table(
            columns: [Column("name"), Column("time"), Column("n", .right)],
            rows: times.map { [.text(name), $0.isEmpty ? .null : .text($0), .integer(7)] })
        return table.text(width: width).split(separator: "\n").dropFirst().map(String.init)
    }

    @Test func areWholeWhereThereIsRoom() {
        #expect(
            Self.lines(["2024-12-31T20:15:05.250-06:00"], width: 40) == ["a name  2024-12-31T20:15:05.250-06:00  7"])
    }

    @Test(arguments: [
        (["2024-12-31T20:15:05.250-06:00", ""], 39, "2024-12-31T20:15:05.250"),
        (["2024-12-31T20:15:05.250-06:00", ""], 33, "2024-12-31T20:15:05"),
        (["2024-12-31T20:15:05.000-06:00"], 34, "2024-12-31T20:15:05.000"),
        (["2024-12-31T20:15:05.000Z"], 30, "2024-12-31T20:15:05"),
        (["2024-12-31T20:15:00.000-06:00"], 29, "2024-12-31T20:15"),
    ]) func loseWhatTellsLeast(_ times: [String], _ width: Int, _ shown: String) {
        #expect(Self.lines(times, width: width).first?.contains("  \(shown)  ") == true)
    }

    /// Seconds, or thousandths, that are not zero in one row alone stay in all of them.
    @Test func keepWhatTellsRowsApart() {
        let windows = ["2024-12-31T20:15:00.000-06:00", "2024-12-31T20:15:05.000-06:00"]
        #expect(
            Self.lines(windows, name: "a long name of something", width: 40) == [
                "a long name of …  2024-12-31T20:15:00  7",
                "a long name of …  2024-12-31T20:15:05  7",
            ])
    }

    @Test func textsThatAreNoTimesAreCutFirst() {
        let line = Self.lines(["2024-12-31T20:15:05.000-06:00"], name: "a long name of something", width: 33)[0]
        #expect(line.contains("  2024-12-31T20:15:05  7"))
        #expect(displayWidth(of: line) == 33)
        // A column with anything else is a text like others.
        let mixed = Self.lines(["2024-12-31T20:15:05.000-06:00", "never, as far as anybody knows"], width: 30)
        #expect(mixed.allSatisfy { displayWidth(of: $0) == 30 && $0.contains("…") })
    }

    @Test func wholeTimesGoToProgramsWhateverTheWidth() throws {
        let table = Table(columns: [Column("time")], rows: [[.text("2024-12-31T20:15:05.250-06:00")]])
        let output = TextWriter.inMemory(isForPeople: false)
        try table.write(as: .csv, to: output, width: 10, style: .plain)
        #expect(output.text.contains("2024-12-31T20:15:05.250-06:00"))
    }
}
