import Avro
import Compression
import Foundation
import Problems
import Testing
import Time
import Trips

@testable import Export

@Suite struct TripConversionTests {
    private let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/taxi-convert-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private static let header =
        "Trip ID,Taxi ID,Trip Start Timestamp,Trip End Timestamp,Trip Seconds,Trip Miles,Fare,Company"

    private func rows(_ count: Int, from first: Int = 0) -> [String] {
        (first..<first + count).map {
            "t\($0),x\($0 % 7),01/22/2024 01:45:00 PM,01/22/2024 02:00:00 PM,\($0 % 900),\($0 % 30).5,\($0 % 90).25,\"Cab \"\"\($0 % 3)\"\", Inc\""
        }
    }

    private func save(_ name: String, _ lines: [String], end: String = "\n") throws -> String {
        let path = "\(folder)/\(name)"
        try Data(lines.map { $0 + end }.joined().utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Converts a file into another, both by their names.
    @discardableResult
    private func convert(_ source: String, _ target: String, clock: EventClock = .start) throws
        -> TripConversion.Summary
    {
        let zone = try ZoneClock(identifier: "America/Chicago")
        let conversion = TripConversion(
            from: try #require(TripFileForm(path: source)), to: try #require(TripFileForm(path: target)), clock: clock,
            zone: zone)
        let file = try CompressingWriter(path: "\(folder)/\(target)")
        let summary = try conversion.run(source, to: { try file.write($0) }, progress: { _ in })
        try file.finish()
        return summary
    }

    private func text(_ name: String) throws -> String {
        let reader = try DecompressingReader(path: "\(folder)/\(name)")
        var (bytes, piece): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 1 << 20))
        while case let count = try piece.withUnsafeMutableBytes({ try reader.read(into: $0) }), count > 0 {
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: [0, 1, 40_000]) func eachFormHoldsTheSame(count: Int) throws {
        let source = try save("a.csv", [Self.header] + rows(count))
        #expect(try convert(source, "a.jsonl").rows == Int64(count))
        try convert(source, "a.avro")
        try convert(source, "b.csv.gz")
        let lines = try text("a.jsonl")
        #expect(lines.utf8.count { $0 == 0x0a } == count)
        // There and back, by way of each other.
        try convert("\(folder)/a.avro", "b.jsonl.zst")
        try convert("\(folder)/b.csv.gz", "c.jsonl")
        try convert("\(folder)/a.jsonl", "c.avro")
        try convert("\(folder)/c.avro", "d.jsonl")
        for name in ["b.jsonl.zst", "c.jsonl", "d.jsonl"] { #expect(try text(name) == lines, "\(name)") }
        if count > 0 {
            #expect(lines.hasPrefix(#"{"trip_id":"t0","taxi_id":"x0","trip_start_timestamp":"01/22/2024 01:45:00 PM""#))
            #expect(lines.contains(#""company":"Cab \"0\", Inc","#))
            #expect(lines.contains(#""event_timestamp":"2024-01-22T19:45:00.000Z"}"#))
        }
    }

    @Test func theEndCanBeTheEventTime() throws {
        let source = try save("a.csv", [Self.header] + rows(1))
        try convert(source, "a.jsonl", clock: .end)
        #expect(try text("a.jsonl").contains(#""event_timestamp":"2024-01-22T20:00:00.000Z"}"#))
    }

    @Test func leavesOutWhatCannotBeUsedAndSaysWhere() throws {
        var lines = [Self.header] + rows(20)
        lines[3] = "t,x,01/22/2024 01:45:00 PM,,1,1,12.5O,c"
        lines[7] = "t,x,,,1,1,1,c"
        lines[9] = "t,x,01/22/2024 01:45:00 PM,,1,1,x,c"
        let summary = try convert(save("a.csv", lines), "a.jsonl")
        #expect(summary.rows == 17)
        #expect(summary.rejected.map(\.reason) == [.badMoney, .missingEventTime])
        #expect(summary.rejected.map(\.count) == [2, 1])
        #expect(summary.rejected[0].first.contains("a.csv:4:") && summary.rejected[0].first.contains("12.5O"))
        #expect(summary.rejected[1].first.contains("a.csv:8:"))

        var objects = try text("a.jsonl").split(separator: "\n").map(String.init)
        objects[2] = #"{"event_timestamp":"2024-01-22T19:45:00.000Z","fare":"abc"}"#
        objects.insert("", at: 4)
        objects[6] = "{"
        let again = try convert(save("b.jsonl", objects, end: "\r\n"), "b.avro")
        #expect(again.rows == 15)
        #expect(again.rejected.map(\.reason) == [.badMoney, .malformedJSON])
        #expect(again.rejected[1].first.contains("b.jsonl:7:"))
    }

    @Test func refusesFilesOfWhichMoreThanHalfAreNoTrips() throws {
        let good = #"{"event_timestamp":"2024-01-22T19:45:00.000Z"}"#
        for bad in [#"{"a":1}"#, "no object"] {
            let path = try save("x.jsonl", (0..<500).flatMap { _ in [good, bad, bad] })
            let problem = #expect(throws: Problem.self) { try convert(path, "x.avro") }
            #expect(problem?.code == .badData)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/x.avro"))
        }
        let csv = try save("x.csv", ["a,b"] + Array(repeating: "1,2", count: 10))
        #expect(throws: Problem.self) { try convert(csv, "x.jsonl") }
    }

    @Test func aDamagedFileOfAvroIsRefusedWithThePlace() throws {
        try convert(save("a.csv", [Self.header] + rows(5000)), "a.avro")
        let path = "\(folder)/a.avro"
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        for (cut, words) in [
            (2, "is no Avro file"), (bytes.count - 1, "is damaged at byte"), (bytes.count / 2, "is damaged at byte"),
        ] {
            try Data(bytes[..<cut]).write(to: URL(fileURLWithPath: path))
            let problem = #expect(throws: Problem.self) { try convert(path, "b.jsonl") }
            #expect(problem?.code == .badData)
            #expect(problem?.message.contains(words) == true, "\(problem?.message ?? "")")
        }
    }

    @Test func formsFollowFromNames() {
        let names: [(String, TripFileForm?)] = [
            ("a.csv", .csv), ("A.CSV.GZ", .csv), ("a.jsonl.zst", .jsonl), ("a.ndjson", .jsonl), ("x/y.avro", .avro),
            ("a.csv.bz2", nil), ("csv", nil), ("-", nil),
        ]
        for (name, form) in names { #expect(TripFileForm(path: name) == form, "\(name)") }
    }
}
