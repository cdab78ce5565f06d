import Basics
import Batch
import Database
import Foundation
import Problems
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Audit
@testable import Stream

/// A restated period is what it would be if the old trips had never been read.
@Suite struct RestateTests {
    private static let hour: Int64 = 3_600_000

    /// Trips with those of a period replaced.
    private static func replace(_ period: Range<EventTime>, of trips: [Trip], by file: [Trip]) -> [Trip] {
        trips.filter { !period.contains($0.time) } + file.filter { period.contains($0.time) }
    }

    /// A tenant that has read these trips and no others.
    private func expected(_ plans: [QueryPlan], _ trips: [Trip], batch: Bool = false) throws -> [String: [String]] {
        let tenant = try AuditedTenant()
        try tenant.produce(trips.sorted { $0.time < $1.time })
        try tenant.stream(plans) { $0.late = .update }
        if batch { try tenant.batch() }
        return try tenant.visible(plans, batch: batch)
    }

    struct Way: Sendable, CustomTestStringConvertible {
        var seed: UInt64
        var partitions = 1
        var late = StreamOptions.LatePolicy.update
        /// The trips of the topic are so much out of order.
        var lateMs: Int64 = 0
        var testDescription: String { "seed \(seed), \(partitions) partitions, \(late), \(lateMs) ms late" }
    }

    static let ways =
        (1...3).map { Way(seed: $0) } + [7, 8].map { Way(seed: $0, partitions: 3) }
        + [Way(seed: 10, late: .drop)] + [12, 13].map { Way(seed: $0, partitions: 2, lateMs: 600_000) }

