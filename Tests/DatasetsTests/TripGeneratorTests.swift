import TestSupport
import Foundation
import Problems
import Testing
import Time
import Trips

@testable import Datasets

@Suite struct TripGeneratorTests {
    static let april = day("2022-04-01")...day("2022-04-30")

    @Test func headerIsTheOfficialOneToTheLetter() throws {
        let (bytes, summary) = try generate(.init(rows: 0, days: Self.april))
        let header =
            "Trip ID,Taxi ID,Trip Start Timestamp,Trip End Timestamp,Trip Seconds,Trip Miles,Pickup Census Tract,Dropoff Census Tract,"
            + "Pickup Community Area,Dropoff Community Area,Fare,Tips,Tolls,Extras,Trip Total,Payment Type,Company,"
            + "Pickup Centroid Latitude,Pickup Centroid Longitude,Pickup Centroid Location,"
            + "Dropoff Centroid Latitude,Dropoff Centroid Longitude,Dropoff Centroid  Location\n"
        #expect(String(decoding: bytes, as: UTF8.self) == header)
        #expect(summary == .init(rows: 0, bytes: header.utf8.count))
    }

    @Test(arguments: TripFileStyle.allCases, TripGenerator.Order.allCases)
    func everyRowHasTheFieldsOfItsHeader(style: TripFileStyle, order: TripGenerator.Order) throws {
        var options = TripGenerator.Options(rows: 3_000, days: day("2015-12-20")...day("2018-01-10"))
        (options.style, options.order) = (style, order)
        let (bytes, summary) = try generate(options)
        let rows = readCSV(bytes, lineEnd: style == .dollar ? "\r\n" : "\n")
        #expect(rows.count == 3_001)
        #expect(Set(rows.map(\.count)) == [style == .portal ? 23 : 24])
        #expect(summary.rows == 3_000 && summary.bytes == bytes.count && summary.defects.isEmpty)
    }

    /// As the City describes its columns, and as its files write them.
    @Test func rideHailingLooksLikeTheCitys() throws {
        var options = TripGenerator.Options(rows: 4_000, days: day("2023-01-01")...day("2023-01-31"))
        options.style = .rideshare
        let file = try GeneratedFile(options)
        #expect(
            Set(file.column("Fare")).allSatisfy {
                $0.isEmpty || (Double($0) ?? 1).truncatingRemainder(dividingBy: 2.5) == 0
            })
        #expect(Set(file.column("Tip")).allSatisfy { $0.isEmpty || Int($0) != nil })
        #expect(Set(file.column("Shared Trip Authorized")) == ["true", "false"])
        #expect(Set(file.column("Trips Pooled")).isSuperset(of: ["1", "2"]))
        #expect(file.share("Tip") { Int($0) ?? 0 > 0 } > 0.15)
        let amounts = ["Fare", "Tip", "Additional Charges", "Trip Total"].map { name in
            file.column(name).map { Int(((Double($0) ?? 0) * 100).rounded()) }
        }
        for row in file.rows.indices { #expect(amounts[0][row] + amounts[1][row] + amounts[2][row] == amounts[3][row]) }
        let folder = try TemporaryFolder()
        let profile = try FileProfile(path: try folder.write(try generate(options).bytes, to: "rides.csv"))
        #expect(profile.layout.kind == .rideshare)
        #expect(profile.layout.missing.isEmpty && profile.layout.unknown.isEmpty && profile.rejectedRows == 0)
        #expect(profile.layout.leftOut.count == 5)
    }

    @Test func sameArgumentsGiveSameBytesOnAnyMachine() throws {
        func checksum(_ seed: UInt64) throws -> UInt64 {
            var options = TripGenerator.Options(rows: 2_000, days: day("2023-01-01")...day("2024-12-31"))
            options.seed = seed
            // FNV-1a
            return try generate(options).bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        }
        #expect(try checksum(1) == checksum(1))
        #expect(try checksum(1) != checksum(2))
        // Whoever changes what is generated changes this number, and makes data/sample.csv.gz anew.
        #expect(try checksum(7) == 0xdb8c_a4ca_9705_e862)
    }

