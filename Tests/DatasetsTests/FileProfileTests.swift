import TestSupport
import Foundation
import Problems
import Testing
import Trips

@testable import Datasets

@Suite struct FileProfileTests {
    private static let header = TripField.allCases.map(\.header)

    /// A row with some fields, by header, and nothing in the others.
    private func row(_ values: [String: String]) -> String {
        Self.header.map { values[$0] ?? "" }.joined(separator: ",")
    }

    private func file(_ rows: [String], lineEnd: String = "\n") -> String {
        ([Self.header.joined(separator: ",")] + rows).map { $0 + lineEnd }.joined()
    }

    @Test func countsAreThoseOfASlowReader() throws {
        let options = TripGenerator.Options(rows: 6_000, days: day("2022-04-01")...day("2022-04-02"))
        let slow = try GeneratedFile(options)
        let folder = try TemporaryFolder()
        let profile = try FileProfile(path: try folder.write(try generate(options).bytes, to: "trips.csv"))
        #expect(profile.rows == 6_000)
        #expect(profile.rejects.isEmpty && profile.rejectedRows == 0)
        for column in profile.columns {
            let field = try #require(TripField(name: column.name))
            let values = slow.column(field.header)
            #expect(column.empty == values.count { $0.isEmpty }, "\(column.name)")
            // Numbers are equal when their values are; all decimals of a generated file are in their shortest form.
            #expect(column.isDistinctExact)
            if field.kind != .decimal || field == .miles {
                #expect(column.distinct == Set(values.filter { !$0.isEmpty }).count, "\(column.name)")
            }
        }
        let cents = slow.column("Trip Total").compactMap { Int($0.filter { $0 != "." }) }.reduce(0, +)
        #expect(profile.sums["trip_total"] == "\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)")
        let cash = slow.column("Payment Type").count { $0 == "Cash" }
        #expect(profile.paymentTypes.contains(.init(value: "Cash", count: cash)))
        #expect(
            profile.pickupAreas.first
                == .init(value: "8", count: slow.column("Pickup Community Area").count { $0 == "8" }))
        #expect(profile.times.days == 2 && profile.times.moments == 192)
        #expect(profile.times.roundedToMinutes == 15 && !profile.times.isSorted)
        #expect(profile.findings.nullTrips == slow.rows.count { $0[4] == "0" && $0[5] == "0" })
        #expect(profile.layout.missing.isEmpty && profile.layout.unknown.isEmpty)
        #expect(profile.layout.quotedShare > 0)
    }

    @Test func oddRowsAreFound() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            file([
                row([
                    "Trip ID": "a", "Trip Start Timestamp": "04/13/2024 10:00:00 AM",
                    "Trip End Timestamp": "04/13/2024 09:45:00 AM",
                ]),
                row([
                    "Trip ID": "b", "Trip Start Timestamp": "04/13/2024 09:00:10 AM", "Trip Seconds": "60",
                    "Trip Miles": "1.7",
                ]),
                row(["Trip ID": "a", "Trip Seconds": "0", "Trip Miles": "0.0"]),
                row(["Trip ID": "c", "Trip Seconds": "36", "Trip Miles": "1"]),
                row([
                    "Trip ID": "d", "Fare": "1000.01", "Tips": "1", "Tolls": "0", "Extras": "0",
                    "Trip Total": "1001.51",
                ]),
                row(["Trip ID": "e", "Fare": "-4.50", "Tips": "1", "Tolls": "0", "Extras": "0", "Trip Total": "-3.5"]),
            ]), to: "odd.csv")
        let profile = try FileProfile(path: path)
        #expect(
            profile.findings
                == .init(
                    nullTrips: 1, repeatedTripIDs: 1, isRepeatedExact: true, totalIsNotSum: 1, fasterThan100Mph: 1,
                    endBeforeStart: 1,
                    endEqualsStart: 0, fareAbove1000: 1, negativeAmounts: 2))
        #expect(profile.times.stepsBack == 1 && profile.times.roundedToMinutes == 0)
        #expect(profile.times.firstStart == "04/13/2024 09:00:10 AM")
        #expect(profile.sums["fare"] == "995.51")
    }

    @Test func rejectsComeWithTheirFirstPlaces() throws {
        let folder = try TemporaryFolder()
        let good = row(["Trip ID": "a", "Trip Start Timestamp": "04/13/2024 10:00:00 AM"])
        let bad = (0..<5).map { row(["Trip ID": "b\($0)", "Fare": "12.5O"]) }
        let path = try folder.write(file([good] + bad + ["x,y", row(["Pickup Community Area": "78"])]), to: "bad.csv")
        // Far more than half is rejected, which would stop a replay.
        let profile = try FileProfile(path: path)
        #expect(profile.rows == 1 && profile.rejectedRows == 7)
        #expect(profile.rejects.map(\.reason) == [.badMoney, .outOfRange, .tooFewFields])
        #expect(profile.rejects[0].count == 5 && profile.rejects[0].examples.count == 3)
        #expect(profile.rejects[0].examples[0].hasPrefix("\(path):3:"))
        #expect(profile.rejects[2].examples[0].hasPrefix("\(path):8:1"))
        #expect(profile.lines.contains { $0.contains("5 bad_money") })
    }

    @Test func missingColumnsAreNamedWithWhatLooksLikeThem() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("Trip Begin Timestamp;Farre;Trip Total\r\n1;2;3\r\n", to: "other.csv")
        let profile = try FileProfile(path: path)
        #expect(profile.layout.delimiter == "semicolon" && profile.layout.lineEnd == "CRLF")
        #expect(profile.layout.recognised == ["Trip Total"])
        #expect(profile.layout.unknown == ["Trip Begin Timestamp", "Farre"])
        #expect(profile.layout.missing.contains(.init(header: "Fare", nearest: "Farre")))
        #expect(profile.advice.contains { $0.contains("Farre") })
    }

    @Test func aFileWithoutRowsHasAProfile() throws {
        let folder = try TemporaryFolder()
        let profile = try FileProfile(path: try folder.write("\u{feff}" + file([]), to: "empty.csv"))
        #expect(profile.rows == 0 && profile.layout.hasByteOrderMark)
        #expect(profile.columns.allSatisfy { $0.minimum == nil && $0.distinct == 0 })
        #expect(profile.advice.first == "no row can be used: nothing would be sent")
        #expect(!profile.lines.isEmpty)
    }

    @Test func whatIsNoTripFileIsRefused() throws {
        let folder = try TemporaryFolder()
        func code(_ path: String) -> Problem.Code? {
            do throws(Problem) { _ = try FileProfile(path: path) } catch { return error.code }
            return nil
        }
        #expect(code(try folder.write("name,colour\na,b\n", to: "x.csv")) == .badData)
        #expect(code(try folder.write("", to: "y.csv")) == .badData)
        #expect(code(folder("absent.csv")) == .noInput)
    }

    @Test func aProfileGoesThroughJSON() throws {
        let folder = try TemporaryFolder()
        let options = TripGenerator.Options(rows: 500, days: day("2024-04-13")...day("2024-04-13"))
        let profile = try FileProfile(path: try folder.write(try generate(options).bytes, to: "trips.csv"))
        #expect(try JSONDecoder().decode(FileProfile.self, from: JSONEncoder().encode(profile)) == profile)
    }

    @Test func aPageIsAPage() throws {
        let folder = try TemporaryFolder()
        var options = TripGenerator.Options(rows: 2_000, days: day("2024-01-01")...day("2024-12-31"))
        options.defectsPerMillion = 10_000
        let lines = try FileProfile(path: try folder.write(try generate(options).bytes, to: "trips.csv")).lines
        #expect(lines.count < 90)
        #expect(lines.allSatisfy { !$0.contains("\n") && $0.last != " " })
    }

    @Test func theTableOfColumnsFitsATerminal() throws {
        let folder = try TemporaryFolder()
        let options = TripGenerator.Options(rows: 2_000, days: day("2024-01-01")...day("2024-12-31"))
        let profile = try FileProfile(path: try folder.write(try generate(options).bytes, to: "trips.csv"))
        func rows(_ lines: [String]) -> [String] {
            lines.drop { !$0.hasPrefix("  Column") }.prefix { !$0.isEmpty }.map { $0 }
        }
        let wide = rows(profile.lines)
        #expect(wide.contains { $0.count > 80 } && rows(profile.lines(width: 200)) == wide)
        let narrow = rows(profile.lines(width: 80))
        #expect(narrow.count == wide.count && narrow.allSatisfy { $0.count <= 80 })
        #expect(narrow[0].split(separator: " ").suffix(3) == ["lowest", "highest", "sum"])
        let start = try #require(narrow.first { $0.contains("trip_start_timestamp") })
        #expect(start.contains("/2024") && !start.contains("M"))
    }
}