    @Test(arguments: ways) func equalsATenantThatNeverSawTheOldTrips(_ way: Way) throws {
        var numbers = SplitMix64(seed: way.seed)
        let plans = try allQueries()
        let span = 5 * Self.hour
        let old = Trip.wholeSeconds(300, spanMs: span, lateMs: way.lateMs, seed: way.seed)
        let tenant = try AuditedTenant(partitions: way.partitions)
        try tenant.produce(old, partitions: way.partitions)
        try tenant.stream(plans) { $0.late = way.late }
        var truth = old
        var covered: [Range<EventTime>] = []
        for round in 0..<3 {
            let from = origin + Int64.random(in: 0..<span * 3 / 4, using: &numbers) / 1000 * 1000
            let until = from + Int64.random(in: 1...span / 2, using: &numbers) / 1000 * 1000 + 1000
            // Overlaps by chance; the last one is the one before, once more.
            let period = round == 2 ? covered[1] : from..<until
            let file = Trip.wholeSeconds(
                Int.random(in: 100...400, using: &numbers), from: from - Self.hour, spanMs: 3 * Self.hour,
                seed: way.seed * 100 + UInt64(round))
            if !file.contains(where: { period.contains($0.time) }) { continue }
            try tenant.restate(plans, period, file)
            truth = Self.replace(period, of: truth, by: file)
            covered.append(period)
            expectSame(try tenant.visible(plans), try expected(plans, truth), "restatement \(round)")
            let report = try tenant.audit(plans)
            #expect(report.first == [], "audit after restatement \(round)")
            if covered.count < 2 { covered.append(period) }
        }
        // What comes later is added beside the periods, and left out within them.
        let later = Trip.wholeSeconds(200, spanMs: span + Self.hour, seed: way.seed + 1000)
        try tenant.produce(later, partitions: way.partitions)
        try tenant.stream(plans) { $0.late = .update }
        truth += later.filter { trip in !covered.contains { $0.contains(trip.time) } }
        expectSame(try tenant.visible(plans), try expected(plans, truth), "trips that came later")
        #expect(try tenant.audit(plans).first == [], "audit of trips that came later")
        let left = later.count { trip in covered.contains { $0.contains(trip.time) } }
        #expect(
            try tenant.number(
                "SELECT sum(value) FROM ledger WHERE query = 'sumFareWindow' AND counter = 'restated'") == Int64(left))
    }

    @Test func analyticsAreThoseOfTheNewTripsAndTheOldAnswersAreKept() throws {
        let plans = try allQueries()
        let day = 24 * Self.hour
        let old = Trip.wholeSeconds(400, spanMs: 6 * day, seed: 31)
        let tenant = try AuditedTenant()
        try tenant.produce(old)
        try tenant.stream(plans)
        try tenant.batch()
        let start = tenant.zone.startMs(ofLocalDay: tenant.zone.localDay(ofMs: origin) + 1)
        let period = start..<start + 3 * day
        // The second day has no trip any more.
        let file = Trip.wholeSeconds(400, from: start, spanMs: 3 * day, seed: 32)
            .filter { !(start + day..<start + 2 * day).contains($0.time) }
        let prepared = try tenant.restate(plans, period, file)
        #expect(prepared.files.emptyDays.count == 1)
        #expect(try tenant.audit(plans).first == [])
        try tenant.batch()
        expectSame(
            try tenant.visible(plans, batch: true),
            try expected(plans, Self.replace(period, of: old, by: file), batch: true))
        #expect(try tenant.audit(plans).first == [])
        #expect(try tenant.number("SELECT count(*) FROM vintages WHERE name = 'before' AND rows > 0") == 1)
    }

    @Test func anAuditTellsOfARestatedWindowThatWasChanged() throws {
        let plans = try allQueries()
        let tenant = try AuditedTenant()
        try tenant.produce(Trip.wholeSeconds(300, seed: 5))
        try tenant.stream(plans)
        try tenant.restate(plans, origin + 600_000..<origin + 1_800_000, Trip.wholeSeconds(300, seed: 6))
        #expect(try tenant.audit(plans).first == [])
        try tenant.execute(
            "UPDATE stored_sumfarewindow SET trips = trips + 1 WHERE window_start_ms = (SELECT min(window_start_ms) FROM stored_sumfarewindow WHERE window_start_ms >= \(origin + 600_000))"
        )
        #expect(try tenant.audit(plans).differences > 0)
    }

    @Test func aFileThatIsGoneOrAnotherStopsTheAudit() throws {
        let plans = try QueryCatalog.load()
        let tenant = try AuditedTenant()
        try tenant.produce(Trip.wholeSeconds(200, seed: 7))
        try tenant.stream(plans)
        try tenant.restate(plans, origin..<origin + Self.hour, Trip.wholeSeconds(200, seed: 8), name: "new")
        try "Trip Start Timestamp\n".write(toFile: tenant.path + "/new.csv", atomically: true, encoding: .utf8)
        #expect(throws: Problem.self) { try tenant.audit(plans) }
    }

    @Test func aFileOfAnotherTimeChangesNothing() throws {
        let plans = try QueryCatalog.load()
        let tenant = try AuditedTenant()
        try tenant.produce(Trip.wholeSeconds(200, seed: 9))
        try tenant.stream(plans)
        let before = try tenant.visible(plans)
        #expect(throws: Problem.self) {
            try tenant.restate(
                plans, origin..<origin + Self.hour, Trip.wholeSeconds(50, from: origin + 50 * Self.hour, seed: 10))
        }
        expectSame(try tenant.visible(plans), before)
        #expect(try tenant.audit(plans).first == [])
    }

    @Test func edgesWhoseTripsAreGoneAreNamed() throws {
        let plans = try allQueries()
        let tenant = try AuditedTenant()
        try tenant.produce(Trip.wholeSeconds(400, seed: 11))
        try tenant.stream(plans)
        try tenant.execute("UPDATE checkpoints SET state = json_set(state, '$.counts.lost', 5)")
        let id = try tenant.begin("restate")
        let file = tenant.path + "/new.csv"
        try Trip.csv(Trip.wholeSeconds(100, seed: 12), zone: tenant.zone).write(
            toFile: file, atomically: true, encoding: .utf8)
        let restating = Restating(
            period: origin + 300_000..<origin + 900_000,
            source: .init(
                files: [.init(path: file, content: try #require(try ContentHash.hash(of: file)))], clock: "start",
                spread: "none", seed: 1, clean: nil, takesMissing: false, latestMs: origin + 1 << 40),
            origin: .topic(AuditedTenant.topic)
        ) { _ in nil }
        let prepared = try tenant.runner(plans, run: id).prepare(restating)
        // Windows of 5 s end with the period, all others reach beyond it.
        #expect(!prepared.impossible.map(\.query).contains("sumFareWindow"))
        #expect(Set(prepared.impossible.map(\.query)).isSuperset(of: ["hotspotWindow", "hours", "days", "tripsTotal"]))
    }
}
