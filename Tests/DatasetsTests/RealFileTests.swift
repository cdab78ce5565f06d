import Datasets
import Foundation
import Testing
import Time
import Trips

/// Real files against what another reader (pandas) measured on them. They lie beside the repository, not in it.
@Suite(.enabled(if: realData != nil, "skipped: no ../shared/data/chicago above the repository"))
struct RealFileTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var rows: Int
        var taxis: Int?
        var companies: Int?
        var empty: [TripField: Int] = [:]
        var nulls: Int?
        var notSum: Int?
        var fast: Int?
        var endBeforeStart = 0
        var endEqualsStart: Int?
        var isSorted = false
        var testDescription: String { name }
    }

    static let cases = [
        Case(
            name: "portal23-2022-03-01-full-day.csv.gz", rows: 14_636, taxis: 1_606, companies: 25,
            empty: [
                .taxiID: 2, .endTimestamp: 1, .seconds: 1, .pickupTract: 9_881, .dropoffTract: 9_880,
                .pickupArea: 1_273,
                .dropoffArea: 1_599, .pickupLocation: 1_269, .dropoffLocation: 1_574, .fare: 3, .total: 3,
            ], nulls: 358, notSum: 2_931, fast: 40, endEqualsStart: 4_060, isSorted: true),
        Case(
            name: "portal23-2022-04-01-full-day.csv.gz", rows: 19_456, taxis: 1_764, companies: 28,
            empty: [
                .taxiID: 0, .endTimestamp: 0, .seconds: 9, .pickupTract: 11_535, .dropoffTract: 11_522,
                .pickupArea: 1_438,
                .dropoffArea: 1_983, .pickupLocation: 1_438, .dropoffLocation: 1_902, .tips: 8,
            ], nulls: 498, notSum: 3_915, fast: 51, endEqualsStart: 5_223, isSorted: true),
        Case(
            name: "portal24-dollar-2013-2016-sample.csv", rows: 1_250, taxis: 1_095, companies: 18,
            empty: [
                .endTimestamp: 1, .seconds: 20, .pickupTract: 478, .dropoffTract: 488, .pickupArea: 196, .company: 457,
            ],
            notSum: 13, fast: 8, endBeforeStart: 7, endEqualsStart: 505),
        Case(
            name: "portal19-2013-2017-sample.csv", rows: 1_999, taxis: 1_563,
            empty: [
                .endTimestamp: 2, .seconds: 2, .pickupTract: 538, .dropoffTract: 557, .pickupArea: 14, .dropoffArea: 58,
            ],
            notSum: 57, fast: 7, endEqualsStart: 752),
        Case(
            name: "portal24-month-2021-10-01-float-areas.csv", rows: 42, companies: 12,
            empty: [.pickupTract: 36, .dropoffTract: 34, .pickupArea: 8, .dropoffArea: 9], isSorted: true),
        Case(name: "one-row-2024-portal23.csv", rows: 1, taxis: 1, companies: 1, isSorted: true),
        Case(
            name: "tfx18-2013-2016-sample.csv", rows: 15_002, companies: 61,
            empty: [.pickupTract: 15_001, .dropoffTract: 4_241]),
        Case(name: "course18-upper-2022-05-16.csv", rows: 31_694, empty: [.pickupArea: 3_217, .dropoffArea: 3_495]),
    ]

    @Test(arguments: cases)
    func profileAgrees(_ c: Case) throws {
        let profile = try FileProfile(path: realData!.appending(path: c.name).path)
        #expect(profile.rows == c.rows && profile.rejectedRows == 0)
        let columns = Dictionary(uniqueKeysWithValues: profile.columns.map { ($0.name, $0) })
        for (field, count) in c.empty { #expect(columns[field.name]?.empty == count, "\(field.name)") }
        if let taxis = c.taxis { #expect(columns["taxi_id"]?.distinct == taxis) }
        if let companies = c.companies { #expect(columns["company"]?.distinct == companies) }
        if let nulls = c.nulls { #expect(profile.findings.nullTrips == nulls) }
        if let notSum = c.notSum { #expect(profile.findings.totalIsNotSum == notSum) }
        if let fast = c.fast { #expect(profile.findings.fasterThan100Mph == fast) }
        if let equal = c.endEqualsStart {
            #expect(profile.findings.endEqualsStart == equal)
            #expect(profile.findings.endBeforeStart == c.endBeforeStart)
            #expect(profile.times.roundedToMinutes == 15)
        }
        if c.isSorted { #expect(profile.times.isSorted) }
        #expect(profile.findings.repeatedTripIDs == 0)
    }

    @Test func areasArePointsOfRealMaskedTrips() throws {
        let zone = try ZoneClock(identifier: "America/Chicago")
        let source = try TripSource(
            paths: [realData!.appending(path: "portal23-2022-04-01-full-day.csv.gz").path], options: .init(zone: zone))
        let batch = TripBatch(capacity: 4096)
        var seen: Set<Int64> = []
        var wrong: [String] = []
        while try source.next(into: batch) {
            for row in 0..<batch.count {
                let area = batch.column(.pickupArea)[row]
                guard area != nullCell, batch.column(.pickupTract)[row] == nullCell else { continue }
                let known = try #require(CommunityArea.numbered(Int(area)))
                let found = batch.string(.pickupLocation, row) ?? ""
                if found != point(known) { wrong.append(found) }
                seen.insert(area)
            }
        }
        #expect(wrong.isEmpty && seen.count == 77)
    }

    /// `POINT (-87.6333080367 41.899602111)`
    private func point(_ area: CommunityArea) -> String {
        func degrees(_ value: Int64) -> String {
            var text = String(value.magnitude)
            text.insert(".", at: text.index(text.endIndex, offsetBy: -10))
            while text.last == "0" { text.removeLast() }
            return (value < 0 ? "-" : "") + text
        }
        return "POINT (\(degrees(area.longitude)) \(degrees(area.latitude)))"
    }
}
