import Foundation
import Problems
import Testing

import Time
@testable import Trips

@Suite struct CSVRowTests {
    @Test func placesAreThoseOfAnEditor() throws {
        let text = """
            Trip Start Timestamp,Fare,Company
            03/01/2024 12:15:00 AM,1.00,"Two
            Lines"
            03/01/2024 12:30:00 AM,1.00,"Three

            Lines"
            03/01/2024 12:45:00 AM,bad,X
            03/01/2024 01:00:00 AM,1.00,X
            short
            """
        let found = try seen(Array(text.utf8), fields: [.startTimestamp, .fare, .company]).seen
        #expect(found.rows.map(\.line) == [2, 4, 8])
        #expect(
            found.rejects == [
                SeenReject(reason: .badMoney, line: 7, column: 24),
                SeenReject(reason: .tooFewFields, line: 9, column: 1),
            ])
    }

    @Test func aFieldBehindOneOfSeveralLinesHasItsOwnLine() throws {
        let text = "Company,Fare\n\"a\nbc\",x\n\"d\ne\nfgh\" , y\n"
        let found = try seen(Array(text.utf8), fields: [.company, .fare]).seen
        #expect(
            found.rejects == [
                SeenReject(reason: .badMoney, line: 3, column: 5), SeenReject(reason: .badMoney, line: 6, column: 8),
            ])
    }

    @Test(
        arguments: [
            "\nFare,Tips\n1,2\n", "\r\n \t\r\n\r\nFare,Tips\r\n1,2\r\n", "\u{feff}\n\nFare,Tips\n1,2",
            "  \nFare,Tips\n\n1,2\n  ",
        ])
    func blankLinesAreNothing(text: String) throws {
        let found = try seen(Array(text.utf8), fields: [.fare, .tips]).seen
        #expect(found.rows.map(\.values) == [["1.00", "2.00"]])
        #expect(found.rejects.isEmpty)
        let place = try #require(text.utf8.firstIndex(of: UInt8(ascii: "1")))
        #expect(found.rows.first?.line == text.utf8[..<place].count { $0 == 0x0a } + 1)
    }

    @Test func blankLinesAreNothingInAFileOfOneColumn() throws {
        let found = try seen(Array("Fare\n1\n\n \n2\n".utf8), fields: [.fare]).seen
        #expect(found.rows.map(\.line) == [2, 5])
    }

    @Test(
        arguments: [
            // The same again, as files that were joined have it.
            ("Fare,Tips\n1,2\nFare,Tips\n3,4\n", [["1.00", "2.00"], ["3.00", "4.00"]]),
            ("Fare,Tips\n1,2\n\u{feff}\"Fare\",\"Tips\"\n3,4\n", [["1.00", "2.00"], ["3.00", "4.00"]]),
            ("Fare,Tips\n1,2\nfare, tips\n3,4\nFare,Tips", [["1.00", "2.00"], ["3.00", "4.00"]]),
            // In another order, with more, fewer and other columns, with another delimiter.
            ("Fare,Tips\n1,2\nTips,Fare\n3,4\n", [["1.00", "2.00"], ["4.00", "3.00"]]),
            (
                "Fare,Tips\n1,2\nTips,Note,Fare\n3,x,4\n5,y,6\n",
                [["1.00", "2.00"], ["4.00", "3.00"], ["6.00", "5.00"]]
            ),
            ("Fare,Tips,Company\n1,2,x\nTips,Tolls\n3,9\n", [["1.00", "2.00"], [nil, "3.00"]]),
            ("Fare,Tips\n1,2\nTips;Fare\n3;4\n", [["1.00", "2.00"], ["4.00", "3.00"]]),
            (
                "Fare,Tips\n1,2\nTips,Fare\n3,4\nFare,Tips\n5,6",
                [["1.00", "2.00"], ["4.00", "3.00"], ["5.00", "6.00"]]
            ),
            ("Fare,Tips\n1,2\nExtra,Fare,Tips\n3,4,5\n", [["1.00", "2.00"], ["4.00", "5.00"]]),
        ] as [(String, [[String?]])])
    func headersFurtherDown(text: String, values: [[String?]]) throws {
        for cut in [0, text.utf8.count / 3, text.utf8.count / 2, text.utf8.count - 2] {
            let found = try seen(Array(text.utf8), fields: [.fare, .tips], cuts: [cut]).seen
            #expect(found.rows.map(\.values) == values)
            #expect(found.rejects.isEmpty)
        }
    }

    @Test(arguments: ["Tips", "ten,Tips", "Flash,x", "fare,9.50", "Trip Seconds,12:30"])
    func rowsThatAreNoHeaders(row: String) throws {
        let found = try seen(Array("Company,Fare\n\(row)\nx,1\n".utf8), fields: [.company, .fare]).seen
        #expect(found.rows.contains { $0.values == ["x", "1.00"] })
        #expect(found.rows.count + found.rejects.count == 2)
    }

    @Test(arguments: [
        ("Fare,Tips\n1,\"2", SeenReject(reason: .malformedRow, line: 2, column: 3)),
        ("Fare,Tips\n1,2,3", SeenReject(reason: .tooManyFields, line: 2, column: 1)),
        ("Fare,Tips\n\"1,2\n3,4\n", SeenReject(reason: .malformedRow, line: 2, column: 1)),
        ("Fare,Tips\n1,x", SeenReject(reason: .badMoney, line: 2, column: 3)),
    ])
    func lastRows(text: String, reject: SeenReject) throws {
        #expect(try seen(Array(text.utf8), fields: [.fare, .tips]).seen.rejects == [reject])
    }

    @Test(arguments: [
        ("", "the file is empty: there is no header line"), ("\n \n\n", "the file is empty: there is no header line"),
        ("Fare,Ti\0ps\n1,2\n", "this is a binary file, not comma-separated text"),
        ("Fare,\"Tips\n1,2\n", "a quote in the header line is not closed"),
        ("1,2\n3,4\n", "no column of a taxi trip was found in the header"),
    ])
    func headersThatAreNone(text: String, message: String) {
        #expect {
            try seen(Array(text.utf8), fields: [.fare])
        } throws: {
            ($0 as? Problem)?.message == message
        }
    }

    @Test func aHeaderIsUTF8() {
        let bytes = Array("\nFare,Prix\n1,2\n".utf8).flatMap { $0 == UInt8(ascii: "x") ? [0xe9] : [$0] }
        #expect {
            try seen(bytes, fields: [.fare])
        } throws: {
            let problem = $0 as? Problem
            return problem?.message == "the header line is not UTF-8" && problem?.location?.line == 2
                && problem?.location?.column == 9
        }
    }

    @Test(
        "each reader reads small inputs that once went wrong", arguments: [false, true], [false, true])
    func readers(inOrder: Bool, allColumns: Bool) throws {
        func rows(_ name: String, _ wanted: [TripField]) throws -> (Seen, [Reject]) {
            var options = TripSourceOptions(
                clock: inOrder ? .start : .now, fields: allColumns ? .all : .init(wanted), required: [],
                zone: try ZoneClock(identifier: "America/Chicago"))
            options.toleratesRejects = true
            let source = try TripSource(paths: [inputFile(name)], options: options)
            let batch = TripBatch(capacity: 16)
            var (found, rejects): (Seen, [Reject]) = (Seen(), [])
            while try source.next(into: batch) {
                for row in 0..<batch.count {
                    found.rows.append(SeenRow(line: 0, values: wanted.map { batch.text($0, row) }))
                }
                rejects += source.takeRejects()
            }
            rejects += source.takeRejects()
            found.rejects = rejects.map {
                SeenReject(reason: $0.reason, line: $0.location.line, column: $0.location.column)
            }
            #expect(source.counts.read == found.rows.count + rejects.count)
            return (found, rejects)
        }
        let header = try rows("second-header-other-order.csv", [.tips, .fare, .tolls]).0
        #expect(header.rejects.isEmpty)
        #expect(header.rows.map(\.values) == [["1.00", "10.00", "0.00"], ["1.00", "10.00", "0.00"]])

        let quotes = try rows("blank-before-doubled-quote.csv", [.company]).0
        #expect(quotes.rows.map(\.values) == [["\"Flash\" Cab"], ["\"Flash\" Cab"]])

        let lines = try rows("multiline.csv", [.fare, .company]).0
        #expect(lines.rejects == [SeenReject(reason: .badMoney, line: 6, column: 24)])
        #expect(lines.rows.count == 4)

        let blank = try rows("blank-first-line.csv", [.fare]).0
        #expect(blank.rows.map(\.values) == [["10.00"]])

        let dates = try rows("date-without-zeros.csv", [.startTimestamp, .pickupLatitude])
        #expect(dates.0.rejects.map(\.reason) == [.outOfRange, .outOfRange])
        #expect(dates.0.rejects.map(\.line) == [2, 3])
        #expect(dates.1.first?.detail == "pickup_centroid_latitude \"199\" is out of range (-90…90 degrees)")
        let unread = try rows("date-without-zeros.csv", [.startTimestamp])
        #expect(unread.0.rejects == dates.0.rejects && unread.1.map(\.detail) == dates.1.map(\.detail))

        for (name, field, line) in [
            ("batch-blocked.csv", TripField.fare, 3), ("miles-wrap.csv", .miles, 2), ("seconds-crash.csv", .seconds, 3),
        ] {
            let found = try rows(name, [field]).0
            #expect(found.rejects.map(\.reason) == [.outOfRange])
            #expect(found.rejects.map(\.line) == [line])
        }
        #expect(try rows("sum-wraps.csv", [.fare]).0.rejects.map(\.reason) == [.outOfRange, .outOfRange])
    }

    /// However little else of it is known: a name that stands where times and numbers do, or that names a time, makes a row a header.
    @Test(
        arguments: [
            (
                "Trip Start Timestamp,Tips,Tolls,a,b,c,d", "Trip Start Timestamp,Tolls,Tips,e,f,g,h",
                [["1", "2"], ["2", "1"]]
            ),
            (
                "Trip Start Timestamp,Tips,Tolls,a", "x,2024,Trip Start Timestamp,y,Tips,z,Tolls",
                [["1", "2"], ["3", "4"]]
            ),
            (
                "Tips,Trip Start Timestamp,Tolls,a", "Tolls,b,c,d,Trip Start Timestamp,e,Tips",
                [["1", "2"], ["4", "3"]]
            ),
            ("Trip Start Timestamp,Tips,Tolls", "Trip Start Timestamp,Tips,Tolls,Tips", []),
            ("Trip Start Timestamp,Tips,Tolls,a,b,c,d", "Tips,Tolls,x,y,z,v,w", [["1", "2"], ["3", "4"]]),
        ], [false, true])
    func aHeaderFurtherDownIsOne(_ input: (first: String, second: String, tips: [[String]]), inOrder: Bool) throws {
        let path = FileManager.default.temporaryDirectory.path + "/header-\(UUID().uuidString).csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func row(_ header: String, _ tips: String, _ tolls: String) -> String {
            header.split(separator: ",").map { name in
                switch name {
                case "Trip Start Timestamp": "2024-03-01T10:00:00"
                case "Tips": tips
                case "Tolls": tolls
                default: "text"
                }
            }.joined(separator: ",")
        }
        let wanted = input.tips.last ?? ["3", "4"]
        let (tips, tolls) = (wanted[0], wanted[1])
        try [input.first, row(input.first, "1", "2"), input.second, row(input.second, tips, tolls), ""]
            .joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
        var options = TripSourceOptions(
            clock: inOrder ? .start : .now, fields: .init([.tips, .tolls]), required: [],
            zone: try ZoneClock(identifier: "America/Chicago"))
        options.toleratesRejects = true
        func read() throws -> [[String]] {
            let source = try TripSource(paths: [path], options: options)
            let batch = TripBatch(capacity: 16)
            var found: [[String]] = []
            while try source.next(into: batch) {
                for row in 0..<batch.count { found.append([TripField.tips, .tolls].map { batch.text($0, row) ?? "" }) }
            }
            #expect(source.takeRejects().isEmpty)
            return found
        }
        // Rows cannot be put in order by a time that they do not have.
        guard !input.tips.isEmpty, !inOrder || input.second.contains("Timestamp") else {
            let problem = try #require(throws: Problem.self) { try read() }
            #expect(problem.code == .badData && problem.location?.line == 3, "\(problem)")
            return
        }
        #expect(try read() == input.tips.map { $0.map { "\($0).00" } })
    }

    /// A row with a number in it is none without a further look; a name with digits in it is no number, nor is an empty one.
    @Test(arguments: [
        ("a,b,12,c", true), ("12", true), ("a;b;0", true), ("7,\"a,b\"", true), ("a,b", false), ("a1,2b,", false),
        ("\"a,12,b\",c", false), ("\"12\",c", false), ("1.5,-2", false), ("", false), (",,", false),
        ("1234567890123456,a", false),
    ])
    func plainNumbersTellRowsFromHeaders(_ row: String, _ expected: Bool) {
        let bytes = Array(row.utf8)
        #expect(bytes.withUnsafeBufferPointer(CSVHeader.hasPlainNumber) == expected)
    }

    /// Of a later file and of a header further down as well, once each, and before its rows come out of order.
    @Test(arguments: [false, true], [false, true])
    func columnsThatNothingIsKnownOfAreTold(inOrder: Bool, allColumns: Bool) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/columns-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let rest = TripField.allCases.filter { ![.startTimestamp, .fare].contains($0) }.map(\.header)
        func header(_ first: String...) -> String { (["Trip Start Timestamp"] + first + rest).joined(separator: ",") }
        func row(_ fields: Int) -> String { "2024-03-01T10:00:00" + String(repeating: ",", count: fields - 1) }
        let count = TripField.allCases.count
        let texts = [
            [header("Fare"), row(count)],
            [
                header("Fare", "Weather"), row(count + 1), header("Fares"), row(count), header("Fare", "Weather"),
                row(count + 1),
            ],
        ]
        let paths = try texts.enumerated().map { number, lines in
            let path = "\(folder)/\(number).csv"
            try lines.map { $0 + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
        let options = TripSourceOptions(
            clock: inOrder ? .start : .now, fields: allColumns ? .all : [.init(.company)],
            zone: try ZoneClock(identifier: "America/Chicago"))
        var warnings: [String] = []
        let source = try TripSource(paths: paths, options: options, warn: { warnings.append($0) })
        let batch = TripBatch(capacity: 16)
        while try source.next(into: batch) {}
        #expect(source.counts.delivered == 4)
        let name = "\(paths[1]): "
        #expect(
            warnings == [
                name + "unknown column \"Weather\" left out",
                "\(paths[1]):3: no column \"Fare\" (\"Fares\" looks like it); taken as empty",
                "\(paths[1]):3: unknown column \"Fares\" left out",
            ])
    }
}