    @Test func bothOrdersHoldTheSameTrips() throws {
        var options = TripGenerator.Options(rows: 5_000, days: Self.april)
        let shuffled = try GeneratedFile(options)
        options.order = .time
        let inTime = try GeneratedFile(options)
        #expect(shuffled.rows.sorted { $0[0] < $1[0] } == inTime.rows.sorted { $0[0] < $1[0] })
        let starts = inTime.column("Trip Start Timestamp").map {
            "\($0.prefix(10)) \(String(format: "%02d", hour($0)))\($0.dropFirst(13))"
        }
        #expect(starts == starts.sorted())
        #expect(shuffled.rows != inTime.rows)
    }

    @Test func identifiersAreHexAndTripsAreUnique() throws {
        let file = try GeneratedFile(.init(rows: 6_000, days: Self.april))
        let digits = Set("0123456789abcdef")
        #expect(Set(file.column("Trip ID")).count == 6_000)
        #expect(file.column("Trip ID").allSatisfy { $0.count == 40 && digits.isSuperset(of: $0) })
        #expect(file.column("Taxi ID").allSatisfy { $0.isEmpty || ($0.count == 128 && digits.isSuperset(of: $0)) })
        #expect((1_800...2_003).contains(Set(file.column("Taxi ID").filter { !$0.isEmpty }).count))
    }

    @Test func sharesAreThoseOfTwoRealDays() throws {
        let file = try GeneratedFile(.init(rows: 10_000, days: day("2022-03-25")...day("2022-04-07")))
        func about(_ share: Double, _ real: Double, within tolerance: Double) -> Bool { abs(share - real) < tolerance }
        // The real shares are those of 2022-03-01 and 2022-04-01 together.
        #expect(about(file.share("Pickup Census Tract") { $0.isEmpty }, 0.628, within: 0.06))
        #expect(about(file.share("Pickup Community Area") { $0.isEmpty }, 0.080, within: 0.015))
        #expect(about(file.share("Dropoff Community Area") { $0.isEmpty }, 0.105, within: 0.015))
        #expect(about(file.share("Payment Type") { $0 == "Cash" }, 0.352, within: 0.03))
        #expect(about(file.share("Payment Type") { $0 == "Credit Card" }, 0.336, within: 0.03))
        #expect(about(file.share("Payment Type") { $0 == "Mobile" }, 0.138, within: 0.03))
        #expect(about(file.share("Company") { $0 == "Flash Cab" }, 0.257, within: 0.02))
        #expect(about(file.share("Company") { $0 == "Taxicab Insurance Agency, LLC" }, 0.055, within: 0.01))
        #expect(about(file.share("Trip Miles") { $0 == "0" }, 0.135, within: 0.02))
        #expect(about(file.share("Trip Seconds") { $0 == "0" }, 0.027, within: 0.006))
        #expect(about(file.share("Tips") { Double($0) == 0 }, 0.55, within: 0.03))
        #expect(about(file.share("Pickup Community Area") { $0 == "8" }, 0.22, within: 0.03))
        #expect(about(file.share("Pickup Community Area") { $0 == "76" }, 0.13, within: 0.03))
        let fares = file.column("Fare").compactMap(Double.init).sorted()
        #expect(about(fares[fares.count / 2], 12.4, within: 2))
        #expect(about(fares[fares.count * 9 / 10], 44, within: 6))
    }

    @Test func moneyIsEmptyInAllFiveColumnsOrInNone() throws {
        let file = try GeneratedFile(.init(rows: 10_000, days: Self.april))
        let names = ["Fare", "Tips", "Tolls", "Extras", "Trip Total"]
        let columns = names.map(file.column)
        var (empty, halfEmpty) = (0, 0)
        var fees: [Int: Int] = [:]
        for row in file.rows.indices {
            let amounts = columns.map { $0[row] }
            let isEmpty = amounts.map(\.isEmpty)
            if isEmpty.contains(true) {
                if isEmpty.contains(false) { halfEmpty += 1 } else { empty += 1 }
                continue
            }
            let cents = amounts.map { Int($0.filter { $0 != "." })! }
            fees[cents[4] - cents[0] - cents[1] - cents[2] - cents[3], default: 0] += 1
        }
        #expect((1...20).contains(empty) && halfEmpty == 0)
        #expect(Set(fees.keys) == [0, 50, 195])
        #expect((0.15...0.25).contains(Double(fees[50]!) / 10_000))
    }

