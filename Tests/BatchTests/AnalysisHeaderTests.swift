import Basics
import Foundation
import Problems
import SQLite
import Testing
import Trips

@testable import Batch

/// Headers of declared analyses, odd ones and hostile ones: read, or refused with file, line and column.
@Suite struct AnalysisHeaderTests {
    private static let select = "SELECT 1 AS a, 2 AS b\n"

    private static func problem(_ header: String) throws -> Problem {
        try #require(throws: Problem.self) { try DeclaredAnalysis.parse(Array((header + select).utf8), file: "f.sql") }
    }

    @Test(arguments: [
        "-- name: n\n-- columns: a, b\n", "-- name: n\r\n-- columns: a, b\r\n",
        "\u{feff}-- name: n\n-- columns: a, b\n",
        "\n\n  --name:n  \n\t--\tcolumns\t:\ta ,b,\n", "-- for people: this\n-- name: n\n-- columns: a, b\n",
        "-- columns: a, b\n-- A: b\n-- name: n\n--\n-- by:\n",
    ])
    func takesTheForms(header: String) throws {
        let analysis = try DeclaredAnalysis.parse(Array((header + Self.select).utf8), file: "f.sql")
        #expect(analysis.name == "n")
        #expect(analysis.columns == ["a", "b"])
        #expect(analysis.keys == ["a"])
        #expect(analysis.kinds == PeriodKind.allCases)
        let connection = try Connection(path: ":memory:")
        let results = DeclaredResults(analysis: analysis, connection: connection)
        guard case .ready = try results.readiness(queryViews: [:]) else {
            Issue.record("it waits")
            return
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var header: String
        var place: String
        var says: String
        var testDescription: String { header.debugDescription }
    }

    @Test(arguments: [
        Case(header: "", place: "1:1", says: "has no \"name\""),
        Case(header: "-- name:\n-- columns: a\n", place: "1:1", says: "has no \"name\""),
        Case(header: "-- name: n\n-- columns: ,\n", place: "1:1", says: "has no \"columns\""),
        Case(header: "-- name: n\n-- columns: a, A\n", place: "2:16", says: "\"A\" cannot be a column"),
        Case(header: "-- name: n\r\n-- columns: a, row\r\n", place: "2:16", says: "\"row\" cannot be a column"),
        Case(header: "-- name: n\n-- columns: a, b, a\n", place: "2:19", says: "the column \"a\" is here twice"),
        Case(header: "-- name: n\n--  name: m\n-- columns: a\n", place: "2:5", says: "\"name\" is here twice"),
        Case(header: "-- name: n\n-- columns: a\n-- key: b\n", place: "3:9", says: "none of the columns"),
        Case(header: "-- name: n\n-- columns: a\n-- by: year, year\n", place: "3:14", says: "is here twice"),
        Case(header: "-- name: n\n-- columns: a\n-- by: year, week\n", place: "3:14", says: "no kind of period"),
        Case(header: "-- name: n\n-- about: a\u{1b}[2J\n-- columns: a\n", place: "2:12", says: "control character"),
        Case(header: "-- name: n\n-- columns: a\n-- colunms: b\n", place: "3:4", says: "unknown entry \"colunms\""),
        Case(header: "-- name: n\u{e9}\n-- columns: a\n", place: "1:10", says: "cannot be the name"),
        Case(
            header: "-- name: \(String(repeating: "n", count: 65))\n-- columns: a\n", place: "1:10", says: "cannot be"),
        Case(header: "-- name: select\n-- columns: a\n", place: "1:10", says: "\"select\" is a word of SQL"),
        Case(header: "-- name: vintage_rows\n-- columns: a\n", place: "1:10", says: "is taken"),
        Case(header: "-- name: sqlite_x\n-- columns: a\n", place: "1:10", says: "is taken"),
        Case(header: "-- name: extract\n-- columns: a\n", place: "1:10", says: "is a word of batch"),
        Case(
            header: "-- name: n\n-- columns: \((0...60).map { "c\($0)" }.joined(separator: ","))\n", place: "2:243",
            says: "there are 61 columns"),
    ])
    func refusesWithAPlace(_ c: Case) throws {
        let problem = try Self.problem(c.header)
        #expect(problem.code == .configuration)
        #expect(problem.location?.description == "f.sql:\(c.place)")
        #expect(problem.message.contains(c.says), "\(problem.message)")
    }

    @Test func bytesThatAreNoUTF8HaveAPlace() throws {
        for (bytes, place) in [([0x2d, 0x2d, 0x0a, 0x61, 0xff, 0x62], "2:2"), ([0x61, 0xc3], "1:2")]
            as [([UInt8], String)]
        {
            let problem = try #require(throws: Problem.self) { try DeclaredAnalysis.parse(bytes, file: "f.sql") }
            #expect(problem.message == "this is not UTF-8")
            #expect(problem.location?.description == "f.sql:\(place)")
        }
    }

    /// Found by a fuzzer: as many problems as lines, each with its whole line.
    @Test func noMoreIsSaidThanCanBeRead() throws {
        let words = (0..<20_000).map { "w\($0 % 10_000)" }.joined(separator: ", ")
        let text =
            "-- columns: \(words)\n-- key: \(words)\n" + String(repeating: "-- nme: x\n", count: 50) + "SELECT 1"
        let start = ContinuousClock.now
        let problem = #expect(throws: Problem.self) { try DeclaredAnalysis.parse(text, file: "f.sql") }
        #expect(start.duration(to: .now) < .seconds(20))
        let all = try [#require(problem)] + (problem?.others ?? [])
        #expect(all.count == 101)
        #expect(all.last?.message.hasSuffix("more mistakes are not shown") == true)
        #expect(all.dropLast().allSatisfy { $0.sourceLine?.utf8.count ?? 0 <= 210 && $0.location != nil })
    }

    /// Any bytes at all: an analysis that SQLite then takes or refuses, or problems that name a place within the file.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func nothingGetsPastWithoutAPlace(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces: [[UInt8]] =
            [
                "-- ", "--", "name", "columns", "key", "by", "about", ":", ": ", ",", "a", "b", "n", "order", "month",
                "\n",
                "\r\n", "\r", "\t", "\u{feff}", "é", "SELECT", " 1 AS a", ", 2 AS b", ";", "'", "/*", "*/", ":from",
                "?",
                "PRAGMA x", "row", "\n-- name: n\n-- columns: a\nSELECT 1 AS a", "-- columns: a, b\n-- name: m\n",
            ].map { Array($0.utf8) } + [[0], [0xff], [0xc3], [0x1b]]
        let connection = try Connection(path: ":memory:")
        try BatchSchema.prepare(connection)
        var taken = 0
        for round in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &random)).flatMap { _ in
                pieces.randomElement(using: &random)!
            }
            do {
                let analysis = try DeclaredAnalysis.parse(bytes, file: "f.sql")
                let results = DeclaredResults(analysis: analysis, connection: connection)
                guard case .ready(let statement) = try results.readiness(queryViews: [:]) else { continue }
                _ = try results.run([Period(kind: .year, ordinal: 2024)], statement: statement) { _ in 0 }
                taken += 1
            } catch let problem as Problem {
                for problem in [problem] + problem.others {
                    let place = try #require(problem.location, "seed \(seed), round \(round): \(problem)")
                    let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
                    #expect(1...lines.count ~= place.line, "seed \(seed), round \(round): \(problem)")
                    // U+FFFD is longer than what it stands for.
                    #expect(place.column >= 1 && place.column <= (lines[place.line - 1].count) * 3 + 1, "\(problem)")
                }
            }
        }
        #expect(taken > 0)
    }
}
