import CommandSupport
import Foundation
import SQLite
import Testing

/// Files with something wrong in them: each fault has its code, its place and its dead letter; nothing else is lost.
@Suite struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var reason: String
        /// The bad row, from the good one's fields.
        var row: @Sendable ([String]) -> [UInt8]
        /// Where the fault begins, counted in bytes from 1.
        var column: @Sendable ([String]) -> Int
        /// What the dead letter says about it.
        var detail: String
        var testDescription: String { reason }

        /// One field is replaced.
        init(_ reason: String, _ field: Int, _ text: String, detail: String) {
            self.reason = reason
            row = { Array(Self.joined($0, with: text, at: field).utf8) }
            column = { $0[..<field].reduce(1) { $0 + $1.utf8.count + 1 } }
            self.detail = detail
        }

        /// The whole row is another one; its fault is in its first byte.
        init(_ reason: String, detail: String, _ row: @escaping @Sendable ([String]) -> [UInt8]) {
            (self.reason, self.row, self.detail) = (reason, row, detail)
            column = { _ in 1 }
        }

        private static func joined(_ fields: [String], with text: String, at field: Int) -> String {
            var fields = fields
            fields[field] = text
            return fields.joined(separator: ",")
        }
    }

    @Test("a column that stands twice is told of with its place", arguments: [",Fare", ", fare ", ",\"FARE\""])
    func columnTwice(_ more: String) throws {
        let taxi = try TaxiCLI()
        try Data("Trip Start Timestamp,Fare\(more)\n01/15/2024 08:00:00 AM,5.00,7.00\n".utf8)
            .write(to: URL(fileURLWithPath: taxi("trips.csv")))
        for words in [
            ["produce", "trips.csv", "--clock", "start"], ["produce", "trips.csv"],
            ["stream", "--input", "trips.csv", "--query", "tripsTotal", "--missing", "empty"],
            ["data", "profile", "trips.csv"],
        ] {
            let ending = try taxi.start(words).wait()
            #expect(ending.code == 65, "\(words)")
            #expect(ending.errors.contains("trips.csv:1:27: error: column"), "\(ending.errors)")
            #expect(ending.errors.contains("stands twice in the header"))
        }
    }

    @Test("options of files that have no effect are refused, and so are times between which nothing lies")
    func withoutEffect() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "50", "trips.csv")
        let lines: [[String]] = [
            ["stream", "--until-end", "--limit", "5"], ["stream", "--until-end", "--to", "2024-03-15"],
            ["stream", "--until-end", "--clean", "standard"], ["stream", "--until-end", "--again"],
            ["stream", "--input", "trips.csv", "--skip-lost"], ["stream", "--input", "trips.csv", "--partitions", "2"],
            ["stream", "--input", "trips.csv", "--from", "2024-05-01", "--to", "2024-04-01"],
            ["produce", "trips.csv", "--clock", "start", "--from", "2024-05-01", "--to", "2024-05-01"],
            ["produce", "trips.csv", "--seed", "5"], ["produce", "trips.csv", "--process", "4"],
            ["produce", "trips.csv", "--set-rate", "5/s"], ["produce", "trips.csv", "--dry-run", "--resume"],
            ["batch", "--list", "--vintage", "x"], ["publish", "postgres:///x", "--every", "1s"],
            ["topic", "create", ""], ["tenant", "backup", "copy.zip"], ["data", "generate", "trips.avro"],
            ["produce", "trips.csv", "--clock", "start", "--summary-json", "trips.csv"],
            ["data", "profile", "trips.csv", "--aliases", "trips.csv"], ["report", "trips.csv"],
            ["report", "r.html", "--json", "r.html"],
        ]
        for words in lines {
            let ending = try taxi.start(words).wait()
            #expect(ending.code == 64, "\(words): \(ending.errors)")
            #expect(ending.errors.contains("hint:"), "\(words): \(ending.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: taxi.topicsPath))
    }

    // 2 start, 4 seconds, 8 pickup area, 10 fare, 15 payment, 16 company.
    static let cases = [
        Case("bad_number", 4, "n/a", detail: #"trip_seconds "n/a" is not a number"#),
        Case("bad_money", 10, "12.5O", detail: #"fare "12.5O" is not an amount in dollars and cents"#),
        Case("bad_timestamp", 2, "13/32/2024 05:45:00 PM", detail: "is not a time"),
        Case("missing_event_time", 2, "", detail: "is empty, so the trip has no event time"),
        Case("out_of_range", 8, "78", detail: #"pickup_community_area "78" is out of range"#),
        Case("out_of_range", 2, "01/05/1999 05:45:00 PM", detail: "is out of range"),
        Case("out_of_range", 4, "-1", detail: #"trip_seconds "-1" is out of range"#),
        Case(
            "oversized", 16, String(repeating: "x", count: 70_000), detail: "is longer than 65535 bytes"),
        Case("malformed_row", 15, "\"Cash", detail: "a quote is not closed on this line"),
        Case("too_few_fields", detail: "22 fields where the header has 23") { fields in
            Array(fields.dropLast().joined(separator: ",").utf8)
        },
        Case("too_many_fields", detail: "24 fields where the header has 23") { fields in
            Array((fields + ["more"]).joined(separator: ",").utf8)
        },
        {
            // é as ISO 8859-1 has it.
            var bad = Case("bad_utf8", 16, "Caf? Cab", detail: "is not UTF-8")
            let row = bad.row
            bad.row = { row($0).map { $0 == UInt8(ascii: "?") ? 0xe9 : $0 } }
            return bad
        }(),
    ]

    @Test(arguments: cases, ["now", "start"])
    func aBadRowBecomesADeadLetterWithItsPlace(_ bad: Case, clock: String) throws {
        // Stamped when they are sent, trips need no time of their own.
        if bad.reason == "missing_event_time", clock == "now" { return }
        let taxi = try TaxiCLI()
        let good = try Self.goodRows(taxi, count: 10)
        let fields = good.rows[4].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let row = bad.row(fields)
        var file = Data((good.header + "\n" + good.rows[..<4].joined(separator: "\n") + "\n").utf8)
        file.append(contentsOf: row)
        file.append(Data(("\n" + good.rows[5...].joined(separator: "\n") + "\n").utf8))
        try file.write(to: URL(fileURLWithPath: taxi("bad.csv")))

        let ending = try taxi.succeed("produce", "bad.csv", "--max", "--clock", clock, "--summary-json", "-")
        let summary = try jsonObject(ending.text)
        #expect(summary["read"] as? Int == 10)
        #expect(summary["sent"] as? Int == 9)
        #expect(summary["rejected"] as? [String: Int] == [bad.reason: 1])
        #expect(ending.errors.contains("rejected 1 \(bad.reason)"), "\(ending.errors)")
        #expect(try taxi.recordCount("chicago_ingestData") == 9)
        #expect(try taxi.recordCount("chicago_deadLetter") == 1)

        // The bytes of the one record, headers and all; texts stand in it as they are.
        let letter = try #require(
            try taxi.query(
                """
                SELECT bytes FROM payloads WHERE id = (SELECT payload_id FROM batches JOIN partitions USING (slot)
                JOIN topics ON topics.id = topic_id WHERE name = 'chicago_deadLetter')
                """, database: taxi.topicsPath
            ).first?.first)
        guard case .blob(let bytes) = letter else {
            Issue.record("the dead letter is no blob")
            return
        }
        // The header is line 1.
        let column = bad.column(fields)
        for text in [bad.reason, bad.detail, "bad.csv:6", "bad.csv:6:\(column): \(bad.reason): "] {
            #expect(Data(bytes).range(of: Data(text.utf8)) != nil, "\(text) is not in the dead letter")
        }
        #expect(Data(bytes).range(of: Data(row)) != nil, "the row is not whole in the dead letter")
    }

    @Test func aRowOfMoreThanAMegabyteIsOversized() throws {
        let taxi = try TaxiCLI()
        let good = try Self.goodRows(taxi, count: 10)
        var rows = good.rows
        rows.insert(String(repeating: "y", count: 3 << 20), at: 3)
        try (good.header + "\n" + rows.joined(separator: "\n")).write(
            toFile: taxi("bad.csv"), atomically: true, encoding: .utf8)
        let summary = try jsonObject(try taxi.succeed("produce", "bad.csv", "--max", "--summary-json", "-").text)
        #expect(summary["sent"] as? Int == 10)
        #expect(summary["rejected"] as? [String: Int] == ["oversized": 1])
    }

    /// Directly from the file, without a topic, the same rows are set aside.
    @Test func aStreamOfAFileSetsBadRowsAsideToo() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "3000", "--dirty", "1%", "--seed", "9", "trips.csv")
        let produced = try jsonObject(
            try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--summary-json", "-").text)
        let rejected = try #require(produced["rejected"] as? [String: Int])
        #expect(
            Set(rejected.keys) == [
                "bad_number", "bad_money", "bad_timestamp", "too_few_fields", "too_many_fields", "bad_utf8",
                "out_of_range",
            ])
        let sent = try #require(produced["sent"] as? Int)
        #expect(sent + rejected.values.reduce(0, +) == 3000)

        // The queries need other columns than a replay: what is wrong elsewhere does not concern them.
        let direct = try TaxiCLI()
        let streamed = try jsonObject(
            try direct.succeed("stream", "--input", taxi("trips.csv"), "--summary-json", "-").text)
        let fewer = try #require(streamed["rejected"] as? [String: Int])
        #expect(fewer.allSatisfy { $0.value <= rejected[$0.key, default: 0] }, "\(fewer) of \(rejected)")
        #expect(try direct.recordCount("chicago_deadLetter") == Int64(fewer.values.reduce(0, +)))
        #expect(streamed["records"] as? Int == 3000)
    }

    @Test func aFileOfTheWrongShapeEndsWithTheThreeCommonestReasons() throws {
        let taxi = try TaxiCLI()
        let good = try Self.goodRows(taxi, count: 100)
        let faults = [(10, "free", 30), (4, "long", 20), (2, "yesterday", 10), (8, "99", 5)]
        var rows = good.rows.map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        var next = 0
        for (field, text, count) in faults {
            for row in next..<next + count { rows[row][field] = text }
            next += count
        }
        try ([good.header] + rows.map { $0.joined(separator: ",") }).joined(separator: "\n")
            .write(toFile: taxi("shape.csv"), atomically: true, encoding: .utf8)
        let ending = try taxi.run("produce", "shape.csv", "--max")
        #expect(ending.code == 65)
        for text in [
            "65 of 100 records", "\n  30 bad_money, such as shape.csv:2:", "\n  20 bad_number, such as shape.csv:32:",
            "\n  10 bad_timestamp, such as shape.csv:52:", "\nhint: ",
        ] { #expect(ending.errors.contains(text), "\(text): \(ending.errors)") }
        #expect(!ending.errors.contains("out_of_range"))
        #expect(try taxi.recordCount("chicago_deadLetter") == 65)
        #expect(try taxi.query("SELECT outcome FROM runs") == [["failed"]])
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        var code: Int32
        var message: String
        var hint: String?
        var testDescription: String { arguments.joined(separator: " ") }
    }

    @Test(arguments: [
        Refusal(arguments: ["prodce"], code: 64, message: "no command \"taxi-cli prodce\"", hint: "\"produce\""),
        Refusal(arguments: ["produce", "t.csv", "--rat", "5/s"], code: 64, message: "\"--rat\"", hint: "\"--rate\""),
        Refusal(arguments: ["produce", "t.csv", "--rate", "fast"], code: 64, message: "\"fast\"", hint: "1000/s"),
        Refusal(arguments: ["produce"], code: 64, message: "no trip file is given", hint: "- for stdin"),
        Refusal(arguments: ["produce", "t.csv", "--max", "--rate", "5/s"], code: 64, message: "--", hint: nil),
        Refusal(
            arguments: ["stream", "--query", "sumFarWindow"], code: 64, message: "\"sumFarWindow\"",
            hint: "\"sumFareWindow\""),
        Refusal(arguments: ["batch", "--period", "2024-13"], code: 64, message: "\"2024-13\"", hint: "01…12"),
        Refusal(arguments: ["batch", "fare-trnd"], code: 64, message: "fare-trnd", hint: "fare-trend"),
        Refusal(arguments: ["stream", "--workers", "0"], code: 64, message: "--workers", hint: nil),
        Refusal(
            arguments: ["produce", "t.csv", "--tenant", "chicagoo"], code: 64, message: "no tenant \"chicagoo\"",
            hint: "tenant create"),
        Refusal(arguments: ["produce", "none.csv"], code: 66, message: "no file \"none.csv\"", hint: "Check the path"),
        Refusal(
            arguments: ["stream", "--input", "none.csv"], code: 66, message: "no file \"none.csv\"",
            hint: "Check the path"),
        Refusal(arguments: ["produce", "."], code: 66, message: "\".\" is a folder", hint: "Name the files in it"),
        Refusal(
            arguments: ["show", "sumfarewindow"], code: 66, message: "there is no tenant", hint: "taxi-cli produce"),
        Refusal(arguments: ["batch"], code: 66, message: "there is no tenant", hint: "taxi-cli produce"),
        Refusal(arguments: ["produce", "-"], code: 65, message: "the file is empty", hint: nil),
    ])
    func whatCannotBeDoneIsRefusedWithAHint(_ refusal: Refusal) throws {
        let taxi = try TaxiCLI()
        try "Trip Start Timestamp\n".write(toFile: taxi("t.csv"), atomically: true, encoding: .utf8)
        let ending = try taxi.start(refusal.arguments).wait()
        #expect(ending.code == refusal.code, "\(ending.errors)")
        #expect(ending.text.isEmpty)
        #expect(ending.errors.contains("error: "))
        #expect(ending.errors.contains(refusal.message), "\(ending.errors)")
        if let hint = refusal.hint {
            let parts = ending.errors.components(separatedBy: "\nhint: ")
            #expect(parts.count == 2 && parts.last?.contains(hint) == true, "\(ending.errors)")
        }
    }

    /// `produce <(zcat …)`: a pipe behind a link, which can be read only once.
    @Test func tripsComeThroughAPipeWithAName() throws {
        let taxi = try TaxiCLI()
        let good = try Self.goodRows(taxi, count: 50)
        #expect(good.rows.count == 50)
        for line in [
            "cat good.csv | \"$TAXI\" produce /dev/stdin --max", "\"$TAXI\" produce - --max < good.csv",
            "cat good.csv | \"$TAXI\" produce - --max --clock start",
        ] {
            let before = try? taxi.recordCount("chicago_ingestData")
            let ending = try taxi.shell(line)
            #expect(ending.code == 0, "\(line): \(ending.errors)")
            #expect(try taxi.recordCount("chicago_ingestData") == (before ?? 0) + 50, "\(line)")
        }
    }

    /// A header and rows without quotes, as one string each; also left as `good.csv`.
    static func goodRows(_ taxi: TaxiCLI, count: Int) throws -> (header: String, rows: [String]) {
        try taxi.succeed("data", "generate", "--rows", "\(count * 3)", "--seed", "21", "all.csv")
        let lines = try String(contentsOfFile: taxi("all.csv"), encoding: .utf8).split(separator: "\n").map(String.init)
        let rows = Array(lines.dropFirst().filter { !$0.contains("\"") && !$0.contains(",,,") }.prefix(count))
        try #require(rows.count == count)
        try ([lines[0]] + rows).joined(separator: "\n").write(
            toFile: taxi("good.csv"), atomically: true, encoding: .utf8)
        return (lines[0], rows)
    }
}
