import Database
import Foundation
import SQLite
import Stream
import Testing
import Time
import Trips

@testable import Audit

/// `audit` holds after a rewind, and what batch makes of the results follows them.
@Suite struct RewindAuditTests {
    struct Way: Sendable, CustomTestStringConvertible {
        var late = StreamOptions.LatePolicy.update
        var lateMs: Int64 = 0
        var partitions = 1
        var testDescription: String { "late \(late.rawValue) by \(lateMs) ms, \(partitions) partitions" }
    }

    @Test(arguments: [
        Way(), Way(lateMs: 900_000), Way(late: .drop, lateMs: 900_000), Way(lateMs: 900_000, partitions: 2),
    ])
    func isCleanBehindARewindAndWhenTheStreamHasGoneOn(_ way: Way) throws {
        let plans =
            try QueryCatalog.parse(
                """
                queries:
                  - {name: fares, window: {tumbling: 5m}, aggregates: {n: count(), total: sum(fare)}, emit: append}
                  - {name: places, group: [company], window: {sliding: 10m, every: 5m}, aggregates: {n: count(), p50: quantile(fare, 0.5)}, emit: update}
                  - {name: days, window: none, group: [day], aggregates: {n: count(), spread: stddev(fare)}}
                alerts:
                  - {name: busy, on: fares, if: n > 30}
                """, file: "f") + QueryCatalog.load()
        let tenant = try AuditedTenant(partitions: way.partitions)
        try tenant.produce(Trip.random(900, lateMs: way.lateMs, seed: 9), partitions: way.partitions)
        try tenant.produce(values: ["garbage", "{}"])
        func stream(_ epochs: Int? = nil) throws {
            try tenant.stream(plans, epochs: epochs) {
                ($0.keepHistoryMs, $0.late, $0.epochRecords) = (1 << 40, way.late, 100)
            }
        }
        func audit(_ what: String) throws {
            let report = try tenant.audit(plans)
            #expect(report.differences == 0, "\(what): \(report.first)")
        }
        try stream(4)
        try stream(2)
        try rewind(tenant, plans, 3)
        try audit("in the middle of a run")
        try stream()
        try audit("gone on to the end")
        try tenant.batch()
        try audit("with analytics")
        // The last epoch has closed all windows.
        try rewind(tenant, plans, 1)
        try audit("before the end")
        try rewind(tenant, plans, 4)
        try audit("further back")
        try stream(1)
        try audit("on the way")
        try stream()
        try audit("at the end again")
        try tenant.batch()
        try audit("with new analytics")
        let straight = try AuditedTenant(partitions: way.partitions)
        try straight.produce(Trip.random(900, lateMs: way.lateMs, seed: 9), partitions: way.partitions)
        try straight.stream(plans) { $0.late = way.late }
        try straight.batch()
        guard way.late == .update || way.partitions == 1 else { return }
        for view in [
            "fare_trend", "accumulated_metrics", "area_hotspots", "location_hotspots", "fares", "places", "days",
        ] {
            let rows = { (tenant: AuditedTenant) in
                try tenant.database.connection.rows("SELECT * FROM \(view)") { row throws(SQLiteError) in
                    (0..<row.columnCount).map { "\(row.value($0))" }.joined(separator: " | ")
                }.sorted()
            }
            #expect(try rows(tenant) == rows(straight), "\(view)")
        }
    }

    private func rewind(_ tenant: AuditedTenant, _ plans: [QueryPlan], _ epochs: Int64) throws {
        let id = try tenant.begin("rewind")
        let report = try Rewind(
            plans: plans, tenant: "chicago", zone: tenant.zone, database: tenant.database, store: tenant.store,
            runID: id,
            nowMs: SystemClock.shared.nowMs
        ).run(to: .epochs(epochs))
        #expect(report.queries.count == plans.count)
        try tenant.end(id)
    }
}
