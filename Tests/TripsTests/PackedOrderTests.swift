import Basics
import Foundation
import Problems
import Testing

import Time
@testable import Trips

/// A few columns take another way through a file than all of them; both must give the same trips in the same order.
@Suite struct PackedOrderTests {
    private struct Row: Equatable {
        var time: EventTime
        var fare: Int64
        var area: Int64
        var company: String?
    }

    private static let zone = try! ZoneClock(identifier: "America/Chicago")
    private static let fields = TripFieldSet([.fare, .pickupArea, .company])
    private static let companies = [
        "Flash Cab", "\"Taxi, Affiliation\"", "\"The \"\"Blue\"\" One\"", "", "Sun Taxi", "Café Cab",
    ]

    /// A file in no order, with quoted and empty texts, many rows of one time, and some that cannot be used.
    private func file(seed: UInt64, rows: Int, companies: [String] = Self.companies) throws -> String {
        var state = seed
        func random(_ below: UInt64) -> UInt64 {
            state = splitMix64(state)
            return state % below
        }
        var text = "Trip ID,Trip Start Timestamp,Trip End Timestamp,Trip Seconds,Fare,Pickup Community Area,Company\n"
        for row in 0..<rows {
            let quarter = random(400)
            // Over the spring change of 2024: 2 to 3 in the morning is not there on 10 March.
            let (day, hour, minute) = (8 + quarter / 96, quarter % 96 / 4, quarter % 4 * 15)
            var start = String(
                format: "03/%02d/2024 %02d:%02d:00 %@", day, (hour + 11) % 12 + 1, minute, hour < 12 ? "AM" : "PM")
            var fare = "\(random(90)).\(10 + random(90))"
            var area = "\(1 + random(77))"
            switch random(40) {
            case 0: start = ""
            case 1: start = "yesterday"
            case 2: fare = "much"
            case 3: area = "78"
            case 4: (fare, area) = ("", "")
            default: break
            }
            let company = companies[Int(random(UInt64(companies.count)))]
            text += "\(row),\(start),\(start),\(random(4000)),\(fare),\(area),\(company)\n"
        }
        let path = "\(NSTemporaryDirectory())/packed-\(UUID().uuidString).csv"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    private func read(_ paths: [String], _ options: TripSourceOptions) throws -> (
        rows: [Row], rejects: [String], counts: TripCounts
    ) {
        let source = try TripSource(paths: paths, options: options)
        let batch = TripBatch(capacity: 1000)
        var rows: [Row] = []
        var rejects: [String] = []
        while try source.next(into: batch) {
            for row in 0..<batch.count {
                rows.append(
                    Row(
                        time: batch.eventTimes[row], fare: batch.column(.fare)[row],
                        area: batch.column(.pickupArea)[row], company: batch.string(.company, row)))
            }
            rejects += source.takeRejects().map { "\($0.location) \($0.reason) \($0.detail)" }
        }
        rejects += source.takeRejects().map { "\($0.location) \($0.reason) \($0.detail)" }
        return (rows, rejects, source.counts)
    }

    private func options(_ fields: TripFieldSet, _ spread: Spread = .none) -> TripSourceOptions {
        TripSourceOptions(clock: .start, spread: spread, seed: 7, fields: fields, zone: Self.zone)
    }

    @Test(arguments: [1, 2, 3] as [UInt64], [Spread.none, .uniform, .byDuration])
    func givesWhatDecodingAllColumnsGives(seed: UInt64, spread: Spread) throws {
        let paths = try [file(seed: seed, rows: 3000), file(seed: seed + 100, rows: 3)]
        defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
        let (few, all) = (options(Self.fields, spread), options(.all, spread))
        #expect(PackedOrderReader.fits(few))
        #expect(!PackedOrderReader.fits(all))
        let (packed, whole) = (try read(paths, few), try read(paths, all))
        #expect(packed.rows == whole.rows)
        #expect(packed.rows.count > 2600)
        #expect(packed.counts == whole.counts)
        // Those of the one come in the order of the files, of the other in that of time.
        #expect(packed.rejects.sorted() == whole.rejects.sorted())
        #expect(packed.rejects.count > 60)
    }

    /// A file is read in pieces that begin behind line ends, of which most are within a text here; and some quotes are never closed.
    @Test(arguments: [Spread.none, .uniform])
    func aPieceThatBeginsWithinATextIsReadAgain(spread: Spread) throws {
        let lines = (0..<60).map { "line \($0) of a name, which" }.joined(separator: "\n")
        var companies = (0..<120).map { "\"\($0) \(lines)\"" }
        companies[7].removeLast()
        let path = try file(seed: 11, rows: 3500, companies: companies)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0 > 5 << 20)
        var (few, all) = (options(Self.fields, spread), options(.all, spread))
        (few.toleratesRejects, all.toleratesRejects) = (true, true)
        let (packed, whole) = (try read([path], few), try read([path], all))
        #expect(packed.rows == whole.rows)
        #expect(packed.rows.count > 2500)
        // Without their places: the one counts rows, the other lines, and texts of many lines make a difference.
        func reasons(_ rejects: [String]) -> [String] { rejects.map { String($0.drop { $0 != " " }) }.sorted() }
        #expect(reasons(packed.rejects) == reasons(whole.rejects))
        #expect(packed.rejects.count > 1000)
    }

    @Test func cleansAndPassesOverWhatWasDelivered() throws {
        let path = try file(seed: 5, rows: 5000)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var (few, all) = (options(Self.fields), options(.all))
        (few.skip, all.skip) = (1234, 1234)
        let (packed, whole) = (try read([path], few), try read([path], all))
        #expect(packed.rows == whole.rows)
        #expect(packed.counts == whole.counts)
    }

    @Test func tooManyDifferentTextsTakeTheOtherWay() throws {
        let path = "\(NSTemporaryDirectory())/packed-\(UUID().uuidString).csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var text = "Trip ID,Trip Start Timestamp,Company\n"
        for row in 0..<140_000 { text += "\(row),03/09/2024 0\(1 + row % 9):15:00 AM,company \(row)\n" }
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        var options = options(TripFieldSet([.company]))
        options.required = TripFieldSet(.startTimestamp)
        let rows = try read([path], options).rows
        #expect(rows.count == 140_000)
        // Rows of one time keep their order: sorted by time and place, every ninth has the same time.
        let expected = (0..<9).flatMap { hour in stride(from: hour, to: 140_000, by: 9) }
        #expect(rows.map(\.company) == expected.map { "company \($0)" })
    }

    @Test func aFileOfWhichMostIsUnusableIsRefused() throws {
        let path = "\(NSTemporaryDirectory())/packed-\(UUID().uuidString).csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var text = "Trip ID,Trip Start Timestamp,Fare\n"
        for row in 0..<100 { text += "\(row),03/09/2024 01:15:00 AM,much\n" }
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        let problem = #expect(throws: Problem.self) { try read([path], options(TripFieldSet([.fare]))) }
        #expect(problem?.code == .badData)
        #expect(problem?.message.contains("bad_money") == true)
    }
}