    @Test func timesAreQuarterHoursAndEndsFollowSeconds() throws {
        let file = try GeneratedFile(.init(rows: 6_000, days: Self.april))
        let (starts, ends) = (file.column("Trip Start Timestamp"), file.column("Trip End Timestamp"))
        #expect(
            (starts + ends.filter { !$0.isEmpty }).allSatisfy {
                [":00:00", ":15:00", ":30:00", ":45:00"].contains($0.dropFirst(13).prefix(6))
            })
        #expect(starts.allSatisfy { $0.hasPrefix("04/") && $0.dropFirst(6).prefix(4) == "2022" })
        let wrong = file.column("Trip Seconds").enumerated().filter { row, seconds in
            guard let seconds = Int(seconds) else { return false }
            return abs(wallSeconds(ends[row]) - wallSeconds(starts[row]) - seconds) >= 900
        }
        #expect(wrong.isEmpty)
    }

    private func wallSeconds(_ time: String) -> Int {
        let parts = time.prefix(10).split(separator: "/").compactMap { Int($0) }
        return Calendar.day(year: parts[2], month: parts[0], day: parts[1]) * 86400 + hour(time) * 3600
            + Int(time.dropFirst(14).prefix(2))! * 60
    }

    @Test func aPlaceHasOnePointAndMaskedTripsThatOfTheirArea() throws {
        let file = try GeneratedFile(.init(rows: 6_000, days: Self.april))
        for (end, gap) in [("Pickup", " "), ("Dropoff", "  ")] {
            let areas = file.column("\(end) Community Area")
            let tracts = file.column("\(end) Census Tract")
            let latitudes = file.column("\(end) Centroid Latitude")
            let points = file.column("\(end) Centroid\(gap)Location")
            var pointOfTract: [String: String] = [:]
            var wrong: [Int] = []
            for row in file.rows.indices {
                let (latitude, point): (String, String)
                if !tracts[row].isEmpty {
                    (latitude, point) = (latitudes[row], pointOfTract[tracts[row], default: points[row]])
                    pointOfTract[tracts[row]] = point
                } else if let area = Int(areas[row]).flatMap(CommunityArea.numbered) {
                    latitude = TripFileStyle.degrees(area.latitude, decimals: 9)
                    let longitude = TripFileStyle.degrees(area.longitude, decimals: 10)
                    point = "POINT (\(longitude) \(TripFileStyle.degrees(area.latitude, decimals: 10)))"
                } else {
                    (latitude, point) = ("", "")
                }
                if latitudes[row] != latitude || points[row] != point { wrong.append(row) }
            }
            #expect(wrong.isEmpty)
            #expect(pointOfTract.count > 50)
        }
    }

    @Test func someNullTripsArePublishedTwice() throws {
        let file = try GeneratedFile(.init(rows: 10_000, days: Self.april))
        let bodies = Dictionary(grouping: file.rows) { $0.dropFirst().joined(separator: "|") }
        let repeated = bodies.values.filter { $0.count > 1 }
        #expect((1...30).contains(repeated.count))
        #expect(repeated.allSatisfy { $0[0][4] == "0" && $0[0][5] == "0" })
    }

    @Test func theDollarStyleWritesMoneyAndQuotesAsTheExportOf2016() throws {
        var options = TripGenerator.Options(rows: 8_000, days: day("2014-01-01")...day("2016-12-31"))
        options.style = .dollar
        let text = String(decoding: try generate(options).bytes, as: UTF8.self)
        #expect(text.hasPrefix("\"Trip ID\",\"Taxi ID\",\"Trip Start Timestamp\","))
        #expect(text.contains(",Fare,Tips,Tolls,Extras,\"Trip Total\",\"Payment Type\",Company,"))
        #expect(text.contains(",\"\",\"\","))
        let lines = text.split(separator: "\r\n").dropFirst()
        // Some have no money at all.
        #expect(lines.count { $0.contains(",$") } > lines.count - 20)
        #expect(text.contains(#/,"\$[1-7],[0-9]{3}\.[0-9]{2}",/#))
        let file = try GeneratedFile(options)
        #expect(file.share("Company") { $0.isEmpty } > 0.3)
        #expect(
            zip(file.column("Pickup Community Area"), file.column("Community Areas")).allSatisfy {
                $0 != "8" || $1 == "37"
            })
    }

    @Test func daysNightsAndWeekendsDiffer() throws {
        let file = try GeneratedFile(.init(rows: 6_000, days: day("2023-01-01")...day("2023-12-31")))
        let starts = file.column("Trip Start Timestamp")
        let byHour = Dictionary(grouping: starts, by: hour).mapValues(\.count)
        #expect(byHour[17]! > 5 * byHour[4]!)
        #expect(Set(starts.map { $0.prefix(10) }).count == 365)
    }

    @Test func seasonsAndYearsDiffer() throws {
        let file = try GeneratedFile(.init(rows: 12_000, days: day("2013-01-01")...day("2024-12-31")))
        let starts = file.column("Trip Start Timestamp")
        let byMonth = Dictionary(grouping: starts) { $0.prefix(2) }.mapValues(\.count)
        #expect(byMonth["06"]! > byMonth["01"]! * 11 / 10)
        let byYear = Dictionary(grouping: starts) { $0.dropFirst(6).prefix(4) }.mapValues(\.count)
        #expect(byYear["2013"]! > byYear["2024"]!)
        #expect(byYear.count == 12)
        let fares = zip(starts, file.column("Fare")).compactMap { start, fare in
            Double(fare).map { (start.dropFirst(6).prefix(4), $0) }
        }
        func mean(_ year: String) -> Double {
            let some = fares.filter { $0.0 == year && $0.1 < 200 }.map(\.1)
            return some.reduce(0, +) / Double(some.count)
        }
        #expect(mean("2024") > mean("2013") * 1.1)
        // Apps came later.
        #expect(
            !zip(starts, file.column("Payment Type")).contains { $0.dropFirst(6).prefix(4) < "2017" && $1 == "Mobile" })
    }

    @Test func refusesWhatCannotBe() throws {
        func code(_ change: (inout TripGenerator.Options) -> Void) -> Problem.Code? {
            var options = TripGenerator.Options(rows: 1, days: Self.april)
            change(&options)
            do throws(Problem) { _ = try TripGenerator(options) } catch { return error.code }
            return nil
        }
        #expect(code { _ in } == nil)
        #expect(code { $0.rows = -1 } == .usage)
        #expect(code { $0.rows = .max } == .usage)
        #expect(code { $0.days = day("1999-12-31")...day("2000-01-02") } == .usage)
        #expect(code { $0.days = day("2100-12-01")...day("2101-01-01") } == .usage)
        #expect(code { $0.defectsPerMillion = -1 } == .usage)
        #expect(code { $0.defectsPerMillion = 200_000 } == .usage)
    }

    @Test func aFullDiskOrClosedPipeEndsIt() throws {
        struct Full: Error {}
        let generator = try TripGenerator(.init(rows: 10_000, days: Self.april))
        #expect(throws: Full.self) { try generator.write { _ in throw Full() } }
    }
}

@Suite struct TripDefectTests {
    @Test(arguments: TripFileStyle.allCases)
    func spoiltRowsAreRejectedForTheirReasonAndCounted(style: TripFileStyle) throws {
        var options = TripGenerator.Options(rows: 10_000, days: day("2022-04-01")...day("2022-04-30"))
        (options.style, options.defectsPerMillion) = (style, 10_000)
        let (bytes, summary) = try generate(options)
        #expect(Set(summary.defects.keys) == Set(TripDefect.allCases))
        #expect(summary.defects.values.allSatisfy { (50...160).contains($0) })

        let folder = try TemporaryFolder()
        let profile = try FileProfile(path: try folder.write(bytes, to: "dirty.csv"))
        var expected: [RejectReason: Int] = [:]
        for (defect, count) in summary.defects { expected[defect.reason, default: 0] += count }
        #expect(Dictionary(uniqueKeysWithValues: profile.rejects.map { ($0.reason, $0.count) }) == expected)
        #expect(profile.rows + profile.rejectedRows == 10_000)
    }
}
